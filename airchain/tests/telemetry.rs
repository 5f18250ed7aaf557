//! Telemetry: figures that are right, a page that Prometheus reads, and events for those who want them.

#![allow(clippy::unwrap_used)]

#[path = "telemetry/exposition.rs"]
mod exposition;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::core::control::When;
use airchain::core::item::Item;
use airchain::core::playout::playlist::Order;
use airchain::core::playout::report::BufferHealth;
use airchain::core::playout::{LiveConfig, Playlist, Request, StationEvent};
use airchain::core::tier::Tier;
use airchain::input::{InputSource, InputSpec};
use airchain::inputs::webstream::WebstreamConfig;
use airchain::output::{HttpOptions, OutputSpec, Target};
use airchain::outputs::http::MountMeta;
use airchain::outputs::recording::RecordingConfig;
use airchain::outputs::sink::Health;
use airchain::telemetry::{HostTelemetry, Process, prometheus};
use airchain::{Host, HostConfig, Station, StationSpec, Telemetry};
use exposition::{Family, parse};
use testkit::file::tone;
use testkit::http;

const RATE: u32 = 48_000;
/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
const NASTY: &str = "a \"b\" \\ c\nd é 電 {x=\"y\"} #";

fn spec(id: &str, items: Vec<Item>) -> StationSpec {
    let programme = Box::new(Playlist::new(items, Order::Sequential, true, 0));
    StationSpec { id: id.into(), name: format!("{NASTY} of {id}"), programme, ..StationSpec::default() }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

fn listened(listen: SocketAddr, metrics: bool) -> OutputSpec {
    let options = HttpOptions { metrics, ..HttpOptions::default() };
    let target = Target::Http { listen, path: "/live.flac".into(), meta: MountMeta::default(), options };
    OutputSpec { id: "web".into(), format: Format::of(Codec::Flac), target, passthrough: false }
}

fn recorded(folder: &Path) -> OutputSpec {
    let target =
        Target::Recording(RecordingConfig { extension: "wav".into(), ..RecordingConfig::new(folder) });
    OutputSpec { id: NASTY.into(), format: Format::of(Codec::PcmS16), target, passthrough: false }
}

/// The first telemetry of a station that is as wanted.
fn until(station: &Station, what: &str, wanted: impl Fn(&Telemetry) -> bool) -> Telemetry {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let telemetry = station.telemetry();
        if wanted(&telemetry) {
            return telemetry;
        }
        assert!(Instant::now() < deadline, "no {what}: {telemetry:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn scrape(address: SocketAddr) -> BTreeMap<String, Family> {
    let answer = http::get(address, "/metrics").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    // No web page reads them, and if it asks nevertheless it is told nothing.
    assert_eq!(answer.header("access-control-allow-origin"), "");
    for header in ["Origin: https://example.org", "Sec-Fetch-Site: cross-site"] {
        let answer = http::get_with(address, "/metrics", header).unwrap();
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (404, ""), "{header}");
    }
    let preflight = http::request(address, "OPTIONS", "/metrics", None).unwrap();
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (405, ""));
    parse(std::str::from_utf8(&answer.body).unwrap())
}

