//! Leaps: where the dates of a programme do not go on as its frames do, because its machine stood still or the system's clock was set.
//!
//! All who give dates to what they publish ask here, and what was published keeps its dates: a leap lies at a frame, and changes
//! nothing of what is before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airchain_core::Frames;

/// Dates follow a clock that is off by more than this from theirs, in nanoseconds. Each time costs players a discontinuity and DASH
/// a period, so it must be worth it: dates are asked for to the second, and half a second is also what is made good in silence
/// when the machine is late. What is less adds up until it is more.
const FOLLOWED_NS: i128 = 500_000_000;

/// Where dates leap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leap {
    /// Position of the first frame behind it, in nanoseconds of what the station has sent since it began.
    at: i128,
    /// By how much all have leapt from the beginning up to there, in nanoseconds.
    sum: i128,
}

/// The leaps of one kind that are remembered, in the order of their frames.
#[derive(Debug, Default)]
struct Kind(Vec<Leap>);

#[derive(Debug, Default)]
struct Noted {
    /// Time that is missing from the programme.
    missing: Kind,
    /// Settings of the system's clock, forward or back.
    set: Kind,
}

/// The leaps of a station, shared by all who need its dates. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Leaps {
    noted: Arc<Mutex<Noted>>,
    /// By how much dates had leapt where the holder began: those leaps may be forgotten while it goes on.
    begin_ns: i128,
}

/// Leaps of a kind that are remembered: what was sent before older ones is long gone.
const KEPT: usize = 256;

/// A frame's position in nanoseconds.
fn nanos(frames: Frames, rate_hz: u32) -> i128 {
    i128::from(frames) * 1_000_000_000 / i128::from(rate_hz.max(1))
}

impl Kind {
    fn note(&mut self, leap: Leap) {
        self.0.push(leap);
        let old = self.0.len().saturating_sub(KEPT);
        self.0.drain(..old);
    }

    /// The sum of all.
    fn sum(&self) -> i128 {
        self.0.last().map_or(0, |leap| leap.sum)
    }

    /// The sum of those before a position.
    fn before(&self, position_ns: i128) -> i128 {
        self.0.iter().rev().find(|leap| leap.at <= position_ns).map_or(0, |leap| leap.sum)
    }
}

impl Leaps {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds time that is missing, in the order of its frames: the first frame behind each loss and the frames that are missing,
    /// at the station's rate. Whoever else asks meanwhile sees all of them or waits.
    pub fn extend(&self, rate_hz: u32, lost: impl Iterator<Item = (Frames, Frames)>) {
        let missing = &mut self.lock().missing;
        for (at, frames) in lost {
            let sum = missing.sum() + nanos(frames, rate_hz);
            missing.note(Leap { at: nanos(at, rate_hz), sum });
        }
    }

    /// Has dates follow the system's clock, which has been set by `by_ns` nanoseconds since the station began, forward or back:
    /// from the frame `at` on, at the station's rate, where they are off by more than half a second.
    ///
    /// `at` must give a frame that is not on the bus yet. Whoever asks meanwhile waits, so that no date of such a frame has been
    /// given by the old clock.
    pub fn follow(&self, by_ns: i64, rate_hz: u32, at: impl FnOnce() -> Frames) {
        let (set, sum) = (&mut self.lock().set, i128::from(by_ns));
        if (sum - set.sum()).abs() > FOLLOWED_NS {
            set.note(Leap { at: nanos(at(), rate_hz), sum });
        }
    }

    /// The same for one who begins with a frame.
    pub fn from(&self, frame: Frames, rate_hz: u32) -> Self {
        Self { noted: Arc::clone(&self.noted), begin_ns: self.before(frame, rate_hz) }
    }

    /// Nanoseconds by which dates leap between where the holder began (see [`from`](Self::from)) and a position; negative where
    /// they leap back.
    pub fn since_begin_ns(&self, position_ns: i128) -> i128 {
        self.before_ns(position_ns) - self.begin_ns
    }

    /// Nanoseconds by which dates leap before a position, which is in nanoseconds of what the station has sent since it began.
    pub fn before_ns(&self, position_ns: i128) -> i128 {
        let noted = self.lock();
        noted.missing.before(position_ns) + noted.set.before(position_ns)
    }

    /// Nanoseconds by which dates leap before a frame.
    pub fn before(&self, frame: Frames, rate_hz: u32) -> i128 {
        self.before_ns(nanos(frame, rate_hz))
    }

