//! What a process as a whole takes, and its threads, as the system tells: proc(5).

use std::fs;
use std::path::Path;

use serde::Serialize;

/// A process. What the system does not tell is `None`: it does on Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Process {
    /// Memory in use, in bytes.
    pub resident_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Processor time taken since the process began, in seconds, by all threads.
    pub cpu_s: Option<f64>,
    /// Open files and sockets.
    pub open_files: Option<u64>,
}

impl Process {
    /// Reads the figures of this process.
    pub fn read() -> Self {
        let process = Self::of(std::process::id());
        // The reading itself has one open.
        Self { open_files: process.open_files.map(|files| files.saturating_sub(1)), ..process }
    }

    /// Reads those of any process. None where there is none; open files are told only of one's own user's.
    pub fn of(pid: u32) -> Self {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let (stat, status) = (read("stat"), read("status"));
        let open_files = fs::read_dir(format!("/proc/{pid}/fd")).map(|files| files.count() as u64).ok();
        Self {
            resident_bytes: field(&status, "VmRSS:").map(|kib| kib * 1024),
            threads: field(&status, "Threads:"),
            cpu_s: cpu_s(&stat),
            open_files,
        }
    }
}

/// The threads that a process has now: the name of each, and the processor time it has taken, in seconds. What threads
/// took that have ended is in [`Process::cpu_s`] alone. Fails where there is no such process.
pub fn threads_cpu_s(pid: u32) -> std::io::Result<Vec<(String, f64)>> {
    // A thread may end at any time.
    let of = |thread: &Path| {
        let stat = fs::read_to_string(thread.join("stat")).ok()?;
        let (_, name) = stat.rsplit_once(')')?.0.split_once('(')?;
        Some((name.to_owned(), cpu_s(&stat)?))
    };
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(threads.filter_map(|thread| of(&thread.ok()?.path())).collect())
}

/// The number that follows a name in a process's `status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of proc(5): user and system time in ticks, a hundred of which are a second on every Linux. The name of
/// the command, field 2, may hold anything but ends with the last bracket.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((user + system) as f64 / 100.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::cost::thread_time;

    #[test]
    fn figures_are_read_as_the_system_writes_them() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 0 0";
        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(cpu_s("42 (a"), None);
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t9\n";
        assert_eq!((field(status, "VmRSS:"), field(status, "Threads:")), (Some(2048), Some(9)));
        assert_eq!(field(status, "VmSwap:"), None);
    }

    #[test]
    fn the_process_has_figures_here() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 1 << 20, "{process:?}");
        assert!(process.threads.unwrap() >= 1 && process.open_files.unwrap() >= 4, "{process:?}");
        assert!(process.cpu_s.is_some());
        drop(file);
        assert_eq!(Process::of(u32::MAX), Process::default(), "there is no such process");
    }

    #[test]
    fn threads_are_told_apart_by_their_names() {
        let (ready, are_ready) = mpsc::channel();
        let start = |name: &str, work: Duration| {
            let (end, ended) = mpsc::channel::<()>();
            let ready = ready.clone();
            let run = move || {
                while thread_time() < work {}
                ready.send(()).unwrap();
                assert!(ended.recv().is_err());
            };
            (end, std::thread::Builder::new().name(name.into()).spawn(run).unwrap())
        };
        let threads = [("a) busy (1", 40), ("a) idle (2", 0)];
        let started = threads.map(|(name, ms)| start(name, Duration::from_millis(ms)));
        (0..2).for_each(|_| are_ready.recv().unwrap());
        let told = threads_cpu_s(std::process::id()).unwrap();
        let [busy, idle] = threads.map(|(name, _)| told.iter().find(|(known, _)| known == name).unwrap().1);
        assert!(busy >= 0.02 && idle <= 0.01, "{told:?}");
        for (end, thread) in started {
            drop(end);
            thread.join().unwrap();
        }
        assert!(threads_cpu_s(u32::MAX).is_err());
    }
}
