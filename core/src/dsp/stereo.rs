//! `stereo`: width, balance and mono.

use super::smooth::Smoothed;
use super::{Format, Node, NodeEntry, NodeInfo, ParamId, ParamInfo, ParamKind, clean_frame};
use crate::Stereo;

const INFO: NodeInfo = NodeInfo {
    name: "stereo",
    aliases: &["stereo_width", "stereo_image", "width"],
    summary: "Width and balance of the stereo image, or mono.",
    params: &[
        ParamInfo::number(
            "width",
            &[],
            "",
            (0.0, 2.0),
            1.0,
            "Level of the side signal: 0 is mono, 1 as it is.",
        ),
        ParamInfo::number(
            "balance",
            &[],
            "",
            (-1.0, 1.0),
            0.0,
            "Below 0 the right channel is softer, above 0 the left.",
        ),
        ParamInfo {
            name: "mono",
            aliases: &[],
            kind: ParamKind::Switch,
            default: 0.0,
            help: "Both channels carry the mean of both.",
        },
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(StereoImage::default()) };

/// The `stereo` node.
pub struct StereoImage {
    width: Smoothed,
    /// Gain of each channel.
    gains: [Smoothed; 2],
    mono: Smoothed,
}

impl Default for StereoImage {
    fn default() -> Self {
        Self {
            width: Smoothed::new(1.0),
            gains: [Smoothed::new(1.0), Smoothed::new(1.0)],
            mono: Smoothed::new(0.0),
        }
    }
}

impl Node for StereoImage {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.smoothed().into_iter().for_each(|smoothed| smoothed.prepare(format.sample_rate_hz));
    }

    fn set(&mut self, param: ParamId, value: f32) {
        match (param, INFO.accept(param, value).map(f64::from)) {
            (0, Some(width)) => self.width.set(width),
            (1, Some(balance)) => {
                self.gains[0].set((1.0 - balance).min(1.0));
                self.gains[1].set((1.0 + balance).min(1.0));
            }
            (2, Some(mono)) => self.mono.set(mono),
            _ => {}
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        for frame in block {
            let width = self.width.next() * (1.0 - self.mono.next());
            // As a matrix and not as middle and side: at a width of 1 no bit changes.
            let (own, other) = (((1.0 + width) / 2.0) as f32, ((1.0 - width) / 2.0) as f32);
            let gains = [self.gains[0].next() as f32, self.gains[1].next() as f32];
            let [left, right] = clean_frame(*frame);
            *frame = [gains[0] * (own * left + other * right), gains[1] * (own * right + other * left)];
        }
    }

    fn reset(&mut self) {
        self.smoothed().into_iter().for_each(Smoothed::snap);
    }
}

impl StereoImage {
    fn smoothed(&mut self) -> [&mut Smoothed; 4] {
        let [left, right] = &mut self.gains;
        [&mut self.width, left, right, &mut self.mono]
    }
}
