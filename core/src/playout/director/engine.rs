//! The engine's side: commands to it, events from it.

use super::hold::Hold;
use super::items::{Known, Opening, Purpose};
use super::line::{Origin, State};
use super::{Director, Issued};
use crate::Frames;
use crate::control::{Command, CommandId, Ending, Event, EventKind, Failure, When};
use crate::deck::ItemId;
use crate::ladder::Return;
use crate::playout::report::StationEvent;
use crate::playout::request::Position;
use crate::tier::Tier;

impl Director {
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

    /// Takes in what has happened in the engine.
    pub(super) fn hear(&mut self) {
        while let Some(event) = self.control.poll() {
            self.on_event(event);
        }
    }

    pub(super) fn on_event(&mut self, event: Event) {
        let frame = event.frame;
        let live = self.live.on_event(&event);
        match event.kind {
            EventKind::NowPlaying { tier, item, metadata, started, over } => {
                if let Some(entry) = self.line.take(item) {
                    self.known.insert(item, entry.into_known(tier));
                }
                if started {
                    self.settle_scheduled(item);
                }
                let Some(known) = self.known.get_mut(&item) else { return };
                known.heard = true;
                if started {
                    known.started = frame;
                }
                known.item.metadata = (*metadata).clone();
                let (item, length) = (known.item.clone(), known.length);
                let duration_s = length.map(|length| self.seconds(length));
                self.report(frame, StationEvent::NowPlaying { tier, item, started, over, duration_s });
            }
            EventKind::ItemEnded { tier, item, ending, played } => {
                self.on_end(frame, tier, item, ending, played, !live)
            }
            EventKind::ItemUnused { tier, item } => self.on_unused(frame, tier, item),
            EventKind::PriorityChanged { from, to, held } => {
                self.report(frame, StationEvent::PriorityChanged { from, to, held });
            }
            EventKind::Underrun { tier, frames, .. } => {
                self.report(frame, StationEvent::Dropout { tier, frames });
            }
            EventKind::SilenceDetected => self.report(frame, StationEvent::SilenceDetected { source: None }),
            EventKind::SilenceEnded => self.report(frame, StationEvent::SilenceEnded { source: None }),
            EventKind::ChainReset => {}
            EventKind::ChainFailed { node, bypassed } => self.on_chain_failed(frame, node, bypassed),
            EventKind::SourceFailed { tier, item } => self.on_source_failed(frame, tier, item),
            EventKind::EngineFailed => self.on_engine_failed(frame),
            EventKind::CommandDone(id) => self.on_done(id, frame),
            EventKind::CommandFailed(id, failure) => self.on_failure(id, failure),
        }
    }

    /// An item is over. Only one that can be opened again is `repeatable`.
    fn on_end(
        &mut self,
        frame: Frames,
        tier: Tier,
        id: ItemId,
        ending: Ending,
        played: Frames,
        repeatable: bool,
    ) {
        self.last_end = frame;
        self.settle_scheduled(id);
        // One that was never announced is still in line.
        let in_line = self.line.take(id).map(|entry| entry.into_known(tier));
        let Some(known) = in_line.or_else(|| self.known.remove(&id)) else { return };
        if played == 0 && !known.heard {
            if ending == Ending::Stalled {
                let (item, error) =
                    (known.item.clone(), "its source delivered nothing for a second".to_owned());
                self.report(frame, StationEvent::SourceFailed { tier, item, error, skipped: true });
            }
            return self.not_heard(frame, known.item, tier, known.origin);
        }
        let item = known.item;
        let restarts = ending == Ending::Preempted && self.config.returns[tier.index()] == Return::Restart;
        let again = restarts && repeatable && !self.replaying;
        let repeated = again.then(|| item.clone());
        let played_s = self.seconds(played);
        self.report(frame, StationEvent::ItemEnded { tier, item, ending, played_s });
        match repeated {
            Some(item) if tier == Tier::Automation => {
                let entry = self.entry(item, Origin::Queue);
                // It was in line a moment ago, so there is room for it.
                self.line.insert(0, entry);
            }
            Some(item) => {
                let (purpose, place, since) = (Purpose::Again, Position::Front, self.position);
                self.open(Opening { item, tier, purpose, when: When::Now, place, after: None, since });
            }
            None => {}
        }
    }

    fn on_unused(&mut self, frame: Frames, tier: Tier, id: ItemId) {
        // What a stop takes off the engine stays in line.
        let stopped = self.stopping > 0;
        if let Some(entry) = self.line.get_mut(id)
            && (stopped || entry.state == State::Returning)
        {
            entry.state = State::Listed;
            return;
        }
        if let Some(entry) = self.line.take(id) {
            self.not_heard(frame, entry.item, tier, Some(entry.origin));
        } else if let Some(known) = self.known.remove(&id) {
            self.settle_scheduled(id);
            self.not_heard(frame, known.item, tier, known.origin);
        }
    }

    fn on_done(&mut self, id: CommandId, frame: Frames) {
        let Some(issued) = self.issued.remove(&id) else { return };
        self.stopping = self.stopping.saturating_sub(u32::from(issued.stops));
        if let Some(hold) = issued.hold {
            self.apply(hold);
        }
        if let Some(index) = self.chains.iter().position(|(_, number, _)| Some(*number) == issued.chain) {
            self.config.chain = self.chains.remove(index).map(|(_, _, nodes)| nodes).unwrap_or_default();
            self.tuned.clone_from(&self.config.chain);
        }
        if let Some((node, param, value)) = issued.tunes {
            self.tune(node, param, value);
        }
        if let (Some(request), Some(log)) = (issued.logged, &mut self.log) {
            log.push_back((frame, *request));
        }
        if let Some(answer) = issued.answer {
            self.answer_at(frame, answer, Ok(()));
        }
    }

    fn on_failure(&mut self, id: CommandId, failure: Failure) {
        let Some(issued) = self.issued.remove(&id) else { return };
        self.stopping = self.stopping.saturating_sub(u32::from(issued.stops));
        self.chains.retain(|(_, number, _)| Some(*number) != issued.chain);
        if let Some(id) = issued.item {
            self.on_refused(id, issued.answer.is_none(), &failure);
        }
        let mut done = issued.routed && failure == Failure::Idle;
        if let Some(hold @ Hold::On { .. }) = issued.hold.filter(|_| failure == Failure::Idle) {
            // Nothing was on air to be stopped, and nothing shall be.
            self.apply(hold);
            done = true;
        }
        if let Some(answer) = issued.answer {
            self.answer(answer, if done { Ok(()) } else { Err(failure.to_string()) });
        }
    }

    /// The engine has not taken an item. One that nobody is told of otherwise is `unspoken` for.
    fn on_refused(&mut self, id: ItemId, unspoken: bool, failure: &Failure) {
        let error = failure.to_string();
        let live = self.live.on_refused(id, &error);
        if let Some(entry) = self.line.get_mut(id) {
            // There was no room for it: its turn comes again.
            entry.state = State::Listed;
        } else if let Some(Known { item, tier, .. }) = self.known.remove(&id) {
            self.settle_scheduled(id);
            if unspoken && !live {
                self.report(self.position, StationEvent::SourceFailed { tier, item, error, skipped: true });
            }
        }
    }
}
