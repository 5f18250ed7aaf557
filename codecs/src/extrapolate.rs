//! Audio continued beyond its edge by linear prediction.
//!
//! A filter at the edge of an item needs samples that the item does not have. Silence there is a step, and the step
//! rings; the most likely continuation is not heard at all. The predictor is Burg's (J. P. Burg, "Maximum entropy
//! spectral analysis", 1975), which is stable whatever it is fitted to.

use airchain_core::Stereo;
use airchain_core::units::SILENCE;

/// Coefficients of the predictor: enough for sixteen partials.
const ORDER: usize = 32;

/// Appends `count` frames to `out` that continue `known`.
pub(crate) fn forwards(known: &[Stereo], count: usize, out: &mut Vec<Stereo>) {
    let first = out.len();
    out.resize(first + count, SILENCE);
    for side in 0..2 {
        let mut samples: Vec<f64> = known.iter().map(|frame| f64::from(frame[side])).collect();
        let coefficients = burg(&samples, ORDER.min(samples.len() / 3));
        for frame in &mut out[first..] {
            let recent = samples.iter().rev().zip(&coefficients);
            let next: f64 = recent.map(|(sample, coefficient)| sample * coefficient).sum();
            samples.push(next);
            frame[side] = next as f32;
        }
    }
}

/// Appends the `count` frames to `out` that most likely came before `known`, in their order.
pub(crate) fn backwards(known: &[Stereo], count: usize, out: &mut Vec<Stereo>) {
    let reversed: Vec<Stereo> = known.iter().rev().copied().collect();
    let first = out.len();
    forwards(&reversed, count, out);
    out[first..].reverse();
}

/// Weights of the latest sample, the one before it, and so on, in the best prediction of the next.
fn burg(samples: &[f64], order: usize) -> Vec<f64> {
    let (mut ahead, mut behind) = (samples.to_vec(), samples.to_vec());
    let mut weights: Vec<f64> = Vec::with_capacity(order);
    for stage in 1..=order {
        let (mut product, mut power) = (0.0, 0.0);
        for (f, b) in ahead[stage..].iter().zip(&behind[stage - 1..]) {
            product += f * b;
            power += f * f + b * b;
        }
        // Silence, or a signal that is already predicted to the last bit.
        if power <= f64::MIN_POSITIVE {
            break;
        }
        let reflection = 2.0 * product / power;
        for at in (stage..samples.len()).rev() {
            let (f, b) = (ahead[at], behind[at - 1]);
            ahead[at] = f - reflection * b;
            behind[at] = b - reflection * f;
        }
        let previous = weights.clone();
        for (weight, mirrored) in weights.iter_mut().zip(previous.iter().rev()) {
            *weight -= reflection * mirrored;
        }
        weights.push(reflection);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chord_goes_on_both_ways() {
        let chord = |i: i32| {
            let t = f64::from(i);
            let x = 0.3 * (0.06 * t).sin() + 0.2 * (0.31 * t).cos() + 0.1 * (1.9 * t + 1.0).sin();
            [x as f32, -x as f32]
        };
        let known: Vec<Stereo> = (0..1024).map(chord).collect();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        backwards(&known, 64, &mut before);
        forwards(&known, 64, &mut after);
        for (frame, i) in before.iter().zip(-64..0).chain(after.iter().zip(1024..)) {
            assert!((frame[0] - chord(i)[0]).abs() < 1e-3, "frame {i}: {frame:?}");
            assert_eq!(frame[1], -frame[0]);
        }
    }

    #[test]
    fn silence_and_scraps_go_on_quietly() {
        for known in [&[][..], &[[0.5, 0.5]], &[[0.5, -0.5]; 5], &[[0.0; 2]; 100]] {
            let mut after = Vec::new();
            forwards(known, 1000, &mut after);
            assert_eq!(after.len(), 1000);
            assert!(after.iter().flatten().all(|sample| sample.abs() <= 0.5));
        }
    }
}
