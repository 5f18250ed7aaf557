//! `low_shelf` and `high_shelf`: what is below, or above, a frequency made louder or quieter.

use super::cascade::Cascade;
use super::svf::Shape;
use super::{Format, Node, NodeEntry, NodeInfo, ParamId, ParamInfo};
use crate::Stereo;

const fn params(hz: f32) -> [ParamInfo; 3] {
    [
        ParamInfo::number(
            "frequency_hz",
            &["frequency", "corner_hz", "hz"],
            "Hz",
            (20.0, 20_000.0),
            hz,
            "Corner frequency, where half of the dB are reached.",
        ),
        ParamInfo::number("gain_db", &["gain"], "dB", (-24.0, 24.0), 0.0, "Gain of the shelf."),
        ParamInfo::number(
            "q",
            &["quality"],
            "",
            (0.4, 2.0),
            std::f32::consts::FRAC_1_SQRT_2,
            "Steepness; above 0.707 it overshoots at the corner.",
        ),
    ]
}

const LOW: NodeInfo = NodeInfo {
    name: "low_shelf",
    aliases: &["lowshelf", "bass"],
    summary: "Makes what is below a frequency louder or quieter.",
    params: &params(100.0),
};
const HIGH: NodeInfo = NodeInfo {
    name: "high_shelf",
    aliases: &["highshelf", "treble"],
    summary: "Makes what is above a frequency louder or quieter.",
    params: &params(8_000.0),
};

/// The line of `low_shelf` in the table.
pub const LOW_SHELF: NodeEntry =
    NodeEntry { info: &LOW, make: || Box::new(ShelfFilter::new(&LOW, Shape::LowShelf)) };
/// The line of `high_shelf` in the table.
pub const HIGH_SHELF: NodeEntry =
    NodeEntry { info: &HIGH, make: || Box::new(ShelfFilter::new(&HIGH, Shape::HighShelf)) };

/// Either node. At 0 dB it changes no bit.
struct ShelfFilter {
    info: &'static NodeInfo,
    filter: Cascade<1>,
}

impl ShelfFilter {
    fn new(info: &'static NodeInfo, shape: Shape) -> Self {
        let settings = [0, 1, 2].map(|param| info.params[param].default);
        Self { info, filter: Cascade::new([(shape, settings)]) }
    }
}

impl Node for ShelfFilter {
    fn info(&self) -> &'static NodeInfo {
        self.info
    }

    fn prepare(&mut self, format: Format) {
        self.filter.prepare(format.sample_rate_hz);
    }

    fn set(&mut self, param: ParamId, value: f32) {
        match (param, self.info.accept(param, value)) {
            (0, Some(hz)) => self.filter.set_hz(0, hz),
            (1, Some(gain_db)) => self.filter.set_gain_db(0, gain_db),
            (2, Some(q)) => self.filter.set_q(0, q),
            _ => {}
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        self.filter.process(block);
    }

    fn reset(&mut self) {
        self.filter.reset();
    }
}
