//! True peaks: how high the waveform rises between its samples.
//!
//! ITU-R BS.1770-5, Annex 2, asks for at least four times oversampling. Here it is five times, and a parabola
//! through the highest point and its neighbours finds the crest between the points. The Annex's example filter
//! of 12 taps per point reads peaks near the top of the band up to a decibel low; this one has 128. As that is
//! much work, a short filter first picks the intervals that may matter.

use crate::Stereo;

/// Points per sample interval, counting one of the two samples.
const POINTS: usize = 5;
/// Frames computed side by side.
const LANES: usize = 4;
/// Half the taps of the short filter and of the long one.
const SHORT: usize = 8;
const LONG: usize = 64;
/// The most frames per call of [`TruePeak::measure`].
pub(super) const CHUNK: usize = 64;

/// How much higher a crest may be than the short filter reads it: what it misses lies next to half the sample
/// rate.
const DOUBT: f32 = 1.4;
/// What the parabola may add to the highest point.
const PARABOLA: f32 = 1.1;

/// Finds the true peak of each sample interval.
pub(super) struct TruePeak {
    short: Interpolator<SHORT>,
    long: Interpolator<LONG>,
    /// A crest is surely below this times the highest sample.
    bound: f32,
    /// The last `2 * LONG` frames, then the chunk, then room for the last group of lanes.
    history: [Stereo; 2 * LONG + CHUNK + LANES],
}

impl TruePeak {
    /// Frames from a sample going in to the interval after it coming out.
    pub(super) const LATENCY: usize = LONG;

    pub(super) fn new() -> Self {
        let short = Interpolator::new();
        let bound = DOUBT * short.bound();
        Self { short, long: Interpolator::new(), bound, history: [[0.0; 2]; 2 * LONG + CHUNK + LANES] }
    }

    pub(super) fn reset(&mut self) {
        self.history.fill([0.0; 2]);
    }

    /// Takes the next frames (at most [`CHUNK`]) and puts into `peaks`, for each, the highest magnitude of either
    /// channel from the frame [`LATENCY`](Self::LATENCY) earlier up to the one after that; or 0 where that is
    /// below `ceiling`.
    pub(super) fn measure(&mut self, frames: &[Stereo], ceiling: f32, peaks: &mut [f32; CHUNK]) {
        let count = frames.len().min(CHUNK);
        self.history[2 * LONG..2 * LONG + count].copy_from_slice(&frames[..count]);
        peaks.fill(0.0);
        let highest = self.history[..2 * LONG + count].as_flattened().iter().fold(0.0, |h, s| s.abs().max(h));
        if highest * self.bound > ceiling {
            let mut suspects = [false; CHUNK];
            for start in (0..count).step_by(LANES) {
                let points = self.short.points(&self.history[start + 1 + LONG - SHORT..]);
                for lane in 0..LANES.min(count - start) {
                    let curve = [self.history[start + lane + LONG], points[0][lane], points[1][lane]];
                    let curve =
                        [curve, [points[2][lane], points[3][lane], self.history[start + lane + LONG + 1]]];
                    let reading = curve.as_flattened().as_flattened().iter().fold(0.0, |h, s| s.abs().max(h));
                    suspects[start + lane] = reading * DOUBT > ceiling;
                }
            }
            self.look_closely(&suspects[..count], ceiling, peaks);
        }
        self.history.copy_within(count..2 * LONG + count, 0);
    }

    /// Measures the intervals of `suspects` with the long filter.
    fn look_closely(&self, suspects: &[bool], ceiling: f32, peaks: &mut [f32; CHUNK]) {
        let mut at = 0;
        while at < suspects.len() {
            if !suspects[at] {
                at += 1;
                continue;
            }
            // A crest next to the interval's first sample needs the point before that, so one lane is the interval
            // before.
            let points = self.long.points(&self.history[at..]);
            for lane in 1..LANES {
                let interval = at + lane - 1;
                if suspects.get(interval) == Some(&true) {
                    let sample = interval + LONG;
                    let [p1, p2, p3, p4] = points.map(|point| point[lane]);
                    let curve =
                        [points[3][lane - 1], self.history[sample], p1, p2, p3, p4, self.history[sample + 1]];
                    let crest = |channel: usize| crest(&curve.map(|point| point[channel]), ceiling);
                    peaks[interval] = crest(0).max(crest(1));
                }
            }
            at += LANES - 1;
        }
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

/// Computes points 1 to 4 of a sample interval from `HALF` samples on either side.
struct Interpolator<const HALF: usize> {
    /// For each pair of samples around the interval, the even and odd halves of points 1 and 2. Points 4 and 3 are
    /// their mirror images: `even * sum - odd * difference` instead of `even * sum + odd * difference`.
    coefficients: [[f32; 4]; HALF],
}

impl<const HALF: usize> Interpolator<HALF> {
    fn new() -> Self {
        let coefficients = std::array::from_fn(|k| {
            let half = |p: f64, sign: f64| {
                let near = kernel(k as f64 - (HALF - 1) as f64 - p / POINTS as f64, HALF);
                let far = kernel((HALF - k) as f64 - p / POINTS as f64, HALF);
                ((near + sign * far) / 2.0) as f32
            };
            [half(1.0, 1.0), half(1.0, -1.0), half(2.0, 1.0), half(2.0, -1.0)]
        });
        Self { coefficients }
    }

    /// No point is higher than this times the highest sample.
    fn bound(&self) -> f32 {
        let sum = |p: usize| {
            self.coefficients.iter().map(|c| (c[p] + c[p + 1]).abs() + (c[p] - c[p + 1]).abs()).sum::<f32>()
        };
        sum(0).max(sum(2)).max(1.0)
    }

    /// The points of [`LANES`] intervals in a row; `history` begins with the first sample that the first of them
    /// needs.
    #[inline]
    fn points(&self, history: &[Stereo]) -> [[Stereo; LANES]; POINTS - 1] {
        let history = &history[..2 * HALF - 1 + LANES];
        let (mut even, mut odd) = ([[0.0_f32; 2 * LANES]; 2], [[0.0_f32; 2 * LANES]; 2]);
        for (k, &[even1, odd1, even2, odd2]) in self.coefficients.iter().enumerate() {
            let near = history[k..k + LANES].as_flattened();
            let far = history[2 * HALF - 1 - k..2 * HALF - 1 - k + LANES].as_flattened();
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

/// The interpolation kernel `x` samples from its centre: a sinc under a Kaiser window (Kaiser and Schafer 1980)
/// that reaches `half` samples. The window is a wide one: a narrow transition to half the sample rate matters
/// more here than ripple.
fn kernel(x: f64, half: usize) -> f64 {
    const BETA: f64 = 2.5;
    let position = x / half as f64;
    if position.abs() >= 1.0 {
        return 0.0;
    }
    let window = bessel_i0(BETA * (1.0 - position * position).sqrt()) / bessel_i0(BETA);
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
