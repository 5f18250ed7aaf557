//! The programme of one tier: the item on air, those fading out under it, and those waiting, joined gaplessly or
//! crossfaded on exact frames.

use std::sync::Arc;

use crate::control::{Ending, EventKind, Failure, Outbox, Place, Ramp, Retired};
use crate::curve::Curve;
use crate::deck::{Deck, ItemId, Prepared, Starvation, declicked, end};
use crate::item::Metadata;
use crate::level::Programme;
use crate::source::{Buffered, Origin};
use crate::tails::Tails;
use crate::tier::Tier;
use crate::waiting::Waiting;
use crate::{Frames, Stereo};

pub use crate::waiting::WAITING;

/// How the items of a tier follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joins {
    /// The crossfade between items that bring none of their own; length 0 is gapless.
    pub crossfade: Ramp,
    /// The station's sample rate in Hz.
    pub rate: u32,
}

/// How a programme is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// On air. It stops where its source runs short: a lower tier has something to play.
    Heard,
    /// On air with nothing to be heard in its place: where its source runs short, there is silence.
    Alone,
    /// Heard over the tier on air: where its source runs short, that is heard alone.
    Over,
    /// Not on air, but it goes on all the same.
    Unheard,
    /// Not on air any more: what is under way is played out, and nothing new starts.
    Leaving,
}

/// The programme of one tier.
pub(crate) struct Program {
    tier: Tier,
    joins: Joins,
    current: Option<Deck>,
    tails: Tails,
    waiting: Waiting,
    /// The item that listeners have been told is on air.
    told: Option<ItemId>,
    /// The frame up to which it has been rendered.
    rendered: Frames,
    scratch: Box<[Stereo]>,
}

impl Program {
    pub(crate) fn new(tier: Tier, joins: Joins, max_block: usize) -> Self {
        Self {
            tier,
            joins,
            current: None,
            tails: Tails::new(tier, joins.crossfade, joins.rate),
            waiting: Waiting::new(tier, joins.rate),
            told: None,
            rendered: 0,
            scratch: vec![[0.0; 2]; max_block].into_boxed_slice(),
        }
    }

