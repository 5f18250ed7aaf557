//! The priority ladder: of the tiers that have audio, the highest is heard.
//!
//! A higher tier fades over a lower one (an emergency in 5 ms); a lower tier takes over at the very frame at which
//! a higher one runs dry. What happens to the item that was interrupted is the tier's [`Return`] policy.

use std::sync::Arc;

use crate::control::{EventKind, Failure, Outbox, Place, Ramp};
use crate::curve::{Curve, Fade};
use crate::deck::{ItemId, Prepared};
use crate::item::Metadata;
use crate::program::{Joins, Program, declicked};
use crate::tier::Tier;
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
    /// With the interrupted item, from its beginning. In the engine it is over, as with [`Next`](Self::Next); the director
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

/// One tier: its programme and the gains on it.
struct Rung {
    program: Program,
    /// 1 while it has the air, 0 while a higher tier has.
    level: Fade,
    /// The operator's fade.
    trim: Fade,
    /// Length of the fade by which it was stopped, for the tier below to rise with.
    handover: Frames,
    /// It was silent while it had the air, and does not get it back before it is heard again. The frames of sound
    /// counted so far.
    bypassed: Option<Frames>,
}

impl Rung {
    /// Whether it can have the air.
    fn is_candidate(&self) -> bool {
        self.bypassed.is_none() && self.program.has_audio()
    }

    fn is_silenced(&self, now: Frames) -> bool {
        self.level.target() == 0.0 && self.level.is_settled(now)
    }
}

/// A sample above -40 dBFS is sound.
const SOUND: f32 = 0.01;

pub(crate) struct Ladder {
    config: LadderConfig,
    rungs: [Rung; Tier::COUNT],
    on_air: Option<Tier>,
    /// The operator's fade of the whole programme. An emergency is heard all the same.
    master: Fade,
    scratch: Box<[Stereo]>,
}

impl Ladder {
    pub(crate) fn new(config: LadderConfig, max_block: usize) -> Self {
        let rungs = Tier::ALL.map(|tier| Rung {
            program: Program::new(tier, config.joins, max_block),
            level: Fade::constant(0.0),
            trim: Fade::constant(1.0),
            handover: 0,
            bypassed: None,
        });
        let scratch = vec![[0.0; 2]; max_block].into_boxed_slice();
        Self { config, rungs, on_air: None, master: Fade::constant(1.0), scratch }
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
        let tier = tier.or(self.on_air).ok_or(Failure::Idle)?;
        let rung = self.rung(tier);
        let wait = wait && tier == Tier::Automation;
        rung.handover = rung.program.skip(ramp, wait, at, outbox)?;
        Ok(())
    }

    pub(crate) fn stop(
        &mut self,
        tier: Tier,
        ramp: Ramp,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        let rung = self.rung(tier);
        rung.program.stop(ramp, at, outbox)?;
        rung.handover = ramp.length;
        Ok(())
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
        let program = &mut self.rung(tier).program;
        program.retitle(metadata, outbox)?;
        program.announce(at, outbox);
        Ok(())
    }

    /// The tier on air has been silent for too long: the tiers below get the air until it is heard again. An
    /// emergency keeps it, and so does a tier below which there is nothing.
    pub(crate) fn bypass_silent_tier(&mut self) {
        let Some(tier) = self.on_air.filter(|tier| *tier != Tier::Emergency) else { return };
        let below = Tier::ALL.into_iter().filter(|other| *other > tier);
        if below.into_iter().any(|other| self.rung(other).is_candidate()) {
            let rung = self.rung(tier);
            rung.bypassed = Some(0);
            rung.program.set_unheard(true);
        }
    }

