//! `airchain check`: whether a station file is right, and if not, everything that is wrong with it.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use airchain::config::{self, Report, StationConfig};
use serde_json::json;

use crate::output;

/// What `airchain check` is asked.
#[derive(clap::Args, Debug)]
pub(crate) struct CheckArgs {
    /// Station files.
    #[arg(required_unless_present = "reference", value_name = "STATION.yaml")]
    files: Vec<PathBuf>,

    /// Print each station as understood: defaults filled in, secrets masked.
    #[arg(long)]
    explain: bool,

    /// One JSON object per file and line.
    #[arg(long, conflicts_with = "explain")]
    json: bool,

    /// Print the reference of the station file, as Markdown, and do nothing else.
    #[arg(long)]
    reference: bool,
}

pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    if args.reference {
        output::out(&config::reference());
        return ExitCode::SUCCESS;
    }
    let mut valid = true;
    for file in &args.files {
        let report = config::check(file);
        valid &= report.config.is_some();
        output::out(&match &report.config {
            _ if args.json => as_json(&report),
            Some(station) if args.explain => explained(&report, station),
            _ => as_text(&report),
        });
    }
    output::status(valid)
}

fn as_json(report: &Report<StationConfig>) -> String {
    let valid = report.config.is_some();
    format!("{}\n", json!({ "path": report.name, "valid": valid, "problems": report.problems }))
}

fn as_text(report: &Report<StationConfig>) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let space = if problem.line.is_some() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}:{space}{problem}", report.name);
    }
    if report.config.is_some() {
        let _ = writeln!(text, "{}: valid", report.name);
    }
    text
}

/// The station as YAML, with the warnings as comments above it.
fn explained(report: &Report<StationConfig>, station: &StationConfig) -> String {
    let mut text = format!("# {}\n", report.name.escape_debug());
    for warning in &report.problems {
        let _ = writeln!(text, "# {warning}");
    }
    text + &config::explain(station)
}
