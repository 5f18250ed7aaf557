//! Publishes segments: keeps the directory and its playlists in step, across restarts and faults.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::multivariant::Bandwidth;
use super::playlist::{Entry, Playlist};
use super::segmenter::Segment;
use super::store::Directory;
use super::{INDEX, PLAYLIST};
use crate::sink::{Opening, SinkError};

/// What is published. All its calls do file work and may block.
pub(crate) struct Publisher {
    directory: Directory,
    playlist: Playlist,
    window: usize,
    retain: usize,
    codec: &'static str,
    bandwidth: Bandwidth,
    /// Names of segments that have left the playlist but are still there for slow players.
    retired: VecDeque<String>,
    joins: bool,
}

impl Publisher {
    /// Takes up what is published in a directory, or starts afresh in an empty one. Nothing visible changes yet.
    ///
    /// Fresh sequence numbers begin at the Unix time in seconds, so that they go on growing even when somebody has
    /// emptied the directory.
    pub(crate) fn open(
        directory: Directory,
        (window, retain): (usize, usize),
        target_s: u64,
        codec: &'static str,
        epoch: Timestamp,
    ) -> Result<Self, SinkError> {
        let text = directory.text(PLAYLIST)?;
        let mut found = directory.segments()?;
        let known = text.as_deref().and_then(Playlist::parse);
        if text.is_some() && known.is_none() {
            directory.set_aside(PLAYLIST)?;
        }
        if directory.text(INDEX)?.is_some_and(|index| !is_own_index(&index)) {
            directory.set_aside(INDEX)?;
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
                let seconds = u64::try_from(epoch.as_second()).unwrap_or(0);
                let next = found.last().map_or(seconds, |last| seconds.max(last.sequence.saturating_add(1)));
                Playlist::new(target_s, next)
            }
        };
        let first = playlist.entries.front().map_or(playlist.next, |entry| entry.sequence);
        let retired =
            found.into_iter().filter(|found| found.sequence < first).map(|found| found.name).collect();
        let bandwidth = Bandwidth::default();
        let mut this = Self { directory, playlist, window, retain, codec, bandwidth, retired, joins };
        this.remove_retired();
        Ok(this)
    }

    /// Whether something was published here before.
    pub(crate) fn joins(&self) -> bool {
        self.joins
    }

    /// Publishes a segment: its file, then the playlist that names it.
    pub(crate) fn publish(&mut self, segment: &Segment, opening: &Opening) -> Result<(), SinkError> {
        let rate = i128::from(opening.info.format.sample_rate_hz);
        // Both ends are rounded on one scale, so that any number of durations adds up.
        let micros = |frame: i64| (i128::from(frame) * 2_000_000 + rate).div_euclid(rate * 2);
        let date = opening.time_of(segment.start).as_millisecond();
        let entry = Entry {
            sequence: self.playlist.next,
            date: Timestamp::from_millisecond(date).unwrap_or_default(),
            duration_us: (micros(segment.end) - micros(segment.start)) as u64,
            discontinuity: segment.discontinuity,
            bytes: segment.data.len() as u64,
        };
        self.directory.put(&entry.name(), &segment.data)?;
        self.playlist.next += 1;
        self.playlist.entries.push_back(entry);
        while self.playlist.overfull(self.window) {
            self.retired.extend(self.playlist.pop().map(|entry| entry.name()));
        }
        self.directory.put(PLAYLIST, self.playlist.render().as_bytes())?;
        if self.bandwidth.measure(&self.playlist) {
            self.directory.put(INDEX, self.bandwidth.render(self.codec, PLAYLIST).as_bytes())?;
        }
        self.remove_retired();
        Ok(())
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
fn keep_what_fits(playlist: &mut Playlist, found: &[super::store::Found], target_s: u64) {
    let mut keep = 0;
    for entry in playlist.entries.iter_mut().rev() {
        let name = entry.name();
        let file = found.iter().find(|found| found.name == name);
        let fits = entry.duration_us < target_s * 1_000_000 + 500_000;
        let Some(file) = file.filter(|_| fits) else { break };
        entry.bytes = file.bytes;
        keep += 1;
    }
    while playlist.entries.len() > keep {
        playlist.pop();
    }
    playlist.target_s = target_s;
}

/// Whether a multivariant playlist is one that airchain wrote here.
fn is_own_index(text: &str) -> bool {
    let uris: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    text.starts_with("#EXTM3U\n") && uris == [PLAYLIST]
}
