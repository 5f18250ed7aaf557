//! The command where the system around it fails: nobody reads, the disk is full, files are in the way.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Stereo, airchain, decode, events, fail, probe, starts, succeed, wait_for, write_wav};
use testkit::signal;

const RATE: u32 = 48_000;

fn noise(frames: usize) -> Vec<Stereo> {
    let quantise = |sample: f32| (sample * 8_388_608.0).round() / 8_388_608.0;
    signal::noise(7, -12.0, frames).into_iter().map(|frame| frame.map(quantise)).collect()
}

fn item(folder: &Path, name: &str, frames: usize) -> String {
    write_wav(&folder.join(name), RATE, &noise(frames))
}

#[test]
fn a_log_that_nobody_reads_stops_neither_the_station_nor_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let item = item(folder.path(), "item.wav", 9_600);
    let log = folder.path().join("events.jsonl");
    // As full as a pipe can be, so that not one line finds room.
    let (_reader, mut full) = std::io::pipe().unwrap();
    full.write_all(&[b'\n'; 65_536]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
    command.args(["play", &item, "--loop", "--crossfade", "0", "--listen", "127.0.0.1:0", "--events"]);
    let mut child = command.arg(&log).stdin(Stdio::null()).stderr(full).spawn().unwrap();
    let lines = || std::fs::read_to_string(&log).unwrap_or_default().matches("now_playing").count();
    wait_for("the twentieth item", || lines() >= 20);
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let mut status = None;
    wait_for("the end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn events_that_cannot_be_written_take_nothing_off_the_air() {
    let folder = tempfile::tempdir().unwrap();
    let item = item(folder.path(), "item.wav", 2 * RATE as usize);
    let play = |name: &str, events: &str, stdout: Stdio| {
        let recordings = folder.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.args(["play", &item, "--listen", "127.0.0.1:0", "--format", "flac", "--events", events]);
        command.arg("--record").arg(&recordings).stdout(stdout);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.matches("events are no longer written").count(), 1, "{said}");
        let recording = std::fs::read_dir(recordings).unwrap().next().unwrap().unwrap().path();
        assert!(decode(&recording).len() >= 2 * RATE as usize, "the recording is cut short");
    };
    play("full", "/dev/full", Stdio::null());
    let (_, closed) = std::io::pipe().unwrap();
    play("closed", "-", closed.into());

    let out = folder.path().join("out.wav");
    let said = fail(&["render", &item, "--out", out.to_str().unwrap(), "--events", "/dev/full"]);
    assert!(said.contains("/dev/full: "), "{said}");
    assert!(!out.exists());
    assert!(!folder.path().join("out.wav.part").exists());
}

#[test]
fn events_are_whole_to_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let (item, log) = (item(folder.path(), "item.wav", 4_800), folder.path().join("events.jsonl"));
    let log_text = log.to_str().unwrap();
    succeed(&["play", &item, &item, "--crossfade", "0", "--listen", "127.0.0.1:0", "--events", log_text]);
    let events = events(&log);
    assert_eq!(starts(&events).len(), 2);
    assert_eq!(events.iter().filter(|event| event["event"] == "item_ended").count(), 2);
}

#[test]
fn a_render_that_would_never_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let item = item(folder.path(), "item.wav", 9_600);
    let (station, out) = (folder.path().join("station.yaml"), folder.path().join("out.wav"));
    let (station_text, out) = (station.to_str().unwrap(), out.to_str().unwrap());
    let declare = |end: &str| {
        let text =
            format!("station: {{ id: x }}\nautomation: {{ playlist: [{item}], crossfade_sec: 0{end} }}\n");
        std::fs::write(&station, text).unwrap();
    };
    declare("");
    let said = fail(&["render", "--config", station_text, "--out", out]);
    assert!(said.contains("--duration") && said.contains("automation.loop"), "{said}");
    succeed(&["render", "--config", station_text, "--out", out, "--duration", "0.5"]);
    assert_eq!(decode(Path::new(out)).len(), 24_000);
    declare(", loop: false");
    succeed(&["render", "--config", station_text, "--out", out]);
    assert_eq!(decode(Path::new(out)).len(), 9_600);
}

#[test]
fn a_file_is_replaced_when_the_new_one_is_whole_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let item = item(folder.path(), "item.wav", 9_600);
    let plain = ["--chain", "none", "--wav-format", "f32"];
    let link = folder.path().join("link.wav");
    std::os::unix::fs::symlink(&item, &link).unwrap();
    // Through the link, the output is the input.
    succeed(&[&["render", &item, "--out", link.to_str().unwrap()], &plain[..]].concat());
    assert!(decode(Path::new(&item)) == noise(9_600));
    assert!(link.is_symlink());

    let broken = folder.path().join("broken.wav");
    std::fs::write(&broken, "no music").unwrap();
    fail(&["render", broken.to_str().unwrap(), "--out", &item]);
    assert!(decode(Path::new(&item)) == noise(9_600));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 3, "something is left behind");

    let piped = airchain(&["render", &item, "--out", "/dev/stdout", "--format", "mp3:128k"]);
    assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
    let heard = folder.path().join("piped.mp3");
    std::fs::write(&heard, piped.stdout).unwrap();
    assert!(decode(&heard).len() >= 9_600);
}

#[test]
fn a_programme_without_anything_playable_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.mp3");
    std::fs::write(&broken, "no music").unwrap();
    let said = fail(&["play", broken.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(said.contains("no item could be played"), "{said}");
}

#[test]
fn a_rate_that_the_codec_cannot_do_becomes_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let item = item(folder.path(), "item.wav", 9_600);
    for (rate, name, wanted) in
        [("96000", "a.mp3", "48000"), ("88200", "b.opus", "48000"), ("50000", "c.aac", "48000")]
    {
        let out = folder.path().join(name);
        succeed(&["render", &item, "--sample-rate", rate, "--out", out.to_str().unwrap()]);
        assert_eq!(probe(&out)["streams"][0]["sample_rate"], wanted, "{name}");
    }
}
