//! `loudness_normalize`: brings the programme to a target loudness, and holds its true peaks.
//!
//! What is known to be as loud as it should be, because its own gain was set for it before it began
//! ([`level`](crate::level)), is left alone from its first frame to its last: its quiet passages stay quiet.
//!
//! Of all else, ten times a second the gated loudness of what has been heard of it decides the gain wanted. At
//! first that is what such programme was like so far (to begin with, the target), and within a few seconds it is
//! what is heard; in the end it is that of the last minute. The gain there is follows in a second, and never
//! rises faster than 2 dB per second. So something loud is caught within a second, something quiet is raised
//! within several, and after that the gain hardly moves: the measure is long, and passages 10 LU below the rest
//! do not count in it, unless they last for five windows; then it is another programme. A pause is none: it
//! neither enters the measure nor moves the gain. What such programme comes out at in the long run is put right
//! by a trim that takes minutes.
//!
//! True peaks are held by the [limiter](super::limiter)'s own wall.

use super::decibel::db_to_gain;
use super::glide::Glide;
use super::limiter::Wall;
use super::loudness::{KWeighting, Memory, RELATIVE_GATE_LU, power_to_lufs};
use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, clean_frame, one_pole};
use crate::Stereo;
use crate::level::Programme;

const INFO: NodeInfo = NodeInfo {
    name: "loudness_normalize",
    aliases: &[
        "loudness",
        "normalize",
        "normalise",
        "normalizer",
        "loudness_normalise",
        "loudness_normalizer",
    ],
    summary: "Brings items of known loudness to a target before they begin and all else slowly (ITU-R BS.1770), and holds its true peaks.",
    params: &[
        ParamInfo::number(
            "target_lufs",
            &["target"],
            "LUFS",
            (-40.0, -6.0),
            -16.0,
            "Loudness that it aims for.",
        ),
        ParamInfo::number(
            "true_peak_limit_dbtp",
            &["true_peak_limit", "true_peak_dbtp"],
            "dBTP",
            (-20.0, 0.0),
            -1.0,
            "Ceiling that no true peak exceeds.",
        ),
        ParamInfo::number(
            "integrated_window_sec",
            &["integrated_window_s", "window_sec", "window_s"],
            "s",
            (0.4, LONGEST_WINDOW_SEC),
            3.0,
            "Programme after which it goes by what it hears; in the long run it goes by twenty times as much.",
        ),
        ParamInfo::number("max_gain_db", &["max_gain"], "dB", (0.0, 30.0), 12.0, "The most it turns up."),
        ParamInfo::number(
            "max_item_gain_db",
            &["max_item_gain"],
            "dB",
            (0.0, 30.0),
            20.0,
            "The most that an item of known loudness is turned up, as far as its peaks allow.",
        ),
        ParamInfo::number(
            "max_limiting_db",
            &["max_limiting"],
            "dB",
            (0.0, 20.0),
            6.0,
            "How far the peaks of an item may be turned up above the ceiling, when its gain is set beforehand.",
        ),
        ParamInfo::number(
            "gate_lufs",
            &["gate"],
            "LUFS",
            (-70.0, -30.0),
            -50.0,
            "Loudness below which it waits.",
        ),
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(LoudnessNormalize::default()) };

const LONGEST_WINDOW_SEC: f32 = 60.0;
/// Decisions per second; blocks of the standard overlap so.
const DECISIONS_HZ: u32 = 10;
const DECISION_S: f64 = 1.0 / DECISIONS_HZ as f64;
/// The most it turns down.
const MAX_REDUCTION_DB: f64 = 40.0;
/// What it goes by in the long run, in windows.
const MEMORY_WINDOWS: f64 = 20.0;
/// What is so far below the rest is passed over, until it has lasted for so many windows.
const PASSAGE_LU: f64 = RELATIVE_GATE_LU;
const PASSAGE_WINDOWS: f64 = 5.0;
/// Time constant of the gain, and of a fall in it when hardly anything has been heard, in seconds.
const GAIN_S: f64 = 1.0;
const FIRST_FALL_S: f64 = 0.2;
/// The fastest that the gain rises.
const RISE_DB_PER_S: f64 = 2.0;
/// The most that is turned up of which nothing has been heard: one that is loud after all must not be far too loud.
const MAX_FIRST_GAIN_DB: f64 = 3.0;
/// Programme after which an item says something about those to come, in seconds; and the share that it has in that.
const TELLING_S: f64 = 5.0;
const TELLING_SHARE: f64 = 0.3;
/// What the trim goes by, how slowly, and its limit.
const OUTPUT_S: f64 = 600.0;
const TRIM_S: f64 = 100.0;
const MAX_TRIM_DB: f64 = 2.0;
/// The gain of one item is left for that of the next in no less than this.
const LEAST_RISE_MS: usize = 50;

/// The `loudness_normalize` node.
pub struct LoudnessNormalize {
    target_lufs: f64,
    window_s: f64,
    max_gain_db: f64,
    gate_lufs: f64,
    rate: usize,
    weighting: KWeighting,
    /// Frames up to the next decision, weighted energy since the last, and power of the last four tenths of a second.
    left: usize,
    energy: f64,
    tenths: [f64; 4],
    /// The loudness that the item heard comes with, where that is known.
    levelled_lufs: Option<f64>,
    /// What was heard of the item, and for how many seconds.
    heard: Memory,
    heard_s: f64,
    /// For how many seconds nothing of it has counted.
    passed_over_s: f64,
    /// What items of unknown loudness were like; the target, until one was heard.
    usual_lufs: Option<f64>,
    /// What became of them, and what that asks for.
    output: Memory,
    trim_db: f64,
    gain_db: f64,
    glide: Glide,
    wall: Wall,
}

impl Default for LoudnessNormalize {
    fn default() -> Self {
        Self {
            target_lufs: -16.0,
            window_s: 3.0,
            max_gain_db: 12.0,
            gate_lufs: -50.0,
            rate: 48_000,
            weighting: KWeighting::new(48_000),
            left: 1,
            energy: 0.0,
            tenths: [0.0; 4],
            levelled_lufs: None,
            heard: Memory::new(),
            heard_s: 0.0,
            passed_over_s: 0.0,
            usual_lufs: None,
            output: Memory::new(),
            trim_db: 0.0,
            gain_db: 0.0,
            glide: Glide::new(1),
            wall: Wall::default(),
        }
    }
}

impl Node for LoudnessNormalize {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.rate = format.sample_rate_hz as usize;
        self.weighting = KWeighting::new(format.sample_rate_hz);
        self.glide = Glide::new(self.period());
        self.wall.prepare(format.sample_rate_hz);
        self.reset();
    }

    fn set(&mut self, param: ParamId, value: f32) {
        let Some(value) = INFO.accept(param, value) else { return };
        match param {
            0 if self.target_lufs == f64::from(value) => {}
            0 => (self.target_lufs, self.output) = (f64::from(value), Memory::new()),
            1 => self.wall.set_ceiling_db(value),
            2 => self.window_s = f64::from(value),
            3 => self.max_gain_db = f64::from(value),
            // They are for those who set the gain of an item.
            4 | 5 => {}
            _ => self.gate_lufs = f64::from(value),
        }
    }

    fn is_single(&self) -> bool {
        true
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        let mut rest = &mut *block;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at_mut(rest.len().min(self.left).min(self.glide.remaining()));
            piece.iter_mut().for_each(|frame| *frame = clean_frame(*frame));
            if self.levelled_lufs.is_none() {
                piece.iter().for_each(|frame| self.energy += self.weighting.power(*frame));
            }
            self.left -= piece.len();
            let arrived = self.glide.apply(piece);
            if self.left == 0 {
                self.decide();
            }
            if arrived {
                self.glide.decide(f64::from(db_to_gain(self.gain_db as f32)));
            }
            rest = after;
        }
        self.wall.process(block);
    }

    fn programme(&mut self, programme: Programme) {
        self.learn();
        self.levelled_lufs = programme.levelled_lufs.map(f64::from);
        self.listen_anew();
        self.gain_db = match self.levelled_lufs {
            Some(lufs) => self.target_lufs - lufs,
            None => self.within(self.trim_db - self.usual_lu()).min(MAX_FIRST_GAIN_DB),
        };
        let rise = usize::try_from(programme.rise).unwrap_or(usize::MAX);
        self.glide
            .send(f64::from(db_to_gain(self.gain_db as f32)), rise.max(self.rate * LEAST_RISE_MS / 1000));
    }

    fn reset(&mut self) {
        self.levelled_lufs = None;
        self.listen_anew();
        (self.usual_lufs, self.trim_db, self.gain_db) = (None, 0.0, 0.0);
        self.output = Memory::new();
        self.glide.reset();
        self.wall.reset();
    }

    fn meant_gain_db(&self) -> f32 {
        if self.levelled_lufs.is_some() { self.gain_db as f32 } else { 0.0 }
    }

    fn latency(&self) -> usize {
        self.wall.latency()
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: self.gain_db as f32 + self.wall.gain_db() })
    }
}

