//! Items: opened, handed to the engine at their place, and listed again when they have to wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hold::Hold;
use super::line::{Origin, State, Wanted};
use super::{Answer, Director, Issued};
use crate::Frames;
use crate::control::{Command, Place, Ramp, When};
use crate::curve::Curve;
use crate::deck::{ItemId, Prepared};
use crate::item::Item;
use crate::playout::loader::{Loaded, Ticket};
use crate::playout::report::StationEvent;
use crate::playout::request::{Position, Request};
use crate::playout::schedule::EntryId;
use crate::tier::Tier;

/// Automation items are opened ahead until they last this long: items of a few frames need company.
const AHEAD_S: f64 = 2.0;
/// Failures in a row after which the programme is asked ever more slowly.
const PATIENCE: u32 = 16;
/// The longest pause between two tries then.
const LONGEST_PAUSE_S: f64 = 10.0;
/// An item that takes longer to open no longer holds up those behind it.
const SLOW_S: f64 = 1.0;
/// The same when what is on air and ready does not last for much longer than that.
const SLOW_IN_NEED_S: f64 = 0.1;
/// An item that is not open after this is left out: its disk hangs.
const OPENING_S: f64 = 10.0;

/// What an item is opened for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// Its turn in the line-up.
    Line,
    /// A request.
    Request(Answer),
    /// Its time in the schedule.
    Scheduled(EntryId),
    /// To be played again after an interruption.
    Again,
    /// The host's own, such as the fallback.
    Host,
}

/// An item being opened.
pub(super) struct Opening {
    pub(super) item: Item,
    pub(super) tier: Tier,
    pub(super) purpose: Purpose,
    pub(super) when: When,
    pub(super) place: Position,
    /// The item that it goes on from, where the two join without a gap.
    pub(super) after: Option<Ticket>,
    /// Position at which it was begun.
    pub(super) since: Frames,
}

/// An item that the engine holds and that is not in the line-up.
pub(super) struct Known {
    pub(super) item: Item,
    pub(super) tier: Tier,
    /// Who put it into the line-up, if it was there.
    pub(super) origin: Option<Origin>,
    pub(super) length: Option<Frames>,
    pub(super) heard: bool,
    /// The frame at which it was first heard.
    pub(super) started: Frames,
}

/// The item of the automation that was the last to begin, of those that are heard.
pub(super) fn on_air(known: &BTreeMap<ItemId, Known>) -> Option<(ItemId, &Known)> {
    let heard = known.iter().filter(|(_, known)| known.tier == Tier::Automation && known.heard);
    heard.max_by_key(|(id, known)| (known.started, **id)).map(|(id, known)| (*id, known))
}

/// Gives an item that has no name of its own one.
pub(super) fn name(item: &mut Item, id: ItemId) {
    if item.id.is_empty() {
        item.id = format!("item-{}", id.0);
    }
}

impl Director {
    /// Does the next thing that keeps the automation from running dry. `true` when there may be more to do at once.
    pub(super) fn feed(&mut self) -> bool {
        if self.held || self.position < self.retry_at || self.engine_retry.is_waiting() {
            return false;
        }
        let in_need = self.left_on_air().saturating_add(self.line.ready()) < self.frames(SLOW_S);
        let patience = self.frames(if in_need { SLOW_IN_NEED_S } else { SLOW_S });
        match self.line.wanted(self.position, self.frames(AHEAD_S), patience) {
            Wanted::Nothing => false,
            Wanted::More(ready) => self.ask_programme(ready),
            Wanted::Open(id) => {
                let Some(entry) = self.line.get_mut(id) else { return false };
                entry.state = State::Opening(self.position);
                let item = entry.item.clone();
                let after = self.goes_on_from(id);
                let (place, when, since) = (Position::Back, When::Now, self.position);
                let (tier, purpose) = (Tier::Automation, Purpose::Line);
                self.begin(id, Opening { item, tier, purpose, when, place, after, since });
                true
            }
        }
    }

    /// The open item that one of the line-up follows: the one before it, or else the one on air.
    fn goes_on_from(&self, id: ItemId) -> Option<Ticket> {
        let before = self.line.before(id).map(|entry| entry.id);
        let id = before.or_else(|| on_air(&self.known).map(|(id, _)| id))?;
        Some(Ticket(id.0)).filter(|ticket| !self.opening.contains_key(ticket))
    }

    /// The item called `name`, opened or being opened for `tier`; of several the last.
    pub(super) fn ticket_of(&self, tier: Tier, name: &str) -> Option<Ticket> {
        let begun = self.opening.iter().filter(|(_, other)| other.tier == tier && other.item.id == name);
        let begun = begun.map(|(ticket, _)| *ticket).max();
        begun.max(self.find(tier, name).map(|id| Ticket(id.0)))
    }

    /// Opens an item that is not in the line-up.
    pub(super) fn open(&mut self, opening: Opening) {
        let id = ItemId(self.fresh_id());
        self.open_as(id, opening);
    }

    /// The same under a number that is known already.
    pub(super) fn open_as(&mut self, id: ItemId, mut opening: Opening) {
        name(&mut opening.item, id);
        self.begin(id, opening);
    }

