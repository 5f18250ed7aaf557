//! Scripts: timed commands as JSON lines.
//!
//! `{"at": 12.5, "command": "insert_emergency", "item": {"path": "eas.wav"}}`, with `at` in seconds of station time,
//! or `"frame": 600000` or `"utc": "2026-11-28T12:00:00Z"` instead; the other fields are the command's arguments ([`Request`]).

use airchain_core::Frames;
use airchain_core::playout::{Moment, Request};
use airchain_core::tier::Tier;
use airchain_core::units::seconds_to_frames;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{config, from_config};

/// A line of a script, or of a command log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The frame at which it is carried out.
    pub frame: Frames,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

/// A line of a script that cannot be meant; the caller corrects it.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong with it, and what would do.
    pub problem: String,
}

/// Reads a script for a station that runs at `rate_hz`. Empty lines are passed over.
pub fn parse(text: &str, rate_hz: u32) -> Result<Vec<(Moment, Request)>, ScriptError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(index, line): (usize, &str)| {
        timed(line, rate_hz).map_err(|problem| ScriptError { line: index + 1, problem })
    };
    lines.map(read).collect()
}

/// Reads one command, as a line of a script; without a time it is to be carried out at once.
pub fn command(text: &str, rate_hz: u32) -> Result<(Moment, Request), String> {
    let (moment, request) = read(text, rate_hz).map_err(plain)?;
    Ok((moment.unwrap_or(Moment::Now), request))
}

fn timed(line: &str, rate_hz: u32) -> Result<(Moment, Request), String> {
    let (moment, request) = read(line, rate_hz).map_err(plain)?;
    Ok((moment.ok_or("neither at (seconds) nor frame nor utc is given")?, request))
}

/// Words that may quote what was read, for a log or a terminal.
fn plain(words: String) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    words.chars().map(shown).collect()
}

fn read(line: &str, rate_hz: u32) -> Result<(Option<Moment>, Request), String> {
    let mut fields: Map<String, Value> = serde_json::from_str(line).map_err(|error| in_line(&error))?;
    let moment = match ["frame", "at", "utc"].map(|name| fields.remove(name)) {
        [Some(frame), None, None] => {
            let number = frame.as_u64().ok_or_else(|| format!("frame: {frame} is not a frame number"));
            Some(Moment::Frame(number?))
        }
        [None, Some(at), None] => {
            let seconds = at.as_f64().filter(|at| at.is_finite() && *at >= 0.0);
            let seconds = seconds.ok_or_else(|| format!("at: {at} is not a time in seconds"))?;
            Some(Moment::Frame(seconds_to_frames(seconds, rate_hz)))
        }
        [None, None, Some(utc)] => {
            let time = utc.as_str().and_then(|text| text.parse::<Timestamp>().ok());
            let time = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
            let accepted = "a time such as 2026-11-28T12:00:00Z";
            Some(Moment::Utc(time.ok_or_else(|| format!("utc: {utc} is not accepted, give {accepted}"))?))
        }
        [None, None, None] => None,
        _ => return Err("more than one of frame, at and utc is given, give one".into()),
    };
    if let Some(tier) = fields.get("tier").filter(|tier| tier.as_str().and_then(Tier::from_name).is_none()) {
        let known = Tier::ALL.map(Tier::name).join(", ");
        return Err(format!("tier: {tier} is not accepted, give one of {known}"));
    }
    if fields.get("command").is_some_and(|command| command == "set_chain")
        && let Some(nodes) = fields.get_mut("nodes").filter(|nodes| nodes.is_array())
    {
        *nodes = chain(nodes)?;
    }
    let request: Request =
        serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
    request.validate().map_err(|error| error.to_string())?;
    Ok((moment, request))
}

/// The nodes of a chain, written as in a station file, as the engine takes them.
fn chain(nodes: &Value) -> Result<Value, String> {
    // All of them on the one line that there is.
    let words = |errors: config::ConfigErrors| {
        let problems: Vec<String> = errors.problems.iter().map(ToString::to_string).collect();
        format!("set_chain: {}", problems.join("; "))
    };
    let nodes = config::chain_from_value(nodes, "set_chain").map_err(words)?;
    serde_json::to_value(from_config::chain(&nodes)).map_err(|error| error.to_string())
}

