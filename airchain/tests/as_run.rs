//! The as-run log offline: who, from which frame to which, and how loud, beside a meter of the test's own over the output.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use airchain::StationSpec;
use airchain::as_run::{AsRun, Record};
use airchain::codecs::{Codec, Format};
use airchain::core::chain::{NodeSpec, ParamValue};
use airchain::core::control::Ending;
use airchain::core::item::{Item, Metadata};
use airchain::core::ladder::Return;
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, Report, StationEvent};
use airchain::core::presets;
use airchain::core::tier::Tier;
use airchain::core::{Frames, Stereo};
use airchain::file::FileWriter;
use airchain::offline::Render;
use airchain::script;
use airchain::spec::Fallback;
use ebur128::{EbuR128, Mode};
use testkit::signal;

const RATE: u32 = 48_000;
const SECOND: Frames = RATE as Frames;

fn tone(folder: &Path, name: &str, level_db: f64, seconds: f64) -> Item {
    wav(folder, name, &signal::sine(RATE, 997.0, level_db, (seconds * f64::from(RATE)) as usize))
}

fn wav(folder: &Path, name: &str, audio: &[Stereo]) -> Item {
    let path = folder.join(format!("{name}.wav"));
    let mut writer =
        FileWriter::create(&path, &Format::of(Codec::PcmF32), RATE, &Metadata::default()).unwrap();
    writer.write(audio).unwrap();
    writer.finish().unwrap();
    Item { id: name.into(), ..Item::file(path.display().to_string()) }
}

fn spec(items: Vec<Item>) -> StationSpec {
    let programme = Box::new(Playlist::new(items, Order::Sequential, false, 0));
    StationSpec { id: "wgmr".into(), programme, ..StationSpec::default() }
}

struct Heard {
    audio: Vec<Stereo>,
    reports: Vec<Report>,
    records: Vec<Record>,
}

fn render(spec: StationSpec, script: &str, duration: Option<Frames>) -> Heard {
    let log = AsRun::new(&spec);
    let mut render = Render::new(spec, script::parse(script, RATE).unwrap(), duration).unwrap();
    render.keep_as_run(log);
    let mut heard = Heard { audio: Vec::new(), reports: Vec::new(), records: Vec::new() };
    while let Some(block) = render.next_block().unwrap() {
        heard.audio.extend_from_slice(block);
        heard.records.extend(std::iter::from_fn(|| render.poll_record()));
    }
    heard.records.extend(std::iter::from_fn(|| render.poll_record()));
    heard.reports.extend(std::iter::from_fn(|| render.poll()));
    heard
}

/// Integrated loudness and true peak of a stretch of audio, without a histogram. The cut at its start is no waveform.
fn measured(audio: &[Stereo]) -> (f64, f64) {
    let mut loudness = EbuR128::new(2, RATE, Mode::I).unwrap();
    loudness.add_frames_f32(audio.as_flattened()).unwrap();
    let mut peaks = EbuR128::new(2, RATE, Mode::TRUE_PEAK).unwrap();
    peaks.seed_frames_f32(audio[..32].as_flattened()).unwrap();
    peaks.add_frames_f32(audio[32..].as_flattened()).unwrap();
    let peak = peaks.true_peak(0).unwrap().max(peaks.true_peak(1).unwrap());
    (loudness.loudness_global().unwrap(), 20.0 * peak.log10())
}

/// Each record says what a meter says that hears its frames of the output and nothing else.
fn assert_levels(heard: &Heard) {
    for record in &heard.records {
        let (start, end) = (record.start_frame as usize, record.end_frame as usize);
        let (lufs, dbtp) = measured(&heard.audio[start..end]);
        let (said, peak) = (record.integrated_lufs.unwrap(), record.true_peak_dbtp.unwrap());
        assert!((said - lufs).abs() < 0.02, "{}: {said} LUFS, not {lufs}", record.item.id);
        assert!((peak - dbtp).abs() < 0.002, "{}: {peak} dBTP, not {dbtp}", record.item.id);
        assert_eq!(record.duration_s, (end - start) as f64 / f64::from(RATE));
        assert_eq!((record.station.as_str(), record.start_utc), ("wgmr", None));
    }
}

