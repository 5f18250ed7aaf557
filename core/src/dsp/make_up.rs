//! Make-up: what a chain does to the loudness of its programme is made up for, so that what leaves it is at the target of
//! its `loudness_normalize`, wherever that stands.
//!
//! An item that was levelled comes into the chain as loud as it should be; anything else is as loud as it should be
//! behind the normaliser. From there to the last limiter the other nodes take some of that, or add to it: how much, is
//! measured (gated loudness there and here), and given back just before the limiter. What is asked for hardly depends on
//! what is played, so it is known within seconds and then hardly moves; an item begins with what those before it asked
//! for. Where it was off, that is put right in the rest of the item.
//!
//! An item that is to become louder has been quieter so far than it is as a whole. Nodes that let its dynamics through
//! will be told by the difference of the two levels alone; behind an AGC that levels everything out, it must be at the
//! target all the time. Which of the two a chain is, is measured as well: the change of level behind it for a change
//! before it. Passages 10 LU below the target say nothing, and gain that somebody sets on purpose, and voices that are
//! added, are left out of it.

use std::collections::VecDeque;

use super::decibel::db_to_gain;
use super::glide::Glide;
use super::loudness::{KWeighting, Memory, power_to_lufs};
use crate::Stereo;
use crate::level::Programme;

/// Decisions per second; blocks of the standard overlap so.
const DECISIONS_HZ: usize = 10;
const DECISION_S: f64 = 1.0 / DECISIONS_HZ as f64;
/// What is so far below the target says nothing.
const GATE_LU: f64 = -10.0;
/// What it goes by in the long run.
const MEMORY_S: f64 = 600.0;
/// Programme after which it goes by what the chain does to this item, and no longer by what it did to the last.
const DOUBT_S: f64 = 3.0;
/// Time constant of its gain, and the most that is; and the most of it that puts right what an item is off by.
const GAIN_S: f64 = 2.0;
const MOST_DB: f64 = 12.0;
const MOST_REMEDY_DB: f64 = 1.0;
/// Programme after which an item says something about those to come, in seconds; and the share that it has in that.
const TELLING_S: f64 = 5.0;
const TELLING_SHARE: f64 = 0.3;
/// The gain for one item is left for that for the next in no less than this.
const LEAST_RISE_MS: usize = 50;
/// Time constant of the levels by which it is judged how dynamics come through, and what that says before it is known,
/// as a variance in dB.
const LEVEL_S: f64 = 3.0;
const LET_THROUGH: f64 = 0.5;
/// Tenths of a second that may be measured ahead: more than a block has.
const AHEAD: usize = 8;

/// What is known of a tenth of a second before the nodes had it.
#[derive(Clone, Copy)]
struct Tenth {
    /// Its weighted power.
    power: f64,
    /// The power gain that the nodes have on purpose.
    meant: f64,
    /// Nobody speaks over it.
    tells: bool,
}

/// A meter of tenths of a second.
struct Tenths {
    weighting: KWeighting,
    period: usize,
    left: usize,
    energy: f64,
}

impl Tenths {
    fn new(sample_rate_hz: u32) -> Self {
        let period = (sample_rate_hz as usize / DECISIONS_HZ).max(1);
        Self { weighting: KWeighting::new(sample_rate_hz), period, left: period, energy: 0.0 }
    }

    /// Takes in `block`, all of it within a tenth; the power of that tenth when it is over.
    fn hear(&mut self, block: &[Stereo]) -> Option<f64> {
        // One by one, so that it is the same sum however the frames come.
        block.iter().for_each(|frame| self.energy += self.weighting.power(*frame));
        self.left -= block.len();
        (self.left == 0).then(|| {
            self.left = self.period;
            std::mem::take(&mut self.energy) / self.period as f64
        })
    }

    fn begin(&mut self) {
        (self.left, self.energy) = (self.period, 0.0);
    }

    fn reset(&mut self) {
        self.weighting.reset();
        self.begin();
    }
}

