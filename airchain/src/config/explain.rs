//! The station as understood, and the reference of its file: both printed along the tables.

use std::fmt::Write;

use airchain_core::dsp;
use airchain_core::presets::{self, PRESETS};
use airchain_net::{MASK, mask_url};
use serde_json::Value;

use super::check::default_of;
use super::nodes::{self, NodeConfig};
use super::schema::{Default, Field, Kind, Section};
use super::station::StationConfig;
use super::tables::STATION_FILE;

/// The station as understood, as YAML: defaults filled in and marked, what is not set as comments, secrets masked.
pub fn explain(config: &StationConfig) -> String {
    let mut out = String::new();
    // A config holds nothing that JSON lacks; should that change, an empty page is the honest answer.
    if let Ok(value) = serde_json::to_value(config) {
        section(&mut out, &STATION_FILE, &value, 0);
    }
    out
}

fn section(out: &mut String, section: &Section, value: &Value, depth: usize) {
    for field in section.fields {
        entry(out, field, &value[field.name], depth);
    }
}

fn entry(out: &mut String, field: &Field, value: &Value, depth: usize) {
    let pad = "  ".repeat(depth);
    let name = field.name;
    let note = match &field.default {
        Default::Is(_) if *value == default_of(field) => "  # default",
        _ => "",
    };
    // Writing to a String cannot fail, so the results of `writeln!` are dropped throughout.
    let _ = match (&field.kind, value) {
        (_, Value::Null) => match field.default {
            Default::None(meaning) => writeln!(out, "{pad}# {name}: not set ({meaning})"),
            _ => Ok(()),
        },
        (_, Value::Array(items)) if items.is_empty() => writeln!(out, "{pad}{name}: []{note}"),
        (Kind::Section(inner), _) => {
            let _ = writeln!(out, "{pad}{name}:");
            section(out, inner, value, depth + 1);
            Ok(())
        }
        (Kind::Variants(variants), _) => {
            let _ = writeln!(out, "{pad}{name}:");
            variant(out, variants, value, depth + 1);
            Ok(())
        }
        (Kind::List(of, _), Value::Array(items)) => {
            let _ = writeln!(out, "{pad}{name}:");
            for item in items {
                list_item(out, of, item, depth + 1);
            }
            Ok(())
        }
        (Kind::Preset, Value::String(preset)) => {
            let _ = writeln!(out, "{pad}{name}: {preset}");
            chain_of(out, preset, depth);
            Ok(())
        }
        (kind, value) => writeln!(out, "{pad}{name}: {}{note}", scalar(kind, value)),
    };
}

/// The nodes of a preset, as comments: with the name beside them they would be two chains.
fn chain_of(out: &mut String, preset: &str, depth: usize) {
    let Some(preset) = presets::find(preset) else { return };
    let mut lines = format!("{}\n", preset.summary);
    for node in preset.nodes().into_iter().map(NodeConfig::from) {
        list_item(&mut lines, &Kind::DspNode, &serde_json::to_value(node).unwrap_or_default(), 0);
    }
    for line in lines.lines() {
        let _ = writeln!(out, "{}# {line}", "  ".repeat(depth));
    }
}

/// One entry of a list: its first line carries the dash.
fn list_item(out: &mut String, of: &Kind, item: &Value, depth: usize) {
    let mut lines = String::new();
    match of {
        Kind::Section(inner) => section(&mut lines, inner, item, 0),
        Kind::Variants(variants) => variant(&mut lines, variants, item, 0),
        Kind::DspNode => dsp_node(&mut lines, item),
        kind => lines = scalar(kind, item),
    }
    for (index, line) in lines.lines().enumerate() {
        let lead = if index == 0 { "- " } else { "  " };
        let _ = writeln!(out, "{}{lead}{line}", "  ".repeat(depth));
    }
}

fn variant(out: &mut String, variants: &[&Section], value: &Value, depth: usize) {
    let kind = value["type"].as_str().unwrap_or_default();
    let _ = writeln!(out, "{}type: {kind}", "  ".repeat(depth));
    if let Some(found) = variants.iter().find(|variant| variant.name == kind) {
        section(out, found, value, depth);
    }
}

fn dsp_node(out: &mut String, value: &Value) {
    let kind = value["type"].as_str().unwrap_or_default();
    let _ = writeln!(out, "type: {kind}");
    let Some(entry) = dsp::find(kind) else {
        let _ = writeln!(out, "# not in this build; passed over");
        return;
    };
    let _ = writeln!(out, "config:");
    // Some nodes have a switch of their own by that name.
    if entry.info.param("enabled").is_none() {
        let _ = writeln!(out, "  enabled: {}", value["enabled"]);
    }
    for param in entry.info.params {
        let _ = match &value["config"][param.name] {
            Value::Null => writeln!(out, "  {}: {}  # default", param.name, nodes::default_of(param)),
            set => writeln!(out, "  {}: {}", param.name, scalar(&Kind::Text(0), set)),
        };
    }
}

