//! The engine's side: commands to it, events from it.

use super::{Director, Issued};
use crate::Frames;
use crate::control::{Command, CommandId, Event, EventKind, Failure, When};
use crate::playout::report::StationEvent;

impl Director {
    pub(super) fn issue_named(&mut self, when: When, command: Command, name: &'static str) {
        self.issue(when, command, Issued { name: Some(name), ..Issued::default() });
    }

    pub(super) fn issue(&mut self, when: When, command: Command, issued: Issued) {
        self.unsent.push_back((when, command, issued));
        self.send_unsent();
    }

    pub(super) fn send_unsent(&mut self) {
        while let Some((when, command, issued)) = self.unsent.pop_front() {
            match self.control.send(when, command) {
                Ok(id) => {
                    self.issued.insert(id, issued);
                }
                Err(command) => {
                    self.unsent.push_front((when, *command, issued));
                    return;
                }
            }
        }
    }

    pub(super) fn on_event(&mut self, event: Event) {
        let frame = event.frame;
        match event.kind {
            EventKind::NowPlaying { tier, item, metadata, .. } => {
                let Some(known) = self.known.get_mut(&item) else { return };
                known.heard = true;
                known.item.metadata = (*metadata).clone();
                let (item, length) = (known.item.clone(), known.length);
                let duration_s = length.map(|length| self.seconds(length));
                self.report(frame, StationEvent::NowPlaying { tier, item, duration_s });
            }
            EventKind::ItemEnded { tier, item, ending, played } => {
                self.last_end = frame;
                let Some(known) = self.known.remove(&item) else { return };
                let played_s = self.seconds(played);
                self.report(frame, StationEvent::ItemEnded { tier, item: known.item, ending, played_s });
            }
            EventKind::ItemUnused { tier, item } => {
                let Some(known) = self.known.remove(&item) else { return };
                if known.returning {
                    self.take_back(item, known);
                } else {
                    self.report(frame, StationEvent::ItemUnused { tier, item: known.item });
                }
            }
            EventKind::PriorityChanged { from, to } => {
                self.report(frame, StationEvent::PriorityChanged { from, to });
            }
            EventKind::Underrun { tier, frames, .. } => {
                self.report(frame, StationEvent::Dropout { tier, frames });
            }
            EventKind::SilenceDetected => self.report(frame, StationEvent::SilenceDetected),
            EventKind::SilenceEnded => self.report(frame, StationEvent::SilenceEnded),
            EventKind::ChainReset => {}
            EventKind::CommandDone(id) => {
                let Some(issued) = self.issued.remove(&id) else { return };
                if let Some(hold) = issued.hold {
                    self.held = hold;
                }
                if let Some(command) = issued.name {
                    self.report(frame, StationEvent::CommandDone { command });
                }
            }
            EventKind::CommandFailed(id, failure) => self.on_failure(id, frame, failure),
        }
    }

    pub(super) fn on_failure(&mut self, id: CommandId, frame: Frames, failure: Failure) {
        let Some(issued) = self.issued.remove(&id) else { return };
        if let Some(known) = issued.item.and_then(|item| self.known.remove(&item))
            && let Some(item) = issued.item
        {
            self.take_back(item, known);
        }
        if let Some(before) = issued.chain {
            self.config.chain = before;
        }
        if let Some(command) = issued.name {
            self.report(frame, StationEvent::CommandFailed { command, error: failure.to_string() });
        }
    }
}
