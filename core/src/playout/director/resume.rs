//! Continuity: what another run of a station has to know to go on where this one is.

use serde::{Deserialize, Serialize};

use super::Director;
use super::items::{Opening, Purpose};
use super::line::{Entry, MOST, Origin};
use crate::control::When;
use crate::item::Item;
use crate::playout::playlist::Bookmark;
use crate::playout::request::Position;
use crate::tier::Tier;

/// What the automation will air after the item on air.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineUp {
    /// The items in line, the next one first.
    pub entries: Vec<Lined>,
    /// Where the programme goes on after them; `None` when it knows by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bookmark: Option<Bookmark>,
}

/// An item in line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lined {
    /// The item.
    pub item: Item,
    /// It was put in by request, and not given by the programme.
    pub queued: bool,
}

impl Director {
    /// What the automation will air after the item on air.
    pub fn to_air(&self) -> LineUp {
        let lined = |entry: &Entry| Lined { item: entry.item.clone(), queued: entry.origin == Origin::Queue };
        LineUp { entries: self.line.iter().map(lined).collect(), bookmark: self.bookmark() }
    }

    /// How many items are in line.
    pub fn line_len(&self) -> usize {
        self.line.len()
    }

    /// Where the programme stands.
    pub fn bookmark(&self) -> Option<Bookmark> {
        self.programme.bookmark()
    }

    /// Goes on where another run was, before the first tick: with the items that were on air, then with its line-up, then
    /// with the programme from its bookmark. Of a programme that goes by the clock only what was queued is taken up.
    pub fn resume(&mut self, on_air: Vec<(Tier, Item)>, line_up: LineUp) {
        if let Some(bookmark) = &line_up.bookmark {
            self.programme.resume(bookmark);
        }
        let items =
            on_air.iter().map(|(_, item)| item).chain(line_up.entries.iter().map(|lined| &lined.item));
        // Names that are made up go on after those of the other run.
        let last = items.filter_map(|item| item.id.strip_prefix("item-")?.parse::<u32>().ok()).max();
        self.next_id = self.next_id.max(last.map_or(0, u64::from));
        let by_clock = self.programme.is_by_clock();
        for (tier, item) in on_air {
            if tier == Tier::Automation && by_clock {
                continue;
            }
            if tier == Tier::Automation {
                let entry = self.entry(item, Origin::Queue);
                self.line.insert(0, entry);
            } else {
                let (purpose, place, since) = (Purpose::Again, Position::Back, self.position);
                self.open(Opening { item, tier, purpose, when: When::Now, place, after: None, since });
            }
        }
        let entries = line_up.entries.into_iter().filter(|lined| lined.queued || !by_clock);
        for Lined { item, queued } in entries.take(MOST) {
            let origin = if queued { Origin::Queue } else { Origin::Programme };
            let entry = self.entry(item, origin);
            self.line.push(entry);
        }
    }
}
