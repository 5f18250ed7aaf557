//! Meters: levels, true peak, loudness and correlation of a programme, measured off the air thread.
//!
//! Every station has one on its bus ([`Station::levels`](crate::Station::levels)). A [`Meter`] of one's own measures any
//! audio that a program has, or any tap. `docs/metering.md` says by which standard each value is measured.

mod job;

pub use airchain_core::measure::Loudness;
use airchain_core::measure::{Grid, TruePeak};
use airchain_core::tap::TapReader;
use airchain_core::units::gain_to_db;
use airchain_core::{Frames, Stereo};
use serde::Serialize;

pub(crate) use job::{BusMeter, LevelBoard};

/// Levels of a programme. What there is none of is `null`: JSON has no minus infinity for silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Levels {
    /// Sample peak of left and right over the last 100 ms, dBFS.
    pub peak_dbfs: [Option<f32>; 2],
    /// RMS of left and right over the last 100 ms, dBFS (a full-scale sine is -3.01).
    pub rms_dbfs: [Option<f32>; 2],
    /// True peak of left and right over the last 100 ms, dBTP.
    pub true_peak_dbtp: [Option<f32>; 2],
    /// The greatest true peak of left and right since the start or the last reset, dBTP.
    pub max_true_peak_dbtp: [Option<f32>; 2],
    /// Correlation of left and right over the last 400 ms: 1 for mono, 0 for unrelated channels, -1 for opposite phase;
    /// `None` while either is below -90 dBFS.
    pub correlation: Option<f32>,
    /// Momentary loudness (400 ms), LUFS.
    pub momentary_lufs: Option<f32>,
    /// Short-term loudness (3 s), LUFS.
    pub short_term_lufs: Option<f32>,
    /// The greatest momentary loudness since the start or the last reset, LUFS.
    pub max_momentary_lufs: Option<f32>,
    /// The greatest short-term loudness since the start or the last reset, LUFS; `None` for the first 3 s.
    pub max_short_term_lufs: Option<f32>,
    /// Gated loudness since the start or the last reset, LUFS.
    pub integrated_lufs: Option<f32>,
    /// Loudness range since the start or the last reset, LU; `None` for the first 3 s, and not to be relied on in the first
    /// minute (EBU Tech 3341).
    pub loudness_range_lu: Option<f32>,
}

/// The sample rate is not one that can be measured at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sample rate {0} Hz cannot be measured, give one from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")]
pub struct RateOutOfRange(pub u32);

const MIN_RATE_HZ: u32 = 4_000;
const MAX_RATE_HZ: u32 = 768_000;

/// Blocks of 10 ms in the window of the levels.
const LEVEL: usize = 10;
/// Blocks of 10 ms in the window of the correlation.
const CORRELATION: usize = 40;
/// Mean square below which a channel is silent: -90 dBFS.
const SILENT: f64 = 1e-9;

/// Measures one programme. Samples that are no finite numbers count as silence.
pub struct Meter {
    loudness: Loudness,
    true_peak: TruePeak,
    grid: Grid,
    /// The greatest true peak of the whole blocks since the reset, and the block that this begins with: the one under way
    /// then still holds, in the filter, what was before.
    max_true_peak: [f32; 2],
    since: u64,
    /// The present 10 ms, and the last ones, a ring.
    block: Block,
    blocks: [Block; CORRELATION],
    /// What is fed, as far as it is finite.
    clean: Vec<Stereo>,
}

/// Sums and maxima over 10 ms; of left and right.
#[derive(Clone, Copy, Default)]
struct Block {
    peak: [f32; 2],
    true_peak: [f32; 2],
    squares: [f64; 2],
    product: f64,
}

impl Block {
    /// This and another, as one.
    fn and(self, other: &Self) -> Self {
        let both =
            |of: fn(&Self) -> [f32; 2]| [0, 1].map(|channel| of(&self)[channel].max(of(other)[channel]));
        Self {
            peak: both(|block| block.peak),
            true_peak: both(|block| block.true_peak),
            squares: [0, 1].map(|channel| self.squares[channel] + other.squares[channel]),
            product: self.product + other.product,
        }
    }

    fn correlation(&self, frames: Frames) -> Option<f32> {
        let sounds = self.squares.iter().all(|sum| *sum > SILENT * frames as f64);
        let power = (self.squares[0] * self.squares[1]).sqrt();
        sounds.then(|| (self.product / power).clamp(-1.0, 1.0) as f32)
    }
}

