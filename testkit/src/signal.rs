//! Test signals: stereo, `f32`, full scale 1.0; the same each time.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use airchain_core::Stereo;

/// `frames` frames, both channels alike, of `sample(n)`.
pub fn mono(frames: usize, sample: impl FnMut(usize) -> f64) -> Vec<Stereo> {
    (0..frames).map(sample).map(|value| [value as f32; 2]).collect()
}

/// A sine of `hz` and peak `level_db` dBFS that begins at zero.
pub fn sine(rate: u32, hz: f64, level_db: f64, frames: usize) -> Vec<Stereo> {
    sine_at(rate, hz, level_db, 0.0, frames)
}

/// A sine of `hz` and peak `level_db` dBFS that begins at `phase` radians.
pub fn sine_at(rate: u32, hz: f64, level_db: f64, phase: f64, frames: usize) -> Vec<Stereo> {
    let (amplitude, step) = (amplitude(level_db), TAU * hz / f64::from(rate));
    mono(frames, |n| amplitude * (step * n as f64 + phase).sin())
}

/// A tone of `hz` whose right channel is a quarter of a period behind the left, from frame `from` of it on: the two
/// make a vector of constant length `level_db`, so level and frequency can be read at every single frame
/// ([`crate::measure::envelope`], [`crate::measure::turn_hz`]).
pub fn vector(rate: u32, hz: f64, level_db: f64, from: u64, frames: usize) -> Vec<Stereo> {
    let (amplitude, step) = (amplitude(level_db), TAU * hz / f64::from(rate));
    let angle = |n: usize| step * ((from + n as u64) as f64);
    (0..frames).map(|n| [(amplitude * angle(n).sin()) as f32, (-amplitude * angle(n).cos()) as f32]).collect()
}

/// A quarter of the sample rate, 45 degrees off: every sample lies 3.01 dB under the true peak `level_db`
/// (BS.1770-5, Annex 2, and EBU Tech 3341 use it).
pub fn quarter_rate_sine(level_db: f64, frames: usize) -> Vec<Stereo> {
    let amplitude = amplitude(level_db);
    mono(frames, |n| amplitude * (FRAC_PI_2 * n as f64 + PI / 4.0).sin())
}

/// An exponential sweep from `from_hz` to `to_hz` (Farina 2000).
pub fn sweep(rate: u32, from_hz: f64, to_hz: f64, level_db: f64, frames: usize) -> Vec<Stereo> {
    let (amplitude, octaves) = (amplitude(level_db), (to_hz / from_hz).ln());
    let scale = TAU * from_hz * frames as f64 / (f64::from(rate) * octaves);
    mono(frames, |n| amplitude * (scale * ((octaves * n as f64 / frames as f64).exp() - 1.0)).sin())
}

/// White noise, uniform up to `level_db` dBFS, different in each channel.
pub fn noise(seed: u64, level_db: f64, frames: usize) -> Vec<Stereo> {
    let (mut random, amplitude) = (Random::new(seed), amplitude(level_db));
    (0..frames).map(|_| [(amplitude * random.next()) as f32, (amplitude * random.next()) as f32]).collect()
}

/// Each sample `level_db` dBFS up or down, at random and different in each channel.
pub fn signs(seed: u64, level_db: f64, frames: usize) -> Vec<Stereo> {
    let (mut random, amplitude) = (Random::new(seed), amplitude(level_db) as f32);
    let mut sign = || if random.next() < 0.0 { -amplitude } else { amplitude };
    (0..frames).map(|_| [sign(), sign()]).collect()
}

/// Digital silence.
pub fn silence(frames: usize) -> Vec<Stereo> {
    vec![[0.0; 2]; frames]
}

/// A constant.
pub fn dc(value: f64, frames: usize) -> Vec<Stereo> {
    mono(frames, |_| value)
}

/// A square wave, not band-limited.
pub fn square(rate: u32, hz: f64, level_db: f64, frames: usize) -> Vec<Stereo> {
    let (amplitude, step) = (amplitude(level_db), hz / f64::from(rate));
    mono(frames, |n| if (step * n as f64).fract() < 0.5 { amplitude } else { -amplitude })
}

