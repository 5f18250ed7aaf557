//! Entries whose time has come, sent on their way.

use super::entry::{Action, Edge, Entry, EntryId, Length, Lengths, Plan};
use super::filling::Filling;
use super::{Came, HOUR_NS, MOST_IN_LINE, Pending, Round, Schedule, Sent};
use crate::Frames;
use crate::control::Ramp;
use crate::item::Item;
use crate::units::frames_to_seconds;

/// The rise of an item that is joined in the middle.
const DECLICK_S: f64 = 0.005;
/// A hard item that has not started so long after its frame is taken back: another tier had the air.
const PATIENCE_S: f64 = 10.0;

/// The end of an item that may be cut off by the next without a fade. Nobody hears it, and no other item has to be begun for a
/// blink.
const CUT_S: f64 = 0.02;

/// An item to be cut in.
struct Cut {
    item: Item,
    fade: Option<Ramp>,
    edge: Edge,
    /// The frame at which it starts; before frame 0 it is negative.
    start: i64,
    /// What it comes from.
    pending: Pending,
}

impl Schedule {
    /// Sends the items whose time has come on their way.
    pub(super) fn send_due(&mut self, round: &mut Round<'_>, lengths: &mut dyn Lengths) {
        let horizon = (round.position + round.lead()) as i64;
        let mut due = Vec::new();
        let position = round.position as i64;
        for pending in std::mem::take(&mut self.pending) {
            let waits = |start| round.automation.beneath && pending.entry.plan.cuts_in() && start < position;
            match pending.start(round.clock).filter(|start| *start <= horizon && !waits(*start)) {
                Some(start) => due.push((start, pending)),
                None => self.pending.push(pending),
            }
        }
        // At the same time, what cuts in comes before what is put in line.
        due.sort_by_key(|(start, Pending { entry, .. })| (*start, !entry.plan.cuts_in(), entry.row));
        let begun = |(start, pending): &&(i64, Pending)| pending.entry.plan.cuts_in() && *start < position;
        let last_begun = due.iter().rev().find(begun).map(|(start, _)| *start);
        let last_begun = last_begun.max(self.last_cut_ns.map(|ns| round.clock.offset_of(ns)));
        let mut cut_at = None;
        for (start, pending) in due {
            let (at_ns, row) = (pending.entry.at_ns, pending.entry.row);
            // A fill goes on from wherever it is begun.
            if !matches!(pending.entry.plan, Plan::Fill { .. }) {
                self.came.insert(row, Came { at_ns, start });
            }
            match pending.entry.plan.clone() {
                // Something was cut in at this very time already, and this follows it.
                Plan::CutIn { item, .. } if cut_at == Some(start) => {
                    let latest = self.latest(round, &pending.entry, None);
                    self.put_in_line(round, item, start.max(0) as Frames, Some(latest));
                }
                Plan::CutIn { item, fade, edge } => {
                    let cut = Cut { item, fade, edge, start, pending };
                    if start >= position {
                        cut_at = Some(start);
                        self.cut_in(round, cut);
                    } else if last_begun.is_some_and(|last| last > start) {
                        round.drop(cut.item, at_ns, "another scheduled item took its place");
                    } else if self.join_late(round, cut, lengths) {
                        cut_at = Some(start);
                    }
                }
                Plan::Soft { item, latest_ns } => {
                    let wanted = latest_ns.map_or(start, |latest_ns| round.clock.offset_of(latest_ns));
                    let latest = self.latest(round, &pending.entry, latest_ns);
                    if start < position && wanted < position {
                        round.drop(item, at_ns, "its time has passed");
                    } else if self.sent.iter().filter(|sent| sent.missed.is_none()).count() < MOST_IN_LINE {
                        self.put_in_line(round, item, start.max(0) as Frames, Some(latest));
                    } else {
                        let plan = Plan::Soft { item, latest_ns: Some(round.clock.utc_of(latest)) };
                        self.pending.push(Pending { entry: Entry { plan, ..pending.entry }, ..pending });
                    }
                }
                Plan::Fill { pool, until_ns } => {
                    let reach = self.reach_over(until_ns, round);
                    self.filling.push(Filling::new(start.max(0) as Frames, until_ns, reach, pool));
                }
            }
        }
    }