/// The make-up of a chain.
pub(crate) struct MakeUp {
    rate: usize,
    before: Tenths,
    after: Tenths,
    ahead: VecDeque<Tenth>,
    /// The last four tenths, before and after.
    last: [(f64, f64); 4],
    /// What was heard of the item: before, after, and made up for. And for how many seconds.
    heard: [Memory; 3],
    heard_s: f64,
    /// The loudness that the item that is heard was brought to, and that others are brought to.
    levelled_lufs: Option<f64>,
    target_lufs: f64,
    /// What items asked for that were not levelled, and that were; unknown before the first.
    usual_db: [Option<f64>; 2],
    through: Through,
    gain_db: f64,
    glide: Glide,
}

impl MakeUp {
    pub(crate) fn new(sample_rate_hz: u32, target_lufs: f64) -> Self {
        let tenths = || Tenths::new(sample_rate_hz);
        Self {
            rate: sample_rate_hz as usize,
            before: tenths(),
            after: tenths(),
            ahead: VecDeque::with_capacity(AHEAD),
            last: [(0.0, 0.0); 4],
            heard: [Memory::new(), Memory::new(), Memory::new()],
            heard_s: 0.0,
            levelled_lufs: None,
            target_lufs,
            usual_db: [None; 2],
            through: Through::default(),
            gain_db: 0.0,
            glide: Glide::new(tenths().period),
        }
    }

    /// Whether what is heard was levelled before it came.
    pub(crate) fn is_levelled(&self) -> bool {
        self.levelled_lufs.is_some()
    }

    /// Another item comes to be heard.
    pub(crate) fn programme(&mut self, programme: Programme) {
        self.learn();
        self.levelled_lufs = programme.levelled_lufs.map(f64::from);
        self.listen_anew();
        self.gain_db = self.usual_db();
        let rise = usize::try_from(programme.rise).unwrap_or(usize::MAX);
        let rise = rise.max(self.rate * LEAST_RISE_MS / 1000);
        self.glide.send(f64::from(db_to_gain(self.gain_db as f32)), rise);
    }

    /// Forgets what was heard: the next frames are of something else.
    fn listen_anew(&mut self) {
        (self.heard, self.heard_s) = ([Memory::new(), Memory::new(), Memory::new()], 0.0);
        self.last = [(0.0, 0.0); 4];
        self.ahead.clear();
        self.before.begin();
        self.after.begin();
    }

    fn usual_db(&self) -> f64 {
        self.usual_db[usize::from(self.is_levelled())].unwrap_or(0.0)
    }

    /// Takes from what the item asked for what the next one may ask for.
    fn learn(&mut self) {
        if self.heard_s >= TELLING_S
            && let Some(asked_db) = self.asked_db()
        {
            let usual_db = &mut self.usual_db[usize::from(self.levelled_lufs.is_some())];
            let before = usual_db.unwrap_or(asked_db);
            *usual_db = Some(before + TELLING_SHARE * (asked_db - before));
        }
    }

    /// The loudness that the item was brought to as a whole, or is.
    fn whole_lufs(&self) -> f64 {
        self.levelled_lufs.unwrap_or(self.target_lufs)
    }

    /// How loud it should have left so far.
    fn due_lufs(&self) -> Option<f64> {
        let whole = self.whole_lufs();
        Some(whole - self.through.share() * (whole - self.heard[0].lufs()?))
    }

    /// The gain that it asks for so far.
    fn asked_db(&self) -> Option<f64> {
        Some((self.due_lufs()? - self.heard[1].lufs()?).clamp(-MOST_DB, MOST_DB))
    }

    /// Listens to the programme where it is as loud as it should be. `meant_db` is the gain that the nodes from here on
    /// have on purpose; with a `voice` added it says nothing.
    pub(crate) fn hear(&mut self, mut block: &[Stereo], meant_db: f32, voice: bool) {
        while !block.is_empty() {
            let (piece, rest) = block.split_at(block.len().min(self.before.left));
            if let Some(power) = self.before.hear(piece)
                && self.ahead.len() < AHEAD
            {
                let meant = f64::from(db_to_gain(meant_db)).powi(2);
                self.ahead.push_back(Tenth { power, meant, tells: !voice });
            }
            block = rest;
        }
    }

