//! `airchain render`: what it writes, frame for frame.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{Stereo, airchain, decode, events, fail, probe, starts, succeed, write_wav};
use testkit::{measure, signal};

const RATE: u32 = 48_000;

/// Noise whose samples are whole multiples of 2^-23, so that 24 bits hold it exactly.
fn noise(seed: u64, frames: usize) -> Vec<Stereo> {
    let quantise = |sample: f32| (sample * 8_388_608.0).round() / 8_388_608.0;
    signal::noise(seed, -6.0, frames).into_iter().map(|frame| frame.map(quantise)).collect()
}

/// A folder with items, and what is rendered from them.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn item(&self, name: &str, frames: &[Stereo]) -> String {
        write_wav(&self.folder.path().join(name), RATE, frames)
    }

    /// Renders to 32-bit floats, with events.
    fn render(&self, args: &[&str]) -> (Vec<Stereo>, Vec<Value>) {
        let (out, log) = (self.path("out.wav"), self.path("events.jsonl"));
        succeed(&[&["render", "--wav-format", "f32", "--out", &out, "--events", &log], args].concat());
        (decode(Path::new(&out)), events(Path::new(&log)))
    }

    /// Renders with a script, without crossfades or processing.
    fn render_script(&self, script: &[Value], args: &[&str]) -> (Vec<Stereo>, Vec<Value>) {
        let path = self.path("script.jsonl");
        let lines: Vec<String> = script.iter().map(Value::to_string).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        self.render(&[&["--chain", "none", "--crossfade", "0", "--script", &path], args].concat())
    }
}

/// The greatest difference of samples.
fn difference(a: &[Stereo], b: &[Stereo]) -> f64 {
    measure::max_difference(a, b)
}

fn scaled(frames: &[Stereo], gain: f32) -> Vec<Stereo> {
    frames.iter().map(|frame| frame.map(|sample| sample * gain)).collect()
}

fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

#[test]
fn the_file_holds_the_items_frames_and_nothing_else() {
    for rate in [48_000, 44_100] {
        let bench = Bench::new();
        let whole = noise(1, 100_003);
        let cuts = [0, 33_333, 33_335, 71_001, whole.len()];
        let items: Vec<String> = cuts
            .windows(2)
            .map(|cut| {
                let name = format!("{}.wav", cut[0]);
                write_wav(&bench.folder.path().join(name), rate, &whole[cut[0]..cut[1]])
            })
            .collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let (rate_text, log) = (rate.to_string(), bench.path("events.jsonl"));
        let plain = ["--chain", "none", "--crossfade", "0", "--sample-rate", &rate_text, "--events", &log];
        let render = |name: &str, options: &[&str]| {
            let out = bench.path(name);
            succeed(&[&["render", "--out", &out], &plain[..], options, &items].concat());
            assert_eq!(probe(Path::new(&out))["streams"][0]["sample_rate"], rate_text);
            decode(Path::new(&out))
        };
        assert!(render("24.wav", &[]) == whole, "s24 at {rate} Hz is not the items");
        assert!(render("f32.wav", &["--wav-format", "f32"]) == whole, "f32 at {rate} Hz is not the items");
        assert!(render("24.flac", &[]) == whole, "FLAC at {rate} Hz is not the items");

        let frames: Vec<u64> = starts(&events(Path::new(&log))).iter().map(|start| start.0).collect();
        assert_eq!(frames, [0, 33_333, 33_335, 71_001]);

        // TPDF dither: white, of 0.5 LSB (rounding 1/12 and dither 2/12 of an LSB squared), never more than 1.5 LSB.
        let dithered = render("16.wav", &["--wav-format", "s16"]);
        let lsb = 1.0 / 32_768.0;
        let error: Vec<f64> = whole
            .as_flattened()
            .iter()
            .zip(dithered.as_flattened())
            .map(|(a, b)| f64::from(b - a) / lsb)
            .collect();
        assert_eq!(dithered.len(), whole.len());
        let power = error.iter().map(|e| e * e).sum::<f64>() / error.len() as f64;
        let mean = error.iter().sum::<f64>() / error.len() as f64;
        let worst = error.iter().fold(0.0, |worst: f64, e| worst.max(e.abs()));
        assert!((power - 0.25).abs() < 0.01 && mean.abs() < 0.01 && worst <= 1.501, "{power} {mean} {worst}");
    }
}

