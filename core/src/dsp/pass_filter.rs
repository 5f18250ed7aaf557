//! `high_pass` and `low_pass`: second-order Butterworth filters (12 dB per octave).

use super::smooth::Smoothed;
use super::svf::{Coefficients, Shape, Svf};
use super::{Format, Node, NodeEntry, NodeInfo, ParamId, ParamInfo, clean_frame};
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

const HIGH: NodeInfo =
    NodeInfo { name: "high_pass", summary: "Takes away what is below a frequency.", params: &[corner(30.0)] };
const LOW: NodeInfo = NodeInfo {
    name: "low_pass",
    summary: "Takes away what is above a frequency.",
    params: &[corner(15_000.0)],
};

/// The line of `high_pass` in the table.
pub const HIGH_PASS: NodeEntry =
    NodeEntry { info: &HIGH, make: || Box::new(PassFilter::new(&HIGH, Shape::HighPass, 30.0)) };
/// The line of `low_pass` in the table.
pub const LOW_PASS: NodeEntry =
    NodeEntry { info: &LOW, make: || Box::new(PassFilter::new(&LOW, Shape::LowPass, 15_000.0)) };

/// Either node.
struct PassFilter {
    info: &'static NodeInfo,
    shape: Shape,
    /// Logarithm of the corner in Hz: moved so, it sounds even.
    log_hz: Smoothed,
    rate: u32,
    coefficients: Coefficients,
    state: Svf,
}

impl PassFilter {
    fn new(info: &'static NodeInfo, shape: Shape, hz: f64) -> Self {
        Self {
            info,
            shape,
            log_hz: Smoothed::new(hz.ln()),
            rate: 48_000,
            coefficients: Coefficients::default(),
            state: Svf::default(),
        }
    }

    fn update(&mut self) {
        let (hz, butterworth) = (self.log_hz.value().exp(), std::f64::consts::FRAC_1_SQRT_2);
        self.coefficients = Coefficients::new(self.shape, hz, butterworth, 0.0, self.rate);
    }
}

impl Node for PassFilter {
    fn info(&self) -> &'static NodeInfo {
        self.info
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz;
        self.log_hz.prepare(self.rate);
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        if let Some(hz) = self.info.accept(param, value) {
            self.log_hz.set(f64::from(hz).ln());
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        for frame in block {
            if !self.log_hz.is_settled() {
                self.log_hz.next();
                self.update();
            }
            *frame =
                self.state.next(clean_frame(*frame).map(f64::from), &self.coefficients).map(|s| s as f32);
        }
    }

    fn reset(&mut self) {
        self.log_hz.snap();
        self.state = Svf::default();
        self.update();
    }
}
