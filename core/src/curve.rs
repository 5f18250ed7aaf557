//! Fade curves, and fades placed on the frame grid.

use serde::{Deserialize, Serialize};

use crate::Frames;

/// The shape of a fade: gain as a function of progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// Constant summed power of two uncorrelated programmes; the default of a crossfade.
    #[default]
    #[serde(alias = "equal-power")]
    EqualPower,
    /// Constant summed amplitude; a straight line.
    Linear,
    /// Fast at first: the level in dB rises quickly and settles slowly.
    Logarithmic,
    /// Slow at first: the mirror image of logarithmic.
    Exponential,
    /// A raised cosine: constant summed amplitude with no corner at either end.
    #[serde(alias = "s-curve", alias = "scurve")]
    SCurve,
}

impl Curve {
    /// Every curve with the name it has in station files.
    pub const ALL: [(&'static str, Self); 5] = [
        ("equal_power", Self::EqualPower),
        ("linear", Self::Linear),
        ("logarithmic", Self::Logarithmic),
        ("exponential", Self::Exponential),
        ("s_curve", Self::SCurve),
    ];

    /// The curve called `name`, also with hyphens.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = |name: &str| name.replace(['_', '-'], "");
        Self::ALL.into_iter().find(|(known, _)| plain(known) == plain(name)).map(|(_, curve)| curve)
    }

    /// Gain of a fade-in at `progress` in `0..=1`; exactly 0 at 0 and 1 at 1. A fade-out is `rise(1 - progress)`.
    pub fn rise(self, progress: f64) -> f64 {
        use std::f64::consts::{FRAC_PI_2, PI};
        let x = progress.clamp(0.0, 1.0);
        let raised_cosine = 0.5 - 0.5 * (PI * x).cos();
        match self {
            // The sine of a raised cosine rather than of a line: the powers still sum to one, and there is no
            // corner at the ends, where a plain quarter sine splatters.
            Self::EqualPower => (FRAC_PI_2 * raised_cosine).sin(),
            Self::Linear => x,
            Self::Logarithmic => (1.0 + 9.0 * x).log10(),
            Self::Exponential => 1.0 - (1.0 + 9.0 * (1.0 - x)).log10(),
            Self::SCurve => raised_cosine,
        }
    }
}

/// A change of gain over a stretch of the frame grid: `from` before it, `to` after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fade {
    start: Frames,
    length: Frames,
    from: f32,
    to: f32,
    curve: Curve,
}

/// Milliseconds under which every fade is a raised cosine: a corner in a ramp this short is heard as a click
/// (a 5 ms linear ramp splatters at -64 dB, a raised cosine at -93 dB).
pub const CORNERLESS_BELOW_MS: u64 = 50;

impl Fade {
    /// A gain that does not change.
    pub fn constant(gain: f32) -> Self {
        Self { start: 0, length: 0, from: gain, to: gain, curve: Curve::Linear }
    }

    /// A fade of `length` frames that begins at frame `start`. Shorter than [`CORNERLESS_BELOW_MS`] at `rate` Hz
    /// it is a raised cosine, unless it is equal power, which has no corners either.
    pub fn new(start: Frames, length: Frames, from: f32, to: f32, curve: Curve, rate: u32) -> Self {
        let short = length < CORNERLESS_BELOW_MS * u64::from(rate) / 1000;
        let curve = if short && curve != Curve::EqualPower { Curve::SCurve } else { curve };
        Self { start, length, from, to, curve }
    }

    /// Gain at `frame`. A function of the absolute position alone, so blocks of any size give the same bits.
    pub fn gain_at(&self, frame: Frames) -> f32 {
        if frame < self.start {
            return self.from;
        }
        let elapsed = frame - self.start;
        if elapsed >= self.length {
            return self.to;
        }
        let progress = (elapsed as f64 + 0.5) / self.length as f64;
        let (low, high, x) = if self.to >= self.from {
            (self.from, self.to, progress)
        } else {
            (self.to, self.from, 1.0 - progress)
        };
        (f64::from(low) + f64::from(high - low) * self.curve.rise(x)) as f32
    }

    /// The same fade, `frames` later.
    pub fn shifted(self, frames: Frames) -> Self {
        Self { start: self.start.saturating_add(frames), ..self }
    }

    /// The last frame whose gain is still `from`.
    pub fn start(&self) -> Frames {
        self.start
    }

    /// The frame from which the gain is its final one.
    pub fn end(&self) -> Frames {
        self.start.saturating_add(self.length)
    }

    /// The gain it ends on.
    pub fn target(&self) -> f32 {
        self.to
    }

    /// Whether the gain no longer changes from `frame` on.
    pub fn is_settled(&self, frame: Frames) -> bool {
        frame >= self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_runs_from_zero_to_one_without_falling() {
        for (name, curve) in Curve::ALL {
            assert!(curve.rise(0.0).abs() < 1e-12, "{name}");
            assert!((curve.rise(1.0) - 1.0).abs() < 1e-12, "{name}");
            let steps: Vec<f64> = (0..=1000).map(|i| curve.rise(f64::from(i) / 1000.0)).collect();
            assert!(steps.windows(2).all(|w| w[1] >= w[0]), "{name} falls");
        }
    }

    #[test]
    fn equal_power_keeps_the_power() {
        for i in 0..=100 {
            let x = f64::from(i) / 100.0;
            let (a, b) = (Curve::EqualPower.rise(x), Curve::EqualPower.rise(1.0 - x));
            assert!((a * a + b * b - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn fades_hold_their_ends_and_mirror() {
        let out = Fade::new(100, 1000, 1.0, 0.0, Curve::EqualPower, 48_000);
        let back = Fade::new(100, 1000, 0.0, 1.0, Curve::EqualPower, 48_000);
        assert_eq!(out.gain_at(99), 1.0);
        assert_eq!(out.gain_at(1100), 0.0);
        assert_eq!(out.gain_at(400), back.gain_at(100 + 999 - 300));
        assert!(!out.is_settled(1099) && out.is_settled(1100));
    }
}
