//! The schedule: items that start, or end, at exact times.
//!
//! Times are UTC; the station's clock turns them into frames when they come near, so a clock that is set is followed. The
//! schedule opens nothing and plays nothing: it tells the director what to do and when ([`Action`]), and is told what
//! came of it.
//!
//! What should be on air is a function of the clock and the list. An item whose start has passed, when the station starts
//! or after the clock was set, is joined as far into it as it would be by now, if it was the last to begin; whatever
//! else is late is dropped, and said to be. So it is after a higher tier had the air.

mod due;
mod entry;
mod fill;
mod filling;
mod timing;

use std::collections::HashMap;

pub use entry::{Action, Automation, Edge, Entry, EntryId, Length, Lengths, OnAir, Plan, Timetable};
use filling::{Filling, LastUsed};
pub use timing::{Joined, Joining, Part, join};

use crate::Frames;
use crate::item::Item;
use crate::playout::clock::StationClock;
use crate::units::{frames_to_seconds, seconds_to_frames};

/// How long before its frame an item is opened.
const LEAD_S: f64 = 2.0;
/// How long before its frame an item is taken back.
const SHORT_LEAD_S: f64 = 0.25;
const HOUR_NS: i64 = 3_600_000_000_000;
/// Entries are looked up so far ahead: longer than what ends at a time lasts.
const AHEAD_NS: i64 = 25 * HOUR_NS;
/// Items that began so long ago may still be on air when the station starts.
const BEFORE_NS: i64 = 24 * HOUR_NS;
/// A clock that is set back by more than this makes all be looked up anew.
const SET_BACK_NS: i64 = 60_000_000_000;
/// What comes a second time since the clock was set back is passed over so long after it came first.
const REPEATED_S: f64 = 1800.0;
/// What is dropped is told if it was due no longer ago than this.
const TOLD_NS: i64 = 6 * HOUR_NS;
/// How often the length of an item is asked for again, once it is known and while it cannot be known.
const KNOWN_AGAIN_S: f64 = 60.0;
const UNKNOWN_AGAIN_S: f64 = 5.0;
/// The lengths of a pool are asked for so long before it is needed.
const ASKED_AHEAD_S: f64 = 600.0;

/// Items that wait in line; others are sent when those have begun or were taken back. The mixer has room for few.
const MOST_IN_LINE: usize = 3;

/// An entry whose time has not come.
#[derive(Clone)]
struct Pending {
    entry: Entry,
    /// Frames before the entry's time at which its item starts; `None` until the length of one that ends then is
    /// known.
    before: Option<Frames>,
    /// The frame at which to ask for its lengths.
    ask_at: Frames,
}

impl Pending {
    /// The frame at which it starts; negative before frame 0.
    fn start(&self, clock: &StationClock) -> Option<i64> {
        Some(clock.offset_of(self.entry.at_ns).saturating_sub_unsigned(self.before?))
    }
}

/// An item on its way, to be taken back if it has not started by then.
struct Sent {
    entry: EntryId,
    latest: Frames,
    /// What is cut in, to be joined late if a higher tier is heard instead.
    missed: Option<Pending>,
}

/// When a row came last, by the clock of then.
struct Came {
    at_ns: i64,
    /// The frame at which it started or would have; negative before frame 0.
    start: i64,
}

/// The state of affairs at one tick, and what is to be done about it.
struct Round<'a> {
    clock: &'a StationClock,
    position: Frames,
    automation: Automation<'a>,
    actions: Vec<Action>,
}

impl Round<'_> {
    fn frames(&self, seconds: f64) -> Frames {
        seconds_to_frames(seconds, self.clock.rate_hz)
    }

    fn lead(&self) -> Frames {
        self.frames(LEAD_S)
    }

    /// Lets what follows `item`, which is `length` frames long, start at its very end.
    fn end_alone(&self, item: &mut Item, length: Frames) {
        let end_s = item.cue_in_s.unwrap_or(0.0) + frames_to_seconds(length, self.clock.rate_hz);
        item.start_next_s.get_or_insert(end_s);
    }

    /// How much is heard of an item of `length` frames. One that names the start of the next counts as if it ended a
    /// crossfade after that.
    fn heard(&self, item: &Item, length: Option<Frames>, joining: &Joining) -> Option<Frames> {
        let start_next = item.start_next_s.map(|at| at - item.cue_in_s.unwrap_or(0.0));
        length.into_iter().chain(start_next.map(|at| self.frames(at) + joining.crossfade)).min()
    }

    /// Says that an entry is passed over, unless it was due so long ago that nobody waits for it.
    fn drop(&mut self, item: Item, at_ns: i64, reason: &'static str) {
        if at_ns < self.clock.utc_of(self.position).saturating_sub(TOLD_NS) {
            return;
        }
        self.actions.push(Action::Drop { item, at_ns, reason });
    }
}

