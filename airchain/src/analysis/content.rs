//! Whether a file is still what it was, and what is in it.

use std::fs::Metadata;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Hash of a file's bytes.
pub(super) type Content = [u8; 32];

/// What changes when a file's content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: i64,
    pub(super) modified_ns: i64,
    /// When the system last changed anything of it, where it says so: a modification time can be set back.
    pub(super) changed_ns: i64,
}

impl Stamp {
    /// The stamp of a regular file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self {
            size: i64::try_from(metadata.len()).ok()?,
            modified_ns: i64::try_from(modified.as_nanos()).ok()?,
            changed_ns: changed_ns(&metadata),
        })
    }
}

#[cfg(unix)]
fn changed_ns(metadata: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed_ns(_metadata: &Metadata) -> i64 {
    0
}

/// The analysis was broken off.
pub(super) struct BrokenOff;
