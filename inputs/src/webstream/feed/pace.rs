//! How much is to be handed on: what the air has used up, and in real time while it uses up nothing.

use std::time::{Duration, Instant};

use airchain_core::Frames;
use airchain_core::units::seconds_to_frames;

/// Less than this is not worth a turn.
const BATCH_S: f64 = 0.05;
/// Time that is made up for. What a worker misses beyond it, asleep with the machine perhaps, is gone.
const MOST_OWED_S: f64 = 0.25;

/// Keeps real time, in frames.
pub(super) struct Pace {
    rate_hz: u32,
    looked: Option<Instant>,
    owed: Frames,
}

impl Pace {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self { rate_hz, looked: None, owed: 0 }
    }

    /// Nothing is owed until the next look.
    pub(super) fn rest(&mut self) {
        (self.looked, self.owed) = (None, 0);
    }

    /// Frames to be handed on by `now` to an ear that lacks `short` of those it should have ahead.
    pub(super) fn due(&mut self, now: Instant, short: usize) -> usize {
        self.owed = self.owed_at(now);
        self.looked = Some(now);
        (self.owed as usize).max(short)
    }

    /// Whether it is worth a turn to hand on what is due.
    pub(super) fn is_due(&self, now: Instant, short: usize) -> bool {
        (self.owed_at(now) as usize).max(short) >= self.frames(BATCH_S) as usize
    }

    /// Frames were handed on.
    pub(super) fn handed(&mut self, frames: usize) {
        self.owed = self.owed.saturating_sub(frames as Frames);
    }

    fn owed_at(&self, now: Instant) -> Frames {
        let passed = self.looked.map_or(Duration::ZERO, |looked| now.saturating_duration_since(looked));
        (self.owed + self.frames(passed.as_secs_f64())).min(self.frames(MOST_OWED_S))
    }

    fn frames(&self, seconds: f64) -> Frames {
        seconds_to_frames(seconds, self.rate_hz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    #[test]
    fn without_an_ear_it_is_real_time() {
        let (mut pace, mut now, mut handed) = (Pace::new(RATE), Instant::now(), 0);
        for step in 0..3_000 {
            now += Duration::from_millis(7 + step % 11);
            let due = pace.due(now, 0);
            pace.handed(due);
            handed += due;
        }
        // 12 ms on average; the first look begins it.
        assert!((handed as f64 / 48_000.0 - 36.0).abs() < 0.05, "{handed}");
    }

    #[test]
    fn an_ear_gets_what_it_used_up_and_no_more() {
        let (mut pace, mut now) = (Pace::new(RATE), Instant::now());
        let (mut ahead, target) = (0_usize, 24_000);
        for step in 0..10_000_usize {
            now += Duration::from_millis(10);
            ahead = ahead.saturating_sub(480);
            // A worker looks now and then.
            if step % 3 == 0 && pace.is_due(now, target - ahead.min(target)) {
                let due = pace.due(now, target - ahead.min(target));
                pace.handed(due);
                ahead += due;
                assert!((target..target + 2_000).contains(&ahead), "{ahead} at {step}");
            }
        }
    }

    #[test]
    fn time_asleep_is_not_made_up_for() {
        let (mut pace, now) = (Pace::new(RATE), Instant::now());
        pace.due(now, 0);
        assert_eq!(pace.due(now + Duration::from_secs(3_600), 0), 12_000);
        pace.rest();
        assert_eq!(pace.due(now + Duration::from_secs(7_200), 0), 0);
    }
}
