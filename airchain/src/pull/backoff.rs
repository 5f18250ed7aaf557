//! How long to leave alone somebody who does not answer as he should.

use std::time::Duration;

/// The shortest pause, in seconds.
const SHORTEST_S: f64 = 0.5;
/// The longest.
const LONGEST_S: f64 = 30.0;

/// Pauses that double with each failure in a row, up to half a minute. Each is drawn from the upper half of its
/// length, so that the stations of one backend do not all come back to it in the same moment.
pub(super) struct Backoff {
    failures: u32,
    /// Failures in a row before what was last taken for a success.
    before: u32,
    random: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self { failures: 0, before: 0, random }
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The pause after one more failure.
    pub(super) fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let longest = (SHORTEST_S * 2.0_f64.powi(self.failures.min(16) as i32)).min(LONGEST_S);
        Duration::from_secs_f64(longest * (0.5 + 0.5 * self.random.f64()))
    }

    /// The pause after a success turned out to be a failure.
    pub(super) fn failed_after_all(&mut self) -> Duration {
        self.failures = self.failures.max(self.before);
        self.failed()
    }

    /// The next failure is the first again.
    pub(super) fn succeeded(&mut self) {
        self.before = self.failures;
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_half_a_second_to_half_a_minute_and_start_over() {
        let mut backoff = Backoff::new(fastrand::Rng::with_seed(1));
        let mut bound = 1.0;
        for _ in 0..40 {
            let pause = backoff.failed().as_secs_f64();
            assert!((bound / 2.0..=bound).contains(&pause), "{pause} of {bound}");
            bound = f64::min(bound * 2.0, LONGEST_S);
        }
        backoff.succeeded();
        assert!(backoff.failed().as_secs_f64() <= 1.0);
    }

    #[test]
    fn what_only_looks_like_a_success_does_not_start_it_over() {
        let mut backoff = Backoff::new(fastrand::Rng::with_seed(1));
        for failures in 1..20 {
            backoff.succeeded();
            backoff.failed_after_all();
            assert_eq!(backoff.failures(), failures);
        }
    }

    #[test]
    fn no_two_stations_come_back_together() {
        let pause = |seed| Backoff::new(fastrand::Rng::with_seed(seed)).failed();
        let mut pauses: Vec<_> = (0..20).map(pause).collect();
        pauses.sort();
        pauses.dedup();
        assert_eq!(pauses.len(), 20);
    }
}
