//! `agc`: automatic gain control, which rides the fader: quiet programme up, loud programme down, pauses left
//! alone.
//!
//! The level is the root mean square of the louder channel, as AES17 reads it (a sine of amplitude 1 is 0 dB), over
//! a window as long as the attack or half the release, at most 100 ms. The gain wanted is what brings it to the
//! target; the gain there is follows in dB. Attack and release are the times in which 63 % of a fall and of a rise
//! in gain is done after a step of the level from 10 dB on one side of the target to 10 dB on the other: what the
//! window takes of that is taken off. In a pause, when the last moment is below the gate, both the level and the gain
//! stay as they are, so that breath and room noise are not pulled up.

use super::decibel::{db_to_gain, power_to_db};
use super::glide::Glide;
use super::smooth::Smoothed;
use super::{
    Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, ParamKind, clean_frame, one_pole,
};
use crate::Stereo;

const INFO: NodeInfo = NodeInfo {
    name: "agc",
    aliases: &["automatic_gain_control", "leveler", "leveller"],
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
/// The longest window of the level, in decisions.
const LONGEST: usize = 100;
/// How late, in windows, a mean square that goes up by 20 dB along a straight line is in decibels; the rest of the
/// window when it goes down.
const RISE_LAG: f32 = 0.21;
/// A decision is carried out over the time up to the next, in ms.
const GLIDE_MS: f32 = 1.0;
/// Integration time of the gate.
const GATE_MS: f64 = 2.0;
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
    /// Mean square over [`GATE_MS`].
    moment: f64,
    window: Window,
    gain_db: f32,
}

impl Default for Agc {
    fn default() -> Self {
        let mut agc = Self {
            enabled: Smoothed::new(1.0),
            target_db: -14.0,
            max_gain_db: 12.0,
            max_reduction_db: 24.0,
            attack_ms: 200.0,
            release_ms: 3000.0,
            gate_db: -50.0,
            attack: 1.0,
            release: 1.0,
            glide: Glide::new(1),
            energy: [0.0; 2],
            moment: 0.0,
            window: Window { powers: [[0.0; 2]; LONGEST], length: 1, next: 0, heard: 0 },
            gain_db: 0.0,
        };
        agc.set_times();
        agc
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
        self.set_times();
    }

    fn process(&mut self, mut block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        while !block.is_empty() {
            let (piece, rest) = block.split_at_mut(block.len().min(self.glide.remaining()));
            let mut energy = self.energy;
            for frame in piece.iter_mut() {
                *frame = clean_frame(*frame);
                for (energy, sample) in energy.iter_mut().zip(frame.map(f64::from)) {
                    *energy += sample * sample;
                }
            }
            self.energy = energy;
            let enabled = &mut self.enabled;
            let is_due = if enabled.is_settled() && enabled.value() == 1.0 {
                self.glide.apply(piece)
            } else {
                // Off, the gain is exactly 1.
                self.glide.apply_shaped(piece, |gain| 1.0 + enabled.next() * (gain - 1.0))
            };
            if is_due {
                self.decide();
            }
            block = rest;
        }
    }

    fn reset(&mut self) {
        self.enabled.snap();
        self.glide.reset();
        self.energy = [0.0; 2];
        (self.moment, self.window.heard, self.gain_db) = (0.0, 0, 0.0);
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: if self.enabled.value() > 0.5 { self.gain_db } else { 0.0 } })
    }
}

impl Agc {
    fn set_times(&mut self) {
        let window_ms = self.attack_ms.min(self.release_ms / 2.0).floor().clamp(1.0, LONGEST as f32);
        self.window.length = window_ms as usize;
        let share = |time_ms: f32, lag: f32| {
            one_pole(f64::from(time_ms - lag * window_ms - GLIDE_MS).max(1.0), DECISIONS_HZ) as f32
        };
        (self.attack, self.release) =
            (share(self.attack_ms, RISE_LAG), share(self.release_ms, 1.0 - RISE_LAG));
    }

    /// Takes the last period into the level, and moves the gain.
    fn decide(&mut self) {
        let powers = std::mem::take(&mut self.energy).map(|energy| energy / self.glide.period() as f64);
        self.moment += one_pole(GATE_MS, DECISIONS_HZ) * (powers[0].max(powers[1]) - self.moment);
        let db = |power: f64| power_to_db(power as f32) + AES17_DB;
        if db(self.moment) >= self.gate_db {
            let [left, right] = self.window.push(powers);
            let level = db(left.max(right));
            let wanted = (self.target_db - level).clamp(-self.max_reduction_db, self.max_gain_db);
            let share = if wanted < self.gain_db { self.attack } else { self.release };
            self.gain_db += share * (wanted - self.gain_db);
        } else if self.moment < f64::from(super::FAINTEST) {
            self.moment = 0.0;
        }
        self.glide.decide(f64::from(db_to_gain(self.gain_db)));
    }
}

/// The mean of the last powers of each channel.
struct Window {
    /// A ring.
    powers: [[f64; 2]; LONGEST],
    /// How many of them count.
    length: usize,
    next: usize,
    /// How many there are; few at first, so that the start is not a rise from silence.
    heard: usize,
}

impl Window {
    /// The means with `powers` as the latest.
    fn push(&mut self, powers: [f64; 2]) -> [f64; 2] {
        self.powers[self.next] = powers;
        self.next = (self.next + 1) % LONGEST;
        self.heard = (self.heard + 1).min(LONGEST);
        let count = self.length.min(self.heard);
        let (newest, oldest) = self.powers.split_at(self.next);
        let back = newest.iter().rev().chain(oldest.iter().rev()).take(count);
        let sums = back.fold([0.0; 2], |sums, powers| [sums[0] + powers[0], sums[1] + powers[1]]);
        sums.map(|sum| sum / count as f64)
    }
}
