//! `airchain run`: the stations that files declare, on air until they are told to stop.

use std::path::PathBuf;
use std::time::Duration;

use airchain::{Host, HostConfig, Station, config, from_config};
use clap::Args;

use crate::Failed;
use crate::events::Events;
use crate::play::DRAIN;
use crate::signals::Signals;

/// The flags of `airchain run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Station files
    #[arg(required = true, value_name = "STATION.yaml")]
    stations: Vec<PathBuf>,
    /// Where to write what happens, as JSON lines; - is standard output
    #[arg(long, value_name = "FILE")]
    events: Option<String>,
    /// Stop after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::duration::parse)]
    duration: Option<Duration>,
}

const TICK: Duration = Duration::from_millis(50);

/// Runs the command.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failed> {
    // All files are read before any station starts: a mistake in the last must not be found with the first on air.
    let mut problems = Vec::new();
    let mut declared = Vec::new();
    for path in &args.stations {
        match config::load(path) {
            Ok(config) => declared.push((path, config)),
            Err(errors) => problems.push(errors.to_string()),
        }
    }
    if !problems.is_empty() {
        return Err(Failed::new(problems.join("\n")));
    }
    let signals = Signals::install()?;
    let mut events = args.events.as_deref().map(Events::create).transpose()?;
    let host = Host::new(HostConfig::default())?;
    let mut stations: Vec<Station> = Vec::new();
    for (path, config) in declared {
        let started =
            from_config::station(&config).and_then(|(spec, outputs)| host.add_station(spec, outputs));
        match started {
            Ok(station) => {
                tracing::info!(station = station.id(), "on air");
                stations.push(station);
            }
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
    }
    if stations.is_empty() {
        return Err(Failed::new(problems.join("\n")));
    }
    for problem in &problems {
        tracing::error!("{problem}");
    }
    let reports: Vec<_> =
        stations.iter().map(|station| (station.id().to_owned(), station.reports())).collect();
    let started = std::time::Instant::now();
    while !signals.is_set() && args.duration.is_none_or(|duration| started.elapsed() < duration) {
        for (id, reports) in &reports {
            for report in reports.try_iter() {
                if let Some(events) = &mut events {
                    events.write(&Tagged { station: id, report: &report })?;
                    events.flush()?;
                }
            }
        }
        std::thread::sleep(TICK);
    }
    tracing::info!("stopping: closing all outputs");
    host.shutdown(DRAIN);
    if problems.is_empty() { Ok(()) } else { Err(Failed::new("not every station could be started")) }
}

/// A report that says which station it is of.
#[derive(serde::Serialize)]
struct Tagged<'a> {
    station: &'a str,
    #[serde(flatten)]
    report: &'a airchain::station::TimedReport,
}
