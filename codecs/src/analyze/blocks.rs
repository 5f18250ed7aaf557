//! How loud every 10 ms of a file are: what its points are told from.

use airchain_core::dsp::loudness::power_to_lufs;
use airchain_core::measure::block_start;

/// Loudness in LUFS of nothing at all: lower than that of any sample that is not zero.
const SILENT_LUFS: f64 = -150.0;

/// K-weighted mean squares of consecutive 10 ms; the last may be shorter.
pub(super) struct Blocks {
    rate_hz: u32,
    frames: u64,
    powers: Vec<f64>,
}

impl Blocks {
    pub(super) fn new(rate_hz: u32, frames: u64, powers: Vec<f64>) -> Self {
        Self { rate_hz, frames, powers }
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.powers.len()
    }

    /// When a block begins, in seconds; the end of the file after the last.
    pub(super) fn start_s(&self, block: usize) -> f64 {
        block_start(self.rate_hz, block as u64).min(self.frames) as f64 / f64::from(self.rate_hz)
    }

    /// Loudness of `count` blocks from `first` on, as many of them as there are; -inf of silence and of nothing.
    pub(super) fn loudness(&self, first: usize, count: usize) -> f64 {
        let end = first.saturating_add(count).min(self.len());
        let powers = self.powers.get(first..end).unwrap_or_default();
        let lufs = power_to_lufs(powers.iter().sum::<f64>() / powers.len().max(1) as f64);
        if lufs < SILENT_LUFS { f64::NEG_INFINITY } else { lufs }
    }
}
