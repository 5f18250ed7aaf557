//! Requests: what a manager asks for, as commands to the engine.

use std::sync::Arc;

use super::hold::Hold;
use super::items::{Opening, Purpose};
use super::levels::Level;
use super::{Answer, Director, HostOrder, Issued};
use crate::chain::{Chain, NodeSpec, ParamValue};
use crate::control::{Command, Failure, When};
use crate::curve::Curve;
use crate::dsp::ParamId;
use crate::item::Item;
use crate::playout::request::{Position, Request, RequestId};
use crate::tier::Tier;
use crate::units::db_to_gain;

impl Director {
    pub(super) fn carry_out(&mut self, when: When, id: RequestId, request: Request) {
        self.turn += 1;
        let answer = Answer::to(id, &request);
        let said = self.logging().then(|| Box::new(request.clone()));
        match request {
            Request::Play { tier, item } => {
                let now = Position::Now { fade_s: None, curve: Curve::default() };
                let place = if tier == Tier::Automation { now } else { Position::Back };
                self.open_requested(answer, when, tier, item, place, None);
            }
            Request::InsertEmergency { item } => {
                self.open_requested(answer, when, Tier::Emergency, item, Position::Back, None);
            }
            Request::Load { tier, item, place, after } => {
                self.open_requested(answer, when, tier, item, place, after);
            }
            Request::Queue(request) => self.change_line(answer, request),
            Request::Skip { tier, fade_s, curve, wait } => {
                let ramp = fade_s.map(|fade_s| self.ramp(fade_s, curve));
                let wait = wait.unwrap_or(!self.held && self.has_more());
                self.skipping |= wait && self.line.is_empty() && tier.is_none_or(|t| t == Tier::Automation);
                let said = said.map(|_| Box::new(Request::Skip { tier, fade_s, curve, wait: Some(wait) }));
                self.issue_for(answer, when, Command::Skip { tier, ramp, wait }, said);
            }
            Request::Stop { tier, fade_s, curve } => {
                let ramp = self.ramp(fade_s, curve);
                let at = if let When::At(frame) = when { Some(frame) } else { None };
                let stops = tier == Tier::Automation;
                let hold = stops.then_some(Hold::On { at, turn: self.turn });
                self.stopping += u32::from(stops);
                let routed = self.live.stop(tier);
                let (answer, logged) = (Some(answer), said);
                let issued = Issued { answer, hold, stops, routed, logged, ..Issued::default() };
                self.issue(when, Command::Stop { tier, ramp }, issued);
            }
            Request::Fade { tier, gain_db, duration_s, curve } => {
                let gain = if gain_db <= -120.0 { 0.0 } else { db_to_gain(gain_db as f32) };
                let ramp = self.ramp(duration_s, curve);
                self.issue_for(answer, when, Command::Fade { tier, gain, ramp }, said);
            }
            Request::SetMetadata { metadata } => {
                self.issue_for(answer, when, Command::SetMetadata(Arc::new(metadata)), said);
            }
            Request::RouteLive { tier, source, fade_in_s } => {
                let routed = self.live.route(&source, tier, fade_in_s, self.frame_of(when));
                self.answer(answer, routed.map_err(|error| error.to_string()));
            }
            Request::SetChain { nodes } => {
                match Chain::build(&nodes, self.config.format, self.config.latency) {
                    Ok(built) => {
                        // Parameters that are set from its frame on are meant for it.
                        let (at, number) = (self.frame_of(when), self.fresh_id());
                        let index = self.chains.partition_point(|(other, _, _)| *other <= at);
                        self.chains.insert(index, (at, number, nodes));
                        let (answer, chain) = (Some(answer), Some(number));
                        let issued = Issued { answer, chain, logged: said, ..Issued::default() };
                        self.issue(when, Command::SetChain(Box::new(built)), issued);
                    }
                    Err(error) => self.answer(answer, Err(error.to_string())),
                }
            }
            Request::SetParam { node, param, value } => match self.find_param(when, &node, &param, &value) {
                Ok((node, param, resolved)) => {
                    let tunes = Some((node, param, value));
                    let issued = Issued { answer: Some(answer), tunes, logged: said, ..Issued::default() };
                    self.issue(when, Command::SetParam { node, param, value: resolved }, issued);
                }
                Err(error) => self.answer(answer, Err(error)),
            },
            Request::AddOutput { .. }
            | Request::RemoveOutput { .. }
            | Request::ChangeOutput { .. }
            | Request::RenameOutput { .. } => {
                self.orders.push_back(HostOrder { when, request, answer });
            }
            Request::Replay if self.position > 0 => {
                self.answer(answer, Err("command: replay is accepted before the first frame only".into()));
            }
            Request::Replay => {
                (self.exhausted, self.replaying) = (true, true);
                self.scheduled = None;
                self.line.clear();
                self.answer(answer, Ok(()));
            }
            Request::Unload { tier, id } => match self.find(tier, &id) {
                Some(item) => self.issue_unload(when, tier, item, id, Some(answer)),
                None => self.answer(answer, Err(Failure::NotWaiting.to_string())),
            },
            Request::Level { tier, id, gain_db, levelled_lufs } => match self.find(tier, &id) {
                Some(item) => {
                    self.set_level(when, tier, item, id, Level { gain_db, levelled_lufs }, Some(answer));
                }
                None => self.answer(answer, Err(Failure::NotWaiting.to_string())),
            },
            Request::Move { tier, id, place } => match self.find(tier, &id) {
                Some(item) => {
                    let place = self.place(tier, &place);
                    self.issue_for(answer, when, Command::Move { tier, item, place }, said);
                }
                None => self.answer(answer, Err(Failure::NotWaiting.to_string())),
            },
        }
    }

    fn issue_for(&mut self, answer: Answer, when: When, command: Command, logged: Option<Box<Request>>) {
        self.issue(when, command, Issued { answer: Some(answer), logged, ..Issued::default() });
    }

    fn open_requested(
        &mut self,
        answer: Answer,
        when: When,
        tier: Tier,
        item: Item,
        place: Position,
        after: Option<String>,
    ) {
        let (purpose, since) = (Purpose::Request(answer), self.position);
        let after = after.and_then(|name| self.ticket_of(tier, &name));
        self.open(Opening { item, tier, purpose, when, place, after, since });
    }

    /// A parameter of the chain that is on air at the time.
    fn find_param(
        &self,
        when: When,
        node: &str,
        param: &str,
        value: &ParamValue,
    ) -> Result<(usize, ParamId, f32), String> {
        let chain = self.chain_at(when);
        let index = match node.parse::<usize>() {
            Ok(index) => Some(index).filter(|index| *index < chain.len()),
            Err(_) => {
                let is_it = |spec: &NodeSpec| {
                    crate::dsp::find(&spec.node).is_some_and(|entry| entry.info.is_called(node))
                };
                chain.iter().position(is_it)
            }
        };
        let spec = index.and_then(|index| Some((index, chain.get(index)?)));
        let (index, spec) = spec.ok_or_else(|| format!("node: the chain on air has no node {node}"))?;
        let info = crate::dsp::find(&spec.node).map(|entry| entry.info);
        let found = info.and_then(|info| info.param(param).and_then(|id| Some((id, info.params.get(id)?))));
        let (id, info) = found.ok_or_else(|| format!("param: {} has no parameter {param}", spec.node))?;
        let resolved = value.resolve(info);
        let value = resolved.ok_or_else(|| format!("value: {value} is not accepted, give {}", info.kind))?;
        Ok((index, id, value))
    }
}
