//! The station file: YAML (or the same shape from a program) to a [`StationConfig`], or to a list of everything that
//! is wrong with it.
//!
//! The tables describe every field once: the checker walks it, [`explain()`] prints along it, and
//! [`reference()`] makes the documentation from it. The rules say what fields must mean together.

mod check;
mod encoding;
mod explain;
mod nodes;
mod outputs;
mod problem;
mod rules;
mod schedule;
mod schema;
mod station;
mod tables;
mod tree;

use std::io::Read;
use std::path::Path;

pub use airchain_net::mask_url;
use serde_json::Value;

use check::Checker;
pub use encoding::{AudioFormat, Encoding, InvalidEncoding, RateMode};
pub use explain::{explain, reference};
pub use nodes::NodeConfig;
pub(crate) use outputs::Place;
pub use outputs::*;
pub use problem::{ConfigErrors, Problem, Severity};
pub use station::*;
use tree::Node;

/// What a station file comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report<T> {
    /// The file, or what stands for it.
    pub name: String,
    /// What it declares; `None` when a problem is an error.
    pub config: Option<T>,
    /// Errors and warnings, in the order of the file.
    pub problems: Vec<Problem>,
}

impl<T> Report<T> {
    /// The declaration, its warnings logged; or everything that is wrong.
    pub fn into_result(self) -> Result<T, ConfigErrors> {
        match self.config {
            Some(config) => {
                for warning in &self.problems {
                    tracing::warn!("{}:{warning}", self.name);
                }
                Ok(config)
            }
            None => Err(ConfigErrors { name: self.name, problems: self.problems }),
        }
    }
}

/// Reads a station file. Relative paths in it are relative to its folder, `${NAME}` is taken from the environment.
pub fn load(path: &Path) -> Result<StationConfig, ConfigErrors> {
    check(path).into_result()
}

/// Reads a station file for its problems, warnings included.
pub fn check(path: &Path) -> Report<StationConfig> {
    match read(path) {
        Ok(text) => Source { text: &text, name: path.display().to_string(), base: path.parent() }.station(),
        Err(errors) => Report { name: errors.name, config: None, problems: errors.problems },
    }
}

/// Reads the text of a station file; `name` stands for it in messages. Relative paths stay as they are.
pub fn parse(text: &str, name: &str) -> Result<StationConfig, ConfigErrors> {
    Source { text, name: name.to_owned(), base: None }.station().into_result()
}

/// Reads a station from a value of the same shape, a Python dict say.
pub fn from_value(value: &Value, name: &str) -> Result<StationConfig, ConfigErrors> {
    station(tree::from_json(value), name.to_owned(), None).into_result()
}

/// Reads a chain file: `nodes:` or `preset:` as in a station file's `dsp_graph`, or the list of nodes by itself.
pub fn load_chain(path: &Path) -> Result<Vec<NodeConfig>, ConfigErrors> {
    parse_chain(&read(path)?, &path.display().to_string())
}

/// Reads the text of a chain file; `name` stands for it in messages.
pub fn parse_chain(text: &str, name: &str) -> Result<Vec<NodeConfig>, ConfigErrors> {
    match tree::parse(text) {
        Ok(tree) => chain(tree, name.to_owned()).into_result(),
        Err(error) => Err(ConfigErrors { name: name.to_owned(), problems: vec![not_yaml(error)] }),
    }
}

/// Reads a chain from a value of the same shape: the `nodes` of a `set_chain` command.
pub fn chain_from_value(value: &Value, name: &str) -> Result<Vec<NodeConfig>, ConfigErrors> {
    chain(tree::from_json(value), name.to_owned()).into_result()
}

struct Source<'a> {
    text: &'a str,
    name: String,
    base: Option<&'a Path>,
}

impl Source<'_> {
    fn station(self) -> Report<StationConfig> {
        match tree::parse(self.text) {
            Ok(tree) => station(tree, self.name, self.base),
            Err(error) => Report { name: self.name, config: None, problems: vec![not_yaml(error)] },
        }
    }
}

