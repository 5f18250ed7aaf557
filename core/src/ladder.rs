//! The priority ladder: of the tiers that have audio, the highest is heard.
//!
//! A higher tier fades over a lower one (an emergency in 5 ms); a lower tier takes over at the very frame at which
//! a higher one runs dry. What happens to the item that was interrupted is the tier's [`Return`] policy.
//!
//! A tier whose source runs short is dry, too: it falls over the last 5 ms of what its source holds while the tier
//! below rises, and gets the air back once that is a tenth of a second again, or all there is. After a second it is
//! given up. Where nothing else is to be heard, it plays whatever it has as soon as it has it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::control::{EventKind, Failure, Outbox, Place, Ramp};
use crate::curve::{Curve, Fade};
use crate::deck::{ItemId, Prepared, declicked};
use crate::item::Metadata;
use crate::level::Programme;
use crate::program::{Joins, Program, Run};
use crate::rung::Rung;
use crate::source::{Buffered, Origin};
use crate::stems::{Stems, Wanted};
use crate::tap::{Part, Stretch};
use crate::tier::Tier;
use crate::units::add_scaled;
use crate::{Frames, Stereo};

/// How a tier goes on after a higher one has interrupted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Return {
    /// With its next item; the interrupted one is over.
    #[default]
    Next,
    /// Where it was interrupted.
    Resume,
    /// With the interrupted item from its cue in. In the engine it is over, as with [`Next`](Self::Next); the director
    /// opens it again and puts it first.
    Restart,
}

/// How the tiers of a station follow one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LadderConfig {
    /// How items follow each other within a tier.
    pub joins: Joins,
    /// The fade of each tier over a lower one that is on air, by [`Tier::index`].
    pub takeover: [Ramp; Tier::COUNT],
    /// What each tier does when it gets the air back.
    pub returns: [Return; Tier::COUNT],
}

pub(crate) struct Ladder {
    config: LadderConfig,
    rungs: [Rung; Tier::COUNT],
    on_air: Option<Tier>,
    /// No tier delivers anything: the one on air plays what little it has as soon as it has it.
    alone: bool,
    /// The operator's fade of the whole programme. An emergency is heard all the same.
    master: Fade,
    scratch: Box<[Stereo]>,
    /// What the chain asks of each tier.
    wanted: Wanted,
    stems: Stems,
    /// The item that is heard, and the changes of that since they were last asked for.
    heard: Option<ItemId>,
    changes: VecDeque<(Frames, Programme)>,
    /// The item that is on the bus as it is, and by how many frames its file is ahead of the programme.
    verbatim: Option<(ItemId, i64)>,
}

/// Changes that one rendered segment can hold; items shorter than a frame or two need no more.
const CHANGES: usize = 32;

impl Ladder {
    pub(crate) fn new(config: LadderConfig, max_block: usize) -> Self {
        let rungs = Tier::ALL.map(|tier| Rung::new(Program::new(tier, config.joins, max_block)));
        let scratch = vec![[0.0; 2]; max_block].into_boxed_slice();
        Self {
            config,
            rungs,
            on_air: None,
            alone: false,
            master: Fade::constant(1.0),
            scratch,
            wanted: Wanted::default(),
            stems: Stems::new(max_block),
            heard: None,
            changes: VecDeque::with_capacity(CHANGES),
            verbatim: None,
        }
    }

    pub(crate) fn load(
        &mut self,
        tier: Tier,
        item: Box<Prepared>,
        place: Place,
    ) -> Result<(), (Failure, Box<Prepared>)> {
        self.rung(tier).program.load(item, place)
    }

    pub(crate) fn shift(&mut self, tier: Tier, item: ItemId, place: Place) -> Result<(), Failure> {
        self.rung(tier).program.shift(item, place)
    }

    pub(crate) fn level(
        &mut self,
        tier: Tier,
        item: ItemId,
        gain: f32,
        levelled_lufs: Option<f32>,
    ) -> Result<(), Failure> {
        self.rung(tier).program.level(item, gain, levelled_lufs)
    }

    pub(crate) fn unload(
        &mut self,
        tier: Tier,
        item: ItemId,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        self.rung(tier).program.unload(item, at, outbox)
    }

