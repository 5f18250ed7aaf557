//! `airchain play` on air beside real peers: icecast2 and ffmpeg receive a programme of twenty seconds.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::icecast::{Icecast, Port};

/// What is played: frequency, artist, title.
const PROGRAMME: [(u32, &str, &str); 3] =
    [(440, "Ida Blåbär", "\"Quoted\" & odd; title='x'"), (880, "Second", "Två"), (1320, "Third", "Three")];
/// Length of each item in seconds.
const ITEM_S: f64 = 7.0;

/// The command on air, with every output, killed when the test is over.
struct Airchain {
    child: Child,
    _port: Port,
    hls: PathBuf,
    recordings: PathBuf,
    events: PathBuf,
}

impl Airchain {
    fn play(icecast: &str, folder: &Path) -> Self {
        let [hls, recordings, events] = ["hls", "rec", "events.jsonl"].map(|name| folder.join(name));
        let log = std::fs::File::create(folder.join("airchain.log")).unwrap();
        let port = Port::free();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.args(["play", "--icecast", icecast, "--listen", &format!("127.0.0.1:{}", port.number)]);
        command.arg("--hls").arg(&hls).arg("--record").arg(&recordings).arg("--events").arg(&events);
        command.args(music(folder)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self { child: command.spawn().unwrap(), _port: port, hls, recordings, events }
    }

    fn wait(&mut self) {
        assert!(self.child.wait().unwrap().success());
    }

    fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.events).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// HLS and the recording hold the whole programme.
    fn assert_whole(&self) {
        assert_whole(&decode(&self.hls.join("live.m3u8")), "HLS");
        let files = std::fs::read_dir(&self.recordings).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "mp3")).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_whole(&decode(&files[0]), "recording");
    }
}

impl Drop for Airchain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ffmpeg(args: &[&str]) -> Output {
    let output = Command::new("ffmpeg").args(["-nostdin", "-v", "error"]).args(args).output();
    output.expect("ffmpeg (Debian package ffmpeg) runs")
}

/// The items as tagged MP3 files.
fn music(folder: &Path) -> Vec<String> {
    let make = |(hz, artist, title): &(u32, &str, &str)| {
        let path = folder.join(format!("{hz}.mp3")).display().to_string();
        let source = format!("sine=frequency={hz}:duration={ITEM_S}:sample_rate=44100");
        let (artist, title) = (format!("artist={artist}"), format!("title={title}"));
        let tags = ["-metadata", &artist, "-metadata", &title];
        let made = ffmpeg(
            &[&["-f", "lavfi", "-i", &source, "-ac", "2", "-b:a", "128k"], &tags[..], &[&path]].concat(),
        );
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        path
    };
    PROGRAMME.iter().map(make).collect()
}

/// Decodes with ffmpeg, which must find nothing wrong, to mono at 48 kHz.
fn decode(path: &Path) -> Vec<f64> {
    let path = path.display().to_string();
    let decoded = ffmpeg(&["-i", &path, "-f", "f32le", "-ac", "1", "-ar", "48000", "-"]);
    let complaints = String::from_utf8_lossy(&decoded.stderr).into_owned();
    assert!(decoded.status.success() && complaints.is_empty(), "{path}: {complaints}");
    decoded.stdout.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
}

