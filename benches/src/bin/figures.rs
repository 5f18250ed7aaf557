//! `make figures`: what a station costs, beside ffmpeg doing the same job in the same run.
//!
//! Prints Markdown tables: CPU seconds per hour of audio, peak memory, the time from process start to the first audio
//! byte at a listener, and what a whole scheduled day takes; with `day` behind the program's path, that alone. Processor seconds are the system's own accounting of each process, the median of
//! several runs taken in turn, so that a noisy machine disturbs both sides alike. With `passthrough` behind the path: what stations
//! cost whose one output copies packets, beside the same that encode.

#![allow(clippy::print_stdout)]

use std::io::{Error, Read, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use airchain_benches::emergency::free_address;
use airchain_benches::listen::wait_for;
use airchain_benches::process::{self, Process, children, cpu_s, resident_mib};
use airchain_benches::table::median;
use airchain_benches::{music, start};

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
        Some("passthrough") => passthrough(&airchain, &folder),
        _ => figures(&airchain, &folder).and_then(|()| day(&airchain, &folder)),
    };
    std::fs::remove_dir_all(&folder)?;
    result
}

fn figures(airchain: &str, folder: &Path) -> Result<()> {
    let [song, ours, theirs] =
        ["in.mp3", "ours.mp3", "theirs.mp3"].map(|name| folder.join(name).display().to_string());
    music::write(Path::new(&song), PROGRAMME_S)?;
    println!("## Offline: MP3 128k in (44.1 kHz), MP3 128k out (LAME q3), {PROGRAMME_S} s\n");
    println!("| job | CPU s per audio hour | wall s | peak MiB |\n|---|---|---|---|");
    let render = |flags: &str| format!("'{airchain}' render '{song}' --out '{ours}' {flags}");
    let ffmpeg = |rate: u32| {
        format!(
            "ffmpeg -nostdin -v error -y -i '{song}' -ar {rate} -b:a 128k -compression_level 3 '{theirs}'"
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
        let median = |figure: fn(&Run) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
        let hours = f64::from(PROGRAMME_S) / 3600.0;
        let (cpu, wall, peak) = (median(|r| r.cpu_s) / hours, median(|r| r.wall_s), median(|r| r.peak_mib));
        println!("| {name} | {cpu:.1} | {wall:.2} | {peak:.1} |");
    }
    println!("\n## On air: MP3 in, limiter, one MP3 128k listener\n");
    println!("| figure | median | least | most |\n|---|---|---|---|");
    let starts = (0..RUNS).map(|_| start::http(airchain, Path::new(&song))).collect::<Result<Vec<f64>>>()?;
    row("process start to first audio byte at the listener, ms", starts);
    let (memory, cpu) = one_station(airchain, &song)?;
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
        music::write(&folder.join(format!("song{number}.mp3")), seconds)?;
    }
    music::write(&folder.join("news.mp3"), 180)?;
    music::write(&folder.join("spot.mp3"), 30)?;
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

/// Stations on air, MP3 in and one MP3 listener each, of the same format: copied and encoded. What each further one costs
/// is its own; what is left of the first then is the process.
fn passthrough(airchain: &str, folder: &Path) -> Result<()> {
    music::write(&folder.join("song.mp3"), PROGRAMME_S)?;
    println!("## On air: MP3 128k in, MP3 128k out, 44.1 kHz, no chain, {PASSED_S} s, % of a core\n");
    let [one, some, many] = STATIONS;
    println!(
        "| output | {one} station | {some} | {many} | each further one | the process |\n|---|---|---|---|---|---|"
    );
    for (name, passthrough) in [("passed through", true), ("encoded", false)] {
        let mut shares = [0.0; STATIONS.len()];
        for (share, stations) in shares.iter_mut().zip(STATIONS) {
            *share = on_air(airchain, folder, stations, passthrough)?;
        }
        let each = (shares[2] - shares[1]) / f64::from(many - some);
        let process = shares[1] - f64::from(some) * each;
        let [first, second, third] = shares;
        println!("| {name} | {first:.2} | {second:.2} | {third:.2} | {each:.3} | {process:.2} |");
    }
    Ok(())
}

/// Length of a run, and how many stations there are.
const PASSED_S: u32 = 40;
const STATIONS: [u16; 3] = [1, 10, 50];

/// Per cent of a core that a process with so many stations takes.
fn on_air(airchain: &str, folder: &Path, stations: u16, passthrough: bool) -> Result<f64> {
    let mut command = Command::new(airchain);
    command.arg("run");
    let mut addresses = Vec::new();
    for number in 0..stations {
        let address = free_address()?;
        let text = format!(
            "station: {{ id: s{number}, sample_rate: 44100 }}\n\
             automation: {{ playlist: [song.mp3], loop: true }}\n\
             mounts: [{{ id: m, outputs: [{{ type: http, listen: \"{address}\", passthrough: {passthrough} }}] }}]\n"
        );
        let file = folder.join(format!("s{number}.yaml"));
        std::fs::write(&file, text)?;
        command.arg(file);
        addresses.push(address);
    }
    let running = Process::start(&mut command)?;
    for address in addresses {
        let mut listener = wait_for(address, "/live.mp3", Duration::from_secs(20))?;
        std::thread::spawn(move || std::io::copy(&mut listener, &mut std::io::sink()));
    }
    std::thread::sleep(Duration::from_secs(3));
    let (start, before) = (Instant::now(), cpu_s(running.id()));
    std::thread::sleep(Duration::from_secs(PASSED_S.into()));
    let spent = cpu_s(running.id()) - before;
    Ok(100.0 * spent / start.elapsed().as_secs_f64())
}

fn row(name: &str, values: Vec<f64>) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    println!("| {name} | {:.2} | {least:.2} | {most:.2} |", median(&values));
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
            peak_mib = peak_mib.max(process::peak_mib(pid));
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

fn play(airchain: &str, music: &str) -> Result<(Process, SocketAddr)> {
    let address = free_address()?;
    let mut command = Command::new(airchain);
    command.args(["play", music, "--loop", "--listen", &address.to_string()]);
    Ok((Process::start(&mut command)?, address))
}

/// Memory and CPU of a station with a listener.
fn one_station(airchain: &str, music: &str) -> Result<(f64, f64)> {
    let (process, address) = play(airchain, music)?;
    std::thread::sleep(Duration::from_secs(2));
    let mut listener = wait_for(address, "/live.mp3", Duration::from_secs(10))?;
    std::thread::spawn(move || std::io::copy(&mut listener, &mut std::io::sink()));
    let (start, before) = (Instant::now(), cpu_s(process.id()));
    std::thread::sleep(Duration::from_secs(20));
    let spent = cpu_s(process.id()) - before;
    Ok((resident_mib(process.id()), spent * 60.0 / start.elapsed().as_secs_f64()))
}
