//! True peaks: how high the waveform rises between its samples.
//!
//! ITU-R BS.1770-5, Annex 2, asks for at least four times oversampling. Here it is five times, by a longer filter than the
//! Annex's example so that peaks near the top of the band count too, and a parabola through the highest point
//! and its neighbours finds the crest between the points.

use crate::Stereo;

/// Samples that each interpolated point is computed from.
pub(super) const TAPS: usize = 48;
const HALF: usize = TAPS / 2;
/// Points per sample interval.
const POINTS: usize = 5;
/// Frames computed side by side.
const LANES: usize = 4;
/// The most frames per call of [`TruePeak::measure`].
pub(super) const CHUNK: usize = 64;

/// Shape of the Kaiser window: the transition band is narrow, the ripple in the pass-band below 0.02 dB.
const KAISER_BETA: f64 = 4.0;

/// What the parabola may add to the highest point.
const PARABOLA: f32 = 1.1;

/// Finds the true peak of each sample interval.
pub(super) struct TruePeak {
    /// For each pair of samples around the interval, the even and odd halves of points 1 and 2. Points 4 and 3 are
    /// their mirror images: `even * sum - odd * difference` instead of `even * sum + odd * difference`.
    coefficients: [[f32; 4]; HALF],
    /// No point is higher than this times the highest sample.
    bound: f32,
    /// The last `TAPS` frames, then the chunk, then room for the last group of lanes.
    history: [Stereo; TAPS + CHUNK + LANES],
    /// Point 4 of the interval before the next one, unless it was not computed.
    before: Option<Stereo>,
}

impl TruePeak {
    /// Frames from a sample going in to the interval after it coming out.
    pub(super) const LATENCY: usize = HALF;

    pub(super) fn new() -> Self {
        let mut coefficients = [[0.0; 4]; HALF];
        let mut magnitudes = [0.0_f32; 2];
        for (k, pair) in coefficients.iter_mut().enumerate() {
            for p in 1..=2 {
                let offset = p as f64 / POINTS as f64;
                let near = kernel(k as f64 - (HALF - 1) as f64 - offset);
                let far = kernel((TAPS - 1 - k) as f64 - (HALF - 1) as f64 - offset);
                pair[2 * p - 2] = ((near + far) / 2.0) as f32;
                pair[2 * p - 1] = ((near - far) / 2.0) as f32;
                magnitudes[p - 1] += (near.abs() + far.abs()) as f32;
            }
        }
        Self {
            coefficients,
            bound: PARABOLA * magnitudes[0].max(magnitudes[1]),
            history: [[0.0; 2]; TAPS + CHUNK + LANES],
            before: None,
        }
    }

    pub(super) fn reset(&mut self) {
        self.history = [[0.0; 2]; TAPS + CHUNK + LANES];
        self.before = None;
    }

    /// Takes the next frames (at most [`CHUNK`]) and puts into `peaks`, for each, the highest magnitude of either
    /// channel from the frame [`LATENCY`](Self::LATENCY) earlier up to the one after that. Where all of it is surely below
    /// `ceiling`, 0 stands instead, which saves the work.
    pub(super) fn measure(&mut self, frames: &[Stereo], ceiling: f32, peaks: &mut [f32; CHUNK]) {
        let count = frames.len().min(CHUNK);
        self.history[TAPS..TAPS + count].copy_from_slice(&frames[..count]);
        let highest =
            self.history[..TAPS + count].iter().fold(0.0_f32, |peak, f| peak.max(f[0].abs().max(f[1].abs())));
        if highest * self.bound <= ceiling {
            *peaks = [0.0; CHUNK];
            self.before = None;
        } else {
            let mut before = self.before.unwrap_or_else(|| self.points(0)[3][0]);
            for start in (0..count).step_by(LANES) {
                let points = self.points(start + 1);
                for lane in 0..LANES.min(count - start) {
                    let at = start + 1 + lane + HALF - 1;
                    let [p1, p2, p3, p4] = points.map(|point| point[lane]);
                    let curve = [before, self.history[at], p1, p2, p3, p4, self.history[at + 1]];
                    peaks[start + lane] = (0..2)
                        .map(|channel| crest(&curve.map(|point| point[channel]), ceiling))
                        .fold(0.0, f32::max);
                    before = p4;
                }
            }
            self.before = Some(before);
        }
        self.history.copy_within(count..TAPS + count, 0);
    }

    /// Points 1 to 4 of the intervals of [`LANES`] frames, whose first window begins at `start` in the history.
    #[inline]
    fn points(&self, start: usize) -> [[Stereo; LANES]; POINTS - 1] {
        let mut even = [[0.0_f32; 2 * LANES]; 2];
        let mut odd = even;
        for (k, &[even1, odd1, even2, odd2]) in self.coefficients.iter().enumerate() {
            let near: &[Stereo] = &self.history[start + k..start + k + LANES];
            let far: &[Stereo] = &self.history[start + TAPS - 1 - k..start + TAPS - 1 - k + LANES];
            let (near, far) = (near.as_flattened(), far.as_flattened());
            for i in 0..2 * LANES {
                let (sum, difference) = (near[i] + far[i], near[i] - far[i]);
                even[0][i] += even1 * sum;
                odd[0][i] += odd1 * difference;
                even[1][i] += even2 * sum;
                odd[1][i] += odd2 * difference;
            }
        }
        let point = |p: usize, sign: f32| {
            std::array::from_fn(|lane| {
                std::array::from_fn(|c| even[p][2 * lane + c] + sign * odd[p][2 * lane + c])
            })
        };
        [point(0, 1.0), point(1, 1.0), point(1, -1.0), point(0, -1.0)]
    }
}

/// The magnitude of the highest of the inner points of `curve`, and of the parabola through it and its neighbours
/// where that may be above `ceiling`.
#[inline]
fn crest(curve: &[f32; POINTS + 2], ceiling: f32) -> f32 {
    let mut highest = 1;
    for i in 2..=POINTS {
        if curve[i].abs() > curve[highest].abs() {
            highest = i;
        }
    }
    let peak = curve[highest].abs();
    if peak * PARABOLA <= ceiling {
        return peak;
    }
    let (left, middle, right) = (curve[highest - 1], curve[highest], curve[highest + 1]);
    let (slope, bend) = (right - left, 2.0 * middle - left - right);
    // Only a point that is a crest has a summit next to it.
    let is_crest = left.abs() <= peak && right.abs() <= peak && bend * middle > 0.0;
    if is_crest { peak + (slope * slope / (8.0 * bend.abs())).min(peak * (PARABOLA - 1.0)) } else { peak }
}

/// The interpolation kernel `x` samples from its centre: a sinc under a Kaiser window (Kaiser and Schafer 1980).
fn kernel(x: f64) -> f64 {
    let position = x / HALF as f64;
    if position.abs() >= 1.0 {
        return 0.0;
    }
    let window = bessel_i0(KAISER_BETA * (1.0 - position * position).sqrt()) / bessel_i0(KAISER_BETA);
    let angle = std::f64::consts::PI * x;
    if angle == 0.0 { 1.0 } else { window * angle.sin() / angle }
}

/// The modified Bessel function of the first kind, order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (n * n);
        sum += term;
        n += 1.0;
    }
    sum
}
