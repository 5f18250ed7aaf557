//! `agc`: automatic gain control, which rides the fader: quiet programme up, loud programme down, pauses left
//! alone.
//!
//! The level is the root mean square of the louder channel over about 200 ms, as AES17 reads it (a sine of
//! amplitude 1 is 0 dB). The gain wanted is what brings it to the target; the gain there is follows in dB, by
//! the attack time when it falls and by the release time when it rises. In a pause, when the last moment is
//! below the gate, both the level and the gain stay as they are, so that breath and room noise are not pulled
//! up.

use super::decibel::{db_to_gain, power_to_db};
use super::glide::Glide;
use super::smooth::Smoothed;
use super::{
    Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, ParamKind, clean_frame, one_pole,
};
use crate::Stereo;

const INFO: NodeInfo = NodeInfo {
    name: "agc",
    summary: "Rides the level slowly towards a target, and waits in pauses.",
    params: &[
        ParamInfo {
            name: "enabled",
            aliases: &["on"],
            kind: ParamKind::Switch,
            default: 1.0,
            help: "Off, it passes the programme unchanged.",
        },
        ParamInfo::number(
            "target_level_db",
            &["target_db", "target", "target_level"],
            "dB",
            (-40.0, 0.0),
            -14.0,
            "Level that it aims for.",
        ),
        ParamInfo::number("max_gain_db", &["max_gain"], "dB", (0.0, 40.0), 12.0, "The most it turns up."),
        ParamInfo::number(
            "max_reduction_db",
            &["max_reduction"],
            "dB",
            (0.0, 40.0),
            24.0,
            "The most it turns down.",
        ),
        ParamInfo::number(
            "attack_ms",
            &["attack"],
            "ms",
            (5.0, 10_000.0),
            200.0,
            "Time for 63 % of a fall in gain.",
        ),
        ParamInfo::number(
            "release_ms",
            &["release"],
            "ms",
            (5.0, 60_000.0),
            3000.0,
            "Time for 63 % of a rise in gain.",
        ),
        ParamInfo::number("gate_db", &["gate"], "dB", (-100.0, -20.0), -50.0, "Level below which it waits."),
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(Agc::default()) };

/// Decisions per second.
const DECISIONS_HZ: u32 = 1000;
/// Integration time of the level and of the gate.
const LEVEL_MS: f64 = 200.0;
const GATE_MS: f64 = 5.0;
/// What AES17 adds to the root mean square.
const AES17_DB: f32 = 3.0103;

/// The `agc` node.
pub struct Agc {
    enabled: Smoothed,
    target_db: f32,
    max_gain_db: f32,
    max_reduction_db: f32,
    attack_ms: f32,
    release_ms: f32,
    gate_db: f32,
    attack: f32,
    release: f32,
    glide: Glide,
    /// Energy of each channel since the last decision.
    energy: [f64; 2],
    /// Mean square over [`GATE_MS`] and [`LEVEL_MS`].
    moment: f64,
    level: f64,
    /// Decisions that the level is the mean of, while they are few.
    heard: u32,
    gain_db: f32,
}

impl Default for Agc {
    fn default() -> Self {
        Self {
            enabled: Smoothed::new(1.0),
            target_db: -14.0,
            max_gain_db: 12.0,
            max_reduction_db: 24.0,
            attack_ms: 200.0,
            release_ms: 3000.0,
            gate_db: -50.0,
            attack: one_pole(200.0, DECISIONS_HZ) as f32,
            release: one_pole(3000.0, DECISIONS_HZ) as f32,
            glide: Glide::new(1),
            energy: [0.0; 2],
            moment: 0.0,
            level: 0.0,
            heard: 0,
            gain_db: 0.0,
        }
    }
}

impl Node for Agc {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.enabled.prepare(format.sample_rate_hz);
        self.glide = Glide::new((format.sample_rate_hz / DECISIONS_HZ) as usize);
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let Some(value) = INFO.accept(param, value) else { return };
        match param {
            0 => self.enabled.set(f64::from(value)),
            1 => self.target_db = value,
            2 => self.max_gain_db = value,
            3 => self.max_reduction_db = value,
            4 => self.attack_ms = value,
            5 => self.release_ms = value,
            _ => self.gate_db = value,
        }
        self.attack = one_pole(f64::from(self.attack_ms), DECISIONS_HZ) as f32;
        self.release = one_pole(f64::from(self.release_ms), DECISIONS_HZ) as f32;
    }

    fn process(&mut self, mut block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        while !block.is_empty() {
            let (piece, rest) = block.split_at_mut(block.len().min(self.glide.remaining()));
            for frame in piece.iter_mut() {
                *frame = clean_frame(*frame);
                for (energy, sample) in self.energy.iter_mut().zip(*frame) {
                    *energy += f64::from(sample) * f64::from(sample);
                }
            }
            let enabled = &mut self.enabled;
            // Off, the gain is exactly 1.
            if self.glide.apply(piece, |gain| 1.0 + enabled.next() * (gain - 1.0)) {
                self.decide();
            }
            block = rest;
        }
    }

    fn reset(&mut self) {
        self.enabled.snap();
        self.glide.reset();
        self.energy = [0.0; 2];
        (self.moment, self.level, self.heard, self.gain_db) = (0.0, 0.0, 0, 0.0);
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: if self.enabled.value() > 0.5 { self.gain_db } else { 0.0 } })
    }
}

impl Agc {
    /// Takes the last period into the level, and moves the gain.
    fn decide(&mut self) {
        let [left, right] = std::mem::take(&mut self.energy);
        let power = left.max(right) / self.glide.period() as f64;
        self.moment += one_pole(GATE_MS, DECISIONS_HZ) * (power - self.moment);
        let db = |power: f64| power_to_db(power as f32) + AES17_DB;
        if db(self.moment) >= self.gate_db {
            // A plain mean at first, so that the start is not a rise from silence.
            self.heard = self.heard.saturating_add(1);
            self.level +=
                one_pole(LEVEL_MS, DECISIONS_HZ).max(1.0 / f64::from(self.heard)) * (power - self.level);
            let wanted = (self.target_db - db(self.level)).clamp(-self.max_reduction_db, self.max_gain_db);
            let share = if wanted < self.gain_db { self.attack } else { self.release };
            self.gain_db += share * (wanted - self.gain_db);
        } else if self.moment < f64::from(super::FAINTEST) {
            self.moment = 0.0;
        }
        self.glide.decide(f64::from(db_to_gain(self.gain_db)));
    }
}
