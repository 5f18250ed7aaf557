//! `compressor`: makes loud passages quieter, by a ratio.
//!
//! Feed-forward and in decibels, after Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor
//! Design" (J. Audio Eng. Soc. 60, 2012): the static curve with its soft knee is their equation 4, the
//! ballistics are their smooth branching detector (equation 17) on the gain reduction, so the attack and
//! release times are those in which 63 % of a change in dB is done. The level is that of the envelope, the
//! louder channel decides for both, and a sine of amplitude 1 is 0 dB.

use super::decibel::{db_to_gain, power_to_db};
use super::envelope::{CHUNK, Envelope};
use super::sidechain::{self, SIDECHAIN, SideChain};
use super::smooth::Smoothed;
use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, clean_frame, one_pole};
use crate::Stereo;

const INFO: NodeInfo = NodeInfo {
    name: "compressor",
    aliases: &["comp", "compress"],
    summary: "Reduces what is above a threshold by a ratio, with a soft knee.",
    params: &[
        ParamInfo::number(
            "threshold_db",
            &["threshold"],
            "dB",
            (-60.0, 0.0),
            -20.0,
            "Level above which it reduces.",
        ),
        ParamInfo::number(
            "ratio",
            &[],
            ":1",
            (1.0, 100.0),
            3.0,
            "Change of level going in for 1 dB coming out.",
        ),
        ParamInfo::number(
            "knee_db",
            &["knee"],
            "dB",
            (0.0, 24.0),
            6.0,
            "Width of the bend around the threshold.",
        ),
        ParamInfo::number(
            "attack_ms",
            &["attack"],
            "ms",
            (0.1, 500.0),
            5.0,
            "Time for 63 % of a rise in reduction.",
        ),
        ParamInfo::number(
            "release_ms",
            &["release"],
            "ms",
            (1.0, 5000.0),
            50.0,
            "Time for 63 % of a fall in reduction.",
        ),
        ParamInfo::number(
            "makeup_gain_db",
            &["makeup_db", "makeup", "makeup_gain"],
            "dB",
            (-24.0, 24.0),
            0.0,
            "Gain after the reduction.",
        ),
        SIDECHAIN,
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(Compressor::default()) };

/// By so many dB the reduction aims too low: so it arrives at none.
const NEGLIGIBLE_DB: f64 = 1e-6;

/// The `compressor` node. A side chain, where there is one, is listened to instead of the programme.
pub struct Compressor {
    threshold: Smoothed,
    /// `1 - 1 / ratio`: dB of reduction per dB above the threshold.
    slope: Smoothed,
    knee: Smoothed,
    makeup: Smoothed,
    attack_ms: f32,
    release_ms: f32,
    rate: u32,
    /// Shares of the way to the wanted reduction that a frame goes.
    attack: Smoothed,
    release: Smoothed,
    sidechain: Option<SideChain>,
    envelope: Envelope,
    curve: Curve,
    reduction_db: f64,
}

impl Default for Compressor {
    fn default() -> Self {
        Self {
            threshold: Smoothed::new(-20.0),
            slope: Smoothed::new(1.0 - 1.0 / 3.0),
            knee: Smoothed::new(6.0),
            makeup: Smoothed::new(1.0),
            attack_ms: 5.0,
            release_ms: 50.0,
            rate: 48_000,
            attack: Smoothed::new(1.0),
            release: Smoothed::new(1.0),
            sidechain: None,
            envelope: Envelope::default(),
            curve: Curve::default(),
            reduction_db: 0.0,
        }
    }
}

impl Node for Compressor {
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
            0 => self.threshold.set(f64::from(value)),
            1 => self.slope.set(1.0 - 1.0 / f64::from(value)),
            2 => self.knee.set(f64::from(value)),
            3 => self.attack_ms = value,
            4 => self.release_ms = value,
            5 => self.makeup.set(f64::from(db_to_gain(value))),
            _ => self.sidechain = sidechain::of_value(value),
        }
        self.set_times();
    }

    fn sidechain(&self) -> Option<SideChain> {
        self.sidechain
    }

    fn process(&mut self, block: &mut [Stereo], sidechain: Option<&[Stereo]>) {
        for (n, chunk) in block.chunks_mut(CHUNK).enumerate() {
            for frame in chunk.iter_mut() {
                *frame = clean_frame(*frame);
            }
            let count = chunk.len();
            let key = sidechain::heard(sidechain, n, count);
            let mut powers = [0.0; CHUNK];
            self.envelope.measure(key.as_ref().map_or(&*chunk, |key| &key[..count]), &mut powers);
            let gains = self.gains(&powers, count);
            for (frame, gain) in chunk.iter_mut().zip(gains) {
                *frame = frame.map(|sample| sample * gain);
            }
        }
    }

    fn reset(&mut self) {
        self.smoothed().into_iter().for_each(Smoothed::snap);
        self.curve = Curve::new(self.threshold.value(), self.slope.value(), self.knee.value());
        self.envelope.reset();
        self.reduction_db = 0.0;
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: -self.reduction_db as f32 })
    }
}