    /// Fills `out`, the first of whose frames is frame `at`.
    pub(crate) fn render(&mut self, at: Frames, out: &mut [Stereo], outbox: &mut Outbox) {
        out.fill(crate::units::SILENCE);
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let now = at + done as Frames;
            self.decide(now, outbox);
            let run = self.until_silenced(now).min(rest.len() as Frames) as usize;
            let mixed = match self.on_air {
                Some(tier) => self.mix(tier, false, now, &mut rest[..run], outbox),
                None => run,
            };
            let on_air = self.on_air;
            for tier in Tier::ALL.into_iter().filter(|tier| Some(*tier) != on_air) {
                if self.rung(tier).bypassed.is_some() && self.rung(tier).is_silenced(now) {
                    self.listen(tier, now, mixed, outbox);
                } else {
                    self.mix(tier, true, now, &mut rest[..mixed], outbox);
                }
            }
            done += mixed;
        }
        self.silence_interrupted(at + done as Frames, outbox);
    }

    /// Gives the air to the highest tier that has audio.
    fn decide(&mut self, now: Frames, outbox: &mut Outbox) {
        self.silence_interrupted(now, outbox);
        let mut candidates = Tier::ALL.into_iter();
        let winner = candidates.find(|tier| self.rung(*tier).is_candidate()).or_else(|| self.quiet_one());
        if winner == self.on_air {
            return;
        }
        let from = std::mem::replace(&mut self.on_air, winner);
        outbox.event(now, EventKind::PriorityChanged { from, to: winner });
        let rise = self.hand_over(from, winner, now);
        let rate = self.config.joins.rate;
        if let Some(tier) = winner {
            let rung = self.rung(tier);
            rung.level = match rise {
                Some(ramp) => {
                    // A tier that had run dry still stands at full level, with nothing to be heard at it.
                    let sounding = rung.program.is_under_way() || rung.program.has_tail();
                    let from = if sounding { rung.level.gain_at(now) } else { 0.0 };
                    Fade::new(now, ramp.length, from, 1.0, ramp.curve, rate)
                }
                None => Fade::constant(1.0),
            };
            if rung.program.is_under_way() {
                rung.program.announce(now, outbox);
            }
        }
    }

    /// Where no tier has anything to be heard, a silent one has the air: its sound may come back.
    fn quiet_one(&mut self) -> Option<Tier> {
        let tier = Tier::ALL.into_iter().find(|tier| self.rung(*tier).program.has_audio())?;
        let rung = self.rung(tier);
        rung.bypassed = None;
        rung.program.set_unheard(false);
        Some(tier)
    }

    /// Lets the tier that loses the air fall, and says how the one that gets it rises; `None` is at once.
    fn hand_over(&mut self, from: Option<Tier>, winner: Option<Tier>, now: Frames) -> Option<Ramp> {
        let rate = self.config.joins.rate;
        let winner = winner?;
        let midway = self.rung(winner).program.is_under_way();
        let declick = Ramp { length: declicked(0, rate), curve: Curve::SCurve };
        let Some(from) = from else {
            return midway.then_some(declick);
        };
        let takeover = self.config.takeover[winner.index()];
        let loser = self.rung(from);
        if loser.program.has_audio() {
            let ramp = Ramp { length: declicked(takeover.length, rate), curve: takeover.curve };
            loser.level = Fade::new(now, ramp.length, loser.level.gain_at(now), 0.0, ramp.curve, rate);
            return Some(ramp);
        }
        if loser.program.has_tail() {
            let length = declicked(std::mem::take(&mut loser.handover), rate);
            return Some(Ramp { length, curve: Curve::EqualPower });
        }
        midway.then_some(declick)
    }

    /// Drops or holds what a higher tier has faded to silence.
    fn silence_interrupted(&mut self, now: Frames, outbox: &mut Outbox) {
        for tier in Tier::ALL {
            let policy = self.config.returns[tier.index()];
            // Only a higher tier interrupts; a bypassed one stands above the tier on air.
            let below = self.on_air.is_some_and(|on_air| on_air < tier);
            let rung = self.rung(tier);
            if below && rung.is_silenced(now) && policy != Return::Resume {
                rung.program.preempt(now, outbox);
            }
        }
    }

    /// Frames until a tier that is fading away is silent.
    fn until_silenced(&self, now: Frames) -> Frames {
        let ends = self.rungs.iter().map(|rung| rung.level.end()).filter(|end| *end > now);
        ends.min().unwrap_or(Frames::MAX).saturating_sub(now).max(1)
    }

    /// Adds a tier to `out` and says how many frames it had.
    fn mix(
        &mut self,
        tier: Tier,
        leaving: bool,
        now: Frames,
        out: &mut [Stereo],
        outbox: &mut Outbox,
    ) -> usize {
        let master = if tier == Tier::Emergency { Fade::constant(1.0) } else { self.master };
        let Some(rung) = self.rungs.get_mut(tier.index()) else {
            return 0;
        };
        if leaving && (rung.is_silenced(now) || !(rung.program.is_under_way() || rung.program.has_tail())) {
            return 0;
        }
        let Some(scratch) = self.scratch.get_mut(..out.len()) else {
            return out.len();
        };
        scratch.fill(crate::units::SILENCE);
        let frames = rung.program.render(now, scratch, leaving, outbox);
        let fades = [rung.level, rung.trim, master];
        let flat = fades.iter().all(|fade| fade.is_settled(now));
        let flat_gain: f32 = fades.iter().map(|fade| fade.gain_at(now)).product();
        for (i, (mixed, frame)) in out.iter_mut().zip(scratch.iter()).take(frames).enumerate() {
            let at = now + i as Frames;
            let gain = if flat { flat_gain } else { fades.iter().map(|fade| fade.gain_at(at)).product() };
            mixed[0] += frame[0] * gain;
            mixed[1] += frame[1] * gain;
        }
        frames
    }

    /// Lets a bypassed tier run on unheard, and gives it another chance once a tenth of a second of it was sound.
    fn listen(&mut self, tier: Tier, now: Frames, frames: usize, outbox: &mut Outbox) {
        let (rate, Some(scratch)) = (self.config.joins.rate, self.scratch.get_mut(..frames)) else { return };
        let Some(rung) = self.rungs.get_mut(tier.index()) else { return };
        scratch.fill(crate::units::SILENCE);
        rung.program.render(now, scratch, false, outbox);
        let sound = scratch.iter().filter(|frame| frame.iter().any(|sample| sample.abs() > SOUND)).count();
        let heard = rung.bypassed.unwrap_or(0) + sound as Frames;
        rung.bypassed = Some(heard).filter(|heard| *heard < Frames::from(rate) / 10);
        rung.program.set_unheard(rung.bypassed.is_some());
    }

    fn rung(&mut self, tier: Tier) -> &mut Rung {
        // In range by construction: there are as many rungs as tiers.
        &mut self.rungs[tier.index()]
    }
}
