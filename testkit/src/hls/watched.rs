//! One media playlist from poll to poll: what may change in it and what may not, and the files that it names.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::segment::{Container, Heard, container, extension};
use super::{Finding, Media, Notes, Origin, Segment, micros_between, resolve};

/// What dates, durations and time stamps may be off by through rounding: dates are told in milliseconds, time stamps in 90 kHz.
const DATE_US: i64 = 1_001;
const STAMP_US: i64 = 15;

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
    /// When it had come for the first time.
    since: Timestamp,
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
    }

    /// Polls it. `late_s` is how late a reload and a segment may come beyond what is due.
    pub(super) fn poll(&mut self, origin: &mut dyn Origin, late_s: f64, found: &mut Vec<Finding>) {
        let path = self.path.clone();
        let notes = &mut Notes { playlist: &path, found };
        let asked = origin.now();
        if let Some((_, known)) = &mut self.clock.set {
            known.get_or_insert(asked);
        }
        let Some(fetched) = origin.get(&path) else {
            return notes.note("6.2.1", 0, "it is not there");
        };
        let answered = origin.now();
        let known = ["application/vnd.apple.mpegurl", "audio/mpegurl"];
        if fetched.mime.as_deref().is_some_and(|mime| !known.contains(&mime)) {
            notes.note("4", 0, format!("its type is {}", fetched.mime.unwrap_or_default()));
        }
        let Ok(text) = String::from_utf8(fetched.data) else {
            return notes.note("4", 0, "it is not UTF-8");
        };
        match &mut self.last {
            Some(last) if last.text == text => {
                // It was there at the latest when it had come first, and there was no other when this was asked for.
                let waits_s = micros_between(last.since, asked) as f64 / 1e6;
                let due_s = last.media.target_s as f64 * 1.5;
                if waits_s > due_s + late_s && !last.media.ended && !self.reopens {
                    notes.note(
                        "6.2.2",
                        0,
                        format!("nothing new for more than {due_s} s: 1.5 target durations"),
                    );
                }
                last.asked = asked;
            }
            _ => {
                let media = Media::read(&text, notes);
                let last = self.last.take();
                if let Some(last) = &last {
                    self.follows(last, &media, asked, notes);
                }
                let before = last.as_ref().map(|last| last.asked);
                self.enter(&media, (before, answered), late_s, notes);
                self.ranges(&media, last.as_ref(), notes);
                self.leave(&media, last.as_ref(), asked);
                self.reopens = false;
                self.last = Some(Seen { media, text, since: answered, asked });
                self.fetch(origin, notes);
            }
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

    /// What is new in a text, and what was there before and must be as it was.
    fn enter(
        &mut self,
        media: &Media,
        (before, answered): (Option<Timestamp>, Timestamp),
        late_s: f64,
        notes: &mut Notes<'_>,
    ) {
        let lasts_us = media.duration_us();
        for segment in &media.segments {
            let (line, uri, number) = (segment.line, &segment.uri, segment.number);
            if let Some(kept) = self.kept.get_mut(&number) {
                kept.longest_us = kept.longest_us.max(lasts_us);
                let (was, is) = (kept.segment.published(), segment.published());
                if was != is {
                    let what = format!("{number} was {was:?}, is {is:?}");
                    notes.note("6.2.1", line, what);
                }
                continue;
            }
            if let Some(other) = self.names.insert(uri.clone(), number) {
                notes.note("6.2.1", line, format!("{uri} was the name of {other}"));
            }
            let line_since = self.date(segment, notes);
            if segment.discontinuity
                && let Some((ahead_us, _)) = self.clock.set.take()
            {
                self.clock.ahead_us = ahead_us;
            }
            if let Some(date) = segment.date {
                let begin_us = date.as_microsecond() - self.clock.ahead_us;
                let end_us = begin_us + segment.duration_us as i64;
                let set = self.clock.set.and_then(|(_, known)| known);
                let since_s = set.map_or(0.0, |set| (begin_us - set.as_microsecond()) as f64 / 1e6);
                if since_s > late_s {
                    let what = format!("{uri} begins {since_s:.3} s after the clock was set, by the old one");
                    notes.note("4.3.2.6", line, what);
                }
                let ahead_us = end_us - answered.as_microsecond();
                if ahead_us > DATE_US {
                    notes.note("4.3.2.6", line, format!("{uri} ends {ahead_us} us from now"));
                }
                // It was not there when the text before was asked for.
                let behind_s = before.map_or(0.0, |before| (before.as_microsecond() - end_us) as f64 / 1e6);
                if behind_s > late_s && !segment.gap && !self.reopens {
                    notes.note("4.3.2.6", line, format!("{uri} ended {behind_s:.3} s before it came"));
                }
            }
            let kept = Kept {
                segment: segment.clone(),
                data: Vec::new(),
                heard: None,
                longest_us: lasts_us,
                left: None,
                line: line_since,
            };
            self.kept.insert(number, kept);
        }
    }

    /// A date is the one before and its duration, and all of them add up (4.3.2.6).
    fn date(&self, segment: &Segment, notes: &mut Notes<'_>) -> Option<(Timestamp, u64)> {
        let date = segment.date?;
        let before = segment.number.checked_sub(1).and_then(|number| self.kept.get(&number));
        let Some(before) = before.filter(|_| !segment.discontinuity) else { return Some((date, 0)) };
        let (since, sum_us) = before.line?;
        let sum_us = sum_us + before.segment.duration_us;
        let off_us = micros_between(since, date) - sum_us as i64;
        if off_us.abs() > DATE_US {
            let what = format!("the date of {} is off by {off_us} us from those before", segment.uri);
            notes.note("4.3.2.6", segment.line, what);
        }
        Some((since, sum_us))
    }

    /// Date ranges never change, and stay while what they name is there.
    fn ranges(&mut self, media: &Media, last: Option<&Seen>, notes: &mut Notes<'_>) {
        let span = |segment: &Segment| {
            let begin = segment.date?;
            Some((begin, begin.checked_add(micros(segment.duration_us)).ok()?))
        };
        // The last is not the latest by its date where the clock was set back.
        let end = media.segments.iter().filter_map(span).map(|(_, end)| end).max();
        for range in &media.date_ranges {
            let before = self.ranges.insert(range.id.clone(), range.text.clone());
            if before.as_ref().is_some_and(|before| *before != range.text) {
                let what = format!("{:?} was {}, is {}", range.id, before.unwrap_or_default(), range.text);
                notes.note("4.3.2.7", range.line, what);
            }
            if range.end.is_none_or(|over| end.is_some_and(|end| over > end)) {
                notes.note("4.3.2.7", range.line, format!("{:?} is not over yet", range.id));
            }
        }
        for range in last.iter().flat_map(|last| &last.media.date_ranges) {
            let stays = media.date_ranges.iter().any(|now| now.id == range.id);
            let over = range.end.unwrap_or(range.start);
            // Nor is one date one moment.
            let named =
                |segment: &&Segment| span(segment).is_some_and(|(begin, end)| over > begin && over <= end);
            let mut named = last.iter().flat_map(|last| &last.media.segments).filter(named).peekable();
            if !stays && named.peek().is_some() && named.all(|segment| segment.number >= media.sequence) {
                notes.note("6.2.1", 0, format!("{:?} is gone before what it names", range.id));
            }
        }
    }

    fn leave(&mut self, media: &Media, last: Option<&Seen>, asked: Timestamp) {
        let there = last.map_or((asked, media.next()), |last| (last.asked, last.media.next()));
        for (_, kept) in self.kept.range_mut(..media.sequence) {
            kept.left.get_or_insert(there);
        }
    }

    /// Fetches what is named, and what has left and must still be there, and sees that it is as it was.
    fn fetch(&mut self, origin: &mut dyn Origin, notes: &mut Notes<'_>) {
        let Some(last) = &self.last else { return };
        let (first, next, target_us) =
            (last.media.sequence, last.media.next(), last.media.target_s * 1_000_000);
        let durations: BTreeMap<u64, u64> =
            self.kept.iter().map(|(number, kept)| (*number, kept.segment.duration_us)).collect();
        let independent = last.media.independent;
        let mut fresh = Vec::new();
        for (number, kept) in self.kept.range_mut(..next).filter(|(_, kept)| !kept.segment.gap) {
            let (uri, line) = (&kept.segment.uri, kept.segment.line);
            let lasts_us = kept.segment.duration_us + kept.longest_us;
            let until = kept.left.and_then(|(left, _)| left.checked_add(micros(lasts_us)).ok());
            if until.is_some_and(|until| until < origin.now()) {
                continue;
            }
            let fetched = origin.get(&resolve(&self.path, uri)).map(|fetched| fetched.data);
            let is_new = kept.data.is_empty();
            match (fetched, until) {
                (Some(data), _) if is_new => {
                    kept.data = data;
                    fresh.push(*number);
                }
                (Some(data), _) if data != kept.data => {
                    notes.note("6.2.1", line, format!("{uri} has other bytes than before"));
                }
                (None, None) if *number >= first => {
                    notes.note("6.2.1", line, format!("{uri} is named, but not there"));
                }
                (None, Some(until)) => {
                    // Publishing is not even: a target duration early is none, nor is what was published for as long.
                    let early_us = micros_between(origin.now(), until);
                    let since = durations.range(kept.left.map_or(0, |(_, next)| next)..);
                    let published_us: u64 = since.map(|(_, duration_us)| duration_us).sum();
                    if early_us > target_us as i64 && published_us + target_us < lasts_us {
                        let what =
                            format!("{uri} has left the playlist and is gone too early, by {early_us} us");
                        notes.note("6.2.2", line, what);
                    }
                }
                _ => {}
            }
        }
        self.fetch_maps(origin, &fresh, notes);
        for number in fresh {
            self.hear(number, independent, notes);
        }
    }

    fn fetch_maps(&mut self, origin: &mut dyn Origin, fresh: &[u64], notes: &mut Notes<'_>) {
        for segment in fresh.iter().filter_map(|number| self.kept.get(number)).map(|kept| &kept.segment) {
            let Some(uri) = &segment.map else { continue };
            match (origin.get(&resolve(&self.path, uri)), self.maps.get(uri)) {
                (Some(fetched), Some(known)) if fetched.data != *known => {
                    notes.note("6.2.1", segment.line, format!("{uri} has other bytes than before"));
                }
                (Some(fetched), _) => {
                    self.maps.insert(uri.clone(), fetched.data);
                }
                (None, _) => {
                    notes.note("4.3.2.5", segment.line, format!("EXT-X-MAP {uri} is not there"));
                }
            }
        }
    }

    /// Reads a new segment's bytes as what follows those before.
    fn hear(&mut self, number: u64, independent: bool, notes: &mut Notes<'_>) {
        let before = number.checked_sub(1).and_then(|before| self.kept.get(&before));
        let Some(kept) = self.kept.get(&number) else { return };
        let segment = kept.segment.clone();
        let (uri, line) = (&segment.uri, segment.line);
        let unread = before.is_none_or(|before| before.heard.is_none() && !before.segment.gap);
        if segment.discontinuity || unread {
            (self.container, self.due_us, self.cut) = (None, None, None);
        }
        let kind = |segment: &Segment| (extension(&segment.uri).to_owned(), segment.map.clone());
        let changes = before.is_none_or(|before| kind(&before.segment) != kind(&segment));
        if changes || self.container.is_none() {
            self.container = container(uri);
            let map = segment.map.as_ref().and_then(|map| self.maps.get(map));
            if let (Some(container), Some(map)) = (&mut self.container, map)
                && let Err(what) = container.init(map)
            {
                notes.note("4.3.2.5", line, format!("the EXT-X-MAP of {uri}: {what}"));
            }
        }
        let Some(container) = &mut self.container else {
            return notes.note("3", line, format!("{uri} is of a kind that this checker does not read"));
        };
        // Gaps before it have no bytes of their own.
        let gaps = self.kept.range(..number).rev().take_while(|(_, kept)| kept.segment.gap);
        let gaps_us: Vec<_> = gaps.map(|(_, kept)| kept.segment.duration_us as i64).collect();
        if !gaps_us.is_empty() && !segment.discontinuity {
            container.pause();
            self.due_us = self.due_us.map(|due_us| due_us + gaps_us.iter().sum::<i64>());
        }
        let heard = match container.segment(&kept.data) {
            Ok(heard) => heard,
            Err(what) => {
                (self.container, self.due_us) = (None, None);
                return notes.note("3", line, format!("{uri}: {what}"));
            }
        };
        let off_us = self.due_us.map_or(0, |due_us| heard.start_us - due_us);
        if off_us.abs() > STAMP_US {
            let what = format!("{uri} begins {off_us} us from where the one before ends, by time stamp");
            notes.note("4.3.2.3", line, what);
        }
        self.due_us = Some(heard.start_us + segment.duration_us as i64);
        let (said_us, true_us) = (segment.duration_us, heard.micros(heard.samples));
        if self.cut.take().is_some() {
            notes.note("4.3.2.1", line, format!("the segment before {uri} ends within a packet"));
        }
        if said_us.abs_diff(true_us) > 1 {
            if said_us > true_us || true_us - said_us >= heard.micros(heard.packet) {
                let what = format!("EXTINF of {uri} says {said_us} us, its audio lasts {true_us} us");
                notes.note("4.3.2.1", line, what);
            } else {
                self.cut = Some(number);
            }
        }
        if independent && !heard.independent {
            let what = format!("{uri} needs the one before it, despite EXT-X-INDEPENDENT-SEGMENTS");
            notes.note("4.3.5.1", line, what);
        }
        if let Some(kept) = self.kept.get_mut(&number) {
            kept.heard = Some(heard);
        }
    }
}

fn micros(us: u64) -> SignedDuration {
    SignedDuration::from_micros(i64::try_from(us).unwrap_or(i64::MAX))
}
