//! A fill under way: one item of the pool after the other, chosen anew for the time that is left whenever one has
//! started, so that skips, wrong lengths and late starts are made up for.

use std::collections::HashMap;
use std::sync::Arc;

use super::Round;
use super::entry::{EntryId, Length, Lengths};
use super::fill::{choose, total};
use super::timing::Joining;
use crate::Frames;
use crate::item::Item;

/// When each path was last used to fill, by a number that grows.
pub(super) type LastUsed = HashMap<String, u64>;

/// A fill whose time has come.
pub(super) struct Filling {
    from: Frames,
    pub(super) until_ns: i64,
    /// How far the last item may reach beyond that.
    reach: Frames,
    pool: Arc<[Item]>,
    used: Vec<bool>,
    /// What it would go on with.
    plan: Vec<usize>,
    /// The item that is on its way and has not started.
    pub(super) placed: Option<EntryId>,
    begun: bool,
    /// Nothing of the pool fits any more.
    pub(super) over: bool,
}

impl Filling {
    /// A fill from the first boundary from frame `from` on.
    pub(super) fn new(from: Frames, until_ns: i64, reach: Frames, pool: Arc<[Item]>) -> Self {
        let used = vec![false; pool.len()];
        Self { from, until_ns, reach, pool, used, plan: Vec::new(), placed: None, begun: false, over: false }
    }

    /// The item to be put in line now as `entry`, if it is time for one.
    pub(super) fn next(
        &mut self,
        entry: EntryId,
        round: &Round<'_>,
        joining: &Joining,
        lengths: &mut dyn Lengths,
        last_used: &mut LastUsed,
    ) -> Option<Item> {
        if self.placed.is_some() || self.over {
            return None;
        }
        let end = self.end_on_air(round, joining)?;
        let boundary = end.saturating_sub(joining.crossfade);
        // Another item comes before our turn; or something may yet be cut in at the time at which it begins.
        let early = !self.begun && round.position < self.from;
        if boundary < self.from || (early && boundary >= self.from + round.lead()) {
            return None;
        }
        let until = round.clock.frame_of(self.until_ns)?;
        let costs = self.costs(round, joining, lengths, boundary)?;
        // Each item is counted without what it reaches over the one before it, so their sum goes on from the end of that.
        self.choose(&costs, (until + self.reach).saturating_sub(end), last_used);
        let index = *self.plan.first()?;
        let mut item = self.pool.get(index)?.clone();
        if self.plan.len() == 1
            && let Length::Known(length) = lengths.length(&item)
        {
            // What comes after the last begins at its very end, when the hard item is on air already.
            round.end_alone(&mut item, length);
        }
        self.plan.remove(0);
        if let Some(used) = self.used.get_mut(index) {
            *used = true;
        }
        let latest = last_used.values().max().map_or(0, |latest| latest + 1);
        last_used.insert(item.path.clone(), latest);
        (self.placed, self.begun) = (Some(entry), true);
        Some(item)
    }

    /// The frame at which what is on air ends, as far as that is known.
    fn end_on_air(&self, round: &Round<'_>, joining: &Joining) -> Option<Frames> {
        let Some(on_air) = round.automation.on_air else {
            return Some(round.position.max(self.from) + joining.crossfade);
        };
        let length = round.heard(on_air.item, on_air.length, joining)?;
        Some((on_air.started + length).max(round.position + joining.crossfade))
    }

    /// Frames that each item of the pool adds; 0 where that cannot be known. `None` while lengths are being found out and
    /// there is time to wait for them.
    fn costs(
        &self,
        round: &Round<'_>,
        joining: &Joining,
        lengths: &mut dyn Lengths,
        boundary: Frames,
    ) -> Option<Vec<Frames>> {
        let may_wait = boundary > round.position + 2 * round.lead();
        let cost = |item: &Item| match lengths.length(item) {
            Length::Known(length) => {
                let heard = round.heard(item, Some(length), joining).unwrap_or(length);
                Some(heard.saturating_sub(joining.overlap(length)))
            }
            Length::Later if may_wait => None,
            Length::Later | Length::Never => Some(0),
        };
        self.pool.iter().map(cost).collect()
    }

    /// Makes a plan for `room` frames: the one there is, if no better one is found.
    fn choose(&mut self, costs: &[Frames], room: Frames, last_used: &LastUsed) {
        let unused = self.used.iter().enumerate().filter(|(_, used)| !**used);
        let mut order: Vec<usize> = unused.map(|(index, _)| index).collect();
        // What was used longest ago comes first.
        order.sort_by_key(|index| self.pool.get(*index).and_then(|item| last_used.get(&item.path)));
        let ordered: Vec<Frames> = order.iter().filter_map(|index| costs.get(*index).copied()).collect();
        let found = choose(&ordered, room);
        let found: Vec<usize> = found.iter().filter_map(|place| order.get(*place).copied()).collect();
        let known = total(costs, &self.plan);
        if known > room || total(costs, &found) > known {
            self.plan = found;
        }
        self.over = self.plan.is_empty();
    }
}
