//! `fault`: a node that panics, for the tests of what stands around the chain. In builds with the feature `fault-injection`
//! only, which nothing but tests asks for; and no part of the table.

use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, ParamKind};
use crate::Stereo;

const INFO: NodeInfo = NodeInfo {
    name: "fault",
    aliases: &[],
    summary: "Panics.",
    params: &[
        ParamInfo::number("after_s", &[], "s", (0.0, 3600.0), 0.0, "How long it runs before."),
        ParamInfo {
            name: "in",
            aliases: &[],
            kind: ParamKind::Choice(&["process", "status"]),
            default: 0.0,
            help: "In its own work, or where no border is but that of the engine.",
        },
    ],
};

/// The node.
pub(super) const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(Fault::default()) };

#[derive(Default)]
struct Fault {
    after_s: f32,
    in_status: bool,
    left: usize,
}

impl Node for Fault {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.left = (self.after_s * format.sample_rate_hz as f32) as usize;
    }

    fn set(&mut self, param: ParamId, value: f32) {
        match param {
            0 => self.after_s = value,
            _ => self.in_status = value > 0.0,
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        assert!(self.in_status || self.left > 0, "a node that was asked to panic");
        self.left = self.left.saturating_sub(block.len());
    }

    fn reset(&mut self) {}

    fn status(&self) -> Option<NodeStatus> {
        assert!(!self.in_status || self.left > 0, "a node that was asked to panic where it is not watched");
        None
    }
}
