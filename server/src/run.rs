//! `airchain run`: the stations that files declare, on air until they are told to stop.

use std::path::PathBuf;
use std::time::Duration;

use airchain::{Host, HostConfig, Station, config, from_config};
use clap::Args;

use crate::Failed;
use crate::events::{Events, LiveEvents};
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
    for (index, (path, config)) in declared.iter().enumerate() {
        let id = &config.station.id;
        if let Some((first, _)) = declared.iter().take(index).find(|(_, other)| other.station.id == *id) {
            let taken = format!("station.id: \"{id}\": is that of {} already", first.display());
            problems.push(format!("{}: {taken}; give each station its own", path.display()));
        }
    }
    if !problems.is_empty() {
        return Err(Failed::new(problems.join("\n")));
    }
    let signals = Signals::install()?;
    let events = args.events.as_deref().map(Events::create).transpose()?;
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
    let events = events.map(|events| LiveEvents::start(events, stations, true)).transpose();
    let started = std::time::Instant::now();
    while events.is_ok()
        && !signals.is_set()
        && args.duration.is_none_or(|duration| started.elapsed() < duration)
    {
        std::thread::sleep(TICK);
    }
    tracing::info!("stopping: closing all outputs");
    host.shutdown(DRAIN);
    if let Some(events) = events? {
        events.finish();
    }
    Ok(())
}