fn scalar(kind: &Kind, value: &Value) -> String {
    match (kind, value) {
        (Kind::Secret, _) => quoted(MASK),
        (Kind::Url(_) | Kind::Source, Value::String(url)) => quoted(&mask_url(url)),
        (_, Value::String(text)) => quoted(text),
        // Whole numbers are shown as people write them.
        (_, Value::Number(number)) => number
            .as_f64()
            .filter(|n| number.is_f64() && n.fract() == 0.0 && n.abs() < 1e15)
            .map_or_else(|| number.to_string(), |n| format!("{n:.0}")),
        (_, other) => other.to_string(),
    }
}

/// Text as YAML: bare where that is safe, else as a JSON string, which YAML reads too.
fn quoted(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
        && !["true", "false", "yes", "no", "on", "off", "null"].contains(&text.to_lowercase().as_str());
    if bare { text.to_owned() } else { Value::from(text).to_string().replace("${", "$${") }
}

/// The other names of something, as an aside.
fn also(aliases: &[&str]) -> String {
    if aliases.is_empty() { String::new() } else { format!(" (also `{}`)", aliases.join("`, `")) }
}

/// The reference of the station file, as Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# The station file\n\n\
         One YAML file per station. Relative paths are relative to the file; `${NAME}` in a value is taken from the\n\
         environment (`$${` stands for a literal `${`). `airchain check FILE` lists everything that is wrong,\n\
         `airchain check --explain FILE` prints the station as understood. This page is made from the tables that the\n\
         checker uses: `airchain check --reference`.\n",
    );
    describe(&mut out, &STATION_FILE);
    out.push_str("\n## Presets of `dsp_graph`\n\n`airchain check --explain` shows the nodes of the one that a station uses.\n\n");
    out.push_str("| preset | | nodes |\n|---|---|---|\n");
    for preset in PRESETS {
        let nodes: Vec<String> = preset.nodes().iter().map(|node| format!("`{}`", node.node)).collect();
        let _ = writeln!(out, "| `{}` | {} | {} |", preset.name, preset.summary, nodes.join(", "));
    }
    out.push_str("\n## Nodes of `dsp_graph`\n\nEach is `{ type: NAME, config: { ... } }`; `enabled: false` in `config` leaves it out.\n");
    for entry in dsp::NODES {
        let once = if (entry.make)().is_single() { " A chain has one of them at most." } else { "" };
        let _ = write!(
            out,
            "\n### {}\n\n{}{}{once}\n\n| parameter | accepts | default | |\n|---|---|---|---|\n",
            entry.info.name,
            entry.info.summary,
            also(entry.info.aliases)
        );
        for param in entry.info.params {
            let also = also(param.aliases);
            let (accepts, default) = (nodes::accepted(param), nodes::default_of(param));
            let _ = writeln!(out, "| `{}`{also} | {accepts} | {default} | {} |", param.name, param.help);
        }
    }
    out
}

fn describe(out: &mut String, section: &Section) {
    let _ = write!(
        out,
        "\n## {}\n\n{}\n\n| field | accepts | default | |\n|---|---|---|---|\n",
        section.name, section.help
    );
    for field in section.fields {
        let default = match field.default {
            Default::Required => "must be given".to_owned(),
            Default::None(meaning) => meaning.to_owned(),
            Default::Is("" | "\"\"") => match field.kind {
                Kind::List(..) => "empty".to_owned(),
                _ => "the defaults below".to_owned(),
            },
            Default::Is(value) => format!("`{value}`"),
        };
        let accepts = match &field.kind {
            Kind::Section(inner) => format!("a mapping, see {}", inner.name),
            Kind::Variants(all) => variants(all),
            Kind::List(Kind::Section(inner), _) => format!("a list, see {}", inner.name),
            Kind::List(Kind::Variants(all), _) => format!("a list of {}", variants(all)),
            Kind::List(Kind::DspNode, _) => "a list of nodes, see below".to_owned(),
            kind => kind.accepted(),
        };
        let _ = writeln!(out, "| `{}` | {accepts} | {default} | {} |", field.name, field.help);
    }
    for field in section.fields {
        match &field.kind {
            Kind::Section(inner) | Kind::List(Kind::Section(inner), _) => describe(out, inner),
            Kind::Variants(all) | Kind::List(Kind::Variants(all), _) => {
                all.iter().for_each(|inner| describe(out, inner))
            }
            _ => {}
        }
    }
}

fn variants(all: &[&Section]) -> String {
    format!(
        "mappings, told apart by `type`: {}",
        super::schema::any_of(all.iter().map(|s| format!("`{}`", s.name)))
    )
}
