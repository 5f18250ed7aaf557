//! Levels: the gain by which an item comes to the loudness that the chain aims for, set before its first frame.

use super::{Answer, Director, Issued};
use crate::chain::NodeSpec;
use crate::control::{Command, When};
use crate::deck::ItemId;
use crate::item::Item;
use crate::level::{Levelling, Loudness};
use crate::playout::loader::Ticket;
use crate::playout::request::Request;
use crate::tier::Tier;
use crate::units::db_to_gain;

/// The gain of an item, and the loudness to which it brings the item.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Level {
    pub(super) gain_db: f64,
    pub(super) levelled_lufs: Option<f32>,
}

impl Level {
    pub(super) fn gain(&self) -> f32 {
        db_to_gain(self.gain_db as f32)
    }
}

impl Director {
    /// The level of an item that is `loudness` loud and begins after `when`.
    pub(super) fn level(&self, when: When, item: &Item, loudness: Option<Loudness>) -> Level {
        let levelling = Levelling::of(self.chain_at(when));
        let levelled = levelling.zip(loudness);
        let gain_db = levelled.map_or(0.0, |(levelling, loudness)| levelling.gain_db(loudness));
        Level {
            gain_db: gain_db + item.gain_db.unwrap_or(0.0),
            levelled_lufs: levelled.map(|(levelling, _)| levelling.target_lufs as f32),
        }
    }

    /// The chain on air at a time, as far as that is known.
    pub(super) fn chain_at(&self, when: When) -> &[NodeSpec] {
        let at = self.frame_of(when);
        let coming = self.chains.iter().rev().find(|(from, _, _)| *from <= at);
        coming.map_or(&self.config.chain, |(_, _, nodes)| nodes)
    }

    /// It is known now how loud an opened item is. One that has begun is left as it is: the chain sees to it.
    pub(super) fn on_loudness(&mut self, Ticket(id): Ticket, loudness: Loudness) {
        let id = ItemId(id);
        let waiting = match self.known.get_mut(&id) {
            Some(known) if known.heard => None,
            Some(known) => Some((known.tier, &mut known.item)),
            None => self.line.get_mut(id).map(|entry| (Tier::Automation, &mut entry.item)),
        };
        let Some((tier, item)) = waiting else { return };
        item.set_loudness(loudness);
        let item = item.clone();
        let level = self.level(When::Now, &item, Some(loudness));
        if level.levelled_lufs.is_some() {
            self.set_level(When::Now, tier, id, item.id, level, None);
        }
    }

    /// Gives a waiting item another gain.
    pub(super) fn set_level(
        &mut self,
        when: When,
        tier: Tier,
        item: ItemId,
        name: String,
        level: Level,
        answer: Option<Answer>,
    ) {
        let Level { gain_db, levelled_lufs } = level;
        let logged =
            self.logging().then(|| Box::new(Request::Level { tier, id: name, gain_db, levelled_lufs }));
        let command = Command::Level { tier, item, gain: level.gain(), levelled_lufs };
        self.issue(when, command, Issued { answer, logged, ..Issued::default() });
    }
}