    /// Whether it has anything to play, be it short of it at the moment.
    pub(crate) fn has_audio(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// Whether it would be heard if it had the air: its source, or that of the item that would start, delivers.
    pub(crate) fn is_ready(&self) -> bool {
        match &self.current {
            None => self.waiting.next_flows(),
            Some(deck) if !deck.is_dry() => true,
            Some(deck) => {
                let goes_on = deck.is_stalled() || self.waiting.skip().is_some() && self.tails.have_room();
                goes_on && self.waiting.next_flows()
            }
        }
    }

    /// Tells it apart from a programme that would start a new item: an item of it has been heard in part.
    pub(crate) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// Whether something of it is still fading out.
    pub(crate) fn has_tail(&self) -> bool {
        !self.tails.is_empty()
    }

    /// Frames until what is still fading out is silent.
    pub(crate) fn tail_left(&self, now: Frames) -> Frames {
        self.tails.left(now)
    }

    /// Gives the item on air other metadata and tells listeners; gives it back when there is no item.
    pub(crate) fn retitle(
        &mut self,
        metadata: Arc<Metadata>,
        over: bool,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Arc<Metadata>> {
        let Some(deck) = &mut self.current else { return Err(metadata) };
        outbox.retire(Retired::Metadata(deck.retitle(metadata)));
        if self.told.take().is_some() {
            self.tell(at, over, outbox);
        }
        Ok(())
    }

    /// The same for one item, which is told if it is `heard`, be it `over` the programme.
    pub(crate) fn retitle_item(
        &mut self,
        item: ItemId,
        metadata: Arc<Metadata>,
        heard: bool,
        over: bool,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Arc<Metadata>> {
        match self.current.as_mut().filter(|deck| deck.item().id == item) {
            Some(_) if heard => self.retitle(metadata, over, at, outbox),
            Some(deck) => {
                outbox.retire(Retired::Metadata(deck.retitle(metadata)));
                Ok(())
            }
            None => Err(metadata),
        }
    }

    /// It has the air again, so listeners are to be told what it plays.
    pub(crate) fn begin_to_be_heard(&mut self) {
        self.told = None;
    }

    /// Tells which item is heard, if that is another. Listeners are told of what is on air, not of what is heard `over` it.
    fn tell(&mut self, at: Frames, over: bool, outbox: &mut Outbox) {
        let Some(deck) = self.current.as_mut().filter(|deck| !deck.is_dry()) else { return };
        let (tier, item) = (self.tier, deck.item().id);
        if self.told.replace(item) != Some(item) {
            let (metadata, started) = (Arc::clone(&deck.item().metadata), deck.tell());
            let playing = EventKind::NowPlaying { tier, item, metadata, started, over };
            outbox.event(at, playing);
        }
    }

    /// What its source holds, with that of the next item once the end is in sight.
    pub(crate) fn buffered(&self) -> Buffered {
        let next = self.waiting.next().map_or(0, |next| next.source.available());
        let Some(deck) = &self.current else {
            return Buffered { frames: next, end_in_sight: false };
        };
        let end_in_sight = deck.remaining().is_some();
        let next = if end_in_sight { next } else { 0 };
        Buffered { frames: deck.available().saturating_add(next), end_in_sight }
    }

    /// What it brings onto the bus at frame `now`.
    pub(crate) fn programme(&self, now: Frames) -> Option<Programme> {
        self.current.as_ref().filter(|deck| !deck.is_dry()).map(|deck| deck.programme(now))
    }

    pub(crate) fn load(&mut self, item: Box<Prepared>, place: Place) -> Result<(), (Failure, Box<Prepared>)> {
        self.waiting.load(item, place)?;
        self.skip_to(place);
        Ok(())
    }

    /// Gives a waiting item another place.
    pub(crate) fn shift(&mut self, id: ItemId, place: Place) -> Result<(), Failure> {
        self.waiting.shift(id, place)?;
        self.skip_to(place);
        Ok(())
    }

    /// Skips to an item that was put where it starts at once.
    fn skip_to(&mut self, place: Place) {
        if let Place::Now(ramp) = place
            && self.current.is_some()
        {
            self.waiting.ask_skip(ramp.unwrap_or(self.joins.crossfade), false);
        }
    }

    /// Gives a waiting item another gain.
    pub(crate) fn level(&mut self, id: ItemId, gain: f32, levelled_lufs: Option<f32>) -> Result<(), Failure> {
        self.waiting.level(id, gain, levelled_lufs)
    }

    pub(crate) fn unload(&mut self, id: ItemId, at: Frames, outbox: &mut Outbox) -> Result<(), Failure> {
        self.waiting.unload(id, at, outbox)
    }

    /// Starts the next waiting item, as soon as there is one if `wait` and it has the air. Otherwise an item with
    /// nothing behind it fades out, or is over at once if it is not heard.
    pub(crate) fn skip(
        &mut self,
        ramp: Option<Ramp>,
        wait: bool,
        on_air: bool,
        heard: bool,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        if self.current.is_none() {
            return Err(Failure::Idle);
        }
        let ramp = ramp.unwrap_or(self.joins.crossfade);
        if wait || !self.waiting.is_empty() {
            self.waiting.ask_skip(ramp, wait);
            if on_air {
                // Now, so that of several skips at one frame each finds another item.
                self.skip_if_ready(at, outbox);
            }
        } else {
            self.take_off(ramp, Ending::Skipped, heard, at, outbox);
        }
        Ok(())
    }

    /// Fades out what is heard and takes the rest off.
    pub(crate) fn stop(
        &mut self,
        ramp: Ramp,
        heard: bool,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        if !self.has_audio() {
            return Err(Failure::Idle);
        }
        self.waiting.clear(at, outbox);
        self.tails.stop(ramp, at);
        self.take_off(ramp, Ending::Stopped, heard, at, outbox);
        Ok(())
    }

    /// Takes the item off its deck: faded if it is `heard` and has begun, else at once.
    fn take_off(&mut self, ramp: Ramp, ending: Ending, heard: bool, at: Frames, outbox: &mut Outbox) {
        self.waiting.forget_skip();
        let Some(mut deck) = self.current.take() else { return };
        // What comes at its very end cuts nothing off.
        let whole = deck.played() > 0 && deck.end(at).is_some_and(|end| end <= at);
        let ending = if whole { Ending::Finished } else { ending };
        if heard && deck.played() > 0 && !deck.is_silent(at) {
            deck.fall_from(at, declicked(ramp.length, self.joins.rate), ramp.curve);
            self.tails.push(deck, ending, at, outbox);
        } else {
            self.end(deck, ending, at, outbox);
        }
    }

    /// It is over, and what it was short of at last is reported.
    fn end(&self, mut deck: Deck, ending: Ending, at: Frames, outbox: &mut Outbox) {
        if let Some(starvation) = deck.take_starvation() {
            report(self.tier, &deck, &starvation, outbox);
        }
        end(self.tier, deck, ending, at, outbox);
    }

    /// A higher tier has silenced it. It stands still until it has the air again, and goes on with the item on its
    /// deck if that is to be kept.
    pub(crate) fn freeze(&mut self, keep: bool, at: Frames, outbox: &mut Outbox) {
        self.tails.end_all(at, outbox);
        if self.rendered == at {
            // The last frame of it may have been played while it fell.
            self.end_current(at, outbox);
        }
        let skipped = self.waiting.skip().is_some() && !self.waiting.is_empty();
        if skipped || !keep {
            self.waiting.forget_skip();
            if let Some(deck) = self.current.take() {
                let ending = if skipped { Ending::Skipped } else { Ending::Preempted };
                self.end(deck, ending, at, outbox);
            }
        }
    }

    /// Looks at what its sources hold at frame `now`, which may have changed since the last block.
    pub(crate) fn watch(&mut self, now: Frames, alone: bool, outbox: &mut Outbox) {
        if let Some(deck) = &mut self.current {
            deck.watch(now, alone);
        }
        if !self.has_audio() {
            self.current = self.tails.take_back(now);
        }
        self.waiting.drop_empty(now, outbox);
    }

    /// Does everything that is due at frame `now`, and says whether it has anything to play from there on.
    pub(crate) fn advance(&mut self, now: Frames, run: Run, outbox: &mut Outbox) -> bool {
        let leaving = run == Run::Leaving;
        self.tails.advance(now, outbox);
        if let Some(deck) = &mut self.current {
            deck.shift(now.saturating_sub(self.rendered));
            deck.watch(now, run == Run::Alone);
        }
        self.rendered = now;
        if !leaving {
            self.skip_if_ready(now, outbox);
        }
        // Items shorter than a block follow one another within this call, so this is a loop.
        loop {
            self.end_current(now, outbox);
            if self.current.is_none() && (leaving || self.waiting.is_empty()) {
                self.current = self.tails.take_back(now);
            }
            if matches!(run, Run::Heard | Run::Alone | Run::Over) {
                // Also of one so short that the next starts over it at this very frame.
                self.tell(now, run == Run::Over, outbox);
            }
            if leaving || !self.has_room() || self.join_at(now).is_none_or(|join| join > now) {
                break;
            }
            self.join(now, outbox);
        }
        if let Some(deck) = &mut self.current {
            let length = deck.item().fade_out;
            let curve = deck.item().curve.unwrap_or(self.joins.crossfade.curve);
            if let (Some(length), Some(end)) = (length, deck.audio_end(now)) {
                deck.fall_before(end, length, curve, now);
            }
        }
        match &self.current {
            Some(deck) => !(run == Run::Heard && deck.is_dry()),
            // An item may wait for a tail to be over.
            None => !self.tails.is_empty() && (leaving || !self.waiting.is_empty()),
        }
    }

    /// Adds the next frames to `out`, the first of which is frame `now`; nothing falls due before its end.
    pub(crate) fn mix(&mut self, now: Frames, out: &mut [Stereo], outbox: &mut Outbox) {
        self.tails.mix(now, out, &mut self.scratch);
        if let Some(deck) = &mut self.current
            && let Some(starvation) = deck.mix(now, out, &mut self.scratch)
        {
            report(self.tier, deck, &starvation, outbox);
        }
        self.rendered = now + out.len() as Frames;
    }

    /// The item, and the file, of which alone it gave the last frames as they were, and where in the file the next lies.
    pub(crate) fn verbatim(&self) -> Option<(ItemId, &Arc<Origin>, Frames)> {
        let deck = self.current.as_ref().filter(|_| self.tails.is_empty())?;
        deck.verbatim().map(|(origin, next)| (deck.item().id, origin, next))
    }

    /// Takes the item off its deck if it is over, or has delivered nothing for too long.
    fn end_current(&mut self, now: Frames, outbox: &mut Outbox) {
        let over = |deck: &mut Deck| deck.is_stalled() || deck.end(now).is_some_and(|end| end <= now);
        let Some(deck) = self.current.take_if(over) else { return };
        let ending = if deck.is_stalled() { Ending::Stalled } else { Ending::Finished };
        self.end(deck, ending, now, outbox);
        self.waiting.forget_skip();
    }

    /// Whether an item may start.
    fn has_room(&self) -> bool {
        if self.current.is_none() { self.tails.let_start() } else { self.tails.have_room() }
    }

    /// Frames until something is due that [`advance`](Self::advance) must do.
    pub(crate) fn until_change(&self, now: Frames, run: Run) -> Frames {
        let current = self.current.as_ref();
        let end = current.and_then(|deck| deck.end(now)).map(|end| end.saturating_sub(now));
        let look = current.map(|deck| deck.until_look(now));
        let may_start = run != Run::Leaving && self.has_room();
        let join = if may_start { self.join_at(now) } else { None };
        let join = join.map(|join| join.saturating_sub(now));
        let due = [end, look, join, Some(self.tails.until_change(now))];
        due.into_iter().flatten().min().unwrap_or(Frames::MAX)
    }

    /// The frame at which the next waiting item starts, if both it and the end it follows are in sight.
    fn join_at(&self, now: Frames) -> Option<Frames> {
        let next = self.waiting.next()?;
        let Some(deck) = &self.current else {
            return Some(now);
        };
        // Short of audio, it asks for nothing.
        if deck.is_dry() || !self.waiting.next_flows() {
            return None;
        }
        if let Some(asked) = deck.start_next(now) {
            return Some(deck.end(now).map_or(asked, |end| asked.min(end)));
        }
        let end = deck.end(now)?;
        // No more than half of a short next item may be covered, or a third would begin under the first; and
        // this one must have risen before it falls.
        let covered = next.source.remaining().map_or(Frames::MAX, |length| length / 2);
        let overlap = self.overlap(end.saturating_sub(now).min(covered));
        Some(end.saturating_sub(overlap).max(deck.risen().min(end)))
    }

    /// The crossfade where no more than `most` can be covered; none if that would click.
    fn overlap(&self, most: Frames) -> Frames {
        let overlap = self.joins.crossfade.length.min(most);
        if overlap < declicked(0, self.joins.rate) { 0 } else { overlap }
    }

    /// Starts the next waiting item at `now`, over the end of the current one.
    fn join(&mut self, now: Frames, outbox: &mut Outbox) {
        let Some(next) = self.waiting.take_next(now, outbox) else {
            return;
        };
        let crossfade = self.joins.crossfade;
        let mut overlap = 0;
        if let Some(mut deck) = self.current.take() {
            let curve = deck.item().curve.unwrap_or(crossfade.curve);
            match deck.end(now) {
                Some(end) => {
                    overlap = self.overlap(end.saturating_sub(now));
                    let length = deck.item().fade_out.unwrap_or(overlap);
                    deck.fall_before(end, length, curve, now);
                }
                // Its end is out of sight: it asked for the next item early. It falls when its end is seen.
                None => overlap = self.overlap(Frames::MAX),
            }
            self.tails.push(deck, Ending::Finished, now, outbox);
        }
        let fade_in = next.fade_in.unwrap_or(overlap);
        self.start(next, now, fade_in, crossfade.curve);
    }

    /// Carries out a skip that waits, if there is an item to skip to and a place for the tail.
    fn skip_if_ready(&mut self, now: Frames, outbox: &mut Outbox) {
        let Some(ramp) = self.waiting.skip() else { return };
        if !self.waiting.next_flows() || !self.tails.have_room() {
            return;
        }
        let silent = self.current.as_ref().is_none_or(|deck| deck.is_silent(now));
        let length = if silent { 0 } else { declicked(ramp.length, self.joins.rate) };
        self.take_off(ramp, Ending::Skipped, true, now, outbox);
        if let Some(next) = self.waiting.take_next(now, outbox) {
            let fade_in = next.fade_in.unwrap_or(length);
            self.start(next, now, fade_in, ramp.curve);
        }
    }

    fn start(&mut self, item: Box<Prepared>, now: Frames, fade_in: Frames, curve: Curve) {
        // An item shorter than its fade in rises over half of itself.
        let fade_in = fade_in.min(item.source.remaining().map_or(Frames::MAX, |length| length / 2));
        let curve = item.curve.unwrap_or(curve);
        self.current = Some(Deck::start(item, now, fade_in, curve, self.joins.rate));
        self.rendered = now;
    }
}

fn report(tier: Tier, deck: &Deck, starvation: &Starvation, outbox: &mut Outbox) {
    let (item, frames) = (deck.item().id, starvation.frames);
    outbox.event(starvation.at, EventKind::Underrun { tier, item, frames });
}