impl Meter {
    /// A meter at a sample rate, from 4 to 768 kHz.
    pub fn new(rate_hz: u32) -> Result<Self, RateOutOfRange> {
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz) {
            return Err(RateOutOfRange(rate_hz));
        }
        Ok(Self {
            loudness: Loudness::new(rate_hz),
            true_peak: TruePeak::new(rate_hz),
            grid: Grid::new(rate_hz),
            max_true_peak: [0.0; 2],
            since: 0,
            block: Block::default(),
            blocks: [Block::default(); CORRELATION],
            clean: Vec::with_capacity(rate_hz as usize / 100 + 1),
        })
    }

    /// Hears the next frames, of any number.
    pub fn feed(&mut self, mut frames: &[Stereo]) {
        while !frames.is_empty() {
            let (now, rest) = frames.split_at(self.grid.room().min(frames.len()));
            let finite = |sample: f32| if sample.is_finite() { sample } else { 0.0 };
            self.clean.clear();
            self.clean.extend(now.iter().map(|frame| frame.map(finite)));
            self.measure();
            let max_true_peak = self.max_true_peak();
            if self.grid.pass(now.len()) {
                self.max_true_peak = max_true_peak;
                let at = (self.grid.blocks() as usize - 1) % CORRELATION;
                self.blocks[at] = std::mem::take(&mut self.block);
            }
            frames = rest;
        }
    }

    /// Adds what is in `clean` to the block.
    fn measure(&mut self) {
        self.loudness.feed(&self.clean);
        let block = &mut self.block;
        for &[left, right] in &self.clean {
            block.peak = [block.peak[0].max(left.abs()), block.peak[1].max(right.abs())];
            let (left, right) = (f64::from(left), f64::from(right));
            block.squares = [block.squares[0] + left * left, block.squares[1] + right * right];
            block.product += left * right;
        }
        self.true_peak.feed(&self.clean, &mut block.true_peak);
    }

    /// Hears all that is in a tap; the number of frames. What was lost there is left out of all levels, and is no silence.
    pub fn follow(&mut self, tap: &mut TapReader) -> Frames {
        let (mut frames, mut heard) = ([[0.0; 2]; 1024], 0);
        loop {
            // Titles are none of a meter's business, but their ring must not fill.
            while tap.next_mark().is_some() {}
            tap.skip_lost();
            let (_, count) = tap.read(&mut frames);
            if count == 0 {
                return heard;
            }
            self.feed(&frames[..count]);
            heard += count as Frames;
        }
    }

    /// The levels, up to the last whole 10 ms; the greatest true peaks up to the last frame.
    pub fn read(&self) -> Levels {
        let level = self.last(LEVEL);
        let frames = self.grid.frames_in(LEVEL as u64);
        let narrow = |value: Option<f64>| value.map(|value| value as f32);
        Levels {
            peak_dbfs: level.peak.map(db),
            rms_dbfs: level.squares.map(|sum| db((sum / frames as f64).sqrt() as f32)),
            true_peak_dbtp: level.true_peak.map(db),
            max_true_peak_dbtp: self.max_true_peak().map(db),
            correlation: self.last(CORRELATION).correlation(self.grid.frames_in(CORRELATION as u64)),
            momentary_lufs: narrow(self.loudness.momentary_lufs()),
            short_term_lufs: narrow(self.loudness.short_term_lufs()),
            max_momentary_lufs: narrow(self.loudness.max_momentary_lufs()),
            max_short_term_lufs: narrow(self.loudness.max_short_term_lufs()),
            integrated_lufs: narrow(self.loudness.integrated_lufs()),
            loudness_range_lu: narrow(self.loudness.range_lu()),
        }
    }

    /// The last so many blocks, as one.
    fn last(&self, count: usize) -> Block {
        let end = self.grid.blocks() as usize;
        let blocks = (end.saturating_sub(count)..end).map(|block| &self.blocks[block % CORRELATION]);
        blocks.fold(Block::default(), Block::and)
    }

    /// The greatest true peak, with that of the block under way.
    fn max_true_peak(&self) -> [f32; 2] {
        let counts = self.grid.blocks() >= self.since;
        let now = if counts { self.block.true_peak } else { [0.0; 2] };
        [0, 1].map(|channel| self.max_true_peak[channel].max(now[channel]))
    }

    /// Begins the integrated loudness, the loudness range and all maxima anew, with the next whole 10 ms; the windows go
    /// on.
    pub fn reset(&mut self) {
        self.loudness.reset();
        self.since = self.grid.blocks() + 1;
        self.max_true_peak = [0.0; 2];
    }
}

/// `None` of silence.
fn db(gain: f32) -> Option<f32> {
    Some(gain_to_db(gain)).filter(|level| level.is_finite())
}
