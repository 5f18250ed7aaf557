//! What the air thread of a real run asks the system for: one sleep per block and nothing else, as strace sees it.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::{events, wait_for, write_wav};
use testkit::icecast::Port;

const RATE: u32 = 48_000;
/// Frames in a block.
const BLOCK: u64 = 480;

/// A command that runs, killed when the test is over.
struct Running(Child);

impl Running {
    fn spawn(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        Self(child.expect("strace (Debian package strace) runs"))
    }

    fn interrupt(&mut self) {
        let kill = format!("kill -INT {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tone(folder: &Path, name: &str, hz: f32, seconds: usize) -> String {
    let step = hz * std::f32::consts::TAU / RATE as f32;
    let frames: Vec<_> = (0..seconds * RATE as usize).map(|n| [(n as f32 * step).sin() * 0.2; 2]).collect();
    write_wav(&folder.join(name), RATE, &frames)
}

/// The system calls of each thread by the name it has given itself, in order.
fn calls(trace: &Path) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(trace).unwrap();
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut names = BTreeMap::new();
    for (thread, call) in &lines {
        if let Some(name) = call.trim_start().strip_prefix("prctl(PR_SET_NAME, \"") {
            names.insert(*thread, name.split('"').next().unwrap().to_owned());
        }
    }
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (thread, call) in lines {
        // A call that another thread's line interrupts is written in two parts.
        let call = call.trim_start();
        if let Some(name) = names.get(thread).filter(|_| !call.starts_with("<...")) {
            calls.entry(name.clone()).or_default().push(call.to_owned());
        }
    }
    calls
}

fn is_sleep(call: &str) -> bool {
    call.starts_with("clock_nanosleep(") || call.starts_with("nanosleep(")
}

fn happened(path: &Path, event: &str, matches: impl Fn(&Value) -> bool) -> bool {
    path.exists() && events(path).iter().any(|line| line["event"] == event && matches(line))
}

#[test]
fn the_air_thread_makes_no_system_call_but_one_sleep_per_block() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (a, b) = (tone(folder, "a.wav", 440.0, 20), tone(folder, "b.wav", 660.0, 20));
    let alert = tone(folder, "alert.wav", 1_500.0, 1);
    let program = env!("CARGO_BIN_EXE_airchain");

    // Another station, whose stream is the live source.
    let port = Port::free();
    let upstream = format!("127.0.0.1:{}", port.number);
    let mut command = Command::new(program);
    command.args(["play", "--loop", "--listen", &upstream, &b]);
    let upstream_runs = Running::spawn(&mut command, &folder.join("upstream.log"));
    wait_for("the other station", || std::net::TcpStream::connect(&upstream).is_ok());

    let recording = json!({"id": "more", "type": "recording", "path": folder.join("more"), "format": "flac"});
    let commands = [
        json!({"at": 0.5, "command": "skip", "fade_s": 0.2}),
        json!({"at": 0.7, "command": "set_chain", "preset": "loud"}),
        json!({"at": 1.0, "command": "add_output", "output": recording}),
        json!({"at": 1.2, "command": "insert_emergency", "item": {"path": alert}}),
        json!({"at": 1.5, "command": "set_metadata", "metadata": {"title": "something else"}}),
        json!({"at": 2.4, "command": "fade", "gain_db": -6, "duration_s": 0.1}),
        json!({"at": 2.6, "command": "set_chain", "preset": "broadcast"}),
        json!({"at": 2.8, "command": "remove_output", "id": "more"}),
    ];
    let script: String = commands.iter().map(|command| format!("{command}\n")).collect();
    std::fs::write(folder.join("script.jsonl"), script).unwrap();
    let (trace, told) = (folder.join("trace"), folder.join("events.jsonl"));
    let own = Port::free();
    let mut command = Command::new("strace");
    // The tracer goes into the background: what runs here is the command itself.
    command.args(["-D", "-f", "-qq", "-e", "signal=none", "-o"]).arg(&trace).arg(program);
    command.args(["play", "--loop", "--listen", &format!("127.0.0.1:{}", own.number)]);
    command.arg("--events").arg(&told).arg("--script").arg(folder.join("script.jsonl"));
    command.args([&format!("http://{upstream}/live.mp3"), &a, &b]);
    let mut traced = Running::spawn(&mut command, &folder.join("log"));
    wait_for("the live source on air", || {
        happened(&told, "priority_changed", |line| line["to"] == "live_scheduled")
    });
    drop(upstream_runs);
    wait_for("the automation after the live source", || {
        happened(&told, "priority_changed", |line| line["from"] == "live_scheduled")
    });
    traced.interrupt();

    let told = events(&told);
    let done: Vec<&str> = told
        .iter()
        .filter(|line| line["event"] == "command_done")
        .map(|line| line["command"].as_str().unwrap())
        .collect();
    for command in &commands {
        assert!(
            done.contains(&command["command"].as_str().unwrap()),
            "{command} was not carried out: {done:?}"
        );
    }
    let blocks = told.iter().map(|line| line["frame"].as_u64().unwrap()).max().unwrap() / BLOCK;
    let calls = calls(&trace);
    let air = calls.get("air-0").expect("the air thread is there, under its name");
    let first = air.iter().position(|call| is_sleep(call)).unwrap();
    let last = air.iter().rposition(|call| is_sleep(call)).unwrap();
    let running = &air[first..=last];
    let others: Vec<&String> = running.iter().filter(|call| !is_sleep(call)).collect();
    assert!(others.is_empty(), "within {blocks} blocks: {others:#?}");
    // The rest are the pauses of 5 ms while there is no station yet.
    let sleeps = running.iter().filter(|call| !call.contains("tv_sec=0, tv_nsec=5000000")).count() as u64;
    // What was heard last lies a look-ahead behind what was rendered last.
    assert!(sleeps > 100 && sleeps <= blocks + 100, "{sleeps} sleeps for {blocks} blocks");
}
