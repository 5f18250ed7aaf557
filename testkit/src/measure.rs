//! Measurements of audio as audio: levels, tones, true peaks, clicks, boundaries.
//!
//! Nothing here shares code with what it measures.

use std::f64::consts::{PI, TAU};

use airchain_core::Stereo;

/// One channel of `frames` (0 left, 1 right) in `f64`.
pub fn channel(frames: &[Stereo], channel: usize) -> Vec<f64> {
    frames.iter().map(|frame| f64::from(frame[channel])).collect()
}

/// Level in dB of an amplitude.
pub fn db(amplitude: f64) -> f64 {
    20.0 * amplitude.log10()
}

/// Highest sample magnitude of both channels.
pub fn peak(frames: &[Stereo]) -> f64 {
    frames.as_flattened().iter().fold(0.0, |peak, sample| f64::max(peak, f64::from(sample.abs())))
}

/// Root of the mean square of both channels.
pub fn rms(frames: &[Stereo]) -> f64 {
    let samples = frames.as_flattened();
    (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

/// The level of each frame of [`crate::signal::vector`]: the length of the vector that both channels make.
pub fn envelope(frames: &[Stereo]) -> Vec<f64> {
    frames.iter().map(|[left, right]| f64::from(*left).hypot(f64::from(*right))).collect()
}

/// The frequency at each frame of [`crate::signal::vector`] but the last: how far the vector turns to the next.
pub fn turn_hz(frames: &[Stereo], rate: u32) -> Vec<f64> {
    let turn = |pair: &[Stereo]| {
        let [[x0, y0], [x1, y1]] = [pair[0], pair[1]].map(|frame| frame.map(f64::from));
        (x0 * y1 - y0 * x1).atan2(x0 * x1 + y0 * y1) * f64::from(rate) / TAU
    };
    frames.windows(2).map(turn).collect()
}

/// The greatest difference of successive samples; a sine of amplitude `a` and `hz` has at most `TAU * hz / rate
/// * a`.
pub fn max_step(samples: &[f64]) -> f64 {
    samples.windows(2).fold(0.0, |step, pair| f64::max(step, (pair[1] - pair[0]).abs()))
}

/// The greatest sample-wise difference of two programmes.
pub fn max_difference(a: &[Stereo], b: &[Stereo]) -> f64 {
    assert_eq!(a.len(), b.len(), "programmes of different length");
    a.as_flattened().iter().zip(b.as_flattened()).fold(0.0, |d, (x, y)| f64::max(d, f64::from((x - y).abs())))
}

/// Where `pattern` is in `samples`, whatever its level: the place where their correlation is highest, and how high it is
/// (1 for a copy, near 0 for anything else).
pub fn find(samples: &[f64], pattern: &[f64]) -> (usize, f64) {
    let norm = |samples: &[f64]| dot(samples, samples).sqrt().max(f64::MIN_POSITIVE);
    let (mut best, length) = ((0, 0.0), norm(pattern));
    for (at, window) in samples.windows(pattern.len()).enumerate() {
        let likeness = dot(window, pattern) / length;
        // No more than 1 once it is divided by this too.
        if likeness > 0.0 && likeness > best.1 * norm(window) {
            best = (at, likeness / norm(window));
        }
    }
    best
}

/// A sine found in samples.
#[derive(Clone, Copy, Debug)]
pub struct Tone {
    /// Peak amplitude.
    pub amplitude: f64,
    /// Phase in radians at the first sample.
    pub phase: f64,
    /// Root mean square of what is left when the tone and a constant are taken away.
    pub residual_rms: f64,
}

impl Tone {
    /// Peak level in dBFS.
    pub fn level_db(&self) -> f64 {
        db(self.amplitude)
    }

    /// What is left, in dB against the tone: distortion and noise (THD+N).
    pub fn residual_db(&self) -> f64 {
        db(self.residual_rms * 2.0_f64.sqrt() / self.amplitude)
    }
}

/// The sine of `hz` in `samples`, by least squares with a constant beside it.
pub fn tone(samples: &[f64], rate: u32, hz: f64) -> Tone {
    let fit = fit(samples, rate, &[hz]);
    let residual = samples.iter().zip(&fit.model).map(|(s, m)| (s - m).powi(2)).sum::<f64>();
    let [sine, cosine] = [fit.solution[1], fit.solution[2]];
    Tone {
        amplitude: sine.hypot(cosine),
        phase: cosine.atan2(sine),
        residual_rms: (residual / samples.len() as f64).sqrt(),
    }
}

struct Fit {
    solution: Vec<f64>,
    model: Vec<f64>,
}

/// Least squares of a constant and the sine and cosine of each frequency, by the normal equations.
fn fit(samples: &[f64], rate: u32, frequencies: &[f64]) -> Fit {
    let size = 1 + 2 * frequencies.len();
    let basis = |n: usize, i: usize| match i {
        0 => 1.0,
        _ => {
            let angle = TAU * frequencies[(i - 1) / 2] / f64::from(rate) * n as f64;
            if i % 2 == 1 { angle.sin() } else { angle.cos() }
        }
    };
    let mut matrix = vec![vec![0.0; size + 1]; size];
    let mut row = vec![0.0; size];
    for (n, sample) in samples.iter().enumerate() {
        row.iter_mut().enumerate().for_each(|(i, value)| *value = basis(n, i));
        for i in 0..size {
            for j in 0..size {
                matrix[i][j] += row[i] * row[j];
            }
            matrix[i][size] += row[i] * sample;
        }
    }
    let solution = solve(matrix);
    let model = (0..samples.len()).map(|n| (0..size).map(|i| solution[i] * basis(n, i)).sum()).collect();
    Fit { solution, model }
}

/// Gauss and Jordan's elimination of a positive definite matrix with its right side as the last column.
fn solve(mut matrix: Vec<Vec<f64>>) -> Vec<f64> {
    let size = matrix.len();
    for i in 0..size {
        let pivot = matrix[i][i];
        matrix[i].iter_mut().for_each(|value| *value /= pivot);
        let row = matrix[i].clone();
        for (j, other) in matrix.iter_mut().enumerate() {
            if j != i {
                let factor = other[i];
                other.iter_mut().zip(&row).for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
    }
    matrix.iter().map(|row| row[size]).collect()
}

/// Samples on either side of a point that [`true_peak`] looks at.
const REACH: i64 = 96;

/// The highest magnitude of the waveform through the samples of either channel: 32 points per sample interval,
/// each interpolated by a sinc over 192 samples under a Kaiser window (flat to 0.49 of the sample rate).
///
/// Against ITU-R BS.1770-5, Annex 2, which asks for 4 points, it under-reads by less than 0.011 dB.
pub fn true_peak(frames: &[Stereo]) -> f64 {
    const POINTS: i64 = 32;
    const BETA: f64 = 6.0;
    let window =
        |x: f64| bessel_i0(BETA * (1.0 - (x / REACH as f64).powi(2)).max(0.0).sqrt()) / bessel_i0(BETA);
    let kernels: Vec<Vec<f64>> = (1..POINTS)
        .map(|p| {
            let kernel = (1 - REACH..=REACH).map(|k| k as f64 - p as f64 / POINTS as f64);
            kernel.map(|x| window(x) * (PI * x).sin() / (PI * x)).collect()
        })
        .collect();
    (0..2)
        .map(|side| {
            let mut padded = vec![0.0; REACH as usize];
            padded.extend(channel(frames, side));
            padded.extend(vec![0.0; REACH as usize]);
            let at_samples = padded.iter().fold(0.0, |peak, s| f64::max(peak, s.abs()));
            padded.windows(2 * REACH as usize).fold(at_samples, |peak, window| {
                // Half way between two samples is where a crest hides best; where there is nearly none, the other
                // points cannot hold a much higher one.
                let middle = dot(&kernels[POINTS as usize / 2 - 1], window).abs();
                let beside = window[REACH as usize - 1].abs().max(window[REACH as usize].abs());
                if middle.max(beside) < 0.6 * peak {
                    return peak;
                }
                kernels.iter().fold(peak, |peak, kernel| peak.max(dot(kernel, window).abs()))
            })
        })
        .fold(0.0, f64::max)
}

/// [`true_peak`] in dBTP.
pub fn true_peak_db(frames: &[Stereo]) -> f64 {
    db(true_peak(frames))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    for (x, y) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
        for i in 0..4 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum()
}

/// The modified Bessel function of order 0.
fn bessel_i0(x: f64) -> f64 {
    let mut terms = vec![1.0];
    for n in 1..60 {
        terms.push(terms[n - 1] * (x / (2.0 * n as f64)).powi(2));
    }
    terms.iter().sum()
}

/// How loud clicks are: the highest sample left above 0.3 of the sample rate, in dB against the highest sample
/// of all.
///
/// A programme that lies below a quarter of the sample rate leaves nothing there but its corners and steps.
pub fn click_db(samples: &[f64], rate: u32) -> f64 {
    let _ = rate;
    const LENGTH: i64 = 64;
    // A low-pass at a quarter of the rate, mirrored into a high-pass, under Nuttall's window (-98 dB side lobes).
    let kernel: Vec<f64> = (-LENGTH..=LENGTH)
        .map(|n| {
            let x = (n + LENGTH) as f64 / (2 * LENGTH) as f64;
            let window = 0.363_581_9 - 0.489_177_5 * (TAU * x).cos() + 0.136_599_5 * (2.0 * TAU * x).cos()
                - 0.010_641_1 * (3.0 * TAU * x).cos();
            let low = if n == 0 { 0.5 } else { (PI * n as f64 / 2.0).sin() / (PI * n as f64) };
            window * low * if n % 2 == 0 { 1.0 } else { -1.0 }
        })
        .collect();
    let highest = samples.iter().fold(0.0, |peak, s| f64::max(peak, s.abs()));
    let click = samples.windows(kernel.len()).fold(0.0, |peak, window| {
        f64::max(peak, window.iter().zip(&kernel).map(|(s, k)| s * k).sum::<f64>().abs())
    });
    db((click / highest.max(1e-30)).max(1e-12))
}

/// Spectral splatter: the highest line of the spectrum of `samples` (under a Nuttall window) further than
/// `guard_hz` from each of `tones_hz`, in dB against the highest line of all.
pub fn splatter_db(samples: &[f64], rate: u32, tones_hz: &[f64], guard_hz: f64) -> f64 {
    let size = samples.len().next_power_of_two();
    let last = (samples.len().max(2) - 1) as f64;
    let mut spectrum: Vec<(f64, f64)> = samples
        .iter()
        .enumerate()
        .map(|(n, sample)| {
            let x = TAU * n as f64 / last;
            let window = 0.363_581_9 - 0.489_177_5 * x.cos() + 0.136_599_5 * (2.0 * x).cos()
                - 0.010_641_1 * (3.0 * x).cos();
            (sample * window, 0.0)
        })
        .collect();
    spectrum.resize(size, (0.0, 0.0));
    fft(&mut spectrum);
    let lines: Vec<f64> = spectrum[..size / 2].iter().map(|(re, im)| re.hypot(*im)).collect();
    let highest = lines.iter().copied().fold(0.0, f64::max);
    let far = |line: usize| {
        let hz = line as f64 * f64::from(rate) / size as f64;
        tones_hz.iter().all(|tone| (hz - tone).abs() > guard_hz)
    };
    let outside = (0..lines.len()).filter(|&line| far(line)).map(|line| lines[line]).fold(0.0, f64::max);
    db((outside / highest.max(1e-30)).max(1e-12))
}

/// Cooley and Tukey's transform in place; the length is a power of two.
fn fft(values: &mut [(f64, f64)]) {
    let size = values.len();
    for i in 0..size {
        let j = i.reverse_bits() >> (usize::BITS - size.trailing_zeros()).min(usize::BITS - 1);
        if i < j {
            values.swap(i, j);
        }
    }
    let mut half = 1;
    while half < size {
        for start in (0..size).step_by(2 * half) {
            for k in 0..half {
                let (sine, cosine) = (-PI * k as f64 / half as f64).sin_cos();
                let (a, b) = (values[start + k], values[start + k + half]);
                let turned = (b.0 * cosine - b.1 * sine, b.0 * sine + b.1 * cosine);
                values[start + k] = (a.0 + turned.0, a.1 + turned.1);
                values[start + k + half] = (a.0 - turned.0, a.1 - turned.1);
            }
        }
        half *= 2;
    }
}

/// The frame at which a tone of `before_hz` gives way to one of `after_hz`, for a programme that is one and
/// then, at once, the other: where the two halves, each fitted by its own tone, leave least over. Exact to the
/// frame for clean tones.
pub fn boundary(samples: &[f64], rate: u32, before_hz: f64, after_hz: f64) -> Option<usize> {
    let window = (rate / 50) as usize;
    if samples.len() < 4 * window {
        return None;
    }
    // A tone is predicted by its own first and last stretch; each frame then belongs to the better prediction.
    let early = fit(&samples[..window], rate, &[before_hz]).solution;
    let late_start = samples.len() - window;
    let late = fit(&samples[late_start..], rate, &[after_hz]).solution;
    let predict = |solution: &[f64], hz: f64, n: f64| {
        let angle = TAU * hz / f64::from(rate) * n;
        solution[0] + solution[1] * angle.sin() + solution[2] * angle.cos()
    };
    // The split for which the sum of squared errors is least, by one running sum.
    let (mut cost, mut least, mut best) = (0.0, 0.0, 0);
    for (n, sample) in samples.iter().enumerate() {
        cost += (sample - predict(&early, before_hz, n as f64)).powi(2)
            - (sample - predict(&late, after_hz, n as f64 - late_start as f64)).powi(2);
        if cost < least {
            (least, best) = (cost, n + 1);
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal;

    #[test]
    fn tones_are_found() {
        let sine = signal::sine_at(48_000, 997.0, -6.0, 0.3, 48_000);
        let found = tone(&channel(&sine, 0), 48_000, 997.0);
        assert!((found.level_db() + 6.0).abs() < 1e-4 && (found.phase - 0.3).abs() < 1e-4);
        assert!(found.residual_db() < -140.0, "{}", found.residual_db());
    }

    #[test]
    fn true_peak_reads_what_samples_hide() {
        let sine = signal::quarter_rate_sine(-6.0, 2000);
        assert!((db(peak(&sine)) + 9.01).abs() < 0.01);
        // A burst begins with a jump, so its edges ring; the middle reads the tone.
        assert!((true_peak_db(&sine) + 6.0).abs() < 1.0);
        let mut faded = sine;
        for (n, frame) in faded.iter_mut().enumerate() {
            let gain = 0.5 - 0.5 * (TAU * n as f64 / 2000.0).cos();
            *frame = frame.map(|s| (f64::from(s) * gain) as f32);
        }
        assert!((true_peak_db(&faded) + 6.0).abs() < 0.01, "{}", true_peak_db(&faded));
    }

    #[test]
    fn clicks_and_splatter_are_heard() {
        let mut samples = channel(&signal::sine(48_000, 997.0, -6.0, 48_000), 0);
        assert!(click_db(&samples, 48_000) < -95.0 && splatter_db(&samples, 48_000, &[997.0], 50.0) < -90.0);
        samples[24_000..].iter_mut().for_each(|s| *s *= 0.9);
        samples[24_010] += 0.01;
        assert!(click_db(&samples, 48_000) > -45.0, "{}", click_db(&samples, 48_000));
        assert!(splatter_db(&samples, 48_000, &[997.0], 50.0) > -90.0);
    }

    #[test]
    fn boundaries_are_found_to_the_frame() {
        let mut samples = channel(&signal::sine(48_000, 997.0, -6.0, 20_011), 0);
        samples.extend(channel(&signal::sine(48_000, 440.0, -6.0, 20_000), 0));
        assert_eq!(boundary(&samples, 48_000, 997.0, 440.0), Some(20_011));
    }
}
