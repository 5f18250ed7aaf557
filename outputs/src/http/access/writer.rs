//! The thread that writes an access log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use super::Task;

/// Lines written at once, at most.
const BATCH: usize = 256;

/// Writes lines to a file.
pub(super) struct Writer {
    path: PathBuf,
    largest: u64,
    left_out: Arc<AtomicU64>,
    file: Option<File>,
    /// The last thing said about it was that it cannot be written.
    fails: bool,
    /// It cannot be renamed when it is full, and that was said.
    stays: bool,
}

impl Writer {
    pub(super) fn new(path: &Path, largest: u64, left_out: Arc<AtomicU64>) -> Self {
        Self { path: path.to_owned(), largest, left_out, file: None, fails: false, stays: false }
    }

    /// Writes until all logs of the file are gone.
    pub(super) fn run(&mut self, tasks: &Receiver<Task>) {
        while let Ok(first) = tasks.recv() {
            let (mut lines, mut flushed): (String, Vec<SyncSender<()>>) = Default::default();
            let mut count = 0;
            for task in std::iter::once(first).chain(tasks.try_iter()).take(BATCH) {
                match task {
                    Task::Line(line) => {
                        lines.push_str(&line);
                        count += 1;
                    }
                    Task::Flush(done) => flushed.push(done),
                }
            }
            self.write(&lines, count);
            for done in flushed {
                // Whoever waited too long is gone.
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, lines: &str, count: u64) {
        if lines.is_empty() {
            return;
        }
        match self.append(lines) {
            Ok(()) => {
                self.fails = false;
                let left_out = self.left_out.swap(0, Ordering::Relaxed);
                if left_out > 0 {
                    tracing::warn!(path = %self.path.display(), left_out, "the access log lacks requests");
                }
            }
            Err(error) => {
                self.left_out.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::error!(path = %self.path.display(), %error, "cannot write the access log");
                }
            }
        }
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        let there = fs::metadata(&self.path).ok();
        let is_same = |file: &File| {
            let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
            file.metadata().is_ok_and(|open| there.as_ref().is_some_and(|there| same(there, &open)))
        };
        if !self.file.as_ref().is_some_and(is_same) {
            self.file = None;
        }
        if there.is_some_and(|there| there.is_file() && there.len() + lines.len() as u64 > self.largest) {
            match fs::rename(&self.path, old(&self.path)) {
                Ok(()) => self.file = None,
                // Better too long than no log.
                Err(error) if !std::mem::replace(&mut self.stays, true) => {
                    tracing::warn!(path = %self.path.display(), %error, "the access log grows: it cannot be renamed");
                }
                Err(_) => {}
            }
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path)?),
        };
        let before = file.metadata()?.len();
        file.write_all(lines.as_bytes()).inspect_err(|_| {
            // No half of a line, where that can be.
            let _ = file.set_len(before);
        })
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Where the file goes when it is full.
fn old(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(path: &Path) -> Writer {
        Writer::new(path, 100, Arc::default())
    }

    #[test]
    fn a_full_file_is_kept_as_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/access.log");
        let mut writer = writer(&path);
        let line = |n: u32| format!("{n:029}\n");
        for n in 0..8 {
            writer.write(&line(n), 1);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), line(6) + &line(7));
        assert_eq!(fs::read_to_string(old(&path)).unwrap(), line(3) + &line(4) + &line(5));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
        // Begun by another run, it goes on.
        self::writer(&path).write(&line(8), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), line(6) + &line(7) + &line(8));
    }

    #[test]
    fn a_file_that_was_moved_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("access.log"), dir.path().join("moved"));
        let mut writer = writer(&path);
        writer.write("one\n", 1);
        fs::rename(&path, &moved).unwrap();
        writer.write("two\n", 1);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "by others\n").unwrap();
        writer.write("three\n", 1);
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "by others\nthree\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        fs::create_dir(&path).unwrap();
        let mut writer = writer(&path);
        writer.write("one\ntwo\n", 2);
        assert_eq!((writer.left_out.load(Ordering::Relaxed), writer.fails), (2, true));
        fs::remove_dir(&path).unwrap();
        writer.write("three\n", 1);
        assert_eq!((writer.left_out.load(Ordering::Relaxed), writer.fails), (0, false));
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }
}
