//! The system's clock beside one that only runs: by how much it has been set since.
//!
//! Frames go by the clock that only runs. The schedule goes by the one that people see, so when that is set, by a person,
//! by the network or for a leap second, the station's map between the two is moved.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A reading that took longer than this says nothing: the thread was held up between the clocks.
const HELD_UP: Duration = Duration::from_millis(2);
/// What the clocks differ by before it counts: far more than they are read apart, far less than people set.
const SET: SignedDuration = SignedDuration::from_millis(50);

/// Both clocks as they were at first, and how far apart they have come.
pub(crate) struct WallClock {
    utc: Timestamp,
    at: Instant,
    set_by: SignedDuration,
}

impl WallClock {
    /// Both clocks as they are.
    pub(crate) fn now() -> Self {
        Self { utc: Timestamp::now(), at: Instant::now(), set_by: SignedDuration::ZERO }
    }

    /// By how many nanoseconds the system's clock has been put forward since; back, where negative.
    pub(crate) fn set_by_ns(&mut self) -> i64 {
        let before = Instant::now();
        let utc = Timestamp::now();
        if before.elapsed() < HELD_UP {
            self.observe(utc, before);
        }
        i64::try_from(self.set_by.as_nanos()).unwrap_or(0)
    }

    fn observe(&mut self, utc: Timestamp, at: Instant) {
        let ran = SignedDuration::try_from(at - self.at).unwrap_or_default();
        let set_by = utc.duration_since(self.utc) - ran;
        if (set_by - self.set_by).abs() > SET {
            self.set_by = set_by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_and_one_that_is_adjusted_is_not() {
        let mut clock = WallClock::now();
        let (utc, at) = (clock.utc, clock.at);
        let mut see = |ran_ms: u64, shown_ms: i64| {
            clock.observe(utc + SignedDuration::from_millis(shown_ms), at + Duration::from_millis(ran_ms));
            clock.set_by.as_millis()
        };
        assert_eq!(see(1_000, 1_000), 0);
        assert_eq!(see(2_000, 2_020), 0, "the network's fine adjustments are no setting");
        assert_eq!(see(3_000, 2_000), -1_000, "a leap second");
        assert_eq!(see(4_000, 3_000), -1_000);
        assert_eq!(see(5_000, 3_605_000), 3_600_000);
        assert_eq!(see(6_000, 6_000), 0, "and set right again");
    }
}
