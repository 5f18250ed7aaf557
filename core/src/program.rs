//! The programme of one tier: the item on air, those fading out under it, and those waiting, joined gaplessly or
//! crossfaded on exact frames.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::control::{Ending, EventKind, Failure, Outbox, Place, Ramp, Retired};
use crate::curve::Curve;
use crate::deck::{Deck, ItemId, Prepared, Starvation};
use crate::item::Metadata;
use crate::tier::Tier;
use crate::{Frames, Stereo};

/// Items that may wait on a tier.
pub const WAITING: usize = 8;
/// Decks that may be fading out at once. Two tiers of a crossfade need one; the others are for skips in quick
/// succession, each of which leaves a tail of its own.
const FALLING: usize = 4;

/// How the items of a tier follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joins {
    /// The crossfade between items that bring none of their own; length 0 is gapless.
    pub crossfade: Ramp,
    /// The station's sample rate in Hz.
    pub rate: u32,
}

/// A deck on its way out, and why.
struct Falling {
    deck: Deck,
    ending: Ending,
}

/// The programme of one tier.
pub(crate) struct Program {
    tier: Tier,
    joins: Joins,
    current: Option<Deck>,
    falling: Vec<Falling>,
    waiting: VecDeque<Box<Prepared>>,
    /// It runs on without being heard, and announces nothing.
    unheard: bool,
    /// A skip that waits for a deck to come free or for an item to skip to.
    skip: Option<Ramp>,
    scratch: Box<[Stereo]>,
}

impl Program {
    pub(crate) fn new(tier: Tier, joins: Joins, max_block: usize) -> Self {
        Self {
            tier,
            joins,
            current: None,
            falling: Vec::with_capacity(FALLING + 1),
            waiting: VecDeque::with_capacity(WAITING),
            unheard: false,
            skip: None,
            scratch: vec![[0.0; 2]; max_block].into_boxed_slice(),
        }
    }

    /// Whether it has anything to be heard now.
    pub(crate) fn has_audio(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// Tells it apart from a programme that would start a new item: an item of it has been heard in part.
    pub(crate) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// While unheard, items that start are not announced.
    pub(crate) fn set_unheard(&mut self, unheard: bool) {
        self.unheard = unheard;
    }

    /// Whether something of it is still fading out.
    pub(crate) fn has_tail(&self) -> bool {
        !self.falling.is_empty()
    }

    /// Gives the item on air other metadata; gives it back when there is no item.
    pub(crate) fn retitle(
        &mut self,
        metadata: Arc<Metadata>,
        outbox: &mut Outbox,
    ) -> Result<(), Arc<Metadata>> {
        let Some(deck) = &mut self.current else { return Err(metadata) };
        outbox.retire(Retired::Metadata(deck.retitle(metadata)));
        Ok(())
    }

    /// Announces the item on air again.
    pub(crate) fn announce(&self, at: Frames, outbox: &mut Outbox) {
        let Some(deck) = &self.current else { return };
        let (tier, item, metadata) = (self.tier, deck.item().id, Arc::clone(&deck.item().metadata));
        outbox.event(at, EventKind::NowPlaying { tier, item, metadata, started: false });
    }

    pub(crate) fn load(&mut self, item: Box<Prepared>, place: Place) -> Result<(), (Failure, Box<Prepared>)> {
        if self.waiting.len() >= WAITING {
            return Err((Failure::TierFull, item));
        }
        self.put(item, place);
        Ok(())
    }

    /// Gives a waiting item another place.
    pub(crate) fn shift(&mut self, id: ItemId, place: Place) -> Result<(), Failure> {
        let item = self.index_of(id).and_then(|index| self.waiting.remove(index));
        self.put(item.ok_or(Failure::NotWaiting)?, place);
        Ok(())
    }

    /// Puts an item among those waiting; there is room for it.
    fn put(&mut self, item: Box<Prepared>, place: Place) {
        let index = match place {
            Place::Back => self.waiting.len(),
            Place::Front | Place::Now(_) => 0,
            Place::Before(id) => self.index_of(id).unwrap_or(0),
        };
        self.waiting.insert(index, item);
        if let Place::Now(ramp) = place
            && self.current.is_some()
        {
            self.skip = Some(ramp.unwrap_or(self.joins.crossfade));
        }
    }

    fn index_of(&self, id: ItemId) -> Option<usize> {
        self.waiting.iter().position(|item| item.id == id)
    }

    pub(crate) fn unload(&mut self, id: ItemId, at: Frames, outbox: &mut Outbox) -> Result<(), Failure> {
        let item = self.index_of(id).and_then(|index| self.waiting.remove(index));
        discard(self.tier, item.ok_or(Failure::NotWaiting)?, at, outbox);
        Ok(())
    }

    /// Starts the next waiting item, as soon as there is one if `wait`. Otherwise an item with nothing behind it
    /// fades out, over the frames returned.
    pub(crate) fn skip(
        &mut self,
        ramp: Option<Ramp>,
        wait: bool,
        at: Frames,
        outbox: &mut Outbox,
    ) -> Result<Frames, Failure> {
        let ramp = ramp.unwrap_or(self.joins.crossfade);
        if self.current.is_some() && (wait || !self.waiting.is_empty()) {
            self.skip = Some(ramp);
            return Ok(0);
        }
        let mut deck = self.current.take().ok_or(Failure::Idle)?;
        deck.fall_from(at, declicked(ramp.length, self.joins.rate), ramp.curve);
        self.let_fall(deck, Ending::Skipped, at, outbox);
        Ok(ramp.length)
    }

    /// Fades out what is heard and takes the rest off.
    pub(crate) fn stop(&mut self, ramp: Ramp, at: Frames, outbox: &mut Outbox) -> Result<(), Failure> {
        if !self.has_audio() {
            return Err(Failure::Idle);
        }
        while let Some(item) = self.waiting.pop_front() {
            discard(self.tier, item, at, outbox);
        }
        self.skip = None;
        if let Some(mut deck) = self.current.take() {
            deck.fall_from(at, declicked(ramp.length, self.joins.rate), ramp.curve);
            self.let_fall(deck, Ending::Stopped, at, outbox);
        }
        Ok(())
    }

    /// Drops what is on its decks, which a higher tier has silenced; what waits is kept.
    pub(crate) fn preempt(&mut self, at: Frames, outbox: &mut Outbox) {
        self.skip = None;
        for falling in self.falling.drain(..) {
            end(self.tier, falling.deck, falling.ending, at, outbox);
        }
        if let Some(deck) = self.current.take() {
            end(self.tier, deck, Ending::Preempted, at, outbox);
        }
    }

    /// Adds the next frames to `out`, the first of which is frame `at`, and says how many there were: fewer than
    /// asked when the programme ran dry. While `leaving` (another tier is on air) no new item starts, and tails
    /// are played out.
    pub(crate) fn render(
        &mut self,
        at: Frames,
        out: &mut [Stereo],
        leaving: bool,
        outbox: &mut Outbox,
    ) -> usize {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let now = at + done as Frames;
            self.advance(now, leaving, outbox);
            let only_tails = self.current.is_none();
            if only_tails && (!leaving || self.falling.is_empty()) {
                break;
            }
            let run =
                usize::try_from(self.until_change(now, leaving)).unwrap_or(usize::MAX).clamp(1, rest.len());
            self.mix(now, &mut rest[..run], outbox);
            done += run;
        }
        done
    }

