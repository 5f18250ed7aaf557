//! Live sources: the slots ticked, and what they ask for carried out.

use super::items::Known;
use super::{Director, Issued};
use crate::Frames;
use crate::control::{Command, Place, Ramp, When};
use crate::curve::Curve;
use crate::deck::ItemId;
use crate::playout::live::{LiveAction, LiveConfig, LiveError, LiveStatus, LiveWriter};

impl Director {
    /// Opens a live source; its input gets the writer. It is on no tier before it is routed to one.
    pub fn live_source(&mut self, name: &str, config: LiveConfig) -> Result<LiveWriter, LiveError> {
        self.live.open(name, config)
    }

    /// The live sources and where they stand.
    pub fn live_status(&self) -> impl Iterator<Item = LiveStatus> {
        self.live.status()
    }

    pub(super) fn frame_of(&self, when: When) -> Frames {
        match when {
            When::Now => self.position,
            When::At(frame) => frame,
        }
    }

    pub(super) fn tick_live(&mut self) {
        self.hear();
        let next_id = &mut self.next_id;
        self.live.tick(self.position, &mut || {
            *next_id += 1;
            ItemId(*next_id)
        });
        while let Some(action) = self.live.poll() {
            self.carry_out_live(action);
        }
    }

    fn carry_out_live(&mut self, action: LiveAction) {
        match action {
            LiveAction::Load { tier, item, prepared, at } => {
                let (id, started) = (prepared.id, self.position);
                let known = Known { item, tier, origin: None, length: None, heard: false, started };
                self.known.insert(id, known);
                let issued = Issued { item: Some(id), ..Issued::default() };
                self.issue(When::At(at), Command::Load { tier, item: prepared, place: Place::Back }, issued);
            }
            LiveAction::Unload { tier, item } => self.send(When::Now, Command::Unload { tier, item }),
            LiveAction::TakeOff { tier, fade, at, .. } => {
                let ramp = Some(Ramp { length: fade, curve: Curve::EqualPower });
                self.send(When::At(at), Command::Skip { tier: Some(tier), ramp, wait: false });
            }
            LiveAction::Title { tier, item, at, metadata } => {
                self.send(When::At(at), Command::Retitle { tier, item, metadata });
            }
            LiveAction::Report { frame, event } => self.report(frame, event),
        }
    }
}
