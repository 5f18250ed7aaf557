//! Buffers of sources with clocks of their own, simulated over days.

use airchain_codecs::drift::Steering;

/// Seconds from one look at the level to the next.
const TICK_S: f64 = 0.05;

/// A source, and what its buffer went through.
struct Run {
    /// How fast its clock is: 1e-4 is 100 ppm.
    fast: f64,
    /// Seconds between arrivals, at most; each brings all that was made since the last.
    burst_s: f64,
    target_s: f64,
    /// Seconds in the buffer at the start.
    start_s: f64,
}

struct Outcome {
    lowest_s: f64,
    highest_s: f64,
    /// Mean level over the last hour.
    settled_s: f64,
    /// The ratio's extremes, after the first hour and over all.
    settled: [f64; 2],
    ever: [f64; 2],
    /// The greatest change of the ratio in a second, after the first hour.
    wow: f64,
}

impl Run {
    fn hours(&self, hours: u32) -> Outcome {
        let mut steering = Steering::new();
        let (mut level, mut made, mut next, mut ratio) = (self.start_s, 0.0, 0.0, 1.0);
        let mut dice = 0x2545_F491_4F6C_DD1D_u64;
        let ticks = (f64::from(hours) * 3600.0 / TICK_S) as u64;
        let hour = (3600.0 / TICK_S) as u64;
        let mut outcome = Outcome {
            lowest_s: f64::MAX,
            highest_s: 0.0,
            settled_s: 0.0,
            settled: [f64::MAX, 0.0],
            ever: [f64::MAX, 0.0],
            wow: 0.0,
        };
        let mut second_ago = ratio;
        for tick in 0..ticks {
            made += TICK_S * (1.0 + self.fast);
            next -= TICK_S;
            if next <= 0.0 {
                level += made * ratio;
                made = 0.0;
                dice = dice.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                next = self.burst_s * (0.25 + 0.75 * (dice >> 40) as f64 / f64::from(1 << 24));
            }
            outcome.highest_s = outcome.highest_s.max(level);
            level -= TICK_S;
            outcome.lowest_s = outcome.lowest_s.min(level);
            ratio = steering.ratio(level, self.target_s, TICK_S);
            let widen = |range: &mut [f64; 2]| *range = [range[0].min(ratio), range[1].max(ratio)];
            widen(&mut outcome.ever);
            if tick > hour {
                widen(&mut outcome.settled);
            }
            if tick + hour >= ticks {
                outcome.settled_s += level / hour as f64;
            }
            if tick % 20 == 0 {
                if tick > hour {
                    outcome.wow = outcome.wow.max((ratio - second_ago).abs());
                }
                second_ago = ratio;
            }
        }
        outcome
    }
}

#[test]
fn a_good_clock_is_left_alone() {
    for start_s in [2.8, 3.0, 3.2] {
        let outcome = Run { fast: 0.0, burst_s: 0.1, target_s: 3.0, start_s }.hours(24);
        assert_eq!(outcome.ever, [1.0, 1.0], "from {start_s} s");
    }
}

#[test]
fn clocks_that_are_off_neither_starve_nor_flood() {
    for fast in [1e-4, -1e-4, 3e-5, -3e-5, 1e-3, -1e-3] {
        for burst_s in [0.1, 1.0, 2.5] {
            let outcome = Run { fast, burst_s, target_s: 5.0, start_s: 5.0 }.hours(24);
            let context = format!("{fast} off, bursts of {burst_s} s");
            assert!(outcome.lowest_s > 1.5, "{context}: down to {} s", outcome.lowest_s);
            assert!(outcome.highest_s < 8.5, "{context}: up to {} s", outcome.highest_s);
            let off = (outcome.settled_s - 5.0).abs();
            let allowed = 0.5 + 240.0 * fast.abs() + 0.03;
            assert!(off < allowed, "{context}: settles {off} s from its target");
            // Settled, it makes good what the clock is off, and the bursts hardly show.
            let wanted = 1.0 / (1.0 + fast);
            for ratio in outcome.settled {
                let off = (ratio - wanted).abs();
                assert!(off < 1.2e-4 + 3e-4 * burst_s, "{context}: {ratio}, not {wanted}");
            }
            assert!(outcome.wow < 2e-4, "{context}: the ratio changes by {} in a second", outcome.wow);
        }
    }
}

#[test]
fn far_from_the_target_it_goes_there_no_faster_than_is_heard() {
    for start_s in [0.5, 12.0] {
        let outcome = Run { fast: 0.0, burst_s: 0.2, target_s: 4.0, start_s }.hours(4);
        assert!(outcome.ever[0] >= 0.997 && outcome.ever[1] <= 1.003, "{:?}", outcome.ever);
        assert!(
            (outcome.settled_s - 4.0).abs() < 0.45,
            "from {start_s} s it settles at {}",
            outcome.settled_s
        );
        assert!(outcome.lowest_s > 0.3);
    }
    // Nor does a source that is gone, or a level that is no number, make it go further.
    let mut steering = Steering::new();
    let last = (0..100_000).map(|_| steering.ratio(0.0, 4.0, TICK_S)).last();
    assert_eq!(last, Some(1.003));
    assert_eq!(steering.ratio(f64::NAN, 4.0, TICK_S), 1.0);
    assert_eq!(steering.ratio(0.0, 4.0, -1.0), 1.003);
}