impl LoudnessNormalize {
    /// Frames from one decision to the next.
    fn period(&self) -> usize {
        self.rate / DECISIONS_HZ as usize
    }

    /// A gain as far as it may go.
    fn within(&self, gain_db: f64) -> f64 {
        gain_db.clamp(-MAX_REDUCTION_DB, self.max_gain_db)
    }

    /// Forgets what was heard: the next frames are of something else.
    fn listen_anew(&mut self) {
        self.weighting.reset();
        (self.left, self.energy, self.tenths) = (self.period().max(1), 0.0, [0.0; 4]);
        (self.heard, self.heard_s, self.passed_over_s) = (Memory::new(), 0.0, 0.0);
    }

    /// Takes from what was heard of an item of unknown loudness what the next one may be like.
    fn learn(&mut self) {
        if self.levelled_lufs.is_none()
            && self.heard_s >= TELLING_S
            && let Some(lufs) = self.heard.lufs()
        {
            let usual = self.usual_lufs.unwrap_or(self.target_lufs);
            self.usual_lufs = Some(usual + TELLING_SHARE * (lufs - usual));
        }
    }

    /// What items of unknown loudness are like, in LU above the target.
    fn usual_lu(&self) -> f64 {
        self.usual_lufs.map_or(0.0, |usual| usual - self.target_lufs)
    }

