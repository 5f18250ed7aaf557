//! True peaks: how high the waveform rises between its samples.
//!
//! ITU-R BS.1770-5, Annex 2, asks for at least four times oversampling. Here it is five times, and a parabola
//! through the highest point and its neighbours finds the crest between the points. The Annex's example filter
//! of 12 taps per point reads peaks near the top of the band up to a decibel low; this one has 128. As that is
//! much work, it is done only where it matters: a curve that bends little cannot rise far above the straight line
//! between two samples ([`Excess`]), and where it may, a short filter first picks the intervals.

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
    excess: Excess,
    /// The last `2 * LONG` frames, then the chunk, then room for the last group of lanes.
    history: [Stereo; 2 * LONG + CHUNK + LANES],
}

impl TruePeak {
    /// Frames from a sample going in to the interval after it coming out.
    pub(super) const LATENCY: usize = LONG;

    pub(super) fn new() -> Self {
        Self {
            short: Interpolator::new(),
            long: Interpolator::new(),
            excess: Excess::new(),
            history: [[0.0; 2]; 2 * LONG + CHUNK + LANES],
        }
    }

    pub(super) fn reset(&mut self) {
        self.history.fill([0.0; 2]);
    }

    /// Takes the next frames (at most [`CHUNK`]) and puts into `peaks`, for each, the highest magnitude of either
    /// channel from the frame [`LATENCY`](Self::LATENCY) earlier up to the one after that; or 0 where that is
    /// below `ceiling`. `false` when it is below everywhere.
    pub(super) fn measure(&mut self, frames: &[Stereo], ceiling: f32, peaks: &mut [f32; CHUNK]) -> bool {
        let count = frames.len().min(CHUNK);
        self.history[2 * LONG..2 * LONG + count].copy_from_slice(&frames[..count]);
        peaks.fill(0.0);
        let mut found = false;
        let allowed = ceiling - self.excess.of(&self.history[..2 * LONG + count]);
        if highest(&self.history[LONG..=LONG + count]) > allowed {
            let mut suspects = [false; CHUNK];
            for start in (0..count).step_by(LANES) {
                if highest(&self.history[start + LONG..=start + LONG + LANES]) <= allowed {
                    continue;
                }
                let points = self.short.points(&self.history[start + 1 + LONG - SHORT..]);
                for lane in 0..LANES.min(count - start) {
                    let curve = [self.history[start + lane + LONG], points[0][lane], points[1][lane]];
                    let curve =
                        [curve, [points[2][lane], points[3][lane], self.history[start + lane + LONG + 1]]];
                    suspects[start + lane] = highest(curve.as_flattened()) * DOUBT > ceiling;
                    found |= suspects[start + lane];
                }
            }
            if found {
                self.look_closely(&suspects[..count], ceiling, peaks);
            }
        }
        self.history.copy_within(count..2 * LONG + count, 0);
        found
    }

    /// Measures the intervals of `suspects` with the long filter.
    fn look_closely(&self, suspects: &[bool], ceiling: f32, peaks: &mut [f32; CHUNK]) {
        let mut at = 0;
        // The last point of the interval before the next one, where it has been computed.
        let mut before = None;
        while at < suspects.len() {
            if !suspects[at] {
                (at, before) = (at + 1, None);
                continue;
            }
            // A crest next to the interval's first sample needs the point before that: where it is not there yet,
            // one lane is the interval before.
            let spent = usize::from(before.is_none());
            let points = self.long.points(&self.history[at + 1 - spent..]);
            let mut last = before.unwrap_or(points[3][0]);
            for lane in spent..LANES {
                let interval = at + lane - spent;
                let sample = interval + LONG;
                let [p1, p2, p3, p4] = points.map(|point| point[lane]);
                if suspects.get(interval) == Some(&true) {
                    let curve = [last, self.history[sample], p1, p2, p3, p4, self.history[sample + 1]];
                    let crest = |channel: usize| crest(&curve.map(|point| point[channel]), ceiling);
                    peaks[interval] = crest(0).max(crest(1));
                }
                last = p4;
            }
            (at, before) = (at + LANES - spent, Some(last));
        }
    }
}

/// The highest magnitude of either channel.
#[inline]
fn highest(frames: &[Stereo]) -> f32 {
    let samples = frames.as_flattened();
    let (wide, rest) = samples.as_chunks::<{ 2 * LANES }>();
    let mut high = [0.0; 2 * LANES];
    wide.iter().for_each(|samples| raise(&mut high, samples.map(f32::abs)));
    high.iter().chain(rest).fold(0.0, |high, sample| greater(high, sample.abs()))
}

/// Raises each number to another.
#[inline]
pub(crate) fn raise(high: &mut [f32; 2 * LANES], samples: [f32; 2 * LANES]) {
    for (high, sample) in high.iter_mut().zip(samples) {
        *high = greater(*high, sample);
    }
}

