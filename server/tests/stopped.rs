//! A process that is stopped and goes on (SIGSTOP, SIGCONT, as a debugger, a job control or a frozen container does it): its
//! outputs are not flooded, and the times of what follows are right.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use support::{decode, events, wait_for, write_wav};
use testkit::icecast::Port;

const RATE: u32 = 48_000;
/// What the process stands still for.
const STOPPED: Duration = Duration::from_secs(12);
/// Bytes of the stream per second: MP3 at 128 kbit/s.
const BYTES: f64 = 16_000.0;
/// What is made good at once (docs/real-time.md), an MP3 frame or two included.
const MADE_GOOD_S: f64 = 0.6;

/// The command on air, killed when the test is over.
struct Airchain(Child);

impl Airchain {
    fn play(folder: &Path, listen: &str) -> Self {
        let tone = |n: usize| (n as f32 * 440.0 * std::f32::consts::TAU / RATE as f32).sin() * 0.2;
        let frames: Vec<_> = (0..20 * RATE as usize).map(|n| [tone(n); 2]).collect();
        let music =
            ["a.wav", "b.wav", "c.wav", "d.wav"].map(|name| write_wav(&folder.join(name), RATE, &frames));
        let script = r#"{"at": 3, "command": "skip", "fade_s": 0.1}
            {"at": 9, "command": "skip", "fade_s": 0.1}"#;
        std::fs::write(folder.join("script.jsonl"), script).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.args(["play", "--loop", "--listen", listen]).args(music);
        for (flag, name) in [
            ("--hls", "hls"),
            ("--record", "rec"),
            ("--events", "events.jsonl"),
            ("--script", "script.jsonl"),
        ] {
            command.arg(flag).arg(folder.join(name));
        }
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        Self(child.unwrap())
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

impl Drop for Airchain {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Listens until the stream ends: when something came, and how much.
fn listen(listen: &str) -> mpsc::Receiver<(Instant, usize)> {
    let mut stream = TcpStream::connect(listen).unwrap();
    stream.write_all(b"GET /live.mp3 HTTP/1.0\r\n\r\n").unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            if sender.send((Instant::now(), read)).is_err() {
                return;
            }
        }
    });
    receiver
}

fn time(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// Beginning and length in seconds of each segment of a playlist.
fn segments(playlist: &Path) -> Vec<(jiff::Timestamp, f64)> {
    let text = std::fs::read_to_string(playlist).unwrap_or_default();
    let field = |tag: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(tag)).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    let dates = field("#EXT-X-PROGRAM-DATE-TIME:");
    let lengths = field("#EXTINF:");
    assert_eq!(dates.len(), lengths.len());
    let length = |text: &String| text.split(',').next().unwrap().parse().unwrap();
    dates.iter().zip(&lengths).map(|(date, text)| (time(date), length(text))).collect()
}

/// Time that lies between what the segments hold, in seconds.
fn left_out_s(segments: &[(jiff::Timestamp, f64)]) -> f64 {
    let between = segments
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0).total(jiff::Unit::Second).unwrap() - pair[0].1);
    between.sum()
}

/// By how much the time of an event is behind its frame, in seconds: as long as nothing is left out it is always the same.
fn offset_s(event: &Value) -> f64 {
    let utc = time(event["utc"].as_str().unwrap()).as_nanosecond() as f64 / 1e9;
    utc - event["frame"].as_f64().unwrap() / f64::from(RATE)
}

#[test]
fn a_process_that_stood_still_floods_nobody_and_knows_what_time_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let port = Port::free();
    let address = format!("127.0.0.1:{}", port.number);
    let airchain = Airchain::play(folder, &address);
    wait_for("the listener", || TcpStream::connect(&address).is_ok());
    let playlist = folder.join("hls/live.m3u8");
    wait_for("a segment", || !segments(&playlist).is_empty());
    let heard = listen(&address);
    assert!(heard.iter().take(5).count() == 5, "the stream ended");

    airchain.signal("STOP");
    std::thread::sleep(STOPPED);
    // What was under way has come by now.
    while heard.try_recv().is_ok() {}
    let went_on = Instant::now();
    airchain.signal("CONT");
    let mut bytes = 0;
    let burst = heard.iter().take_while(|(at, _)| at.duration_since(went_on).as_secs_f64() < 3.0);
    for (at, read) in burst {
        bytes += read;
        let seconds = at.duration_since(went_on).as_secs_f64();
        assert!(
            bytes as f64 <= (seconds + MADE_GOOD_S) * BYTES,
            "{bytes} bytes arrived in the first {seconds:.3} s after the process went on"
        );
    }
    assert!(bytes > 0, "nothing arrived in three seconds");
    let recorded = |n: usize| std::fs::read_dir(folder.join("rec")).is_ok_and(|dir| dir.count() >= n);
    wait_for("another recording", || recorded(2));
    wait_for("the dates of a segment behind the stop", || left_out_s(&segments(&playlist)) > 1.0);
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap();
    let segments = segments(&playlist);
    wait_for("the second skip", || {
        events(&folder.join("events.jsonl")).iter().filter(|event| event["event"] == "command_done").count()
            == 2
    });
    airchain.signal("INT");
    let mut airchain = airchain;
    assert!(airchain.0.wait().unwrap().success());

    let events = events(&folder.join("events.jsonl"));
    let missed: Vec<&Value> = events.iter().filter(|event| event["event"] == "missed").collect();
    let missed_s =
        missed.iter().map(|event| event["frames"].as_f64().unwrap() / f64::from(RATE)).sum::<f64>();
    let longest = missed.iter().map(|event| event["ms"].as_u64().unwrap()).max();
    assert!(longest.is_some_and(|ms| ms > 11_000), "{missed:?}");
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.contains("nothing was rendered for") && log.contains("see docs/real-time.md"), "{log}");

    // Times of events: right before and right after.
    let skips: Vec<&Value> = events.iter().filter(|event| event["event"] == "command_done").collect();
    let moved = offset_s(skips[1]) - offset_s(skips[0]);
    assert!((moved - missed_s).abs() < 0.002, "times moved by {moved} s, {missed_s} s were missed");
    // Dates of HLS: the segments lie apart by what is missing between them, and the last ends now and not 12 s ago.
    let left_out = left_out_s(&segments);
    assert!(left_out > 11.0 && left_out < missed_s + 0.01, "dates leave out {left_out} s of {missed_s} s");
    let (last, length) = *segments.last().unwrap();
    let behind = (now - last).total(jiff::Unit::Second).unwrap() - length;
    assert!(behind < 11.0, "what was published last is dated {behind} s ago");
    // Recordings: one ends at the stop, the next begins behind it, and says so in its name.
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("rec")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let began: Vec<f64> = names.map(|name| seconds_of(&name)).collect();
    let first_s = decode(&files[0]).len() as f64 / f64::from(RATE);
    let gap = (began[1] - began[0]).rem_euclid(86_400.0) - first_s;
    assert!((10.0..missed_s + 2.0).contains(&gap), "{files:?}: {first_s} s and a gap of {gap} s");
}

/// The time of day in the name of a recording.
fn seconds_of(name: &str) -> f64 {
    let digits: String = name.chars().rev().filter(char::is_ascii_digit).take(6).collect();
    let digits: Vec<u32> = digits.chars().rev().map(|digit| digit.to_digit(10).unwrap()).collect();
    f64::from(
        (digits[0] * 10 + digits[1]) * 3600 + (digits[2] * 10 + digits[3]) * 60 + digits[4] * 10 + digits[5],
    )
}
