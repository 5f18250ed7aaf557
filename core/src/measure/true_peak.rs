//! The true-peak meter: ITU-R BS.1770-5, Annex 2.
//!
//! The waveform between two samples is read from as many points as libebur128 and ffmpeg's `ebur128` read it from, by
//! the same filter of 48 taps, a sinc under a Hann window: all say the same of the same audio. (The limiter, which must
//! see every crest, has a longer one.) The filter is run only where it may find something higher than has been found
//! already: a curve that bends little cannot rise far above its samples. What is found is the same to the bit.

use crate::Stereo;
use crate::dsp::true_peak::{greater, raise, second_difference};

/// Intervals computed side by side.
const LANES: usize = 4;
/// Frames gone through at a time.
const CHUNK: usize = 32;

/// Finds the true peaks of a stereo programme.
pub struct TruePeak(Points);

/// How many points between two samples are looked at.
enum Points {
    Three(Box<Interpolator<6, true>>),
    One(Box<Interpolator<12, false>>),
    None,
}

impl TruePeak {
    /// A meter at a sample rate: four points per sample below 96 kHz, two below 192 kHz, from there on the samples.
    pub fn new(rate_hz: u32) -> Self {
        Self(match rate_hz {
            ..96_000 => Points::Three(Box::default()),
            96_000..192_000 => Points::One(Box::default()),
            _ => Points::None,
        })
    }

    /// Hears the next frames, of any number, all finite. Raises `peaks` of left and right (magnitudes, full scale 1) to
    /// the highest of these samples and of the intervals that they complete, which lie 6 (at two points per sample 12)
    /// frames back.
    pub fn feed(&mut self, frames: &[Stereo], peaks: &mut Stereo) {
        match &mut self.0 {
            Points::Three(filter) => filter.feed(frames, peaks),
            Points::One(filter) => filter.feed(frames, peaks),
            Points::None => raise_all(peaks, frames),
        }
    }
}

/// Reads points of the waveform from `HALF` samples on either side: half-way between two samples and, where `QUARTERS`
/// is set, a quarter and three quarters of the way.
struct Interpolator<const HALF: usize, const QUARTERS: bool> {
    /// For each pair of samples around an interval: what the middle takes of their sum, and what the point at a quarter
    /// takes of their sum and of their difference. The one at three quarters is its mirror image.
    coefficients: [[f32; 3]; HALF],
    /// How far a point may lie above the samples next to it: the share of the highest second difference of the samples,
    /// and that of the highest sample, as the filter's gain is not quite 1 and single precision rounds.
    bend: f32,
    rest: f32,
    /// The last frames, as many as a point needs but for the next, then a chunk, then room for the last lanes.
    history: Box<[Stereo]>,
}

impl<const HALF: usize, const QUARTERS: bool> Default for Interpolator<HALF, QUARTERS> {
    fn default() -> Self {
        let coefficients = std::array::from_fn(|k| {
            let distance = (HALF - 1 - k) as f64;
            let (near, far) = (kernel::<HALF>(distance + 0.25), kernel::<HALF>(distance + 0.75));
            [kernel::<HALF>(distance + 0.5), (near + far) / 2.0, (near - far) / 2.0].map(|taken| taken as f32)
        });
        let (mut bend, mut rest) = (0.0_f64, 0.0_f64);
        for along in [0.25, 0.5] {
            let line = |x: f64| (1.0 - x.abs()).max(0.0);
            let [sum, left] = second_difference(HALF as i32, |at| {
                let x = f64::from(at) - along;
                kernel::<HALF>(x) - line(x)
            });
            (bend, rest) = (bend.max(sum), rest.max(left));
        }
        Self {
            coefficients,
            bend: bend as f32,
            rest: (rest + 1e-4) as f32,
            history: vec![[0.0; 2]; Self::PAST + CHUNK + LANES].into(),
        }
    }
}

impl<const HALF: usize, const QUARTERS: bool> Interpolator<HALF, QUARTERS> {
    const PAST: usize = 2 * HALF - 1;

    fn feed(&mut self, frames: &[Stereo], peaks: &mut Stereo) {
        // All samples first, those at which the first intervals begin too: the higher the peaks are, the less there is to
        // look at.
        raise_all(peaks, &self.history[HALF - 1..Self::PAST]);
        raise_all(peaks, frames);
        for chunk in frames.chunks(CHUNK) {
            self.history[Self::PAST..Self::PAST + chunk.len()].copy_from_slice(chunk);
            self.look(chunk.len(), peaks);
            self.history.copy_within(chunk.len()..Self::PAST + chunk.len(), 0);
        }
    }

