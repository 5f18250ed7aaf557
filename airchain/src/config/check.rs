//! Walks a tree along the schema: every field checked, every problem kept, defaults filled in.

use std::collections::BTreeMap;
use std::path::Path;

use airchain_core::dsp::{self, ParamInfo, ParamKind};
use airchain_core::presets;
use airchain_net::{MASK, mask_url};
use serde_json::{Map, Number, Value as Json};

use super::nodes;
use super::problem::{Problem, Severity};
use super::schema::{self, Default, Field, Kind, Section};
use super::tree::{At, Entry, Node, Scalar, Value};

/// Problems after which no more are listed.
const MAX_PROBLEMS: usize = 200;

/// Where `${NAME}` is looked up.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The state of a walk.
pub(crate) struct Checker<'a> {
    pub(crate) environment: Environment<'a>,
    /// What relative paths are relative to.
    pub(crate) base: Option<&'a Path>,
    pub(crate) problems: Vec<Problem>,
    /// Where each field stands, for the rules that come after.
    pub(crate) places: BTreeMap<String, At>,
    /// Whether a list lost an entry to an error, so that positions in it no longer count.
    pub(crate) has_gaps: bool,
}

/// A scalar with its `${NAME}`s filled in.
struct Word {
    text: String,
    /// Whether it may be a number or a switch.
    plain: bool,
    /// What may be shown of it.
    shown: String,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(environment: Environment<'a>, base: Option<&'a Path>) -> Self {
        Self { environment, base, problems: Vec::new(), places: BTreeMap::new(), has_gaps: false }
    }

    fn error(
        &mut self,
        at: Option<At>,
        field: &str,
        value: Option<String>,
        problem: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        self.report(Severity::Error, at, field, value, problem.into(), Some(accepted.into()));
    }

    pub(crate) fn report(
        &mut self,
        severity: Severity,
        at: Option<At>,
        field: &str,
        value: Option<String>,
        problem: String,
        accepted: Option<String>,
    ) {
        if self.problems.len() < MAX_PROBLEMS {
            let (line, column) = at.map_or((None, None), |at| (Some(at.line), Some(at.column)));
            let value = value.map(|value| abridge(&value));
            self.problems.push(Problem {
                severity,
                line,
                column,
                field: abridge(field),
                value,
                problem,
                accepted,
            });
        }
    }

    /// A mapping. What could not be understood stands as its default, so that the rest can be checked too.
    pub(crate) fn section(&mut self, section: &Section, node: &Node, path: &str) -> Json {
        self.fields(section, node, path, &[])
    }

