//! Whether enough comes. No clock of its own: it is told the time.

use std::time::Duration;

use tokio::time::Instant;

use super::trouble::Trouble;

/// Audio has more bytes a second than this, even silence at a variable rate.
const LEAST_PER_S: f64 = 64.0;

/// Watches a connection: within each `patience` a least number of bytes must come. The time in which nothing is asked of the
/// server does not count.
#[derive(Debug)]
pub(crate) struct Pace {
    patience: Duration,
    least: usize,
    since: Instant,
    bytes: usize,
    paused: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(patience: Duration, now: Instant) -> Self {
        let least = (patience.as_secs_f64() * LEAST_PER_S) as usize;
        Self { patience, least: least.max(1), since: now, bytes: 0, paused: None }
    }

    /// The server is waited for, from `now` until the returned time at most.
    pub(crate) fn wait(&mut self, now: Instant) -> Instant {
        if let Some(paused) = self.paused.take() {
            self.since += now.saturating_duration_since(paused);
        }
        self.since + self.patience
    }

    /// So many bytes came, and the server is not waited for any more.
    pub(crate) fn came(&mut self, bytes: usize, now: Instant) {
        self.bytes += bytes;
        self.paused = Some(now);
        if self.bytes >= self.least {
            (self.since, self.bytes) = (now, 0);
        }
    }

    /// What is wrong when the time is over.
    pub(crate) fn stalled(&self) -> Trouble {
        match self.bytes {
            0 => Trouble::Stalled(self.patience),
            bytes => Trouble::Drips { bytes, within: self.patience },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn drips_are_a_stall_and_a_thin_stream_is_not() {
        let start = Instant::now();
        for (bytes, goes_on) in [(1, false), (63, false), (80, true), (3000, true)] {
            let mut pace = Pace::new(5 * SECOND, start);
            let mut now = start;
            let stalls = (0..1000).any(|_| {
                let deadline = pace.wait(now);
                now += SECOND;
                if now >= deadline {
                    return true;
                }
                pace.came(bytes, now);
                false
            });
            assert_eq!(!stalls, goes_on, "{bytes} bytes a second");
            if stalls {
                assert_eq!(now, start + 5 * SECOND);
                assert!(matches!(pace.stalled(), Trouble::Drips { .. }));
            }
        }
    }

    #[test]
    fn only_waiting_counts() {
        let start = Instant::now();
        let mut pace = Pace::new(5 * SECOND, start);
        assert_eq!(pace.wait(start), start + 5 * SECOND);
        pace.came(10, start + SECOND);
        assert_eq!(pace.wait(start + 100 * SECOND), start + (99 + 5) * SECOND, "one of five is used");
        pace.came(1000, start + 101 * SECOND);
        assert_eq!(pace.wait(start + 102 * SECOND), start + (102 + 5) * SECOND, "all five anew");
        assert!(matches!(pace.stalled(), Trouble::Stalled(_)));
    }
}
