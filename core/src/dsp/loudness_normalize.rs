//! `loudness_normalize`: brings the programme, whatever it is, to a target loudness, slowly.
//!
//! Ten times a second the gated loudness of the last seconds of programme decides the gain wanted, and the gain
//! there is goes part of the way, with the length of the window as time constant. At the start the window is
//! short, so the first item comes to its level within a second or two. A pause is no programme: it neither
//! enters the window nor moves the gain, so nothing is pulled up in it. True peaks are held by the
//! [limiter](super::limiter)'s own wall.

use std::iter::repeat_n;

use super::decibel::db_to_gain;
use super::glide::Glide;
use super::limiter::Wall;
use super::loudness::{KWeighting, gated_lufs, power_to_lufs};
use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, clean_frame, one_pole};
use crate::Stereo;

const INFO: NodeInfo = NodeInfo {
    name: "loudness_normalize",
    aliases: &[
        "loudness",
        "normalize",
        "normalise",
        "normalizer",
        "loudness_normalise",
        "loudness_normalizer",
    ],
    summary: "Brings the programme to a target loudness (ITU-R BS.1770), slowly, and holds its true peaks.",
    params: &[
        ParamInfo::number(
            "target_lufs",
            &["target"],
            "LUFS",
            (-40.0, -6.0),
            -16.0,
            "Loudness that it aims for.",
        ),
        ParamInfo::number(
            "true_peak_limit_dbtp",
            &["true_peak_limit", "true_peak_dbtp"],
            "dBTP",
            (-20.0, 0.0),
            -1.0,
            "Ceiling that no true peak exceeds.",
        ),
        ParamInfo::number(
            "integrated_window_sec",
            &["integrated_window_s", "window_sec", "window_s"],
            "s",
            (0.4, LONGEST_WINDOW_SEC),
            3.0,
            "Length of programme that is measured, and time constant of the gain.",
        ),
        ParamInfo::number("max_gain_db", &["max_gain"], "dB", (0.0, 30.0), 12.0, "The most it turns up."),
        ParamInfo::number(
            "gate_lufs",
            &["gate"],
            "LUFS",
            (-70.0, -30.0),
            -50.0,
            "Loudness below which it waits.",
        ),
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(LoudnessNormalize::default()) };

const LONGEST_WINDOW_SEC: f32 = 60.0;
/// Decisions per second; blocks of the standard overlap so.
const DECISIONS_HZ: u32 = 10;
/// The most it turns down.
const MAX_REDUCTION_DB: f64 = 40.0;

/// The `loudness_normalize` node.
pub struct LoudnessNormalize {
    target_lufs: f64,
    window_sec: f64,
    max_gain_db: f64,
    gate_lufs: f64,
    weighting: KWeighting,
    /// Weighted energy since the last decision, and power of the last four tenths of a second.
    energy: f64,
    tenths: [f64; 4],
    /// Powers of the last blocks of programme, a ring.
    blocks: Vec<f64>,
    next: usize,
    heard: usize,
    gain_db: f64,
    glide: Glide,
    wall: Wall,
}

impl Default for LoudnessNormalize {
    fn default() -> Self {
        Self {
            target_lufs: -16.0,
            window_sec: 3.0,
            max_gain_db: 12.0,
            gate_lufs: -50.0,
            weighting: KWeighting::new(48_000),
            energy: 0.0,
            tenths: [0.0; 4],
            blocks: Vec::new(),
            next: 0,
            heard: 0,
            gain_db: 0.0,
            glide: Glide::new(1),
            wall: Wall::default(),
        }
    }
}

impl Node for LoudnessNormalize {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.weighting = KWeighting::new(format.sample_rate_hz);
        self.blocks = repeat_n(0.0, LONGEST_WINDOW_SEC as usize * DECISIONS_HZ as usize).collect();
        self.glide = Glide::new((format.sample_rate_hz / DECISIONS_HZ) as usize);
        self.wall.prepare(format.sample_rate_hz);
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let Some(value) = INFO.accept(param, value) else { return };
        match param {
            0 => self.target_lufs = f64::from(value),
            1 => self.wall.set_ceiling_db(value),
            2 => self.window_sec = f64::from(value),
            3 => self.max_gain_db = f64::from(value),
            _ => self.gate_lufs = f64::from(value),
        }
    }

    fn is_single(&self) -> bool {
        true
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        let mut at = 0;
        while at < block.len() {
            let end = block.len().min(at + self.glide.remaining());
            let piece = &mut block[at..end];
            for frame in piece.iter_mut() {
                *frame = clean_frame(*frame);
                self.energy += self.weighting.power(*frame);
            }
            if self.glide.apply(piece) {
                self.decide();
            }
            at = end;
        }
        self.wall.process(block);
    }

    fn reset(&mut self) {
        self.weighting.reset();
        self.energy = 0.0;
        self.tenths = [0.0; 4];
        (self.next, self.heard, self.gain_db) = (0, 0, 0.0);
        self.glide.reset();
        self.wall.reset();
    }

    fn latency(&self) -> usize {
        self.wall.latency()
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: self.gain_db as f32 + self.wall.gain_db() })
    }
}

impl LoudnessNormalize {
    /// Takes the last tenth of a second into the window, and moves the gain.
    fn decide(&mut self) {
        let tenth = std::mem::take(&mut self.energy) / self.glide.period() as f64;
        self.tenths = [self.tenths[1], self.tenths[2], self.tenths[3], tenth];
        let block = self.tenths.iter().sum::<f64>() / 4.0;
        // A tenth that is itself silent ends the programme at once, not when it has filled the block.
        let is_programme = power_to_lufs(block.min(tenth * 4.0)) > self.gate_lufs && self.tenths[0] > 0.0;
        if is_programme && !self.blocks.is_empty() {
            self.blocks[self.next] = block;
            self.next = (self.next + 1) % self.blocks.len();
            self.heard = (self.heard + 1).min(self.blocks.len());
            let window = (self.window_sec * f64::from(DECISIONS_HZ)).round() as usize;
            let count = self.heard.min(window).max(1);
            let length = self.blocks.len();
            let recent = (1..=count).map(|back| self.blocks[(self.next + length - back) % length]);
            if let Some(lufs) = gated_lufs(recent) {
                let wanted = (self.target_lufs - lufs).clamp(-MAX_REDUCTION_DB, self.max_gain_db);
                let time_ms = (count as f64 * 100.0).max(400.0);
                self.gain_db += one_pole(time_ms, DECISIONS_HZ) * (wanted - self.gain_db);
            }
        }
        self.glide.decide(f64::from(db_to_gain(self.gain_db as f32)));
    }
}
