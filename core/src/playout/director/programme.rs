//! The programme: when it is asked for another item, and what it hears of those that it gave.

use super::Director;
use super::items::{name, on_air};
use super::line::{Entry, MOST, Origin, State};
use crate::Frames;
use crate::deck::ItemId;
use crate::item::Item;
use crate::playout::playlist::NextItem;
use crate::playout::report::StationEvent;
use crate::tier::Tier;

impl Director {
    /// Asks the programme for another item, if it is time. `true` when there is one more in line. `ready` frames are in line
    /// already.
    pub(super) fn ask_programme(&mut self, ready: Frames) -> bool {
        if self.exhausted || self.is_programme_resting() || !self.is_needed(ready) {
            return false;
        }
        let next = self.programme.next_track();
        self.look_after_programme();
        match next {
            NextItem::Item(item) => {
                self.skipping = false;
                let entry = self.entry(*item, Origin::Programme);
                self.line.push(entry);
                true
            }
            NextItem::Later => false,
            NextItem::End => {
                self.exhausted = true;
                false
            }
        }
    }

    /// Whether what is on air and in line lasts for less than the lead that the programme asks for, or is waited for.
    fn is_needed(&self, ready: Frames) -> bool {
        let Some(lead_s) = self.programme.lead_s().filter(|_| !self.skipping) else { return true };
        ready.saturating_add(self.left_on_air()) <= self.frames(lead_s)
    }

    /// Frames that the automation's item on air still lasts; none when its end is not known and may be near.
    pub(super) fn left_on_air(&self) -> Frames {
        let end = on_air(&self.known).and_then(|(_, known)| Some(known.started + known.length?));
        end.unwrap_or(0).saturating_sub(self.position)
    }

    /// A new entry for the line-up. An item without a name of its own is given one.
    pub(super) fn entry(&mut self, mut item: Item, origin: Origin) -> Entry {
        let id = ItemId(self.fresh_id());
        name(&mut item, id);
        Entry { id, item, origin, state: State::Listed }
    }

    /// Puts an entry into the line-up; refuses it when that is full.
    pub(super) fn line_up(&mut self, index: usize, entry: Entry) -> Result<(), String> {
        if self.line.len() >= MOST {
            return Err(format!("queue: the line-up is full, it holds {MOST} items"));
        }
        self.line.insert(index, entry);
        Ok(())
    }

    /// Tells that an item will not be heard; whoever gave it hears so too.
    pub(super) fn not_heard(&mut self, frame: Frames, item: Item, tier: Tier, origin: Option<Origin>) {
        if origin == Some(Origin::Programme) {
            self.programme.unused(&item);
        }
        self.report(frame, StationEvent::ItemUnused { tier, item });
    }

    /// Tells the programme of everything it gave that has not been heard, because the station leaves the air.
    pub fn abandon(&mut self) {
        let heard = |entry: &Entry| entry.origin == Origin::Programme;
        let items: Vec<Item> =
            self.line.iter().filter(|e| heard(e)).map(|entry| entry.item.clone()).collect();
        for item in items {
            self.not_heard(self.position, item, Tier::Automation, Some(Origin::Programme));
        }
        self.line.clear();
        self.close();
    }

    /// Asks for nothing more, because the station leaves the air.
    pub fn close(&mut self) {
        (self.exhausted, self.held) = (true, true);
        self.programme.close();
    }

    /// Whether whoever gives the programme has heard all that was said to him.
    pub fn is_told(&self) -> bool {
        self.programme.is_told()
    }
}
