//! The chain as declared: node types and parameters, by the table of nodes that the engine has.

use std::collections::BTreeMap;

use airchain_core::chain::{NodeSpec, ParamValue};
use airchain_core::dsp::{self, NodeEntry, ParamInfo, ParamKind};
use airchain_core::refusal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::Severity;
use super::rules::Finding;
use super::schema::any_of;

/// A node of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// Its name in the table of nodes.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is in the chain at all.
    pub enabled: bool,
    /// The parameters that were set, by their name in the table: numbers, switches and words.
    pub config: BTreeMap<String, Value>,
}

impl From<NodeSpec> for NodeConfig {
    fn from(spec: NodeSpec) -> Self {
        let value = |value| match value {
            ParamValue::Switch(on) => Value::from(on),
            ParamValue::Number(number) => Value::from(number),
            ParamValue::Word(word) => Value::from(word),
        };
        let config = spec.config.into_iter().map(|(name, set)| (name, value(set))).collect();
        Self { kind: spec.node, enabled: true, config }
    }
}

impl NodeConfig {
    /// Its line in the table; `None` for a name that no node has, which the checker refuses and a host passes over.
    pub fn entry(&self) -> Option<&'static NodeEntry> {
        dsp::find(&self.kind)
    }

    /// Whether it is in the chain: it is not switched off, and there is such a node.
    pub fn is_in_chain(&self) -> bool {
        self.enabled && self.entry().is_some()
    }

    /// The node as the engine takes it.
    pub fn spec(&self) -> NodeSpec {
        let value = |value: &Value| serde_json::from_value::<ParamValue>(value.clone()).ok();
        let params = self.config.iter().filter_map(|(name, set)| Some((name.clone(), value(set)?)));
        NodeSpec { node: self.kind.clone(), config: params.collect() }
    }
}

/// What is wrong with the nodes at `place` that are right one by one.
pub(crate) fn findings(nodes: &[NodeConfig], place: &str) -> Vec<Finding> {
    let (indices, specs): (Vec<usize>, Vec<NodeSpec>) = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.is_in_chain())
        .map(|(index, node)| (index, node.spec()))
        .unzip();
    let finding = |refusal: refusal::Refusal| Finding {
        severity: Severity::Error,
        field: format!("{place}[{}].{}", indices[refusal.node], refusal.field),
        value: Some(refusal.value),
        problem: refusal.problem,
        accepted: Some(refusal.accepted),
    };
    refusal::check(&specs).into_iter().map(finding).collect()
}

/// The parameter called `name`, by its own name or another spelling.
pub(crate) fn param<'a>(params: &'a [ParamInfo], name: &str) -> Option<&'a ParamInfo> {
    params.iter().find(|param| param.name == name || param.aliases.contains(&name))
}

/// What a parameter accepts, in words that follow "give".
pub(crate) fn accepted(param: &ParamInfo) -> String {
    match param.kind {
        ParamKind::Number { unit, min, max } => {
            let space = if unit.is_empty() || unit.starts_with(':') { "" } else { " " };
            format!("a number, {min} to {max}{space}{unit}")
        }
        ParamKind::Switch => "true or false".into(),
        ParamKind::Choice(words) => any_of(words.iter()),
    }
}

/// A parameter's value when nobody sets it, as one would write it.
pub(crate) fn default_of(param: &ParamInfo) -> String {
    match param.kind {
        ParamKind::Number { .. } => param.default.to_string(),
        ParamKind::Switch => (param.default != 0.0).to_string(),
        ParamKind::Choice(words) => words.get(param.default as usize).copied().unwrap_or_default().to_owned(),
    }
}
