//! How often which loudness was: what gated loudness and loudness range are made of, in bounded memory.

use crate::dsp::loudness::{ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU, power_to_lufs};

/// Width of a bin. As each keeps its sum, the mean over them is exact, and only the bin that a gate or percentile falls
/// into is taken as one.
const BIN_LU: f64 = 0.05;
/// From the absolute gate up to 10 LUFS, which no programme within full scale exceeds; the last has what does.
const BINS: usize = 1_600;
/// Gate of the loudness range, below the loudness of all that passes the absolute gate.
const RANGE_GATE_LU: f64 = -20.0;
/// The percentiles between which the range lies.
const RANGE: [f64; 2] = [0.10, 0.95];

#[derive(Clone, Copy, Default)]
struct Bin {
    count: u64,
    power: f64,
}

impl Bin {
    fn mean(&self) -> f64 {
        self.power / self.count as f64
    }
}

/// Powers of windows above the absolute gate, by loudness.
pub(super) struct Histogram {
    bins: Box<[Bin]>,
    all: Bin,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { bins: vec![Bin::default(); BINS].into(), all: Bin::default() }
    }

    pub(super) fn clear(&mut self) {
        self.bins.fill(Bin::default());
        self.all = Bin::default();
    }

    /// Counts a window of this power.
    pub(super) fn add(&mut self, power: f64) {
        let above_gate = power_to_lufs(power) - ABSOLUTE_GATE_LUFS;
        if above_gate > 0.0 {
            let bin = (above_gate / BIN_LU) as usize;
            for bin in [&mut self.bins[bin.min(BINS - 1)], &mut self.all] {
                bin.count += 1;
                bin.power += power;
            }
        }
    }

    /// The bins that are not empty and not below `gate_lu` relative to the mean of all.
    fn above(&self, gate_lu: f64) -> impl Iterator<Item = &Bin> {
        let gate = self.all.mean() * 10.0_f64.powf(gate_lu / 10.0);
        self.bins.iter().filter(move |bin| bin.count > 0 && bin.mean() >= gate)
    }

    /// Gated loudness (BS.1770-5, Annex 1) in LUFS; `None` when nothing passes the gates.
    pub(super) fn gated_lufs(&self) -> Option<f64> {
        let sum = |sum: Bin, bin: &Bin| Bin { count: sum.count + bin.count, power: sum.power + bin.power };
        let passing = self.above(RELATIVE_GATE_LU).fold(Bin::default(), sum);
        (passing.count > 0).then(|| power_to_lufs(passing.mean()))
    }

    /// Loudness range (EBU Tech 3342, section 3.1) in LU; `None` when nothing passes the gates.
    pub(super) fn range_lu(&self) -> Option<f64> {
        let last = self.above(RANGE_GATE_LU).map(|bin| bin.count).sum::<u64>().checked_sub(1)?;
        let [low, high] = RANGE.map(|share| (last as f64 * share).round() as u64);
        let at = |rank: u64| {
            let mut left = rank;
            let bin = self.above(RANGE_GATE_LU).find(|bin| {
                let found = left < bin.count;
                left = left.saturating_sub(bin.count);
                found
            })?;
            Some(power_to_lufs(bin.mean()))
        };
        Some(at(high)? - at(low)?)
    }
}
