//! A low-latency presentation in simulated time that breaks no rule, for tests to break it in one way at a time.
//!
//! As in [`made`](super::made), but segments come in three parts of 0.32 s each and the window has ten of them. The sixth begins
//! with a discontinuity; the ninth is given up when two of its parts were told. A server holds requests: time goes on in them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::made::{FIRST, SEGMENT_US, adts, date, packed};
use super::{Checker, Fetched, Finding, Origin};

const JOIN: u64 = 105;
const GAP: u64 = 108;
const WINDOW: u64 = 10;
const PARTS: u64 = 3;
const PART_US: i64 = SEGMENT_US / PARTS as i64;
const STEPS: u64 = 20 * PARTS;
/// The delta update of the media playlist, among the files.
pub(super) const DELTA: &str = "live.m3u8?skip";

pub(super) struct Parted {
    /// How many parts are published.
    pub(super) step: u64,
    pub(super) now: Timestamp,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Requests are held.
    pub(super) holds: bool,
    /// What cannot be meant is refused.
    pub(super) refuses: bool,
    /// Who waits for a part gets another.
    pub(super) swaps: bool,
    breaks: Option<Breaks>,
}

type Breaks = Box<dyn FnMut(&mut Parted)>;

/// Publishes all of it, each text polled after `breaks` has had it, and gives what is found.
pub(super) fn run(breaks: impl FnMut(&mut Parted) + 'static) -> Vec<Finding> {
    let mut checker = Checker::new("index.m3u8", Duration::from_secs(1));
    let (now, files) = (date(FIRST), BTreeMap::new());
    let breaks: Option<Breaks> = Some(Box::new(breaks));
    let mut made = Parted { step: 0, now, files, holds: true, refuses: true, swaps: false, breaks };
    // There is nothing to begin with before there is a segment.
    while made.step < PARTS {
        made.publish();
    }
    while made.step < STEPS {
        let before = made.step;
        checker.poll(&mut made);
        if made.step == before {
            made.publish();
        }
    }
    checker.poll(&mut made);
    checker.findings().to_vec()
}

/// The time stamp of a part.
pub(super) fn ticks(number: u64, index: u64) -> i64 {
    let since = if number < JOIN { FIRST } else { JOIN };
    900_000 + ((number - since) as i64 * SEGMENT_US + index as i64 * PART_US) * 9 / 100
}

/// A part.
pub(super) fn part(number: u64, index: u64) -> Vec<u8> {
    packed(ticks(number, index), &adts(15))
}

impl Origin for Parted {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn get(&mut self, path: &str) -> Option<Fetched> {
        let (name, query) = path.split_once('?').unwrap_or((path, ""));
        if self.status(path) != 200 {
            return None;
        }
        if let (Some(number), Some(part)) = (argument(query, "_HLS_msn"), argument(query, "_HLS_part")) {
            while self.holds && self.next() <= (number, part) && self.step < STEPS {
                self.publish();
            }
        }
        let (number, index) = self.next();
        let is_next = name.rsplit('/').next() == Some(&format!("{number}.{index}.aac"));
        if self.holds && is_next && self.step < STEPS {
            self.publish();
            if self.swaps {
                return Some(Fetched { data: part(number, index + 1), mime: None });
            }
        }
        let name = if query == "_HLS_skip=YES" { format!("{name}?skip") } else { name.to_owned() };
        let data = self.files.get(&name)?.clone();
        Some(Fetched { data, mime: None })
    }

    fn status(&mut self, path: &str) -> u16 {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let (next, part) = self.next();
        let last = if part == 0 { next - 1 } else { next };
        let (number, part) = (argument(query, "_HLS_msn"), argument(query, "_HLS_part"));
        let is_bad = match (number, part) {
            (Some(number), part) => number > last + 2 || part.is_some_and(|part| part > 12),
            (None, part) => part.is_some(),
        };
        if is_bad && self.refuses { 400 } else { 200 }
    }
}

fn argument(query: &str, name: &str) -> Option<u64> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok())
}

