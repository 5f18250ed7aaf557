//! What the process as a whole takes, as the system tells.

use serde::Serialize;

/// The process. What the system does not tell is `None`: it does on Linux.
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
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        // The reading itself has one open.
        let open_files =
            std::fs::read_dir("/proc/self/fd").map(|files| files.count().saturating_sub(1) as u64).ok();
        Self {
            resident_bytes: field(&status, "VmRSS:").map(|kib| kib * 1024),
            threads: field(&status, "Threads:"),
            cpu_s: cpu_s(&stat),
            open_files,
        }
    }
}

/// The number that follows a name in `/proc/self/status`.
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
    use super::*;

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
    }
}
