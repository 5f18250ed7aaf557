//! What comes into a media playlist, and what stays as it was.

use jiff::Timestamp;

use super::{AHEAD_US, DATE_US, Kept, Seen, Watched, micros};
use crate::hls::{Media, Notes, Segment, micros_between};

impl Watched {
    /// What is new in a text, and what was there before and must be as it was.
    pub(super) fn enter(
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
                if ahead_us > AHEAD_US {
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
        // What a killed run had not published is reckoned from dates that are rounded themselves.
        let most_us = if segment.gap { 2 * DATE_US } else { DATE_US };
        if off_us.abs() > most_us {
            let what = format!("the date of {} is off by {off_us} us from those before", segment.uri);
            notes.note("4.3.2.6", segment.line, what);
        }
        Some((since, sum_us))
    }

    /// Date ranges never change, and stay while what they name is there.
    pub(super) fn ranges(&mut self, media: &Media, last: Option<&Seen>, notes: &mut Notes<'_>) {
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

    pub(super) fn leave(&mut self, media: &Media, last: Option<&Seen>, asked: Timestamp) {
        let there = last.map_or((asked, media.next()), |last| (last.asked, last.media.next()));
        for (_, kept) in self.kept.range_mut(..media.sequence) {
            kept.left.get_or_insert(there);
        }
    }
}
