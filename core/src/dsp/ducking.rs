//! `ducking`: turns the programme down while somebody speaks over it.
//!
//! Its side chain is a tier. With this node in the chain that tier no longer takes the air from those below it: they
//! play on, and it is heard over them, added to the programme behind the node. While its level is above the threshold,
//! and for the hold after it, the programme is turned down; a speaker's pauses are shorter than the hold, so that the
//! music does not come up between words.
//!
//! The level is that of the envelope, as in the [compressor](super::compressor), and the louder channel decides. The
//! reduction goes to its depth and back as a [gate](super::gate)'s does: attack (going down) and release (coming back)
//! are the times in which 63 % of the way in dB is done.

use super::decibel::db_to_gain;
use super::envelope::{CHUNK, Envelope};
use super::sidechain::{self, SideChain};
use super::smooth::Smoothed;
use super::trigger::{Swing, Trigger};
use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, ParamKind, clean_frame};
use crate::Stereo;
use crate::tier::Tier;

/// The tiers that may speak over others. An emergency never does: it is heard alone.
const SPEAKERS: [&str; 2] = ["live_override", "live_scheduled"];

const INFO: NodeInfo = NodeInfo {
    name: "ducking",
    aliases: &["ducker", "duck", "sidechain_ducking"],
    summary: "Turns the programme down while a live tier speaks over it, and adds that tier.",
    params: &[
        ParamInfo {
            name: "sidechain",
            aliases: &["side_chain", "key"],
            kind: ParamKind::Choice(&SPEAKERS),
            default: 0.0,
            help: "Tier that is heard over the programme and turns it down.",
        },
        ParamInfo::number(
            "threshold_db",
            &["threshold"],
            "dB",
            (-80.0, 0.0),
            -40.0,
            "Level of the side chain from which it counts as speaking.",
        ),
        ParamInfo::number(
            "reduction_db",
            &["reduction"],
            "dB",
            (-60.0, 0.0),
            -12.0,
            "Gain of the programme meanwhile.",
        ),
        ParamInfo::number(
            "attack_ms",
            &["attack"],
            "ms",
            (1.0, 2_000.0),
            50.0,
            "Time for 63 % of the way down.",
        ),
        ParamInfo::number(
            "hold_ms",
            &["hold"],
            "ms",
            (0.0, 10_000.0),
            500.0,
            "How long it stays down after the last sound.",
        ),
        ParamInfo::number(
            "release_ms",
            &["release"],
            "ms",
            (1.0, 10_000.0),
            600.0,
            "Time for 63 % of the way back.",
        ),
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(Ducking::new()) };

/// How far below the threshold a speaker's level falls before the hold begins, in dB.
const HYSTERESIS_DB: f64 = 6.0;

/// The `ducking` node.
struct Ducking {
    tier: Tier,
    threshold: Smoothed,
    /// The reduction while somebody speaks, positive, in dB.
    depth: Smoothed,
    attack_ms: f32,
    hold_ms: f32,
    release_ms: f32,
    rate: u32,
    attack: Smoothed,
    release: Smoothed,
    envelope: Envelope,
    trigger: Trigger,
    reduction: Swing,
}

impl Ducking {
    fn new() -> Self {
        let default = |param: usize| INFO.params[param].default;
        Self {
            tier: Tier::LiveOverride,
            threshold: Smoothed::new(f64::from(default(1))),
            depth: Smoothed::new(f64::from(-default(2))),
            attack_ms: default(3),
            hold_ms: default(4),
            release_ms: default(5),
            rate: 48_000,
            attack: Smoothed::new(1.0),
            release: Smoothed::new(1.0),
            envelope: Envelope::default(),
            trigger: Trigger::default(),
            reduction: Swing::default(),
        }
    }

    /// The gain of the next frame, in which the level of the side chain is `power`.
    #[inline]
    fn next(&mut self, power: f32) -> f32 {
        if !self.smoothed().iter().all(|smoothed| smoothed.is_settled()) {
            self.smoothed().into_iter().for_each(|smoothed| _ = smoothed.next());
            self.trigger.set_levels(self.threshold.value(), HYSTERESIS_DB);
        }
        let wanted = if self.trigger.next(power) { self.depth.value() as f32 } else { 0.0 };
        let (attack, release) = (self.attack.value() as f32, self.release.value() as f32);
        let reduction = self.reduction.next(wanted, attack, release);
        if reduction > 0.0 { db_to_gain(-reduction) } else { 1.0 }
    }

    fn set_times(&mut self) {
        self.attack.set(Swing::share(self.attack_ms, self.rate));
        self.release.set(Swing::share(self.release_ms, self.rate));
        self.trigger.set_hold(self.hold_ms, self.rate);
    }

    fn smoothed(&mut self) -> [&mut Smoothed; 4] {
        let Self { threshold, depth, attack, release, .. } = self;
        [threshold, depth, attack, release]
    }
}

impl Node for Ducking {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz;
        self.set_times();
        self.smoothed().into_iter().for_each(|smoothed| smoothed.prepare(format.sample_rate_hz));
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let Some(value) = INFO.accept(param, value) else { return };
        match param {
            0 => self.tier = if value == 0.0 { Tier::LiveOverride } else { Tier::LiveScheduled },
            1 => self.threshold.set(f64::from(value)),
            2 => self.depth.set(f64::from(-value)),
            3 => self.attack_ms = value,
            4 => self.hold_ms = value,
            _ => self.release_ms = value,
        }
        self.set_times();
    }

    fn sidechain(&self) -> Option<SideChain> {
        Some(SideChain { tier: self.tier, over: true })
    }

    fn process(&mut self, block: &mut [Stereo], sidechain: Option<&[Stereo]>) {
        for (n, chunk) in block.chunks_mut(CHUNK).enumerate() {
            let count = chunk.len();
            let heard = sidechain::heard(sidechain, n, count).unwrap_or([[0.0; 2]; CHUNK]);
            let mut powers = [0.0; CHUNK];
            self.envelope.measure(&heard[..count], &mut powers);
            for (frame, power) in chunk.iter_mut().zip(powers) {
                let gain = self.next(power);
                *frame = clean_frame(clean_frame(*frame).map(|sample| sample * gain));
            }
        }
    }

    fn reset(&mut self) {
        self.smoothed().into_iter().for_each(Smoothed::snap);
        self.trigger.set_levels(self.threshold.value(), HYSTERESIS_DB);
        self.trigger.close();
        self.envelope.reset();
        self.reduction.snap(0.0);
    }

    fn meant_gain_db(&self) -> f32 {
        -self.reduction.value()
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: -self.reduction.value() })
    }
}
