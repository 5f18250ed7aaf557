//! What fields must mean together, once each of them is right by itself.

use std::collections::HashMap;
use std::path::Path;

use airchain_core::program::WAITING;
use airchain_core::tier::Tier;
use airchain_inputs::webstream::MOST_FALLBACK_URLS;
use airchain_net::mask_url;
use jiff::tz::TimeZone;

use super::encoding::Encoding;
use super::nodes::{self, NodeConfig};
use super::outputs::OutputConfig;
use super::problem::Severity;
use super::schedule;
use super::station::{DspGraph, InputConfig, StationConfig, WebstreamConfig};
use crate::passthrough;

/// Inputs that a tier can hold.
const MOST_INPUTS: usize = 1 + WAITING;

/// A problem with the field it belongs to; the caller knows the line.
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) field: String,
    pub(crate) value: Option<String>,
    pub(crate) problem: String,
    pub(crate) accepted: Option<String>,
}

/// Everything that is wrong with a station whose fields are right one by one.
pub(crate) fn findings(config: &StationConfig) -> Vec<Finding> {
    let zone = TimeZone::get(&config.station.timezone).unwrap_or(TimeZone::UTC);
    let mut rules = Rules { findings: Vec::new(), taken: HashMap::new(), zone };
    let rate = config.station.sample_rate;
    for (m, mount) in config.mounts.iter().enumerate() {
        let place = format!("mounts[{m}]");
        rules.unique(&format!("{place}.id"), &format!("mount {}", mount.id), &mount.id, "an id of its own");
        for (o, output) in mount.outputs.iter().enumerate() {
            let place = format!("{place}.outputs[{o}]");
            if !output.is_built() {
                rules.warn(
                    format!("{place}.type"),
                    format!("output {} is not in this build; it is passed over", output.kind()),
                );
                continue;
            }
            if let Some(encoding) = output.encoding() {
                rules.encoding(&place, encoding, rate);
                rules.passthrough(&place, encoding, config);
            }
            output.check(&place, rate, &mut rules);
        }
    }
    let mut on_tier = [0; Tier::COUNT];
    for (index, input) in config.inputs.iter().enumerate() {
        let thing = format!("input {}", input.id());
        rules.unique(&format!("inputs[{index}].id"), &thing, input.id(), "an id of its own");
        let InputConfig::Webstream(webstream) = input;
        if let Some(tier) = webstream.tier.tier() {
            on_tier[tier.index()] += 1;
            if on_tier[tier.index()] > MOST_INPUTS {
                let problem =
                    format!("the tier holds {MOST_INPUTS} inputs, one that is heard and {WAITING} that wait");
                let field = format!("inputs[{index}].tier");
                rules.error(field, Some(&tier.to_string()), problem, "another tier, or none");
            }
        }
        rules.webstream(&format!("inputs[{index}]"), webstream);
    }
    if !config.failover.automation_fallback_enabled {
        let problem = "automation always takes over from a lost live source".to_owned();
        let field = "failover.automation_fallback_enabled".to_owned();
        rules.error(field, Some("false"), problem, "true, or leave it out");
    }
    rules.findings.extend(two_chains(&config.dsp_graph, "dsp_graph."));
    rules.findings.extend(schedule::findings(config));
    rules.findings.extend(nodes::findings(&config.dsp_graph.nodes, "dsp_graph.nodes"));
    let as_run = config.as_run.as_ref().map(|as_run| as_run.resolve(&config.station.timezone));
    if let Some(Err(invalid)) = as_run {
        let field = format!("as_run.{}", invalid.field);
        rules.error(field, Some(&invalid.value), invalid.problem.to_owned(), invalid.accepted);
    }
    // A station without mounts is one to render; one whose mounts lead nowhere is a mistake.
    let mut outputs = config.mounts.iter().flat_map(|mount| &mount.outputs);
    if !config.mounts.is_empty() && !outputs.any(OutputConfig::is_built) {
        rules.warn("mounts".into(), "no output: nothing of the station can be heard".into());
    }
    rules.findings
}