#[test]
fn the_figures_of_a_station_are_those_of_its_audio() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let items = vec![tone(folder.path(), 1_000.0, 60)];
    let station = host.add_station(spec("one", items), vec![recorded(folder.path())]).unwrap();
    let mut stream = station.telemetry_stream();
    let seen = until(&station, "audio", |now| {
        now.outputs[0].stats.as_ref().is_some_and(|stats| stats.health == Health::Up) && now.cpu_s.air > 0.0
    });
    assert_eq!((seen.station.as_str(), seen.tier), ("one", Some(Tier::Automation)));
    let loud = until(&station, "loudness", |now| now.levels.short_term_lufs.is_some_and(|lufs| lufs > -12.2));
    assert!((loud.levels.momentary_lufs.unwrap() + 12.0).abs() < 0.2, "{:?}", loud.levels);
    assert!((loud.levels.rms_dbfs[1].unwrap() + 15.0).abs() < 0.2, "{:?}", loud.levels);
    // An item's ring holds a second and a half when it is full, and half a second at the least.
    let full = until(&station, "a full buffer", |now| now.buffer.fill > 0.4);
    assert_eq!(full.buffer.health, BufferHealth::Good);
    let frames = full.buffer.frames.unwrap();
    assert!((28_800..=72_000).contains(&frames), "{:?}", full.buffer);
    assert_eq!(full.buffer.ms, Some(frames as f64 / 48.0));
    assert!((full.buffer.fill - frames as f64 / 72_000.0).abs() < 1e-9, "{:?}", full.buffer);
    assert_eq!(
        full.on_air.as_ref().unwrap().item.path,
        Item::file(folder.path().join("1000.wav").display().to_string()).path
    );
    assert!(full.elapsed_s.unwrap() <= full.position_s && full.position_s <= full.uptime_s + 1.0, "{full:?}");

    let queue = Request::Queue(airchain::core::playout::QueueRequest::add(tone(folder.path(), 500.0, 1)));
    station.request(When::Now, queue).unwrap();
    let waiting = until(&station, "queue", |now| now.queue.automation >= 2 && now.counts.commands_done == 1);
    assert_eq!((waiting.queue.of(Tier::Emergency), waiting.counts.commands_failed), (0, 0));
    station.request(When::Now, Request::RemoveOutput { id: "none".into() }).unwrap();
    until(&station, "refusal", |now| now.counts.commands_failed == 1);
    let emergency = Request::InsertEmergency { item: tone(folder.path(), 700.0, 1) };
    station.request(When::Now, emergency).unwrap();
    until(&station, "emergency", |now| now.tier == Some(Tier::Emergency) && now.counts.emergencies == 1);
    let back = until(&station, "the automation again", |now| now.tier == Some(Tier::Automation));
    assert!(back.counts.items_played >= 2 && back.counts.tier_changes >= 3, "{:?}", back.counts);

    // Each second, and none is handed out twice.
    let first = stream.next_within(PATIENCE).unwrap();
    let second = stream.next_within(PATIENCE).unwrap();
    assert!(
        second.position >= first.position + u64::from(RATE) / 2,
        "{} {}",
        first.position,
        second.position
    );
    assert!(
        second.cpu_share.air > 0.0 && second.cpu_share.total >= second.cpu_share.air,
        "{:?}",
        second.cpu_share
    );
    assert!(second.worst_block_ms > 0.0);
    let (used, parts) = (second.cpu_s, [second.cpu_s.decode, second.cpu_s.encode, second.cpu_s.meter]);
    assert!(parts.iter().all(|part| *part > 0.0) && used.total > parts.iter().sum(), "{used:?}");
    assert_eq!(second.encoders, 1);
    host.shutdown(Duration::from_secs(5));
    while stream.next_within(PATIENCE).is_some() {}
}

#[test]
fn dead_air_is_told_of_in_figures_and_events() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let programme =
        Box::new(Playlist::new(vec![tone(folder.path(), 1_000.0, 1)], Order::Sequential, false, 0));
    let station = host.add_station(StationSpec { programme, ..StationSpec::default() }, Vec::new()).unwrap();
    let quiet = station.reports();
    let all = station.reports_and_loudness();
    let over = until(&station, "an end", |now| {
        now.finished && now.tier.is_none() && now.position > 3 * u64::from(RATE)
    });
    assert_eq!(
        (over.buffer.health, over.buffer.frames, over.counts.dead_airs),
        (BufferHealth::Dry, Some(0), 1)
    );
    assert!(over.on_air.is_none() && over.elapsed_s.is_none());
    let text = host.metrics();
    let page = parse(&text);
    assert_eq!(page["airchain_dead_air"].value(&[("station", "station")]), Some(1.0));
    assert!(!page.contains_key("airchain_loudness_momentary_lufs"), "silence has no loudness: {text}");
    host.shutdown(Duration::from_secs(1));
    let healths = |reports: &crossbeam_channel::Receiver<airchain::station::TimedReport>| {
        let events = reports.try_iter().map(|report| report.report.event).collect::<Vec<_>>();
        let loudness = events.iter().filter(|event| matches!(event, StationEvent::Loudness { .. })).count();
        let health = |event: &StationEvent| match event {
            StationEvent::BufferHealth { health, .. } => Some(*health),
            _ => None,
        };
        (events.iter().filter_map(health).collect::<Vec<_>>(), loudness)
    };
    let (health, loudness) = healths(&quiet);
    assert_eq!((health.first(), health.last()), (Some(&BufferHealth::Good), Some(&BufferHealth::Dry)));
    assert_eq!(loudness, 0, "only for those who ask");
    let (_, loudness) = healths(&all);
    assert!(loudness >= 2, "{loudness}");
}

