//! What is published of a track: the window that manifests are made from, and what has left it. Pure, no clock and no files.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::name;
use super::songs::Songs;

/// A published segment. None of this ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Media sequence number.
    pub(crate) number: u64,
    /// Which run of the output it is of.
    pub(crate) run: i64,
    /// When its first frame was on air, to the millisecond.
    pub(crate) date: Timestamp,
    pub(crate) duration_us: u64,
    /// It does not continue the one before.
    pub(crate) discontinuity: bool,
    /// Size of its file.
    pub(crate) bytes: u64,
    /// There is no file: this stretch of the programme is missing here. Players pass over it or take another rendition.
    pub(crate) gap: bool,
    /// Lengths of its parts, in microseconds, where there are any.
    pub(crate) parts: Vec<u64>,
}

impl Entry {
    /// When its last frame has been on air by the clock as it was when it began, in microseconds since 1970.
    fn end_us(&self) -> i64 {
        self.date.as_microsecond() + self.duration_us as i64
    }

    /// The same, to the millisecond.
    fn end(&self) -> Timestamp {
        Timestamp::from_millisecond(self.end_us().div_euclid(1000)).unwrap_or(self.date)
    }

    /// Whether its date is not where another ends that it follows.
    fn leaps_from(&self, before: &Self) -> bool {
        // Dates are whole milliseconds.
        self.date.as_millisecond().abs_diff(before.end().as_millisecond()) > 2
    }

    /// The same, but that it begins where the entry before ends: tracks are cut alike to a packet, of which each codec has its own.
    pub(crate) fn behind(self, last: &Self) -> Self {
        let off_us = last.end_us() - self.date.as_microsecond();
        let rest_us = u64::try_from(self.duration_us as i64 - off_us).ok().filter(|rest_us| *rest_us > 0);
        let goes_on = last.run == self.run && last.number + 1 == self.number && !self.discontinuity;
        match rest_us.filter(|_| goes_on && self.leaps_from(last)) {
            Some(duration_us) => Self { date: last.end(), duration_us, ..self },
            None => self,
        }
    }
}

/// A window over what is published, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// No segment is longer, rounded to whole seconds.
    pub(crate) target_s: u64,
    /// What segments' names end with.
    pub(crate) extension: String,
    /// Number of the next segment.
    pub(crate) next: u64,
    /// Discontinuities before the first entry.
    pub(crate) discontinuities: u64,
    pub(crate) entries: VecDeque<Entry>,
    /// The segment under way, of which parts are published: it lasts as long as they.
    pub(crate) open: Option<Entry>,
    /// What has ended while it lasts.
    pub(crate) songs: Songs,
    /// Nothing more will come.
    pub(crate) ended: bool,
}

impl Window {
    /// An empty one.
    pub(crate) fn new(target_s: u64, extension: &str, next: u64) -> Self {
        Self {
            target_s,
            extension: extension.to_owned(),
            next,
            discontinuities: 0,
            entries: VecDeque::new(),
            open: None,
            songs: Songs::default(),
            ended: false,
        }
    }

    /// The name of a segment's file.
    pub(crate) fn name(&self, entry: &Entry) -> String {
        name::segment(entry.run, entry.number, &self.extension)
    }

    /// Number of the first entry.
    pub(crate) fn first(&self) -> u64 {
        self.entries.front().map_or(self.next, |entry| entry.number)
    }

    /// Adds a segment. Gives those that leave a window of `size` for it.
    pub(crate) fn append(&mut self, mut entry: Entry, size: usize) -> Vec<Entry> {
        self.next = entry.number + 1;
        // Parts of it are told if they are all of it.
        let whole =
            |open: &Entry| open.number == entry.number && open.duration_us == entry.duration_us && !entry.gap;
        if let Some(open) = self.open.take().filter(whole) {
            entry.parts = open.parts;
        }
        let before = self.entries.back().filter(|before| entry.discontinuity && entry.leaps_from(before));
        if let Some(before) = before {
            self.songs.leap(entry.run, before.end(), entry.date);
        }
        self.entries.push_back(entry);
        let mut left = Vec::new();
        while self.overfull(size) {
            left.extend(self.pop());
        }
        // The first is not the oldest by its date where the clock was set back.
        if let Some(oldest) = self.entries.iter().map(|entry| entry.date).min() {
            self.songs.forget_before(oldest);
        }
        left
    }