/// An error without the words about line 1, which each line of a script is to its parser.
fn in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match (text.rsplit_once(" at line "), error.column()) {
        (Some((what, _)), 0) => what.to_owned(),
        (Some((what, _)), column) => format!("{what} at column {column}"),
        (None, _) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_of_the_interface_is_understood() {
        let script = r#"{"at": 12.5, "command": "insert_emergency", "item": {"path": "eas.wav"}}

            {"at": 3, "command": "fade", "gain_db": -60, "duration_s": 2}
            {"frame": 600000, "command": "skip", "fade_s": 0.5}
            {"at": 9, "command": "set_chain", "nodes": [{"type": "limiter", "config": {"threshold_db": -1}}]}
            {"at": 10, "command": "play", "tier": "live_override", "item": {"path": "a.mp3", "cue_in_s": 1}}
            {"at": 20, "command": "stop", "tier": "live_override"}"#;
        let commands = parse(script, 48_000).unwrap();
        assert_eq!(commands.len(), 6);
        assert_eq!(commands[0].0, Moment::Frame(600_000));
        assert_eq!(commands[2].0, Moment::Frame(600_000));
        assert!(matches!(commands[5].1, Request::Stop { tier: Tier::LiveOverride, .. }));
    }

    #[test]
    fn a_chain_may_be_named() {
        let commands = parse(r#"{"at": 9, "command": "set_chain", "preset": "loud"}"#, 48_000).unwrap();
        let nodes = airchain_core::presets::find("loud").unwrap().nodes();
        assert_eq!(commands[0].1, Request::SetChain { nodes });
        let logged = serde_json::to_value(&commands[0].1).unwrap();
        assert_eq!(serde_json::from_value::<Request>(logged).unwrap(), commands[0].1);
    }

    #[test]
    fn a_chain_is_written_as_in_a_station_file() {
        let nodes = r#"[{"type": "Limiter", "config": {"ceiling": -2}}, {"type": "agc", "config": {"enabled": false}},
            {"type": "compressor", "config": {"enabled": false}}]"#;
        let line = format!(r#"{{"at": 1, "command": "set_chain", "nodes": {nodes}}}"#).replace('\n', "");
        let Request::SetChain { nodes } = parse(&line, 48_000).unwrap().remove(0).1 else {
            panic!("another request");
        };
        let set = |index: usize| serde_json::to_value(&nodes[index]).unwrap();
        assert_eq!(set(0), serde_json::json!({"type": "limiter", "config": {"threshold_db": -2.0}}));
        // To the AGC, `enabled` is a parameter of its own; other nodes are left out.
        assert_eq!(set(1), serde_json::json!({"type": "agc", "config": {"enabled": false}}));
        assert_eq!(nodes.len(), 2);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (line, word) in [
            (r#"{"at": 1, "command": "jump"}"#, "jump"),
            (r#"{"command": "skip"}"#, "neither"),
            (r#"{"at": -1, "command": "skip"}"#, "at: -1"),
            (r#"{"at": 1, "command": "stop", "tier": "stage"}"#, r#"tier: "stage" is not accepted"#),
            (r#"{"at": 1, "command": "skip", "fade": 1}"#, "fade"),
            (r#"{"at": 1, "command": "fade", "gain_db": 3, "duration_s": -2}"#, "duration_s: -2"),
            (
                r#"{"at": 1, "command": "queue", "item": {"path": "a", "cue_in_s": 4, "cue_out_s": 2}}"#,
                "cue_out_s: 2",
            ),
            (r#"{"at": 1, "command": "play", "item": {"id": "a"}}"#, "item.path: nothing"),
            (r#"{"at": 1, "command": "set_chain", "preset": "laud"}"#, r#"preset: "laud" is not accepted"#),
            (r#"{"at": 1, "command": "set_chain", "preset": "loud", "nodes": []}"#, "duplicate field"),
            (r#"{"at": 1, "command": "set_chain", "nodes": [{"type": 3}]}"#, r#"nodes[0].type: "3""#),
            (r#"{"at": 1, "command": "set_chain"}"#, "nodes"),
            (
                r#"{"at": 1, "command": "set_chain", "nodes": [{"type": "agc", "config": {"gate_db": 3}}]}"#,
                r#"nodes[0].config.gate_db: "3": out of range; give a number, -100 to -20 dB"#,
            ),
            ("skip", "expected value at column 1"),
            ("[1]", "expected a map"),
        ] {
            let error = parse(&format!("\n{line}"), 48_000).unwrap_err().to_string();
            assert!(error.starts_with("line 2:") && error.contains(word), "{error}");
            assert!(!error.contains("line 1"), "{error}");
        }
    }
}