    /// Positions behind `from_ns` and up to `to_ns` from which on dates go by a clock that was set.
    pub fn settings(&self, from_ns: i128, to_ns: i128) -> Vec<i128> {
        let within = |at: &i128| *at > from_ns && *at <= to_ns;
        self.lock().set.0.iter().map(|leap| leap.at).filter(within).collect()
    }

    /// Nanoseconds that are missing from the programme before a frame: no setting of a clock.
    pub fn missing_before(&self, frame: Frames, rate_hz: u32) -> i128 {
        self.lock().missing.before(nanos(frame, rate_hz))
    }

    /// Nanoseconds that are missing so far.
    pub fn missing_ns(&self) -> i128 {
        self.lock().missing.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_before_a_leap_keeps_its_date() {
        let leaps = Leaps::default();
        assert_eq!(leaps.missing_ns(), 0);
        leaps.extend(48_000, [(48_000, 96_000), (96_000, 480)].into_iter());
        let before = |frame| leaps.clone().before(frame, 48_000);
        assert_eq!([before(0), before(47_999), before(48_000)], [0, 0, 2_000_000_000]);
        assert_eq!([before(95_999), before(96_000)], [2_000_000_000, 2_010_000_000]);
        assert_eq!(leaps.missing_ns(), 2_010_000_000);
    }

    #[test]
    fn who_began_long_ago_keeps_its_dates_when_those_leaps_are_forgotten() {
        let leaps = Leaps::default();
        leaps.extend(1, [(10, 5)].into_iter());
        let (first, second) = (leaps.from(0, 1), leaps.from(20, 1));
        leaps.extend(1, (30..10_000).map(|at| (at, 1)));
        let since = |leaps: &Leaps| leaps.since_begin_ns(9_999_000_000_000);
        assert_eq!([since(&first), since(&second)], [9_975_000_000_000, 9_970_000_000_000]);
    }

    #[test]
    fn any_number_of_leaps_take_no_more_room() {
        let leaps = Leaps::default();
        leaps.extend(1, (0..10_000).map(|at| (at, 1)));
        assert_eq!(leaps.missing_ns(), 10_000_000_000_000);
        assert_eq!(leaps.before(9_990, 1), 9_991_000_000_000);
        for by_s in 0..10_000 {
            leaps.follow(by_s * 1_000_000_000, 1, || by_s as Frames);
        }
        let noted = leaps.lock();
        assert!(noted.missing.0.len() <= KEPT && noted.set.0.len() <= KEPT);
        assert_eq!(noted.set.sum(), 9_999_000_000_000);
    }

    #[test]
    fn dates_follow_a_clock_that_is_set_and_what_is_missing_is_told_apart() {
        let leaps = Leaps::default();
        let early = leaps.from(0, 1);
        leaps.extend(1, [(10, 5)].into_iter());
        let ms = |ms: i64| ms * 1_000_000;
        let nobody = || panic!("it is not worth a leap");
        leaps.follow(ms(500), 1, nobody);
        leaps.follow(ms(-500), 1, nobody);
        leaps.follow(ms(501), 1, || 20);
        leaps.follow(ms(900), 1, nobody);
        // What is too little by itself is not in sum.
        leaps.follow(ms(1_002), 1, || 30);
        leaps.follow(ms(-3_600_000), 1, || 40);
        leaps.follow(ms(-3_600_000), 1, nobody);
        let late = leaps.from(25, 1);
        let before = |leaps: &Leaps, second: i128| leaps.since_begin_ns(second * 1_000_000_000) / 1_000_000;
        assert_eq!(
            [9, 10, 19, 20, 29, 30].map(|at| before(&early, at)),
            [0, 5_000, 5_000, 5_501, 5_501, 6_002]
        );
        assert_eq!([39, 40, 99].map(|at| before(&early, at)), [6_002, -3_595_000, -3_595_000]);
        assert_eq!([25, 30, 40].map(|at| before(&late, at)), [0, 501, -3_600_501]);
        assert_eq!((leaps.missing_ns(), leaps.missing_before(99, 1)), (5_000_000_000, 5_000_000_000));
        let settings = |from: i128, to: i128| {
            let at = leaps.settings(from * 1_000_000_000, to * 1_000_000_000).into_iter();
            at.map(|at| at / 1_000_000_000).collect::<Vec<_>>()
        };
        assert_eq!(settings(0, 99), [20, 30, 40]);
        assert_eq!((settings(20, 30), settings(19, 20), settings(40, 99)), (vec![30], vec![20], vec![]));
    }
}
