//! Requests: what a manager asks for, as commands to the engine.

use std::sync::Arc;

use super::{Director, Issued, Opening, Origin};
use crate::chain::{Chain, ParamValue};
use crate::control::{Command, When};
use crate::deck::ItemId;
use crate::playout::request::Request;
use crate::tier::Tier;
use crate::units::db_to_gain;

impl Director {
    pub(super) fn carry_out(&mut self, when: When, request: Request) {
        let name = request.name();
        match request {
            Request::Play { tier, item } => {
                let now = tier == Tier::Automation;
                self.open(Opening {
                    item,
                    tier,
                    origin: Origin::Request(name),
                    when,
                    now,
                    since: self.position,
                });
            }
            Request::InsertEmergency { item } => {
                let (tier, origin) = (Tier::Emergency, Origin::Request(name));
                self.open(Opening { item, tier, origin, when, now: false, since: self.position });
            }
            Request::Queue { item } => {
                self.held = false;
                self.queue.push_back(item);
                self.make_way();
                self.done(name);
            }
            Request::Skip { tier, fade_s, curve } => {
                let ramp = fade_s.map(|fade_s| self.ramp(fade_s, curve));
                let wait = !self.held && self.has_more();
                self.issue_named(when, Command::Skip { tier, ramp, wait }, name);
            }
            Request::Stop { tier, fade_s, curve } => {
                let ramp = self.ramp(fade_s, curve);
                let hold = (tier == Tier::Automation).then_some(true);
                let issued = Issued { name: Some(name), hold, ..Issued::default() };
                self.issue(when, Command::Stop { tier, ramp }, issued);
            }
            Request::Fade { tier, gain_db, duration_s, curve } => {
                let gain = if gain_db <= -120.0 { 0.0 } else { db_to_gain(gain_db as f32) };
                let ramp = self.ramp(duration_s, curve);
                self.issue_named(when, Command::Fade { tier, gain, ramp }, name);
            }
            Request::SetMetadata { metadata } => {
                self.issue_named(when, Command::SetMetadata(Arc::new(metadata)), name);
            }
            Request::SetChain { nodes } => {
                match Chain::build(&nodes, self.config.format, self.config.latency) {
                    Ok(chain) => {
                        // Known from now on: parameters set after this one are meant for it.
                        let before = std::mem::replace(&mut self.config.chain, nodes);
                        let issued = Issued { name: Some(name), chain: Some(before), ..Issued::default() };
                        self.issue(when, Command::SetChain(Box::new(chain)), issued);
                    }
                    Err(error) => self.fail(name, error.to_string()),
                }
            }
            Request::SetParam { node, param, value } => match self.find_param(&node, &param, &value) {
                Ok((node, param, value)) => {
                    self.issue_named(when, Command::SetParam { node, param, value }, name);
                }
                Err(error) => self.fail(name, error),
            },
        }
    }

    pub(super) fn find_param(
        &self,
        node: &str,
        param: &str,
        value: &ParamValue,
    ) -> Result<(usize, usize, f32), String> {
        let chain = &self.config.chain;
        let index = match node.parse::<usize>() {
            Ok(index) => Some(index).filter(|index| *index < chain.len()),
            Err(_) => chain.iter().position(|spec| spec.node == node),
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

    /// Takes back programme items that wait, so that a queued one comes before them.
    pub(super) fn make_way(&mut self) {
        let waiting: Vec<ItemId> = self
            .known
            .iter_mut()
            .filter(|(_, known)| known.origin == Origin::Programme && !known.heard && !known.returning)
            .map(|(id, known)| {
                known.returning = true;
                *id
            })
            .collect();
        for item in waiting {
            self.issue(When::Now, Command::Unload { tier: Tier::Automation, item }, Issued::default());
        }
    }
}
