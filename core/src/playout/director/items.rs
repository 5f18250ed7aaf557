//! Items: chosen, opened, handed to the engine, and put back when they were not heard.

use std::sync::Arc;

use super::{AHEAD_S, Director, Issued, Known, LONGEST_PAUSE_S, OPENING_S, Opening, Origin, PATIENCE};
use crate::control::{Command, Place, When};
use crate::deck::{ItemId, Prepared};
use crate::item::Item;
use crate::playout::loader::{Loaded, Ticket};
use crate::playout::playlist::NextItem;
use crate::playout::report::StationEvent;
use crate::program::WAITING;
use crate::tier::Tier;
use crate::units::db_to_gain;

impl Director {
    /// Opens the next automation item if one is wanted. `true` when there may be more to do at once.
    pub(super) fn feed(&mut self) -> bool {
        if self.held || self.position < self.retry_at {
            return false;
        }
        let unheard = || self.known.values().filter(|k| k.tier == Tier::Automation && !k.heard);
        let opening = self.opening.values().filter(|opening| opening.tier == Tier::Automation).count();
        let waiting = unheard().count();
        let ahead = unheard().try_fold(0, |sum, known| Some(known.length? + sum));
        let enough = ahead.is_none_or(|ahead| ahead >= self.frames(AHEAD_S)) || waiting + 2 >= WAITING;
        if opening > 0 || (waiting > 0 && enough) {
            return false;
        }
        let (item, origin) = match self.queue.pop_front() {
            Some(item) => (item, Origin::Queue),
            None => match self.next_of_programme() {
                Some(item) => (item, Origin::Programme),
                None => return false,
            },
        };
        self.open(Opening {
            item,
            tier: Tier::Automation,
            origin,
            when: When::Now,
            now: false,
            since: self.position,
        });
        true
    }

    pub(super) fn next_of_programme(&mut self) -> Option<Item> {
        if let Some((_, item)) = self.returned.pop_front() {
            return Some(item);
        }
        if self.exhausted {
            return None;
        }
        match self.programme.next_track() {
            NextItem::Item(item) => Some(*item),
            NextItem::Later => None,
            NextItem::End => {
                self.exhausted = true;
                None
            }
        }
    }

    /// Puts an item that was not heard back to where it came from.
    pub(super) fn take_back(&mut self, id: ItemId, known: Known) {
        match known.origin {
            Origin::Programme => self.take_back_later(id.0, known.item),
            Origin::Queue => self.queue.push_front(known.item),
            Origin::Request(_) | Origin::Host => {}
        }
    }

    pub(super) fn take_back_later(&mut self, number: u64, item: Item) {
        let at = self.returned.partition_point(|(other, _)| *other < number);
        self.returned.insert(at, (number, item));
    }

    /// Gives up openings that take too long, so that the next item has its turn.
    pub(super) fn give_up_openings(&mut self) {
        let overdue = |opening: &Opening| self.position > opening.since + self.frames(OPENING_S);
        let tickets: Vec<Ticket> =
            self.opening.iter().filter(|(_, opening)| overdue(opening)).map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            if let Some(opening) = self.opening.remove(&ticket) {
                let error = format!("{}: opening it took longer than {OPENING_S} s", opening.item.path);
                self.not_opened(opening, error);
            }
        }
    }

    pub(super) fn open(&mut self, opening: Opening) {
        let ticket = Ticket(self.fresh_id());
        let mut opening = opening;
        if opening.item.id.is_empty() {
            opening.item.id = format!("item-{}", ticket.0);
        }
        match opening.item.validate() {
            Ok(()) => {
                let after =
                    if opening.tier == Tier::Automation && !opening.now { self.last_in_line() } else { None };
                self.loader.open(ticket, &opening.item, after);
                self.opening.insert(ticket, opening);
            }
            Err(invalid) => self.not_opened(opening, invalid.to_string()),
        }
    }

    /// The item that the next one fed to the automation follows: the last that was fed, or else one that was put in
    /// front by request, or else the one on air.
    pub(super) fn last_in_line(&self) -> Option<Ticket> {
        let fed = |known: &Known| !known.heard && !matches!(known.origin, Origin::Request(_));
        let in_line = |known: &Known| known.tier == Tier::Automation && (known.heard || !known.returning);
        let line = self.known.iter().filter(|(_, known)| in_line(known));
        line.max_by_key(|(id, known)| (!known.heard, fed(known), **id)).map(|(id, _)| Ticket(id.0))
    }

    pub(super) fn on_opened(&mut self, ticket: Ticket, result: Result<Loaded, String>) {
        let Some(opening) = self.opening.remove(&ticket) else { return };
        match result {
            // Something was queued while this was being opened, and comes first; or the automation was stopped.
            Ok(_) if opening.origin == Origin::Programme && (self.held || !self.queue.is_empty()) => {
                self.take_back_later(ticket.0, opening.item);
            }
            Ok(loaded) if loaded.source.remaining() == Some(0) => {
                let error = format!("{}: holds no audio between its cue points", opening.item.path);
                self.not_opened(opening, error);
            }
            Ok(loaded) => {
                self.failures = 0;
                self.load(ItemId(ticket.0), opening, loaded);
            }
            Err(error) => self.not_opened(opening, error),
        }
    }

    pub(super) fn not_opened(&mut self, opening: Opening, error: String) {
        // What was asked for by hand says nothing about the programme.
        if matches!(opening.origin, Origin::Programme | Origin::Queue) {
            self.failures = self.failures.saturating_add(1);
        }
        if self.failures > PATIENCE {
            let pause = 0.1 * 2.0_f64.powi((self.failures - PATIENCE).min(16) as i32);
            self.retry_at = self.position + self.frames(pause.min(LONGEST_PAUSE_S));
        }
        let Opening { item, tier, origin, .. } = opening;
        if let Origin::Request(name) = origin {
            self.fail(name, error.clone());
        }
        self.report(self.position, StationEvent::SourceFailed { tier, item, error, skipped: true });
    }

    pub(super) fn load(&mut self, id: ItemId, opening: Opening, loaded: Loaded) {
        let Opening { mut item, tier, origin, when, now, .. } = opening;
        item.metadata = std::mem::take(&mut item.metadata).or(&loaded.metadata);
        let frames = |seconds: Option<f64>| seconds.map(|seconds| self.frames(seconds));
        let cue_in = item.cue_in_s.unwrap_or(0.0);
        let prepared = Prepared {
            id,
            gain: item.gain_db.map_or(1.0, |db| db_to_gain(db as f32)),
            fade_in: frames(item.fade_in_s),
            fade_out: frames(item.fade_out_s),
            curve: item.curve,
            start_next: frames(item.start_next_s.map(|position| position - cue_in)),
            metadata: Arc::new(item.metadata.clone()),
            source: loaded.source,
        };
        let length = prepared.source.remaining().or(loaded.length);
        let known = Known { item, tier, origin, length, heard: false, returning: false };
        self.known.insert(id, known);
        let name = if let Origin::Request(name) = origin { Some(name) } else { None };
        let issued = Issued { name, item: Some(id), hold: now.then_some(false), ..Issued::default() };
        let place = if now { Place::Now(None) } else { Place::Back };
        self.issue(when, Command::Load { tier, item: Box::new(prepared), place }, issued);
    }
}
