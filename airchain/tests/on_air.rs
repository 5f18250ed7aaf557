//! Stations on air in a host: what they hold on to, and what becomes of them when something goes wrong.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::core::control::{Ending, When};
use airchain::core::item::Item;
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, Request, StationEvent};
use airchain::meter::Levels;
use airchain::offline::Render;
use airchain::output::{HttpOptions, OutputSpec, Target};
use airchain::outputs::http::MountMeta;
use airchain::outputs::recording::RecordingConfig;
use airchain::outputs::sink::Health;
use airchain::spec::Fallback;
use airchain::station::TimedReport;
use airchain::{Host, HostConfig, StationSpec};
use testkit::file::tone;
use testkit::measure;

const RATE: u32 = 48_000;
/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

fn spec(items: Vec<Item>, looped: bool) -> StationSpec {
    let programme = Box::new(Playlist::new(items, Order::Sequential, looped, 0));
    StationSpec { programme, ..StationSpec::default() }
}

fn wait_for(
    reports: &crossbeam_channel::Receiver<TimedReport>,
    wanted: impl Fn(&StationEvent) -> bool,
) -> TimedReport {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = reports.recv_deadline(deadline).unwrap();
        if wanted(&report.report.event) {
            return report;
        }
    }
}

/// Files of `folder` that are open in this process.
fn open_files(folder: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links
        .filter_map(|link| std::fs::read_link(link.ok()?.path()).ok())
        .filter(|to| to.starts_with(folder))
        .count()
}

#[test]
fn skipped_items_are_let_go_of() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec![tone(folder.path(), 440.0, 60), tone(folder.path(), 880.0, 60)];
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec(items, true), Vec::new()).unwrap();
    let reports = station.reports();
    for _ in 0..20 {
        wait_for(&reports, |event| matches!(event, StationEvent::NowPlaying { .. }));
        let skip = Request::Skip { tier: None, fade_s: None, curve: Default::default(), wait: None };
        station.request(When::Now, skip).unwrap();
    }
    wait_for(&reports, |event| matches!(event, StationEvent::NowPlaying { .. }));
    // The one on air, the next, and one that a worker is about to close.
    let deadline = Instant::now() + PATIENCE;
    while open_files(folder.path()) > 3 {
        assert!(Instant::now() < deadline, "{} files are still open", open_files(folder.path()));
        std::thread::yield_now();
    }
    host.shutdown(Duration::from_secs(1));
}

#[test]
fn the_bus_is_metered_until_the_meter_is_reset() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec(vec![tone(folder.path(), 1_000.0, 1)], false), Vec::new()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let metered = |wanted: &dyn Fn(&Levels) -> bool| {
        while !wanted(&station.levels()) {
            assert!(Instant::now() < deadline, "{:?}", station.levels());
            std::thread::yield_now();
        }
    };
    // A second at -12 LUFS, and then silence.
    let near = |level: Option<f32>| level.is_some_and(|level| (level + 12.0).abs() < 0.2);
    metered(&|levels| levels.peak_dbfs == [None; 2] && near(levels.max_true_peak_dbtp[0]));
    assert!(near(station.levels().max_momentary_lufs), "{:?}", station.levels());
    assert!(station.levels().integrated_lufs.is_some());
    station.reset_loudness();
    metered(&|levels| levels.max_true_peak_dbtp == [None; 2] && levels.integrated_lufs.is_none());
    host.shutdown(Duration::from_secs(1));
}

