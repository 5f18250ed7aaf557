//! `airchain run`: stations from files, on air beside icecast2 and off it again.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{airchain, decode, events, ffmpeg, wait_for, write_wav};
use testkit::icecast::{Icecast, Port};
use testkit::{measure, signal};

const RATE: u32 = 48_000;

/// The station file that must run as it stands, but for paths, ports and passwords.
const SAMPLE: &str = r#"
station: { id: "wgmr", name: "WGMR FM", timezone: "America/New_York" }

mounts:
  - id: "mount-main"
    name: "Main 128k MP3"
    outputs:
      - { type: icecast, url: "icecast://source:password@localhost:8000/stream", format: mp3, bitrate_kbps: 128, channels: 2, sample_rate: 44100 }
      - { type: hls, path: "/var/www/hls/wgmr", segment_duration_sec: 4, playlist_size: 6 }
      - { type: recording, path: "/var/recordings/wgmr", format: mp3, bitrate_kbps: 192, rotation_days: 30, max_size_gb: 100 }

dsp_graph:
  nodes:
    - { type: loudness_normalize, config: { target_lufs: -16.0, true_peak_limit_dbtp: -1.0, integrated_window_sec: 3.0 } }
    - { type: agc,        config: { enabled: true, target_level_db: -14.0, max_gain_db: 12.0, attack_ms: 10, release_ms: 100 } }
    - { type: compressor, config: { threshold_db: -20.0, ratio: 3.0, knee_db: 6.0, attack_ms: 5, release_ms: 50, makeup_gain_db: 2.0 } }
    - { type: limiter,    config: { threshold_db: -1.0, lookahead_ms: 5, release_ms: 10 } }
    - { type: silence_detector, config: { threshold_db: -40.0, duration_sec: 5.0, action: failover_to_fallback } }

failover: { live_timeout_sec: 30, automation_fallback_enabled: true, fallback_audio_path: "/media/fallback.mp3", fallback_audio_loop: true }
priorities: { emergency: 0, live_override: 1, live_scheduled: 2, automation: 3, fallback: 4 }
"#;

/// A folder with station files and everything they name.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// A tone of so many seconds.
    fn tone(&self, name: &str, hz: f64, seconds: f64) -> String {
        let audio = signal::sine(RATE, hz, -12.0, (seconds * f64::from(RATE)) as usize);
        let wav = write_wav(&self.path(&format!("{name}.wav")), RATE, &audio);
        if name.ends_with(".mp3") {
            let path = self.path(name).display().to_string();
            ffmpeg(&["-i", &wav, "-b:a", "128k", &path]);
            fs::remove_file(wav).unwrap();
            return path;
        }
        wav
    }

    fn run(&self, files: &[&str], more: &[&str]) -> Running {
        let log = fs::File::create(self.path("airchain.log")).unwrap();
        let events = self.path("events.jsonl");
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.arg("run").args(files).arg("--events").arg(&events).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Running { child: command.spawn().unwrap(), events, log: self.path("airchain.log") }
    }

    /// The only file of a folder with recordings.
    fn recording(&self, folder: &str) -> PathBuf {
        let found = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let files: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
        let [file] = files.as_slice() else { panic!("{folder}: {files:?}") };
        file.clone()
    }
}

/// The command on air, killed when the test is over.
struct Running {
    child: Child,
    events: PathBuf,
    log: PathBuf,
}

impl Running {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for what must come while it runs.
    fn wait_for(&mut self, what: &str, mut ready: impl FnMut() -> bool) {
        wait_for(what, || {
            assert!(!self.is_over(), "{what} did not come before the end: {}", self.log());
            ready()
        });
    }

    fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    /// Waits for the end, which must be a good one.
    fn end(&mut self) {
        wait_for("the end", || self.is_over());
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether `hz` is heard throughout, and nothing else to speak of.
fn is_tone(audio: &[support::Stereo], rate: u32, hz: f64) -> bool {
    let mono = measure::channel(audio, 0);
    let found = measure::tone(&mono, rate, hz);
    found.level_db() > -40.0 && found.residual_db() < -25.0
}

#[test]
fn the_sample_is_valid_as_it_stands() {
    let bench = Bench::new();
    let file = bench.write("wgmr.yaml", SAMPLE);
    let output = airchain(&["check", &file]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("wgmr.yaml: valid") && !said.contains("not in this build"), "{said}");
    let output = airchain(&["check", "--explain", &file]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("WGMR FM") && !said.contains(":password@"), "{said}");
}

#[test]
fn a_station_goes_on_air_and_leaves_it_cleanly() {
    let bench = Bench::new();
    let server = Icecast::start(2);
    bench.tone("a.mp3", 440.0, 2.0);
    bench.tone("b.mp3", 880.0, 2.0);
    bench.tone("fallback.mp3", 1500.0, 1.0);
    let text = SAMPLE
        .replace("icecast://source:password@localhost:8000/stream", &server.url("/stream"))
        .replace("/var/www/hls/wgmr", "hls")
        .replace("/var/recordings/wgmr", "recordings")
        .replace("/media/fallback.mp3", "fallback.mp3")
        .replace("segment_duration_sec: 4", "segment_duration_sec: 1")
        + "automation: { playlist: [\"a.mp3\", \"b.mp3\"] }\n";
    let mut air = bench.run(&[&bench.write("wgmr.yaml", &text)], &[]);
    air.wait_for("the mount", || server.is_on_air("/stream"));
    air.wait_for("its name", || server.status().contains("Main 128k MP3"));
    let listener = server.listen("/stream", false);

    let playlist = bench.path("hls/live.m3u8");
    let segments = || {
        let text = fs::read_to_string(&playlist).unwrap_or_default();
        assert!(!text.contains("#EXT-X-ENDLIST"), "the playlist ended on air");
        text.lines().filter(|line| line.starts_with("#EXTINF")).count()
    };
    air.wait_for("a live playlist", || segments() >= 2);
    let before = segments();
    air.wait_for("the next segment", || segments() > before);
    let size = || fs::metadata(bench.recording("recordings")).unwrap().len();
    let before = size();
    air.wait_for("a longer recording", || size() > before);
    air.wait_for("three segments more", || segments() >= 5);

    air.terminate();
    air.end();
    let log = air.log();
    assert!(!log.contains("abandoned") && !log.contains(testkit::icecast::PASSWORD), "{log}");
    assert!(!log.contains("ERROR") && !log.contains("dropout"), "{log}");

    // The listener heard a stream that ends with a whole frame.
    let heard = bench.path("heard.mp3");
    fs::write(&heard, listener.rest()).unwrap();
    let stream = support::probe(&heard)["streams"][0].clone();
    assert_eq!((&stream["sample_rate"], &stream["channels"]), (&"44100".into(), &2.into()));
    let heard = decode(&heard);
    assert!(heard.len() > 3 * 44_100, "{} frames", heard.len());
    wait_for("the source to be gone", || {
        let status = server.status();
        !status.is_empty() && !status.contains("/stream")
    });
    assert!(!server.log().contains("timeout"), "{}", server.log());

    // HLS is complete, and holds as much as the recording.
    assert!(fs::read_to_string(&playlist).unwrap().trim_end().ends_with("#EXT-X-ENDLIST"));
    let hls = decode(&playlist);
    let recorded = decode(&bench.recording("recordings"));
    assert!(recorded.len() > 5 * RATE as usize);
    // Programme and nothing else: the two tones, by turns, at the level that the chain makes.
    let first = recorded.iter().position(|frame| frame[0].abs() > 0.01).unwrap();
    assert!(first < 24_000, "{first} frames of silence to begin with");
    for (n, hz) in [440.0, 880.0, 440.0].iter().enumerate() {
        let from = first + n * 2 * RATE as usize;
        let to = (from + 2 * RATE as usize - 4_800).min(recorded.len());
        if to > from + 24_000 {
            assert!(is_tone(&recorded[from + 4_800..to], RATE, *hz), "item {n} is not {hz} Hz");
        }
    }
    let rms = measure::db(measure::rms(&recorded[first + 96_000..recorded.len() - 2_400]));
    assert!((-25.0..-8.0).contains(&rms), "{rms} dB");
    let whole = hls.len() as f64 / f64::from(RATE);
    let off = (whole - recorded.len() as f64 / f64::from(RATE)).abs();
    assert!(off < 0.1, "HLS holds {whole} s, {off} s off the recording");

    let told = events(&air.events);
    assert!(told.iter().all(|event| event["station"] == "wgmr" && event["utc"].is_string()));
    let up = |kind: &str| {
        let id = |event: &Value| event["output"].as_str().unwrap_or_default().to_owned();
        told.iter().any(|event| event["health"] == "up" && id(event).ends_with(kind))
    };
    assert!(up("/0") && up("/1") && up("/2"), "{told:?}");
}

/// A station that records to WAV, with more lines for its mount.
fn recorder(id: &str, playlist: &str, more: &str) -> String {
    format!(
        "station: {{ id: {id} }}\nmounts:\n  - id: m\n    outputs:\n      - {{ type: recording, path: {id}, format: flac }}\n{more}\
         automation: {{ playlist: [{playlist}], loop: true }}\n"
    )
}

#[test]
fn two_stations_share_a_process_and_an_unreachable_icecast_costs_nothing() {
    let bench = Bench::new();
    bench.tone("a", 440.0, 1.0);
    bench.tone("b", 1000.0, 1.0);
    let nobody = Port::free();
    let mount = format!(
        "      - {{ type: icecast, url: \"icecast://source:s3cret@127.0.0.1:{}/x\", format: mp3 }}\n",
        nobody.number
    );
    let files = [
        bench.write("a.yaml", &recorder("a", "a.wav", "")),
        bench.write("b.yaml", &recorder("b", "b.wav", &mount)),
    ];
    let mut air = bench.run(&[&files[0], &files[1]], &["--for", "3s"]);
    air.end();
    for (id, hz) in [("a", 440.0), ("b", 1000.0)] {
        let audio = decode(&bench.recording(id));
        assert!(
            (2 * RATE as usize..6 * RATE as usize).contains(&audio.len()),
            "{id}: {} frames",
            audio.len()
        );
        let first = audio.iter().position(|frame| frame[0].abs() > 0.01).unwrap();
        let last = audio.iter().rposition(|frame| frame[0].abs() > 0.01).unwrap();
        assert!(last - first > 2 * RATE as usize, "{id}: {} frames of programme", last - first);
        assert!(is_tone(&audio[first..last], RATE, hz), "{id} is not {hz} Hz throughout");
    }
    let told = events(&air.events);
    let down: Vec<&Value> =
        told.iter().filter(|event| event["health"] == "down").map(|event| &event["station"]).collect();
    assert!(!down.is_empty() && down.iter().all(|station| *station == "b"), "{down:?}");
    let reason = told.iter().find_map(|event| event["reason"].as_str()).unwrap();
    assert!(reason.contains(&nobody.number.to_string()) && !reason.contains("s3cret"), "{reason}");
    assert!(!air.log().contains("s3cret"));
}

#[test]
fn a_mistake_in_the_second_file_starts_nothing() {
    let bench = Bench::new();
    bench.tone("a", 440.0, 1.0);
    let good = bench.write("good.yaml", &recorder("good", "a.wav", ""));
    let bad = bench.write("bad.yaml", &recorder("bad", "a.wav", "    colour: red\n").replace("flac", "flak"));
    let said = support::fail(&["run", &good, &bad]);
    for word in ["bad.yaml:5:", "mounts[0].outputs[0].format", "\"flak\"", "bad.yaml:6:", "colour"] {
        assert!(said.contains(word), "{word} is missing: {said}");
    }
    assert!(!said.contains("on air") && !bench.path("good").exists(), "{said}");
}

#[test]
fn two_stations_of_one_id_are_refused() {
    let bench = Bench::new();
    bench.tone("a", 440.0, 1.0);
    let files = ["x.yaml", "y.yaml"].map(|name| bench.write(name, &recorder("same", "a.wav", "")));
    let said = support::fail(&["run", &files[0], &files[1], "--for", "1s"]);
    assert!(said.contains("same") && said.contains("y.yaml"), "{said}");
    assert!(!Path::new(&bench.path("same")).exists());
}

#[test]
fn the_fallback_is_on_air_when_nothing_else_is() {
    let bench = Bench::new();
    bench.tone("a", 440.0, 1.0);
    bench.tone("fallback", 1500.0, 0.5);
    let text = recorder("f", "a.wav, missing.wav", "").replace("loop: true", "loop: false")
        + "failover: { fallback_audio_path: fallback.wav, fallback_audio_loop: true }\n";
    let mut air = bench.run(&[&bench.write("f.yaml", &text)], &["--for", "2.5s"]);
    air.end();
    let audio = decode(&bench.recording("f"));
    let told = events(&air.events);
    let took = told.iter().find(|e| {
        e["event"] == "priority_changed" && e["to"] == "fallback" && e["frame"].as_u64() > Some(20_000)
    });
    let frame = took.expect("word of the fallback")["frame"].as_u64().unwrap() as usize;
    assert!(is_tone(&audio[frame - 24_000..frame - 1_000], RATE, 440.0));
    assert!(is_tone(&audio[frame + 6_000..frame + 40_000], RATE, 1500.0), "the fallback is not heard");
    let log = air.log();
    let left_out = log.lines().filter(|line| line.contains("left out") && line.contains("missing.wav"));
    assert_eq!(left_out.count(), 1, "{log}");
}

#[test]
fn a_file_that_comes_later_airs_when_its_turn_comes() {
    let bench = Bench::new();
    bench.tone("a", 440.0, 0.3);
    bench.tone("other", 1000.0, 0.3);
    let text = recorder("late", "a.wav, b.wav", "");
    let mut air = bench.run(&[&bench.write("late.yaml", &text)], &[]);
    let told = bench.path("events.jsonl");
    let has = |event: &str, name: &str| {
        let text = fs::read_to_string(&told).unwrap_or_default();
        text.lines().any(|line| line.contains(event) && line.contains(name))
    };
    air.wait_for("word of the missing file", || has("source_failed", "b.wav"));
    fs::rename(bench.path("other.wav"), bench.path("b.wav")).unwrap();
    air.wait_for("the file on air", || has("now_playing", "b.wav"));
    air.terminate();
    air.end();
}

#[test]
fn a_fallback_that_cannot_be_read_keeps_no_station_off_the_air() {
    let bench = Bench::new();
    bench.tone("a", 440.0, 1.0);
    bench.write("text.wav", "not audio");
    for (id, fallback) in [("m", "missing.wav"), ("t", "text.wav")] {
        let text = recorder(id, "a.wav", "") + &format!("failover: {{ fallback_audio_path: {fallback} }}\n");
        let mut air = bench.run(&[&bench.write("x.yaml", &text)], &["--for", "700ms"]);
        air.end();
        let audio = decode(&bench.recording(id));
        let first = audio.iter().position(|frame| frame[0].abs() > 0.01).unwrap();
        assert!(is_tone(&audio[first..first + 12_000], RATE, 440.0));
        let log = air.log();
        assert!(log.contains("fallback_audio_path") && log.contains(fallback), "{log}");
    }
}
