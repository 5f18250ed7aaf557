//! A folder of this machine. Each file is written under a hidden name and renamed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Mutex;

use super::{Folder, Found};
use crate::disk;
use crate::segments::name::Kind;
use crate::sink::{Retry, SinkError};

const LOCK: &str = ".airchain.lock";
/// A text longer than this is not ours.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// The folder. All work on it takes turns.
pub(crate) struct LocalFolder {
    path: PathBuf,
    shared: Arc<Mutex<Held>>,
}

/// What is there while it is ours.
#[derive(Default)]
struct Held {
    lock: Option<File>,
}

impl LocalFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, shared: Arc::default() }
    }

    /// Does file work on a thread that may block.
    async fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Path, &mut Held) -> Result<R, SinkError> + Send + 'static,
    ) -> Result<R, SinkError> {
        let path = self.path.clone();
        disk::blocking(&self.shared, move |held| work(&path, held)).await
    }
}

#[async_trait]
impl Folder for LocalFolder {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    async fn claim(&self) -> Result<(), SinkError> {
        self.work(|path, held| {
            // An old lock may be of a folder that has been moved away.
            held.lock = None;
            fs::create_dir_all(path)
                .map_err(|e| disk::fault("create the directory", path, &e, Retry::Soon))?;
            let file = path.join(LOCK);
            let lock = File::create(&file).map_err(|e| disk::fault("create", &file, &e, Retry::Soon))?;
            match lock.try_lock() {
                Ok(()) => held.lock = Some(lock),
                Err(TryLockError::WouldBlock) => return Err(taken(path, Retry::Seldom)),
                // Some network file systems have no locks.
                Err(TryLockError::Error(_)) => {}
            }
            for name in names(path)? {
                let written = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
                if written.is_some_and(|name| Kind::of(name).is_some()) {
                    let _ = fs::remove_file(path.join(&name));
                }
            }
            Ok(())
        })
        .await
    }

    async fn release(&self) {
        let released = self.work(|_, held| {
            held.lock = None;
            Ok(())
        });
        let _ = released.await;
    }

    async fn check_free(&self) -> Result<(), SinkError> {
        self.work(|path, held| {
            if held.lock.is_some() {
                return Ok(());
            }
            let Ok(lock) = File::open(path.join(LOCK)) else { return Ok(()) };
            match lock.try_lock() {
                // It may be on its way out.
                Err(TryLockError::WouldBlock) => Err(taken(path, Retry::Soon)),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Found>, SinkError> {
        self.work(|path, _| {
            let mut found = Vec::new();
            let ours = |name: &String| Kind::of(name).is_some();
            for name in names(path)?.into_iter().filter(ours) {
                // Gone in this moment, or a directory or link with such a name: not ours.
                let Ok(data) = fs::symlink_metadata(path.join(&name)) else { continue };
                if data.is_file() {
                    found.push(Found { name, bytes: data.len() });
                }
            }
            Ok(found)
        })
        .await
    }

    async fn text(&self, name: &str) -> Result<Option<String>, SinkError> {
        let name = name.to_owned();
        self.work(move |path, _| {
            let path = path.join(name);
            let read = fs::metadata(&path).and_then(|data| match data.len() {
                0..=MAX_TEXT_BYTES => fs::read(&path),
                _ => Ok(Vec::new()),
            });
            match read {
                Ok(bytes) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(disk::fault("read", &path, &e, Retry::Soon)),
            }
        })
        .await
    }

    async fn has(&self, name: &str) -> bool {
        let name = name.to_owned();
        // Where it cannot be asked, writing will tell why.
        self.work(move |path, _| Ok(path.join(name).exists())).await.unwrap_or(true)
    }

    async fn put(&self, name: &str, data: Bytes) -> Result<(), SinkError> {
        let name = name.to_owned();
        self.work(move |path, _| {
            let (hidden, path) = (path.join(format!(".{name}.tmp")), path.join(name));
            fs::write(&hidden, data).and_then(|()| fs::rename(&hidden, &path)).map_err(|error| {
                let _ = fs::remove_file(&hidden);
                disk::fault("write", &path, &error, Retry::Soon)
            })
        })
        .await
    }

    async fn remove(&self, name: &str) -> Result<(), SinkError> {
        let name = name.to_owned();
        self.work(move |path, _| {
            let path = path.join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    Err(disk::fault("remove", &path, &e, Retry::Soon))
                }
                _ => Ok(()),
            }
        })
        .await
    }

    async fn set_aside(&self, name: &str) -> Result<(), SinkError> {
        let name = name.to_owned();
        self.work(move |path, _| {
            let from = path.join(&name);
            let candidates =
                std::iter::once(format!("{name}.old")).chain((2..).map(|n| format!("{name}.old{n}")));
            let free = candidates.map(|name| path.join(name)).find(|to| fs::symlink_metadata(to).is_err());
            let to = free.unwrap_or_else(|| path.join(format!("{name}.old")));
            tracing::warn!(from = %from.display(), to = %to.display(), "not a playlist of airchain's, set aside");
            fs::rename(&from, &to).map_err(|e| disk::fault("set aside", &from, &e, Retry::Soon))
        })
        .await
    }
}

fn names(path: &Path) -> Result<Vec<String>, SinkError> {
    let list = || fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
    match list() {
        Ok(names) => Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(disk::fault("list", path, &e, Retry::Soon)),
    }
}

fn taken(path: &Path, retry: Retry) -> SinkError {
    let message =
        format!("another HLS output writes to {}; give each a directory of its own", path.display());
    SinkError { message, retry }
}
