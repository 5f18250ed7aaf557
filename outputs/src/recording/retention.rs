//! Removes old recordings: by age and by total size, the oldest first, and nothing that is not a recording.

use std::fs;
use std::path::Path;

use jiff::{Timestamp, ToSpan};

use super::catalog::Catalog;
use super::cue;

/// What may stay.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retention {
    /// Days after its end that a recording stays; 0 is for ever.
    pub(super) days: u32,
    /// Bytes that recordings may take together, with their cue sheets; 0 is no limit.
    pub(super) max_bytes: u64,
}

impl Retention {
    /// Removes what may not stay. `current` is being written and stays. What cannot be removed holds nothing up.
    pub(super) fn apply(self, catalog: &mut Catalog, current: Option<&Path>, now: Timestamp) {
        if self.days == 0 && self.max_bytes == 0 {
            return;
        }
        let files = catalog.recordings();
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
            // The sheet first: without its recording nobody would know whose it is.
            match cue::remove_beside(&file.path).and_then(|()| fs::remove_file(&file.path)) {
                Ok(()) => total -= file.bytes,
                Err(error) => {
                    tracing::warn!(path = %file.path.display(), %error, "cannot remove an old recording");
                }
            }
        }
    }
}
