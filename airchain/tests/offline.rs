//! Whole programmes rendered offline from real files, checked as audio.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use airchain::StationSpec;
use airchain::codecs::{Codec, Format};
use airchain::core::chain::{NodeSpec, ParamValue};
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Moment, Playlist, Report, Request, StationEvent};
use airchain::core::tier::Tier;
use airchain::core::{Frames, Stereo};
use airchain::file::FileWriter;
use airchain::offline::Render;
use airchain::script;
use airchain::spec::Fallback;
use testkit::{measure, signal};

const RATE: u32 = 48_000;

/// A WAV file (32-bit float, so that what was written is what is read).
fn wav(folder: &Path, name: &str, frames: &[Stereo]) -> String {
    let path = folder.join(name);
    let format = Format::of(Codec::PcmF32);
    let mut writer = FileWriter::create(&path, &format, RATE, &Metadata::default()).unwrap();
    writer.write(frames).unwrap();
    writer.finish().unwrap();
    path.display().to_string()
}

fn tone(folder: &Path, hz: f64, frames: usize) -> String {
    wav(folder, &format!("{hz}.wav"), &signal::sine(RATE, hz, -6.0, frames))
}

fn spec(items: Vec<Item>, crossfade_s: f64) -> StationSpec {
    let programme = Box::new(Playlist::new(items, Order::Sequential, false, 0));
    StationSpec { crossfade_s, programme, ..StationSpec::default() }
}

fn render(spec: StationSpec, script: &str, duration: Option<Frames>) -> (Vec<Stereo>, Vec<Report>) {
    let script = script::parse(script, RATE).unwrap();
    let mut render = Render::new(spec, script, duration).unwrap();
    let mut audio = Vec::new();
    let mut reports = Vec::new();
    while let Some(block) = render.next_block().unwrap() {
        audio.extend_from_slice(block);
    }
    reports.extend(std::iter::from_fn(|| render.poll()));
    (audio, reports)
}

/// Where each item became audible.
fn starts(reports: &[Report]) -> Vec<(Frames, String)> {
    let start = |report: &Report| match &report.event {
        StationEvent::NowPlaying { item, .. } => {
            let name = PathBuf::from(&item.path).file_name().unwrap().to_string_lossy().into_owned();
            Some((report.frame, name))
        }
        _ => None,
    };
    reports.iter().filter_map(start).collect()
}

#[test]
fn the_output_is_the_items_frames_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let noise = signal::noise(7, -6.0, 100_003);
    let items = [(0, 33_333), (33_333, 33_334), (33_334, 100_003)]
        .map(|(from, to)| Item::file(wav(folder.path(), &format!("{from}.wav"), &noise[from..to])));
    let (audio, reports) = render(spec(items.to_vec(), 0.0), "", None);
    assert_eq!(audio.len(), noise.len());
    assert!(audio == noise, "the joined items are not the whole they were cut from");
    let frames: Vec<Frames> = starts(&reports).iter().map(|start| start.0).collect();
    assert_eq!(frames, [0, 33_333, 33_334]);
}

#[test]
fn a_crossfade_between_two_sines_does_not_splatter() {
    let folder = tempfile::tempdir().unwrap();
    for seconds in [0.05, 0.5, 3.0] {
        let items = vec![
            Item::file(tone(folder.path(), 440.0, 240_000)),
            Item::file(tone(folder.path(), 1000.0, 240_000)),
        ];
        let (audio, reports) = render(spec(items, seconds), "", None);
        let start = starts(&reports)[1].0 as usize;
        assert_eq!(start, 240_000 - (seconds * 48_000.0) as usize);
        let fade = (seconds * 48_000.0) as usize;
        let around = &measure::channel(&audio, 0)[start - 40_000..start + fade + 40_000];
        let splatter = measure::click_db(around, RATE);
        assert!(splatter <= -80.0, "{seconds} s: {splatter:.1} dB");
    }
}