    fn mix(&mut self, now: Frames, out: &mut [Stereo], outbox: &mut Outbox) {
        for falling in &mut self.falling {
            falling.deck.mix(now, out, &mut self.scratch);
        }
        if let Some(deck) = &mut self.current
            && let Some(starvation) = deck.mix(now, out, &mut self.scratch)
        {
            report(self.tier, deck, &starvation, outbox);
        }
    }

    /// Lets the tails that were joined before their end was in sight fall, now that it is.
    fn let_tails_fall(&mut self, now: Frames) {
        let crossfade = self.joins.crossfade;
        let unfaded =
            |falling: &&mut Falling| falling.ending == Ending::Finished && !falling.deck.is_falling();
        for falling in self.falling.iter_mut().filter(unfaded) {
            let item = falling.deck.item();
            let (length, curve) =
                (item.fade_out.unwrap_or(crossfade.length), item.curve.unwrap_or(crossfade.curve));
            if let Some(end) = falling.deck.audio_end(now) {
                falling.deck.fall_before(end, length, curve, now);
            }
        }
    }

    /// Does everything that is due at frame `now`.
    fn advance(&mut self, now: Frames, leaving: bool, outbox: &mut Outbox) {
        let tier = self.tier;
        self.let_tails_fall(now);
        for i in (0..self.falling.len()).rev() {
            if self.falling.get(i).is_some_and(|falling| falling.deck.end(now).is_some_and(|end| end <= now))
            {
                let falling = self.falling.swap_remove(i);
                end(tier, falling.deck, falling.ending, now, outbox);
            }
        }
        if !leaving
            && let Some(ramp) = self.skip
            && !self.waiting.is_empty()
            && self.falling.len() < FALLING
        {
            self.skip = None;
            self.skip_now(ramp, now, outbox);
        }
        // Items shorter than a block follow one another within this call, so this is a loop.
        loop {
            let over = |deck: &mut Deck| deck.is_stalled() || deck.end(now).is_some_and(|end| end <= now);
            if let Some(mut deck) = self.current.take_if(over) {
                let ending = if deck.is_stalled() { Ending::Stalled } else { Ending::Finished };
                if let Some(starvation) = deck.take_starvation() {
                    report(tier, &deck, &starvation, outbox);
                }
                end(tier, deck, ending, now, outbox);
                self.skip = None;
            }
            let room = self.current.is_none() || self.falling.len() < FALLING;
            if leaving || !room || self.join_at(now).is_none_or(|join| join > now) {
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
    }

    /// Frames until something is due that [`advance`](Self::advance) must do.
    fn until_change(&self, now: Frames, leaving: bool) -> Frames {
        let ends = self.falling.iter().filter_map(|falling| falling.deck.end(now));
        let end = self.current.as_ref().and_then(|deck| deck.end(now));
        let join = if leaving { None } else { self.join_at(now) };
        ends.chain(end).chain(join).min().unwrap_or(Frames::MAX).saturating_sub(now)
    }

    /// The frame at which the next waiting item starts, if both it and the end it follows are in sight.
    fn join_at(&self, now: Frames) -> Option<Frames> {
        let next = self.waiting.front()?;
        let Some(deck) = &self.current else {
            return Some(now);
        };
        if let Some(asked) = deck.start_next(now) {
            return Some(deck.end(now).map_or(asked, |end| asked.min(end)));
        }
        let end = deck.end(now)?;
        // No more than half of a short next item may be covered, or a third would begin under the first; and
        // this one must have risen before it falls.
        let covered = next.source.remaining().map_or(Frames::MAX, |length| length / 2);
        let overlap = self.joins.crossfade.length.min(covered);
        Some(end.saturating_sub(overlap).max(deck.risen().min(end)))
    }

    /// Starts the next waiting item at `now`, over the end of the current one.
    fn join(&mut self, now: Frames, outbox: &mut Outbox) {
        let Some(next) = self.waiting.pop_front() else {
            return;
        };
        let crossfade = self.joins.crossfade;
        let mut overlap = 0;
        if let Some(mut deck) = self.current.take() {
            let curve = deck.item().curve.unwrap_or(crossfade.curve);
            match deck.end(now) {
                Some(end) => {
                    overlap = crossfade.length.min(end.saturating_sub(now));
                    let length = deck.item().fade_out.unwrap_or(overlap);
                    deck.fall_before(end, length, curve, now);
                }
                // Its end is out of sight: it asked for the next item early. It falls when its end is seen.
                None => overlap = crossfade.length,
            }
            self.let_fall(deck, Ending::Finished, now, outbox);
        }
        let fade_in = next.fade_in.unwrap_or(overlap);
        self.start(next, now, fade_in, crossfade.curve, outbox);
    }

    fn skip_now(&mut self, ramp: Ramp, now: Frames, outbox: &mut Outbox) {
        let length = declicked(ramp.length, self.joins.rate);
        if let Some(mut deck) = self.current.take() {
            deck.fall_from(now, length, ramp.curve);
            self.let_fall(deck, Ending::Skipped, now, outbox);
        }
        if let Some(next) = self.waiting.pop_front() {
            let fade_in = next.fade_in.unwrap_or(length);
            self.start(next, now, fade_in, ramp.curve, outbox);
        }
    }

    fn start(
        &mut self,
        item: Box<Prepared>,
        now: Frames,
        fade_in: Frames,
        curve: Curve,
        outbox: &mut Outbox,
    ) {
        let (tier, id, metadata) = (self.tier, item.id, item.metadata.clone());
        // An item shorter than its fade in rises over half of itself.
        let fade_in = fade_in.min(item.source.remaining().map_or(Frames::MAX, |length| length / 2));
        let curve = item.curve.unwrap_or(curve);
        self.current = Some(Deck::start(item, now, fade_in, curve, self.joins.rate));
        if self.unheard {
            // The item holds the metadata too, so this frees nothing.
            drop(metadata);
        } else {
            outbox.event(now, EventKind::NowPlaying { tier, item: id, metadata, started: true });
        }
    }

    fn let_fall(&mut self, deck: Deck, ending: Ending, now: Frames, outbox: &mut Outbox) {
        if deck.end(now).is_some_and(|end| end <= now) || self.falling.len() > FALLING {
            end(self.tier, deck, ending, now, outbox);
        } else {
            self.falling.push(Falling { deck, ending });
        }
    }
}

/// The length of a fade that does not click: at least 5 ms.
pub(crate) fn declicked(length: Frames, rate: u32) -> Frames {
    length.max(Frames::from(rate) / 200)
}

fn report(tier: Tier, deck: &Deck, starvation: &Starvation, outbox: &mut Outbox) {
    let (item, frames) = (deck.item().id, starvation.frames);
    outbox.event(starvation.at, EventKind::Underrun { tier, item, frames });
}

fn end(tier: Tier, deck: Deck, ending: Ending, now: Frames, outbox: &mut Outbox) {
    let (item, played) = (deck.item().id, deck.played());
    outbox.event(now, EventKind::ItemEnded { tier, item, ending, played });
    outbox.retire(Retired::Item(deck.into_item()));
}

fn discard(tier: Tier, item: Box<Prepared>, now: Frames, outbox: &mut Outbox) {
    outbox.event(now, EventKind::ItemUnused { tier, item: item.id });
    outbox.retire(Retired::Item(item));
}
