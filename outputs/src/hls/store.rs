//! Where segments and playlists are kept: a local directory.
//!
//! Files appear whole or not at all: each is written under a hidden name and renamed. Only files whose names airchain
//! makes are ever removed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::multivariant::is_own;
use super::playlist::parse_segment_name;
use super::{INDEX, PLAYLIST};
use crate::disk;
use crate::sink::{Retry, SinkError};

const LOCK: &str = ".airchain.lock";
/// A playlist longer than this is not ours.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// The directory, ours alone while this lives.
pub(crate) struct Directory {
    path: PathBuf,
    _lock: Option<File>,
}

/// A segment file found there.
pub(crate) struct Found {
    pub(crate) sequence: u64,
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

impl Directory {
    /// Opens it, creates it where needed, and clears away what an interrupted write has left.
    pub(crate) fn open(path: &Path) -> Result<Self, SinkError> {
        fs::create_dir_all(path).map_err(|e| disk::fault("create the directory", path, &e, Retry::Soon))?;
        let file = path.join(LOCK);
        let lock = File::create(&file).map_err(|e| disk::fault("create", &file, &e, Retry::Soon))?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(TryLockError::WouldBlock) => return Err(held(path, Retry::Seldom)),
            // Some network file systems have no locks.
            Err(TryLockError::Error(_)) => None,
        };
        let directory = Self { path: path.to_owned(), _lock: lock };
        for name in directory.names()? {
            let written = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
            if written.is_some_and(|name| name == PLAYLIST || parse_segment_name(name).is_some()) {
                directory.remove(&name);
            }
        }
        Ok(directory)
    }

    /// A directory that others may hold: for what lies beside the segments, and for looking.
    pub(crate) fn unlocked(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// Refuses a directory that another output still holds.
    pub(crate) fn check_free(path: &Path) -> Result<(), SinkError> {
        let Ok(lock) = File::open(path.join(LOCK)) else { return Ok(()) };
        match lock.try_lock() {
            // It may be on its way out.
            Err(TryLockError::WouldBlock) => Err(held(path, Retry::Soon)),
            _ => Ok(()),
        }
    }

    /// Sees to it that the multivariant playlist can be written: no half of one and none of others is there.
    pub(crate) fn clear_index(&self) -> Result<(), SinkError> {
        self.remove(&temporary(INDEX));
        let foreign = self.text(INDEX)?.is_some_and(|index| !is_own(&index));
        if foreign { self.set_aside(INDEX) } else { Ok(()) }
    }

    /// The segment files, oldest first.
    pub(crate) fn segments(&self) -> Result<Vec<Found>, SinkError> {
        let mut found = Vec::new();
        for name in self.names()? {
            let Some((_, sequence)) = parse_segment_name(&name) else {
                continue;
            };
            // Gone in this moment, or a directory or link with such a name: not ours.
            let Ok(data) = fs::symlink_metadata(self.path.join(&name)) else {
                continue;
            };
            if data.is_file() {
                found.push(Found { sequence, name, bytes: data.len() });
            }
        }
        found.sort_by_key(|found| found.sequence);
        Ok(found)
    }

    /// The text of a small file; nothing when there is none or it is no text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, SinkError> {
        let path = self.path.join(name);
        let read = fs::metadata(&path).and_then(|data| match data.len() {
            0..=MAX_TEXT_BYTES => fs::read(&path),
            _ => Ok(Vec::new()),
        });
        match read {
            Ok(bytes) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(disk::fault("read", &path, &e, Retry::Soon)),
        }
    }

    /// Whether a file is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// Publishes a file, in place of an older one of that name.
    pub(crate) fn put(&self, name: &str, data: &[u8]) -> Result<(), SinkError> {
        let (path, hidden) = (self.path.join(name), self.path.join(temporary(name)));
        fs::write(&hidden, data).and_then(|()| fs::rename(&hidden, &path)).map_err(|error| {
            let _ = fs::remove_file(&hidden);
            disk::fault("write", &path, &error, Retry::Soon)
        })
    }

    /// Moves a file of others out of the way, under a name that is free.
    pub(crate) fn set_aside(&self, name: &str) -> Result<(), SinkError> {
        let path = self.path.join(name);
        let mut to = self.path.join(format!("{name}.old"));
        for n in 2.. {
            if fs::symlink_metadata(&to).is_err() {
                break;
            }
            to = self.path.join(format!("{name}.old{n}"));
        }
        tracing::warn!(from = %path.display(), to = %to.display(), "not a playlist of airchain's, set aside");
        fs::rename(&path, &to).map_err(|e| disk::fault("set aside", &path, &e, Retry::Soon))
    }

    /// Removes a file. That it cannot be removed holds nothing up; the next opening tries again.
    pub(crate) fn remove(&self, name: &str) {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old file");
            }
            _ => {}
        }
    }

    fn names(&self) -> Result<Vec<String>, SinkError> {
        let list =
            || fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
        let names = list().map_err(|e| disk::fault("list", &self.path, &e, Retry::Soon))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }
}

fn held(path: &Path, retry: Retry) -> SinkError {
    let message =
        format!("another HLS output writes to {}; give each a directory of its own", path.display());
    SinkError { message, retry }
}

/// Name of a file while it is being written.
fn temporary(name: &str) -> String {
    format!(".{name}.tmp")
}
