//! A checker of live HLS that shares nothing with the writer: it polls a presentation as a player does, and says where RFC 8216
//! or its second edition (8216bis) is broken, in sentences.
//!
//! ```text
//! Origin ─► playlist, multivariant  (one text: its grammar)
//!      └──► checker ─► watched      (one media playlist from poll to poll, and its files)
//!                       └► segment  (the bytes of a segment: time, length, codec)
//!                           └► decode (all of them joined, by ffmpeg)
//! ```
//!
//! What it holds a presentation to beyond the letter: each segment has an `EXT-X-PROGRAM-DATE-TIME`; no name is ever used
//! for anything else; an `EXT-X-ENDLIST` may be taken away by a new start, and by nothing else ([`Checker::restarted`]); and
//! `EXT-X-VERSION` may change, as a window without gaps is to be readable for older players.

mod attributes;
mod checker;
mod decode;
mod frames;
mod multivariant;
mod playlist;
mod segment;
mod watched;

#[cfg(test)]
mod broken;
#[cfg(test)]
mod made;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::http;

pub use checker::Checker;
pub use decode::{Stretch, decode};
pub use multivariant::{Multivariant, Variant};
pub use playlist::{DateRange, Media, Segment};

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

/// A file as it came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its bytes.
    pub data: Vec<u8>,
    /// What the server says it is; nothing where files are read.
    pub mime: Option<String>,
}

/// Where a presentation is fetched from.
pub trait Origin {
    /// The time there.
    fn now(&self) -> Timestamp;

    /// A file, by its path relative to the presentation; nothing when it is not there.
    fn get(&mut self, path: &str) -> Option<Fetched>;
}

/// A folder.
pub struct Folder(pub PathBuf);

impl Origin for Folder {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn get(&mut self, path: &str) -> Option<Fetched> {
        let path = path.split('?').next().unwrap_or_default();
        std::fs::read(self.0.join(path)).ok().map(|data| Fetched { data, mime: None })
    }
}

/// A path of an HTTP server.
pub struct Served {
    /// The server.
    pub address: SocketAddr,
    /// What comes before each path, with a `/` at both ends.
    pub base: String,
}

impl Origin for Served {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn get(&mut self, path: &str) -> Option<Fetched> {
        let answer = http::get(self.address, &format!("{}{path}", self.base)).ok()?;
        let mime = Some(answer.header("content-type").to_owned());
        (answer.status == 200).then_some(Fetched { data: answer.body, mime })
    }
}

/// The path that a URI in a playlist leads to, which must lie where the presentation lies.
fn resolve(playlist: &str, uri: &str) -> String {
    match playlist.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{uri}"),
        None => uri.to_owned(),
    }
}

/// Microseconds between two moments.
fn micros_between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_microsecond() - from.as_microsecond()
}