#[test]
fn events_are_where_the_audio_changes() {
    let bench = Bench::new();
    let tones = [(440.0, 31_007), (997.0, 24_001), (1500.0, 40_960)];
    let items =
        tones.map(|(hz, frames)| bench.item(&format!("{hz}.wav"), &signal::sine(RATE, hz, -6.0, frames)));
    let (audio, events) =
        bench.render(&["--chain", "none", "--crossfade", "0", &items[0], &items[1], &items[2]]);
    let mono = measure::channel(&audio, 0);
    let first = measure::boundary(&mono[..55_008], RATE, 440.0, 997.0).unwrap();
    let second = 31_007 + measure::boundary(&mono[31_007..], RATE, 997.0, 1500.0).unwrap();
    let wanted = [(0, "440.wav"), (first as u64, "997.wav"), (second as u64, "1500.wav")];
    assert_eq!(starts(&events), wanted.map(|(frame, name)| (frame, name.to_owned())));
    let playing = of(&events, "now_playing");
    assert_eq!(playing[1]["tier"], "automation");
    assert!((playing[1]["at"].as_f64().unwrap() - 31_007.0 / 48_000.0).abs() < 1e-6);
    assert!((playing[1]["duration_s"].as_f64().unwrap() - 24_001.0 / 48_000.0).abs() < 1e-6);
    let ended: Vec<u64> =
        of(&events, "item_ended").iter().map(|event| event["frame"].as_u64().unwrap()).collect();
    assert_eq!(ended, [31_007, 55_008, 95_968]);
    assert!(events.windows(2).all(|pair| pair[0]["frame"].as_u64() <= pair[1]["frame"].as_u64()));
    assert!(events.iter().all(|event| event.get("utc").is_none()));
}

#[test]
fn a_crossfade_is_heard_from_the_frame_its_event_names() {
    let bench = Bench::new();
    let items = [1, 2].map(|seed| bench.item(&format!("{seed}.wav"), &noise(seed, 96_000)));
    let (audio, events) =
        bench.render(&["--chain", "none", "--crossfade", "0.5", "--curve", "linear", &items[0], &items[1]]);
    assert_eq!(audio.len(), 2 * 96_000 - 24_000);
    assert_eq!(starts(&events)[1].0, 72_000);
    let (a, b) = (noise(1, 96_000), noise(2, 96_000));
    assert!(
        audio[..72_000] == a[..72_000] && audio[96_000..] == b[24_000..],
        "more than the overlap is touched"
    );
    // Half way both are at half their amplitude.
    let middle = 84_000;
    let wanted = 0.5 * (a[middle][0] + b[middle - 72_000][0]);
    assert!((audio[middle][0] - wanted).abs() < 1e-3);
}

