//! The system's clock beside one that only runs: by how much it has been set since.
//!
//! Frames go by the clock that only runs. The schedule goes by the one that people see, so when that is set, by a person,
//! by the network or for a leap second, the station's map between the two is moved, and the dates that its outputs give leap
//! ([`Leaps`](airchain_outputs::leaps::Leaps)). The clock that only runs stands while the
//! machine sleeps; that time is told apart, for it is missing from the programme.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::os;

/// A reading that took longer than this says nothing: the thread was held up between the clocks.
const HELD_UP: Duration = Duration::from_millis(2);
/// Sleep that is shorter is none: the clocks are read one after the other.
const SLEPT: Duration = Duration::from_millis(50);
/// What the clocks differ by before it counts: far more than they are read apart, far less than people set.
const SET: SignedDuration = SignedDuration::from_millis(50);

/// Both clocks as they were at first, and how far apart they have come.
pub(crate) struct WallClock {
    utc: Timestamp,
    at: Instant,
    slept: Duration,
    set_by: SignedDuration,
}

/// What has become of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// By how many nanoseconds the system's clock has been put forward since the beginning; back, where negative.
    pub(crate) set_by_ns: i64,
    /// For how long the machine has slept since this was last asked.
    pub(crate) slept: Duration,
}

impl WallClock {
    /// Both clocks as they are. What they seem to be apart here would count as a setting ever after.
    pub(crate) fn now() -> Self {
        loop {
            let at = Instant::now();
            let (utc, slept) = (Timestamp::now(), os::slept());
            if at.elapsed() < HELD_UP {
                return Self { utc, at, slept, set_by: SignedDuration::ZERO };
            }
        }
    }

    /// Looks at the clocks.
    pub(crate) fn look(&mut self) -> Moved {
        let before = Instant::now();
        let (utc, slept) = (Timestamp::now(), os::slept());
        if before.elapsed() < HELD_UP {
            return self.observe(utc, before, slept);
        }
        self.moved(Duration::ZERO)
    }

    fn observe(&mut self, utc: Timestamp, at: Instant, slept: Duration) -> Moved {
        let mut newly = slept.saturating_sub(self.slept);
        if newly < SLEPT {
            newly = Duration::ZERO;
        } else {
            // As if it had begun that much later: what the system's clock ran on by meanwhile is no setting.
            self.slept = slept;
            self.utc += newly;
        }
        let ran = SignedDuration::try_from(at - self.at).unwrap_or_default();
        let set_by = utc.duration_since(self.utc) - ran;
        if (set_by - self.set_by).abs() > SET {
            self.set_by = set_by;
        }
        self.moved(newly)
    }

    fn moved(&self, slept: Duration) -> Moved {
        Moved { set_by_ns: i64::try_from(self.set_by.as_nanos()).unwrap_or(0), slept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_and_one_that_is_adjusted_is_not() {
        let mut clock = WallClock::now();
        let (utc, at, slept) = (clock.utc, clock.at, clock.slept);
        let mut see = |ran_ms: u64, shown_ms: i64| {
            let (utc, at) = (utc + SignedDuration::from_millis(shown_ms), at + Duration::from_millis(ran_ms));
            let moved = clock.observe(utc, at, slept + Duration::from_millis(1));
            assert_eq!(moved.slept, Duration::ZERO);
            moved.set_by_ns / 1_000_000
        };
        assert_eq!(see(1_000, 1_000), 0);
        assert_eq!(see(2_000, 2_020), 0, "the network's fine adjustments are no setting");
        assert_eq!(see(3_000, 2_000), -1_000, "a leap second");
        assert_eq!(see(4_000, 3_000), -1_000);
        assert_eq!(see(5_000, 3_605_000), 3_600_000);
        assert_eq!(see(6_000, 6_000), 0, "and set right again");
    }

    #[test]
    fn sleep_is_told_once_and_is_no_setting_of_the_clock() {
        let mut clock = WallClock::now();
        let (utc, at, before) = (clock.utc, clock.at, clock.slept);
        let mut see = |ran_s: u64, shown_s: i64, slept_s: u64| {
            let (utc, at) = (utc + SignedDuration::from_secs(shown_s), at + Duration::from_secs(ran_s));
            let moved = clock.observe(utc, at, before + Duration::from_secs(slept_s));
            (moved.set_by_ns / 1_000_000_000, moved.slept.as_secs())
        };
        assert_eq!(see(10, 10, 0), (0, 0));
        assert_eq!(see(11, 3_611, 3_600), (0, 3_600));
        assert_eq!(see(12, 3_612, 3_600), (0, 0));
        assert_eq!(see(13, 3_623, 3_605), (5, 5), "it slept, and the clock was set as well");
        assert_eq!(see(14, 3_624, 3_605), (5, 0));
    }
}