/// The greater of two numbers; `f32::max` would take care of NaN, at three times the cost.
#[inline]
pub(crate) fn greater(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
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

/// How far a crest may rise above the higher of the two samples around it.
///
/// The difference between the long filter and a straight line is zero for a straight line; so it is a filter of the
/// second differences of the samples, and at most the highest of these times the sum of its magnitudes.
struct Excess {
    /// Share of the highest second difference.
    bend: f32,
    /// Share of the highest sample: what is left over, as the filter's gain is not quite 1.
    rest: f32,
}

impl Excess {
    fn new() -> Self {
        let (mut bend, mut rest) = (0.0_f64, 0.0_f64);
        for point in 1..POINTS as i32 {
            let along = f64::from(point) / POINTS as f64;
            let line = |at: i32| (1.0 - (f64::from(at) - along).abs()).max(0.0);
            let [sum, left] = second_difference(LONG as i32, |at| tap(point, at) - line(at));
            (bend, rest) = (bend.max(sum), rest.max(left));
        }
        // The parabola adds at most an eighth of how much the curve bends from point to point.
        let (mut curve, mut curve_rest) = (0.0_f64, 0.0_f64);
        for point in 0..POINTS as i32 {
            let bend = |at| tap(point - 1, at) - 2.0 * tap(point, at) + tap(point + 1, at);
            let [sum, left] = second_difference(LONG as i32, bend);
            (curve, curve_rest) = (curve.max(sum), curve_rest.max(left));
        }
        // And a little for what single precision rounds.
        let [bend, rest] = [bend + curve / 8.0, rest + curve_rest / 8.0 + 1e-4].map(|share| share as f32);
        Self { bend, rest }
    }

    /// For the intervals of which `history` holds all samples that they depend on.
    #[inline]
    fn of(&self, history: &[Stereo]) -> f32 {
        const WIDE: usize = 2 * LANES;
        let samples = history.as_flattened();
        let (count, mut high) = (samples.len().saturating_sub(4), [0.0; WIDE]);
        for at in (0..count).step_by(WIDE) {
            // The last ones once more rather than fewer.
            let at = at.min(count.saturating_sub(WIDE));
            let [first, middle, last] = [0, 2, 4].map(|by| &samples[at + by..at + by + WIDE]);
            raise(&mut high, std::array::from_fn(|i| (first[i] - 2.0 * middle[i] + last[i]).abs()));
        }
        self.bend * high.into_iter().fold(0.0, greater) + self.rest * highest(history)
    }
}

/// What the long filter takes, for point `point` of an interval, of the sample `at` places after its first.
fn tap(point: i32, at: i32) -> f64 {
    let (whole, along) = (point.div_euclid(POINTS as i32), point.rem_euclid(POINTS as i32));
    let at = at - whole;
    if along == 0 {
        f64::from(u8::from(at == 0))
    } else if (1 - LONG as i32..=LONG as i32).contains(&at) {
        kernel(f64::from(at) - f64::from(along) / POINTS as f64, LONG)
    } else {
        0.0
    }
}

/// A filter, of taps from `-reach` to `reach`, as one of second differences: the sum of its magnitudes, and the share of
/// the highest sample that it gives beside that.
pub(crate) fn second_difference(reach: i32, filter: impl Fn(i32) -> f64) -> [f64; 2] {
    let offset: f64 = (-reach..=reach).map(&filter).sum();
    let slope: f64 = (-reach..=reach).map(|at| f64::from(at) * filter(at)).sum();
    // Without its gain for a constant and for a slope, which are those of two taps.
    let taps = |at: i32| {
        filter(at)
            - match at {
                0 => offset - slope,
                1 => slope,
                _ => 0.0,
            }
    };
    let (mut first, mut second, mut sum) = (0.0, 0.0, 0.0);
    for at in -reach..=reach {
        first += taps(at);
        second += first;
        sum += f64::abs(second);
    }
    [sum, offset.abs() + 2.0 * slope.abs()]
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples that rise far between them, and such that do not.
    fn programme(kind: usize) -> Vec<Stereo> {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let sine = |n: usize, cycles: f64| (std::f64::consts::TAU * cycles * n as f64 + 0.4).sin() as f32;
        let sample = |n: usize| match kind {
            0 => [random(), random()],
            1 => [random().signum(), random().signum()],
            // The signs of a sinc between two samples.
            2 => [if n.is_multiple_of(2) == (n % 200 < 100) { 1.0 } else { -1.0 }; 2],
            3 => [sine(n, 0.25), sine(n, 0.49)],
            4 => [sine(n, 0.01), 0.9 * sine(n, 0.002) + 0.1 * sine(n, 0.07)],
            _ => [1.0, -0.5],
        };
        (0..6_400).map(sample).collect()
    }

    #[test]
    fn no_crest_is_higher_than_its_samples_and_the_excess() {
        let mut nearest = f32::INFINITY;
        for kind in 0..6 {
            let mut peaks = TruePeak::new();
            for chunk in programme(kind).chunks(CHUNK) {
                let before = peaks.history;
                let mut found = [0.0; CHUNK];
                peaks.measure(chunk, 0.0, &mut found);
                let mut history = before;
                history[2 * LONG..2 * LONG + CHUNK].copy_from_slice(chunk);
                let bound = peaks.excess.of(&history[..2 * LONG + CHUNK]);
                for (n, peak) in found.into_iter().enumerate() {
                    let samples = highest(&history[n + LONG..n + LONG + 2]);
                    assert!(peak <= samples + bound, "programme {kind}: {peak} over {samples} + {bound}");
                    nearest = nearest.min((samples + bound) / peak.max(0.1));
                }
            }
        }
        assert!(nearest < 1.01, "a bound that is never near is no help: {nearest}");
    }

    #[test]
    fn what_is_below_the_ceiling_is_not_looked_at() {
        let mut peaks = TruePeak::new();
        let slow = programme(4);
        let mut found = [0.0; CHUNK];
        let looked: Vec<bool> = slow.chunks(CHUNK).map(|c| peaks.measure(c, 1.1, &mut found)).collect();
        // It begins with a jump, which the short filter has to tell from a crest.
        assert!(looked[3..].iter().all(|looked| !looked));
        assert!(slow.chunks(CHUNK).any(|chunk| peaks.measure(chunk, 0.9, &mut found)));
    }
}