impl Compressor {
    /// The gains of the next `count` frames, whose levels are `powers`.
    fn gains(&mut self, powers: &[f32; CHUNK], count: usize) -> [f32; CHUNK] {
        let mut wanted = [0.0; CHUNK];
        if self.threshold.is_settled() && self.slope.is_settled() && self.knee.is_settled() {
            if powers[..count].iter().any(|&power| power > self.curve.onset) {
                // Loops over slices here and below: they are done several at a time, which `map` of an array is not.
                for (wanted, power) in wanted.iter_mut().zip(powers) {
                    *wanted = self.curve.reduction_db(*power);
                }
            }
        } else {
            for n in 0..count {
                self.curve = Curve::new(self.threshold.next(), self.slope.next(), self.knee.next());
                wanted[n] = self.curve.reduction_db(powers[n]);
            }
        }
        let mut gains = [0.0; CHUNK];
        let mut reduction = self.reduction_db;
        if self.attack.is_settled() && self.release.is_settled() {
            let ballistics = Ballistics::new(self.attack.value(), self.release.value());
            for (gain, wanted) in gains[..count].iter_mut().zip(&wanted) {
                reduction = ballistics.next(reduction, *wanted);
                *gain = -reduction as f32;
            }
        } else {
            for (gain, wanted) in gains[..count].iter_mut().zip(&wanted) {
                let ballistics = Ballistics::new(self.attack.next(), self.release.next());
                reduction = ballistics.next(reduction, *wanted);
                *gain = -reduction as f32;
            }
        }
        self.reduction_db = reduction;
        gains.iter_mut().for_each(|gain| *gain = db_to_gain(*gain));
        if self.makeup.is_settled() {
            let makeup = self.makeup.value() as f32;
            gains.iter_mut().for_each(|gain| *gain *= makeup);
        } else {
            gains[..count].iter_mut().for_each(|gain| *gain *= self.makeup.next() as f32);
        }
        gains
    }

    fn set_times(&mut self) {
        self.attack.set(one_pole(f64::from(self.attack_ms), self.rate));
        self.release.set(one_pole(f64::from(self.release_ms), self.rate));
    }

    fn smoothed(&mut self) -> [&mut Smoothed; 6] {
        let Self { threshold, slope, knee, makeup, attack, release, .. } = self;
        [threshold, slope, knee, makeup, attack, release]
    }
}

/// How the reduction follows the wanted one: equation 17, by shares of the way that a frame goes.
///
/// Written as both ways at once, of which the greater (the lesser, where the release is the faster) is the one that
/// is meant: from one frame to the next the processor then waits for a multiplication, an addition and two choices.
struct Ballistics {
    attack: f64,
    release: f64,
}

impl Ballistics {
    fn new(attack: f64, release: f64) -> Self {
        Self { attack, release }
    }

    #[inline]
    fn next(&self, reduction: f64, wanted: f32) -> f64 {
        let wanted = f64::from(wanted) - NEGLIGIBLE_DB;
        let way = |share: f64| (1.0 - share) * reduction + share * wanted;
        let (rising, falling) = (way(self.attack), way(self.release));
        // Comparisons, as `f64::max` would take care of NaN.
        let falling = if falling > 0.0 { falling } else { 0.0 };
        if self.attack >= self.release {
            if rising > falling { rising } else { falling }
        } else {
            let rising = if rising > 0.0 { rising } else { 0.0 };
            if rising < falling { rising } else { falling }
        }
    }
}

/// The static curve.
#[derive(Default)]
pub(super) struct Curve {
    threshold_db: f32,
    slope: f32,
    knee_db: f32,
    /// `1 / (2 * knee_db)`, or 0 for a hard knee.
    bend: f32,
    /// Power at which the knee begins.
    pub(super) onset: f32,
}

impl Curve {
    pub(super) fn new(threshold_db: f64, slope: f64, knee_db: f64) -> Self {
        let (threshold_db, slope, knee_db) = (threshold_db as f32, slope as f32, knee_db as f32);
        let bend = if knee_db > 1e-3 { 0.5 / knee_db } else { 0.0 };
        Self { threshold_db, slope, knee_db, bend, onset: db_to_gain(2.0 * (threshold_db - knee_db / 2.0)) }
    }

    /// Reduction of a level given as a power: the square within the knee, and beyond it the straight line.
    #[inline]
    pub(super) fn reduction_db(&self, power: f32) -> f32 {
        let over = power_to_db(power) - self.threshold_db;
        let within = (over + self.knee_db / 2.0).clamp(0.0, self.knee_db);
        let beyond = (over - self.knee_db / 2.0).max(0.0);
        let reduction = self.slope * (within * within * self.bend + beyond);
        if power > self.onset { reduction } else { 0.0 }
    }
}
