//! Records as lines of a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Record;

/// Appends a line, so that it is on the disk or, with an error, not there at all.
///
/// The file is opened anew for each record: whoever rotates logs may move it away at any time.
pub(super) fn append(path: &Path, record: &Record) -> io::Result<()> {
    let mut file = File::options().read(true).append(true).create(true).open(path)?;
    // Stations may share a log. Where the file system knows no locks, two lines could only meet in the same millisecond.
    let _ = file.lock();
    let end = file.seek(SeekFrom::End(0))?;
    let mut line = Vec::new();
    if end > 0 {
        // What was cut off in the middle of a line stays a line of its own.
        let mut last = [0];
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            line.push(b'\n');
        }
    }
    serde_json::to_writer(&mut line, record)?;
    line.push(b'\n');
    let written = file.write_all(&line).and_then(|()| file.sync_data());
    if written.is_err() {
        let _ = file.set_len(end);
    }
    written
}