impl Parted {
    /// The part that comes next.
    fn next(&self) -> (u64, u64) {
        (FIRST + self.step / PARTS, self.step % PARTS)
    }

    fn publish(&mut self) {
        let (number, index) = self.next();
        self.step += 1;
        // A tenth of a second after its end.
        let us = (number - FIRST) as i64 * SEGMENT_US + (index as i64 + 1) * PART_US + 100_000;
        self.now = date(FIRST) + SignedDuration::from_micros(us);
        for (folder, other) in [("", "other/live.m3u8"), ("other/", "../live.m3u8")] {
            if (number, index) != (GAP, PARTS - 1) {
                self.files.insert(format!("{folder}{number}.{index}.aac"), part(number, index));
            }
            if index == PARTS - 1 && number != GAP {
                let whole = (0..PARTS).flat_map(|index| part(number, index)).collect();
                self.files.insert(format!("{folder}{number}.aac"), whole);
            }
            (0..PARTS).for_each(|index| {
                self.files.remove(&format!("{folder}{}.{index}.aac", number - 9));
            });
            self.files.insert(format!("{folder}live.m3u8"), self.text(other, false).into_bytes());
            self.files.insert(format!("{folder}live.m3u8?skip"), self.text(other, true).into_bytes());
        }
        let line = "#EXT-X-STREAM-INF:BANDWIDTH=110000,AVERAGE-BANDWIDTH=98000,CODECS=\"mp4a.40.2\"\n";
        let index = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n{line}live.m3u8\n{line}other/live.m3u8\n"
        );
        self.files.insert("index.m3u8".into(), index.into_bytes());
        if let Some(mut breaks) = self.breaks.take() {
            breaks(self);
            self.breaks = Some(breaks);
        }
    }

    fn text(&self, other: &str, skip: bool) -> String {
        let (next, parts) = self.next();
        let first = next.saturating_sub(WINDOW).max(FIRST);
        let rest_us =
            |number: u64| (next - 1).saturating_sub(number) as i64 * SEGMENT_US + parts as i64 * PART_US;
        let skipped = (first..next).filter(|number| skip && rest_us(*number) >= 6_000_000).count() as u64;
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.0,PART-HOLD-BACK=0.960000\n\
             #EXT-X-PART-INF:PART-TARGET=0.320000\n",
            match skipped {
                0 if (first..next).contains(&GAP) => 8,
                0 => 3,
                _ => 9,
            },
            u64::from(first > JOIN),
        );
        if skipped > 0 {
            text += &format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n");
        }
        for number in first + skipped..next + u64::from(parts > 0) {
            if number == JOIN {
                text += "#EXT-X-DISCONTINUITY\n";
            }
            text += &format!("#EXT-X-PROGRAM-DATE-TIME:{:.3}\n", date(number));
            let count = if number == next { parts } else { PARTS };
            let is_gap = number == GAP && number != next;
            for index in (0..count).filter(|_| !is_gap && rest_us(number) <= 3_000_000) {
                text +=
                    &format!("#EXT-X-PART:DURATION=0.320000,URI=\"{number}.{index}.aac\",INDEPENDENT=YES\n");
            }
            if is_gap {
                text += "#EXT-X-GAP\n";
            }
            if number != next {
                text += &format!("#EXTINF:0.960000,\n{number}.aac\n");
            }
        }
        if self.step == STEPS {
            return text + "#EXT-X-ENDLIST\n";
        }
        text += &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{next}.{parts}.aac\"\n");
        let last = if parts > 0 { (next, parts - 1) } else { (next - 1, PARTS - 1) };
        text + &format!("#EXT-X-RENDITION-REPORT:URI=\"{other}\",LAST-MSN={},LAST-PART={}\n", last.0, last.1)
    }

    /// Replaces something in a text, everywhere, where it is there.
    pub(super) fn edit(&mut self, path: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.files[path].clone()).expect("a text");
        self.files.insert(path.to_owned(), text.replace(from, to).into_bytes());
    }
}