/// A chain that is given as a preset and as nodes; `place` goes before the fields' names.
pub(crate) fn two_chains(graph: &DspGraph, place: &str) -> Option<Finding> {
    let preset = graph.preset.clone().filter(|_| !graph.nodes.is_empty())?;
    Some(Finding {
        severity: Severity::Error,
        field: format!("{place}preset"),
        value: Some(preset),
        problem: "nodes are given too".into(),
        accepted: Some("one or the other".into()),
    })
}

/// Files that a station names and that are not there now. Warnings: they may be there when it goes on air.
pub(crate) fn absent_files(config: &StationConfig) -> Vec<Finding> {
    let absent = |field: String, path: &Path, then: &str| {
        let problem = format!("there is no such file now; {then}");
        let value = Some(path.display().to_string());
        (!path.exists()).then_some(Finding {
            severity: Severity::Warning,
            field,
            value,
            problem,
            accepted: None,
        })
    };
    let fallback = config.failover.fallback_audio_path.as_deref();
    let fallback = fallback.and_then(|path| {
        absent("failover.fallback_audio_path".into(), path, "until it is, a gentle tone stands in")
    });
    let playlist = config.automation.playlist.iter().enumerate().filter(|(_, entry)| !entry.contains("://"));
    let playlist = playlist.filter_map(|(index, entry)| {
        absent(format!("automation.playlist[{index}]"), Path::new(entry), "until it is, it is passed over")
    });
    let rows = config.schedule.iter().enumerate();
    let rows = rows.filter_map(|(index, row)| {
        absent(format!("schedule[{index}].path"), row.path.as_deref()?, "until it is, it is passed over")
    });
    fallback.into_iter().chain(playlist).chain(rows).collect()
}

pub(super) struct Rules {
    findings: Vec<Finding>,
    /// Who has what only one output can have.
    taken: HashMap<String, String>,
    zone: TimeZone,
}

impl Rules {
    /// The station's time zone.
    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(super) fn error(&mut self, field: String, value: Option<&str>, problem: String, accepted: &str) {
        let (value, accepted) = (value.map(mask_url), Some(accepted.to_owned()));
        self.findings.push(Finding { severity: Severity::Error, field, value, problem, accepted });
    }

    pub(super) fn warn(&mut self, field: String, problem: String) {
        self.findings.push(Finding {
            severity: Severity::Warning,
            field,
            value: None,
            problem,
            accepted: None,
        });
    }

    pub(super) fn unique(&mut self, field: &str, thing: &str, value: &str, accepted: &str) {
        match self.taken.get(thing) {
            Some(first) => {
                let problem = format!("{first} has it already");
                self.error(field.to_owned(), Some(value), problem, accepted);
            }
            None => {
                self.taken.insert(thing.to_owned(), field.to_owned());
            }
        }
    }

    fn webstream(&mut self, place: &str, webstream: &WebstreamConfig) {
        let count = webstream.fallback_urls.len();
        if count > MOST_FALLBACK_URLS {
            let problem = format!("{count} URLs are too many to try in turn");
            self.error(
                format!("{place}.fallback_urls"),
                None,
                problem,
                &format!("at most {MOST_FALLBACK_URLS}"),
            );
        }
    }

    pub(super) fn encoding(&mut self, place: &str, encoding: &Encoding, station_rate_hz: u32) {
        if let Err(invalid) = encoding.resolve(station_rate_hz) {
            let field = format!("{place}.{}", invalid.field);
            self.error(field, Some(&invalid.value), invalid.problem, &invalid.accepted);
        }
    }

    fn passthrough(&mut self, place: &str, encoding: &Encoding, config: &StationConfig) {
        let rate = config.station.sample_rate;
        let Some(format) = encoding.resolve(rate).ok().filter(|_| encoding.passthrough) else { return };
        let field = format!("{place}.passthrough");
        if let Err(not) = passthrough::check(&format, rate) {
            return self.error(field, Some("true"), not.problem, &not.accepted);
        }
        let changes = |node: &NodeConfig| node.is_in_chain() && node.kind != "silence_detector";
        if config.dsp_graph.chain().iter().any(changes) {
            self.warn(field, "nothing is copied as long as dsp_graph changes the sound".into());
        }
    }
}
