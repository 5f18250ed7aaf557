//! `equalizer`: a low shelf, three parametric bells and a high shelf; a band at 0 dB changes no bit.

use super::cascade::Cascade;
use super::svf::Shape;
use super::{Format, Node, NodeEntry, NodeInfo, ParamId, ParamInfo};
use crate::Stereo;

const fn hz(name: &'static str, default: f32) -> ParamInfo {
    ParamInfo::number(
        name,
        &[],
        "Hz",
        (20.0, 20_000.0),
        default,
        "Corner of the shelf, or middle of the bell.",
    )
}

const fn gain(name: &'static str, alias: &'static [&'static str]) -> ParamInfo {
    ParamInfo::number(name, alias, "dB", (-24.0, 24.0), 0.0, "Gain of the band.")
}

const fn q(name: &'static str) -> ParamInfo {
    ParamInfo::number(name, &[], "", (0.4, 10.0), 1.0, "Quality: the higher, the narrower the bell.")
}

/// Three parameters for each of [`SHAPES`]: frequency, gain and quality. Shelves have a quality too (0.7 has no
/// bump).
const INFO: NodeInfo = NodeInfo {
    name: "equalizer",
    aliases: &["eq", "equaliser", "parametric_eq", "parametric_equalizer", "parametric_equaliser"],
    summary: "Low shelf, three parametric bells and high shelf.",
    params: &[
        hz("low_hz", 100.0),
        gain("low_gain_db", &["low_db"]),
        ParamInfo::number("low_q", &[], "", (0.4, 2.0), BUTTERWORTH, "Steepness of the low shelf."),
        hz("band1_hz", 250.0),
        gain("band1_gain_db", &["band1_db"]),
        q("band1_q"),
        hz("band2_hz", 1_000.0),
        gain("band2_gain_db", &["band2_db"]),
        q("band2_q"),
        hz("band3_hz", 4_000.0),
        gain("band3_gain_db", &["band3_db"]),
        q("band3_q"),
        hz("high_hz", 8_000.0),
        gain("high_gain_db", &["high_db"]),
        ParamInfo::number("high_q", &[], "", (0.4, 2.0), BUTTERWORTH, "Steepness of the high shelf."),
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(Equalizer::default()) };

const BUTTERWORTH: f32 = std::f32::consts::FRAC_1_SQRT_2;
const SHAPES: [Shape; 5] = [Shape::LowShelf, Shape::Bell, Shape::Bell, Shape::Bell, Shape::HighShelf];

/// The `equalizer` node.
pub struct Equalizer {
    bands: Cascade<5>,
}

impl Default for Equalizer {
    fn default() -> Self {
        let default = |param: usize| INFO.params[param].default;
        let band = |n: usize| (SHAPES[n], [default(3 * n), default(3 * n + 1), default(3 * n + 2)]);
        Self { bands: Cascade::new(std::array::from_fn(band)) }
    }
}

impl Node for Equalizer {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.bands.prepare(format.sample_rate_hz);
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let Some(value) = INFO.accept(param, value) else { return };
        match param % 3 {
            0 => self.bands.set_hz(param / 3, value),
            1 => self.bands.set_gain_db(param / 3, value),
            _ => self.bands.set_q(param / 3, value),
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        self.bands.process(block);
    }

    fn reset(&mut self) {
        self.bands.reset();
    }
}
