//! The nodes of a chain from their specs, or why there are none: which field of which node, and what would do.

use crate::chain::{NodeSpec, ParamValue};
use crate::dsp::{self, Node, NodeEntry};
use crate::tier::Tier;

/// A node, or one of its settings, that a chain cannot have. The caller corrects it and tries again; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nodes[{node}].{field}: {value:?}: {problem}; give {accepted}")]
pub struct Refusal {
    /// Index of the node.
    pub node: usize,
    /// The field: `type`, or `config.` and the name of a parameter as it was given.
    pub field: String,
    /// What it holds.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be accepted.
    pub accepted: String,
}

/// What keeps a chain from being built of `specs`, at most one thing of each node; nothing when it can be built. Whether
/// its latency fits the station shows only when it is.
pub fn check(specs: &[NodeSpec]) -> Vec<Refusal> {
    each(specs).filter_map(Result::err).collect()
}

/// The nodes of `specs` with their settings, not yet prepared; or the first thing that is wrong.
pub(crate) fn make(specs: &[NodeSpec]) -> Result<Vec<Box<dyn Node>>, Refusal> {
    each(specs).collect()
}

/// Each node, or what is wrong with it by itself or beside those before it.
fn each(specs: &[NodeSpec]) -> impl Iterator<Item = Result<Box<dyn Node>, Refusal>> {
    // Whether a node adds a tier to the programme.
    let mut over = [false; Tier::COUNT];
    specs.iter().enumerate().map(move |(index, spec)| {
        let refusal = |field: &str, value: String, problem: &str, accepted: String| Refusal {
            node: index,
            field: field.to_owned(),
            value,
            problem: problem.to_owned(),
            accepted,
        };
        let kind = || spec.node.clone();
        let Some(entry) = dsp::find(&spec.node) else {
            let names: Vec<&str> = dsp::NODES.iter().map(|entry| entry.info.name).collect();
            return Err(refusal("type", kind(), "not a known node", names.join(", ")));
        };
        let node = set(entry, spec).map_err(|(param, problem, accepted)| {
            refusal(&format!("config.{param}"), spec.config[&param].to_string(), &problem, accepted)
        })?;
        let same =
            |other: &NodeSpec| dsp::find(&other.node).is_some_and(|other| other.info.name == entry.info.name);
        if node.is_single() && specs[..index].iter().any(same) {
            return Err(refusal("type", kind(), "the chain has one already", "it once".into()));
        }
        if let Some(side) = node.sidechain().filter(|side| side.over)
            && std::mem::replace(&mut over[side.tier.index()], true)
        {
            let accepted = "another tier, or leave one out".into();
            let problem = "another node listens to it already";
            return Err(refusal("config.sidechain", side.tier.to_string(), problem, accepted));
        }
        Ok(node)
    })
}

/// A node with the settings of `spec`, or the parameter that is wrong, what is wrong with it and what would do.
fn set(entry: &NodeEntry, spec: &NodeSpec) -> Result<Box<dyn Node>, (String, String, String)> {
    let (info, mut node) = (entry.info, (entry.make)());
    let mut given = Vec::new();
    for (name, value) in &spec.config {
        let id = info.param(name);
        let Some((id, param)) = id.and_then(|id| Some((id, info.params.get(id)?))) else {
            let names: Vec<&str> = info.params.iter().map(|param| param.name).collect();
            return Err((name.clone(), format!("{} has no such parameter", info.name), names.join(", ")));
        };
        let Some(resolved) = value.resolve(param) else {
            let problem = match value {
                ParamValue::Number(number) if number.is_finite() => "out of range",
                _ => "not accepted",
            };
            return Err((name.clone(), problem.into(), param.kind.to_string()));
        };
        node.set(id, resolved);
        given.push((name, id, resolved, param.kind));
    }
    // Once all of them are set: what one may be depends on the others.
    for (name, id, value, kind) in given {
        if let Some(range) = node.refuses(id, value) {
            let problem = "not beside the node's other settings".into();
            return Err((name.clone(), problem, kind.within(range).to_string()));
        }
    }
    Ok(node)
}