    fn begin(&mut self, id: ItemId, opening: Opening) {
        match opening.item.validate() {
            Ok(()) => {
                let urgent = matches!(opening.purpose, Purpose::Request(_)) && opening.when == When::Now;
                self.loader.open(Ticket(id.0), &opening.item, opening.after, urgent);
                self.opening.insert(Ticket(id.0), opening);
            }
            Err(invalid) => self.not_opened(id, opening, invalid.to_string()),
        }
    }

    /// The item called `name` that the engine holds for `tier`.
    pub(super) fn find(&self, tier: Tier, name: &str) -> Option<ItemId> {
        let known = |heard: bool| {
            let is = |known: &Known| known.tier == tier && known.heard == heard && known.item.id == name;
            self.known.iter().rev().find(|(_, known)| is(known)).map(|(id, _)| *id)
        };
        let in_line = || self.line.iter().find(|entry| entry.item.id == name).map(|entry| entry.id);
        // Of several of one name, one that waits is meant before the one on air, and the last before the others.
        let waiting = known(false).or_else(|| (tier == Tier::Automation).then(in_line).flatten());
        waiting.or_else(|| known(true))
    }

    pub(super) fn on_opened(&mut self, ticket: Ticket, result: Result<Loaded, String>) {
        let Some(opening) = self.opening.remove(&ticket) else { return };
        let id = ItemId(ticket.0);
        match result {
            Ok(loaded) if loaded.source.remaining() == Some(0) => {
                let error = format!("{}: holds no audio between its cue points", opening.item.path);
                self.not_opened(id, opening, error);
            }
            Ok(loaded) => {
                self.failures = 0;
                match opening.purpose {
                    Purpose::Line => self.load_in_line(id, opening, loaded),
                    _ => self.load(id, opening, loaded),
                }
            }
            Err(error) => self.not_opened(id, opening, error),
        }
    }

    /// Hands an opened item of the line-up to the engine.
    fn load_in_line(&mut self, id: ItemId, opening: Opening, loaded: Loaded) {
        let held = self.held;
        // Nothing to do for one that was taken out meanwhile.
        let Some(entry) = self.line.get_mut(id) else { return };
        if held {
            entry.state = State::Listed;
            return;
        }
        self.make_room();
        let place = self.line.place_of(id);
        let ((prepared, length), item) = self.prepare(id, opening.when, opening.item, loaded);
        if let Some(entry) = self.line.get_mut(id) {
            entry.state = State::Loaded(length);
            entry.item = item.clone();
        }
        let logged = self.log_load(Tier::Automation, item, place, opening.after);
        let issued = Issued { item: Some(id), logged, ..Issued::default() };
        let command = Command::Load { tier: Tier::Automation, item: Box::new(prepared), place };
        self.issue(When::Now, command, issued);
    }

    /// Sees to it that the engine has room for another item.
    pub(super) fn make_room(&mut self) {
        if let Some(last) = self.line.surplus() {
            self.unload(last);
        }
    }

    /// Asks the engine for an item of the line-up back, until there is room for it.
    fn unload(&mut self, id: ItemId) {
        if let Some(entry) = self.line.get_mut(id) {
            entry.state = State::Returning;
            let name = entry.item.id.clone();
            self.issue_unload(When::Now, Tier::Automation, id, name, None);
        }
    }

    pub(super) fn issue_unload(
        &mut self,
        when: When,
        tier: Tier,
        item: ItemId,
        name: String,
        answer: Option<Answer>,
    ) {
        let logged = self.logging().then(|| Box::new(Request::Unload { tier, id: name }));
        self.issue(when, Command::Unload { tier, item }, Issued { answer, logged, ..Issued::default() });
    }

    /// Hands an opened item that is not in the line-up to the engine.
    pub(super) fn load(&mut self, id: ItemId, opening: Opening, loaded: Loaded) {
        let Opening { item, tier, purpose, when, place, after, .. } = opening;
        let ((prepared, length), item) = self.prepare(id, when, item, loaded);
        let place = match purpose {
            Purpose::Scheduled(entry) => self.scheduled_place(entry, &place),
            _ => self.place(tier, &place),
        };
        let logged = match purpose {
            Purpose::Host => None,
            _ => self.log_load(tier, item.clone(), place, after),
        };
        let hold = (tier == Tier::Automation && matches!(place, Place::Now(_))).then_some(Hold::Off);
        let answer = if let Purpose::Request(answer) = purpose { Some(answer.with(&item.id)) } else { None };
        self.known.insert(id, Known { item, tier, origin: None, length, heard: false, started: 0 });
        let scheduled = matches!(when, When::At(frame) if frame > self.position);
        let issued = Issued { answer, item: Some(id), scheduled, hold, logged, ..Issued::default() };
        self.issue(when, Command::Load { tier, item: Box::new(prepared), place }, issued);
    }