/// Each record begins and ends where the reports say so.
fn assert_frames(heard: &Heard) {
    let at = |wanted: &dyn Fn(&StationEvent) -> bool| {
        let found: Vec<Frames> =
            heard.reports.iter().filter(|report| wanted(&report.event)).map(|report| report.frame).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    };
    for record in &heard.records {
        let start = at(
            &|event| matches!(event, StationEvent::NowPlaying { item, started: true, .. } if item.id == record.item.id),
        );
        let end = at(
            &|event| matches!(event, StationEvent::ItemEnded { item, ending, .. } if item.id == record.item.id && *ending == record.ending),
        );
        assert_eq!((record.start_frame, record.end_frame), (start, end), "{}", record.item.id);
    }
}

fn endings(heard: &Heard) -> Vec<(&str, Ending)> {
    heard.records.iter().map(|record| (record.item.id.as_str(), record.ending)).collect()
}

/// An emergency cuts a speaker off who goes on afterwards: a record for each stretch, and one for the music under both.
#[test]
fn a_speaker_has_a_record_for_each_stretch() {
    let folder = tempfile::tempdir().unwrap();
    let [music, voice, eas] =
        [("music", 20.0), ("voice", 8.0), ("eas", 3.0)].map(|(name, s)| tone(folder.path(), name, -20.0, s));
    let script = format!(
        "{}\n{}",
        serde_json::json!({"at": 2.0, "command": "play", "tier": "live_override", "item": voice}),
        serde_json::json!({"at": 5.0, "command": "insert_emergency", "item": eas})
    );
    let ducking = NodeSpec { node: "ducking".into(), ..NodeSpec::default() };
    let heard = render(StationSpec { chain: vec![ducking], ..spec(vec![music]) }, &script, Some(20 * SECOND));
    let stretches = |id: &str| -> Vec<(u32, Ending, Frames)> {
        let of = heard.records.iter().filter(|record| record.item.id == id);
        of.map(|record| (record.part, record.ending, record.start_frame)).collect()
    };
    let voice = [(1, Ending::Preempted, 2 * SECOND), (2, Ending::Finished, 8 * SECOND)];
    assert_eq!(stretches("voice"), voice);
    assert_eq!(stretches("eas"), [(1, Ending::Finished, 5 * SECOND)]);
    assert_eq!(stretches("music")[0], (1, Ending::Preempted, 0));
}

#[test]
fn every_item_is_logged_with_its_frames_and_levels_as_aired() {
    let folder = tempfile::tempdir().unwrap();
    let item = |name, level_db, seconds| tone(folder.path(), name, level_db, seconds);
    let items = vec![
        item("a", -20.0, 6.0),
        item("b", -14.0, 20.0),
        item("c", -30.0, 20.0),
        item("d", -8.0, 2.0),
        item("short", -20.0, 0.3),
    ];
    let eas = item("eas", -10.0, 3.0);
    let script = format!(
        "{}\n{}",
        r#"{"at": 9.0, "command": "skip", "fade_s": 0.5}"#,
        serde_json::json!({"at": 14.1, "command": "insert_emergency", "item": eas})
    );
    // The gain shows that the bus is measured, not the items; the latency is longer than the short item.
    let gain =
        NodeSpec { node: "gain".into(), config: [("gain_db".to_owned(), ParamValue::Number(3.0))].into() };
    let chain = [vec![gain], presets::find("safe").unwrap().nodes()].concat();
    let spec = StationSpec { crossfade_s: 1.0, chain, latency_ms: 500.0, ..spec(items) };
    let heard = render(spec, &script, None);
    let wanted = [
        ("a", Ending::Finished),
        ("b", Ending::Skipped),
        ("c", Ending::Preempted),
        ("eas", Ending::Finished),
        ("d", Ending::Finished),
        ("short", Ending::Finished),
    ];
    assert_eq!(endings(&heard), wanted);
    assert_frames(&heard);
    let short = heard.records.last().unwrap().clone();
    assert_eq!((short.integrated_lufs, short.duration_s), (None, 0.3));
    let heard = Heard { records: heard.records[..5].to_vec(), ..heard };
    assert_levels(&heard);
    let [a, b, c, eas, d] = heard.records.as_slice() else { panic!() };
    assert_eq!((a.start_frame, a.end_frame, b.start_frame), (0, 6 * SECOND, 5 * SECOND));
    assert_eq!((b.end_frame, c.start_frame), (9 * SECOND + SECOND / 2, 9 * SECOND));
    assert_eq!((c.end_frame, eas.start_frame), (eas.start_frame + 240, 676_800));
    assert_eq!((eas.end_frame, d.start_frame), (eas.start_frame + 3 * SECOND, eas.end_frame));
    assert_eq!((eas.tier, d.tier), (Tier::Emergency, Tier::Automation));
    // A sine of -20 dBFS on both channels is -20 LUFS, here with 3 dB of gain. One that nothing overlaps:
    assert!((eas.integrated_lufs.unwrap() + 7.0).abs() < 0.1, "{eas:?}");
    assert!((eas.true_peak_dbtp.unwrap() + 7.0).abs() < 0.1, "{eas:?}");
    // The quiet one is loud where the one before it fades out, which is gated for what it is.
    assert!(c.true_peak_dbtp.unwrap() > -13.0 && c.integrated_lufs.unwrap() < -20.0, "{c:?}");
}

