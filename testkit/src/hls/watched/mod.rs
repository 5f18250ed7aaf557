//! One media playlist from poll to poll: what may change in it and what may not, and the files that it names.
//!
//! ```text
//! look ─► follows, entries, parts  (a text after the one before)
//!    └──► files, part_files ─► hearing  (what it names)
//! ask ──► delta                    (what a server promises that holds requests)
//! ```

mod asking;
mod delta;
mod entries;
mod files;
mod hearing;
mod part_files;
mod parts;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::segment::{Container, Heard};
use super::{Finding, Media, Notes, Origin, Segment, micros_between};
use asking::Asking;
use parts::Parts;

/// What dates, durations and time stamps may be off by through rounding: dates are told in milliseconds, time stamps in 90 kHz.
const DATE_US: i64 = 1_001;
const STAMP_US: i64 = 15;
/// Audio is made in blocks of 10 ms, each when its first frame is due: the end of what is told may be ahead by as much.
const AHEAD_US: i64 = 10_000 + DATE_US;

/// A media playlist that is followed.
pub(super) struct Watched {
    /// Its path.
    pub(super) path: String,
    pub(super) last: Option<Seen>,
    /// All segments ever seen, by their numbers.
    pub(super) kept: BTreeMap<u64, Kept>,
    /// Which numbers have which names.
    names: BTreeMap<String, u64>,
    /// Initialization sections, by their names.
    pub(super) maps: BTreeMap<String, Vec<u8>>,
    ranges: BTreeMap<String, String>,
    container: Option<Box<dyn Container>>,
    /// When the next segment begins by those before it, by time stamp.
    due_us: Option<i64>,
    /// A segment that ends within a packet, as only the last of a run may.
    cut: Option<u64>,
    /// A new start may take an end away.
    reopens: bool,
    clock: Clock,
    pub(super) parts: Parts,
    asking: Asking,
}

/// The clock by which dates are given, beside the origin's.
#[derive(Default)]
struct Clock {
    /// By how much dates are ahead of the origin's clock, in microseconds.
    ahead_us: i64,
    /// By how much they will be behind the next discontinuity, and when that was known.
    set: Option<(i64, Option<Timestamp>)>,
}

/// A text as it was last seen.
pub(super) struct Seen {
    pub(super) media: Media,
    text: String,
    /// When its last segment had come, and its last part.
    since: Timestamp,
    part_since: Timestamp,
    /// When it was asked for the last time.
    asked: Timestamp,
}

/// A segment that was seen.
pub(super) struct Kept {
    pub(super) segment: Segment,
    pub(super) data: Vec<u8>,
    pub(super) heard: Option<Heard>,
    /// The longest playlist that had it.
    longest_us: u64,
    /// When it was there last, once it has left the window, and the number that was to come next then.
    left: Option<(Timestamp, u64)>,
    /// The date at the last discontinuity, and all durations since.
    line: Option<(Timestamp, u64)>,
}

impl Watched {
    pub(super) fn new(path: String) -> Self {
        Self {
            path,
            last: None,
            kept: BTreeMap::new(),
            names: BTreeMap::new(),
            maps: BTreeMap::new(),
            ranges: BTreeMap::new(),
            container: None,
            due_us: None,
            cut: None,
            reopens: false,
            clock: Clock::default(),
            parts: Parts::default(),
            asking: Asking::default(),
        }
    }

    /// The clock by which dates are given was set.
    pub(super) fn clock_set(&mut self, by: SignedDuration) {
        let ahead_us = self.clock.set.map_or(self.clock.ahead_us, |(ahead_us, _)| ahead_us);
        self.clock.set = Some((ahead_us + by.as_micros() as i64, None));
    }

    /// The server was away meanwhile.
    pub(super) fn restarted(&mut self) {
        self.reopens = true;
        self.asking = Asking::default();
    }

    /// Its text, where it is live and the server that answers it now holds requests.
    pub(super) fn live(&self) -> Option<&Media> {
        let media = &self.last.as_ref().filter(|_| !self.reopens)?.media;
        let can_block = media.control.as_ref().is_some_and(|control| control.can_block);
        (can_block && !media.ended).then_some(media)
    }

    /// When it was asked for last, of the times that it came.
    pub(super) fn asked(&self) -> Option<Timestamp> {
        self.last.as_ref().map(|last| last.asked)
    }

    /// Polls it. `late_s` is how late a reload and a segment may come beyond what is due.
    pub(super) fn poll(&mut self, origin: &mut dyn Origin, late_s: f64, found: &mut Vec<Finding>) {
        let path = self.path.clone();
        let notes = &mut Notes { playlist: &path, found };
        if self.look(origin, "", late_s, notes) {
            self.ask(origin, late_s, notes);
        }
    }

