//! A checker of live HLS that shares nothing with the writer: it polls a presentation as a player does, and says where RFC 8216
//! or its second edition (8216bis) is broken, in sentences.
//!
//! ```text
//! origin ─► reader, low_latency, multivariant  (one text: its grammar)
//!      └──► checker ─► watched      (one media playlist from poll to poll, its files, and what its server promises)
//!            └► reports └► segment  (the bytes of a segment: time, length, codec)
//!                           └► decode (all of them joined, by ffmpeg)
//! ```
//!
//! Tests that stop and look take a [`Snapshot`].
//!
//! What it holds a presentation to beyond the letter: each segment has an `EXT-X-PROGRAM-DATE-TIME`; no name is ever used
//! for anything else; an `EXT-X-ENDLIST` may be taken away by a new start, and by nothing else ([`Checker::restarted`]); and
//! `EXT-X-VERSION` may change, as it is what a window needs and no more (8216bis, 6.2.1). Of low latency: no part but the
//! last of a segment is shorter than 85 % of the part target, also where decoding can begin with it; a segment is its parts, one
//! after the other, and lasts as long as they to a microsecond each, which is what their lengths are rounded by; parts are told
//! of segments that ended within three target durations; `PART-HOLD-BACK` is three part targets, which is but recommended; and
//! each playlist reports all others.

mod attributes;
mod checker;
mod decode;
mod frames;
mod low_latency;
mod multivariant;
mod origin;
mod playlist;
mod reader;
mod reports;
mod segment;
mod snapshot;
mod watched;

#[cfg(test)]
mod broken;
#[cfg(test)]
mod broken_parts;
#[cfg(test)]
mod made;
#[cfg(test)]
mod made_parts;

use std::fmt;

use jiff::Timestamp;

pub use checker::Checker;
pub use decode::{Stretch, decode};
pub use low_latency::{Control, Part, Report};
pub use multivariant::{Multivariant, Variant};
pub use origin::{Fetched, Folder, Origin, Served};
pub use playlist::{DateRange, Media, Segment};
pub use snapshot::{Snapshot, variant, variants};

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's section, of RFC 8216 where it does not say otherwise.
    pub rule: &'static str,
    /// Path of the playlist.
    pub playlist: String,
    /// Its line, from 1 on; 0 for all of it.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, playlist, line, what } = self;
        write!(f, "{playlist}")?;
        if *line > 0 {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {what} (RFC 8216, {rule})")
    }
}

/// Where findings about a playlist go. The same is noted once, however often it is seen.
struct Notes<'a> {
    playlist: &'a str,
    found: &'a mut Vec<Finding>,
}

impl Notes<'_> {
    fn note(&mut self, rule: &'static str, line: usize, what: impl Into<String>) {
        let finding = Finding { rule, playlist: self.playlist.to_owned(), line, what: what.into() };
        let known = |f: &Finding| (f.rule, &f.playlist, &f.what) == (rule, &finding.playlist, &finding.what);
        if !self.found.iter().any(known) {
            self.found.push(finding);
        }
    }
}

/// The path that a URI in a playlist leads to, which must lie where the presentation lies.
fn resolve(playlist: &str, uri: &str) -> String {
    let mut path: Vec<&str> = playlist.split('/').collect();
    path.pop();
    for name in uri.split('/') {
        match name {
            ".." if !path.is_empty() => drop(path.pop()),
            _ => path.push(name),
        }
    }
    path.join("/")
}

/// Microseconds between two moments.
fn micros_between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_microsecond() - from.as_microsecond()
}