    /// Takes the last tenth of a second in, and moves the gain.
    fn decide(&mut self) {
        self.left = self.period().max(1);
        let tenth = std::mem::take(&mut self.energy) / self.left as f64;
        if let Some(lufs) = self.levelled_lufs {
            self.gain_db = self.target_lufs - lufs;
            return;
        }
        self.tenths = [self.tenths[1], self.tenths[2], self.tenths[3], tenth];
        let block = self.tenths.iter().sum::<f64>() / 4.0;
        // A tenth that is itself silent ends the programme at once, not when it has filled the block.
        let is_programme = power_to_lufs(block.min(tenth * 4.0)) > self.gate_lufs && self.tenths[0] > 0.0;
        if !is_programme {
            return;
        }
        let fade = |time_s: f64| 1.0 - DECISION_S / time_s;
        self.heard.add(block, fade(MEMORY_WINDOWS * self.window_s));
        self.heard_s += DECISION_S;
        let Some(lufs) = self.heard.lufs() else { return };
        let counts = power_to_lufs(block) > lufs + PASSAGE_LU;
        self.passed_over_s = if counts { 0.0 } else { self.passed_over_s + DECISION_S };
        if self.passed_over_s > PASSAGE_WINDOWS * self.window_s {
            (self.heard, self.heard_s, self.passed_over_s) = (Memory::new(), 0.0, 0.0);
            return;
        }
        let asked = self.trim_db - self.expected_lu(lufs - self.target_lufs);
        let wanted = self.within(asked);
        let fall_s = (self.heard_s / 2.0).clamp(FIRST_FALL_S, GAIN_S);
        let time_s = if wanted > self.gain_db { GAIN_S } else { fall_s };
        let step = one_pole(time_s * 1e3, DECISIONS_HZ) * (wanted - self.gain_db);
        self.gain_db += step.min(RISE_DB_PER_S * DECISION_S);
        if wanted != asked {
            // Something so quiet stays quiet; nothing else is to make up for it.
            return;
        }
        let output = block * 10.0_f64.powf(self.gain_db / 10.0);
        if self.heard_s < TELLING_S && power_to_lufs(output) < self.target_lufs {
            // Still on its way up.
            return;
        }
        self.output.add(output, fade(OUTPUT_S));
        if let Some(lufs) = self.output.lufs() {
            let trim_db = self.trim_db + DECISION_S / TRIM_S * (self.target_lufs - lufs);
            self.trim_db = trim_db.clamp(-MAX_TRIM_DB, MAX_TRIM_DB);
        }
    }

    /// How loud the item is taken for, `heard_lu` being what was heard of it. Something loud is taken at its word. What
    /// begins quietly is believed to be quiet only after it has been so for a while.
    fn expected_lu(&self, heard_lu: f64) -> f64 {
        let usual_lu = self.usual_lu();
        if heard_lu > usual_lu {
            return heard_lu;
        }
        let doubt_s = self.window_s * (-self.heard_s / self.window_s).exp();
        (doubt_s * usual_lu + self.heard_s * heard_lu) / (doubt_s + self.heard_s)
    }
}