    /// Adds the `index`-th part of the next segment, which begins at `date`. Whether it follows those that are there.
    pub(crate) fn add_part(&mut self, part: &Entry, index: usize, date: Timestamp) -> bool {
        if self.open.as_ref().is_none_or(|open| open.number != part.number) {
            let parts = Vec::new();
            self.open = Some(Entry { date, duration_us: 0, bytes: 0, gap: false, parts, ..part.clone() });
        }
        let Some(open) = self.open.as_mut().filter(|open| open.parts.len() == index) else { return false };
        open.parts.push(part.duration_us);
        (open.duration_us, open.bytes) = (open.duration_us + part.duration_us, open.bytes + part.bytes);
        true
    }

    /// Takes the oldest entry out of the window.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.discontinuities += u64::from(entry.discontinuity);
        self.songs.forget_within(entry.date, entry.end());
        Some(entry)
    }

    /// Makes `number` the next: what is missing before it is a gap, as far as `missing` knows what would be there behind the
    /// last entry. Gives what leaves a window of `size`.
    pub(crate) fn catch_up(
        &mut self,
        number: u64,
        size: usize,
        missing: impl Fn(u64, &Entry) -> Option<Entry>,
    ) -> Vec<Entry> {
        let mut left = Vec::new();
        while self.next < number
            && let Some(last) = self.entries.back()
        {
            let Some(entry) = missing(self.next, last) else { break };
            left.extend(self.append(Entry { bytes: 0, gap: true, ..entry }, size));
        }
        left
    }

    /// Begins anew with a number, after so many discontinuities. Gives all that was in the window.
    pub(crate) fn begin_anew(&mut self, number: u64, discontinuities: u64) -> Vec<Entry> {
        let left = std::iter::from_fn(|| self.pop()).collect();
        (self.next, self.discontinuities) = (number, discontinuities);
        left
    }

    /// Discontinuities up to the last entry.
    pub(crate) fn discontinuities_so_far(&self) -> u64 {
        self.discontinuities + self.entries.iter().filter(|entry| entry.discontinuity).count() as u64
    }

    /// How long all of it lasts, in microseconds.
    pub(crate) fn lasts_us(&self) -> u64 {
        self.entries.iter().map(|entry| entry.duration_us).sum()
    }

    /// Whether the oldest entry is beyond a window of `size`, and may go: what stays must be three target durations
    /// long (RFC 8216, 6.2.2).
    fn overfull(&self, size: usize) -> bool {
        let rest: u64 = self.entries.iter().skip(1).map(|entry| entry.duration_us).sum();
        self.entries.len() > size && rest >= self.target_s * 3_000_000
    }
}

/// Files that have left a window but are still there: a player that has seen them announced may ask for them for as long as
/// the segment and the longest playlist that named it last (RFC 8216, 6.2.2).
///
/// Time is what is published: where nothing comes, nothing goes.
#[derive(Debug)]
pub(crate) struct Retired {
    /// At least so many are kept.
    retain: usize,
    /// What has been published of the track, in microseconds.
    now_us: i64,
    /// The longest that the window has been.
    longest_us: i64,
    /// With the time from which each may go.
    files: VecDeque<(String, i64)>,
}

impl Retired {
    /// Of a track whose window lasts `window_us`. `found` are files that have left it before, the oldest first, of which
    /// each lasted about `each_us`: it, and the window that it was in, by up to `more_us` more.
    pub(crate) fn new(retain: usize, window_us: u64, found: Vec<String>, each_us: u64, more_us: u64) -> Self {
        let (longest_us, each_us, more_us) = (window_us as i64, each_us as i64, more_us as i64);
        let age = |index: usize| (found.len() - index) as i64 * each_us;
        let dues: Vec<i64> =
            (0..found.len()).map(|index| longest_us + each_us + more_us - age(index)).collect();
        Self { retain, now_us: 0, longest_us, files: found.into_iter().zip(dues).collect() }
    }