#[test]
fn an_item_that_is_interrupted_and_goes_on_has_a_record_for_each_stretch() {
    let folder = tempfile::tempdir().unwrap();
    let item = |name, level_db, seconds| tone(folder.path(), name, level_db, seconds);
    let items = vec![item("a", -26.0, 8.0)];
    let (eas, live) = (item("eas", -10.0, 2.0), item("live", -6.0, 3.0));
    let fallback = Fallback::File(item("fallback", -40.0, 5.0).path.into());
    let script = format!(
        "{}\n{}",
        serde_json::json!({"frame": 100_001, "command": "insert_emergency", "item": eas}),
        serde_json::json!({"frame": 300_000, "command": "play", "tier": "live_override", "item": live})
    );
    let spec = StationSpec { after_interruption: Return::Resume, fallback, latency_ms: 200.0, ..spec(items) };
    let heard = render(spec, &script, Some(16 * SECOND));
    let got: Vec<_> = heard
        .records
        .iter()
        .map(|record| {
            let Record { item, part, start_frame, end_frame, ending, .. } = record;
            (
                Path::new(&item.path).file_stem().unwrap().to_str().unwrap(),
                *part,
                *start_frame,
                *end_frame,
                *ending,
            )
        })
        .collect();
    // Of its eight seconds it has been heard to the end of the fades over it, 5 ms and one second.
    let back = 300_000 + 3 * SECOND;
    let end = back + 8 * SECOND - (100_001 + 240) - (300_000 - 196_001) - SECOND;
    assert_eq!(
        got,
        [
            ("a", 1, 0, 100_241, Ending::Preempted),
            ("eas", 1, 100_001, 196_001, Ending::Finished),
            ("a", 2, 196_001, 300_000 + SECOND, Ending::Preempted),
            ("live", 1, 300_000, back, Ending::Finished),
            ("a", 3, back, end, Ending::Finished),
            // It goes on until the output is cut.
            ("fallback", 1, end, 16 * SECOND, Ending::Stopped),
        ]
    );
    assert_levels(&heard);
    // None of the emergency is in the stretches beside it.
    assert!((heard.records[0].integrated_lufs.unwrap() + 26.0).abs() < 0.1);
}

#[test]
fn the_cut_between_two_items_is_taken_for_no_peak() {
    let folder = tempfile::tempdir().unwrap();
    // One fades in where the other is at its crest, and one follows where the other was just cut off there.
    let crest = 12.0 / f64::from(RATE);
    for (crossfade_s, levels) in [(1.0, [-6.0, -6.0]), (0.0, [-6.0, -40.0])] {
        let items = [("a", -6.0, 3.0 + crest), ("b", -40.0, 3.0)].map(|(name, level_db, seconds)| {
            let audio = signal::sine(RATE, 1000.0, level_db, (seconds * f64::from(RATE)).round() as usize);
            wav(folder.path(), name, &audio)
        });
        let heard = render(StationSpec { crossfade_s, ..spec(items.to_vec()) }, "", None);
        for (record, level) in heard.records.iter().zip(levels) {
            let peak = record.true_peak_dbtp.unwrap();
            assert!((peak - level).abs() < 0.1, "{}: {peak} dBTP", record.item.id);
        }
    }
}

/// What the log makes of reports and audio that are told it by hand.
struct Desk {
    log: AsRun,
    at: Frames,
}

impl Desk {
    fn new() -> Self {
        Self { log: AsRun::new(&spec(Vec::new())), at: 0 }
    }

    fn tell(&mut self, frame: Frames, event: StationEvent) {
        self.log.told(&Report { frame, at: 0.0, event }, "2026-11-28T12:00:00Z".parse().ok());
    }

    fn start(&mut self, frame: Frames, id: &str, started: bool) {
        let item = Item { id: id.into(), ..Item::file(format!("{id}.wav")) };
        self.tell(
            frame,
            StationEvent::NowPlaying { tier: Tier::Automation, item, started, over: false, duration_s: None },
        );
    }

