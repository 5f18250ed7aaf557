//! The automation held by a stop, until something is played or queued.

use super::{Director, Issued};
use crate::Frames;
use crate::control::{Command, When};
use crate::curve::Curve;
use crate::playout::director::line::State;
use crate::tier::Tier;

/// What a command that was carried out means for the automation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It goes on.
    Off,
    /// It is held, unless it was asked to go on after the stop was: one that had a frame of its own comes after what was
    /// asked before that frame, any other after what was asked in earlier turns.
    On {
        /// The frame it was asked for.
        at: Option<Frames>,
        /// The turn in which it was asked for.
        turn: u64,
    },
}

impl Director {
    /// The automation goes on from now on.
    pub(super) fn release(&mut self) {
        self.held = false;
        self.released = Some((self.position, self.turn));
    }

    /// A command was carried out that holds the automation, or lets it go on.
    pub(super) fn apply(&mut self, hold: Hold) {
        let Hold::On { at, turn } = hold else { return self.held = false };
        let overtaken = self.released.is_some_and(|(position, released)| match at {
            Some(at) => position >= at,
            None => released > turn,
        });
        if overtaken {
            return;
        }
        self.held = true;
        // What became ready between the stop and this answer is behind the stop, and has started.
        if self.line.iter().any(|entry| matches!(entry.state, State::Loaded(_))) {
            let (tier, ramp) = (Tier::Automation, self.ramp(0.0, Curve::SCurve));
            self.stopping += 1;
            self.issue(When::Now, Command::Stop { tier, ramp }, Issued { stops: true, ..Issued::default() });
        }
    }
}
