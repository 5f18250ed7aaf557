//! The second-order filter of the equaliser, the shelves and the pass filters.
//!
//! A state-variable filter with trapezoidal integrators (V. Zavalishin, "The Art of VA Filter Design"; the form
//! and the mixes are A. Simper's, "Linear trapezoidal integrated SVF", 2013). Its magnitude is that of the RBJ
//! cookbook's biquads, but its coefficients may change at any frame without a transient of their own. It is
//! written as one step of its state, as in the [crossover](super::crossover): so the processor waits for two
//! additions and a multiplication per frame, and two filters in a row run side by side.

use super::FAINTEST;

/// A frame, in double precision.
pub(super) type Frame = [f64; 2];

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
    /// What is left of the band-pass integrator's state.
    band: f64,
    /// What that integrator takes of the input less the low-pass integrator's state, and gives to the latter.
    exchange: f64,
    /// What the low-pass integrator takes of the input less its own state.
    input: f64,
    /// Shares of the input, and of twice what the band-pass and the low-pass give.
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
        let [direct, band, low] = match shape {
            Shape::LowPass => [0.0, 0.0, 1.0],
            Shape::HighPass => [1.0, -k, -1.0],
            Shape::Bell => [1.0, k * (square - 1.0), 0.0],
            Shape::LowShelf => [1.0, k * (amplitude - 1.0), square - 1.0],
            Shape::HighShelf => [square, k * (1.0 - amplitude) * amplitude, 1.0 - square],
        };
        let a = 1.0 / (1.0 + g * (g + k));
        let (exchange, input) = (2.0 * g * a, 2.0 * g * g * a);
        Self { band: 2.0 * a - 1.0, exchange, input, mix: [direct, band / 2.0, low / 2.0] }
    }

    /// These with a share of the way to others.
    fn towards(&self, to: &Self, share: f64) -> Self {
        let mix = |from: f64, to: f64| from + share * (to - from);
        Self {
            band: mix(self.band, to.band),
            exchange: mix(self.exchange, to.exchange),
            input: mix(self.input, to.input),
            mix: [0, 1, 2].map(|n| mix(self.mix[n], to.mix[n])),
        }
    }
}

/// The memory of a filter of both channels: the two integrators.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Svf {
    band: Frame,
    low: Frame,
}

impl Svf {
    /// The next frame.
    #[inline]
    fn next(&mut self, input: Frame, c: &Coefficients) -> Frame {
        let mut output = [0.0; 2];
        for side in 0..2 {
            let (x, band, low) = (input[side], self.band[side], self.low[side]);
            self.band[side] = c.band * band + c.exchange * (x - low);
            self.low[side] = (low + c.exchange * band) + c.input * (x - low);
            output[side] =
                c.mix[0] * x + (c.mix[1] * (self.band[side] + band) + c.mix[2] * (self.low[side] + low));
        }
        output
    }

    /// Filters `frames` in place.
    pub(super) fn run(&mut self, c: &Coefficients, frames: &mut [Frame]) {
        let mut filter = *self;
        for frame in frames {
            *frame = filter.next(*frame, c);
        }
        *self = filter;
    }

    /// Filters `frames` in place with coefficients that go to `to` along a straight line of so many frames, of which
    /// the first of `frames` is number `at`.
    pub(super) fn glide(
        &mut self,
        c: &Coefficients,
        to: &Coefficients,
        line: (usize, usize),
        frames: &mut [Frame],
    ) {
        for (n, frame) in frames.iter_mut().enumerate() {
            let share = (line.0 + n + 1) as f64 / line.1 as f64;
            *frame = self.next(*frame, &c.towards(to, share));
        }
    }

    /// [`run`](Self::run), and then that of `then`.
    pub(super) fn run_both(
        &mut self,
        c: &Coefficients,
        then: (&mut Self, &Coefficients),
        frames: &mut [Frame],
    ) {
        let (mut first, mut second) = (*self, *then.0);
        for frame in frames {
            *frame = second.next(first.next(*frame, c), then.1);
        }
        (*self, *then.0) = (first, second);
    }

    /// Forgets what is too faint to matter, before it becomes denormal. To be called at least every few hundred
    /// frames, at frames that do not depend on how the programme is cut into blocks.
    pub(super) fn flush(&mut self) {
        let states = self.band.iter_mut().chain(&mut self.low);
        states.filter(|state| state.abs() < f64::from(FAINTEST)).for_each(|state| *state = 0.0);
    }
}
