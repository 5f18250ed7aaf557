//! Titles: each is told at the frame of the audio it belongs to.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{LEAD_S, LiveSlot};
use crate::playout::live::action::LiveAction;

impl LiveSlot {
    /// Off air, the titles of what will not be heard any more give way to the one that will.
    pub(super) fn forward_titles(&mut self) {
        let first = self.tape.written().saturating_sub(self.depths.preroll).max(self.tape.origin());
        let mut titles = self.tape.titles();
        while titles.front().is_some_and(|(at, _)| *at <= first) {
            if let Some((_, metadata)) = titles.pop_front() {
                self.metadata = Arc::new(metadata);
            }
        }
    }

    /// Hands over the titles that are due, each at the frame of its audio.
    pub(super) fn tell_titles(&mut self, out: &mut VecDeque<LiveAction>) {
        let due = self.position + self.frames(LEAD_S);
        let Some(spell) = self.spell.as_mut().filter(|spell| spell.take.start().is_some()) else {
            return self.forward_titles();
        };
        spell.look(self.position);
        let mut titles = self.tape.titles();
        let mut at = spell.take.start().and_then(|start| spell.frame_of(start)).unwrap_or(self.position);
        loop {
            if *spell.told != *self.metadata {
                spell.told = Arc::clone(&self.metadata);
                let metadata = Arc::clone(&self.metadata);
                out.push_back(LiveAction::Title { tier: spell.tier, item: spell.id, at, metadata });
            }
            let Some((position, _)) = titles.front() else { return };
            at = spell.frame_of(*position).unwrap_or(self.position);
            if at > due {
                return;
            }
            if let Some((_, metadata)) = titles.pop_front() {
                self.metadata = Arc::new(metadata);
            }
        }
    }
}
