//! Removes old recordings: by age and by total size, the oldest first, and nothing that is not a recording.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan};

use super::name::Naming;

/// What may stay.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retention {
    /// Days after its end that a recording stays; 0 is for ever.
    pub(super) days: u32,
    /// Bytes that recordings may take together; 0 is no limit.
    pub(super) max_bytes: u64,
}

struct Recorded {
    began: (Timestamp, u32),
    path: PathBuf,
    bytes: u64,
}

impl Retention {
    /// Removes what may not stay. `current` is being written and stays. What cannot be removed holds nothing up.
    pub(super) fn apply(self, dir: &Path, naming: &Naming, current: Option<&Path>, now: Timestamp) {
        if self.days == 0 && self.max_bytes == 0 {
            return;
        }
        let mut files = recordings(dir, naming);
        files.sort_by_key(|file| file.began);
        let limit = now.checked_sub((i64::from(self.days) * 24).hours()).unwrap_or(Timestamp::MIN);
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        let ends: Vec<_> = files.iter().skip(1).map(|next| next.began.0).chain([now]).collect();
        // A recording ended, at the latest, when the next one began.
        for (file, end) in files.iter().zip(ends) {
            let old = self.days > 0 && end <= limit;
            let much = self.max_bytes > 0 && total > self.max_bytes;
            if !(old || much) || current == Some(&file.path) {
                continue;
            }
            match fs::remove_file(&file.path) {
                Ok(()) => total -= file.bytes,
                Err(error) => {
                    tracing::warn!(path = %file.path.display(), %error, "cannot remove an old recording");
                }
            }
        }
    }
}

fn recordings(dir: &Path, naming: &Naming) -> Vec<Recorded> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let recorded = |entry: fs::DirEntry| {
        let began = naming.parse(entry.file_name().to_str()?)?;
        // Of the entry itself: a link of such a name is not ours.
        let data = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Recorded { began, path: entry.path(), bytes: data.len() })
    };
    entries.flatten().filter_map(recorded).collect()
}