#[test]
fn a_skip_and_an_emergency_are_heard_at_their_frames_without_a_click() {
    let folder = tempfile::tempdir().unwrap();
    let items = [440.0, 660.0, 880.0].map(|hz| Item::file(tone(folder.path(), hz, 480_000)));
    let eas = tone(folder.path(), 1500.0, 96_000);
    let script = format!(
        "{}\n{}",
        r#"{"at": 2.0, "command": "skip", "fade_s": 0.5}"#,
        serde_json::json!({"at": 5.0, "command": "insert_emergency", "item": {"path": eas}})
    );
    let (audio, reports) = render(spec(items.to_vec(), 0.0), &script, Some(480_000));
    let heard: Vec<(Frames, String)> = starts(&reports);
    let wanted = [(0, "440.wav"), (96_000, "660.wav"), (240_000, "1500.wav"), (336_000, "880.wav")];
    assert_eq!(heard, wanted.map(|(frame, name)| (frame, name.to_owned())));
    let mono = measure::channel(&audio, 0);
    for (range, hz) in [
        (20_000..90_000, 440.0),
        (130_000..230_000, 660.0),
        (241_000..335_000, 1500.0),
        (337_000..440_000, 880.0),
    ] {
        let found = measure::tone(&mono[range.clone()], RATE, hz);
        assert!(found.residual_db() < -80.0, "{range:?} is not {hz} Hz");
    }
    // Up to where the emergency is over and the next item begins by itself.
    let clicks = measure::click_db(&mono[60_000..335_000], RATE);
    assert!(clicks <= -60.0, "{clicks:.1} dB");
}

/// A voice track over music: the tier named by `ducking` is heard over the playlist, which goes on under it.
#[test]
fn a_voice_is_heard_over_the_music_that_is_turned_down_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let items = [Item::file(tone(folder.path(), 440.0, 480_000))];
    let voice = tone(folder.path(), 1500.0, 96_000);
    let script = serde_json::json!({
        "at": 3.0, "command": "play", "tier": "live_override", "item": {"path": voice}
    });
    let ducking = NodeSpec { node: "ducking".into(), ..NodeSpec::default() };
    let spec = StationSpec { chain: vec![ducking], ..spec(items.to_vec(), 0.0) };
    let (audio, reports) = render(spec, &script.to_string(), None);
    assert_eq!(audio.len(), 480_000);
    let heard = starts(&reports);
    assert_eq!(heard, [(0, "440.wav".to_owned()), (144_000, "1500.wav".to_owned())]);
    let mono = measure::channel(&audio, 0);
    let level = |range: std::ops::Range<usize>, hz| measure::tone(&mono[range], RATE, hz).level_db();
    let full = level(48_000..144_000, 440.0);
    assert!((level(192_000..240_000, 440.0) - full + 12.0).abs() < 0.5);
    assert!((level(192_000..240_000, 1500.0) - full).abs() < 0.1);
    assert!((level(432_000..480_000, 440.0) - full).abs() < 0.5);
    let clicks = measure::click_db(&mono[150_000..239_000], RATE);
    assert!(clicks <= -60.0, "{clicks:.1} dB");
}

#[test]
fn twice_the_same_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let items: Vec<Item> = [300.0, 500.0].map(|hz| Item::file(tone(folder.path(), hz, 100_000))).to_vec();
    let shuffled = || {
        let programme = Box::new(Playlist::new(items.clone(), Order::Shuffle, true, 42));
        let chain = airchain::core::presets::find("broadcast").unwrap().nodes();
        StationSpec { crossfade_s: 1.0, programme, chain, ..StationSpec::default() }
    };
    let (first, _) = render(shuffled(), "", Some(960_000));
    let (second, _) = render(shuffled(), "", Some(960_000));
    assert_eq!(first.len(), 960_000);
    assert!(first == second);
    assert!(measure::peak(&first[..4_800]) > 0.1, "the beginning is silent: the latency is not made up for");
}

