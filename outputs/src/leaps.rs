//! Leaps: where a programme left out time because its machine stood still, so that the dates of what follows are true.

use std::sync::{Arc, Mutex, PoisonError};

use airchain_core::Frames;

/// Time that is missing from a programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leap {
    /// Position of the first frame behind it, in nanoseconds of what the station has sent since it began.
    at: i128,
    /// How much is missing from the beginning up to there, in nanoseconds.
    sum: i128,
}

/// The leaps of a station, shared by all who need its dates. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Leaps {
    all: Arc<Mutex<Vec<Leap>>>,
    /// What was missing where the holder began: those leaps may be forgotten while it goes on.
    begin_ns: i128,
}

/// Leaps that are remembered: what was sent before older ones is long gone.
const KEPT: usize = 256;

/// A frame's position in nanoseconds.
fn nanos(frames: Frames, rate_hz: u32) -> i128 {
    i128::from(frames) * 1_000_000_000 / i128::from(rate_hz.max(1))
}

impl Leaps {
    /// Adds leaps, in the order of their frames: the first frame behind each and the frames that are missing, at the
    /// station's rate. Whoever else asks meanwhile sees all of them or waits.
    pub fn extend(&self, rate_hz: u32, lost: impl Iterator<Item = (Frames, Frames)>) {
        let mut leaps = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, frames) in lost {
            let sum = leaps.last().map_or(0, |leap| leap.sum) + nanos(frames, rate_hz);
            leaps.push(Leap { at: nanos(at, rate_hz), sum });
        }
        let old = leaps.len().saturating_sub(KEPT);
        leaps.drain(..old);
    }

    /// The same for one who begins with a frame.
    pub fn from(&self, frame: Frames, rate_hz: u32) -> Self {
        Self { all: Arc::clone(&self.all), begin_ns: self.before(frame, rate_hz) }
    }

    /// Nanoseconds that are missing between where the holder began (see [`from`](Self::from)) and a position.
    pub fn since_begin_ns(&self, position_ns: i128) -> i128 {
        self.before_ns(position_ns) - self.begin_ns
    }

    /// Nanoseconds that are missing before a position, which is in nanoseconds of what the station has sent since it began.
    pub fn before_ns(&self, position_ns: i128) -> i128 {
        let leaps = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        leaps.iter().rev().find(|leap| leap.at <= position_ns).map_or(0, |leap| leap.sum)
    }

    /// Nanoseconds that are missing before a frame.
    pub fn before(&self, frame: Frames, rate_hz: u32) -> i128 {
        self.before_ns(nanos(frame, rate_hz))
    }

    /// Nanoseconds that are missing so far.
    pub fn sum_ns(&self) -> i128 {
        self.before_ns(i128::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_before_a_leap_keeps_its_date() {
        let leaps = Leaps::default();
        assert_eq!(leaps.sum_ns(), 0);
        leaps.extend(48_000, [(48_000, 96_000), (96_000, 480)].into_iter());
        let before = |frame| leaps.clone().before(frame, 48_000);
        assert_eq!([before(0), before(47_999), before(48_000)], [0, 0, 2_000_000_000]);
        assert_eq!([before(95_999), before(96_000)], [2_000_000_000, 2_010_000_000]);
        assert_eq!(leaps.sum_ns(), 2_010_000_000);
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
        assert_eq!(leaps.sum_ns(), 10_000_000_000_000);
        assert_eq!(leaps.before(9_990, 1), 9_991_000_000_000);
        assert!(leaps.all.lock().unwrap().len() <= KEPT);
    }
}