    /// Looks at the points that the next `count` frames of the history complete.
    fn look(&self, count: usize, peaks: &mut Stereo) {
        let excess = self.excess(Self::PAST + count);
        let may_rise = |samples: Stereo, peaks: &Stereo| {
            samples[0] + excess[0] > peaks[0] || samples[1] + excess[1] > peaks[1]
        };
        if !may_rise(highest(&self.history[HALF - 1..HALF + count]), peaks) {
            return;
        }
        for start in (0..count).step_by(LANES) {
            let mut ends = [0.0; 2];
            raise_all(&mut ends, &self.history[start + HALF - 1..=start + HALF - 1 + LANES]);
            if may_rise(ends, peaks) {
                let found = self.points(&self.history[start..start + Self::PAST + LANES]);
                for point in found.as_chunks::<2>().0.iter().take(count - start) {
                    *peaks = [0, 1].map(|channel| greater(peaks[channel], point[channel]));
                }
                // Numbers at the end of what an f32 holds have a waveform beyond it.
                *peaks = peaks.map(|peak| peak.min(f32::MAX));
            }
        }
    }

    /// The highest magnitudes in [`LANES`] intervals, left and right in turn.
    #[inline]
    fn points(&self, history: &[Stereo]) -> [f32; 2 * LANES] {
        let (mut middle, mut even, mut odd) = ([0.0; 2 * LANES], [0.0; 2 * LANES], [0.0; 2 * LANES]);
        for (k, [half, sums, differences]) in self.coefficients.iter().enumerate() {
            let near = history[k..k + LANES].as_flattened();
            let far = history[Self::PAST - k..Self::PAST - k + LANES].as_flattened();
            for i in 0..2 * LANES {
                let (sum, difference) = (near[i] + far[i], near[i] - far[i]);
                middle[i] += half * sum;
                if QUARTERS {
                    even[i] += sums * sum;
                    odd[i] += differences * difference;
                }
            }
        }
        let mut high = middle.map(f32::abs);
        if QUARTERS {
            // The greater of |even + odd| and |even - odd|.
            raise(&mut high, std::array::from_fn(|i| even[i].abs() + odd[i].abs()));
        }
        high
    }

    /// How far points may lie above the samples next to them that depend on the first `count` frames of the history alone.
    #[inline]
    fn excess(&self, count: usize) -> Stereo {
        const WIDE: usize = 2 * LANES;
        let history = &self.history[..count];
        let samples = history.as_flattened();
        let (differences, mut high) = (samples.len() - 4, [0.0; WIDE]);
        for at in (0..differences).step_by(WIDE) {
            // The last ones once more rather than fewer.
            let at = at.min(differences - WIDE);
            let [first, middle, last] = [0, 2, 4].map(|by| &samples[at + by..at + by + WIDE]);
            raise(&mut high, std::array::from_fn(|i| (first[i] - 2.0 * middle[i] + last[i]).abs()));
        }
        let (bent, highest) = (fold(high), highest(history));
        [0, 1].map(|channel| self.bend * bent[channel] + self.rest * highest[channel])
    }
}

/// Raises `peaks` to the magnitudes of all frames.
fn raise_all(peaks: &mut Stereo, frames: &[Stereo]) {
    let highest = highest(frames);
    *peaks = [0, 1].map(|channel| greater(peaks[channel], highest[channel]));
}

/// The highest magnitudes of left and right.
#[inline]
fn highest(frames: &[Stereo]) -> Stereo {
    let (wide, rest) = frames.as_flattened().as_chunks::<{ 2 * LANES }>();
    let mut high = [0.0; 2 * LANES];
    wide.iter().for_each(|samples| raise(&mut high, samples.map(f32::abs)));
    for (high, sample) in high.iter_mut().zip(rest) {
        *high = greater(*high, sample.abs());
    }
    fold(high)
}

/// Of left and right in turn, the highest.
#[inline]
fn fold(high: [f32; 2 * LANES]) -> Stereo {
    let pairs = high.as_chunks::<2>().0;
    pairs.iter().fold([0.0; 2], |high, pair| [0, 1].map(|channel| greater(high[channel], pair[channel])))
}

