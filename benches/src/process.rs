//! Processes under measurement: what the system says of them, and that they end with what holds them.

use std::io::Result;
use std::process::{Child, Command, Stdio};

use airchain::telemetry;

/// A process that is killed when this is dropped. Where the one who started it is killed itself, nothing is dropped and it
/// runs on.
pub struct Process(Child);

impl Process {
    /// Starts it, with nothing to read and nowhere to write.
    pub fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// User and system time of a process so far, in seconds; 0 when there is none.
pub fn cpu_s(pid: u32) -> f64 {
    telemetry::Process::of(pid).cpu_s.unwrap_or(0.0)
}

/// Memory that a process has resident, in MiB; 0 when there is none.
pub fn resident_mib(pid: u32) -> f64 {
    telemetry::Process::of(pid).resident_bytes.unwrap_or(0) as f64 / f64::from(1 << 20)
}

/// The most that it has had, in MiB.
pub fn peak_mib(pid: u32) -> f64 {
    mib(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// The proportional set size of a process in MiB: what it has resident, pages shared with others divided among them.
pub fn pss_mib(pid: u32) -> f64 {
    mib(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// Threads of a process.
pub fn threads(pid: u32) -> usize {
    telemetry::Process::of(pid).threads.unwrap_or(0) as usize
}

/// Processes that a process has started.
pub fn children(pid: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn mib(file: &str, field: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The machine and the system in a line: processor, cores, load, kernel.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, m)| m));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (load, kernel) = (read("/proc/loadavg"), read("/proc/sys/kernel/osrelease"));
    let load = load.split_whitespace().next().unwrap_or_default();
    format!("{cores} cores of {}, Linux {}, load {load}", model.unwrap_or("?"), kernel.trim())
}
