//! What the tests of the command share: running it, making files for it, and reading what it wrote with ffmpeg.

#![allow(clippy::unwrap_used, dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Two channels of one frame.
pub(crate) type Stereo = [f32; 2];

/// Runs the command to its end.
pub(crate) fn airchain(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_airchain")).args(args).output().unwrap()
}

/// Runs the command, which must succeed; what it wrote to standard error.
pub(crate) fn succeed(args: &[&str]) -> String {
    let output = airchain(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

/// Runs the command, which must fail with exit status 1; what it wrote to standard error.
pub(crate) fn fail(args: &[&str]) -> String {
    let output = airchain(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    said
}

/// Runs ffmpeg; its standard output and complaints.
pub(crate) fn ffmpeg(args: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-y"]).args(args).output();
    let output = output.expect("ffmpeg (Debian package ffmpeg) runs");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ffmpeg {args:?}: {complaints}");
    (output.stdout, complaints)
}

/// Decodes with ffmpeg, which must find nothing wrong, at the file's own rate and in stereo.
pub(crate) fn decode(path: &Path) -> Vec<Stereo> {
    decode_with(path, &[])
}

/// Decodes with ffmpeg and further options for the output.
pub(crate) fn decode_with(path: &Path, options: &[&str]) -> Vec<Stereo> {
    let path = path.to_str().unwrap();
    let args = [&["-i", path], options, &["-f", "f32le", "-ac", "2", "-"]].concat();
    let (bytes, complaints) = ffmpeg(&args);
    assert!(complaints.is_empty(), "{path}: {complaints}");
    let sample = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    bytes.chunks_exact(8).map(|frame| [sample(&frame[..4]), sample(&frame[4..])]).collect()
}

/// What ffprobe says of a file's container and streams.
pub(crate) fn probe(path: &Path) -> Value {
    let args = ["-v", "error", "-of", "json", "-show_format", "-show_streams"];
    let output = Command::new("ffprobe").args(args).arg(path).output();
    let output = output.expect("ffprobe (Debian package ffmpeg) runs");
    assert!(output.status.success(), "{path:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Writes a WAV file of 32-bit floats, and gives its path.
pub(crate) fn write_wav(path: &Path, rate: u32, frames: &[Stereo]) -> String {
    testkit::file::float_wav(path, rate, frames);
    path.to_str().unwrap().to_owned()
}

/// The events of a file.
pub(crate) fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Frame and file name of each `now_playing`.
pub(crate) fn starts(events: &[Value]) -> Vec<(u64, String)> {
    let playing = events.iter().filter(|event| event["event"] == "now_playing");
    playing
        .map(|event| (event["frame"].as_u64().unwrap(), file_name(event["item"]["path"].as_str().unwrap())))
        .collect()
}

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> String {
    PathBuf::from(path).file_name().unwrap().to_string_lossy().into_owned()
}

/// Asks again and again until it is so, and fails after twenty seconds.
pub(crate) fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !ready() {
        assert!(std::time::Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
