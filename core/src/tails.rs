//! The tails of a programme: items that fade out under the one that followed them, or after a stop.

use crate::control::{Ending, Outbox, Ramp};
use crate::curve::Curve;
use crate::deck::{Deck, declicked, end};
use crate::tier::Tier;
use crate::{Frames, Stereo};

/// Tails under which another item may start. Two items of a crossfade need one; the others are for skips in quick
/// succession, each of which leaves a tail of its own.
const TAILS: usize = 4;

/// A deck on its way out, and why.
struct Tail {
    deck: Deck,
    ending: Ending,
    /// It plays on in full until its end comes in sight.
    unplaced: bool,
}

/// What still fades out on a tier.
pub(crate) struct Tails {
    tier: Tier,
    crossfade: Ramp,
    rate: u32,
    /// One more than [`TAILS`]: the item that started under the last of them can be stopped too.
    tails: Vec<Tail>,
}

impl Tails {
    pub(crate) fn new(tier: Tier, crossfade: Ramp, rate: u32) -> Self {
        Self { tier, crossfade, rate, tails: Vec::with_capacity(TAILS + 1) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tails.is_empty()
    }

    /// Whether an item may start now; it will need a place here when it is stopped.
    pub(crate) fn let_start(&self) -> bool {
        self.tails.len() <= TAILS
    }

    /// Whether an item may start and make the one on air a tail.
    pub(crate) fn have_room(&self) -> bool {
        self.tails.len() < TAILS
    }

    /// Frames until the last of them is silent; 0 when there is none.
    pub(crate) fn left(&self, now: Frames) -> Frames {
        let ends = self.tails.iter().filter_map(|tail| tail.deck.end(now));
        ends.max().unwrap_or(0).saturating_sub(now)
    }

    /// Adds a deck that is on its way out. Where that leaves no place for the next item, the tail that ends first
    /// does so in 5 ms.
    pub(crate) fn push(&mut self, deck: Deck, ending: Ending, now: Frames, outbox: &mut Outbox) {
        if deck.end(now).is_some_and(|end| end <= now) || !self.let_start() {
            end(self.tier, deck, ending, now, outbox);
            return;
        }
        let unplaced = deck.end(now).is_none();
        self.tails.push(Tail { deck, ending, unplaced });
        if !self.let_start()
            && let Some(first) = self.tails.iter_mut().min_by_key(|tail| tail.deck.end(now).unwrap_or(now))
        {
            first.deck.fall_from(now, declicked(0, self.rate), Curve::SCurve);
        }
    }

    /// Lets them be over with the fade of a stop, if they are not so sooner.
    pub(crate) fn stop(&mut self, ramp: Ramp, now: Frames) {
        let length = declicked(ramp.length, self.rate);
        for tail in &mut self.tails {
            if tail.deck.is_falling(now) {
                tail.deck.fall_by(now + length, now);
            } else {
                tail.deck.fall_from(now, length, ramp.curve);
                tail.ending = Ending::Stopped;
            }
        }
    }

    /// Takes back the item that was played on in full under a later one, which is over before it.
    pub(crate) fn take_back(&mut self, now: Frames) -> Option<Deck> {
        let plays_on = |tail: &Tail| tail.ending == Ending::Finished && !tail.deck.is_falling(now);
        let index = self.tails.iter().rposition(plays_on)?;
        Some(self.tails.remove(index).deck)
    }

    /// Does everything that is due at frame `now`.
    pub(crate) fn advance(&mut self, now: Frames, outbox: &mut Outbox) {
        let least = declicked(0, self.rate);
        for tail in &mut self.tails {
            tail.deck.watch(now, false);
            let Some(end) = tail.deck.audio_end(now) else { continue };
            if std::mem::take(&mut tail.unplaced) && end.saturating_sub(now) >= least {
                let item = tail.deck.item();
                let length = item.fade_out.unwrap_or(self.crossfade.length);
                let curve = item.curve.unwrap_or(self.crossfade.curve);
                tail.deck.fall_before(end, length, curve, now);
            }
            // Nor does one fall for longer than it lasts.
            tail.deck.fall_by(end, now);
        }
        for i in (0..self.tails.len()).rev() {
            let over =
                |tail: &Tail| tail.deck.is_stalled() || tail.deck.end(now).is_some_and(|end| end <= now);
            if self.tails.get(i).is_some_and(over) {
                let Tail { deck, ending, .. } = self.tails.remove(i);
                end(self.tier, deck, ending, now, outbox);
            }
        }
    }

    /// Frames until something is due that [`advance`](Self::advance) must do.
    pub(crate) fn until_change(&self, now: Frames) -> Frames {
        let until = |tail: &Tail| {
            let end = tail.deck.end(now).map_or(Frames::MAX, |end| end.saturating_sub(now));
            end.min(tail.deck.until_look(now))
        };
        self.tails.iter().map(until).min().unwrap_or(Frames::MAX)
    }

    /// Adds their next frames to `out`, the first of which is frame `now`.
    pub(crate) fn mix(&mut self, now: Frames, out: &mut [Stereo], scratch: &mut [Stereo]) {
        for tail in &mut self.tails {
            tail.deck.mix(now, out, scratch);
        }
    }

    /// Ends them all: a higher tier has silenced them.
    pub(crate) fn end_all(&mut self, now: Frames, outbox: &mut Outbox) {
        for Tail { deck, ending, .. } in self.tails.drain(..) {
            let ending = if deck.is_falling(now) { ending } else { Ending::Preempted };
            end(self.tier, deck, ending, now, outbox);
        }
    }
}
