//! `equalizer`: a low shelf, three parametric bells and a high shelf; a band at 0 dB changes no bit.

use super::smooth::Smoothed;
use super::svf::{Coefficients, Shape, Svf};
use super::{Format, Node, NodeEntry, NodeInfo, ParamId, ParamInfo, clean_frame};
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
    bands: [Band; 5],
    rate: u32,
}

struct Band {
    shape: Shape,
    log_hz: Smoothed,
    gain_db: Smoothed,
    log_q: Smoothed,
    coefficients: Coefficients,
    state: Svf,
}

impl Band {
    fn settings(&mut self) -> [&mut Smoothed; 3] {
        [&mut self.log_hz, &mut self.gain_db, &mut self.log_q]
    }

    fn update(&mut self, rate: u32) {
        let (hz, q) = (self.log_hz.value().exp(), self.log_q.value().exp());
        self.coefficients = Coefficients::new(self.shape, hz, q, self.gain_db.value(), rate);
    }
}

impl Default for Equalizer {
    fn default() -> Self {
        let bands = std::array::from_fn(|n| {
            let default = |param: usize| f64::from(INFO.params[3 * n + param].default);
            Band {
                shape: SHAPES[n],
                log_hz: Smoothed::new(default(0).ln()),
                gain_db: Smoothed::new(default(1)),
                log_q: Smoothed::new(default(2).ln()),
                coefficients: Coefficients::default(),
                state: Svf::default(),
            }
        });
        Self { bands, rate: 48_000 }
    }
}

impl Node for Equalizer {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz;
        for setting in self.bands.iter_mut().flat_map(Band::settings) {
            setting.prepare(format.sample_rate_hz);
        }
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let (Some(value), Some(band)) = (INFO.accept(param, value), self.bands.get_mut(param / 3)) else {
            return;
        };
        let value = f64::from(value);
        match param % 3 {
            0 => band.log_hz.set(value.ln()),
            1 => band.gain_db.set(value),
            _ => band.log_q.set(value.ln()),
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        for frame in block.iter_mut() {
            *frame = clean_frame(*frame);
        }
        for band in &mut self.bands {
            for frame in block.iter_mut() {
                if !band.settings().iter().all(|setting| setting.is_settled()) {
                    band.settings().into_iter().for_each(|setting| {
                        setting.next();
                    });
                    band.update(self.rate);
                }
                *frame = band.state.next(frame.map(f64::from), &band.coefficients).map(|s| s as f32);
            }
        }
    }

    fn reset(&mut self) {
        for band in &mut self.bands {
            band.settings().into_iter().for_each(Smoothed::snap);
            band.state = Svf::default();
            band.update(self.rate);
        }
    }
}
