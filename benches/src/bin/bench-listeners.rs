//! `make bench-listeners`: what hundreds of direct listeners of one mount cost, beside icecast2 with as many.
//!
//! `bench-listeners AIRCHAIN [LISTENERS] [SECONDS] [--write DIR]`. One station encodes one MP3 and gives it to its own HTTP output and to a
//! real icecast2; both are measured without listeners, then with as many each at the same time. Prints a Markdown
//! table; with `--write` it also puts it between the markers of `DIR/benchmarks.md`.

#![allow(clippy::print_stdout)]

use std::io::{Error, ErrorKind, Read, Result};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use airchain_benches::arguments::Arguments;
use airchain_benches::emergency::free_address;
use airchain_benches::listen::{admitted, wait_for};
use airchain_benches::process::{Process, cpu_s, machine, resident_mib};
use airchain_benches::table::{quantile, today, write_between};
use testkit::icecast::Icecast;

/// The mount, on both servers.
const MOUNT: &str = "/live.mp3";
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(90);
/// What both are left alone for after something has changed.
const SETTLE: Duration = Duration::from_secs(5);
/// How often the sockets of the listeners are emptied.
const ROUND: Duration = Duration::from_millis(50);

fn main() -> Result<()> {
    let asked = Arguments::of_process("bench-listeners AIRCHAIN [LISTENERS] [SECONDS] [--write DIR]");
    let text = report(asked.airchain(), asked.number(1, 500)?, asked.number(2, 60)?)?;
    println!("{text}");
    asked.write.map_or(Ok(()), |to| write_between(&to.join("benchmarks.md"), "listeners", &text))
}

/// A server under measurement.
struct Server {
    name: &'static str,
    pid: u32,
    address: SocketAddr,
}

/// What it took in a stretch of time, and had at its end.
struct Took {
    cpu_s: f64,
    resident_mib: f64,
}

fn report(airchain: &str, listeners: u32, seconds: u32) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let icecast = Icecast::start_as_usual();
    let address = free_address()?;
    let station = station(folder.path(), &icecast, address)?;
    let process = Process::start(Command::new(airchain).arg("run").arg(station))?;
    let there = icecast.id().ok_or_else(|| Error::other("icecast2 does not run"))?;
    let servers = [
        Server { name: "airchain", pid: process.id(), address },
        Server { name: "icecast2", pid: there, address: icecast.address() },
    ];
    for server in &servers {
        drop(wait_for(server.address, MOUNT, PATIENCE)?);
    }
    std::thread::sleep(SETTLE);
    let alone = measure(&servers, seconds);
    let crowds = servers.iter().map(|server| Crowd::join(server.address, listeners));
    let crowds = crowds.collect::<Result<Vec<_>>>()?;
    std::thread::sleep(SETTLE);
    let begun: Vec<_> = crowds.iter().map(Crowd::heard).collect();
    let crowded = measure(&servers, seconds);
    let mut out = format!(
        "{}; {}. {listeners} listeners each for {seconds} s.\n\n\
         | server | CPU s without listeners | with {listeners} | per listener-hour | resident MiB without | with {listeners} | \
         KiB per listener | connected at the end | kbit/s: least, median |\n|---|---|---|---|---|---|---|---|---|\n",
        today(),
        machine()
    );
    let heard: Vec<_> = crowds.into_iter().zip(begun).map(|(crowd, begun)| crowd.finish(begun)).collect();
    for (((server, (connected, rates)), alone), crowded) in servers.iter().zip(heard).zip(alone).zip(crowded)
    {
        let (cpu, mib) = (crowded.cpu_s - alone.cpu_s, crowded.resident_mib - alone.resident_mib);
        out += &format!(
            "| {} | {:.2} | {:.2} | {:.3} | {:.1} | {:.1} | {:.1} | {} | {:.1}, {:.1} |\n",
            server.name,
            alone.cpu_s,
            crowded.cpu_s,
            cpu / f64::from(seconds) * 3600.0 / f64::from(listeners),
            alone.resident_mib,
            crowded.resident_mib,
            mib * 1024.0 / f64::from(listeners),
            connected,
            quantile(&rates, 0.0),
            quantile(&rates, 0.5),
        );
    }
    Ok(out)
}

