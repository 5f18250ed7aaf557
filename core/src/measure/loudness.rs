//! The loudness meter.
//!
//! The windows move in steps of 10 ms. Tech 3341 has maxima that steps of 100 ms miss (cases 10, 11, 13 and 14); `ebur128`
//! knows them too, but sums a whole window anew at each query.

use super::grid::Grid;
use super::histogram::Histogram;
use super::{MOMENTARY, SHORT_TERM};
use crate::dsp::loudness::{KWeighting, power_to_lufs};

/// Blocks from one gated window to the next: 75 % overlap of 400 ms (BS.1770-5), 10 Hz for the range (Tech 3342).
const STEP: u64 = 10;

/// What a block of 10 ms ends with: K-weighted mean squares, all channels summed
/// ([`power_to_lufs`] makes loudness of them).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Of the block itself.
    pub power: f64,
    /// Of the last 400 ms; of what there is, while there is less.
    pub momentary: f64,
    /// Of the last 3 s, likewise.
    pub short_term: f64,
}

/// A loudness meter of `N` channels.
pub struct Loudness<const N: usize = 2> {
    filter: KWeighting<N>,
    /// Square roots of the channels' weights.
    gains: [f32; N],
    grid: Grid,
    /// Energy of the present block.
    energy: f64,
    /// Energies of the last blocks, a ring.
    blocks: Box<[f64]>,
    /// The block that the integrated measures begin with.
    since: u64,
    last: Step,
    /// The greatest powers of the windows.
    max_momentary: f64,
    max_short_term: f64,
    gated: Histogram,
    range: Histogram,
}

impl Loudness<2> {
    /// A stereo meter at a sample rate.
    pub fn new(rate_hz: u32) -> Self {
        Self::weighted(rate_hz, [1.0; 2])
    }
}

impl<const N: usize> Loudness<N> {
    /// A meter of channels of these weights (BS.1770-5, Annex 1, table 3: 1 in front, 1.41 at the sides).
    pub fn weighted(rate_hz: u32, weights: [f32; N]) -> Self {
        Self {
            filter: KWeighting::new(rate_hz),
            gains: weights.map(f32::sqrt),
            grid: Grid::new(rate_hz),
            energy: 0.0,
            blocks: vec![0.0; SHORT_TERM].into(),
            since: 0,
            last: Step::default(),
            max_momentary: 0.0,
            max_short_term: 0.0,
            gated: Histogram::new(),
            range: Histogram::new(),
        }
    }

    /// Hears the next frames, of any number. Every sample must be finite.
    pub fn feed(&mut self, frames: &[[f32; N]]) {
        self.feed_watched(frames, |_| ());
    }

    /// Like [`feed`](Self::feed), and hands over every 10 ms as they end.
    pub fn feed_watched(&mut self, mut frames: &[[f32; N]], mut watch: impl FnMut(Step)) {
        while !frames.is_empty() {
            let (now, rest) = frames.split_at(self.grid.room().min(frames.len()));
            for frame in now {
                let weighted = std::array::from_fn(|channel| frame[channel] * self.gains[channel]);
                self.energy += self.filter.power(weighted);
            }
            if self.grid.pass(now.len()) {
                self.close_block();
                watch(self.last);
            }
            frames = rest;
        }
    }

    fn close_block(&mut self) {
        let at = (self.grid.blocks() as usize - 1) % SHORT_TERM;
        self.blocks[at] = std::mem::take(&mut self.energy);
        let power = self.blocks[at] / self.grid.frames_in(1) as f64;
        let (early, late) = ((at + 1).saturating_sub(MOMENTARY), (MOMENTARY - 1).saturating_sub(at));
        let momentary = self.blocks[early..=at].iter().chain(&self.blocks[SHORT_TERM - late..]).sum::<f64>();
        let momentary = momentary / self.grid.frames_in(MOMENTARY as u64) as f64;
        let short_term = sum(&self.blocks) / self.grid.frames_in(SHORT_TERM as u64) as f64;
        self.last = Step { power, momentary, short_term };
        // Windows that reach back before the reset are not of what is measured since.
        let Some(blocks) = self.grid.blocks().checked_sub(self.since) else { return };
        let is_step = blocks.is_multiple_of(STEP);
        if blocks >= MOMENTARY as u64 {
            self.max_momentary = self.max_momentary.max(momentary);
            if is_step {
                self.gated.add(momentary);
            }
        }
        if blocks >= SHORT_TERM as u64 {
            self.max_short_term = self.max_short_term.max(short_term);
            if is_step {
                self.range.add(short_term);
            }
        }
    }

    /// The mean square of the block under way, weighted; `None` at its start. For the rest at the end of a file.
    pub fn rest(&self) -> Option<f64> {
        let frames = self.grid.into_block();
        (frames > 0).then(|| self.energy / frames as f64)
    }

    /// Begins the integrated measures and the maxima anew, with the next whole 10 ms; the windows go on.
    pub fn reset(&mut self) {
        self.since = self.grid.blocks() + 1;
        self.gated.clear();
        self.range.clear();
        (self.max_momentary, self.max_short_term) = (0.0, 0.0);
    }

    /// Loudness of the last 400 ms, in LUFS; `None` of silence.
    pub fn momentary_lufs(&self) -> Option<f64> {
        lufs(self.last.momentary)
    }

    /// Loudness of the last 3 s, in LUFS; `None` of silence.
    pub fn short_term_lufs(&self) -> Option<f64> {
        lufs(self.last.short_term)
    }

    /// The greatest momentary loudness since the reset, in LUFS; `None` of silence and before 400 ms.
    pub fn max_momentary_lufs(&self) -> Option<f64> {
        lufs(self.max_momentary)
    }

    /// The greatest short-term loudness since the reset, in LUFS; `None` of silence and before 3 s.
    pub fn max_short_term_lufs(&self) -> Option<f64> {
        lufs(self.max_short_term)
    }

    /// Gated loudness since the reset, in LUFS; `None` when nothing was as loud as -70 LUFS.
    pub fn integrated_lufs(&self) -> Option<f64> {
        self.gated.gated_lufs()
    }

    /// Loudness range since the reset, in LU; `None` as above, and before 3 s.
    pub fn range_lu(&self) -> Option<f64> {
        self.range.range_lu()
    }
}

fn lufs(power: f64) -> Option<f64> {
    (power > 0.0).then(|| power_to_lufs(power))
}

/// Four sums at a time, which the processor does in the time of one.
fn sum(blocks: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    for four in blocks.chunks_exact(4) {
        for (sum, energy) in sums.iter_mut().zip(four) {
            *sum += energy;
        }
    }
    sums.iter().sum()
}
