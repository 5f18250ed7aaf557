//! `high_pass` and `low_pass`: second-order Butterworth filters (12 dB per octave).

use super::cascade::Cascade;
use super::svf::Shape;
use super::{Format, Node, NodeEntry, NodeInfo, ParamId, ParamInfo};
use crate::Stereo;

const fn corner(default: f32) -> ParamInfo {
    ParamInfo::number(
        "frequency_hz",
        &["frequency", "cutoff_hz", "cutoff", "hz"],
        "Hz",
        (10.0, 22_000.0),
        default,
        "Corner frequency, where it takes 3 dB away.",
    )
}

const HIGH: NodeInfo = NodeInfo {
    name: "high_pass",
    aliases: &["highpass", "hpf", "low_cut", "lowcut"],
    summary: "Takes away what is below a frequency.",
    params: &[corner(30.0)],
};
const LOW: NodeInfo = NodeInfo {
    name: "low_pass",
    aliases: &["lowpass", "lpf", "high_cut", "highcut"],
    summary: "Takes away what is above a frequency.",
    params: &[corner(15_000.0)],
};

/// The line of `high_pass` in the table.
pub const HIGH_PASS: NodeEntry =
    NodeEntry { info: &HIGH, make: || Box::new(PassFilter::new(&HIGH, Shape::HighPass)) };
/// The line of `low_pass` in the table.
pub const LOW_PASS: NodeEntry =
    NodeEntry { info: &LOW, make: || Box::new(PassFilter::new(&LOW, Shape::LowPass)) };

/// Either node.
struct PassFilter {
    info: &'static NodeInfo,
    filter: Cascade<1>,
}

impl PassFilter {
    fn new(info: &'static NodeInfo, shape: Shape) -> Self {
        let butterworth = std::f32::consts::FRAC_1_SQRT_2;
        Self { info, filter: Cascade::new([(shape, [info.params[0].default, 0.0, butterworth])]) }
    }
}

impl Node for PassFilter {
    fn info(&self) -> &'static NodeInfo {
        self.info
    }

    fn prepare(&mut self, format: Format) {
        self.filter.prepare(format.sample_rate_hz);
    }

    fn set(&mut self, param: ParamId, value: f32) {
        if let Some(hz) = self.info.accept(param, value) {
            self.filter.set_hz(0, hz);
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        self.filter.process(block);
    }

    fn reset(&mut self) {
        self.filter.reset();
    }
}