fn station(tree: Node, name: String, base: Option<&Path>) -> Report<StationConfig> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut checker = Checker::new(&environment, base);
    let mut value = checker.section(&tables::STATION_FILE, &tree, "");
    fill_in_names(&mut value);
    let config = finish::<StationConfig>(&mut checker, value);
    if let Some(config) = config.as_ref().filter(|_| !checker.has_gaps) {
        let absent = base.map(|_| rules::absent_files(config)).unwrap_or_default();
        for finding in rules::findings(config).into_iter().chain(absent) {
            add(&mut checker, finding);
        }
    }
    report(checker, config, name)
}

fn chain(tree: Node, name: String) -> Report<Vec<NodeConfig>> {
    // The list by itself is taken for the section that holds it.
    let tree = match tree.value {
        tree::Value::List(_) => {
            let entry = tree::Entry { key: "nodes".into(), at: tree.at, node: tree.clone() };
            Node { at: tree.at, value: tree::Value::Map(vec![entry]) }
        }
        _ => tree,
    };
    let environment = |name: &str| std::env::var(name).ok();
    let mut checker = Checker::new(&environment, None);
    let value = checker.section(&tables::DSP_GRAPH, &tree, "");
    let graph = finish::<DspGraph>(&mut checker, value);
    for finding in graph.iter().filter_map(|graph| rules::two_chains(graph, "")) {
        add(&mut checker, finding);
    }
    if let Some(graph) = graph.as_ref().filter(|_| !checker.has_gaps) {
        nodes::findings(&graph.nodes, "nodes").into_iter().for_each(|finding| add(&mut checker, finding));
    }
    report(checker, graph.map(|graph| graph.chain()), name)
}

fn finish<T: serde::de::DeserializeOwned>(checker: &mut Checker<'_>, value: Value) -> Option<T> {
    match serde_json::from_value(value) {
        Ok(config) => Some(config),
        // The tables and the structs say the same (tested), so this stands in for what cannot be.
        Err(error) => {
            checker.report(Severity::Error, None, "", None, error.to_string(), None);
            None
        }
    }
}

fn report<T>(checker: Checker<'_>, config: Option<T>, name: String) -> Report<T> {
    let mut problems = checker.problems;
    problems.sort_by_key(|problem| (problem.line.unwrap_or(usize::MAX), problem.column));
    let refused = problems.iter().any(|problem| problem.severity == Severity::Error);
    Report { name, config: config.filter(|_| !refused), problems }
}

/// Adds what the rules found, unless the field or one above it is known to be wrong already.
fn add(checker: &mut Checker<'_>, finding: rules::Finding) {
    let field = finding.field;
    let covers = |known: &Problem| {
        let rest = field.strip_prefix(known.field.as_str());
        known.severity == Severity::Error
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    if checker.problems.iter().any(covers) {
        return;
    }
    let mut place = field.as_str();
    let at = loop {
        if let Some(at) = checker.places.get(place) {
            break Some(*at);
        }
        match place.rfind(['.', '[']) {
            Some(end) => place = &place[..end],
            None => break None,
        }
    };
    checker.report(finding.severity, at, &field, finding.value, finding.problem, finding.accepted);
}

/// A station without a name goes by its id, a mount without one by the station's.
fn fill_in_names(value: &mut Value) {
    let name = match (&value["station"]["name"], &value["station"]["id"]) {
        (Value::String(name), _) => name.clone(),
        (_, Value::String(id)) => id.clone(),
        _ => String::new(),
    };
    for mount in value["mounts"].as_array_mut().into_iter().flatten() {
        if mount["name"].is_null() {
            mount["name"] = name.clone().into();
        }
    }
    value["station"]["name"] = name.into();
}

fn not_yaml(error: tree::TreeError) -> Problem {
    let (line, column) = error.at.map_or((None, None), |at| (Some(at.line), Some(at.column)));
    Problem { line, column, ..Problem::of_file(error.problem, error.accepted) }
}

fn read(path: &Path) -> Result<String, ConfigErrors> {
    let unreadable = |problem: String, accepted| ConfigErrors {
        name: path.display().to_string(),
        problems: vec![Problem::of_file(problem, accepted)],
    };
    let mut bytes = Vec::new();
    let limit = tree::MAX_BYTES as u64 + 1;
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| unreadable(format!("cannot be read: {error}"), "a station file that can be read"))?;
    String::from_utf8(bytes).map_err(|_| unreadable("not text".into(), "a YAML file in UTF-8"))
}
