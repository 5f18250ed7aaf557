//! The as-run log on air: beside the reports and a recording of the same station, in files and in a database.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use airchain::as_run::{AsRunLog, LogFormat};
use airchain::codecs::decode::{self, Progress};
use airchain::codecs::{Codec, Format};
use airchain::core::control::When;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, Request, StationEvent};
use airchain::core::{Frames, Stereo};
use airchain::file::FileWriter;
use airchain::output::{OutputSpec, Target};
use airchain::outputs::recording::RecordingConfig;
use airchain::station::TimedReport;
use airchain::{Host, HostConfig, StationSpec};
use ebur128::{EbuR128, Mode};
use jiff::tz::TimeZone;
use serde_json::Value;
use testkit::signal;

const RATE: u32 = 48_000;
/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

fn tone(folder: &Path, id: &str, level_db: f64, seconds: f64) -> Item {
    let path = folder.join(format!("{id}.wav"));
    let tags = Metadata { title: Some(format!("Tone {id}")), ..Metadata::default() };
    let mut writer = FileWriter::create(&path, &Format::of(Codec::PcmF32), RATE, &tags).unwrap();
    let audio = signal::sine(RATE, 997.0, level_db, (seconds * f64::from(RATE)) as usize);
    writer.write(&audio).unwrap();
    writer.finish().unwrap();
    let mut metadata = tags;
    metadata.extra.insert("spot".into(), format!("S-{id}"));
    Item { id: id.into(), metadata, ..Item::file(path.display().to_string()) }
}

fn spec(id: &str, items: Vec<Item>, log: &Path, format: LogFormat) -> StationSpec {
    let programme = Box::new(Playlist::new(items, Order::Sequential, false, 0));
    let as_run = Some(AsRunLog::new(log, format, TimeZone::UTC).unwrap());
    StationSpec { id: id.into(), programme, as_run, ..StationSpec::default() }
}

/// Everything reported until `wanted`, and that.
fn reports_until(
    reports: &crossbeam_channel::Receiver<TimedReport>,
    wanted: impl Fn(&StationEvent) -> bool,
) -> Vec<TimedReport> {
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    loop {
        all.push(reports.recv_deadline(deadline).unwrap());
        if all.last().is_some_and(|report| wanted(&report.report.event)) {
            return all;
        }
    }
}

fn starts(id: &'static str) -> impl Fn(&StationEvent) -> bool {
    move |event| matches!(event, StationEvent::NowPlaying { item, .. } if item.id == id)
}

fn records(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What an output without delay received: the bus from its frame 0.
fn recorded(folder: &Path) -> Vec<Stereo> {
    let path = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut decoder = decode::open(&path).unwrap();
    let mut audio = Vec::new();
    while !matches!(decoder.decode(&mut audio).unwrap(), Progress::End) {}
    audio
}

#[test]
fn records_have_the_frames_of_the_reports_and_the_levels_of_the_bus() {
    let folder = tempfile::tempdir().unwrap();
    let item = |id, level_db, seconds| tone(folder.path(), id, level_db, seconds);
    let items = vec![
        item("a", -20.0, 1.2),
        item("b", -8.0, 1.0),
        item("c", -26.0, 60.0),
        item("d", -14.0, 60.0),
        item("e", -32.0, 60.0),
    ];
    let eas = item("eas", -4.0, 0.7);
    let log = folder.path().join("logs/as-run.jsonl");
    let spec = spec("wgmr", items, &log, LogFormat::Jsonl);
    // A latency that would show: half an item.
    let spec = StationSpec { latency_ms: 500.0, crossfade_s: 0.2, ..spec };
    let latency = 24_000;
    let mut recording = RecordingConfig::new(folder.path().join("recordings"));
    (recording.extension, recording.rotate_every_s) = ("wav".into(), 0);
    let format = Format::of(Codec::PcmF32);
    let output =
        OutputSpec { id: "file".into(), format, target: Target::Recording(recording), passthrough: false };
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec, vec![output]).unwrap();
    let reports = station.reports();
    let mut told = reports_until(&reports, starts("c"));
    let skip = Request::Skip { tier: None, fade_s: Some(0.1), curve: Default::default(), wait: None };
    station.request(When::At(told.last().unwrap().report.frame + 30_000), skip).unwrap();
    told.extend(reports_until(&reports, starts("d")));
    station.request(When::Now, Request::InsertEmergency { item: eas }).unwrap();
    told.extend(reports_until(&reports, starts("e")));
    // The last one is on air until the station ends. Half a second after its start the first of it is heard.
    let deadline = Instant::now() + PATIENCE;
    while station.elapsed_s().unwrap() < 0.5 {
        assert!(Instant::now() < deadline, "nothing is heard");
        std::thread::yield_now();
    }
    host.shutdown(Duration::from_secs(10));
    told.extend(reports.try_iter());

    let audio = recorded(&folder.path().join("recordings"));
    let records = records(&log);
    let endings: Vec<(&str, &str)> = records
        .iter()
        .map(|record| (record["item"]["id"].as_str().unwrap(), record["ending"].as_str().unwrap()))
        .collect();
    let wanted = [
        ("a", "finished"),
        ("b", "finished"),
        ("c", "skipped"),
        ("d", "preempted"),
        ("eas", "finished"),
        ("e", "stopped"),
    ];
    assert_eq!(endings, wanted);
    for record in &records {
        let id = record["item"]["id"].as_str().unwrap();
        let at = |ended: bool| {
            let is = |report: &&TimedReport| match &report.report.event {
                StationEvent::NowPlaying { item, started: true, .. } => !ended && item.id == id,
                StationEvent::ItemEnded { item, .. } => ended && item.id == id,
                _ => false,
            };
            let report = told.iter().find(is).unwrap();
            (report.report.frame, report.utc.to_string())
        };
        let field = |name: &str| record[name].as_u64().unwrap();
        let time = |name: &str| record[name].as_str().unwrap().to_owned();
        let (start, end): (Frames, Frames) = (field("start_frame"), field("end_frame"));
        assert_eq!((start, time("start_utc")), at(false), "{id}");
        assert_eq!((end, time("end_utc")), at(true), "{id}");
        assert_eq!(record["item"]["metadata"]["spot"], format!("S-{id}"));
        // The programme's frame leaves the bus that much later.
        let heard = &audio[(start + latency) as usize..((end + latency) as usize).min(audio.len())];
        assert_eq!(heard.len() as u64, end - start, "{id}");
        let mut loudness = EbuR128::new(2, RATE, Mode::I).unwrap();
        loudness.add_frames_f32(heard.as_flattened()).unwrap();
        let mut peaks = EbuR128::new(2, RATE, Mode::TRUE_PEAK).unwrap();
        peaks.seed_frames_f32(heard[..32].as_flattened()).unwrap();
        peaks.add_frames_f32(heard[32..].as_flattened()).unwrap();
        let lufs = loudness.loudness_global().unwrap();
        let said = record["integrated_lufs"].as_f64();
        // The one that the emergency cut off at once is shorter than what is gated.
        assert_eq!(said.is_none(), heard.len() < 19_200, "{id}");
        assert!(said.is_none_or(|said| (said - lufs).abs() < 0.05), "{id}: {said:?}, not {lufs} LUFS");
        let peak = 20.0 * peaks.true_peak(0).unwrap().log10();
        let said = record["true_peak_dbtp"].as_f64().unwrap();
        assert!((said - peak).abs() < 0.002, "{id}: {said}, not {peak} dBTP");
    }
    let eas = &records[4];
    assert!((eas["integrated_lufs"].as_f64().unwrap() + 4.0).abs() < 0.1, "{eas}");
    assert!((eas["true_peak_dbtp"].as_f64().unwrap() + 4.0).abs() < 0.1, "{eas}");
}