/// One sample of `level_db` dBFS at frame `at`.
pub fn impulse(level_db: f64, at: usize, frames: usize) -> Vec<Stereo> {
    mono(frames, |n| if n == at { amplitude(level_db) } else { 0.0 })
}

/// The worst inter-sample peaks there are: bursts of `2 * half` samples of full `level_db`, each with the sign
/// that the interpolating sinc has there, so that all add up half way between the middle two; a burst every
/// `period` frames.
pub fn sinc_signs(level_db: f64, half: usize, period: usize, frames: usize) -> Vec<Stereo> {
    let amplitude = amplitude(level_db);
    mono(frames, |n| {
        let offset = (n % period) as i64 - (period / 2) as i64;
        let (distance, half) = (if offset >= 0 { offset } else { -offset - 1 }, half as i64);
        match distance {
            d if d >= half => 0.0,
            d if d % 2 == 0 => amplitude,
            _ => -amplitude,
        }
    })
}

/// Something like speech: bursts of a harmonic tone with noise, a syllable long, with pauses. Peak below
/// `level_db`.
pub fn speech(rate: u32, level_db: f64, seed: u64, frames: usize) -> Vec<Stereo> {
    let (mut random, amplitude, rate) = (Random::new(seed), amplitude(level_db), f64::from(rate));
    let syllable = 0.18 * rate;
    let (mut phase, mut pitch, mut loudness) = (0.0_f64, 120.0, 0.7);
    mono(frames, |n| {
        let within = (n as f64 % syllable) / syllable;
        if n as f64 % syllable < 1.0 {
            pitch = 110.0 + 40.0 * random.next();
            // Every fourth syllable or so is a pause.
            loudness = if random.next() < -0.5 { 0.0 } else { 0.6 + 0.3 * random.next() };
        }
        phase += TAU * pitch / rate;
        let envelope = loudness * (PI * within).sin().powi(2);
        let voice: f64 = (1..=12).map(|h| (phase * f64::from(h)).sin() / f64::from(h)).sum();
        amplitude * envelope * (0.45 * voice + 0.08 * random.next())
    })
}

/// Something like pop music: a chord of saw teeth that changes twice a second, spread over both channels, over a drum
/// and a hiss on the beat. Its peaks are near `level_db`.
pub fn music(rate: u32, level_db: f64, seed: u64, frames: usize) -> Vec<Stereo> {
    let (mut random, amplitude) = (Random::new(seed), 0.35 * amplitude(level_db));
    let (mut root, mut phases) = (110.0, [0.0_f64; 4]);
    let beat = rate as usize / 4;
    (0..frames)
        .map(|n| {
            if n % (2 * beat) == 0 {
                root = [110.0, 130.8, 98.0, 146.8][(2.0 + 2.0 * random.next()) as usize % 4];
            }
            let t = (n % beat) as f64 / f64::from(rate);
            let drum = 1.4 * (-t / 0.06).exp() * (TAU * (50.0 * t + 4.0 * (1.0 - (-t / 0.02).exp()))).sin();
            let hiss = 0.8 * (-t / 0.03).exp() * random.next();
            let mut frame = [drum + hiss, drum - hiss];
            for (voice, phase) in phases.iter_mut().enumerate() {
                *phase = (*phase + root * [1.0, 1.26, 1.5, 2.003][voice] / f64::from(rate)).fract();
                frame[voice % 2] += 1.2 * (*phase - 0.5);
                frame[1 - voice % 2] += 0.5 * (*phase - 0.5);
            }
            frame.map(|sample| (amplitude * sample) as f32)
        })
        .collect()
}

/// Peak amplitude of a level in dBFS.
pub fn amplitude(level_db: f64) -> f64 {
    10.0_f64.powf(level_db / 20.0)
}

/// Marsaglia's xorshift64 (2003), in -1..1.
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        // Any seed but zero; a multiplication spreads small ones.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next value.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_even_and_repeatable() {
        let noise_a = noise(1, 0.0, 100_000);
        assert_eq!(noise_a, noise(1, 0.0, 100_000));
        assert_ne!(noise_a, noise(2, 0.0, 100_000));
        let mean = noise_a.iter().map(|f| f64::from(f[0])).sum::<f64>() / 1e5;
        let power = noise_a.iter().map(|f| f64::from(f[0]).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01 && (power - 1.0 / 3.0).abs() < 0.01);
    }
}
