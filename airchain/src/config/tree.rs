//! YAML as a tree whose every node knows its line: what the checker walks.
//!
//! Bounded whatever the text says: its size, its depth, and the number of nodes that aliases may expand to.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, Span, StrInput};

/// The longest station file accepted, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The most nodes accepted, aliases expanded.
const MAX_NODES: usize = 50_000;
/// The deepest nesting accepted.
const MAX_DEPTH: usize = 32;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl From<&Marker> for At {
    fn from(mark: &Marker) -> Self {
        Self { line: mark.line(), column: mark.col() + 1 }
    }
}

/// A value and where it stands; `at` is `None` for one that never was text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Option<At>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar as it was written. Its type is the schema's to say; `plain` (not quoted) is what may be a number.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) plain: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Option<At>,
    pub(crate) node: Node,
}

/// Why there is no tree.
#[derive(Debug)]
pub(crate) struct TreeError {
    pub(crate) at: Option<At>,
    pub(crate) problem: String,
    pub(crate) accepted: &'static str,
}

/// Reads YAML text.
pub(crate) fn parse(text: &str) -> Result<Node, TreeError> {
    if text.len() > MAX_BYTES {
        let problem = format!("the file has {} bytes", text.len());
        return Err(TreeError { at: None, problem, accepted: "a station file of at most 1 MiB" });
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: 0,
    };
    let mut root = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            _ if root.is_some() => {
                return Err(reader.refuse(&span, "a second document begins here", "one station per file"));
            }
            event => root = Some(reader.node(event, &span, 0)?),
        }
    }
    Ok(root.unwrap_or(Node { at: None, value: Value::Null }))
}

/// The tree of a value that came from a program, a Python dict say.
pub(crate) fn from_json(value: &serde_json::Value) -> Node {
    use serde_json::Value as Json;
    let scalar = |text: String, plain| Value::Scalar(Scalar { text, plain });
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(b) => scalar(b.to_string(), true),
        Json::Number(n) => scalar(n.to_string(), true),
        Json::String(s) => scalar(s.clone(), false),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(map) => Value::Map(
            map.iter().map(|(key, v)| Entry { key: key.clone(), at: None, node: from_json(v) }).collect(),
        ),
    };
    Node { at: None, value }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Finished anchored nodes, with the number of nodes in each.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn refuse(&self, span: &Span, problem: impl Into<String>, accepted: &'static str) -> TreeError {
        TreeError { at: Some(At::from(&span.start)), problem: problem.into(), accepted }
    }

    /// The next event.
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, TreeError> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(TreeError {
                at: Some(At::from(error.marker())),
                problem: format!("not YAML: {}", error.info()),
                accepted: "valid YAML (a value that holds ${NAME}, a colon or a # is best quoted)",
            }),
        }
    }

    fn count(&mut self, span: &Span, nodes: usize) -> Result<(), TreeError> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(self.refuse(span, "the file expands to too many values", "at most 50000 values"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, TreeError> {
        if depth > MAX_DEPTH {
            return Err(self.refuse(span, "nested too deeply", "at most 32 levels"));
        }
        self.count(span, 1)?;
        let before = self.nodes;
        if event.tag().is_some_and(|tag| !tag.is_yaml_core_schema()) {
            return Err(self.refuse(span, "a YAML tag has no meaning here", "the value without `!...`"));
        }
        let anchor = event.anchor_id().unwrap_or(0);
        let value = match event {
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err(self.refuse(
                        span,
                        "an alias inside its own anchor",
                        "an alias of a finished value",
                    ));
                };
                let (value, size) = (node.value.clone(), *size);
                self.count(span, size)?;
                value
            }
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                match &*text {
                    "" | "~" | "null" if plain => Value::Null,
                    _ => Value::Scalar(Scalar { text: text.into_owned(), plain }),
                }
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                while let Some((event, span)) = self.next()? {
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, &span, depth + 1)?);
                }
                Value::List(items)
            }
            Event::MappingStart(..) => Value::Map(self.map(depth)?),
            _ => return Err(self.refuse(span, "not a value", "a value, a list or a mapping")),
        };
        let node = Node { at: Some(At::from(&span.start)), value };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before + 1));
        }
        Ok(node)
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, TreeError> {
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Value::Scalar(key) = self.node(event, &span, depth + 1)?.value else {
                return Err(self.refuse(&span, "a key that is not a word", "`name: value`"));
            };
            let Some((event, value_span)) = self.next()? else {
                break;
            };
            let node = self.node(event, &value_span, depth + 1)?;
            match (key.text.as_str(), node.value) {
                ("<<", Value::Map(defaults)) => merged.extend(defaults),
                (_, value) => {
                    entries.push(Entry {
                        key: key.text,
                        at: Some(At::from(&span.start)),
                        node: Node { value, ..node },
                    });
                }
            }
        }
        // `<<: *defaults` fills in what the mapping does not say itself.
        for default in merged {
            if !entries.iter().any(|entry| entry.key == default.key) {
                entries.push(default);
            }
        }
        Ok(entries)
    }
}
