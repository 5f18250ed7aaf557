//! A number of stations on air in this process, and what they cost while they are watched.

use std::time::{Duration, Instant};

use airchain::outputs::sink::Health;
use airchain::telemetry::Process;
use airchain::{Host, HostConfig, Station, config, from_config};
use serde_json::json;

use super::{BenchArgs, Outcome, Troubles, process};
use crate::Failed;
use crate::signals::Signals;

/// What outputs have to close: what they still hold is nobody's.
const DRAIN: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Runs the stations and prints an [`Outcome`] as JSON.
pub(super) fn run(args: &BenchArgs) -> Result<(), Failed> {
    let count = args.stations.first().copied().unwrap_or(1);
    let scratch = std::env::temp_dir().join(format!("airchain-bench-{}", std::process::id()));
    let folder = args.hls.clone().unwrap_or_else(|| scratch.clone());
    let result = watch(args, count, &folder);
    // What was there before stays.
    let _ = std::fs::remove_dir_all(&scratch);
    super::say(&serde_json::to_string(&result?)?);
    Ok(())
}

fn watch(args: &BenchArgs, count: usize, folder: &std::path::Path) -> Result<Outcome, Failed> {
    let signals = Signals::install()?;
    let wish = signals.clone();
    super::end_with_parent(move || wish.set());
    let batch = Duration::from_millis(args.batch);
    let host = Host::new(HostConfig { encode_batch: batch, ..HostConfig::default() })?;
    let mut stations = Vec::new();
    for number in 0..count {
        stations.push(start(args, &host, number, folder)?);
    }
    let wait = |seconds: u64| {
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end && !signals.is_set() {
            std::thread::sleep(TICK);
        }
    };
    wait(args.settle);
    let before = (process::threads_cpu_s()?, troubles(&stations), meters(&stations), Instant::now());
    let cpu_before_s = cpu_s(&Process::read());
    wait(args.seconds);
    let seconds = before.3.elapsed().as_secs_f64();
    let process = Process::read();
    let mut threads_cpu_s = process::threads_cpu_s()?;
    for (kind, spent) in &mut threads_cpu_s {
        *spent -= before.0.iter().find(|(known, _)| known == kind).map_or(0.0, |(_, spent)| *spent);
    }
    let outcome = Outcome {
        stations: count,
        seconds,
        cpu_s: cpu_s(&process) - cpu_before_s,
        threads_cpu_s,
        meter_s: meters(&stations) - before.2,
        resident_mib: process.resident_bytes.unwrap_or(0) as f64 / f64::from(1 << 20),
        threads: process.threads.unwrap_or(0),
        troubles: troubles(&stations) - before.1,
    };
    host.shutdown(DRAIN);
    Ok(outcome)
}

fn start(args: &BenchArgs, host: &Host, number: usize, folder: &std::path::Path) -> Result<Station, Failed> {
    let receiver = args.receiver.as_deref().unwrap_or_default();
    let dsp = if args.chain == "none" { json!({ "nodes": [] }) } else { json!({ "preset": args.chain }) };
    let declared = json!({
        "station": { "id": format!("bench{number}") },
        "automation": {
            "playlist": args.paths, "order": "shuffle", "seed": number, "loop": true, "crossfade_sec": args.crossfade,
        },
        "mounts": [{ "id": "main", "outputs": [
            { "type": "icecast", "url": format!("icecast://source:bench@{receiver}/{number}"), "format": "mp3" },
            { "type": "hls", "path": folder.join(number.to_string()), "format": "aac" },
        ] }],
        "dsp_graph": dsp,
    });
    let config = config::from_value(&declared, "bench-stations")?;
    let (spec, outputs) = from_config::station(&config)?;
    Ok(host.add_station(spec, outputs)?)
}

fn meters(stations: &[Station]) -> f64 {
    stations.iter().map(|station| station.telemetry().cpu_s.meter).sum()
}

fn cpu_s(process: &Process) -> f64 {
    process.cpu_s.unwrap_or(0.0)
}

/// All troubles since the stations began.
fn troubles(stations: &[Station]) -> Troubles {
    let mut sum = Troubles::default();
    for station in stations {
        let telemetry = station.telemetry();
        sum.missed += station.missed();
        sum.underrun += telemetry.underruns.frames;
        sum.unencoded += telemetry.unencoded_frames;
        sum.unmeasured += telemetry.unmeasured_frames;
        for output in station.outputs() {
            sum.undelivered += output.stats.as_ref().map_or(0, |stats| stats.dropped_frames);
            sum.down += usize::from(output.stats.is_none_or(|stats| stats.health != Health::Up));
        }
    }
    sum
}

impl std::ops::Sub for Troubles {
    type Output = Self;

    /// What came since `before`; outputs that are down are so now.
    fn sub(self, before: Self) -> Self {
        Self {
            missed: self.missed - before.missed,
            underrun: self.underrun - before.underrun,
            unencoded: self.unencoded - before.unencoded,
            undelivered: self.undelivered - before.undelivered,
            unmeasured: self.unmeasured - before.unmeasured,
            down: self.down,
        }
    }
}