#[test]
fn a_page_is_what_prometheus_reads() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let address = free_address();
    let ids = ["one", "two", NASTY];
    for (number, id) in ids.into_iter().enumerate() {
        let items = vec![tone(folder.path(), 1_000.0 + number as f64, 30)];
        let into = folder.path().join(number.to_string());
        let mut outputs = vec![recorded(&into)];
        outputs.extend((number == 0).then(|| listened(address, true)));
        host.add_station(spec(id, items), outputs).unwrap();
    }
    let up = |page: &BTreeMap<String, Family>| {
        let up = &page["airchain_output_up"].samples;
        up.len() == 4 && up.iter().all(|sample| sample.value == 1.0)
    };
    let deadline = Instant::now() + PATIENCE;
    let mut before = scrape(address);
    while !up(&before)
        || !before["airchain_frames_rendered_total"].samples.iter().all(|one| one.value > 48_000.0)
    {
        assert!(Instant::now() < deadline, "{before:?}");
        std::thread::sleep(Duration::from_millis(20));
        let now = scrape(address);
        for (name, family) in &before {
            if family.kind == "counter" {
                assert!(name.ends_with("_total"), "{name}");
                for sample in &family.samples {
                    let labels: Vec<_> =
                        sample.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                    let later = now[name].value(&labels);
                    assert!(
                        later >= Some(sample.value),
                        "{name}{labels:?} went back from {} to {later:?}",
                        sample.value
                    );
                }
            } else {
                assert!(!name.ends_with("_total"), "{name}");
            }
        }
        before = now;
    }
    for id in ids {
        let name = format!("{NASTY} of {id}");
        assert_eq!(before["airchain_station_info"].value(&[("station", id), ("name", &name)]), Some(1.0));
        let on_air = [("station", id), ("tier", "automation")];
        assert_eq!(before["airchain_tier_on_air"].value(&on_air), Some(1.0));
        assert_eq!(
            before["airchain_output_info"].value(&[
                ("station", id),
                ("output", NASTY),
                ("kind", "recording")
            ]),
            Some(1.0)
        );
        assert!(
            before["airchain_output_bytes_total"].value(&[("station", id), ("output", NASTY)]) > Some(0.0)
        );
    }
    assert_eq!(before["airchain_output_listeners"].samples.len(), 1, "only those of mounts are known");
    assert_eq!(before["airchain_stations"].samples[0].value, 3.0);
    // Nothing of this machine's files is told.
    let text = http::get(address, "/metrics").unwrap().text();
    assert!(!text.contains(&*folder.path().to_string_lossy()), "{text}");
    let head = http::request(address, "HEAD", "/metrics", None);
    let head = head.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    host.shutdown(Duration::from_secs(5));
}