    pub(crate) fn skip(
        &mut self,
        tier: Option<Tier>,
        ramp: Option<Ramp>,
        wait: bool,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        // What is skipped is what stands in the way of the next item: never the fallback, after which there is nothing.
        let on_air = self.on_air.filter(|tier| *tier != Tier::Fallback);
        let tier = tier.or(on_air).ok_or(Failure::Idle)?;
        let wait = wait && tier == Tier::Automation;
        let on_air = self.on_air == Some(tier) && self.candidate() == Some(tier) || self.speaks_over(tier);
        let heard = self.is_heard(tier, at);
        self.rung(tier).program.skip(ramp, wait, on_air, heard, at, outbox)
    }

    pub(crate) fn stop(
        &mut self,
        tier: Tier,
        ramp: Ramp,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        let heard = self.is_heard(tier, at);
        self.rung(tier).program.stop(ramp, heard, at, outbox)
    }

    /// Whether a tier has the air or still falls under the one that has.
    fn is_heard(&mut self, tier: Tier, now: Frames) -> bool {
        !self.rung(tier).is_silenced(now)
    }

    pub(crate) fn fade(&mut self, tier: Option<Tier>, gain: f32, ramp: Ramp, at: Frames) {
        let rate = self.config.joins.rate;
        let target = match tier {
            Some(tier) => &mut self.rung(tier).trim,
            None => &mut self.master,
        };
        let length = declicked(ramp.length, rate);
        *target = Fade::new(at, length, target.gain_at(at), gain, ramp.curve, rate);
    }