    /// The fields of a mapping that may hold the words in `beside` as well.
    fn fields(&mut self, section: &Section, node: &Node, path: &str, beside: &[&str]) -> Json {
        let mut out = Map::new();
        for field in section.fields {
            out.insert(field.name.to_owned(), Json::Null);
        }
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            other => {
                self.error(node.at, path, shown(other), "not a mapping", Kind::mapping_of(section));
                &[]
            }
        };
        self.duplicates(entries, path);
        for entry in entries {
            let known = section.fields.iter().any(|field| field.name == entry.key);
            if !known && !beside.contains(&entry.key.as_str()) {
                self.unknown(entry, path, "field", section.fields.iter().map(|f| f.name));
            }
        }
        for field in section.fields {
            let place = join(path, field.name);
            let given = entries.iter().find(|e| e.key == field.name && !matches!(e.node.value, Value::Null));
            let value = match given {
                Some(entry) => {
                    if let Some(at) = entry.node.at {
                        self.places.insert(place.clone(), at);
                    }
                    self.value(&field.kind, &entry.node, &place)
                }
                None => {
                    if matches!(field.default, Default::Required) {
                        let accepted = format!("{}: {}", field.name, field.kind.accepted());
                        self.error(node.at, &place, None, format!("missing ({})", field.help), accepted);
                    }
                    None
                }
            };
            out.insert(field.name.to_owned(), value.unwrap_or_else(|| default_of(field)));
        }
        Json::Object(out)
    }

    fn duplicates(&mut self, entries: &[Entry], path: &str) {
        for (index, entry) in entries.iter().enumerate() {
            if let Some(first) = entries.iter().take(index).find(|first| first.key == entry.key) {
                let before = first.at.map(|at| format!(" (first on line {})", at.line)).unwrap_or_default();
                self.error(
                    entry.at,
                    &join(path, &entry.key),
                    None,
                    format!("given twice{before}"),
                    "it once",
                );
            }
        }
    }

    fn unknown<'n>(
        &mut self,
        entry: &Entry,
        path: &str,
        what: &str,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        let accepted = match schema::nearest(&entry.key, known.clone()) {
            Some(near) => format!("{near}, if that was meant"),
            None => schema::any_of(known),
        };
        self.error(entry.at, &join(path, &entry.key), None, format!("unknown {what}"), accepted);
    }

    /// A value; `None` where a problem was reported instead.
    fn value(&mut self, kind: &Kind, node: &Node, path: &str) -> Option<Json> {
        match (kind, &node.value) {
            (Kind::List(of, least), Value::List(items)) => {
                if items.len() < *least {
                    let accepted = format!("at least {least}; {}", of.accepted());
                    self.error(node.at, path, None, "too few entries", accepted);
                }
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{path}[{index}]");
                    if let Some(at) = item.at {
                        self.places.insert(place.clone(), at);
                    }
                    match self.value(of, item, &place) {
                        Some(value) => values.push(value),
                        None => self.has_gaps = true,
                    }
                }
                Some(Json::Array(values))
            }
            // One value where a list may stand is a list of one.
            (Kind::List(of, _), Value::Scalar(_))
                if !matches!(of, Kind::Section(_) | Kind::Variants(_) | Kind::DspNode) =>
            {
                Some(Json::Array(vec![self.value(of, node, path)?]))
            }
            (Kind::Section(section), _) => Some(self.section(section, node, path)),
            (Kind::Variants(variants), Value::Map(entries)) => self.variant(variants, entries, node, path),
            (Kind::DspNode, Value::Map(entries)) => self.dsp_node(entries, node, path),
            (Kind::List(..) | Kind::Variants(_) | Kind::DspNode, other) => {
                self.error(node.at, path, shown(other), wrong(other), kind.accepted());
                None
            }
            (_, Value::Scalar(scalar)) => {
                let word = self.expand(scalar, node.at, path, matches!(kind, Kind::Url(_) | Kind::Source))?;
                let value = self.scalar(kind, &word);
                if let Err(problem) = &value {
                    let shown = match kind {
                        Kind::Secret => MASK.to_owned(),
                        _ => mask_url(&word.shown),
                    };
                    self.error(node.at, path, Some(shown), problem.clone(), kind.accepted());
                }
                value.ok()
            }
            (_, other) => {
                self.error(node.at, path, shown(other), wrong(other), kind.accepted());
                None
            }
        }
    }

    fn variant(&mut self, variants: &[&Section], entries: &[Entry], node: &Node, path: &str) -> Option<Json> {
        let names = variants.iter().map(|v| v.name);
        let (name, at) = self.type_of(entries, node, path, &schema::any_of(names.clone()))?;
        let Some(section) = variants.iter().find(|v| same_word(v.name, &name)) else {
            let accepted = match schema::nearest(&name, names.clone()) {
                Some(near) => format!("{near}, if that was meant, or another of {}", schema::any_of(names)),
                None => schema::any_of(names),
            };
            self.error(at, &join(path, "type"), Some(name), "not a known type", accepted);
            return None;
        };
        let mut value = self.fields(section, node, path, &["type"]);
        if let Some(map) = value.as_object_mut() {
            map.insert("type".into(), section.name.into());
        }
        Some(value)
    }

    /// The word in `type`.
    fn type_of(
        &mut self,
        entries: &[Entry],
        node: &Node,
        path: &str,
        accepted: &str,
    ) -> Option<(String, Option<At>)> {
        let place = join(path, "type");
        let Some(entry) = entries.iter().find(|e| e.key == "type") else {
            self.error(node.at, &place, None, "missing", accepted);
            return None;
        };
        let Value::Scalar(scalar) = &entry.node.value else {
            self.error(entry.node.at, &place, None, "not a word", accepted);
            return None;
        };
        Some((self.expand(scalar, entry.node.at, &place, false)?.text, entry.node.at))
    }

    fn dsp_node(&mut self, entries: &[Entry], node: &Node, path: &str) -> Option<Json> {
        self.duplicates(entries, path);
        for entry in entries.iter().filter(|e| !["type", "config"].contains(&e.key.as_str())) {
            self.unknown(entry, path, "field (parameters go below config)", ["type", "config"].into_iter());
        }
        let (name, at) =
            self.type_of(entries, node, path, &schema::any_of(dsp::NODES.iter().map(|e| e.info.name)))?;
        let config: &[Entry] = match entries.iter().find(|e| e.key == "config").map(|e| &e.node) {
            None | Some(Node { value: Value::Null, .. }) => &[],
            Some(Node { value: Value::Map(entries), .. }) => entries,
            Some(other) => {
                let accepted = "a mapping of parameters";
                self.error(
                    other.at,
                    &join(path, "config"),
                    shown(&other.value),
                    wrong(&other.value),
                    accepted,
                );
                &[]
            }
        };
        let place = join(path, "config");
        self.duplicates(config, &place);
        let is_called = |info: &dsp::NodeInfo| {
            same_word(info.name, &name) || info.aliases.iter().any(|a| same_word(a, &name))
        };
        let found = dsp::NODES.iter().find(|entry| is_called(entry.info));
        let Some(entry) = found else {
            self.unknown_node(&name, at, path);
            return None;
        };
        if let Some(at) = at {
            self.places.insert(join(path, "type"), at);
        }
        let info = entry.info;
        let mut enabled = true;
        let mut settings = Map::new();
        for given in config {
            let place = join(&place, &given.key);
            if given.key == "enabled" && nodes::param(info.params, "enabled").is_none() {
                enabled =
                    self.value(&Kind::Switch, &given.node, &place).and_then(|v| v.as_bool()).unwrap_or(true);
                continue;
            }
            let Some(param) = nodes::param(info.params, &given.key) else {
                let known = info.params.iter().map(|p| p.name);
                self.unknown(given, &join(path, "config"), &format!("parameter of {}", info.name), known);
                continue;
            };
            if settings.contains_key(param.name) {
                self.error(given.at, &place, None, format!("{} is given already", param.name), "it once");
            }
            if let Some(at) = given.node.at {
                self.places.insert(join(&join(path, "config"), param.name), at);
            }
            if let Some(value) = self.parameter(param, &given.node, &place) {
                settings.insert(param.name.to_owned(), value);
            }
        }
        Some(serde_json::json!({ "type": info.name, "enabled": enabled, "config": settings }))
    }

    fn unknown_node(&mut self, name: &str, at: Option<At>, path: &str) {
        let known = || dsp::NODES.iter().map(|entry| entry.info.name);
        let accepted = match schema::nearest(name, known()) {
            Some(near) => format!("{near}, if that was meant"),
            None => schema::any_of(known()),
        };
        self.error(at, &join(path, "type"), Some(name.to_owned()), "not a known node", accepted);
    }

    fn parameter(&mut self, param: &ParamInfo, node: &Node, path: &str) -> Option<Json> {
        let Value::Scalar(scalar) = &node.value else {
            self.error(node.at, path, shown(&node.value), wrong(&node.value), nodes::accepted(param));
            return None;
        };
        let word = self.expand(scalar, node.at, path, false)?;
        let value = match param.kind {
            ParamKind::Number { min, max, .. } => number(&word, f64::from(min), f64::from(max)),
            ParamKind::Switch => switch(&word),
            ParamKind::Choice(words) => choice(&word, words),
        };
        if let Err(problem) = &value {
            self.error(node.at, path, Some(word.shown), problem.clone(), nodes::accepted(param));
        }
        value.ok()
    }

    /// Fills in `${NAME}`; `$${` stands for a literal `${`.
    fn expand(&mut self, scalar: &Scalar, at: Option<At>, path: &str, is_url: bool) -> Option<Word> {
        let (mut text, mut rest, mut expanded) = (String::new(), scalar.text.as_str(), false);
        while let Some(start) = rest.find("${") {
            let (before, found) = rest.split_at(start);
            if let Some(before) = before.strip_suffix('$') {
                text.push_str(before);
                text.push_str("${");
                rest = &found[2..];
                continue;
            }
            let Some((name, after)) = found[2..].split_once('}') else {
                self.error(
                    at,
                    path,
                    Some(mask_url(&scalar.text)),
                    "a ${ without its }",
                    "${NAME}, or $${ for a literal ${",
                );
                return None;
            };
            let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let Some(value) = (self.environment)(name).filter(|_| valid) else {
                let problem = format!("${{{}}} is not in the environment", abridge(name));
                self.error(
                    at,
                    path,
                    None,
                    problem,
                    format!("a value for {} in the environment", abridge(name)),
                );
                return None;
            };
            text.push_str(before);
            // Between `://` and `@` it is a user name or password, whose special characters a URL must escape.
            if is_url && text.contains("://") && after.contains('@') {
                text.extend(value.bytes().map(escape));
            } else {
                text.push_str(&value);
            }
            (rest, expanded) = (after, true);
        }
        text.push_str(rest);
        Some(Word { text, plain: scalar.plain || expanded, shown: scalar.text.clone() })
    }

    /// A scalar of one of the simple kinds, or what is wrong with it.
    fn scalar(&self, kind: &Kind, word: &Word) -> Result<Json, String> {
        let text = word.text.as_str();
        let control = || text.chars().any(char::is_control);
        match kind {
            Kind::Text(max) => {
                checked(!control(), "control characters or line breaks")?;
                checked(text.chars().count() <= *max, "too long")?;
            }
            Kind::Secret => checked(!control(), "control characters or line breaks")?,
            Kind::Id => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                checked(!text.is_empty() && text.len() <= 64, "empty or too long")?;
                checked(text.chars().all(allowed) && !text.starts_with('.'), "not a plain name")?;
            }
            Kind::Path | Kind::Source => {
                checked(!text.is_empty(), "empty")?;
                checked(!control(), "control characters or line breaks")?;
                if matches!(kind, Kind::Path) || !text.contains("://") {
                    return Ok(self.absolute(text).into());
                }
                checked(url::Url::parse(text).is_ok(), "not a URL")?;
            }
            Kind::Url(schemes) => {
                let url = url::Url::parse(text).map_err(|error| format!("not a URL ({error})"))?;
                checked(schemes.contains(&url.scheme()), "a URL of another scheme")?;
                checked(url.host_str().is_some_and(|host| !host.is_empty()), "a URL without a host")?;
            }
            Kind::Address => {
                let port = text.rsplit_once(':').and_then(|(host, port)| {
                    let named = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
                    port.parse::<u16>().ok().filter(|_| named)
                });
                checked(port.is_some(), "not an address and port")?;
            }
            Kind::MountPath => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
                let plain =
                    text.len() > 1 && text.len() <= 200 && text.starts_with('/') && !text.contains("..");
                checked(plain && text.chars().all(allowed), "not a plain path")?;
            }
            Kind::Timezone => {
                let named =
                    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
                checked(named, "not the name of a time zone")?;
                checked(known_zone(text), "not a known time zone")?;
            }
            Kind::Time => drop(text.parse::<crate::schedule::At>()?),
            Kind::Timestamp => {
                checked(text.parse::<jiff::Timestamp>().is_ok(), "not a date and time with its offset")?;
            }
            Kind::Integer { min, max, .. } => {
                checked(word.plain, "text where a number belongs (leave out the quotes)")?;
                let number = whole(text).ok_or("not a whole number")?;
                checked((*min..=*max).contains(&number), "out of range")?;
                return Ok(number.into());
            }
            Kind::Number { min, max, .. } => return number(word, *min, *max),
            Kind::Switch => return switch(word),
            Kind::Choice(words) => return choice(word, words),
            Kind::Preset => return choice(word, presets::NAMES),
            Kind::List(..) | Kind::Section(_) | Kind::Variants(_) | Kind::DspNode => {
                return Err("a single value".into());
            }
        }
        Ok(text.into())
    }

    fn absolute(&self, path: &str) -> String {
        match self.base {
            Some(base) => base.join(path).to_string_lossy().into_owned(),
            None => path.to_owned(),
        }
    }
}