    /// Fetches a text, asked for with a query, takes in what has changed and fetches what is new. Whether it came.
    fn look(&mut self, origin: &mut dyn Origin, query: &str, late_s: f64, notes: &mut Notes<'_>) -> bool {
        let asked = origin.now();
        if let Some((_, known)) = &mut self.clock.set {
            known.get_or_insert(asked);
        }
        let Some(text) = self.text(origin, query, notes) else { return false };
        let answered = origin.now();
        if let Some(last) = self.last.as_mut().filter(|last| last.text == text) {
            last.asked = asked;
            if let Some(last) = &self.last {
                self.waits(last, &last.media, asked, late_s, notes);
            }
            return true;
        }
        let media = Media::read(&text, notes);
        let last = self.last.take();
        if let Some(last) = &last {
            self.follows(last, &media, asked, notes);
            self.waits(last, &media, asked, late_s, notes);
        }
        let before = last.as_ref().map(|last| last.asked);
        self.enter(&media, (before, answered), late_s, notes);
        self.ranges(&media, last.as_ref(), notes);
        self.leave(&media, last.as_ref(), asked);
        self.parts.follow(last.as_ref().map(|last| (&last.media, last.asked)), &media, self.reopens, notes);
        self.reopens = false;
        // What has not changed since has come with the text before.
        let same = last.as_ref().filter(|last| last.media.next() == media.next());
        let since = same.map_or(answered, |last| last.since);
        let same = last.as_ref().filter(|last| last.media.next_part() == media.next_part());
        let part_since = same.map_or(answered, |last| last.part_since);
        self.last = Some(Seen { media, text, since, part_since, asked });
        self.fetch(origin, notes);
        true
    }

    /// The text, as it comes.
    fn text(&self, origin: &mut dyn Origin, query: &str, notes: &mut Notes<'_>) -> Option<String> {
        let Some(fetched) = origin.get(&format!("{}{query}", self.path)) else {
            notes.note("6.2.1", 0, "it is not there");
            return None;
        };
        let known = ["application/vnd.apple.mpegurl", "audio/mpegurl"];
        if fetched.mime.as_deref().is_some_and(|mime| !known.contains(&mime)) {
            notes.note("4", 0, format!("its type is {}", fetched.mime.unwrap_or_default()));
        }
        let text = String::from_utf8(fetched.data).ok();
        if text.is_none() {
            notes.note("4", 0, "it is not UTF-8");
        }
        text
    }

    /// A live playlist grows: by a segment within one and a half target durations (6.2.1), by a part within a part target
    /// (8216bis, 6.2.1).
    fn waits(&self, last: &Seen, now: &Media, asked: Timestamp, late_s: f64, notes: &mut Notes<'_>) {
        if last.media.ended || now.ended || self.reopens {
            return;
        }
        // What was there last had come by then, and there was nothing else when this was asked for.
        let waits_s = |since| micros_between(since, asked) as f64 / 1e6;
        let due_s = now.target_s as f64 * 1.5;
        if last.media.next() == now.next() && waits_s(last.since) > due_s + late_s {
            let what = format!("nothing new for more than {due_s} s: 1.5 target durations");
            notes.note("6.2.2", 0, what);
        }
        let due_s = now.part_target_us.unwrap_or(0) as f64 / 1e6;
        let is_same = last.media.next_part() == now.next_part();
        if due_s > 0.0 && is_same && waits_s(last.part_since) > due_s + late_s {
            let what = format!("no new part for more than {due_s} s: a part target");
            notes.note("bis 6.2.1", 0, what);
        }
    }

    /// What may change from one text to a later one (6.2.1, 6.2.2).
    fn follows(&self, last: &Seen, now: &Media, asked: Timestamp, notes: &mut Notes<'_>) {
        let before = &last.media;
        if before.ended && !self.reopens {
            notes.note("6.2.1", 0, "it has changed after EXT-X-ENDLIST");
        }
        if now.target_s != before.target_s {
            let what = format!("EXT-X-TARGETDURATION was {}, is {}", before.target_s, now.target_s);
            notes.note("6.2.1", 0, what);
        }
        if now.independent != before.independent {
            notes.note("6.2.1", 0, "EXT-X-INDEPENDENT-SEGMENTS comes or goes");
        }
        if now.sequence < before.sequence {
            let what = format!("EXT-X-MEDIA-SEQUENCE was {}, is {}", before.sequence, now.sequence);
            notes.note("6.2.2", 0, what);
        }
        if now.next() < before.next() {
            let what = format!("its last segment was {}, is {}", before.next() - 1, now.next() as i64 - 1);
            notes.note("6.2.1", 0, what);
        }
        // More than a window can pass unseen only where polls are a window apart.
        let unseen = now.sequence.saturating_sub(before.next());
        let waited_us = micros_between(last.asked, asked).max(0) as u64;
        if unseen > 0 && waited_us < before.duration_us() {
            let what = format!("EXT-X-MEDIA-SEQUENCE passes over {unseen} numbers that were in no playlist");
            notes.note("6.2.2", 0, what);
        }
        let due = match before.segments.iter().find(|segment| segment.number == now.sequence) {
            Some(first) => first.discontinuities - u64::from(first.discontinuity),
            None => before.discontinuities(),
        };
        let said = now.discontinuity_sequence;
        let wrong = if unseen > 0 { said < due } else { said != due && now.sequence >= before.sequence };
        if wrong {
            let what = format!("EXT-X-DISCONTINUITY-SEQUENCE is {said} instead of {due}");
            notes.note("6.2.2", 0, what);
        }
        let (target_us, lasts_us) = (now.target_s * 1_000_000, now.duration_us());
        if now.sequence > before.sequence && lasts_us < 3 * target_us && !now.ended {
            let what = format!("a segment was removed, and {lasts_us} us are less than 3 target durations");
            notes.note("6.2.2", 0, what);
        }
    }
}

fn micros(us: u64) -> SignedDuration {
    SignedDuration::from_micros(i64::try_from(us).unwrap_or(i64::MAX))
}
