//! The crossover of Linkwitz and Riley ("Active Crossover Networks for Noncoincident Drivers", J. Audio Eng. Soc.
//! 24, 1976), of fourth order: the low side is a Butterworth filter twice, and so is the high side.
//!
//! Both sides are in phase at every frequency and 6 dB down at the crossover, so that they add up to an all-pass
//! filter of second order (Lipshitz and Vanderkooy, "In-Phase Crossover Network Design", J. Audio Eng. Soc. 34,
//! 1986). Here the high side is computed as what that all-pass filter gives less the low side: the sum is flat to
//! the last bit of the arithmetic. The sections are state-variable filters with trapezoidal integrators, as in
//! [`svf`](super::svf), written as one step of their state, which is half as long for the processor to wait for.

use super::FAINTEST;

/// The settings of a crossover for one frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Coefficients {
    /// What is left of the band-pass integrator's state.
    band: f64,
    /// What that integrator takes of the input less the low-pass integrator's state, and gives to the latter.
    exchange: f64,
    /// What the low-pass integrator takes of the input less its own state.
    input: f64,
}

/// The damping of a Butterworth filter.
const DAMPING: f64 = std::f64::consts::SQRT_2;

impl Coefficients {
    /// A crossover at `hz` (at most 0.45 of `rate`).
    pub(super) fn new(hz: f64, rate: u32) -> Self {
        let g = (std::f64::consts::PI * (hz / f64::from(rate)).min(0.45)).tan();
        let a = 1.0 / (1.0 + g * (g + DAMPING));
        Self { band: 2.0 * a - 1.0, exchange: 2.0 * g * a, input: 2.0 * g * g * a }
    }
}

/// A frame, in double precision.
pub(super) type Frame = [f64; 2];

/// The memory of a second-order section: both integrators.
#[derive(Clone, Copy, Debug, Default)]
struct Section {
    band: Frame,
    low: Frame,
}

impl Section {
    /// The next frame after the all-pass filter, and twice that after the low-pass filter.
    #[inline]
    fn next(&mut self, input: Frame, c: &Coefficients) -> (Frame, Frame) {
        let (mut all_pass, mut low_pass) = (input, input);
        for side in 0..2 {
            let (x, band, low) = (input[side], self.band[side], self.low[side]);
            self.band[side] = c.band * band + c.exchange * (x - low);
            self.low[side] = (low + c.exchange * band) + c.input * (x - low);
            all_pass[side] = x - DAMPING * (self.band[side] + band);
            low_pass[side] = self.low[side] + low;
        }
        (all_pass, low_pass)
    }

    fn flush(&mut self) {
        let states = self.band.iter_mut().chain(&mut self.low);
        states.filter(|state| state.abs() < f64::from(FAINTEST)).for_each(|state| *state = 0.0);
    }
}

/// A crossover of both channels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Split {
    first: Section,
    second: Section,
    below: Section,
}

impl Split {
    /// Leaves the high side in `signal` and puts the low side into `low`, which is as long.
    pub(super) fn run(&mut self, c: &Coefficients, signal: &mut [Frame], low: &mut [Frame]) {
        let mut split = *self;
        for (frame, low) in signal.iter_mut().zip(low) {
            *low = split.part(c, frame);
        }
        *self = split;
    }

    /// [`run`](Self::run) for a signal that has been split before: `below`, the sum of what was taken from it, goes
    /// through the all-pass filter and stays in phase with both sides.
    pub(super) fn run_above(
        &mut self,
        c: &Coefficients,
        signal: &mut [Frame],
        low: &mut [Frame],
        below: &mut [Frame],
    ) {
        let mut split = *self;
        for ((frame, low), below) in signal.iter_mut().zip(low).zip(below) {
            *low = split.part(c, frame);
            *below = split.below.next(*below, c).0;
        }
        *self = split;
    }

    /// Leaves the high side in `frame` and gives the low side.
    #[inline]
    fn part(&mut self, c: &Coefficients, frame: &mut Frame) -> Frame {
        let (sum, half_way) = self.first.next(*frame, c);
        // Each section gives twice its output.
        let (_, low) = self.second.next(half_way.map(|sample| 0.25 * sample), c);
        *frame = [sum[0] - low[0], sum[1] - low[1]];
        low
    }

    /// Forgets what is too faint to matter, before it becomes denormal. To be called at least every few hundred
    /// frames, at frames that do not depend on how the programme is cut into blocks.
    pub(super) fn flush(&mut self) {
        self.first.flush();
        self.second.flush();
        self.below.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Level in dB of a tone of `hz` after `filter`.
    fn level(hz: f64, mut filter: impl FnMut(&mut [Frame])) -> f64 {
        let sine = |n: i32| (std::f64::consts::TAU * hz / 48_000.0 * f64::from(n)).sin();
        let mut tone: Vec<Frame> = (0..48_000).map(|n| [sine(n); 2]).collect();
        filter(&mut tone);
        10.0 * (tone[24_000..].iter().map(|frame| frame[0] * frame[0]).sum::<f64>() / 12_000.0).log10()
    }

    #[test]
    fn the_sides_are_linkwitz_and_riley_and_add_up_to_the_all_pass() {
        for corner in [100.0, 1_000.0, 8_000.0] {
            let c = Coefficients::new(corner, 48_000);
            let warp = |hz: f64| (std::f64::consts::PI * hz / 48_000.0).tan();
            for hz in [50.0, 100.0, 400.0, 1_000.0, 3_000.0, 8_000.0, 16_000.0] {
                let mut low = vec![[0.0; 2]; 48_000];
                let high_side = level(hz, |tone| Split::default().run(&c, tone, &mut low));
                let low_side = level(hz, |tone| tone.copy_from_slice(&low));
                let ratio = (warp(hz) / warp(corner)).powi(4);
                let expected = [-20.0 * (1.0 + 1.0 / ratio).log10(), -20.0 * (1.0 + ratio).log10()];
                for (measured, expected) in [high_side, low_side].into_iter().zip(expected) {
                    assert!(
                        (measured - expected).abs() < 0.01 || expected < -100.0 && measured < -90.0,
                        "{hz} Hz at {corner} Hz: {measured:.3} dB, not {expected:.3}"
                    );
                }
                let sum = level(hz, |tone| {
                    let mut below = tone.to_vec();
                    Split::default().run_above(&c, tone, &mut low, &mut below);
                    for n in 0..tone.len() {
                        tone[n] = [0, 1].map(|side| tone[n][side] + low[n][side]);
                        assert!((tone[n][0] - below[n][0]).abs() < 1e-14, "it is not the all-pass filter's");
                    }
                });
                assert!(sum.abs() < 1e-3, "{hz} Hz at {corner} Hz: the sum has {sum} dB");
            }
        }
    }
}
