//! `make figures`: what a station costs, beside ffmpeg doing the same job in the same run.
//!
//! Prints Markdown tables: CPU seconds per hour of audio, peak memory, the time from process start to the first audio
//! byte at a listener, and what a whole scheduled day takes; with `day` behind the program's path, that alone. Processor seconds are the system's own accounting of each process, the median of
//! several runs taken in turn, so that a noisy machine disturbs both sides alike.

#![allow(clippy::print_stdout)]

use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each command.
const RUNS: usize = 5;
/// Length of the programme that is rendered.
const PROGRAMME_S: u32 = 600;

fn main() -> Result<()> {
    let airchain = std::env::args().nth(1).unwrap_or_else(|| "target/release/airchain".into());
    let folder = std::env::temp_dir().join(format!("airchain-figures-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let table = std::env::args().nth(2);
    let result = match table.as_deref() {
        Some("day") => day(&airchain, &folder),
        _ => figures(&airchain, &folder).and_then(|()| day(&airchain, &folder)),
    };
    std::fs::remove_dir_all(&folder)?;
    result
}

fn figures(airchain: &str, folder: &Path) -> Result<()> {
    let [music, ours, theirs] =
        ["in.mp3", "ours.mp3", "theirs.mp3"].map(|name| folder.join(name).display().to_string());
    make_song(Path::new(&music), PROGRAMME_S)?;
    println!("## Offline: MP3 128k in (44.1 kHz), MP3 128k out (LAME q3), {PROGRAMME_S} s\n");
    println!("| job | CPU s per audio hour | wall s | peak MiB |\n|---|---|---|---|");
    let render = |flags: &str| format!("'{airchain}' render '{music}' --out '{ours}' {flags}");
    let ffmpeg = |rate: u32| {
        format!(
            "ffmpeg -nostdin -v error -y -i '{music}' -ar {rate} -b:a 128k -compression_level 3 '{theirs}'"
        )
    };
    let jobs = [
        ("airchain, to 48 kHz, chain none", render("--format mp3:128k --chain none")),
        ("ffmpeg, to 48 kHz", ffmpeg(48_000)),
        ("airchain, to 48 kHz, chain safe", render("--format mp3:128k --chain safe")),
        ("airchain, to 48 kHz, chain broadcast", render("--format mp3:128k --chain broadcast")),
        (
            "airchain, 44.1 kHz throughout, chain none",
            render("--format mp3:128k@44100 --chain none --sample-rate 44100"),
        ),
        ("ffmpeg, 44.1 kHz throughout", ffmpeg(44_100)),
    ];
    let mut runs: Vec<Vec<Run>> = jobs.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        for ((_, command), runs) in jobs.iter().zip(&mut runs) {
            runs.push(measure(command)?);
        }
    }
    for ((name, _), runs) in jobs.iter().zip(&runs) {
        let median = |figure: fn(&Run) -> f64| middle(runs.iter().map(figure).collect());
        let hours = f64::from(PROGRAMME_S) / 3600.0;
        let (cpu, wall, peak) = (median(|r| r.cpu_s) / hours, median(|r| r.wall_s), median(|r| r.peak_mib));
        println!("| {name} | {cpu:.1} | {wall:.2} | {peak:.1} |");
    }
    println!("\n## On air: MP3 in, limiter, one MP3 128k listener\n");
    println!("| figure | median | least | most |\n|---|---|---|---|");
    let starts = (0..RUNS).map(|_| first_byte(airchain, &music)).collect::<Result<Vec<f64>>>()?;
    row("process start to first audio byte at the listener, ms", starts);
    let (memory, cpu) = one_station(airchain, &music)?;
    row("resident memory of one station after 20 s, MiB", vec![memory]);
    row("CPU s per station-minute", vec![cpu]);
    Ok(())
}

/// Songs of the day, in seconds.
const SONGS_S: [u32; 7] = [263, 271, 247, 282, 239, 290, 255];

/// A whole day from a station file: songs, news on the hour, spots at every half past, a fill before noon.
fn day(airchain: &str, folder: &Path) -> Result<()> {
    let [station, events] = ["day.yaml", "day.jsonl"].map(|name| folder.join(name).display().to_string());
    for (number, seconds) in (1..).zip(SONGS_S) {
        make_song(&folder.join(format!("song{number}.mp3")), seconds)?;
    }
    make_song(&folder.join("news.mp3"), 180)?;
    make_song(&folder.join("spot.mp3"), 30)?;
    let songs: Vec<String> = (1..=SONGS_S.len()).map(|number| format!("song{number}.mp3")).collect();
    let songs = songs.join(", ");
    let text = format!(
        "station: {{ id: day, sample_rate: 48000 }}\n\
         automation: {{ playlist: [{songs}], crossfade_sec: 3, loop: true }}\n\
         schedule:\n  - {{ at: \":00:00\", path: news.mp3 }}\n  - {{ at: \":30:00\", mode: soft, path: spot.mp3 }}\n  \
         - {{ at: \"11:30:00\", until: \"12:00:00\", mode: fill, pool: [{songs}] }}\n"
    );
    std::fs::write(&station, text)?;
    println!("\n## A day of a station file, offline: MP3 128k in (44.1 kHz), 48 kHz, 24 h\n");
    println!("| job | items | wall s | CPU s | times real time | peak MiB |\n|---|---|---|---|---|---|");
    let render = format!(
        "'{airchain}' render --config '{station}' --start 2026-11-28T00:00:00Z --duration 24h --events '{events}'"
    );
    for (name, how) in
        [("with audio, `--out /dev/null`", "--out /dev/null"), ("planned, `--quick`", "--quick")]
    {
        let run = measure(&format!("{render} {how}"))?;
        let told = std::fs::read_to_string(&events)?;
        let items = told.matches("\"event\":\"now_playing\"").count();
        let (cpu, wall, peak) = (run.cpu_s, run.wall_s, run.peak_mib);
        println!("| {name} | {items} | {wall:.1} | {cpu:.1} | {:.0} | {peak:.1} |", 86_400.0 / wall);
    }
    Ok(())
}

fn row(name: &str, values: Vec<f64>) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    println!("| {name} | {:.2} | {least:.2} | {most:.2} |", middle(values));
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Chords and noise: what encoders find neither easy nor hard.
fn make_song(path: &Path, seconds: u32) -> Result<()> {
    let tone = |hz: f64| format!("sine=f={hz}:d={seconds}:r=44100");
    let chord = format!(
        "{}[a];{}[b];{}[c];anoisesrc=c=pink:a=0.15:d={seconds}:r=44100:s=1[n];\
         [a][b][c][n]amix=inputs=4,tremolo=f=3:d=0.6,volume=3[out]",
        tone(220.0),
        tone(277.2),
        tone(329.6)
    );
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-filter_complex", &chord, "-map", "[out]", "-ac", "2"])
        .args(["-b:a", "128k"])
        .arg(path)
        .status()?;
    if made.success() { Ok(()) } else { Err(Error::other("ffmpeg could not make the programme")) }
}

struct Run {
    cpu_s: f64,
    wall_s: f64,
    peak_mib: f64,
}

/// Runs a shell command. The shell's `times` says what its children cost.
fn measure(command: &str) -> Result<Run> {
    let start = Instant::now();
    let mut child = Command::new("sh")
        .args(["-c", &format!("{command} 2>/dev/null && times")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut peak_mib: f64 = 0.0;
    while child.try_wait()?.is_none() {
        for pid in children(child.id()) {
            peak_mib = peak_mib.max(memory_mib(pid, "VmHWM"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let wall_s = start.elapsed().as_secs_f64();
    let mut said = String::new();
    child.stdout.take().ok_or_else(|| Error::other("no output"))?.read_to_string(&mut said)?;
    if !child.wait()?.success() {
        return Err(Error::other(format!("failed: {command}")));
    }
    let cpu_s = said.lines().nth(1).unwrap_or_default().split_whitespace().map(minutes).sum();
    Ok(Run { cpu_s, wall_s, peak_mib })
}

/// `1m2.5s` in seconds.
fn minutes(text: &str) -> f64 {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap_or(("0", "0"));
    minutes.parse().unwrap_or(0.0) * 60.0 + seconds.parse().unwrap_or(0.0)
}

fn children(pid: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn memory_mib(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// User and system time of a process in seconds.
fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    // Fields 14 and 15 of proc(5), in ticks of 10 ms.
    (ticks(11) + ticks(12)) / 100.0
}

struct Playing(Child, SocketAddr);

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn play(airchain: &str, music: &str) -> Result<Playing> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new(airchain);
    command.args(["play", music, "--loop", "--listen", &address.to_string()]);
    Ok(Playing(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?, address))
}

/// Milliseconds from the start of the process to the first byte of audio at a listener.
fn first_byte(airchain: &str, music: &str) -> Result<f64> {
    let start = Instant::now();
    let playing = play(airchain, music)?;
    while start.elapsed() < Duration::from_secs(10) {
        if let Ok(Some(_)) = listen(playing.1) {
            return Ok(start.elapsed().as_secs_f64() * 1000.0);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(Error::other("no audio within 10 s"))
}

/// A listener that has had its first byte; `None` while the mount is not up.
fn listen(address: SocketAddr) -> Result<Option<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /live.mp3 HTTP/1.0\r\n\r\n")?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.extend_from_slice(&byte);
    }
    let ok = head.split(|b| *b == b'\r').next().is_some_and(|line| line.ends_with(b"200 OK"));
    Ok((ok && stream.read(&mut byte)? == 1).then_some(stream))
}

/// Memory and CPU of a station with a listener.
fn one_station(airchain: &str, music: &str) -> Result<(f64, f64)> {
    let playing = play(airchain, music)?;
    std::thread::sleep(Duration::from_secs(2));
    let mut listener = listen(playing.1)?.ok_or_else(|| Error::other("the mount is not up"))?;
    std::thread::spawn(move || std::io::copy(&mut listener, &mut std::io::sink()));
    let (start, before) = (Instant::now(), cpu_s(playing.0.id()));
    std::thread::sleep(Duration::from_secs(20));
    let spent = cpu_s(playing.0.id()) - before;
    Ok((memory_mib(playing.0.id(), "VmRSS"), spent * 60.0 / start.elapsed().as_secs_f64()))
}
