//! `airchain run`: the stations that files declare, on air until they are told to stop.

use std::path::PathBuf;
use std::time::Duration;

use airchain::config::StationConfig;
use airchain::{Host, Station, config, from_config};
use clap::Args;

use crate::Failed;
use crate::events::{Events, LiveLines};
use crate::play::DRAIN;
use crate::signals::Signals;
use crate::threads::ThreadArgs;

/// The flags of `airchain run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Station files
    #[arg(required = true, value_name = "STATION.yaml")]
    stations: Vec<PathBuf>,
    /// Where to write what happens, as JSON lines; - is standard output
    #[arg(long, value_name = "FILE")]
    events: Option<String>,
    /// Folder for command logs, STATION.jsonl each: every command that is carried out, with its frame; render --script
    /// FILE makes the same programme
    #[arg(long, value_name = "DIR")]
    command_log: Option<PathBuf>,
    /// Address and port at which /metrics is served to everybody who reaches it, for Prometheus; an http output serves it
    /// to private networks without that
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
    /// Stop after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::duration::parse)]
    duration: Option<Duration>,
    #[command(flatten)]
    threads: ThreadArgs,
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
    for (index, (path, config)) in declared.iter().enumerate() {
        let id = &config.station.id;
        if let Some((first, _)) = declared.iter().take(index).find(|(_, other)| other.station.id == *id) {
            let taken = format!("station.id: \"{id}\": is that of {} already", first.display());
            problems.push(format!("{}: {taken}; give each station its own", path.display()));
        }
        let journal = config.station.journal.as_ref();
        let same = |(_, other): &&(&PathBuf, StationConfig)| other.station.journal.as_ref() == journal;
        if let Some((first, _)) = journal.and_then(|_| declared.iter().take(index).find(same)) {
            let taken = format!("station.journal: is that of {} already", first.display());
            problems.push(format!("{}: {taken}; give each station its own", path.display()));
        }
    }
    if !problems.is_empty() {
        return Err(Failed::new(problems.join("\n")));
    }
    let signals = Signals::install()?;
    let events = args.events.as_deref().map(Events::create).transpose()?;
    let metrics = args.metrics.as_deref().map(from_config::resolve).transpose()?;
    let host = Host::new(args.threads.host())?;
    if let Some(address) = metrics {
        let address = host.serve_metrics(address)?;
        tracing::info!("metrics are at http://{address}/metrics");
    }
    let mut stations: Vec<Station> = Vec::new();
    for (path, config) in declared {
        let started = from_config::station(&config).and_then(|(mut spec, outputs)| {
            spec.command_log = args.command_log.is_some();
            host.add_station(spec, outputs)
        });
        match started {
            Ok(station) => {
                tracing::info!(station = station.id(), "on air");
                stations.push(station);
            }
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
    }
    if stations.is_empty() {
        host.shutdown(DRAIN);
        return Err(Failed::new(problems.join("\n")));
    }
    for problem in &problems {
        tracing::error!("{problem}");
    }
    let result = watch(args, &stations, &signals, events, host);
    if problems.is_empty() { result } else { Err(Failed::new("not every station could be started")) }
}

/// Waits until it is over, and takes all stations off.
fn watch(
    args: &RunArgs,
    stations: &[Station],
    signals: &Signals,
    events: Option<Events>,
    host: Host,
) -> Result<(), Failed> {
    let lines = lines(args, stations, events);
    let started = std::time::Instant::now();
    while lines.is_ok()
        && !signals.is_set()
        && args.duration.is_none_or(|duration| started.elapsed() < duration)
    {
        std::thread::sleep(TICK);
    }
    tracing::info!("stopping: closing all outputs");
    host.shutdown(DRAIN);
    for lines in lines? {
        lines.finish();
    }
    Ok(())
}

/// Starts to write events and command logs.
fn lines(args: &RunArgs, stations: &[Station], events: Option<Events>) -> Result<Vec<LiveLines>, Failed> {
    let mut lines = Vec::new();
    if let Some(events) = events {
        lines.push(LiveLines::events(events, stations, true)?);
    }
    if let Some(folder) = &args.command_log {
        std::fs::create_dir_all(folder).map_err(|error| Failed::about(folder, error))?;
        for station in stations {
            let path = folder.join(format!("{}.jsonl", station.id()));
            lines.push(LiveLines::commands(Events::create_anew(&path.display().to_string())?, station)?);
        }
    }
    Ok(lines)
}