    fn end(&mut self, frame: Frames, id: &str) {
        let item = Item { id: id.into(), ..Item::file(format!("{id}.wav")) };
        let (tier, ending) = (Tier::Automation, Ending::Finished);
        self.tell(frame, StationEvent::ItemEnded { tier, item, ending, played_s: 0.0 });
    }

    fn hear(&mut self, audio: &[Stereo]) {
        self.log.hear(self.at, audio);
        self.at += audio.len() as Frames;
    }

    fn records(mut self) -> Vec<(String, Frames, Frames, Option<f64>)> {
        self.log.finish();
        let record =
            |record: Record| (record.item.id, record.start_frame, record.end_frame, record.integrated_lufs);
        std::iter::from_fn(|| self.log.poll()).map(record).collect()
    }
}

#[test]
fn an_item_that_is_played_again_over_its_own_end_is_two() {
    let mut desk = Desk::new();
    desk.start(0, "jingle", true);
    desk.hear(&[[0.5; 2]; 900]);
    // Another title for the item on air is no start.
    desk.start(950, "jingle", false);
    desk.start(1000, "jingle", true);
    desk.hear(&[[0.5; 2]; 600]);
    desk.end(1500, "jingle");
    desk.end(2500, "jingle");
    desk.hear(&[[0.5; 2]; 1500]);
    let spans: Vec<_> = desk.records().into_iter().map(|(_, start, end, _)| (start, end)).collect();
    assert_eq!(spans, [(0, 1500), (1000, 2500)]);
}

#[test]
fn a_tier_that_holds_its_item_is_off_the_air_and_one_that_holds_none_fades_out_in_its_own_time() {
    let fallback = |desk: &mut Desk, frame, held| {
        let (from, to) = (Some(Tier::Automation), Some(Tier::Fallback));
        desk.tell(frame, StationEvent::PriorityChanged { from, to, held });
    };
    let back = |desk: &mut Desk, frame| {
        let (from, to) = (Some(Tier::Fallback), Some(Tier::Automation));
        desk.tell(frame, StationEvent::PriorityChanged { from, to, held: None });
    };
    let mut desk = Desk::new();
    desk.start(0, "a", true);
    // Its source has run short, and delivers again.
    fallback(&mut desk, 1000, Some(240));
    back(&mut desk, 3000);
    desk.start(3000, "a", false);
    // It is stopped, and fades.
    fallback(&mut desk, 5000, None);
    desk.hear(&[[0.5; 2]; 6000]);
    desk.end(8000, "a");
    desk.hear(&[[0.5; 2]; 4000]);
    let spans: Vec<_> = desk.records().into_iter().map(|(_, start, end, _)| (start, end)).collect();
    assert_eq!(spans, [(0, 1240), (3000, 8000)]);
}

#[test]
fn values_that_are_no_numbers_spoil_nothing() {
    let mut desk = Desk::new();
    desk.start(0, "a", true);
    let mut audio = signal::sine(RATE, 997.0, -20.0, 3 * RATE as usize);
    audio[70_000] = [f32::NAN, f32::INFINITY];
    desk.hear(&audio);
    let records = desk.records();
    assert!((records[0].3.unwrap() + 20.0).abs() < 0.1, "{records:?}");
}

#[test]
fn what_was_not_heard_before_the_end_is_not_logged() {
    let mut desk = Desk::new();
    desk.start(0, "a", true);
    desk.start(900, "b", true);
    desk.start(1200, "c", true);
    desk.end(1000, "a");
    desk.hear(&[[0.5; 2]; 1000]);
    // The end of the programme comes with its last frame.
    desk.end(1000, "b");
    desk.end(1000, "c");
    let spans: Vec<_> = desk.records().into_iter().map(|(id, start, end, _)| (id, start, end)).collect();
    assert_eq!(spans, [("a".to_owned(), 0, 1000), ("b".to_owned(), 900, 1000)]);
}

#[test]
fn a_render_that_begins_at_a_time_has_it_in_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec![tone(folder.path(), "a", -20.0, 1.5), tone(folder.path(), "b", -20.0, 0.5)];
    let start_ns = 1_795_867_200_000_000_000; // 2026-11-28T12:00:00Z
    let heard = render(StationSpec { start_ns, ..spec(items) }, "", None);
    let times: Vec<String> =
        heard.records.iter().map(|record| record.start_utc.unwrap().to_string()).collect();
    assert_eq!(times, ["2026-11-28T12:00:00Z", "2026-11-28T12:00:01.5Z"]);
}
