//! The hash of a file's content.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;

use super::content::{BrokenOff, Content};

/// Reads a regular file to the end; `None` when it cannot be read. `watch` is asked once per megabyte.
pub(super) fn hash(
    path: &Path,
    watch: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Option<Content>, BrokenOff> {
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        if watch().is_break() {
            return Err(BrokenOff);
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some(*hasher.finalize().as_bytes())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Ok(None),
        }
    }
}
