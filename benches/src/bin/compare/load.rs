//! The job on air: processor time, memory and threads of a tool while it runs.

use std::io::{Error, Read, Result};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use airchain_benches::listen::{wait_for, wait_until_gone};
use airchain_benches::process::{Process, cpu_s, pss_mib, threads};

use testkit::icecast::Icecast;

use crate::tools::{Job, Tool, mount};

/// How long all stations may take to be on air; Liquidsoap takes many seconds on a loaded machine.
const ON_AIR: Duration = Duration::from_secs(90);
/// After that, what belongs to the start is left to pass.
const SETTLE: Duration = Duration::from_secs(4);
/// Bytes of audio per second at each listener: MP3 128k.
const BYTES_PER_S: f64 = 16_000.0;

/// A listener that throws away what it hears.
struct Listener {
    bytes: Arc<AtomicU64>,
}

impl Listener {
    fn start(mut stream: TcpStream) -> Self {
        let bytes = Arc::<AtomicU64>::default();
        let to = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                to.fetch_add(count as u64, Ordering::Relaxed);
            }
        });
        Self { bytes }
    }

    /// Bytes so far.
    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What a tool took for the job.
pub(crate) struct Load {
    /// Processor seconds per minute of one station.
    pub(crate) cpu_s: f64,
    /// Proportional set size of all processes, in MiB.
    pub(crate) pss_mib: f64,
    /// Threads of all processes.
    pub(crate) threads: usize,
}

/// Runs a tool for `seconds` with a listener at each station's mount, and sees to it that the job is done.
pub(crate) fn measure(tool: Tool, job: &Job<'_>, icecast: &Icecast, seconds: f64) -> Result<Load> {
    let mut processes = Vec::new();
    for mut command in tool.commands(job)? {
        processes.push(Process::start(&mut command)?);
    }
    let mut listeners = Vec::new();
    for station in 0..job.stations {
        let stream = wait_for(job.server, &mount(station), ON_AIR)
            .map_err(|error| Error::other(format!("{}: {error}", tool.name())))?;
        listeners.push(Listener::start(stream));
    }
    std::thread::sleep(SETTLE);
    let spent = |processes: &[Process]| processes.iter().map(|process| cpu_s(process.id())).sum::<f64>();
    let heard = || listeners.iter().map(Listener::bytes).collect::<Vec<_>>();
    let (start, before, heard_before) = (Instant::now(), spent(&processes), heard());
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let (took_s, spent_s, heard_after) = (start.elapsed().as_secs_f64(), spent(&processes) - before, heard());
    let load = Load {
        cpu_s: spent_s / (took_s / 60.0 * job.stations as f64),
        pss_mib: processes.iter().map(|process| pss_mib(process.id())).sum(),
        threads: processes.iter().map(|process| threads(process.id())).sum(),
    };
    if !processes.iter_mut().all(Process::is_running) {
        return Err(Error::other(format!("{}: a process ended", tool.name())));
    }
    drop(processes);
    // Who sends more than it plays works ahead, and who sends less has not done the job.
    for (before, after) in heard_before.into_iter().zip(heard_after) {
        let speed = (after - before) as f64 / (BYTES_PER_S * took_s);
        if !(0.9..=1.1).contains(&speed) {
            let tool = tool.name();
            return Err(Error::other(format!("{tool}: a listener got {speed:.2} of real time")));
        }
    }
    for station in 0..job.stations {
        let folder = job.folder.join(format!("hls{station}"));
        let segments = std::fs::read_dir(&folder)?
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|e| e == "ts"));
        if segments.count() == 0 {
            return Err(Error::other(format!("{}: no segments in {}", tool.name(), folder.display())));
        }
        std::fs::remove_dir_all(&folder)?;
    }
    (0..job.stations).try_for_each(|station| wait_until_gone(icecast, &mount(station), ON_AIR))?;
    Ok(load)
}
