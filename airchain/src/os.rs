//! What the standard library does not offer of the operating system: how urgent a thread is, where it runs, and a clock that
//! runs while the machine sleeps.
#![allow(unsafe_code)]

use std::time::Duration;

use crate::air::Running;

/// What an air thread got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Priority {
    /// How it is scheduled.
    pub(crate) got: Got,
    /// Why not as was wanted, and what to do.
    pub(crate) problems: Vec<String>,
}

/// How an air thread is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// `SCHED_FIFO`, at this priority.
    RealTime(u8),
    /// As an ordinary thread that is favoured, at this nice value.
    Favoured(i32),
    /// As any other thread.
    Ordinary,
}

impl std::fmt::Display for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RealTime(priority) => write!(f, "SCHED_FIFO {priority}"),
            Self::Favoured(nice) => write!(f, "nice {nice}"),
            Self::Ordinary => f.write_str("normal priority"),
        }
    }
}

/// Nice values of threads, so that where the processor does not suffice the air threads win over decoding, decoding over
/// encoding, and that over what can wait for hours. Falling behind is always permitted; getting ahead is not.
pub(crate) mod nice {
    /// Air threads without `SCHED_FIFO`, where it is permitted.
    pub(crate) const AIR: i32 = -11;
    /// Decode workers.
    pub(crate) const DECODE: i32 = 1;
    /// Encode workers.
    pub(crate) const ENCODE: i32 = 2;
    /// Measuring and analysing files.
    pub(crate) const ANALYSE: i32 = 10;
}

/// Makes the calling thread as urgent as was asked for, or as nearly so as is permitted.
pub(crate) fn make_urgent(running: &Running) -> Priority {
    let mut problems = Vec::new();
    if !running.cpus.is_empty()
        && let Err(error) = sys::run_on(&running.cpus)
    {
        let cpus = &running.cpus;
        problems
            .push(format!("air_cpus: {cpus:?} is not accepted ({error}), give processors of this machine"));
    }
    let Some(priority) = running.priority else { return Priority { got: Got::Ordinary, problems } };
    match sys::real_time(priority) {
        Ok(()) => return Priority { got: Got::RealTime(priority), problems },
        Err(error) => problems.push(format!(
            "no SCHED_FIFO {priority}: {error} (RLIMIT_RTPRIO is {}); LimitRTPRIO={priority} in the unit permits it, or \
             CAP_SYS_NICE",
            sys::most_real_time()
        )),
    }
    let got = if sys::renice(nice::AIR).is_ok() { Got::Favoured(nice::AIR) } else { Got::Ordinary };
    Priority { got, problems }
}

/// Lets other threads go first, as far as a nice value says. It is permitted to everybody.
pub(crate) fn give_way(nice: i32) {
    // Where it is not it does no harm.
    let _ = sys::renice(nice);
}

/// Says in the log what the air threads got; the same of several is said once.
pub(crate) fn tell(got: impl Iterator<Item = Priority>) {
    let mut told: Vec<Priority> = Vec::new();
    for priority in got {
        if told.contains(&priority) {
            continue;
        }
        match priority.problems.as_slice() {
            [] => tracing::info!("air threads run with {}", priority.got),
            problems => tracing::info!("air threads run with {}: {}", priority.got, problems.join("; ")),
        }
        told.push(priority);
    }
}

/// For how long the machine has slept since it was started, where the system says.
pub(crate) fn slept() -> Duration {
    sys::slept()
}

#[cfg(target_os = "linux")]
mod sys {
    use std::io;
    use std::time::Duration;

    fn checked(result: libc::c_int) -> io::Result<()> {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub(super) fn real_time(priority: u8) -> io::Result<()> {
        let param = libc::sched_param { sched_priority: priority.into() };
        // What the thread starts does not inherit it.
        let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
        // SAFETY: the parameter is valid for the call, which reads it; 0 is the calling thread.
        checked(unsafe { libc::sched_setscheduler(0, policy, &raw const param) })
    }

    pub(super) fn most_real_time() -> u64 {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is valid for the call, which writes it.
        match checked(unsafe { libc::getrlimit(libc::RLIMIT_RTPRIO, &raw mut limit) }) {
            Ok(()) => limit.rlim_cur,
            Err(_) => 0,
        }
    }

    pub(super) fn renice(nice: i32) -> io::Result<()> {
        // SAFETY: it takes numbers. On Linux a nice value is a thread's, and 0 the calling thread.
        checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) })
    }

    pub(super) fn run_on(cpus: &[usize]) -> io::Result<()> {
        // SAFETY: all zeros is the empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        for cpu in cpus.iter().filter(|cpu| **cpu < libc::CPU_SETSIZE as usize) {
            // SAFETY: the processor is within the set's size.
            unsafe { libc::CPU_SET(*cpu, &mut set) };
        }
        // SAFETY: the set is valid for the call, which reads it; 0 is the calling thread.
        checked(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
    }

    pub(super) fn slept() -> Duration {
        clock(libc::CLOCK_BOOTTIME).saturating_sub(clock(libc::CLOCK_MONOTONIC))
    }

    fn clock(id: libc::clockid_t) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the time is valid for the call, which writes it. Both clocks are on every Linux.
        unsafe { libc::clock_gettime(id, &raw mut time) };
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use std::io;
    use std::time::Duration;

    fn unknown() -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    pub(super) fn real_time(_: u8) -> io::Result<()> {
        unknown()
    }

    pub(super) fn most_real_time() -> u64 {
        0
    }

    pub(super) fn renice(_: i32) -> io::Result<()> {
        unknown()
    }

    pub(super) fn run_on(_: &[usize]) -> io::Result<()> {
        unknown()
    }

    pub(super) fn slept() -> Duration {
        Duration::ZERO
    }
}
