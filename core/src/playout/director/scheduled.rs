//! The schedule: asked at every tick, and what it wants carried out. Its items are no part of the line-up: they are with
//! the engine from before their frame, and stand there before all that is in line.

use std::collections::BTreeMap;

use super::Director;
use super::items::{Opening, Purpose, on_air};
use crate::Frames;
use crate::control::{Place, When};
use crate::deck::ItemId;
use crate::item::Item;
use crate::playout::report::StationEvent;
use crate::playout::request::Position;
use crate::playout::schedule::{Action, Automation, EntryId, Lengths, OnAir, Schedule};
use crate::tier::Tier;

/// A schedule, and what it has sent on its way.
pub(super) struct Scheduled {
    schedule: Schedule,
    lengths: Box<dyn Lengths>,
    /// Items that have not been heard.
    sent: BTreeMap<EntryId, ItemId>,
}

impl Director {
    /// Goes by a schedule from now on; `lengths` knows how long its items are. Not before the clock is set.
    pub fn set_schedule(&mut self, schedule: Schedule, lengths: Box<dyn Lengths>) {
        self.scheduled = Some(Scheduled { schedule, lengths, sent: BTreeMap::new() });
    }

    /// Does what the schedule wants done by now.
    pub(super) fn tick_schedule(&mut self) {
        let Some(Scheduled { schedule, lengths, .. }) = &mut self.scheduled else { return };
        let on_air = on_air(&self.known).map(|(_, known)| OnAir {
            item: &known.item,
            started: known.started,
            length: known.length,
        });
        let next = self.line.at(0).map(|entry| &entry.item);
        let beneath = self.known.values().any(|known| known.tier < Tier::Automation && known.heard);
        let automation = Automation { on_air, next, held: self.held, beneath };
        for action in schedule.tick(&self.clock, self.position, automation, lengths.as_mut()) {
            match action {
                Action::CutIn { entry, item, frame, fade } => {
                    let place = self.position_of(Place::Now(fade));
                    self.send_scheduled(entry, item, frame, place);
                }
                Action::PutInLine { entry, item, frame } => {
                    self.send_scheduled(entry, item, frame, Position::Front);
                }
                Action::Withdraw { entry, frame } => self.withdraw(entry, frame),
                Action::Drop { item, at_ns, reason } => self.drop_scheduled(item, at_ns, reason),
            }
        }
    }

    fn drop_scheduled(&mut self, item: Item, due_ns: i64, reason: &'static str) {
        let due_s = due_ns as f64 / 1e9;
        self.report(self.position, StationEvent::ScheduleDropped { item, due_s, reason });
    }

    fn send_scheduled(&mut self, entry: EntryId, item: Item, frame: Frames, place: Position) {
        if self.held {
            let due_ns = self.clock.utc_of(frame);
            self.drop_scheduled(item, due_ns, "the automation was stopped by a command");
            self.scheduled.iter_mut().for_each(|scheduled| scheduled.schedule.settled(entry));
            return;
        }
        let id = ItemId(self.fresh_id());
        if let Some(scheduled) = &mut self.scheduled {
            scheduled.sent.insert(entry, id);
        }
        let (tier, when, since) = (Tier::Automation, When::At(frame), self.position);
        let purpose = Purpose::Scheduled(entry);
        self.open_as(id, Opening { item, tier, purpose, when, place, after: None, since });
    }

    /// The engine's place for a scheduled item that has been opened: behind those that the schedule has sent before it, and
    /// before the line-up.
    pub(super) fn scheduled_place(&mut self, entry: EntryId, position: &Position) -> Place {
        self.make_room();
        let earlier = |scheduled: &Scheduled| scheduled.sent.range(..entry).next().is_some();
        if *position == Position::Front && self.scheduled.as_ref().is_some_and(earlier) {
            return self.line.front().map_or(Place::Back, Place::Before);
        }
        self.place(Tier::Automation, position)
    }

    /// Takes a scheduled item back, unless it starts before `frame`.
    fn withdraw(&mut self, entry: EntryId, frame: Frames) {
        let Some(id) = self.scheduled.as_mut().and_then(|scheduled| scheduled.sent.remove(&entry)) else {
            return;
        };
        if let Some(known) = self.known.get(&id) {
            let name = known.item.id.clone();
            self.issue_unload(When::At(frame), Tier::Automation, id, name, None);
        } else if let Some(opening) = self.opening.remove(&crate::playout::Ticket(id.0)) {
            self.not_heard(self.position, opening.item, Tier::Automation, None);
        }
    }

    /// Tells the schedule, if the item is one of its own, that it has begun or never will.
    pub(super) fn settle_scheduled(&mut self, id: ItemId) {
        let Some(Scheduled { schedule, sent, .. }) = &mut self.scheduled else { return };
        sent.retain(|entry, item| {
            if *item == id {
                schedule.settled(*entry);
            }
            *item != id
        });
    }
}