    /// Notes that so much more was published, and what has left the window for it.
    pub(crate) fn note(&mut self, window: &Window, published_us: u64, left: &[Entry]) {
        self.longest_us = self.longest_us.max(window.lasts_us() as i64);
        self.now_us += published_us as i64;
        for entry in left.iter().filter(|entry| !entry.gap) {
            self.files
                .push_back((window.name(entry), self.now_us + entry.duration_us as i64 + self.longest_us));
        }
    }

    /// Adds a file that may go when so much more has been published.
    pub(crate) fn push(&mut self, name: String, after_us: u64) {
        self.files.push_back((name, self.now_us + after_us as i64));
    }

    /// A file that may go, the oldest first.
    pub(crate) fn due(&self) -> Option<&str> {
        let (name, due_us) = self.files.front()?;
        (self.files.len() > self.retain && *due_us <= self.now_us).then_some(name)
    }

    /// Names of all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// It is gone.
    pub(crate) fn forget(&mut self) {
        self.files.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, discontinuity: bool) -> Entry {
        let date = Timestamp::from_second(number as i64).unwrap();
        Entry {
            number,
            run: 1,
            date,
            duration_us: 4_000_000,
            discontinuity,
            bytes: 1,
            gap: false,
            parts: Vec::new(),
        }
    }

    #[test]
    fn the_window_moves_and_counts_discontinuities() {
        let mut window = Window::new(4, "ts", 7);
        for number in 7..13 {
            assert!(window.append(entry(number, number == 8), 6).is_empty());
        }
        let left = window.append(entry(13, false), 6);
        assert_eq!((left.len(), window.first(), window.discontinuities), (1, 8, 0));
        window.append(entry(14, false), 6);
        assert_eq!((window.first(), window.discontinuities, window.discontinuities_so_far()), (9, 1, 1));
        // Three target durations must stay.
        window.append(entry(15, false), 1);
        assert_eq!(window.entries.len(), 3);
    }

    #[test]
    fn what_is_missing_is_gaps_and_the_numbers_go_on_one_by_one() {
        let mut window = Window::new(4, "ts", 1);
        window.append(entry(1, false), 4);
        let left = window.catch_up(100, 4, |number, _| Some(entry(number, number == 50)));
        assert_eq!((window.next, window.first(), window.discontinuities, left.len()), (100, 96, 1, 95));
        assert!(window.entries.iter().all(|entry| entry.gap));
        window.catch_up(200, 4, |_, _| None);
        assert_eq!(window.next, 100, "what nobody knows is no gap");
    }

    #[test]
    fn what_others_had_is_missing_from_the_end_of_what_was_there() {
        let last = Entry { duration_us: 4_020_000, ..entry(7, false) };
        let others = entry(11, false);
        assert_eq!(others.clone().behind(&last), others, "not the next");
        let others = Entry { date: Timestamp::from_second(11).unwrap(), number: 8, ..others };
        let gap = others.clone().behind(&last);
        assert_eq!((gap.date.as_millisecond(), gap.duration_us), (11_020, 3_980_000));
        let joins = Entry { discontinuity: true, ..others };
        assert_eq!(joins.clone().behind(&last), joins);
    }

    #[test]
    fn what_has_left_goes_when_no_player_can_want_it_any_more() {
        let mut window = Window::new(4, "ts", 0);
        let mut retired = Retired::new(1, 0, Vec::new(), 0, 0);
        let mut gone = Vec::new();
        for number in 0..20 {
            let left = window.append(entry(number, false), 3);
            retired.note(&window, 4_000_000, &left);
            while let Some(name) = retired.due() {
                gone.push((number, name.to_owned()));
                retired.forget();
            }
        }
        // Segment 0 leaves with 3, at 16 s; it lasts 4 s and the playlist 12 s: until 32 s, where 7 ends.
        assert_eq!(gone[..2], [(7, "1-0.ts".to_owned()), (8, "1-1.ts".to_owned())]);
        // Found after a restart: the oldest of ten left 40 s ago.
        let found: Vec<String> = (0..10).map(|number| name::segment(1, number, "ts")).collect();
        let mut retired = Retired::new(1, 12_000_000, found, 4_000_000, 4_000_000);
        let mut count = 0;
        while retired.due().is_some() {
            retired.forget();
            count += 1;
        }
        assert_eq!(count, 6, "those of which nobody could want the longest any more");
    }
}