/// The schedule of a station.
pub struct Schedule {
    timetable: Box<dyn Timetable>,
    joining: Joining,
    pending: Vec<Pending>,
    sent: Vec<Sent>,
    filling: Vec<Filling>,
    last_used: LastUsed,
    /// Up to where entries have been looked up.
    known_ns: Option<i64>,
    /// When the last item that was cut in starts.
    last_cut_ns: Option<i64>,
    /// What was sent or dropped last of each row.
    came: HashMap<usize, Came>,
    /// The clock at the last tick.
    clock: Option<StationClock>,
    /// Nothing is to be done before this frame while the clock stays as it is.
    idle: Option<Frames>,
    next_id: u64,
}

impl Schedule {
    /// The schedule that `timetable` lists, for a station whose items are joined like this.
    pub fn new(timetable: Box<dyn Timetable>, joining: Joining) -> Self {
        Self {
            timetable,
            joining,
            pending: Vec::new(),
            sent: Vec::new(),
            filling: Vec::new(),
            last_used: LastUsed::new(),
            known_ns: None,
            last_cut_ns: None,
            came: HashMap::new(),
            clock: None,
            idle: None,
            next_id: 0,
        }
    }

    /// What is to be done now. `position` is the engine's. To be called at least four times a second.
    pub fn tick(
        &mut self,
        clock: &StationClock,
        position: Frames,
        automation: Automation<'_>,
        lengths: &mut dyn Lengths,
    ) -> Vec<Action> {
        let before = self.clock.replace(*clock);
        if before == self.clock && self.idle.is_some_and(|until| position < until) {
            return Vec::new();
        }
        if before.is_some_and(|before| before.epoch_ns.saturating_sub(clock.epoch_ns) > SET_BACK_NS) {
            self.forget();
        }
        let mut round = Round { clock, position, automation, actions: Vec::new() };
        self.look_up(clock, position);
        self.ask_lengths(&mut round, lengths);
        self.send_due(&mut round, lengths);
        self.take_back(&mut round);
        self.fill(&mut round, lengths);
        self.idle = Some(self.next_due(&round));
        round.actions
    }

    /// An item that was asked for has begun, or never will.
    pub fn settled(&mut self, entry: EntryId) {
        self.idle = None;
        self.sent.retain(|sent| sent.entry != entry);
        for filling in self.filling.iter_mut().filter(|filling| filling.placed == Some(entry)) {
            filling.placed = None;
        }
    }

    /// The clock was set back: what was looked up by the wrong one counts for nothing.
    fn forget(&mut self) {
        self.pending.clear();
        self.filling.clear();
        (self.known_ns, self.last_cut_ns) = (None, None);
    }

    /// Whether an entry has come already, by a clock that was set back since, and not so long ago that it comes again.
    fn has_come(&self, entry: &Entry, clock: &StationClock) -> bool {
        let again = |came: &Came| {
            let later = clock.offset_of(entry.at_ns).saturating_sub(came.start);
            entry.at_ns <= came.at_ns && later < seconds_to_frames(REPEATED_S, clock.rate_hz) as i64
        };
        self.came.get(&entry.row).is_some_and(again)
    }

    /// Takes the entries of the coming hours from the timetable; at first also those that may still be on air.
    fn look_up(&mut self, clock: &StationClock, position: Frames) {
        let now_ns = clock.utc_of(position);
        let to_ns = now_ns.saturating_add(AHEAD_NS);
        if self.known_ns.is_some_and(|known_ns| known_ns >= to_ns - HOUR_NS) {
            return;
        }
        let before_ns = now_ns.saturating_sub(BEFORE_NS);
        let from_ns = self.known_ns.map_or(before_ns, |known_ns| known_ns.max(before_ns));
        let mut entries = self.timetable.between(from_ns, to_ns);
        entries.sort_by_key(|entry| (entry.at_ns, entry.row));
        if self.known_ns.is_none() {
            // Of what comes again and again, only the last time before the start counts.
            let past = entries.iter().filter(|entry| entry.at_ns <= now_ns);
            let last: HashMap<usize, i64> = past.map(|entry| (entry.row, entry.at_ns)).collect();
            entries.retain(|entry| entry.at_ns > now_ns || last.get(&entry.row) == Some(&entry.at_ns));
        }
        entries.retain(|entry| !self.has_come(entry, clock));
        self.known_ns = Some(to_ns);
        self.pending.extend(entries.into_iter().map(|entry| {
            let before = (!entry.plan.is_back_timed()).then_some(0);
            Pending { entry, before, ask_at: 0 }
        }));
    }