#[test]
fn every_good_item_airs_once_and_in_order_among_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    let good = |hz| Item::file(tone(folder.path(), hz, 96_000));
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Item::file(path.display().to_string())
    };
    let whole = std::fs::read(tone(folder.path(), 3000.0, 96_000)).unwrap();
    let mut corrupt = std::fs::read(tone(folder.path(), 3500.0, 96_000)).unwrap();
    for byte in (60..corrupt.len()).step_by(997) {
        corrupt[byte] ^= 0x55;
    }
    let items = vec![
        good(400.0),
        Item::file("/nowhere/missing.mp3"),
        good(600.0),
        write("empty.mp3", b""),
        write("text.mp3", b"This is not audio, whatever its name says.\n"),
        good(800.0),
        write("truncated.wav", &whole[..whole.len() / 2]),
        write("corrupt.wav", &corrupt),
        good(1000.0),
    ];
    let (audio, reports) = render(spec(items, 0.0), "", None);
    let heard: Vec<String> = starts(&reports).into_iter().map(|start| start.1).collect();
    assert_eq!(heard, ["400.wav", "600.wav", "800.wav", "truncated.wav", "corrupt.wav", "1000.wav"]);
    let failed = |report: &&Report| matches!(report.event, StationEvent::SourceFailed { skipped: true, .. });
    assert_eq!(reports.iter().filter(failed).count(), 3);
    let damaged = |report: &Report| matches!(&report.event, StationEvent::SourceFailed { skipped: false, item, .. } if item.path.contains("truncated"));
    assert!(reports.iter().any(damaged), "nobody was told that a file is cut short");
    // Nothing but audio from the first frame to the last: no run of silence longer than a few samples.
    let mut silence = 0;
    for (index, frame) in audio.iter().enumerate() {
        silence = if frame[0].abs() < 1e-4 { silence + 1 } else { 0 };
        assert!(silence < 200, "a gap at frame {index}");
    }
}

#[test]
fn a_programme_without_one_good_item_ends_with_nothing() {
    let items = vec![Item::file("/nowhere/a.mp3"), Item::file("/nowhere/b.mp3")];
    let (audio, reports) = render(spec(items, 0.0), "", None);
    assert!(audio.is_empty());
    assert_eq!(reports.iter().filter(|r| matches!(r.event, StationEvent::SourceFailed { .. })).count(), 2);
}

#[test]
fn the_fallback_fills_in_to_the_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(vec![Item::file(tone(folder.path(), 440.0, 50_001))], 0.0);
    spec.fallback = Fallback::File(tone(folder.path(), 2000.0, 24_000).into());
    let (audio, reports) = render(spec, "", Some(200_000));
    let changes: Vec<(Frames, Option<Tier>)> = reports
        .iter()
        .filter_map(|report| match report.event {
            StationEvent::PriorityChanged { to, .. } => Some((report.frame, to)),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [(0, Some(Tier::Automation)), (50_001, Some(Tier::Fallback))]);
    let mono = measure::channel(&audio, 0);
    assert!(measure::tone(&mono[60_000..], RATE, 2000.0).residual_db() < -80.0, "the loop is not seamless");
}

#[test]
fn queued_items_come_before_the_playlist_and_a_fade_holds() {
    let folder = tempfile::tempdir().unwrap();
    let items = [440.0, 660.0].map(|hz| Item::file(tone(folder.path(), hz, 96_000)));
    let asked = tone(folder.path(), 1234.0, 48_000);
    let script = [
        serde_json::json!({"at": 0.5, "command": "queue", "item": {"path": asked}}).to_string(),
        r#"{"at": 3.0, "command": "fade", "gain_db": -20, "duration_s": 1}"#.to_owned(),
    ];
    let (audio, reports) = render(spec(items.to_vec(), 0.0), &script.join("\n"), None);
    let heard: Vec<String> = starts(&reports).into_iter().map(|start| start.1).collect();
    assert_eq!(heard, ["440.wav", "1234.wav", "660.wav"]);
    let level = measure::tone(&measure::channel(&audio, 0)[200_000..230_000], RATE, 660.0).level_db();
    assert!((level + 26.0).abs() < 0.01, "{level}");
}

