//! The live sources of a station.

use std::collections::VecDeque;

use super::action::{LiveAction, LiveStatus};
use super::config::LiveConfig;
use super::slot::LiveSlot;
use super::spell::Route;
use super::writer::LiveWriter;
use crate::Frames;
use crate::control::Event;
use crate::deck::ItemId;
use crate::dsp::Format;
use crate::item::Invalid;
use crate::tier::Tier;
use crate::units::seconds_to_frames;

/// Why something was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// A field cannot be meant; correct it.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The name is empty, or belongs to a source that has not signed off.
    #[error("source: {0:?} is not accepted, give a name that no open source has")]
    Name(String),
    /// No source has this name.
    #[error("source: there is no live source called {name:?}, give one of {open:?}")]
    NoSuchSource {
        /// The name.
        name: String,
        /// Those there are.
        open: Vec<String>,
    },
    /// The tier is not for live sources.
    #[error("tier: {0} is not accepted, give emergency, live_override or live_scheduled")]
    Tier(Tier),
}

/// The live sources of a station, as the director holds them.
///
/// The director passes every event of the engine to [`on_event`](Self::on_event), then calls [`tick`](Self::tick), then
/// carries out what [`poll`](Self::poll) says, in order.
pub struct LiveSlots {
    format: Format,
    slots: Vec<LiveSlot>,
    actions: VecDeque<LiveAction>,
}

impl LiveSlots {
    /// None yet, for an engine of this format.
    pub fn new(format: Format) -> Self {
        Self { format, slots: Vec::new(), actions: VecDeque::new() }
    }

    /// Opens a source; its input gets the writer. The name is free again when the writer is closed, though what it has
    /// pushed may still be playing.
    pub fn open(&mut self, name: &str, config: LiveConfig) -> Result<LiveWriter, LiveError> {
        let taken = self.slots.iter().any(|slot| slot.name == name && !slot.is_closed());
        if taken || name.is_empty() {
            return Err(LiveError::Name(name.to_owned()));
        }
        let (writer, slot) = LiveSlot::new(name, config, self.format)?;
        self.slots.push(slot);
        Ok(writer)
    }

    /// Lets a source be heard on a tier from frame `at` on, as soon as its pre-roll is there. Beside the fade by which its
    /// tier takes over it may have a fade in of its own, of `fade_in_s` from 0 to 3600.
    ///
    /// A source that is on another tier moves without a gap. One that is lost or silent is trusted anew.
    pub fn route(
        &mut self,
        name: &str,
        tier: Tier,
        fade_in_s: Option<f64>,
        at: Frames,
    ) -> Result<(), LiveError> {
        if !tier.takes_live() {
            return Err(LiveError::Tier(tier));
        }
        if let Some(value) = fade_in_s.filter(|value| !(0.0..=3600.0).contains(value)) {
            return Err(Invalid::new("fade_in_s", value, "seconds from 0 to 3600").into());
        }
        let rate = self.format.sample_rate_hz;
        // The last of a name is the one that has not signed off, if one has not.
        match self.slots.iter_mut().rfind(|slot| slot.name == name) {
            Some(slot) => {
                slot.route(Route::new(tier, fade_in_s.map(|s| seconds_to_frames(s, rate)), at));
                Ok(())
            }
            None => {
                let open = self.slots.iter().map(|slot| slot.name.clone()).collect();
                Err(LiveError::NoSuchSource { name: name.to_owned(), open })
            }
        }
    }

    /// Ends the routes to a tier. Whether there was one: then a `Command::Stop` that finds the tier idle has been carried
    /// out all the same.
    pub fn stop(&mut self, tier: Tier) -> bool {
        let stopped = self.slots.iter_mut().filter_map(|slot| slot.stop(tier).then_some(()));
        // Every one of them is asked.
        stopped.count() > 0
    }

    /// Hears what the engine has to say. Whether it was of an item of theirs.
    pub fn on_event(&mut self, event: &Event) -> bool {
        self.slots.iter_mut().any(|slot| slot.on_event(event, &mut self.actions))
    }

    /// Whether a source is on a tier, or is to be.
    pub fn is_routed(&self) -> bool {
        self.slots.iter().any(LiveSlot::is_routed)
    }

    /// Hears that the engine did not take an item. Whether it was a live source's.
    pub fn on_refused(&mut self, item: ItemId, error: &str) -> bool {
        self.slots.iter_mut().any(|slot| slot.on_refused(item, error, &mut self.actions))
    }

    /// Decides what is to be done by `position`, the engine's. `fresh_id` gives names that no item has had.
    pub fn tick(&mut self, position: Frames, fresh_id: &mut dyn FnMut() -> ItemId) {
        for slot in &mut self.slots {
            slot.tick(position, fresh_id, &mut self.actions);
        }
        self.slots.retain(|slot| !slot.is_over());
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<LiveAction> {
        self.actions.pop_front()
    }

    /// Every source and where it stands.
    pub fn status(&self) -> impl Iterator<Item = LiveStatus> {
        self.slots.iter().map(LiveSlot::status)
    }
}
