//! Parameters that move without a click.

use super::one_pole;

/// Time constant of one stage; a jump is half done after 9 ms and all but 1 % done after 25 ms.
const STAGE_MS: f64 = 2.5;

/// A jump this close to its end is over (-160 dB for a gain).
const ARRIVED: f64 = 1e-8;

/// A value that follows its target through four one-pole stages in a row: it leaves and arrives without a
/// corner, never overshoots, and may be sent elsewhere at any time. Until [`prepare`](Self::prepare) it jumps.
#[derive(Clone, Debug)]
pub(super) struct Smoothed {
    target: f64,
    stages: [f64; 4],
    rate: Option<f64>,
    settled: bool,
}

impl Smoothed {
    pub(super) fn new(value: f64) -> Self {
        Self { target: value, stages: [value; 4], rate: None, settled: true }
    }

    /// From now on changes take time.
    pub(super) fn prepare(&mut self, sample_rate_hz: u32) {
        self.rate = Some(one_pole(STAGE_MS, sample_rate_hz));
        self.snap();
    }

    /// Sends the value to `target`.
    pub(super) fn set(&mut self, target: f64) {
        self.settled = self.settled && target == self.target;
        self.target = target;
        if self.rate.is_none() {
            self.snap();
        }
    }

    /// Is at its target at once.
    pub(super) fn snap(&mut self) {
        self.stages = [self.target; 4];
        self.settled = true;
    }

    /// Whether the value has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// The present value.
    pub(super) fn value(&self) -> f64 {
        self.stages[3]
    }

    /// The value for the next frame.
    #[inline]
    pub(super) fn next(&mut self) -> f64 {
        if self.settled {
            return self.target;
        }
        let k = self.rate.unwrap_or(1.0);
        // Each stage follows the one before it as that was a frame ago, so that all four are computed side by
        // side.
        let [a, b, c, d] = self.stages;
        self.stages = [a + k * (self.target - a), b + k * (a - b), c + k * (b - c), d + k * (c - d)];
        if self.stages.iter().all(|stage| (stage - self.target).abs() < ARRIVED) {
            self.snap();
        }
        self.stages[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_before_and_glides_after_prepare() {
        let mut value = Smoothed::new(1.0);
        value.set(2.0);
        assert_eq!(value.next(), 2.0);
        value.prepare(48_000);
        value.set(0.0);
        let path: Vec<f64> = (0..9600).map(|_| value.next()).collect();
        assert!(path[0] > 1.999 && path.windows(2).all(|w| w[1] <= w[0]), "it does not glide down");
        assert!((path[440] - 1.0).abs() < 0.1, "half way after 9 ms, not {}", path[440]);
        assert!(value.is_settled());
        assert_eq!(value.next(), 0.0);
    }
}
