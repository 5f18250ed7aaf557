//! `gain`: a level change; at 0 dB every sample passes unchanged.

use super::smooth::Smoothed;
use super::{Format, Node, NodeEntry, NodeInfo, ParamId, ParamInfo, clean_frame};
use crate::Stereo;
use crate::units::{db_to_gain, gain_to_db};

/// Least gain that can be set; it silences.
const SILENT_DB: f32 = -100.0;

const INFO: NodeInfo = NodeInfo {
    name: "gain",
    aliases: &["volume", "trim", "amplify"],
    summary: "Makes the programme louder or quieter.",
    params: &[ParamInfo::number(
        "gain_db",
        &["gain"],
        "dB",
        (SILENT_DB, 24.0),
        0.0,
        "Change of level; -100 dB is silence.",
    )],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(Gain::default()) };

/// The `gain` node.
pub struct Gain {
    gain: Smoothed,
}

impl Default for Gain {
    fn default() -> Self {
        Self { gain: Smoothed::new(1.0) }
    }
}

impl Node for Gain {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.gain.prepare(format.sample_rate_hz);
    }

    fn set(&mut self, param: ParamId, value: f32) {
        if let Some(db) = INFO.accept(param, value) {
            self.gain.set(if db <= SILENT_DB { 0.0 } else { f64::from(db_to_gain(db)) });
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        if self.gain.is_settled() {
            let gain = self.gain.value() as f32;
            for frame in block {
                *frame = clean_frame(*frame).map(|sample| sample * gain);
            }
        } else {
            for frame in block {
                let gain = self.gain.next() as f32;
                *frame = clean_frame(*frame).map(|sample| sample * gain);
            }
        }
    }

    fn reset(&mut self) {
        self.gain.snap();
    }

    fn meant_gain_db(&self) -> f32 {
        gain_to_db(self.gain.value() as f32).max(SILENT_DB)
    }
}