#[test]
fn commands_of_a_script_are_heard_at_their_frames() {
    let bench = Bench::new();
    let (a, b, c) = (noise(1, 240_000), noise(2, 240_000), noise(3, 96_000));
    let (asked, eas) = (noise(4, 48_000), noise(5, 24_000));
    let items = [("a.wav", &a), ("b.wav", &b), ("c.wav", &c)].map(|(name, audio)| bench.item(name, audio));
    let (asked_path, eas_path) = (bench.item("asked.wav", &asked), bench.item("eas.wav", &eas));
    let script = [
        json!({"at": 0.5, "command": "queue", "item": {"path": asked_path, "metadata": {"title": "Asked"}}}),
        json!({"frame": 50_001, "command": "set_metadata", "metadata": {"title": "Told", "artist": "Us"}}),
        json!({"frame": 77_777, "command": "skip", "fade_s": 0}),
        // asked.wav airs up to 125 777, then b.wav.
        json!({"at": 3.0, "command": "insert_emergency", "item": {"path": eas_path}}),
        // eas.wav airs up to 168 000, then c.wav.
        json!({"frame": 200_003, "command": "fade", "gain_db": -20, "duration_s": 0}),
        json!({"frame": 240_000, "command": "fade", "gain_db": 0, "duration_s": 0}),
    ];
    let (audio, events) = bench.render_script(&script, &[&items[0], &items[1], &items[2]]);
    let wanted = [
        (0, "a.wav"),
        (50_001, "a.wav"),
        (77_777, "asked.wav"),
        (125_777, "b.wav"),
        (144_000, "eas.wav"),
        (168_000, "c.wav"),
    ];
    assert_eq!(starts(&events), wanted.map(|(frame, name)| (frame, name.to_owned())));
    let playing = of(&events, "now_playing");
    assert_eq!(
        (&playing[1]["item"]["metadata"]["title"], &playing[1]["item"]["metadata"]["artist"]),
        (&json!("Told"), &json!("Us"))
    );
    assert_eq!(playing[2]["item"]["metadata"]["title"], "Asked");
    assert_eq!(playing[4]["tier"], "emergency");
    assert_eq!(of(&events, "command_failed"), Vec::<&Value>::new());
    let done: Vec<&Value> = of(&events, "command_done").iter().map(|event| &event["command"]).collect();
    assert_eq!(done.len(), script.len(), "{done:?}");

    assert_eq!(audio.len(), 168_000 + 96_000);
    // Joins without a fade of their own are softened by a few milliseconds at most.
    let soft = 480;
    for (from, to, source, offset, what) in [
        (0, 77_777 - soft, &a, 0, "the first item"),
        (77_777 + soft, 125_777, &asked, 77_777, "the queued item"),
        (125_777, 144_000, &b, 125_777, "the item after it"),
        (144_000 + soft, 168_000, &eas, 144_000, "the emergency"),
        (168_000 + soft, 200_003, &c, 168_000, "the item after the emergency"),
        (240_000 + soft, 264_000, &c, 168_000, "the end"),
    ] {
        assert!(audio[from..to] == source[from - offset..to - offset], "{what} is not heard as it is");
    }
    assert!(audio[144_000..144_010] != b[18_223..18_233], "the emergency is not heard at its frame");
    assert!(audio[200_003..200_020] != c[32_003..32_020], "the fade is not heard at its frame");
    let faded = scaled(&c[32_003 + soft..72_000], 0.1);
    assert!(difference(&audio[200_003 + soft..240_000], &faded) < 1e-6);
}

#[test]
fn a_live_tier_takes_over_and_hands_back() {
    let bench = Bench::new();
    let (a, live) = (noise(1, 480_000), noise(2, 240_000));
    let (item, live_path) = (bench.item("a.wav", &a), bench.item("live.wav", &live));
    let script = [
        json!({"at": 1.0, "command": "play", "tier": "live_override", "item": {"path": live_path}}),
        json!({"frame": 144_001, "command": "stop", "tier": "live_override", "fade_s": 0.5}),
    ];
    let (audio, events) = bench.render_script(&script, &[&item, &bench.item("b.wav", &a)]);
    let changes: Vec<(u64, &Value)> = of(&events, "priority_changed")
        .iter()
        .map(|event| (event["frame"].as_u64().unwrap(), &event["to"]))
        .collect();
    assert_eq!(
        changes[..3],
        [(0, &json!("automation")), (48_000, &json!("live_override")), (144_001, &json!("automation"))]
    );
    assert!(audio[..48_000] == a[..48_000]);
    assert!(audio[48_000..48_200] != a[48_000..48_200], "the live tier is not heard at its frame");
    // The station's fade of a live tier lasts a second.
    assert!(audio[96_000..144_001] == live[48_000..96_001], "the live item is not heard as it is");
    assert!(
        audio[168_002..200_000] == a[24_001..55_999],
        "the automation does not come back with its next item"
    );
}

#[test]
fn chains_and_parameters_change_at_their_frames() {
    let bench = Bench::new();
    let a = noise(1, 240_000);
    let item = bench.item("a.wav", &a);
    let script = [
        json!({"frame": 48_003, "command": "set_chain", "nodes": [{"type": "gain", "config": {"gain_db": -20}}]}),
        json!({"frame": 66_666, "command": "set_param", "node": "gain", "param": "gain_db", "value": -40}),
        json!({"at": 2.0, "command": "set_param", "node": "gain", "param": "gain_db", "value": "loud"}),
    ];
    let (audio, events) = bench.render_script(&script, &[&item]);
    assert!(audio[..48_003] == a[..48_003], "the chain is heard too early");
    let late = (0..a.len()).find(|&n| audio[n] != a[n]).unwrap();
    assert!((48_003..48_100).contains(&late), "the chain is first heard at {late}");
    assert!(difference(&audio[55_000..66_666], &scaled(&a[55_000..66_666], 0.1)) < 1e-6);
    let changed = (55_000..a.len()).find(|&n| (audio[n][0] - 0.1 * a[n][0]).abs() > 1e-5).unwrap();
    assert!((66_666..66_766).contains(&changed), "the parameter is first heard at {changed}");
    assert!(difference(&audio[90_000..], &scaled(&a[90_000..], 0.01)) < 1e-6);
    let failed = of(&events, "command_failed");
    assert!(failed.len() == 1 && failed[0]["command"] == "set_param", "{failed:?}");
}

