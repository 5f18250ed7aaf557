//! The command log of a run on air, rendered: the same programme, frame for frame.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use airchain::codecs::decode::{self, Progress};
use airchain::codecs::{Codec, Format};
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Moment, Playlist, Request, StationEvent};
use airchain::core::tier::Tier;
use airchain::core::{Frames, Stereo};
use airchain::file::FileWriter;
use airchain::offline::Render;
use airchain::output::{OutputSpec, Target};
use airchain::outputs::recording::RecordingConfig;
use airchain::spec::Fallback;
use airchain::station::TimedReport;
use airchain::{Host, HostConfig, StationSpec, script};
use testkit::signal;

const RATE: u32 = 48_000;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tone at another rate than the station's, so that joins depend on what follows what.
fn tone(folder: &Path, hz: f64, seconds: f64) -> String {
    let path = folder.join(format!("{hz}.wav"));
    let format = Format { sample_rate_hz: 44_100, ..Format::of(Codec::PcmF32) };
    let mut writer = FileWriter::create(&path, &format, 44_100, &Metadata::default()).unwrap();
    writer.write(&signal::sine(44_100, hz, -12.0, (44_100.0 * seconds) as usize)).unwrap();
    writer.finish().unwrap();
    path.display().to_string()
}

fn spec(folder: &Path, playlist: &[String]) -> StationSpec {
    let items = playlist.iter().map(Item::file).collect();
    StationSpec {
        crossfade_s: 0.3,
        fallback: Fallback::File(folder.join("100.wav")),
        programme: Box::new(Playlist::new(items, Order::Shuffle, true, fastrand::u64(..))),
        command_log: true,
        ..StationSpec::default()
    }
}

fn read(path: &Path) -> Vec<Stereo> {
    let mut decoder = decode::open(path).unwrap();
    let mut audio = Vec::new();
    while decoder.decode(&mut audio).unwrap() == Progress::More {}
    audio
}

/// What a run on air left: its audio, its command log and what it said.
struct Run {
    audio: Vec<Stereo>,
    log: String,
    reports: Vec<TimedReport>,
}

fn on_air(folder: &Path, playlist: &[String], script: &str) -> Run {
    let recordings = folder.join("recordings");
    let mut recording = RecordingConfig::new(&recordings);
    recording.extension = "wav".into();
    let format = Format { sample_rate_hz: RATE, ..Format::of(Codec::PcmF32) };
    let output =
        OutputSpec { id: "file".into(), format, target: Target::Recording(recording), passthrough: false };
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec(folder, playlist), vec![output]).unwrap();
    let (reports, commands) = (station.reports(), station.commands());
    let requests = script::parse(script, RATE).unwrap();
    for (moment, request) in requests {
        // On air, at a moment that nobody planned.
        let Moment::Frame(frame) = moment else { unreachable!() };
        let deadline = Instant::now() + PATIENCE;
        while station.position() < frame && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        station.request(Moment::Now, request).unwrap();
    }
    let end = station.position() + 2 * Frames::from(RATE);
    while station.position() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    host.shutdown(Duration::from_secs(5));
    let file = std::fs::read_dir(&recordings).unwrap().next().unwrap().unwrap().path();
    let log = commands.try_iter().map(|line| serde_json::to_string(&line).unwrap() + "\n").collect();
    let run = Run { audio: read(&file), log, reports: reports.try_iter().collect() };
    std::fs::remove_dir_all(recordings).unwrap();
    run
}

#[test]
fn a_run_on_air_is_rendered_again_frame_for_frame() {
    let folder = tempfile::tempdir().unwrap();
    let file = |hz: f64, seconds: f64| tone(folder.path(), hz, seconds);
    let _fallback = file(100.0, 1.0);
    let playlist: Vec<String> = (3..9).map(|n| file(f64::from(n) * 210.0, 0.9)).collect();
    let (queued, emergency, live, played) =
        (file(2_000.0, 0.7), file(2_500.0, 0.4), file(3_000.0, 0.8), file(3_500.0, 0.8));
    let script = format!(
        r#"{{"at": 0.4, "command": "queue", "item": {{"path": "{queued}", "id": "q1"}}}}
        {{"at": 0.5, "command": "queue", "op": "insert", "index": 1, "item": {{"path": "{queued}", "id": "q2"}}}}
        {{"at": 0.6, "command": "queue", "op": "move", "id": "q2", "index": 0}}
        {{"at": 1.1, "command": "skip", "fade_s": 0.2}}
        {{"at": 1.7, "command": "insert_emergency", "item": {{"path": "{emergency}"}}}}
        {{"at": 2.6, "command": "fade", "gain_db": -6, "duration_s": 0.3, "curve": "s_curve"}}
        {{"at": 2.8, "command": "play", "tier": "live_override", "item": {{"path": "{live}"}}}}
        {{"at": 3.0, "command": "set_chain", "nodes": [{{"type": "gain", "config": {{"gain_db": -2}}}}]}}
        {{"at": 3.3, "command": "set_param", "node": "gain", "param": "gain_db", "value": -1}}
        {{"at": 4.0, "command": "queue", "op": "remove", "id": "q1"}}
        {{"at": 4.1, "command": "play", "item": {{"path": "{played}", "metadata": {{"title": "now"}}}}}}
        {{"at": 4.4, "command": "stop", "tier": "automation", "fade_s": 0.1}}
        {{"at": 4.9, "command": "queue", "item": {{"path": "{queued}"}}}}"#
    );
    // A machine that is too busy to decode in time gives dropouts, and those no log can tell of.
    let mut tries = (0..10).map(|_| on_air(folder.path(), &playlist, &script));
    let dropout = |run: &Run| {
        run.reports.iter().any(|report| matches!(report.report.event, StationEvent::Dropout { .. }))
    };
    let run = tries.find(|run| !dropout(run)).unwrap();

    // Another playlist, in another order: it is the log that counts.
    let log = script::parse(&run.log, RATE).unwrap();
    assert_eq!(log.first().map(|line| &line.1), Some(&Request::Replay), "{}", run.log);
    let again = spec(folder.path(), &playlist[..2]);
    let latency = (again.latency_ms * f64::from(RATE) / 1000.0) as usize;
    let frames = run.audio.len() - latency;
    let mut render = Render::new(again, log, Some(frames as Frames)).unwrap();
    let mut audio = Vec::new();
    while let Some(block) = render.next_block().unwrap() {
        audio.extend_from_slice(block);
    }
    let aired = &run.audio[latency..];
    let first = audio.iter().zip(aired).position(|(again, aired)| again != aired);
    assert_eq!(first, None, "of {frames} frames; {}", run.log);

    // What was heard when is the same too.
    let starts = |event: &StationEvent| match event {
        StationEvent::NowPlaying { tier, item, .. } => Some((*tier, item.id.clone())),
        _ => None,
    };
    let mut on_air: Vec<_> =
        run.reports.iter().filter_map(|r| Some((r.report.frame, starts(&r.report.event)?))).collect();
    on_air.retain(|start| start.0 < frames as Frames);
    let again: Vec<_> = std::iter::from_fn(|| render.poll())
        .filter_map(|report| Some((report.frame, starts(&report.event)?)))
        .collect();
    assert_eq!(again, on_air);
    let heard = |id: &str| on_air.iter().any(|start| start.1.1 == id);
    assert!(heard("q2") && on_air.iter().any(|start| start.1.0 == Tier::Emergency), "{on_air:?}");
}
