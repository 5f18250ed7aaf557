//! `silence_detector`: passes the programme unchanged and notices when there is none.
//!
//! The programme is quiet while the level of both channels, the root mean square over 20 ms without its
//! constant part as AES17 reads it (a sine of amplitude 1 is 0 dB), is below the threshold. A constant offset
//! is therefore silence, as it is for a listener. What to do about it is the engine's business, which reads
//! [`Node::status`].

use super::decibel::power_to_db;
use super::{
    Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, ParamKind, SilenceAction, clean_frame,
};
use crate::{Frames, Stereo};

const INFO: NodeInfo = NodeInfo {
    name: "silence_detector",
    aliases: &["silence", "silence_detect", "silence_sense", "dead_air"],
    summary: "Notices dead air.",
    params: &[
        ParamInfo::number(
            "threshold_db",
            &["threshold"],
            "dB",
            (-100.0, 0.0),
            -40.0,
            "Level below which it is quiet.",
        ),
        ParamInfo::number(
            "duration_sec",
            &["duration_s", "duration"],
            "s",
            (0.1, 3600.0),
            5.0,
            "How long it must be quiet to count as silence.",
        ),
        ParamInfo {
            name: "action",
            aliases: &[],
            kind: ParamKind::Choice(&["none", "failover_to_fallback", "event"]),
            default: 2.0,
            help: "What the station does about a silence.",
        },
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(SilenceDetector::default()) };

/// Measurements per second.
const LOOKS_HZ: u32 = 50;
/// What AES17 adds to the root mean square.
const AES17_DB: f32 = 3.0103;

/// The `silence_detector` node.
pub struct SilenceDetector {
    threshold_db: f32,
    duration_sec: f32,
    action: SilenceAction,
    rate: u32,
    period: usize,
    /// Of the frames since the last look: how many, and the sums of the samples and of their squares.
    count: usize,
    sum: [f64; 2],
    squares: [f64; 2],
    quiet_frames: Frames,
}

impl Default for SilenceDetector {
    fn default() -> Self {
        Self {
            threshold_db: -40.0,
            duration_sec: 5.0,
            action: SilenceAction::Event,
            rate: 48_000,
            period: 960,
            count: 0,
            sum: [0.0; 2],
            squares: [0.0; 2],
            quiet_frames: 0,
        }
    }
}

impl Node for SilenceDetector {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn is_clear(&self) -> bool {
        true
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz;
        self.period = (format.sample_rate_hz / LOOKS_HZ).max(1) as usize;
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        match (param, INFO.accept(param, value)) {
            (0, Some(db)) => self.threshold_db = db,
            (1, Some(seconds)) => self.duration_sec = seconds,
            (2, Some(choice)) => {
                self.action = match choice as usize {
                    0 => SilenceAction::None,
                    1 => SilenceAction::FailoverToFallback,
                    _ => SilenceAction::Event,
                }
            }
            _ => {}
        }
    }

    fn is_single(&self) -> bool {
        true
    }

    fn process(&mut self, mut block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        while !block.is_empty() {
            let (piece, rest) = block.split_at_mut(block.len().min(self.period - self.count));
            let (mut sum, mut squares) = (self.sum, self.squares);
            for frame in piece.iter_mut() {
                *frame = clean_frame(*frame);
                for (channel, sample) in frame.map(f64::from).into_iter().enumerate() {
                    sum[channel] += sample;
                    squares[channel] += sample * sample;
                }
            }
            (self.sum, self.squares) = (sum, squares);
            self.count += piece.len();
            if self.count == self.period {
                self.look();
            }
            block = rest;
        }
    }

    fn reset(&mut self) {
        (self.count, self.sum, self.squares, self.quiet_frames) = (0, [0.0; 2], [0.0; 2], 0);
    }

    fn status(&self) -> Option<NodeStatus> {
        let needed = f64::from(self.duration_sec) * f64::from(self.rate);
        Some(NodeStatus::Silence {
            silent: self.quiet_frames as f64 >= needed,
            quiet_frames: self.quiet_frames,
            action: self.action,
        })
    }
}

impl SilenceDetector {
    fn look(&mut self) {
        let frames = self.count as f64;
        let variance = |channel: usize| self.squares[channel] / frames - (self.sum[channel] / frames).powi(2);
        let level_db = power_to_db(variance(0).max(variance(1)).max(0.0) as f32) + AES17_DB;
        self.quiet_frames =
            if level_db < self.threshold_db { self.quiet_frames + self.count as Frames } else { 0 };
        (self.count, self.sum, self.squares) = (0, [0.0; 2], [0.0; 2]);
    }
}
