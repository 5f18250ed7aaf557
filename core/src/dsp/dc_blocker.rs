//! `dc_blocker`: takes away a constant offset, by a first-order high-pass far below what is heard (trapezoidal
//! integrator, V. Zavalishin, "The Art of VA Filter Design", section 3).

use super::smooth::Smoothed;
use super::{FAINTEST, Format, Node, NodeEntry, NodeInfo, ParamId, ParamInfo, clean_frame};
use crate::Stereo;

const INFO: NodeInfo = NodeInfo {
    name: "dc_blocker",
    aliases: &["dc_block", "dc_filter", "dc_remove"],
    summary: "Takes away a constant offset.",
    params: &[ParamInfo::number(
        "frequency_hz",
        &["frequency", "cutoff_hz", "cutoff", "hz"],
        "Hz",
        (2.0, 40.0),
        5.0,
        "Corner frequency, where it takes 3 dB away.",
    )],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(DcBlocker::default()) };

/// The `dc_blocker` node.
pub struct DcBlocker {
    hz: Smoothed,
    rate: u32,
    offset: [f64; 2],
}

impl Default for DcBlocker {
    fn default() -> Self {
        Self { hz: Smoothed::new(5.0), rate: 48_000, offset: [0.0; 2] }
    }
}

impl Node for DcBlocker {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz;
        self.hz.prepare(self.rate);
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        if let Some(hz) = INFO.accept(param, value) {
            self.hz.set(f64::from(hz));
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        for frame in block {
            // So far below the sample rate the tangent is its argument.
            let g = std::f64::consts::PI * self.hz.next() / f64::from(self.rate);
            *frame = clean_frame(*frame);
            for (sample, offset) in frame.iter_mut().zip(&mut self.offset) {
                let step = (f64::from(*sample) - *offset) * (g / (1.0 + g));
                let low = *offset + step;
                *sample = (f64::from(*sample) - low) as f32;
                *offset = if low.abs() < f64::from(FAINTEST) { 0.0 } else { low + step };
            }
        }
    }

    fn reset(&mut self) {
        self.hz.snap();
        self.offset = [0.0; 2];
    }
}