#[test]
fn a_look_ahead_in_the_chain_moves_nothing() {
    let bench = Bench::new();
    let quiet = |seed, frames| scaled(&noise(seed, frames), 0.1);
    let (a, b) = (quiet(1, 30_011), quiet(2, 30_000));
    let items = [bench.item("a.wav", &a), bench.item("b.wav", &b)];
    let chain = bench.path("chain.yaml");
    std::fs::write(&chain, "- { type: limiter, config: { threshold_db: -1.0, lookahead_ms: 20 } }\n")
        .unwrap();
    let (audio, events) = bench.render(&["--chain", &chain, "--crossfade", "0", &items[0], &items[1]]);
    // Noise at -26 dBFS stays under the limiter, which therefore only delays, and the delay is made up for.
    assert_eq!(audio.len(), 60_011);
    assert_eq!(starts(&events)[1].0, 30_011);
    assert!(difference(&audio[..30_011], &a) < 1e-5 && difference(&audio[30_011..], &b) < 1e-5);
}

#[test]
fn bad_lines_of_a_script_are_refused_by_number() {
    let bench = Bench::new();
    let item = bench.item("a.wav", &noise(1, 4_800));
    let (script, out) = (bench.path("script.jsonl"), bench.path("out.wav"));
    for (line, word) in [
        (r#"{"at": 1, "command": "jump"}"#, "jump"),
        (r#"{"at": 1, "command": "skip""#, "script.jsonl"),
        (r#"{"at": "soon", "command": "skip"}"#, "soon"),
        (r#"{"at": 1, "frame": 48000, "command": "skip"}"#, "more than one"),
        (r#"{"at": 1, "command": "stop", "tier": "attic"}"#, "attic"),
        (r#"{"at": 1, "command": "insert_emergency", "item": {"pth": "a.wav"}}"#, "pth"),
        (r#"{"at": 1, "command": "insert_emergency", "item": {}}"#, "path"),
        (r#"{"at": 1, "command": "set_chain", "nodes": [{"type": "reverb"}]}"#, r#"nodes[0].type: "reverb""#),
        (r#"[1, 2]"#, "map"),
    ] {
        std::fs::write(&script, format!("{{\"at\": 0.1, \"command\": \"skip\"}}\n\n{line}\n")).unwrap();
        let said = fail(&["render", &item, "--out", &out, "--script", &script]);
        assert!(said.contains("line 3") && said.contains(word), "{line}: {said}");
        assert!(!Path::new(&out).exists(), "a file was written in spite of {line}");
    }
    let said = fail(&["render", &item, "--out", &out, "--script", &bench.path("none.jsonl")]);
    assert!(said.contains("none.jsonl"), "{said}");
}

#[test]
fn durations_loops_and_seeds() {
    let bench = Bench::new();
    let parts: Vec<Vec<Stereo>> = (0..6).map(|seed| noise(seed, 9_600)).collect();
    let items: Vec<String> =
        parts.iter().enumerate().map(|(n, part)| bench.item(&format!("{n}.wav"), part)).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let plain = ["--chain", "none", "--crossfade", "0"];
    let render = |args: &[&str]| bench.render(&[&plain, args, &items].concat());

    let (audio, _) = render(&["--duration", "0.5"]);
    assert!(audio == parts.concat()[..24_000], "--duration cuts elsewhere");
    // Longer than the programme: the rest is silence.
    let (audio, _) = render(&["--duration", "1.5s"]);
    assert_eq!(audio.len(), 72_000);
    assert!(audio[57_600..].iter().all(|frame| *frame == [0.0; 2]));
    let (audio, _) = render(&["--loop", "--duration", "2"]);
    assert!(audio == parts.concat().repeat(2)[..96_000], "--loop does not begin again");
    let order = |seed: &str| {
        let (audio, events) = render(&["--loop", "--shuffle", "--seed", seed, "--duration", "2.4"]);
        let names: Vec<String> = starts(&events).into_iter().map(|start| start.1).collect();
        let joined: Vec<Stereo> =
            names.iter().flat_map(|name| parts[name[..1].parse::<usize>().unwrap()].clone()).collect();
        assert!(audio == joined[..], "the events tell another order than the audio");
        names
    };
    let first = order("7");
    assert_eq!(first, order("7"));
    assert!((0..5).any(|seed| order(&seed.to_string()) != first), "the seed does nothing");
    let mut once: Vec<&String> = first[..6].iter().collect();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 6, "an item came twice before all came once: {first:?}");
    let said = fail(&[&["render", "--loop", "--out", "/dev/null"], &items[..]].concat());
    assert!(said.contains("--duration"), "{said}");
}

#[test]
fn every_format_decodes_to_the_programmes_length_and_twice_to_the_same_bytes() {
    let bench = Bench::new();
    let item = bench.item("tone.wav", &signal::sine(RATE, 997.0, -12.0, 100_000));
    // Frames that a format cannot leave out at its end.
    for (name, codec, rest) in [
        ("out.wav", "pcm_s24le", 0),
        ("out.flac", "flac", 0),
        ("out.mp3", "mp3", 0),
        ("out.aac", "aac", 4_096),
        ("out.opus", "opus", 0),
        ("out.ogg", "vorbis", 0),
    ] {
        let out = bench.path(name);
        let render = || {
            let said = succeed(&["render", &item, "--crossfade", "0", "--out", &out]);
            assert!(!said.contains(['\r', '\u{1b}']), "progress in a pipe: {said:?}");
            std::fs::read(&out).unwrap()
        };
        let first = render();
        // Ogg streams bear a serial number, which may differ.
        assert!(render() == first, "{name} differs from one render to the next");
        let stream = probe(Path::new(&out))["streams"][0].clone();
        assert_eq!((&stream["codec_name"], &stream["sample_rate"]), (&json!(codec), &json!("48000")));
        let audio = decode(Path::new(&out));
        assert!((100_000..=100_000 + rest).contains(&audio.len()), "{name}: {} frames", audio.len());
        let tone = measure::tone(&measure::channel(&audio, 0)[5_000..95_000], RATE, 997.0);
        assert!((tone.level_db() + 12.0).abs() < 0.1 && tone.residual_db() < -40.0, "{name}: {tone:?}");
        if rest == 0 {
            // Where the container says what to trim, the tone begins where it began.
            let wanted = (std::f64::consts::TAU * 997.0 / 48_000.0 * 5_000.0) % std::f64::consts::TAU;
            let off = (tone.phase - wanted + 3.0 * std::f64::consts::PI).rem_euclid(std::f64::consts::TAU)
                - std::f64::consts::PI;
            assert!(off.abs() < 0.02, "{name}: the tone is {off} radians off");
        }
    }
}

#[test]
fn the_null_device_measures_and_reports_only() {
    let bench = Bench::new();
    let item = bench.item("a.wav", &noise(1, 48_000));
    let output = airchain(&["render", &item, "--out", "/dev/null", "--events", "-"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(starts(&lines), [(0, "a.wav".to_owned())]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("rendered 1.000 s"));
}

#[test]
fn one_item_keeps_its_tags() {
    let bench = Bench::new();
    let plain = bench.item("a.wav", &noise(1, 48_000));
    let tagged = bench.path("tagged.mp3");
    let title = "title=\"Blåbär\" & Ünsinn; #1";
    support::ffmpeg(&[
        "-i",
        &plain,
        "-metadata",
        title,
        "-metadata",
        "artist=Ida",
        "-metadata",
        "album=Third",
        &tagged,
    ]);
    for name in ["out.mp3", "out.flac", "out.ogg", "out.opus"] {
        let out = bench.path(name);
        let tags = || {
            let found = probe(Path::new(&out));
            let of = |place: &Value| place["tags"].as_object().cloned().unwrap_or_default();
            let mut all = of(&found["format"]);
            all.extend(of(&found["streams"][0]));
            let tag = |key: &str| {
                let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
                found.and_then(|(_, value)| value.as_str().map(str::to_owned))
            };
            ["title", "artist", "album"].map(tag)
        };
        succeed(&["render", &tagged, "--out", &out]);
        let wanted = [title.strip_prefix("title=").unwrap(), "Ida", "Third"].map(|tag| Some(tag.to_owned()));
        assert_eq!(tags(), wanted, "{name}");
        // A programme of several items is none of them.
        succeed(&["render", &tagged, &plain, "--out", &out]);
        assert_eq!(tags()[1..], [None, None], "{name}");
    }
}