    /// Makes up in `block` for what the nodes have done; it learns what that is while it is `listening`, and so while
    /// [`hear`](Self::hear) is given the same frames.
    pub(crate) fn process(&mut self, mut block: &mut [Stereo], listening: bool) {
        while !block.is_empty() {
            let most = self.after.left.min(self.glide.remaining());
            let (piece, rest) = block.split_at_mut(block.len().min(most));
            if listening
                && let Some(power) = self.after.hear(piece)
                && let Some(before) = self.ahead.pop_front()
            {
                self.decide(before, power);
            }
            if self.glide.apply(piece) {
                self.glide.decide(f64::from(db_to_gain(self.gain_db as f32)));
            }
            block = rest;
        }
    }

    /// Takes the last tenth of a second in, and moves the gain.
    fn decide(&mut self, before: Tenth, after: f64) {
        if !before.tells {
            return;
        }
        self.last.rotate_left(1);
        self.last[3] = (before.power, after / before.meant);
        let [from, to] = [|tenth: &(f64, f64)| tenth.0, |tenth: &(f64, f64)| tenth.1]
            .map(|power| self.last.iter().map(power).sum::<f64>() / 4.0);
        if self.last[0].0 <= 0.0 {
            return;
        }
        let fade = 1.0 - DECISION_S / MEMORY_S;
        let made_up = to * 10.0_f64.powf(self.gain_db / 10.0);
        self.heard.iter_mut().zip([from, to, made_up]).for_each(|(memory, power)| memory.add(power, fade));
        if power_to_lufs(from.min(before.power * 4.0)) < self.whole_lufs() + GATE_LU {
            return;
        }
        self.heard_s += DECISION_S;
        self.through.hear(from, to);
        let Some(asked_db) = self.asked_db() else { return };
        let remedy_db = self.due_lufs().zip(self.heard[2].lufs()).map_or(0.0, |(due, left)| due - left);
        let remedy_db = remedy_db.clamp(-MOST_REMEDY_DB, MOST_REMEDY_DB);
        let doubt_s = DOUBT_S * (-self.heard_s / DOUBT_S).exp();
        let wanted_db = (doubt_s * self.usual_db() + self.heard_s * asked_db) / (doubt_s + self.heard_s);
        self.gain_db += DECISION_S / GAIN_S * (wanted_db + remedy_db - self.gain_db);
    }

    /// Is at rest, as when it was made.
    pub(crate) fn reset(&mut self) {
        self.before.reset();
        self.after.reset();
        self.listen_anew();
        self.glide.reset();
        (self.levelled_lufs, self.usual_db, self.gain_db) = (None, [None; 2], 0.0);
        self.through = Through::default();
    }
}

/// How dynamics come through a chain: the regression of the level behind it on the level before it.
#[derive(Default)]
struct Through {
    /// Smoothed powers.
    powers: [f64; 2],
    /// What counts, the means of both levels in dB, the variance of the first and their covariance.
    count: f64,
    means: [f64; 2],
    variance: f64,
    covariance: f64,
}

impl Through {
    fn hear(&mut self, from: f64, to: f64) {
        let share = (DECISION_S / LEVEL_S).max(1.0 / (self.count + 1.0));
        self.powers = [
            self.powers[0] + share * (from - self.powers[0]),
            self.powers[1] + share * (to - self.powers[1]),
        ];
        let levels = self.powers.map(power_to_lufs);
        self.count = (self.count + 1.0).min(MEMORY_S / DECISION_S);
        let share = 1.0 / self.count;
        let [x, y] = [levels[0] - self.means[0], levels[1] - self.means[1]];
        self.means = [self.means[0] + share * x, self.means[1] + share * y];
        self.variance += share * ((1.0 - share) * x * x - self.variance);
        self.covariance += share * ((1.0 - share) * x * y - self.covariance);
    }

    /// The change of level behind the nodes for a change of 1 dB before them: 1 where dynamics are let through, 0 where
    /// they are levelled out.
    fn share(&self) -> f64 {
        ((self.covariance + LET_THROUGH) / (self.variance + LET_THROUGH)).clamp(0.0, 1.0)
    }
}