/// The programme is whole: every item's tone for its full length, one after the other, with nothing between.
fn assert_whole(audio: &[f64], what: &str) {
    let wanted = ITEM_S * PROGRAMME.len() as f64 * 48_000.0;
    let over = audio.len() as f64 - wanted;
    // Behind the programme comes silence until the command has noticed that it is over, on a busy machine too.
    assert!((-1.0..=240_000.0).contains(&over), "{what}: {over} frames more than the programme");
    let tail = &audio[audio.len().min(wanted as usize + 9_600)..];
    assert!(tail.iter().all(|sample| sample.abs() < 0.01), "{what}: something is heard after the programme");
    let floor = audio.iter().fold(0.0, |peak: f64, sample| peak.max(sample.abs())) / 100.0;
    let first = audio.iter().position(|sample| sample.abs() > floor).unwrap();
    for (index, (hz, ..)) in PROGRAMME.iter().enumerate() {
        let start = first + (ITEM_S * 48_000.0) as usize * index;
        // Up to a few milliseconds from the joins, where codecs smear.
        let item = &audio[start + 1_000..start + (ITEM_S * 48_000.0) as usize - 4_000];
        let residual = testkit::measure::tone(item, 48_000, f64::from(*hz)).residual_db();
        assert!(residual < -35.0, "{what}: item {index} is not {hz} Hz throughout ({residual:.1} dB)");
    }
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !ready() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Removes the ICY blocks, and returns audio and titles.
fn split_icy(data: &[u8], interval: usize) -> (Vec<u8>, Vec<String>) {
    let (mut audio, mut titles, mut rest) = (Vec::new(), Vec::new(), data);
    while rest.len() > interval {
        audio.extend_from_slice(&rest[..interval]);
        let length = usize::from(rest[interval]) * 16;
        let block = rest.get(interval + 1..interval + 1 + length).unwrap_or_default();
        if !block.is_empty() {
            titles.push(String::from_utf8_lossy(block).trim_end_matches('\0').to_owned());
        }
        rest = rest.get(interval + 1 + length..).unwrap_or_default();
    }
    audio.extend_from_slice(rest);
    (audio, titles)
}

#[test]
fn twenty_seconds_reach_icecast_hls_and_recording_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = Icecast::start(2);
    let mut airchain = Airchain::play(&server.url("/utf8.mp3"), folder.path());
    wait_for("the mount", || server.is_on_air("/utf8.mp3"));
    let listener = server.listen("/utf8.mp3", true);
    let heard = std::thread::spawn(move || listener.rest());
    airchain.wait();

    let (audio, titles) = split_icy(&heard.join().unwrap(), 16_000);
    let wanted: Vec<String> =
        PROGRAMME.iter().map(|(_, artist, title)| format!("StreamTitle='{artist} - {title}';")).collect();
    let titles: Vec<String> = titles.into_iter().filter(|title| title != "StreamTitle='';").collect();
    assert_eq!(titles, wanted);
    let path = folder.path().join("heard.mp3");
    std::fs::write(&path, audio).unwrap();
    let heard_s = decode(&path).len() as f64 / 48_000.0;
    assert!(heard_s > ITEM_S * PROGRAMME.len() as f64 - 2.0, "the listener heard {heard_s} s only");

    airchain.assert_whole();
    let events = airchain.events();
    let played = events.iter().filter(|event| event["event"] == "now_playing");
    let order: Vec<&str> = played.map(|event| event["item"]["metadata"]["title"].as_str().unwrap()).collect();
    assert_eq!(order, PROGRAMME.map(|(_, _, title)| title));
}

#[test]
fn icecast_killed_and_restarted_costs_hls_and_the_recording_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Icecast::start(2);
    let mut airchain = Airchain::play(&server.url("/live.mp3"), folder.path());
    wait_for("the mount", || server.is_on_air("/live.mp3"));
    server.kill();
    let is_down = |event: &Value| {
        event["event"] == "output_health" && event["output"] == "icecast-0" && event["health"] == "down"
    };
    wait_for("word of the failure", || airchain.events().iter().any(is_down));
    assert!(server.restart());
    wait_for("the mount again", || server.is_on_air("/live.mp3"));
    // A listener after the restart hears audio, and reads the title that is true now.
    let mut listener = server.listen("/live.mp3", true);
    assert!(listener.next_title().contains("StreamTitle='"));
    airchain.wait();
    airchain.assert_whole();
}

#[test]
fn what_cannot_run_says_why_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_airchain")).args(args).output().unwrap();
        assert!(!output.status.success(), "{args:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let music = music(folder.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["play", "/nowhere/at/all"], &["/nowhere/at/all"]),
        (&["play", &music[0], "--listen", &taken], &[&taken, "in use"]),
        (&["play", &music[0], "--format", "mp3:9999k"], &["mp3", "9999"]),
        (&["play", &music[0], "--icecast", "icecast://source:s3cret@/x"], &["icecast"]),
        (&["render", &music[0], "--out", "/nowhere/x.wav"], &["/nowhere/x.wav"]),
        (&["render", &music[0], "--out", "x.xyz"], &["x.xyz", ".flac"]),
    ];
    for (args, words) in cases {
        let said = run(args);
        assert!(words.iter().all(|word| said.contains(word)), "{args:?}: {said}");
        assert!(!said.contains("s3cret"), "a password was shown");
    }
}