    /// The frame up to which an entry in line may start.
    fn latest(&self, round: &Round<'_>, entry: &Entry, latest_ns: Option<i64>) -> Frames {
        let same_row = self.pending.iter().filter(|pending| pending.entry.row == entry.row);
        let again = same_row.map(|pending| pending.entry.at_ns).chain([entry.at_ns + HOUR_NS]).min();
        let latest_ns = latest_ns.or(again).unwrap_or(entry.at_ns);
        round.clock.offset_of(latest_ns).max(0) as Frames
    }

    /// Cuts an item in at its start.
    fn cut_in(&mut self, round: &mut Round<'_>, cut: Cut) {
        let Cut { mut item, fade, edge, start, pending } = cut;
        if let (Edge::End, Some(length)) = (edge, pending.before) {
            round.end_alone(&mut item, length);
        }
        // It is there at once; only what ran falls.
        item.fade_in_s.get_or_insert(0.0);
        self.send_cut(round, Cut { item, fade, edge, start, pending }, start as Frames);
    }

    /// Cuts an item in that should be on air already, as far into it as it would be by then; one that is, or is the first in
    /// line since a restart, is left alone. `false` if it is dropped.
    fn join_late(&mut self, round: &mut Round<'_>, cut: Cut, lengths: &mut dyn Lengths) -> bool {
        let Cut { mut item, fade, edge, start, pending } = cut;
        let at_ns = pending.entry.at_ns;
        if round.automation.has(&item) {
            self.last_cut_ns = Some(round.clock.utc_at(start));
            return true;
        }
        let length = match lengths.length(&item) {
            Length::Known(length) => length,
            Length::Later => {
                self.came.remove(&pending.entry.row);
                self.pending.push(Pending { ask_at: Frames::MAX, ..pending });
                return true;
            }
            Length::Never => {
                round.drop(item, at_ns, "it is late, and how long it lasts is unknown");
                return false;
            }
        };
        // Where nothing plays there is nothing to wait for.
        let frame =
            if round.automation.on_air.is_some() { round.position + round.lead() } else { round.position };
        let over = (frame as i64 - start).unsigned_abs();
        if over >= length {
            round.drop(item, at_ns, "it would be over by now");
            return false;
        }
        if edge == Edge::End {
            round.end_alone(&mut item, length);
        }
        let over_s = frames_to_seconds(over, round.clock.rate_hz);
        item.cue_in_s = Some(item.cue_in_s.unwrap_or(0.0) + over_s);
        item.fade_in_s = Some(item.fade_in_s.unwrap_or(0.0).max(DECLICK_S));
        self.send_cut(round, Cut { item, fade, edge, start, pending }, frame);
        true
    }

    /// How far what plays at a time may reach beyond it: as long as it takes to fall under what is cut in then.
    fn reach_over(&self, at_ns: i64, round: &Round<'_>) -> Frames {
        let fade = self.pending.iter().find_map(|pending| match pending.entry.plan {
            Plan::CutIn { fade, .. } if pending.entry.at_ns == at_ns => fade,
            _ => None,
        });
        fade.map_or(self.joining.crossfade, |ramp| ramp.length).max(round.frames(CUT_S))
    }

    fn send_cut(&mut self, round: &mut Round<'_>, cut: Cut, frame: Frames) {
        let Cut { item, fade, start, pending, .. } = cut;
        let entry = self.fresh_id();
        let latest = frame + round.frames(PATIENCE_S);
        self.sent.push(Sent { entry, latest, missed: Some(pending) });
        self.last_cut_ns = Some(round.clock.utc_at(start));
        round.actions.push(Action::CutIn { entry, item, frame, fade });
    }

    pub(super) fn put_in_line(
        &mut self,
        round: &mut Round<'_>,
        item: Item,
        frame: Frames,
        latest: Option<Frames>,
    ) -> EntryId {
        let entry = self.fresh_id();
        self.sent.extend(latest.map(|latest| Sent { entry, latest, missed: None }));
        round.actions.push(Action::PutInLine { entry, item, frame });
        entry
    }

    fn fresh_id(&mut self) -> EntryId {
        self.next_id += 1;
        EntryId(self.next_id)
    }
}