    /// Finds out how long the items are that end at a time, again and again since files are replaced, and those of pools
    /// that are soon needed.
    fn ask_lengths(&mut self, round: &mut Round<'_>, lengths: &mut dyn Lengths) {
        self.pending.retain_mut(|pending| {
            let due = round.clock.offset_of(pending.entry.at_ns);
            let ahead = due.saturating_sub_unsigned(round.position);
            match &pending.entry.plan {
                Plan::CutIn { item, edge: Edge::End, .. } if pending.ask_at <= round.position => {
                    let again_s = match lengths.length(item) {
                        Length::Known(length) => {
                            pending.before = Some(length);
                            KNOWN_AGAIN_S
                        }
                        Length::Later => SHORT_LEAD_S,
                        Length::Never => UNKNOWN_AGAIN_S,
                    };
                    pending.ask_at = round.position + round.frames(again_s);
                    let lost = pending.before.is_none() && ahead <= round.lead() as i64;
                    if lost {
                        let reason = "when to start it is unknown: its length was not found out";
                        round.drop(item.clone(), pending.entry.at_ns, reason);
                    }
                    !lost
                }
                Plan::Fill { pool, .. }
                    if pending.ask_at == 0 && ahead <= round.frames(ASKED_AHEAD_S) as i64 =>
                {
                    pending.ask_at = Frames::MAX;
                    for item in pool.iter() {
                        let _ = lengths.length(item);
                    }
                    true
                }
                _ => true,
            }
        });
    }

    /// Takes back what has not started in time.
    fn take_back(&mut self, round: &mut Round<'_>) {
        let soon = round.position + round.frames(SHORT_LEAD_S);
        self.sent.retain_mut(|Sent { entry, latest, missed }| {
            if *latest <= soon {
                round.actions.push(Action::Withdraw { entry: *entry, frame: *latest });
                self.pending.extend(missed.take().filter(|_| round.automation.beneath));
            }
            *latest > soon
        });
    }

    /// Goes on with the fills that are under way.
    fn fill(&mut self, round: &mut Round<'_>, lengths: &mut dyn Lengths) {
        let soon = (round.position + round.frames(SHORT_LEAD_S)) as i64;
        let mut filling = std::mem::take(&mut self.filling);
        filling.retain_mut(|filling| {
            let until = round.clock.offset_of(filling.until_ns);
            if until <= soon {
                let frame = until.max(0) as Frames;
                round.actions.extend(filling.placed.map(|entry| Action::Withdraw { entry, frame }));
                return false;
            }
            let next = EntryId(self.next_id + 1);
            if round.automation.held {
                return true;
            }
            if let Some(item) = filling.next(next, round, &self.joining, lengths, &mut self.last_used) {
                self.put_in_line(round, item, round.position, None);
            }
            !filling.over
        });
        self.filling = filling;
    }

    /// The frame by which the next tick must be.
    fn next_due(&self, round: &Round<'_>) -> Frames {
        let frame = |offset: i64, lead_s: f64| (offset.max(0) as Frames).saturating_sub(round.frames(lead_s));
        let look_up = self.known_ns.map_or(0, |known_ns| known_ns - AHEAD_NS + HOUR_NS);
        let look_up = frame(round.clock.offset_of(look_up), 0.0);
        let pending = self.pending.iter().map(|pending| {
            let due = pending.start(round.clock).map_or(Frames::MAX, |start| frame(start, LEAD_S));
            let ask = match pending.entry.plan {
                Plan::Fill { .. } if pending.ask_at == 0 => due.saturating_sub(round.frames(ASKED_AHEAD_S)),
                Plan::CutIn { edge: Edge::End, .. } => pending.ask_at,
                _ => Frames::MAX,
            };
            due.min(ask)
        });
        let sent = self.sent.iter().map(|sent| frame(sent.latest as i64, SHORT_LEAD_S));
        let filling = self.filling.iter().map(|filling| match filling.placed {
            Some(_) => frame(round.clock.offset_of(filling.until_ns), SHORT_LEAD_S),
            None => 0,
        });
        pending.chain(sent).chain(filling).chain([look_up]).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
