//! `gate` and `expander`: make what is quieter than a threshold quieter still.
//!
//! The static curve is the downward expander of Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor
//! Design" (J. Audio Eng. Soc. 60, 2012), as deep as its range: with a high ratio it is a gate. It opens at the
//! threshold, and closes once the level has been lower than that by the hysteresis for as long as the hold; while
//! it is open it changes nothing. The level is that of the envelope, as in the
//! [compressor](super::compressor), and the louder channel decides for both.
//!
//! The reduction, in dB, goes through two one-pole stages in a row, so that a gate that opens or closes at once
//! makes no corner in the programme. Attack (opening) and release (closing) are the times in which 63 % of a
//! change in dB is done.

use super::decibel::{db_to_gain, power_to_db};
use super::envelope::{CHUNK, Envelope};
use super::sidechain::{self, SIDECHAIN, SideChain};
use super::smooth::Smoothed;
use super::trigger::{Swing, Trigger};
use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, clean_frame};
use crate::Stereo;

const fn params(ratio: f32, range_db: f32, hold_ms: f32) -> [ParamInfo; 8] {
    [
        ParamInfo::number(
            "threshold_db",
            &["threshold", "open_db"],
            "dB",
            (-100.0, 0.0),
            -50.0,
            "Level at which it opens.",
        ),
        ParamInfo::number(
            "ratio",
            &[],
            ":1",
            (1.0, 100.0),
            ratio,
            "Change of level coming out for 1 dB going in, below the threshold.",
        ),
        ParamInfo::number(
            "range_db",
            &["range", "depth_db", "depth"],
            "dB",
            (0.0, 100.0),
            range_db,
            "The most that it reduces by.",
        ),
        ParamInfo::number("attack_ms", &["attack"], "ms", (0.1, 500.0), 1.0, "Time for 63 % of the opening."),
        ParamInfo::number(
            "hold_ms",
            &["hold"],
            "ms",
            (0.0, 5_000.0),
            hold_ms,
            "How long it stays open after the level has fallen.",
        ),
        ParamInfo::number(
            "release_ms",
            &["release"],
            "ms",
            (1.0, 5_000.0),
            150.0,
            "Time for 63 % of the closing.",
        ),
        ParamInfo::number(
            "hysteresis_db",
            &["hysteresis"],
            "dB",
            (0.0, 24.0),
            4.0,
            "How far below the threshold the level falls before it closes.",
        ),
        SIDECHAIN,
    ]
}

const GATE_INFO: NodeInfo = NodeInfo {
    name: "gate",
    aliases: &["noise_gate"],
    summary: "Closes on what is below a threshold, such as the noise of a room in pauses.",
    params: &params(10.0, 40.0, 50.0),
};
const EXPANDER_INFO: NodeInfo = NodeInfo {
    name: "expander",
    aliases: &["downward_expander"],
    summary: "The gate with gentle defaults: what is below a threshold fades by a ratio.",
    params: &params(2.0, 20.0, 20.0),
};

/// The line of `gate` in the table.
pub const GATE: NodeEntry = NodeEntry { info: &GATE_INFO, make: || Box::new(Gate::new(&GATE_INFO)) };
/// The line of `expander` in the table.
pub const EXPANDER: NodeEntry =
    NodeEntry { info: &EXPANDER_INFO, make: || Box::new(Gate::new(&EXPANDER_INFO)) };

/// Either node. A side chain, where there is one, is listened to instead of the programme.
struct Gate {
    info: &'static NodeInfo,
    threshold: Smoothed,
    /// `ratio - 1`: dB of reduction per dB below the threshold.
    slope: Smoothed,
    range: Smoothed,
    hysteresis: Smoothed,
    attack_ms: f32,
    hold_ms: f32,
    release_ms: f32,
    rate: u32,
    /// Shares of the way that a stage goes per frame.
    attack: Smoothed,
    release: Smoothed,
    sidechain: Option<SideChain>,
    envelope: Envelope,
    trigger: Trigger,
    reduction: Swing,
}

