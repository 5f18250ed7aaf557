//! The job on air: processor time, memory and threads of a tool while it runs.

use std::io::{Error, Result};
use std::time::{Duration, Instant};

use airchain_benches::listen::wait_for;
use airchain_benches::process::{Process, cpu_s, pss_mib, threads};

use testkit::icecast::Icecast;

use crate::tools::{Job, Tool, mount};

/// How long all stations may take to be on air; Liquidsoap takes many seconds on a loaded machine.
const ON_AIR: Duration = Duration::from_secs(90);
/// After that, what belongs to the start is left to pass.
const SETTLE: Duration = Duration::from_secs(4);

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
        let mut stream = wait_for(job.server, &mount(station), ON_AIR)
            .map_err(|error| Error::other(format!("{}: {error}", tool.name())))?;
        listeners.push(std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink())));
    }
    std::thread::sleep(SETTLE);
    let spent = |processes: &[Process]| processes.iter().map(|process| cpu_s(process.id())).sum::<f64>();
    let (start, before) = (Instant::now(), spent(&processes));
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let minutes = start.elapsed().as_secs_f64() / 60.0 * job.stations as f64;
    let load = Load {
        cpu_s: (spent(&processes) - before) / minutes,
        pss_mib: processes.iter().map(|process| pss_mib(process.id())).sum(),
        threads: processes.iter().map(|process| threads(process.id())).sum(),
    };
    let running = processes.iter_mut().all(Process::is_running);
    drop(processes);
    for listener in listeners {
        let bytes = listener.join().map_err(|_| Error::other("a listener failed"))?.unwrap_or(0);
        if !running || (bytes as f64) < 16_000.0 * 0.9 * seconds {
            return Err(Error::other(format!(
                "{}: a listener got {bytes} bytes in {seconds} s",
                tool.name()
            )));
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
    while (0..job.stations).any(|station| icecast.status().contains(&format!("{}\"", mount(station)))) {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(load)
}
