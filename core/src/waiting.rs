//! What waits on a tier: the items that are to follow, in their order, and a skip to the first of them that cannot be
//! carried out yet.

use std::collections::VecDeque;

use crate::Frames;
use crate::control::{EventKind, Failure, Outbox, Place, Ramp, Retired};
use crate::deck::{ItemId, Prepared};
use crate::tier::Tier;

/// Items that may wait on a tier.
pub const WAITING: usize = 8;

/// A skip that waits for a tail to be over, or for an item to skip to.
#[derive(Clone, Copy)]
struct Skip {
    ramp: Ramp,
    /// It is worth waiting when no item is there at all.
    patient: bool,
}

/// The items that wait on a tier.
pub(crate) struct Waiting {
    tier: Tier,
    rate: u32,
    items: VecDeque<Box<Prepared>>,
    skip: Option<Skip>,
}

impl Waiting {
    pub(crate) fn new(tier: Tier, rate: u32) -> Self {
        Self { tier, rate, items: VecDeque::with_capacity(WAITING), skip: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item that starts next.
    pub(crate) fn next(&self) -> Option<&Prepared> {
        self.items.front().map(AsRef::as_ref)
    }

    /// Whether there is a next item, and its source delivers.
    pub(crate) fn next_flows(&self) -> bool {
        self.next().is_some_and(|next| next.flows(self.rate))
    }

    /// Takes the next item to start it. Those behind it that have no frame are over.
    pub(crate) fn take_next(&mut self, now: Frames, outbox: &mut Outbox) -> Option<Box<Prepared>> {
        let next = self.items.pop_front();
        self.drop_empty(now, outbox);
        next
    }

    /// Takes in another item; gives it back when there is no room.
    pub(crate) fn load(&mut self, item: Box<Prepared>, place: Place) -> Result<(), (Failure, Box<Prepared>)> {
        if self.items.len() >= WAITING {
            return Err((Failure::TierFull, item));
        }
        self.put(item, place);
        Ok(())
    }

    /// Gives an item another gain.
    pub(crate) fn level(&mut self, id: ItemId, gain: f32, levelled_lufs: Option<f32>) -> Result<(), Failure> {
        let index = self.index_of(id).ok_or(Failure::NotWaiting)?;
        let item = self.items.get_mut(index).ok_or(Failure::NotWaiting)?;
        (item.gain, item.levelled_lufs) = (gain, levelled_lufs);
        Ok(())
    }

    /// Gives an item another place.
    pub(crate) fn shift(&mut self, id: ItemId, place: Place) -> Result<(), Failure> {
        let item = self.index_of(id).and_then(|index| self.items.remove(index));
        self.put(item.ok_or(Failure::NotWaiting)?, place);
        Ok(())
    }

    /// Puts an item among the others; there is room for it.
    fn put(&mut self, item: Box<Prepared>, place: Place) {
        let index = match place {
            Place::Back => self.items.len(),
            Place::Front | Place::Now(_) => 0,
            Place::Before(id) => self.index_of(id).unwrap_or(0),
        };
        self.items.insert(index, item);
    }

    fn index_of(&self, id: ItemId) -> Option<usize> {
        self.items.iter().position(|item| item.id == id)
    }

    pub(crate) fn unload(&mut self, id: ItemId, at: Frames, outbox: &mut Outbox) -> Result<(), Failure> {
        let item = self.index_of(id).and_then(|index| self.items.remove(index));
        self.discard(item.ok_or(Failure::NotWaiting)?, at, outbox);
        self.forget_vain_skip();
        Ok(())
    }

    /// Takes all of them off.
    pub(crate) fn clear(&mut self, at: Frames, outbox: &mut Outbox) {
        while let Some(item) = self.items.pop_front() {
            self.discard(item, at, outbox);
        }
    }

    fn discard(&self, item: Box<Prepared>, at: Frames, outbox: &mut Outbox) {
        outbox.event(at, EventKind::ItemUnused { tier: self.tier, item: item.id });
        outbox.retire(Retired::Item(item));
    }

    /// An item without a frame is over before it could start.
    pub(crate) fn drop_empty(&mut self, now: Frames, outbox: &mut Outbox) {
        while let Some(empty) = self.items.pop_front_if(|next| next.source.remaining() == Some(0)) {
            self.discard(empty, now, outbox);
            self.forget_vain_skip();
        }
    }

    /// Asks for a skip to the next item, as soon as there is one if `patient`.
    pub(crate) fn ask_skip(&mut self, ramp: Ramp, patient: bool) {
        self.skip = Some(Skip { ramp, patient });
    }

    /// The skip that is asked for.
    pub(crate) fn skip(&self) -> Option<Ramp> {
        self.skip.map(|skip| skip.ramp)
    }

    /// The item that was to be skipped is over.
    pub(crate) fn forget_skip(&mut self) {
        self.skip = None;
    }

    /// A skip whose item was taken away must not befall the next one that is loaded.
    fn forget_vain_skip(&mut self) {
        if self.items.is_empty() {
            self.skip = self.skip.filter(|skip| skip.patient);
        }
    }
}
