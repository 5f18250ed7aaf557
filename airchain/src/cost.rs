//! What a station costs its host: processor time of the workers, and the audio they had to leave out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Counters of one station, written by the workers and read by anyone: [`Telemetry`](crate::Telemetry) says what they
/// count. Times are of a processor; those of the air thread are in counters of its own.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    pub(crate) decode_ns: AtomicU64,
    pub(crate) encode_ns: AtomicU64,
    /// Of the as-run log, too.
    pub(crate) meter_ns: AtomicU64,
    /// Frames, summed over encoders.
    pub(crate) unencoded: AtomicU64,
    /// Frames.
    pub(crate) unmeasured: AtomicU64,
    pub(crate) encoders: AtomicU64,
}

/// Does `work`, and adds the processor time that it took this thread to `counter`.
pub(crate) fn charged<T>(counter: &AtomicU64, work: impl FnOnce() -> T) -> T {
    let before = thread_time();
    let result = work();
    let spent = thread_time().saturating_sub(before);
    counter.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    result
}

/// Processor time of this thread so far: unlike time on the clock it does not grow while others run.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
