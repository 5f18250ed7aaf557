//! A station on air whose outputs copy packets: what its listeners get are the frames of its items.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "mp3")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use airchain::codecs::container::mp3::frame_bytes;
use airchain::codecs::{Bitrate, Codec, Format};
use airchain::core::item::Metadata;
use airchain::file::FileWriter;
use airchain::{Host, HostConfig, config, from_config};
use testkit::icecast::{Port, read_head};
use testkit::signal;

const RATE: u32 = 44_100;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn write(path: &Path, hz: f64, seconds: u32) {
    let format = Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(128), sample_rate_hz: RATE, channels: 2 };
    let mut writer = FileWriter::create(path, &format, RATE, &Metadata::default()).unwrap();
    writer.write(&signal::sine(RATE, hz, -12.0, (seconds * RATE) as usize)).unwrap();
    writer.finish().unwrap();
}

/// The frames in a run of bytes, from the first that is followed by another.
fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let whole = |at: usize| frame_bytes(bytes.get(at..)?).filter(|length| at + length <= bytes.len());
    let begins = |at: &usize| whole(*at).is_some_and(|length| whole(at + length).is_some());
    let mut at = (0..bytes.len()).find(begins).unwrap();
    let mut frames = Vec::new();
    while let Some(length) = whole(at) {
        frames.push(&bytes[at..at + length]);
        at += length;
    }
    frames
}

/// The longest run of `file`'s frames, one after the other, in `sent`.
fn longest_run(sent: &[&[u8]], file: &[&[u8]]) -> usize {
    let places = |frame: &[u8]| (0..file.len()).filter(|n| file[*n] == frame).collect::<Vec<_>>();
    let mut runs = vec![0; file.len() + 1];
    let mut longest = 0;
    for frame in sent {
        let mut next = vec![0; file.len() + 1];
        for n in places(frame) {
            next[n + 1] = runs[n] + 1;
            longest = longest.max(next[n + 1]);
        }
        runs = next;
    }
    longest
}

#[test]
fn listeners_and_recordings_get_the_frames_of_the_items() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(&path("one.mp3"), 440.0, 4);
    write(&path("two.mp3"), 660.0, 4);
    let port = Port::free();
    let text = format!(
        "station: {{ id: copied, sample_rate: {RATE} }}\n\
         automation: {{ playlist: [{one:?}, {two:?}], loop: false }}\n\
         failover: {{ fallback_tone: false }}\n\
         mounts:\n  - id: main\n    outputs:\n\
         \x20     - {{ type: http, listen: \"127.0.0.1:{port}\", format: mp3, passthrough: true }}\n\
         \x20     - {{ type: recording, path: {recordings:?}, format: mp3, passthrough: true }}\n",
        one = path("one.mp3"),
        two = path("two.mp3"),
        port = port.number,
        recordings = path("recordings"),
    );
    let (spec, outputs) = from_config::station(&config::parse(&text, "copied.yaml").unwrap()).unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec, outputs).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut listener = loop {
        assert!(Instant::now() < deadline, "the mount is not on air");
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port.number)) {
            write!(stream, "GET /live.mp3 HTTP/1.0\r\n\r\n").unwrap();
            if read_head(&mut stream).contains(" 200 ") {
                break stream;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        listener.read_to_end(&mut bytes).map(|_| bytes)
    });
    while !station.is_finished() {
        assert!(Instant::now() < deadline, "it is not over");
        std::thread::sleep(Duration::from_millis(20));
    }
    host.shutdown(Duration::from_secs(10));
    let heard = reading.join().unwrap().unwrap();
    let recorded = std::fs::read_dir(path("recordings")).unwrap();
    let recorded = recorded
        .map(|entry| entry.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "mp3"))
        .unwrap();
    let strict = Command::new("ffmpeg")
        .args(["-v", "warning", "-err_detect", "explode", "-i"])
        .arg(&recorded)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    assert!(strict.stderr.is_empty(), "{}", String::from_utf8_lossy(&strict.stderr));
    let recorded = std::fs::read(recorded).unwrap();
    let sent = [("listener", frames(&heard)), ("recording", frames(&recorded))];
    for name in ["one.mp3", "two.mp3"] {
        let file = std::fs::read(path(name)).unwrap();
        let file = frames(&file);
        for (what, sent) in &sent {
            let run = longest_run(sent, &file);
            // A second of a file in one row is no chance; how much more of it is copied, a busy machine decides.
            assert!(run >= 38, "{what}: {run} of the {} frames of {name}", file.len());
        }
    }
}