    /// An opened item as the engine takes it, with its length where known, and as it is known from now on.
    fn prepare(
        &self,
        id: ItemId,
        when: When,
        mut item: Item,
        loaded: Loaded,
    ) -> ((Prepared, Option<Frames>), Item) {
        item.metadata = std::mem::take(&mut item.metadata).or(&loaded.metadata);
        // A command log says what was known when the item aired.
        let loudness = loaded.loudness.filter(|_| !self.replaying || item.loudness_lufs.is_some());
        loudness.into_iter().for_each(|loudness| item.set_loudness(loudness));
        let level = self.level(when, &item, loudness);
        let frames = |seconds: Option<f64>| seconds.map(|seconds| self.frames(seconds));
        let cue_in = item.cue_in_s.unwrap_or(0.0);
        let prepared = Prepared {
            id,
            gain: level.gain(),
            levelled_lufs: level.levelled_lufs,
            fade_in: frames(item.fade_in_s),
            fade_out: frames(item.fade_out_s),
            curve: item.curve,
            start_next: frames(item.start_next_s.map(|position| position - cue_in)),
            metadata: Arc::new(item.metadata.clone()),
            source: loaded.source,
        };
        let length = prepared.source.remaining().or(loaded.length);
        ((prepared, length), item)
    }

    /// A place as the engine knows it.
    pub(super) fn place(&self, tier: Tier, position: &Position) -> Place {
        match position {
            Position::Back => Place::Back,
            Position::Front => Place::Front,
            Position::Before(name) => self.find(tier, name).map_or(Place::Front, Place::Before),
            Position::Now { fade_s, curve } => Place::Now(fade_s.map(|fade_s| self.ramp(fade_s, *curve))),
        }
    }

    /// Gives up openings that take too long, so that the next item has its turn.
    pub(super) fn give_up_openings(&mut self) {
        let overdue = |opening: &Opening| self.position > opening.since + self.frames(OPENING_S);
        let mut tickets: Vec<Ticket> =
            self.opening.iter().filter(|(_, opening)| overdue(opening)).map(|(ticket, _)| *ticket).collect();
        tickets.sort_unstable();
        for ticket in tickets {
            if let Some(opening) = self.opening.remove(&ticket) {
                let error = format!("{}: opening it took longer than {OPENING_S} s", opening.item.path);
                self.not_opened(ItemId(ticket.0), opening, error);
            }
        }
    }

    fn not_opened(&mut self, id: ItemId, opening: Opening, error: String) {
        let Opening { item, tier, purpose, .. } = opening;
        match purpose {
            Purpose::Line => {
                if let Some(entry) = self.line.take(id)
                    && entry.origin == Origin::Programme
                {
                    self.programme.failed(&item, &error);
                }
                self.be_patient();
            }
            // What was asked for by hand says nothing about the programme.
            Purpose::Request(answer) => self.answer(answer.with(&item.id), Err(error.clone())),
            Purpose::Scheduled(_) => self.settle_scheduled(id),
            Purpose::Again | Purpose::Host => {}
        }
        self.report(self.position, StationEvent::SourceFailed { tier, item, error, skipped: true });
    }

    /// Counts a failure; after many in a row the next try waits.
    fn be_patient(&mut self) {
        self.failures = self.failures.saturating_add(1);
        if self.failures > PATIENCE {
            let pause = 0.1 * 2.0_f64.powi((self.failures - PATIENCE).min(16) as i32);
            self.retry_at = self.position + self.frames(pause.min(LONGEST_PAUSE_S));
        }
    }

    /// An item that is decoded turned out to be damaged, and goes on.
    pub(super) fn on_damage(&mut self, Ticket(id): Ticket, error: String) {
        let known = self.known.get(&ItemId(id)).map(|known| (known.tier, known.item.clone()));
        let in_line = || Some((Tier::Automation, self.line.get(ItemId(id))?.item.clone()));
        if let Some((tier, item)) = known.or_else(in_line) {
            self.report(self.position, StationEvent::SourceFailed { tier, item, error, skipped: false });
        }
    }

    pub(super) fn logging(&self) -> bool {
        self.log.is_some()
    }

    /// What the command log says of an item that is handed to the engine.
    fn log_load(&self, tier: Tier, item: Item, place: Place, after: Option<Ticket>) -> Option<Box<Request>> {
        self.logging().then(|| {
            let (place, after) =
                (self.position_of(place), after.and_then(|Ticket(id)| self.name_of(ItemId(id))));
            Box::new(Request::Load { tier, item, place, after })
        })
    }

    /// A place of the engine's in the words of requests.
    pub(super) fn position_of(&self, place: Place) -> Position {
        match place {
            Place::Back => Position::Back,
            Place::Front => Position::Front,
            Place::Before(id) => self.name_of(id).map_or(Position::Front, Position::Before),
            Place::Now(ramp) => {
                let (fade_s, curve) = ramp.map_or((None, Curve::default()), |Ramp { length, curve }| {
                    (Some(self.seconds(length)), curve)
                });
                Position::Now { fade_s, curve }
            }
        }
    }

    /// The id that requests call an item by.
    fn name_of(&self, id: ItemId) -> Option<String> {
        let known = self.known.get(&id).map(|known| &known.item);
        known.or_else(|| self.line.get(id).map(|entry| &entry.item)).map(|item| item.id.clone())
    }
}