impl Gate {
    fn new(info: &'static NodeInfo) -> Self {
        let default = |param: usize| info.params[param].default;
        let smoothed = |value: f32| Smoothed::new(f64::from(value));
        Self {
            info,
            threshold: smoothed(default(0)),
            slope: smoothed(default(1) - 1.0),
            range: smoothed(default(2)),
            hysteresis: smoothed(default(6)),
            attack_ms: default(3),
            hold_ms: default(4),
            release_ms: default(5),
            rate: 48_000,
            attack: Smoothed::new(1.0),
            release: Smoothed::new(1.0),
            sidechain: None,
            envelope: Envelope::default(),
            trigger: Trigger::default(),
            reduction: Swing::default(),
        }
    }
}

impl Node for Gate {
    fn info(&self) -> &'static NodeInfo {
        self.info
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz;
        self.set_times();
        self.smoothed().into_iter().for_each(|smoothed| smoothed.prepare(format.sample_rate_hz));
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let Some(value) = self.info.accept(param, value) else { return };
        match param {
            0 => self.threshold.set(f64::from(value)),
            1 => self.slope.set(f64::from(value) - 1.0),
            2 => self.range.set(f64::from(value)),
            3 => self.attack_ms = value,
            4 => self.hold_ms = value,
            5 => self.release_ms = value,
            6 => self.hysteresis.set(f64::from(value)),
            _ => self.sidechain = sidechain::of_value(value),
        }
        self.set_times();
    }

    fn sidechain(&self) -> Option<SideChain> {
        self.sidechain
    }

    fn process(&mut self, block: &mut [Stereo], sidechain: Option<&[Stereo]>) {
        for (n, chunk) in block.chunks_mut(CHUNK).enumerate() {
            let count = chunk.len();
            chunk.iter_mut().for_each(|frame| *frame = clean_frame(*frame));
            let key = sidechain::heard(sidechain, n, count);
            let mut powers = [0.0; CHUNK];
            self.envelope.measure(key.as_ref().map_or(&*chunk, |key| &key[..count]), &mut powers);
            for (frame, power) in chunk.iter_mut().zip(powers) {
                let reduction = self.next(power);
                if reduction > 0.0 {
                    let gain = db_to_gain(-reduction);
                    *frame = clean_frame(frame.map(|sample| sample * gain));
                }
            }
        }
    }

    fn reset(&mut self) {
        self.smoothed().into_iter().for_each(Smoothed::snap);
        self.set_levels();
        self.envelope.reset();
        self.trigger.close();
        self.reduction.snap(self.wanted_db(0.0));
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: -self.reduction.value() })
    }
}

impl Gate {
    /// The reduction in dB of the next frame, whose level is `power`.
    #[inline]
    fn next(&mut self, power: f32) -> f32 {
        if !self.smoothed().iter().all(|smoothed| smoothed.is_settled()) {
            self.smoothed().into_iter().for_each(|smoothed| _ = smoothed.next());
            self.set_levels();
        }
        let wanted = if self.trigger.next(power) { 0.0 } else { self.wanted_db(power) };
        self.reduction.next(wanted, self.release.value() as f32, self.attack.value() as f32)
    }

    /// The reduction of a level given as a power, while it is closed.
    fn wanted_db(&self, power: f32) -> f32 {
        let below = self.threshold.value() as f32 - power_to_db(power);
        (self.slope.value() as f32 * below).clamp(0.0, self.range.value() as f32)
    }

    fn set_levels(&mut self) {
        self.trigger.set_levels(self.threshold.value(), self.hysteresis.value());
    }

    fn set_times(&mut self) {
        self.attack.set(Swing::share(self.attack_ms, self.rate));
        self.release.set(Swing::share(self.release_ms, self.rate));
        self.trigger.set_hold(self.hold_ms, self.rate);
    }

    fn smoothed(&mut self) -> [&mut Smoothed; 6] {
        let Self { threshold, slope, range, hysteresis, attack, release, .. } = self;
        [threshold, slope, range, hysteresis, attack, release]
    }
}
