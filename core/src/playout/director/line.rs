//! The line-up: what the automation is to air after the item on air, in order. Its first items are opened ahead and wait in
//! the engine; the engine's order is always the line's.

use std::collections::VecDeque;

use super::items::Known;
use crate::Frames;
use crate::control::Place;
use crate::deck::ItemId;
use crate::item::Item;
use crate::program::WAITING;
use crate::tier::Tier;

/// Who put an item into the line-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The programme was asked for it.
    Programme,
    /// A request, or a policy, put it before the programme's own.
    Queue,
}

/// How far an item of the line-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has touched it yet.
    Listed,
    /// It is being opened since this position.
    Opening(Frames),
    /// The engine holds it. With its length, where known.
    Loaded(Option<Frames>),
    /// The engine was asked to give it back: there is no room for it yet.
    Returning,
}

/// An item of the line-up.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: ItemId,
    pub(super) item: Item,
    pub(super) origin: Origin,
    pub(super) state: State,
}

impl Entry {
    /// The same item, out of the line.
    pub(super) fn into_known(self, tier: Tier) -> Known {
        let length = if let State::Loaded(length) = self.state { length } else { None };
        Known { item: self.item, tier, origin: Some(self.origin), length, heard: false, started: 0 }
    }
}

/// What is to be done so that the automation does not run dry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Open this item.
    Open(ItemId),
    /// Ask the programme for another: what is in line lasts for these frames.
    More(Frames),
    /// Nothing.
    Nothing,
}

/// Items that one line-up may hold.
pub(super) const MOST: usize = 100_000;

/// The line-up, the next item first.
#[derive(Debug, Default)]
pub(super) struct Line {
    entries: VecDeque<Entry>,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Behind everything.
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// At place `index`, or behind everything.
    pub(super) fn insert(&mut self, index: usize, entry: Entry) {
        self.entries.insert(index.min(self.entries.len()), entry);
    }

    /// The place behind what was queued and before the programme's own.
    pub(super) fn end_of_queue(&self) -> usize {
        self.entries.iter().rposition(|entry| entry.origin == Origin::Queue).map_or(0, |index| index + 1)
    }

    pub(super) fn index_of(&self, id: ItemId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }

    pub(super) fn index_of_name(&self, id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.item.id == id)
    }

    pub(super) fn at(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    pub(super) fn get(&self, id: ItemId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub(super) fn get_mut(&mut self, id: ItemId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Entry> {
        self.entries.remove(index)
    }

    /// Takes the item called `id` out.
    pub(super) fn take(&mut self, id: ItemId) -> Option<Entry> {
        self.index_of(id).and_then(|index| self.entries.remove(index))
    }

    /// The item that stands before `id`.
    pub(super) fn before(&self, id: ItemId) -> Option<&Entry> {
        self.index_of(id)?.checked_sub(1).and_then(|index| self.entries.get(index))
    }

    /// The engine's place for `id`: before the next item behind it that the engine holds.
    pub(super) fn place_of(&self, id: ItemId) -> Place {
        let mut behind = self.entries.iter().skip_while(|entry| entry.id != id).skip(1);
        let next = behind.find(|entry| matches!(entry.state, State::Loaded(_)));
        next.map_or(Place::Back, |entry| Place::Before(entry.id))
    }

    /// The first item that the engine holds.
    pub(super) fn front(&self) -> Option<ItemId> {
        let held = |entry: &&Entry| matches!(entry.state, State::Loaded(_));
        self.entries.iter().find(held).map(|entry| entry.id)
    }

    /// The last item that the engine holds, when it holds so many that there is hardly room for another.
    pub(super) fn surplus(&self) -> Option<ItemId> {
        let held = || self.entries.iter().filter(|entry| matches!(entry.state, State::Loaded(_)));
        if held().take(WAITING).count() + 2 < WAITING {
            return None;
        }
        held().next_back().map(|entry| entry.id)
    }

    /// Frames that the engine holds of the line.
    pub(super) fn ready(&self) -> Frames {
        let length = |entry: &Entry| match entry.state {
            State::Loaded(length) => length.unwrap_or(Frames::MAX),
            _ => 0,
        };
        // The engine holds no more than that, and all of it stands near the front.
        self.entries.iter().take(2 * WAITING).map(length).fold(0, Frames::saturating_add)
    }

    /// What is wanted for the line to be ready for the next `ahead` frames. An item that has been opening for longer than
    /// `patience` is not waited for: those behind it are opened too.
    pub(super) fn wanted(&self, position: Frames, ahead: Frames, patience: Frames) -> Wanted {
        let (mut ready, mut held) = (0_u64, 0);
        for entry in &self.entries {
            match entry.state {
                State::Listed => return Wanted::Open(entry.id),
                State::Returning => return Wanted::Nothing,
                State::Opening(since) if position < since.saturating_add(patience) => return Wanted::Nothing,
                State::Opening(_) => held += 1,
                State::Loaded(length) => {
                    held += 1;
                    ready = ready.saturating_add(length.unwrap_or(Frames::MAX));
                }
            }
            if ready >= ahead || held + 2 >= WAITING {
                return Wanted::Nothing;
            }
        }
        Wanted::More(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(entries: &[(Origin, State)]) -> Line {
        let mut line = Line::default();
        for (number, (origin, state)) in (0..).zip(entries) {
            let item = Item { id: number.to_string(), ..Item::file("a") };
            line.push(Entry { id: ItemId(number), item, origin: *origin, state: *state });
        }
        line
    }

    const P: Origin = Origin::Programme;
    const Q: Origin = Origin::Queue;

    #[test]
    fn the_first_that_nobody_touched_is_opened_until_the_line_is_ready() {
        let loaded = State::Loaded(Some(10));
        assert_eq!(line(&[]).wanted(0, 20, 5), Wanted::More(0));
        assert_eq!(line(&[(P, loaded)]).wanted(0, 20, 5), Wanted::More(10));
        assert_eq!(line(&[(P, loaded), (P, State::Listed)]).wanted(0, 20, 5), Wanted::Open(ItemId(1)));
        assert_eq!(line(&[(P, loaded), (P, State::Listed)]).wanted(0, 10, 5), Wanted::Nothing);
        // One that is put before those loaded has its turn at once.
        assert_eq!(line(&[(Q, State::Listed), (P, loaded)]).wanted(0, 10, 5), Wanted::Open(ItemId(0)));
        // An unknown length is long.
        assert_eq!(line(&[(P, State::Loaded(None)), (P, State::Listed)]).wanted(0, 10, 5), Wanted::Nothing);
    }

    #[test]
    fn an_opening_that_hangs_does_not_hold_up_those_behind_it() {
        let slow = line(&[(P, State::Opening(100)), (P, State::Listed)]);
        assert_eq!(slow.wanted(104, 20, 5), Wanted::Nothing);
        assert_eq!(slow.wanted(105, 20, 5), Wanted::Open(ItemId(1)));
    }

    #[test]
    fn queued_items_come_before_the_programme() {
        let loaded = State::Loaded(None);
        assert_eq!(line(&[(P, loaded), (P, State::Listed)]).end_of_queue(), 0);
        assert_eq!(line(&[(Q, loaded), (Q, loaded), (P, loaded)]).end_of_queue(), 2);
        assert_eq!(line(&[(Q, State::Listed), (P, loaded)]).place_of(ItemId(0)), Place::Before(ItemId(1)));
        assert_eq!(line(&[(Q, State::Listed), (P, State::Listed)]).place_of(ItemId(0)), Place::Back);
    }
}
