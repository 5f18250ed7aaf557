//! Loudness as ITU-R BS.1770-5 measures it, in real time.
//!
//! Annex 1: K-weighting (a high shelf for the head, then a high-pass), the mean square over blocks of 400 ms
//! every 100 ms, the sum over the channels, a gate at -70 LUFS and one 10 LU below what passes the first. The
//! coefficients, given for 48 kHz, are computed for other rates from the analogue prototypes (De Man 2014, as
//! in libebur128).

use super::FAINTEST;

/// Below this a block is not programme at all.
pub const ABSOLUTE_GATE_LUFS: f64 = -70.0;
/// A block so much below the loudness of the rest does not count.
pub const RELATIVE_GATE_LU: f64 = -10.0;

/// Loudness in LUFS of a K-weighted power, all channels summed; -300.69 of silence.
pub fn power_to_lufs(power: f64) -> f64 {
    10.0 * power.max(1e-30).log10() - 0.691
}

/// Bins of a [`Memory`] per LU, and its loudest and its quietest.
const BINS_PER_LU: f64 = 2.0;
const LOUDEST_LUFS: f64 = 10.0;
const BINS: usize = ((LOUDEST_LUFS - ABSOLUTE_GATE_LUFS) * BINS_PER_LU) as usize;

/// The gated loudness of blocks, of which the newest count most: what each counts falls by a time constant.
#[derive(Clone)]
pub(super) struct Memory {
    /// By loudness: the blocks that count, and the sum of their powers.
    bins: [(f64, f64); BINS],
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { bins: [(0.0, 0.0); BINS] }
    }

    /// Takes in a block; what was there counts `fade` times as much as before.
    pub(super) fn add(&mut self, power: f64, fade: f64) {
        for (count, sum) in &mut self.bins {
            // Nothing that has all but faded is left to become denormal.
            let kept = if *count > 1e-9 { fade } else { 0.0 };
            (*count, *sum) = (*count * kept, *sum * kept);
        }
        let bin = ((power_to_lufs(power) - ABSOLUTE_GATE_LUFS) * BINS_PER_LU).floor();
        if bin >= 0.0
            && let Some((count, sum)) = self.bins.get_mut((bin as usize).min(BINS - 1))
        {
            *count += 1.0;
            *sum += power;
        }
    }

    /// Their loudness; `None` when there is nothing to go by.
    pub(super) fn lufs(&self) -> Option<f64> {
        let above = |gate: f64| {
            let passing = self.bins.iter().filter(|(count, sum)| *sum > gate * count);
            let (count, sum) = passing.fold((0.0, 0.0), |(n, sum), (count, power)| (n + count, sum + power));
            (count > 0.0).then(|| sum / count)
        };
        above(above(0.0)? * 10.0_f64.powf(RELATIVE_GATE_LU / 10.0)).map(power_to_lufs)
    }
}

/// The K-weighting filter of `N` channels.
pub struct KWeighting<const N: usize = 2> {
    shelf: Biquad<N>,
    high_pass: Biquad<N>,
    /// Frames since it was last rid of what is too faint.
    age: u8,
}

/// Frames from one time to the next that a filter forgets what is too faint to matter, before it becomes denormal.
const REST: u8 = 64;

impl<const N: usize> KWeighting<N> {
    /// The filter at a sample rate, at rest.
    pub fn new(sample_rate_hz: u32) -> Self {
        let rate = f64::from(sample_rate_hz);
        // Its corner may lie above half of a low sample rate; then the shelf is as high as it can be.
        let warp = |hz: f64| (std::f64::consts::PI * (hz / rate).min(0.45)).tan();
        let shelf = {
            let (k, gain_db, q) =
                (warp(1_681.974_450_955_533), 3.999_843_853_973_347, 0.707_175_236_955_419_6);
            let high = 10.0_f64.powf(gain_db / 20.0);
            let band = high.powf(0.499_666_774_154_541_6);
            let norm = 1.0 + k / q + k * k;
            let b = [high + band * k / q + k * k, 2.0 * (k * k - high), high - band * k / q + k * k];
            Biquad::new(b.map(|b| b / norm), [2.0 * (k * k - 1.0) / norm, (1.0 - k / q + k * k) / norm])
        };
        let high_pass = {
            let (k, q) = (warp(38.135_470_876_024_44), 0.500_327_037_323_877_3);
            let norm = 1.0 + k / q + k * k;
            Biquad::new([1.0, -2.0, 1.0], [2.0 * (k * k - 1.0) / norm, (1.0 - k / q + k * k) / norm])
        };
        Self { shelf, high_pass, age: 0 }
    }

    /// Puts it to rest.
    pub fn reset(&mut self) {
        self.shelf.state = [[0.0; N]; 2];
        self.high_pass.state = [[0.0; N]; 2];
        self.age = 0;
    }

