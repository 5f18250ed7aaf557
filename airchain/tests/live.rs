//! A live source on air: routed, lost, back, and signed off, with the programme under it and no gap anywhere.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use airchain::codecs::decode::{self, Progress};
use airchain::codecs::{Codec, Format};
use airchain::core::Stereo;
use airchain::core::control::When;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::live::{LiveConfig, LiveState};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, Request, StationEvent};
use airchain::core::tier::Tier;
use airchain::file::FileWriter;
use airchain::output::{OutputSpec, Target};
use airchain::outputs::recording::RecordingConfig;
use airchain::station::TimedReport;
use airchain::{Host, HostConfig, StationSpec};
use crossbeam_channel::Receiver;
use testkit::studio::Studio;
use testkit::{measure, signal};

const RATE: u32 = 48_000;
const BED_HZ: f64 = 220.0;
const STUDIO_HZ: f64 = 330.0;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn bed(folder: &Path) -> Item {
    let path = folder.join("bed.wav");
    let format = Format::of(Codec::PcmF32);
    let mut writer = FileWriter::create(&path, &format, RATE, &Metadata::default()).unwrap();
    writer.write(&signal::vector(RATE, BED_HZ, -12.0, 0, 60 * RATE as usize)).unwrap();
    writer.finish().unwrap();
    Item::file(path.display().to_string())
}

fn await_tier(reports: &Receiver<TimedReport>, tier: Tier) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    while let Ok(report) = reports.recv_deadline(deadline) {
        if matches!(report.report.event, StationEvent::PriorityChanged { to, .. } if to == Some(tier)) {
            return report.report.frame;
        }
    }
    panic!("{tier} never had the air")
}

#[test]
fn a_studio_is_heard_lost_back_and_signed_off_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let programme = Box::new(Playlist::new(vec![bed(folder.path())], Order::Sequential, true, 0));
    let spec = StationSpec { programme, latency_ms: 0.0, live_fade_s: 0.1, ..StationSpec::default() };
    let target = Target::Recording(RecordingConfig::new(folder.path().join("aired")));
    let format = Format::of(Codec::PcmF32);
    let output = OutputSpec { id: "aired".into(), format, target, passthrough: false };
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec, vec![output]).unwrap();
    let reports = station.reports();
    // A machine that is busy may be late with the pushes.
    let config = LiveConfig { buffer_s: 2.5, preroll_s: 1.25, ..station.live_config() };
    let mut writer = station.live_source("studio", config).unwrap();
    let request = Request::RouteLive { tier: Tier::LiveOverride, source: "studio".into(), fade_in_s: None };
    station.request(When::Now, request).unwrap();

    let studio = Mutex::new(Studio::new(RATE, STUDIO_HZ, -12.0, 480, station.position()));
    let on_line = AtomicBool::new(true);
    let (mut seams, mut state) = (Vec::new(), None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while on_line.load(Ordering::Relaxed) {
                writer.push(&studio.lock().unwrap().due(station.position()));
                std::thread::sleep(Duration::from_millis(5));
            }
            writer.close();
        });
        seams.push(await_tier(&reports, Tier::LiveOverride));
        studio.lock().unwrap().set_online(false);
        seams.push(await_tier(&reports, Tier::Automation));
        studio.lock().unwrap().set_online(true);
        seams.push(await_tier(&reports, Tier::LiveOverride));
        state = station.live_status().unwrap().pop().map(|status| (status.state, status.failures));
        on_line.store(false, Ordering::Relaxed);
        seams.push(await_tier(&reports, Tier::Automation));
    });
    assert_eq!(state, Some((LiveState::OnAir, 1)));
    assert!(station.live_status().unwrap().is_empty());
    let missed = station.missed();
    station.stop(Duration::from_secs(10));

    let recording = std::fs::read_dir(folder.path().join("aired")).unwrap().next().unwrap().unwrap().path();
    let mut decoder = decode::open(&recording).unwrap();
    let mut aired: Vec<Stereo> = Vec::new();
    while decoder.decode(&mut aired).unwrap() == Progress::More {}
    let faint = 1e-3 * signal::amplitude(-12.0);
    let quiet = |levels: &[f64]| levels.iter().all(|level| *level < faint);
    let gap = measure::envelope(&aired).windows(96).skip(480).position(quiet);
    assert_eq!(gap, None, "a gap of 2 ms, with {missed} frames never rendered");
    // When the fades are over, the right one is heard; the last fade may be cut off by the end.
    let turns = measure::turn_hz(&aired, RATE);
    for (seam, hz) in seams.iter().take(3).zip([STUDIO_HZ, BED_HZ].into_iter().cycle()) {
        let heard = &turns[*seam as usize + 4_800..][..480];
        assert!(heard.iter().all(|turn| (turn - hz).abs() < 1.0), "{hz} Hz is not heard after frame {seam}");
    }
}