/// What a field is when the file does not say, or says nothing that can be used.
pub(crate) fn default_of(field: &Field) -> Json {
    let word = match field.default {
        Default::Is(text) => text,
        Default::None(_) => return Json::Null,
        // Only after an error was reported: anything of the right shape.
        Default::Required => "",
    };
    match &field.kind {
        Kind::List(..) => Json::Array(Vec::new()),
        Kind::Section(section) => {
            Json::Object(section.fields.iter().map(|f| (f.name.to_owned(), default_of(f))).collect())
        }
        Kind::Integer { min, .. } => whole(word).unwrap_or(*min).into(),
        Kind::Number { min, .. } => word.parse().unwrap_or(*min).into(),
        Kind::Switch => (word == "true").into(),
        _ => word.trim_matches('"').into(),
    }
}

fn checked(holds: bool, problem: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem.to_owned()) }
}

fn whole(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn number(word: &Word, min: f64, max: f64) -> Result<Json, String> {
    checked(word.plain, "text where a number belongs (leave out the quotes)")?;
    let number = word.text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or("not a number")?;
    checked((min..=max).contains(&number), "out of range")?;
    Number::from_f64(number).map(Json::Number).ok_or_else(|| "not a number".to_owned())
}

fn switch(word: &Word) -> Result<Json, String> {
    checked(word.plain, "text where true or false belongs (leave out the quotes)")?;
    match word.text.to_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true.into()),
        "false" | "no" | "off" => Ok(false.into()),
        _ => Err("neither true nor false".into()),
    }
}

fn choice(word: &Word, words: &[&'static str]) -> Result<Json, String> {
    match words.iter().find(|known| same_word(known, &word.text)) {
        Some(known) => Ok((*known).into()),
        None => Err("not one of the words for it".into()),
    }
}

/// Whether two words differ in case, `-` and `_` alone.
fn same_word(known: &str, given: &str) -> bool {
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    plain(known) == plain(given)
}

/// Whether the zone exists; where the system has no time zone database there is nothing to ask.
fn known_zone(name: &str) -> bool {
    let database = jiff::tz::db();
    database.get(name).is_ok() || database.is_definitively_empty()
}

fn escape(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What is shown of a value that is no scalar where one belongs, or the other way round.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Scalar(scalar) => Some(mask_url(&scalar.text)),
        _ => None,
    }
}

fn wrong(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Scalar(_) => "a single value",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

/// Text cut to a length that fits a message, without control characters.
fn abridge(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", text[..end].chars().map(clean).collect::<String>()),
        None => text.chars().map(clean).collect(),
    }
}
