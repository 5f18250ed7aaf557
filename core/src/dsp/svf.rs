//! The second-order filter of the equaliser and the pass filters.
//!
//! A state-variable filter with trapezoidal integrators (V. Zavalishin, "The Art of VA Filter Design"; the form
//! and the mixes are A. Simper's, "Linear trapezoidal integrated SVF", 2013). Its magnitude is that of the RBJ
//! cookbook's biquads, but its coefficients may change at every frame without a transient of their own.

use super::FAINTEST;

/// What the filter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    LowPass,
    HighPass,
    LowShelf,
    Bell,
    HighShelf,
}

/// A filter's settings for one frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Coefficients {
    a: [f64; 3],
    mix: [f64; 3],
}

impl Coefficients {
    /// A filter at `hz` (at most 0.45 of `rate`) with quality `q`; `gain_db` matters to shelves and bells.
    pub(super) fn new(shape: Shape, hz: f64, q: f64, gain_db: f64, rate: u32) -> Self {
        let amplitude = 10.0_f64.powf(gain_db / 40.0);
        let g = (std::f64::consts::PI * (hz / f64::from(rate)).min(0.45)).tan();
        let (g, k) = match shape {
            Shape::LowPass | Shape::HighPass => (g, 1.0 / q),
            Shape::Bell => (g, 1.0 / (q * amplitude)),
            Shape::LowShelf => (g / amplitude.sqrt(), 1.0 / q),
            Shape::HighShelf => (g * amplitude.sqrt(), 1.0 / q),
        };
        let square = amplitude * amplitude;
        let mix = match shape {
            Shape::LowPass => [0.0, 0.0, 1.0],
            Shape::HighPass => [1.0, -k, -1.0],
            Shape::Bell => [1.0, k * (square - 1.0), 0.0],
            Shape::LowShelf => [1.0, k * (amplitude - 1.0), square - 1.0],
            Shape::HighShelf => [square, k * (1.0 - amplitude) * amplitude, 1.0 - square],
        };
        let a1 = 1.0 / (1.0 + g * (g + k));
        Self { a: [a1, g * a1, g * g * a1], mix }
    }
}

/// The memory of a filter of both channels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Svf {
    band: [f64; 2],
    low: [f64; 2],
}

impl Svf {
    #[inline]
    pub(super) fn next(&mut self, input: [f64; 2], Coefficients { a, mix }: &Coefficients) -> [f64; 2] {
        let mut output = [0.0; 2];
        let flush = |state: f64| if state.abs() < f64::from(FAINTEST) { 0.0 } else { state };
        for c in 0..2 {
            let difference = input[c] - self.low[c];
            let band = a[0] * self.band[c] + a[1] * difference;
            let low = self.low[c] + a[1] * self.band[c] + a[2] * difference;
            self.band[c] = flush(2.0 * band - self.band[c]);
            self.low[c] = flush(2.0 * low - self.low[c]);
            output[c] = mix[0] * input[c] + mix[1] * band + mix[2] * low;
        }
        output
    }
}