#[test]
fn one_output_that_refuses_turns_the_metrics_of_its_listener_off() {
    let host = Host::new(HostConfig::default()).unwrap();
    let (open, closed) = (free_address(), free_address());
    host.add_station(spec("one", Vec::new()), vec![listened(closed, false)]).unwrap();
    host.add_station(spec("two", Vec::new()), vec![listened(open, true)]).unwrap();
    assert_eq!(http::get(closed, "/metrics").unwrap().status, 404);
    assert_eq!(scrape(open)["airchain_stations"].samples[0].value, 2.0);
    // Also by one that is refused for something else.
    let refused = free_address();
    let mut output = listened(refused, false);
    if let Target::Http { path, .. } = &mut output.target {
        *path = "no slash".into();
    }
    assert!(host.add_station(spec("three", Vec::new()), vec![output]).is_err());
    assert!(http::get(refused, "/metrics").is_ok_and(|answer| answer.status == 404));
    // Said once, it stays said.
    host.serve_metrics(closed).unwrap();
    assert_eq!(http::get(closed, "/metrics").unwrap().status, 404);
    let alone = host.serve_metrics(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    assert_eq!(scrape(alone)["airchain_stations"].samples[0].value, 2.0);
    host.shutdown(Duration::from_secs(1));
}

/// What there is of hundreds of stations is made of what there is of one, with other ids.
#[test]
fn hundreds_of_stations_are_one_page() {
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec("one", Vec::new()), vec![listened(free_address(), true)]).unwrap();
    let one = until(&station, "an output", |now| now.outputs[0].stats.is_some());
    host.shutdown(Duration::from_secs(1));
    let stations = (0..500).map(|number| Telemetry { station: format!("station-{number}"), ..one.clone() });
    let host = HostTelemetry { utc: one.utc, process: Process::default(), stations: stations.collect() };
    let page = parse(&prometheus::text(&host));
    for (name, family) in &page {
        let per_host = ["airchain_build_info", "airchain_stations"].contains(&name.as_str());
        assert!(per_host || family.samples.len() % 500 == 0 && !family.samples.is_empty(), "{name}");
    }
    assert!(!page.contains_key("airchain_process_threads"), "what the system does not tell has no sample");
    assert_eq!(page["airchain_output_up"].samples.len(), 500);
}

#[test]
fn every_metric_is_in_the_manual() {
    let manual = include_str!("../../docs/telemetry.md");
    let host = Host::new(HostConfig::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let station = host.add_station(
        spec("one", vec![tone(folder.path(), 1_000.0, 30)]),
        vec![listened(free_address(), true)],
    );
    let station = station.unwrap();
    let source = WebstreamConfig {
        id: "relay".into(),
        url: format!("http://{}/", free_address()),
        ..WebstreamConfig::default()
    };
    let source = InputSource::Webstream { config: source, buffer_s: 1.0, titles: true };
    let (id, live) = ("relay".to_owned(), LiveConfig::default());
    station.add_input(InputSpec { id, tier: None, fade_in_s: None, live, source }).unwrap();
    let mut now = until(&station, "loudness", |now| {
        now.levels.loudness_range_lu.is_some() && now.outputs[0].stats.is_some() && !now.inputs.is_empty()
    });
    // Known only while audio comes.
    now.inputs[0].feed.buffered_s = Some(1.0);
    let telemetry = HostTelemetry { stations: vec![now], ..host.telemetry() };
    let page = parse(&prometheus::text(&telemetry));
    let listed = |name: &str| manual.contains(&format!("| `{name}`"));
    for (name, family) in &page {
        assert!(listed(name), "docs/telemetry.md has no row for {name}");
        for label in family.samples.iter().flat_map(|sample| sample.labels.keys()) {
            let row = manual.lines().find(|line| line.starts_with(&format!("| `{name}`"))).unwrap();
            assert!(row.contains(&format!("`{label}`")), "{name}: {label} is not in its row");
        }
    }
    for row in manual.lines().filter_map(|line| line.strip_prefix("| `airchain_")) {
        let name = format!("airchain_{}", row.split('`').next().unwrap());
        assert!(page.contains_key(&name), "docs/telemetry.md has a row for {name}, which there is not");
    }
    let fields = serde_json::to_value(station.telemetry()).unwrap();
    for field in fields.as_object().unwrap().keys() {
        let mut rows =
            manual.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `airchain_"));
        assert!(
            rows.any(|row| row.contains(&format!("`{field}`"))),
            "docs/telemetry.md has no row for the field {field}"
        );
    }
    host.shutdown(Duration::from_secs(1));
}
