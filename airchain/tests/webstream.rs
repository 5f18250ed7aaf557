//! A station relayed by another, over a real Icecast server: heard, titled, moved to another URL, lost and back.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::core::control::When;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, Request, StationEvent};
use airchain::core::tier::Tier;
use airchain::file::FileWriter;
use airchain::outputs::icecast::IcecastConfig;
use airchain::station::TimedReport;
use airchain::{Host, HostConfig, OutputSpec, Station, StationSpec, Target, config, from_config};
use crossbeam_channel::Receiver;
use serde_json::json;
use testkit::icecast::Icecast;
use testkit::{measure, signal};

const RATE: u32 = 48_000;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A station that plays a tone on a mount of the server.
fn upstream(host: &Host, folder: &Path, server: &Icecast, mount: &str, format: Format, hz: f64) -> Station {
    let path = folder.join(format!("{hz}.wav"));
    let wave = Format::of(Codec::PcmF32);
    let mut writer = FileWriter::create(&path, &wave, RATE, &Metadata::default()).unwrap();
    // Whole periods, so that it goes on without a click when it begins again.
    writer.write(&signal::sine(RATE, hz, -12.0, 10 * RATE as usize)).unwrap();
    writer.finish().unwrap();
    let item = Item::file(path.display().to_string());
    let programme = Box::new(Playlist::new(vec![item], Order::Sequential, true, 0));
    let spec =
        StationSpec { id: mount.trim_start_matches('/').to_owned(), programme, ..StationSpec::default() };
    let config = IcecastConfig { url: server.url(mount), ..IcecastConfig::default() };
    let output = OutputSpec { id: "out".into(), format, target: Target::Icecast(config), passthrough: false };
    let station = host.add_station(spec, vec![output]).unwrap();
    until(|| server.is_on_air(mount), || format!("{mount} is not on air"));
    station
}

fn until(mut so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn listening(server: &Icecast, mount: &str) -> String {
    format!("http://{}{mount}", server.address())
}

/// A station that relays `url`, silent when it has nothing.
fn relay(host: &Host, url: &str, buffer_s: u32) -> (Station, Receiver<TimedReport>) {
    let text = format!(
        "station: {{ id: relay }}\nfailover: {{ fallback_tone: false }}\n\
         inputs: [{{ type: webstream, id: upstream, url: \"{url}\", buffer_sec: {buffer_s}, retry_max_sec: 1 }}]"
    );
    let config = config::parse(&text, "relay").unwrap();
    let (spec, outputs) = from_config::station(&config).unwrap();
    let station = host.add_station(spec, outputs).unwrap();
    let reports = station.reports();
    (station, reports)
}

fn await_event(reports: &Receiver<TimedReport>, wanted: impl Fn(&StationEvent) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted(&reports.recv_deadline(deadline).expect("it never happened").report.event) {}
}

fn takes(tier: Tier) -> impl Fn(&StationEvent) -> bool {
    move |event| matches!(event, StationEvent::PriorityChanged { to, .. } if *to == Some(tier))
}

/// Half a second of what leaves the station, from where it is that tone and nothing else.
fn hears(station: &Station, hz: f64) {
    let mut tap = station.tap(2.0).unwrap();
    let mut block = vec![[0.0; 2]; RATE as usize / 2];
    until(
        || {
            until(|| tap.available() >= block.len(), || "nothing leaves the station".into());
            tap.read(&mut block);
            let tone = measure::tone(&measure::channel(&block, 0), RATE, hz);
            tone.residual_db() < -30.0 && (tone.level_db() + 12.0).abs() < 0.5
        },
        || format!("{hz} Hz is not heard: {:?}", station.inputs()),
    );
}

#[test]
fn a_station_is_relayed_with_its_titles_and_moved_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let server = Icecast::start(10);
    let host = Host::new(HostConfig::default()).unwrap();
    let mp3 = Format { sample_rate_hz: 44_100, ..Format::of(Codec::Mp3) };
    let first = upstream(&host, folder.path(), &server, "/utf8.mp3", mp3, 1_000.0);
    let (station, reports) = relay(&host, &listening(&server, "/utf8.mp3"), 6);
    await_event(&reports, takes(Tier::LiveScheduled));
    hears(&station, 1_000.0);
    let cpu_s = station.telemetry().cpu_s;
    assert!(cpu_s.decode > 0.0, "it has nothing else to decode: {cpu_s:?}");

    let title = Metadata {
        artist: Some("Mörk".into()),
        title: Some("Låt \"1\"; it's".into()),
        ..Metadata::default()
    };
    let retitle = Request::SetMetadata { metadata: title.clone() };
    first.request(When::Now, retitle).unwrap();
    await_event(&reports, |event| match event {
        StationEvent::NowPlaying { item, .. } => item.metadata.one_line() == title.one_line(),
        _ => false,
    });

    // Another codec, another rate: the old connection runs until the new one brings audio.
    let opus = Format::of(Codec::Opus);
    let _second = upstream(&host, folder.path(), &server, "/other.opus", opus, 1_500.0);
    station.set_input_urls("upstream", &[listening(&server, "/other.opus")]).unwrap();
    hears(&station, 1_500.0);
    let status = station.inputs().remove(0);
    assert_eq!((status.feed.codec, status.feed.joins), (Some("opus"), 1), "{status:?}");
    let lost = |report: TimedReport| matches!(report.report.event, StationEvent::SourceFailed { .. });
    assert!(!reports.try_iter().any(lost));

    assert!(station.set_input_urls("upstream", &["rtsp://x/".into()]).is_err());
    assert!(station.remove_input("nobody").unwrap_err().to_string().contains("[\"upstream\"]"));
    station.remove_input("upstream").unwrap();
    await_event(&reports, |event| matches!(event, StationEvent::ItemEnded { .. }));
    // Its name is free.
    let input = json!({"type": "webstream", "id": "upstream", "url": listening(&server, "/utf8.mp3"), "buffer_sec": 2});
    let again = from_config::input(input.as_object().unwrap()).unwrap();
    station.add_input(again.clone()).unwrap();
    assert!(station.add_input(again).unwrap_err().to_string().contains("upstream"));
    hears(&station, 1_000.0);
    station.remove_input("upstream").unwrap();
    assert!(station.inputs().is_empty());
    host.shutdown(Duration::from_secs(2));
}

#[test]
fn a_server_that_is_killed_is_silence_and_comes_back_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Icecast::start(10);
    let host = Host::new(HostConfig::default()).unwrap();
    let aac = Format::of(Codec::HeAacV1);
    let _upstream = upstream(&host, folder.path(), &server, "/live.aac", aac, 1_000.0);
    let (station, reports) = relay(&host, &listening(&server, "/live.aac"), 2);
    await_event(&reports, takes(Tier::LiveScheduled));
    hears(&station, 1_000.0);
    server.kill();
    await_event(&reports, |event| matches!(event, StationEvent::SourceFailed { .. }));
    until(|| server.restart(), || "icecast2 does not start again".into());
    await_event(&reports, takes(Tier::LiveScheduled));
    hears(&station, 1_000.0);
    let status = station.inputs().remove(0);
    assert!(status.link.connects >= 2 && status.link.failures >= 1, "{status:?}");
    host.shutdown(Duration::from_secs(2));
}
