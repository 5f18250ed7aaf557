//! What is watched for at each tick, by where the source stands.

use std::collections::VecDeque;

use super::LiveSlot;
use crate::Frames;
use crate::deck::ItemId;
use crate::playout::live::action::{LiveAction, LiveState};
use crate::playout::report::StationEvent;

impl LiveSlot {
    /// Off air: puts it on as soon as it is good.
    pub(super) fn wait(&mut self, fresh_id: &mut dyn FnMut() -> ItemId, out: &mut VecDeque<LiveAction>) {
        let Some(route) = &self.route else { return };
        if self.is_closed() {
            // A source that was on air has signed off while it was away. A short one may have pushed all it has.
            if route.aired || self.held() == 0 {
                return self.end_route();
            }
            return self.load(None, fresh_id, out);
        }
        if self.pulse.is_stalled() && route.aired && self.state != LiveState::Lost {
            return self.lose(self.position, out);
        }
        if self.state == LiveState::Lost && self.waited() >= self.frames(self.config.live_timeout_s) {
            return self.give_up(out);
        }
        if self.pulse.is_stalled() {
            return;
        }
        if self.pulse.is_silent(&self.tape) {
            if self.state != LiveState::Silent {
                self.state = LiveState::Silent;
                out.push_back(self.silence(true));
            }
            return;
        }
        // A silent one comes back as carefully the first time.
        let hold = self.damping.hold().max(match self.state {
            LiveState::Silent => self.frames(self.config.hold_s),
            _ => 0,
        });
        if self.held() < self.depths.preroll || self.pulse.good(&self.tape) < hold {
            return;
        }
        if self.state == LiveState::Silent {
            out.push_back(self.silence(false));
        }
        self.load(None, fresh_id, out);
    }

    /// Tells that the source has fallen silent, or is so no longer.
    fn silence(&self, begins: bool) -> LiveAction {
        let source = Some(self.name.clone());
        let event = match begins {
            true => StationEvent::SilenceDetected { source },
            false => StationEvent::SilenceEnded { source },
        };
        LiveAction::Report { frame: self.position, event }
    }

    /// Frames for which a lost source has been missing.
    fn waited(&self) -> Frames {
        self.pulse.overdue().unwrap_or(Frames::MAX).min(self.position.saturating_sub(self.lost_at))
    }

    pub(super) fn watch_cued(&mut self, patience: Frames, out: &mut VecDeque<LiveAction>) {
        let (Some(spell), Some(route)) = (&self.spell, &self.route) else { return };
        let late = self.position > spell.due + patience;
        if spell.take.start().is_some() {
            self.begun();
        } else if self.is_closed() && route.aired && late {
            // It has signed off while a higher tier had the air.
            self.unload(out);
            self.end_route();
        } else if !self.is_closed() && (self.pulse.is_stalled() || self.pulse.is_silent(&self.tape)) {
            self.unload(out);
            self.state = LiveState::Buffering;
        }
    }

    pub(super) fn watch_on_air(&mut self, patience: Frames, out: &mut VecDeque<LiveAction>) {
        let position = self.position;
        let unheard = self.spell.as_mut().is_some_and(|spell| spell.is_unheard(position, patience));
        if self.is_closed() {
            self.state = LiveState::Draining;
            if unheard {
                self.leave();
                self.end_route();
            }
        } else if unheard && self.pulse.is_stalled() {
            self.leave();
            self.lose(position, out);
        } else if self.pulse.is_silent(&self.tape) {
            self.strike(position);
            if let Some(spell) = &self.spell {
                spell.take.fall();
            }
            self.leave();
            self.state = LiveState::Silent;
            out.push_back(self.silence(true));
            self.heed_policy();
        }
    }
}
