//! `de_esser`: turns down sibilants, and nothing but the band that they are in.
//!
//! A crossover of Linkwitz and Riley (J. Audio Eng. Soc. 24, 1976), of fourth order, parts the programme. What is
//! above its frequency is compressed by its own level, as the [compressor](super::compressor) does (Giannoulis,
//! Massberg and Reiss 2012), with a hard knee, a short attack and no more than a set depth; what is below it is left
//! alone. At rest both sides add up to an all-pass filter (Lipshitz and Vanderkooy, J. Audio Eng. Soc. 34, 1986), so
//! the spectrum is flat.

use super::crossover::{Coefficients, Split};
use super::envelope::CHUNK;
use super::reducer::{Reducer, slope};
use super::smooth::Smoothed;
use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, clean_frame};
use crate::Stereo;

const INFO: NodeInfo = NodeInfo {
    name: "de_esser",
    aliases: &["deesser"],
    summary: "Turns down sibilants: the band above a frequency, when it is loud.",
    params: &[
        ParamInfo::number(
            "frequency_hz",
            &["frequency", "crossover_hz", "hz"],
            "Hz",
            (1_000.0, 16_000.0),
            5_500.0,
            "Where the band of sibilants begins.",
        ),
        ParamInfo::number(
            "threshold_db",
            &["threshold"],
            "dB",
            (-80.0, 0.0),
            -30.0,
            "Level of that band above which it is turned down.",
        ),
        ParamInfo::number(
            "ratio",
            &[],
            ":1",
            (1.0, 100.0),
            4.0,
            "Change of level of the band for 1 dB coming out.",
        ),
        ParamInfo::number(
            "range_db",
            &["range", "max_reduction_db", "max_reduction", "depth_db", "depth"],
            "dB",
            (0.0, 40.0),
            12.0,
            "The most that the band is turned down.",
        ),
        ParamInfo::number(
            "attack_ms",
            &["attack"],
            "ms",
            (0.5, 100.0),
            1.0,
            "Time for 63 % of a rise in reduction.",
        ),
        ParamInfo::number(
            "release_ms",
            &["release"],
            "ms",
            (1.0, 1_000.0),
            50.0,
            "Time for 63 % of a fall in reduction.",
        ),
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(DeEsser::default()) };

/// The `de_esser` node.
pub struct DeEsser {
    /// Logarithm of the frequency in Hz: moved so, it sounds even.
    log_hz: Smoothed,
    rate: u32,
    coefficients: Coefficients,
    split: Split,
    sibilants: Reducer,
    /// Frames since the filter was last rid of what is too faint.
    at: usize,
}

impl Default for DeEsser {
    fn default() -> Self {
        let [hz, threshold, ratio, range, attack, release] =
            [0, 1, 2, 3, 4, 5].map(|n| INFO.params[n].default);
        let mut sibilants = Reducer::new(threshold, ratio, attack, release);
        sibilants.range_db.set(f64::from(range));
        Self {
            log_hz: Smoothed::new(f64::from(hz).ln()),
            rate: 48_000,
            coefficients: Coefficients::default(),
            split: Split::default(),
            sibilants,
            at: 0,
        }
    }
}

impl Node for DeEsser {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz;
        self.log_hz.prepare(self.rate);
        self.sibilants.prepare(self.rate);
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let Some(value) = INFO.accept(param, value) else { return };
        match param {
            0 => self.log_hz.set(f64::from(value).ln()),
            1 => self.sibilants.threshold_db.set(f64::from(value)),
            2 => self.sibilants.slope.set(slope(value)),
            3 => self.sibilants.range_db.set(f64::from(value)),
            4 => self.sibilants.set_attack(value),
            _ => self.sibilants.set_release(value),
        }
    }

    fn process(&mut self, mut block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        while !block.is_empty() {
            let mut most = CHUNK - self.at;
            if !self.log_hz.is_settled() {
                self.log_hz.next();
                self.update();
                most = 1;
            }
            let (piece, rest) = block.split_at_mut(block.len().min(most));
            self.soften(piece);
            self.at += piece.len();
            if self.at == CHUNK {
                self.at = 0;
                self.split.flush();
            }
            block = rest;
        }
    }

    fn reset(&mut self) {
        self.log_hz.snap();
        self.update();
        self.split = Split::default();
        self.sibilants.reset();
        self.at = 0;
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: -self.sibilants.reduction_db() })
    }
}

impl DeEsser {
    fn update(&mut self) {
        self.coefficients = Coefficients::new(self.log_hz.value().exp(), self.rate);
    }

    /// Processes at most [`CHUNK`] frames.
    fn soften(&mut self, frames: &mut [Stereo]) {
        let [mut high, mut low] = [[[0.0; 2]; CHUNK]; 2];
        for (high, frame) in high.iter_mut().zip(frames.iter()) {
            *high = clean_frame(*frame).map(f64::from);
        }
        let (high, low) = (&mut high[..frames.len()], &mut low[..frames.len()]);
        self.split.run(&self.coefficients, high, low);
        let gains = self.sibilants.gains(high);
        for (((frame, high), low), gain) in frames.iter_mut().zip(high).zip(low).zip(&gains) {
            *frame = clean_frame([0, 1].map(|side| (low[side] + f64::from(*gain) * high[side]) as f32));
        }
    }
}