    pub(crate) fn set_metadata(
        &mut self,
        metadata: Arc<Metadata>,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Arc<Metadata>> {
        let Some(tier) = self.on_air else { return Err(metadata) };
        self.rung(tier).program.retitle(metadata, false, at, outbox)
    }

    pub(crate) fn retitle(
        &mut self,
        tier: Tier,
        item: ItemId,
        metadata: Arc<Metadata>,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Arc<Metadata>> {
        let over = self.speaks_over(tier);
        let heard = over || self.on_air == Some(tier);
        self.rung(tier).program.retitle_item(item, metadata, heard, over, at, outbox)
    }

    /// The tier on air has been silent for too long: the tiers below get the air until it is heard again. An
    /// emergency keeps it, and so does a tier below which there is nothing.
    pub(crate) fn bypass_silent_tier(&mut self) {
        let Some(tier) = self.on_air.filter(|tier| *tier != Tier::Emergency) else { return };
        let mut below = Tier::ALL.into_iter().filter(|other| *other > tier);
        if below.any(|other| self.rung(other).is_candidate()) {
            self.rung(tier).bypassed = Some(0);
        }
    }

    /// The stems of what was rendered last, from frame `from` of it on.
    pub(crate) fn stems(&mut self, from: usize) -> &Stems {
        self.stems.pass(from);
        &self.stems
    }

    /// What the tier on air has ahead.
    pub(crate) fn buffered(&self) -> Buffered {
        let rung = self.on_air.and_then(|tier| self.rungs.get(tier.index()));
        rung.map_or(Buffered::default(), |rung| rung.program.buffered())
    }

    /// Fills `out`, the first of whose frames is frame `at`, and the stems that are `wanted`. `clear` is what goes through
    /// the chain as it is.
    pub(crate) fn render(
        &mut self,
        at: Frames,
        out: &mut [Stereo],
        wanted: Wanted,
        clear: bool,
        outbox: &mut Outbox,
    ) {
        self.wanted = wanted;
        self.stems.begin(wanted, out.len());
        out.fill(crate::units::SILENCE);
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let now = at + done as Frames;
            self.step(now, outbox);
            self.note_heard(now);
            let run = self.until_change(now).min(rest.len() as Frames) as usize;
            for tier in Tier::ALL {
                self.mix(tier, now, rest.get_mut(..run).unwrap_or_default(), done, outbox);
            }
            self.note_verbatim(now, run as Frames, clear, outbox);
            done += run;
        }
    }

    /// Tells when the frames from `now` on, of which `run` were just mixed, begin to be one file's as they are, and when
    /// they are so no longer.
    fn note_verbatim(&mut self, now: Frames, run: Frames, clear: bool, outbox: &mut Outbox) {
        let part = self.verbatim_at(now).filter(|_| clear);
        let part = part.map(|(item, origin, next)| (item, origin, next.saturating_sub(run)));
        let is = part.map(|(item, _, frame)| (item, frame as i64 - now as i64));
        if is == self.verbatim {
            return;
        }
        let of = part.map(|(_, origin, frame)| Part { origin: Arc::clone(origin), frame });
        self.verbatim = if outbox.stretch(Stretch { at: now, of }) { is } else { None };
    }

    /// The item that is heard alone and as it is, with the file that it is of and where in that it has come to.
    fn verbatim_at(&self, now: Frames) -> Option<(ItemId, &Arc<Origin>, Frames)> {
        let tier = self.on_air?;
        let rung = |tier: Tier| self.rungs.get(tier.index());
        let heard = |tier: Tier| rung(tier)?.run.filter(|run| *run != Run::Unheard);
        if !matches!(heard(tier)?, Run::Heard | Run::Alone)
            || Tier::ALL.into_iter().any(|other| other != tier && heard(other).is_some())
        {
            return None;
        }
        let rung = rung(tier)?;
        let master = if tier == Tier::Emergency { Fade::constant(1.0) } else { self.master };
        let whole = |fade: &Fade| fade.is_settled(now) && fade.target() == 1.0;
        [rung.level, rung.trim, master].iter().all(whole).then(|| rung.program.verbatim())?
    }

    /// Does everything that is due at frame `now`.
    fn step(&mut self, now: Frames, outbox: &mut Outbox) {
        // Who gets the air may interrupt others, and so make room for a third; who has it may run dry at this very
        // frame, and so may the one that follows.
        for _ in 0..4 * Tier::COUNT {
            if self.decide(now, outbox) {
                continue;
            }
            let run = if self.alone { Run::Alone } else { Run::Heard };
            if self.on_air.is_none_or(|tier| self.advance(tier, Some(run), now, outbox)) {
                break;
            }
        }
        let on_air = self.on_air;
        for tier in Tier::ALL.into_iter().filter(|tier| Some(*tier) != on_air) {
            if self.speaks_over(tier) {
                self.speak(tier, now, outbox);
                continue;
            }
            if !self.rung(tier).is_silenced(now) {
                if self.advance(tier, Some(Run::Leaving), now, outbox) {
                    continue;
                }
                self.rung(tier).level = Fade::constant(0.0);
            }
            let run = self.goes_on(tier).then_some(Run::Unheard);
            self.advance(tier, run, now, outbox);
        }
    }

    /// Whether a tier is heard over the one on air.
    fn speaks_over(&self, tier: Tier) -> bool {
        self.wanted.is_over(tier) && self.on_air > Some(tier)
    }

    /// Lets a tier be heard over the one on air.
    fn speak(&mut self, tier: Tier, now: Frames, outbox: &mut Outbox) {
        let rate = self.config.joins.rate;
        let rung = self.rung(tier);
        if rung.level.target() == 0.0 && rung.program.has_audio() {
            // A new item on a dry tier starts at once.
            rung.level = match rung.is_under_way() {
                true => Fade::new(now, declicked(0, rate), rung.level.gain_at(now), 1.0, Curve::SCurve, rate),
                false => Fade::constant(1.0),
            };
            rung.program.begin_to_be_heard();
        }
        if !self.advance(tier, Some(Run::Over), now, outbox) {
            self.advance(tier, Some(Run::Leaving), now, outbox);
        }
    }

    /// Whether a tier that does not have the air goes on without it: only a higher tier that is heard interrupts. One
    /// that is silent or short of audio stands above the tier on air, or has none to hear below it.
    fn goes_on(&mut self, tier: Tier) -> bool {
        (self.alone || self.on_air > Some(tier)) && self.rung(tier).program.has_audio()
    }

    /// Notes when another item comes to be heard.
    fn note_heard(&mut self, now: Frames) {
        let Some(tier) = self.on_air else { return };
        let rung = self.rung(tier);
        let Some(programme) = rung.program.programme(now) else { return };
        let rise = programme.rise.max(rung.level.end().saturating_sub(now));
        if self.heard != programme.item {
            self.heard = programme.item;
            if self.changes.len() == CHANGES {
                self.changes.pop_back();
            }
            self.changes.push_back((now, Programme { rise, ..programme }));
        }
    }

    /// The next change of what is heard in the frames rendered last, and the frame from which it is true.
    pub(crate) fn take_change(&mut self) -> Option<(Frames, Programme)> {
        self.changes.pop_front()
    }

    /// Lets a tier do what is due, and says whether it plays on.
    fn advance(&mut self, tier: Tier, run: Option<Run>, now: Frames, outbox: &mut Outbox) -> bool {
        let rung = self.rung(tier);
        rung.run = run.filter(|run| rung.program.advance(now, *run, outbox));
        rung.run.is_some()
    }

    /// Gives the air to the highest tier that has audio, and says whether anything changed.
    fn decide(&mut self, now: Frames, outbox: &mut Outbox) -> bool {
        for rung in &mut self.rungs {
            rung.program.watch(now, false, outbox);
        }
        self.settle(now, outbox);
        let candidate = self.candidate();
        let winner = candidate.or_else(|| self.last_resort(now, outbox));
        let alone = winner.is_none_or(|tier| !self.rung(tier).is_candidate());
        let (from, before) = (self.on_air, (self.on_air, self.alone));
        (self.on_air, self.alone) = (winner, alone);
        if winner != from {
            if let Some(tier) = winner {
                self.hand_over(from, tier, now);
                self.rung(tier).program.begin_to_be_heard();
            }
            let held = from.filter(|from| !self.speaks_over(*from));
            let held = held.filter(|tier| self.rung(*tier).program.is_under_way());
            let held = held.map(|tier| self.rung(tier).level.end().saturating_sub(now));
            outbox.event(now, EventKind::PriorityChanged { from, to: winner, held });
        }
        before != (self.on_air, self.alone)
    }

    /// The tier that has the air: the highest that has audio, of those that play over others only where there is nothing
    /// to play over.
    fn candidate(&mut self) -> Option<Tier> {
        let wanted = self.wanted;
        let ready = Tier::ALL.map(|tier| self.rung(tier).is_candidate());
        let mut candidates = Tier::ALL.into_iter().filter(|tier| *tier.of(&ready));
        // The fallback stands in for silence, of which there is none then.
        let under = |tier: &Tier| !wanted.is_over(*tier) && *tier != Tier::Fallback;
        let first = candidates.clone().find(under);
        first.or_else(|| candidates.next())
    }

    /// Where nothing is to be heard: a silent tier, for its sound may come back; else one that has been short of
    /// audio and has a little again, or may have.
    fn last_resort(&mut self, now: Frames, outbox: &mut Outbox) -> Option<Tier> {
        let ready = |ladder: &mut Self, tier: &Tier| ladder.rung(*tier).program.is_ready();
        let short: [bool; Tier::COUNT] = Tier::ALL.map(|tier| self.rung(tier).program.has_audio());
        let mut short = Tier::ALL.into_iter().filter(|tier| *tier.of(&short));
        let silent = Tier::ALL.into_iter().find(|tier| ready(self, tier));
        silent
            .or_else(|| {
                short.clone().find(|tier| {
                    self.rung(*tier).program.watch(now, true, outbox);
                    ready(self, tier)
                })
            })
            .or_else(|| self.on_air.filter(|tier| self.rung(*tier).program.has_audio()))
            .or_else(|| short.next())
    }

    /// Lets the tier that loses the air fall, and with it all that is left of lower ones, and the one that gets it
    /// rise.
    fn hand_over(&mut self, from: Option<Tier>, to: Tier, now: Frames) {
        let rate = self.config.joins.rate;
        let declick = Ramp { length: declicked(0, rate), curve: Curve::SCurve };
        let takeover = *to.of(&self.config.takeover);
        let takeover = Ramp { length: declicked(takeover.length, rate), ..takeover };
        let mut rise = None;
        // A tier that is heard over the new one goes on.
        let from = from.filter(|from| !self.speaks_over(*from));
        if let Some(from) = from {
            let loser = self.rung(from);
            let left = loser.program.tail_left(now);
            if loser.program.is_ready() {
                // Interrupted, or passed over for its silence.
                loser.fall(takeover, now, rate);
                rise = Some(takeover);
            } else if loser.program.has_audio() {
                loser.fall(declick, now, rate);
                rise = Some(declick);
            } else if left > 0 {
                let left = if to < from { left.min(takeover.length) } else { left };
                rise = Some(Ramp { length: declicked(left, rate), curve: Curve::EqualPower });
            }
        }
        for lower in Tier::ALL.into_iter().filter(|tier| *tier > to) {
            self.rung(lower).fall(takeover, now, rate);
        }
        let rung = self.rung(to);
        // A new item on a dry tier starts at once.
        let rise = rise.or(rung.is_under_way().then_some(declick));
        rung.level = match rise {
            Some(ramp) => Fade::new(now, ramp.length, rung.level.gain_at(now), 1.0, ramp.curve, rate),
            None => Fade::constant(1.0),
        };
    }

    /// Stops what has fallen to silence, and gives a silent tier another chance once a tenth of a second of it was sound.
    fn settle(&mut self, now: Frames, outbox: &mut Outbox) {
        let on_air = self.on_air;
        let enough = Frames::from(self.config.joins.rate) / 10;
        if self.until_listening(now) == 0 {
            for rung in &mut self.rungs {
                rung.bypassed = rung.bypassed.filter(|heard| *heard < enough);
            }
        }
        for tier in Tier::ALL.into_iter().filter(|tier| Some(*tier) != on_air) {
            let keep = *tier.of(&self.config.returns) == Return::Resume;
            let goes_on = self.goes_on(tier);
            let rung = self.rung(tier);
            if !rung.is_under_way() {
                rung.level = Fade::constant(0.0);
            }
            if rung.is_silenced(now) && !goes_on {
                rung.program.freeze(keep, now, outbox);
            }
        }
    }

    /// Frames until anything falls due.
    fn until_change(&self, now: Frames) -> Frames {
        let listening = self.until_listening(now + 1) + 1;
        let due = |rung: &Rung| {
            let level = if rung.level.is_settled(now) { Frames::MAX } else { rung.level.end() - now };
            let listen = if rung.bypassed.is_some() { listening } else { Frames::MAX };
            let program = rung.run.map_or(Frames::MAX, |run| rung.program.until_change(now, run));
            level.min(listen).min(program)
        };
        self.rungs.iter().map(due).min().unwrap_or(Frames::MAX).max(1)
    }

    /// Frames until it is judged whether a silent tier sounds: every 10 ms of the frame grid, whatever the blocks.
    fn until_listening(&self, now: Frames) -> Frames {
        let every = (Frames::from(self.config.joins.rate) / 100).max(1);
        now.next_multiple_of(every) - now
    }

    /// Adds a tier to `out`, which starts at frame `from` of the block, and to its stem if that is wanted.
    fn mix(&mut self, tier: Tier, now: Frames, out: &mut [Stereo], from: usize, outbox: &mut Outbox) {
        let master = if tier == Tier::Emergency { Fade::constant(1.0) } else { self.master };
        let (Some(rung), Some(scratch)) =
            (self.rungs.get_mut(tier.index()), self.scratch.get_mut(..out.len()))
        else {
            return;
        };
        let Some(run) = rung.run else { return };
        scratch.fill(crate::units::SILENCE);
        rung.program.mix(now, scratch, outbox);
        rung.listen(scratch);
        if run == Run::Unheard {
            return;
        }
        let fades = [rung.level, rung.trim, master];
        let gain_at = |at| -> f32 { fades.iter().map(|fade| fade.gain_at(at)).product() };
        let settled = fades.iter().all(|fade| fade.is_settled(now));
        let add = |out: &mut [Stereo]| match settled {
            true => add_scaled(out, scratch, gain_at(now)),
            false => {
                for (i, (mixed, frame)) in out.iter_mut().zip(scratch.iter()).enumerate() {
                    let gain = gain_at(now + i as Frames);
                    mixed[0] += frame[0] * gain;
                    mixed[1] += frame[1] * gain;
                }
            }
        };
        if let Some(stem) = self.stems.of_mut(tier, from) {
            add(stem);
        }
        if !self.wanted.is_beside(tier) {
            add(out);
        }
    }

    fn rung(&mut self, tier: Tier) -> &mut Rung {
        tier.of_mut(&mut self.rungs)
    }
}
