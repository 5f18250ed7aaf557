//! The air thread of a host that runs in real time: whatever its stations are asked for, it neither allocates nor frees.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::core::item::Item;
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, StationEvent};
use airchain::core::tier::Tier;
use airchain::output::{OutputSpec, Target};
use airchain::outputs::recording::RecordingConfig;
use airchain::station::TimedReport;
use airchain::{Host, HostConfig, Station, StationSpec, script};
use crossbeam_channel::Receiver;
use testkit::alloc::thread_counts;
use testkit::file::tone;
use testkit::studio::Studio;

#[global_allocator]
static ALLOCATOR: testkit::alloc::CountingAllocator = testkit::alloc::CountingAllocator;

const RATE: u32 = 48_000;
/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rounds of all that a station can be asked for.
const ROUNDS: usize = 3;

fn station(host: &Host, id: &str, items: Vec<Item>) -> Station {
    let programme = Box::new(Playlist::new(items, Order::Sequential, true, 0));
    let spec = StationSpec { id: id.into(), programme, live_fade_s: 0.1, ..StationSpec::default() };
    host.add_station(spec, Vec::new()).unwrap()
}

fn recording(folder: &Path, id: &str) -> OutputSpec {
    let target = Target::Recording(RecordingConfig::new(folder.join(id)));
    OutputSpec { id: id.into(), format: Format::of(Codec::PcmS16), target, passthrough: false }
}

fn wait_for(reports: &Receiver<TimedReport>, what: &str, wanted: impl Fn(&StationEvent) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = reports.recv_deadline(deadline).unwrap_or_else(|_| panic!("{what} did not come about"));
        if wanted(&report.report.event) {
            return;
        }
    }
}

/// Has a command carried out.
fn carry_out(station: &Station, reports: &Receiver<TimedReport>, command: &str) {
    let (moment, request) = script::command(command, RATE).unwrap();
    station.request(moment, request).unwrap();
    wait_for(reports, command, |event| {
        assert!(!matches!(event, StationEvent::CommandFailed { .. }), "{command}: {event:?}");
        matches!(event, StationEvent::CommandDone { .. })
    });
}

#[test]
fn a_real_run_with_all_that_can_be_asked_for_calls_no_allocator() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let items = vec![tone(folder, 440.0, 20), tone(folder, 880.0, 20), tone(folder, 660.0, 2)];
    let alert = tone(folder, 1_500.0, 1);
    let host = Host::new(HostConfig { air_threads: 2, ..HostConfig::default() }).unwrap();
    let station = station(&host, "one", items.clone());
    let reports = station.reports();
    wait_for(&reports, "the programme", |event| matches!(event, StationEvent::NowPlaying { .. }));

    let before = thread_counts("air-");
    assert_eq!(before.len(), 2, "{before:?}");
    assert!(before.iter().all(|(_, count)| count.allocated > 0), "the start allocates: {before:?}");
    let began = station.position();
    for round in 0..ROUNDS {
        let alert = serde_json::to_string(&alert).unwrap();
        for command in [
            r#"{"command": "skip", "fade_s": 0.2}"#.into(),
            r#"{"command": "set_chain", "preset": "loud"}"#.into(),
            format!(r#"{{"command": "insert_emergency", "item": {alert}}}"#),
            r#"{"command": "set_chain", "preset": "broadcast"}"#.into(),
            r#"{"command": "set_metadata", "metadata": {"title": "something else"}}"#.into(),
            r#"{"command": "fade", "gain_db": -6, "duration_s": 0.1}"#.into(),
            r#"{"command": "fade", "gain_db": 0, "duration_s": 0.1}"#.into(),
            format!(r#"{{"command": "play", "tier": "live_override", "item": {alert}}}"#),
            r#"{"command": "stop", "tier": "live_override"}"#.into(),
        ] {
            carry_out(&station, &reports, &command);
        }
        // Outputs come and go, and so does another station on each of the air threads.
        station.add_output(recording(folder, &format!("output {round}"))).unwrap();
        let others = ["two", "three"].map(|id| self::station(&host, id, items.clone()));
        live(&station, &reports);
        let tap = station.tap(1.0).unwrap();
        for other in &others {
            let heard = other.reports();
            wait_for(&heard, "the other's programme", |event| {
                matches!(event, StationEvent::NowPlaying { .. })
            });
            other.stop(PATIENCE);
            assert!(other.is_off());
        }
        drop(tap);
        station.remove_output(&format!("output {round}")).unwrap();
    }
    let (after, blocks) = (thread_counts("air-"), (station.position() - began) / 480);
    host.shutdown(PATIENCE);
    assert!(blocks > 100, "only {blocks} blocks were rendered");
    assert_eq!(after, before, "air threads called the allocator within {blocks} blocks");
}

/// A live source comes, is heard, and signs off.
fn live(station: &Station, reports: &Receiver<TimedReport>) {
    let mut writer = station.live_source("studio", station.live_config()).unwrap();
    let on_line = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut studio = Studio::new(RATE, 990.0, -12.0, 480, station.position());
            while on_line.load(Ordering::Relaxed) {
                writer.push(&studio.due(station.position()));
                std::thread::sleep(Duration::from_millis(5));
            }
            writer.close();
        });
        carry_out(
            station,
            reports,
            r#"{"command": "route_live", "tier": "live_override", "source": "studio"}"#,
        );
        let on_air = |tier| move |event: &StationEvent| matches!(event, StationEvent::PriorityChanged { to, .. } if *to == Some(tier));
        wait_for(reports, "the studio on air", on_air(Tier::LiveOverride));
        on_line.store(false, Ordering::Relaxed);
        wait_for(reports, "the automation after the studio", on_air(Tier::Automation));
    });
}
