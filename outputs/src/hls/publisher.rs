//! Publishes segments: keeps the directory and its playlists in step, across restarts and faults.

use std::collections::VecDeque;

use super::PLAYLIST;
use super::multivariant::Bandwidth;
use super::playlist::{Entry, Playlist};
use super::store::{Directory, Found};
use crate::sink::SinkError;

/// What is published of one encoding. All its calls do file work and may block.
pub(crate) struct Publisher {
    directory: Directory,
    playlist: Playlist,
    window: usize,
    retain: usize,
    bandwidth: Bandwidth,
    /// Names of segments that have left the playlist but are still there for slow players.
    retired: VecDeque<String>,
    joins: bool,
}

impl Publisher {
    /// Takes up what is published in a directory, or starts afresh in an empty one. Nothing visible changes yet.
    ///
    /// Fresh sequence numbers begin at `fresh`, or beyond those of the files that are there.
    pub(crate) fn open(
        directory: Directory,
        (window, retain): (usize, usize),
        target_s: u64,
        fresh: u64,
    ) -> Result<Self, SinkError> {
        let text = directory.text(PLAYLIST)?;
        let mut found = directory.segments()?;
        let known = text.as_deref().and_then(Playlist::parse);
        if text.is_some() && known.is_none() {
            directory.set_aside(PLAYLIST)?;
        }
        let joins = known.is_some();
        let playlist = match known {
            Some(mut playlist) => {
                // Files beyond the playlist were never announced: their number is free, their name is not used again
                // as the date in it is another.
                for unpublished in found.extract_if(.., |found| found.sequence >= playlist.next) {
                    directory.remove(&unpublished.name);
                }
                keep_what_fits(&mut playlist, &found, target_s);
                playlist.ended = false;
                playlist
            }
            None => {
                let next = found.last().map_or(fresh, |last| fresh.max(last.sequence.saturating_add(1)));
                Playlist::new(target_s, next)
            }
        };
        let first = playlist.entries.front().map_or(playlist.next, |entry| entry.sequence);
        let retired =
            found.into_iter().filter(|found| found.sequence < first).map(|found| found.name).collect();
        let bandwidth = Bandwidth::default();
        let mut this = Self { directory, playlist, window, retain, bandwidth, retired, joins };
        this.remove_retired();
        Ok(this)
    }

    /// Whether something was published here before.
    pub(crate) fn joins(&self) -> bool {
        self.joins
    }

    /// Sequence number of the next segment.
    pub(crate) fn next(&self) -> u64 {
        self.playlist.next
    }

    /// Publishes a segment: its file, then the playlist that names it. Tells whether another bandwidth is declared from
    /// now on.
    pub(crate) fn publish(&mut self, entry: Entry, data: &[u8]) -> Result<bool, SinkError> {
        self.directory.put(&entry.name(), data)?;
        self.append(entry);
        self.directory.put(PLAYLIST, self.playlist.render().as_bytes())?;
        self.remove_retired();
        Ok(self.bandwidth.measure(&self.playlist))
    }

    fn append(&mut self, entry: Entry) {
        self.playlist.next = entry.sequence + 1;
        self.playlist.entries.push_back(entry);
        while self.playlist.overfull(self.window) {
            self.retire_first();
        }
    }

    fn retire_first(&mut self) {
        let left = self.playlist.pop().filter(|entry| !entry.gap);
        self.retired.extend(left.map(|entry| entry.name()));
    }

    /// Makes `number` the next, after `discontinuities`: what is missing before it is a gap, as far as `gap` knows what
    /// would be there. Otherwise, and where numbers and discontinuities are not what they should be, the playlist begins
    /// anew. It is not written before the next segment.
    pub(crate) fn catch_up(&mut self, number: u64, discontinuities: u64, gap: impl Fn(u64) -> Option<Entry>) {
        let behind = number.saturating_sub(self.playlist.next);
        let bridged = !self.playlist.entries.is_empty() && behind < self.window as u64;
        while bridged && self.playlist.next < number {
            let Some(entry) = gap(self.playlist.next) else { break };
            self.append(Entry { bytes: 0, gap: true, ..entry });
        }
        if (self.playlist.next, self.playlist.discontinuities_so_far()) != (number, discontinuities) {
            while !self.playlist.entries.is_empty() {
                self.retire_first();
            }
            (self.playlist.next, self.playlist.discontinuities) = (number, discontinuities);
        }
    }

    /// What is to be declared of it.
    pub(crate) fn bandwidth(&mut self) -> Option<(u64, u64)> {
        if self.bandwidth.declared().is_none() && !self.playlist.entries.is_empty() {
            self.bandwidth.measure(&self.playlist);
        }
        self.bandwidth.declared()
    }

    /// Whether a file is there beside the segments.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.directory.has(name)
    }

    /// Publishes another file beside the segments.
    pub(crate) fn put(&self, name: &str, data: &[u8]) -> Result<(), SinkError> {
        self.directory.put(name, data)
    }

    /// Tells players that nothing more will come.
    pub(crate) fn end(&mut self) -> Result<(), SinkError> {
        self.playlist.ended = true;
        self.directory.put(PLAYLIST, self.playlist.render().as_bytes())
    }

    fn remove_retired(&mut self) {
        while self.retired.len() > self.retain {
            if let Some(name) = self.retired.pop_front() {
                self.directory.remove(&name);
            }
        }
    }
}

/// Keeps those newest entries whose files are there and that do not break the target duration, with their sizes.
fn keep_what_fits(playlist: &mut Playlist, found: &[Found], target_s: u64) {
    let mut keep = 0;
    for entry in playlist.entries.iter_mut().rev() {
        let name = entry.name();
        let file = found.iter().find(|found| found.name == name);
        if (file.is_none() && !entry.gap) || entry.duration_us >= target_s * 1_000_000 + 500_000 {
            break;
        }
        entry.bytes = file.map_or(0, |file| file.bytes);
        keep += 1;
    }
    while playlist.entries.len() > keep {
        playlist.pop();
    }
    playlist.target_s = target_s;
}