#[test]
fn a_log_that_hangs_holds_nothing_up_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("as-run.jsonl");
    // Whoever holds the file's lock makes the writer wait as a hanging disk does.
    let file = std::fs::File::create(&path).unwrap();
    file.lock().unwrap();
    let items: Vec<Item> =
        (0..6).map(|n| tone(folder.path(), &n.to_string(), -20.0 - f64::from(n), 0.3)).collect();
    let host = Host::new(HostConfig::default()).unwrap();
    let spec = spec("wgmr", items, &path, LogFormat::Jsonl);
    let reports = host.add_station(spec, Vec::new()).unwrap().reports();
    let is_last =
        |event: &StationEvent| matches!(event, StationEvent::ItemEnded { item, .. } if item.id == "5");
    let told = reports_until(&reports, is_last);
    assert!(!told.iter().any(|report| matches!(report.report.event, StationEvent::Dropout { .. })));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    file.unlock().unwrap();
    host.shutdown(Duration::from_secs(10));
    let records = records(&path);
    let ids: Vec<&Value> = records.iter().map(|record| &record["item"]["id"]).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5"]);
    assert!(records.windows(2).all(|pair| pair[0]["end_frame"] == pair[1]["start_frame"]));
}

#[cfg(feature = "sqlite")]
#[test]
fn stations_share_a_database_that_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("as-run.db");
    let host = Host::new(HostConfig::default()).unwrap();
    let mut received = Vec::new();
    for id in ["one", "two"] {
        let items = vec![
            tone(folder.path(), &format!("{id}-a"), -20.0, 0.6),
            tone(folder.path(), &format!("{id}-b"), -12.0, 0.6),
        ];
        let spec = spec(id, items, &log, LogFormat::Sqlite);
        received.push(host.add_station(spec, Vec::new()).unwrap().reports());
    }
    for reports in received {
        let is_last = |event: &StationEvent| matches!(event, StationEvent::ItemEnded { item, .. } if item.id.ends_with("-b"));
        reports_until(&reports, is_last);
    }
    host.shutdown(Duration::from_secs(10));
    let db = rusqlite::Connection::open(log).unwrap();
    let mut query = db
        .prepare(
            "SELECT station, title, start_frame, end_frame, integrated_lufs, true_peak_dbtp, item, ending, \
             unixepoch(end_utc, 'subsec') - unixepoch(start_utc, 'subsec') FROM as_run ORDER BY station, start_utc",
        )
        .unwrap();
    type Row = (String, String, i64, i64, f64, f64, String, String, f64);
    let rows =
        query.query_map([], |row| <Row>::try_from(row)).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let titles: Vec<(&str, &str)> = rows.iter().map(|row| (row.0.as_str(), row.1.as_str())).collect();
    let wanted = [("one", "Tone one-a"), ("one", "Tone one-b"), ("two", "Tone two-a"), ("two", "Tone two-b")];
    assert_eq!(titles, wanted);
    for (row, level) in rows.iter().zip([-20.0, -12.0, -20.0, -12.0]) {
        assert_eq!((row.3 - row.2, row.7.as_str()), (28_800, "finished"), "{row:?}");
        assert!((row.4 - level).abs() < 0.1 && (row.5 - level).abs() < 0.1, "{row:?}");
        assert!((row.8 - 0.6).abs() < 0.002, "{row:?}");
        let item: Item = serde_json::from_str(&row.6).unwrap();
        assert!(item.metadata.extra["spot"].starts_with("S-"), "{item:?}");
    }
}