#[test]
fn a_missing_fallback_is_a_gentle_tone() {
    let nowhere = Fallback::File("/nowhere/fallback.mp3".into());
    for fallback in [Fallback::Tone, nowhere] {
        let spec = StationSpec { fallback, ..spec(Vec::new(), false) };
        let mut render = Render::new(spec, [], Some(u64::from(RATE) * 10)).unwrap();
        let mut audio = Vec::new();
        while let Some(block) = render.next_block().unwrap() {
            audio.extend_from_slice(block);
        }
        let mono = measure::channel(&audio, 0);
        let peak = mono.iter().fold(0.0_f64, |peak, sample| peak.max(sample.abs()));
        assert!((20.0 * peak.log10() + 30.0).abs() < 0.1, "{peak}");
        let hz = measure::tone(&mono[48_000..57_600], RATE, 440.0);
        assert!(hz.residual_db() < -15.0, "{}", hz.residual_db());
    }
}

#[test]
fn a_port_in_use_costs_one_output_and_an_id_in_use_the_station() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let format = Format::of(Codec::PcmS16);
    let http = OutputSpec {
        id: "page".into(),
        format,
        target: Target::Http {
            listen: taken.local_addr().unwrap(),
            path: "/live".into(),
            meta: MountMeta::default(),
            options: HttpOptions::default(),
        },
        passthrough: false,
    };
    let mut recording = RecordingConfig::new(folder.path().join("recordings"));
    recording.extension = "wav".into();
    let file =
        OutputSpec { id: "file".into(), format, target: Target::Recording(recording), passthrough: false };
    let host = Host::new(HostConfig::default()).unwrap();
    let items = vec![tone(folder.path(), 440.0, 60)];
    let station = host.add_station(spec(items.clone(), true), vec![http, file]).unwrap();
    let reports = station.reports();
    assert!(host.add_station(spec(items.clone(), true), Vec::new()).is_err());
    let page = station.outputs().into_iter().find(|output| output.id == "page").unwrap();
    assert!(page.stats.unwrap().last_error.unwrap().contains("in use"));
    let up = |event: &StationEvent| matches!(event, StationEvent::OutputHealth { output, health: Health::Up, .. } if output == "file");
    wait_for(&reports, up);
    station.stop(Duration::from_secs(5));
    let ended =
        |event: &StationEvent| matches!(event, StationEvent::ItemEnded { ending: Ending::Stopped, .. });
    wait_for(&reports, ended);
    // Its id is free again.
    host.add_station(spec(items, true), Vec::new()).unwrap();
    host.shutdown(Duration::from_secs(1));
}

#[test]
fn what_is_scheduled_is_heard_at_its_time_by_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    tone(folder.path(), 440.0, 60);
    tone(folder.path(), 880.0, 2);
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8);
    let ends = at + jiff::SignedDuration::from_secs(6);
    let file = folder.path().join("station.yaml");
    let text = format!(
        "station: {{ id: scheduled }}\nautomation: {{ playlist: [440.wav] }}\n\
         schedule:\n  - {{ at: \"{at}\", path: 880.wav }}\n  - {{ ends_at: \"{ends}\", path: 880.wav }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let (spec, _) = airchain::from_config::station(&airchain::config::load(&file).unwrap()).unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec, Vec::new()).unwrap();
    let reports = station.reports();
    let scheduled = |item: &Item| item.path.ends_with("880.wav");
    let begun =
        wait_for(&reports, |event| matches!(event, StationEvent::NowPlaying { item, .. } if scheduled(item)));
    let first_end =
        wait_for(&reports, |event| matches!(event, StationEvent::ItemEnded { item, .. } if scheduled(item)));
    let second_end =
        wait_for(&reports, |event| matches!(event, StationEvent::ItemEnded { item, .. } if scheduled(item)));
    host.shutdown(Duration::ZERO);
    // Unless blocks were missed, which moves the clock, to the nearest frame.
    for (told, wanted) in [(&begun, at), (&second_end, ends)] {
        let off_ns = (told.utc.as_nanosecond() - wanted.as_nanosecond()).abs();
        assert!(off_ns <= 1_000_000_000 / i128::from(RATE), "{} is off by {off_ns} ns", told.utc);
    }
    assert_eq!(first_end.report.frame - begun.report.frame, u64::from(2 * RATE));
}