#[test]
fn requests_that_cannot_be_meant_are_refused_by_name() {
    let mut render = Render::new(spec(Vec::new(), 0.0), Vec::new(), Some(480)).unwrap();
    let _ = render.next_block();
    for (line, word) in [
        (r#"{"at": 1, "command": "fade", "gain_db": 90}"#, "gain_db: 90"),
        (r#"{"at": 1, "command": "play", "item": {"path": "a", "cue_in_s": -3}}"#, "cue_in_s: -3"),
    ] {
        let refused = script::parse(line, RATE).unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    }
}

#[test]
fn a_chain_or_parameter_that_is_refused_leaves_the_chain_on_air() {
    let folder = tempfile::tempdir().unwrap();
    let chain = |nodes: &str| Request::SetChain { nodes: serde_json::from_str(nodes).unwrap() };
    let param = |node: &str, param: &str, value: f64| Request::SetParam {
        node: node.into(),
        param: param.into(),
        value: ParamValue::Number(value),
    };
    let requests = [
        (chain(r#"[{"type": "reverb"}]"#), r#"nodes[0].type: "reverb": not a known node; give gain"#),
        (
            chain(r#"[{"type": "gain", "config": {"gain_db": 30}}]"#),
            r#"nodes[0].config.gain_db: "30": out of range; give -100 to 24 dB"#,
        ),
        (
            chain(r#"[{"type": "silence_detector"}, {"type": "silence_detector"}]"#),
            r#"nodes[1].type: "silence_detector": the chain has one already"#,
        ),
        (param("gain", "gain_db", f64::NAN), "value: NaN is not accepted, give -100 to 24 dB"),
        (param("multiband_compressor", "crossover1", 900.0), "give 20 to 560"),
    ];
    let mut spec = spec(vec![Item::file(tone(folder.path(), 440.0, 96_000))], 0.0);
    spec.chain = serde_json::from_str(
        r#"[{"type": "gain", "config": {"gain_db": -9}}, {"type": "multiband_compressor"}]"#,
    )
    .unwrap();
    let script = requests.clone().map(|(request, _)| (Moment::Frame(48_000), request));
    let mut render = Render::new(spec, script, Some(96_000)).unwrap();
    let mut audio = Vec::new();
    while let Some(block) = render.next_block().unwrap() {
        audio.extend_from_slice(block);
    }
    let failures: Vec<String> = std::iter::from_fn(|| render.poll())
        .filter_map(|report| match report.event {
            StationEvent::CommandFailed { error, .. } => Some(error),
            _ => None,
        })
        .collect();
    assert_eq!(failures.len(), requests.len(), "{failures:#?}");
    for (_, said) in &requests {
        assert!(failures.iter().any(|failure| failure.contains(said)), "not {said} in {failures:#?}");
    }
    let level = |from: usize| {
        measure::tone(&measure::channel(&audio[from..from + 24_000], 0), RATE, 440.0).level_db()
    };
    assert!((level(20_000) - level(60_000)).abs() < 0.01, "{} to {} dB", level(20_000), level(60_000));
}

#[test]
fn every_preset_can_take_over_on_air() {
    let folder = tempfile::tempdir().unwrap();
    for rate in [44_100, 48_000] {
        for preset in airchain::core::presets::NAMES {
            let items = vec![Item::file(tone(folder.path(), 440.0, 192_000))];
            let spec = StationSpec { sample_rate_hz: rate, ..spec(items, 0.0) };
            let line = format!(r#"{{"at": 1, "command": "set_chain", "preset": "{preset}"}}"#);
            let (_, reports) = render(spec, &line, None);
            let done = |report: &Report| match &report.event {
                StationEvent::CommandFailed { error, .. } => panic!("{preset} at {rate} Hz: {error}"),
                event => matches!(event, StationEvent::CommandDone { .. }),
            };
            assert_eq!(reports.iter().filter(|report| done(report)).count(), 1, "{preset} at {rate} Hz");
        }
    }
}

#[test]
fn a_stopped_automation_stays_stopped_until_it_is_asked_to_play() {
    let folder = tempfile::tempdir().unwrap();
    let items = || [440.0, 660.0].map(|hz| Item::file(tone(folder.path(), hz, 96_000))).to_vec();
    let stop = r#"{"at": 1, "command": "stop", "tier": "automation"}"#;
    let (audio, reports) = render(spec(items(), 0.0), stop, None);
    assert_eq!(starts(&reports).len(), 1);
    // Up to the stop and its 5 ms.
    assert_eq!(audio.len(), 48_240);
    let play =
        serde_json::json!({"at": 3, "command": "play", "item": {"path": tone(folder.path(), 990.0, 48_000)}});
    let (_, reports) = render(spec(items(), 0.0), &format!("{stop}\n{play}"), None);
    let heard: Vec<(Frames, String)> = starts(&reports);
    let frames: Vec<Frames> = heard.iter().map(|start| start.0).collect();
    assert_eq!(frames[..2], [0, 144_000], "{heard:?}");
}

#[test]
fn a_skip_without_anything_behind_it_ends_the_item() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec![Item::file(tone(folder.path(), 440.0, 480_000))];
    let (audio, reports) = render(spec(items, 0.0), r#"{"at": 2, "command": "skip", "fade_s": 0.5}"#, None);
    assert_eq!(audio.len(), 96_000 + 24_000);
    assert!(
        reports
            .iter()
            .any(|report| matches!(report.event, StationEvent::CommandDone { command: "skip", .. }))
    );
}

#[test]
fn an_item_without_audio_between_its_cues_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let late = Item { cue_in_s: Some(60.0), ..Item::file(tone(folder.path(), 440.0, 48_000)) };
    let items = vec![late, Item::file(tone(folder.path(), 660.0, 48_000))];
    let (audio, reports) = render(spec(items, 0.0), "", None);
    assert_eq!(audio.len(), 48_000);
    assert_eq!(starts(&reports).len(), 1);
    assert!(reports.iter().any(|r| matches!(&r.event, StationEvent::SourceFailed { skipped: true, .. })));
}

#[test]
fn a_parameter_set_after_a_chain_is_that_chains() {
    let script = r#"{"at": 1, "command": "set_chain", "nodes": [{"type": "gain"}]}
        {"at": 1.5, "command": "set_param", "node": "gain", "param": "gain_db", "value": -6}"#;
    let folder = tempfile::tempdir().unwrap();
    let items = vec![Item::file(tone(folder.path(), 440.0, 240_000))];
    let (audio, reports) = render(spec(items, 0.0), script, None);
    assert!(reports.iter().all(|report| !matches!(report.event, StationEvent::CommandFailed { .. })));
    let level = measure::tone(&measure::channel(&audio, 0)[150_000..230_000], RATE, 440.0).level_db();
    assert!((level + 12.0).abs() < 0.01, "{level}");
}

#[test]
fn an_early_start_of_the_next_item_leaves_the_fade_where_it_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let early = Item {
        start_next_s: Some(3.0),
        fade_out_s: Some(2.0),
        ..Item::file(wav(folder.path(), "dc.wav", &signal::dc(0.25, 384_000)))
    };
    let next = Item::file(wav(folder.path(), "silence.wav", &signal::silence(480_000)));
    let (audio, reports) = render(spec(vec![early, next], 0.0), "", None);
    assert_eq!(starts(&reports)[1].0, 144_000);
    assert!((audio[280_000][0] - 0.25).abs() < 1e-4, "it fell before its fade");
    assert!(audio[380_000][0] < 0.02, "it did not fall");
}

#[test]
fn a_fallback_that_does_not_repeat_is_followed_by_a_tone() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(Vec::new(), 0.0);
    spec.fallback = Fallback::File(tone(folder.path(), 2000.0, 48_000).into());
    spec.fallback_loop = false;
    let (audio, _) = render(spec, "", Some(480_000));
    let mono = measure::channel(&audio, 0);
    assert!(measure::tone(&mono[1_000..47_000], RATE, 2000.0).residual_db() < -80.0);
    for second in 1..9 {
        let heard = measure::tone(&mono[second * 48_000 + 100..(second + 1) * 48_000], RATE, 440.0);
        assert!(heard.level_db() > -40.0, "{second} s: {:.1} dB", heard.level_db());
    }
}