/// A station file: one encoder, its packets to both.
fn station(folder: &Path, icecast: &Icecast, address: SocketAddr) -> Result<PathBuf> {
    let (music, file) = (folder.join("music.mp3"), folder.join("station.yaml"));
    airchain_benches::music::write(&music, 60)?;
    let text = format!(
        "station: {{ id: bench, name: Bench, sample_rate: 44100 }}\n\
         automation: {{ playlist: [{music:?}] }}\n\
         mounts:\n  - id: m\n    name: Bench\n    outputs:\n      \
         - {{ type: http, listen: '{address}', path: {MOUNT}, max_listeners_per_address: 4096, format: mp3, bitrate_kbps: 128 }}\n      \
         - {{ type: icecast, url: '{}', format: mp3, bitrate_kbps: 128 }}\n",
        icecast.url(MOUNT)
    );
    std::fs::write(&file, text)?;
    Ok(file)
}

fn measure(servers: &[Server], seconds: u32) -> Vec<Took> {
    let before: Vec<f64> = servers.iter().map(|server| cpu_s(server.pid)).collect();
    std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    let took = |(server, before): (&Server, f64)| Took {
        cpu_s: cpu_s(server.pid) - before,
        resident_mib: resident_mib(server.pid),
    };
    servers.iter().zip(before).map(took).collect()
}

/// Listeners of one mount, on a thread that empties all their sockets.
struct Crowd {
    /// Bytes that each has had.
    counts: Arc<Vec<AtomicU64>>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<TcpStream>>,
}

impl Crowd {
    fn join(address: SocketAddr, listeners: u32) -> Result<Self> {
        let mut streams = Vec::new();
        for number in 0..listeners {
            let stream = admitted(address, MOUNT)?;
            let stream =
                stream.ok_or_else(|| Error::other(format!("{address} admits {number} listeners")))?;
            stream.set_nonblocking(true)?;
            streams.push(stream);
        }
        let counts: Arc<Vec<AtomicU64>> = Arc::new(streams.iter().map(|_| AtomicU64::new(0)).collect());
        let over = Arc::new(AtomicBool::new(false));
        let (counting, ends) = (Arc::clone(&counts), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            let mut listening: Vec<_> = streams.into_iter().zip(counting.iter()).collect();
            while !ends.load(Ordering::Relaxed) {
                listening.retain_mut(|(stream, count)| is_there(stream, count, &mut buffer));
                std::thread::sleep(ROUND);
            }
            listening.into_iter().map(|(stream, _)| stream).collect()
        });
        Ok(Self { counts, over, thread })
    }

    /// What each has had by now.
    fn heard(&self) -> (Instant, Vec<u64>) {
        (Instant::now(), self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect())
    }

    /// Hangs up; how many were still connected, and what each has had since then, in kbit/s.
    fn finish(self, (since, before): (Instant, Vec<u64>)) -> (usize, Vec<f64>) {
        let (now, after) = self.heard();
        self.over.store(true, Ordering::Relaxed);
        let seconds = (now - since).as_secs_f64();
        let rates = after.iter().zip(before).map(|(after, before)| (after - before) as f64 * 0.008 / seconds);
        let rates = rates.collect();
        (self.thread.join().map_or(0, |streams| streams.len()), rates)
    }
}

/// Takes what there is for a listener; whether there will be more.
fn is_there(stream: &mut TcpStream, count: &AtomicU64, buffer: &mut [u8]) -> bool {
    loop {
        match stream.read(buffer) {
            Ok(0) => return false,
            Ok(bytes) => {
                count.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