/// The filter's kernel `x` samples from its centre.
fn kernel<const HALF: usize>(x: f64) -> f64 {
    let angle = std::f64::consts::PI * x;
    let window = 0.5 + 0.5 * (angle / HALF as f64).cos();
    match x.abs() {
        0.0 => 1.0,
        far if far >= HALF as f64 => 0.0,
        _ => window * angle.sin() / angle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unlike channels, of which now the one and now the other rises far between its samples.
    fn programme(kind: usize) -> Vec<Stereo> {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let sine = |n: usize, cycles: f64| (std::f64::consts::TAU * cycles * n as f64 + 0.4).sin() as f32;
        let sample = |n: usize| match kind {
            0 => [random(), 0.3 * random()],
            1 => [random().signum(), sine(n, 0.003)],
            2 => [sine(n, 0.25), sine(n, 0.49)],
            3 => [sine(n, 0.01), 0.9 * sine(n, 0.002) + 0.1 * sine(n, 0.07)],
            // A constant: the gain of the filter is not quite 1.
            _ => [1.0, if n.is_multiple_of(2) == (n % 200 < 100) { 1.0 } else { -1.0 }],
        };
        (0..4_800).map(sample).collect()
    }

    /// Every point of every interval that the frames of a block complete, and its samples, in double precision.
    fn plainly<const HALF: usize>(
        frames: &[Stereo],
        block: std::ops::Range<usize>,
        points: usize,
    ) -> [f64; 2] {
        [0, 1].map(|channel| {
            let sample = |at: usize| f64::from(frames[at][channel]);
            let mut peak = 0.0_f64;
            for end in block.clone() {
                peak = peak.max(sample(end).abs());
                for along in (0..points).map(|point| point as f64 / points as f64) {
                    let taps = (0..2 * HALF).filter(|k| points > 1 && end + 1 + k >= 2 * HALF);
                    let weight = |k: usize| kernel::<HALF>(k as f64 - (HALF - 1) as f64 - along);
                    let value: f64 = taps.map(|k| weight(k) * sample(end + 1 + k - 2 * HALF)).sum();
                    peak = peak.max(value.abs());
                }
            }
            peak
        })
    }

    #[test]
    fn nothing_that_is_passed_over_is_higher() {
        for kind in 0..5 {
            let audio = programme(kind);
            for rate_hz in [48_000, 96_000, 192_000] {
                let mut meter = TruePeak::new(rate_hz);
                for start in (0..audio.len()).step_by(80) {
                    let block = start..start + 80;
                    let mut found = [0.0; 2];
                    meter.feed(&audio[block.clone()], &mut found);
                    let expected = match rate_hz {
                        48_000 => plainly::<6>(&audio, block, 4),
                        96_000 => plainly::<12>(&audio, block, 2),
                        _ => plainly::<6>(&audio, block, 1),
                    };
                    let near =
                        |channel: usize| (f64::from(found[channel]) / expected[channel] - 1.0).abs() < 2e-6;
                    assert!(
                        near(0) && near(1),
                        "{kind} at {rate_hz} Hz, {start}: {found:?}, not {expected:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn each_block_has_its_own_peaks_however_it_is_cut() {
        for kind in 0..5 {
            let audio = programme(kind);
            let (mut at_once, mut in_pieces) = (TruePeak::new(44_100), TruePeak::new(44_100));
            for block in audio.chunks(441) {
                let (mut expected, mut found) = ([0.0; 2], [0.0; 2]);
                at_once.feed(block, &mut expected);
                let mut rest = block;
                for size in [1, 3, 64, 5, 31, 337] {
                    let (piece, others) = rest.split_at(size.min(rest.len()));
                    in_pieces.feed(piece, &mut found);
                    rest = others;
                }
                assert_eq!((found, rest.len()), (expected, 0), "programme {kind}");
            }
        }
    }

    #[test]
    fn a_curve_that_bends_little_is_known_not_to_rise() {
        let slow = programme(3);
        let mut filter = Interpolator::<6, true>::default();
        filter.feed(&slow, &mut [0.0; 2]);
        let excess = filter.excess(Interpolator::<6, true>::PAST);
        assert!(excess[0] < 0.01 && excess[1] < 0.05, "a bound that is far off is no help: {excess:?}");
    }

    #[test]
    fn numbers_at_the_end_of_what_a_float_holds_give_a_peak() {
        let mut peaks = [0.0; 2];
        let mut meter = TruePeak::new(48_000);
        meter.feed(&[[f32::MAX, -f32::MAX]; 100], &mut peaks);
        assert_eq!(peaks, [f32::MAX; 2]);
        meter.feed(&[[0.0; 2]; 100], &mut peaks);
        let mut after = [0.0; 2];
        meter.feed(&[[0.5, -0.25]; 1], &mut after);
        assert_eq!(after, [0.5, 0.25]);
    }
}