    /// The power of the weighted frame, all channels summed.
    #[inline]
    pub fn power(&mut self, frame: [f32; N]) -> f64 {
        let weighted = self.high_pass.next(self.shelf.next(frame.map(f64::from)));
        self.age += 1;
        if self.age == REST {
            self.age = 0;
            self.shelf.flush();
            self.high_pass.flush();
        }
        weighted.iter().map(|sample| sample * sample).sum()
    }
}

/// A second-order filter of all channels: transposed direct form II, with the output put into the equations of the state,
/// which are then half as long for the processor to wait for.
struct Biquad<const N: usize> {
    b: [f64; 3],
    a: [f64; 2],
    /// What the state takes of the input.
    taken: [f64; 2],
    state: [[f64; N]; 2],
}

impl<const N: usize> Biquad<N> {
    fn new(b: [f64; 3], a: [f64; 2]) -> Self {
        let taken = [b[1] - a[0] * b[0], b[2] - a[1] * b[0]];
        Self { b, a, taken, state: [[0.0; N]; 2] }
    }

    #[inline]
    fn next(&mut self, input: [f64; N]) -> [f64; N] {
        let mut output = [0.0; N];
        for c in 0..N {
            let (x, first, second) = (input[c], self.state[0][c], self.state[1][c]);
            output[c] = self.b[0] * x + first;
            self.state[0][c] = (self.taken[0] * x + second) - self.a[0] * first;
            self.state[1][c] = self.taken[1] * x - self.a[1] * first;
        }
        output
    }

    fn flush(&mut self) {
        let states = self.state.as_flattened_mut().iter_mut();
        states.filter(|state| state.abs() < f64::from(FAINTEST)).for_each(|state| *state = 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Level in dB of a sine of `hz` after the weighting.
    fn response(rate: u32, hz: f64) -> f64 {
        let mut filter = KWeighting::new(rate);
        let step = std::f64::consts::TAU * hz / f64::from(rate);
        let power: Vec<f64> =
            (0..rate).map(|n| filter.power([(step * f64::from(n)).sin() as f32, 0.0])).collect();
        let settled = &power[rate as usize / 2..];
        10.0 * (2.0 * settled.iter().sum::<f64>() / settled.len() as f64).log10()
    }

    #[test]
    fn the_coefficients_are_those_of_the_standard() {
        let filter = KWeighting::<2>::new(48_000);
        let shelf = [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85];
        let near = |a: f64, b: f64| (a - b).abs() < 1e-10;
        assert!(filter.shelf.b.iter().zip(shelf).all(|(&a, b)| near(a, b)), "{:?}", filter.shelf.b);
        assert!(
            near(filter.shelf.a[0], -1.690_659_293_182_41) && near(filter.shelf.a[1], 0.732_480_774_215_85)
        );
        let high_pass = filter.high_pass.a;
        assert!(near(high_pass[0], -1.990_047_454_833_98) && near(high_pass[1], 0.990_072_250_366_21));
    }

    #[test]
    fn the_response_is_the_same_at_every_rate() {
        for hz in [30.0, 100.0, 1_000.0, 3_000.0, 10_000.0] {
            let expected = response(48_000, hz);
            for rate in [44_100, 96_000, 192_000] {
                assert!(
                    (response(rate, hz) - expected).abs() < 0.2,
                    "{hz} Hz at {rate}: {}",
                    response(rate, hz)
                );
            }
        }
        // A sine of 997 Hz and amplitude 1 in one channel reads -3.01 LKFS (Annex 1, note to table 3).
        assert!((response(48_000, 997.0) - 3.01 - 0.691 + 3.01).abs() < 0.01, "{}", response(48_000, 997.0));
    }

    #[test]
    fn the_gates_are_those_of_the_standard() {
        let power = |lufs: f64| 10.0_f64.powf((lufs + 0.691) / 10.0);
        // EBU Tech 3341, case 3: -36 LUFS around -23 LUFS reads -23.
        let blocks = [power(-36.0), power(-23.0), power(-23.0), power(-36.0), power(-80.0)];

        let mut memory = Memory::new();
        blocks.iter().for_each(|block| memory.add(*block, 1.0));
        assert!((memory.lufs().unwrap() + 23.0).abs() < 1e-9);
        // As long as one time constant later, what is new counts for 63 %.
        (0..100).for_each(|_| memory.add(power(-20.0), (-0.01_f64).exp()));
        let expected = power_to_lufs((2.0 * power(-23.0) + 172.0 * power(-20.0)) / 174.0);
        assert!((memory.lufs().unwrap() - expected).abs() < 0.01, "{:?}, not {expected}", memory.lufs());
        assert_eq!(Memory::new().lufs(), None);
    }
}
