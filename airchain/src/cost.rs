//! What a station costs its host: processor time of the workers, and the audio they had to leave out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Counters of one station, written by the workers, read by anyone. Workers are told apart by what they do; what the
/// air thread spends is in its own counters.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    /// Processor time of opening, decoding and resampling items and web streams, and of reading packets to copy, in nanoseconds.
    pub(crate) decode_ns: AtomicU64,
    /// Processor time of encoding, in nanoseconds.
    pub(crate) encode_ns: AtomicU64,
    /// Processor time of meters and of the as-run log, in nanoseconds.
    pub(crate) meter_ns: AtomicU64,
    /// Frames of the bus that outputs have as silence because their encoder came too late for them; summed over encoders.
    pub(crate) unencoded: AtomicU64,
    /// Frames of the bus that were not measured.
    pub(crate) unmeasured: AtomicU64,
    /// Encoders that run.
    pub(crate) encoders: AtomicU64,
}

/// What a station has cost since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CostReport {
    /// Processor seconds of opening, decoding and resampling items and web streams, and of reading packets to copy.
    pub decode_s: f64,
    /// Processor seconds of encoding.
    pub encode_s: f64,
    /// Processor seconds of meters and of the as-run log.
    pub meter_s: f64,
    /// Frames that outputs have as silence because their encoder came too late for them; summed over encoders.
    pub unencoded_frames: u64,
    /// Frames that came too late to be measured.
    pub unmeasured_frames: u64,
    /// Encoders that run: one for each distinct format.
    pub encoders: u64,
}

impl Cost {
    pub(crate) fn report(&self) -> CostReport {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = |counter| Duration::from_nanos(count(counter)).as_secs_f64();
        CostReport {
            decode_s: seconds(&self.decode_ns),
            encode_s: seconds(&self.encode_ns),
            meter_s: seconds(&self.meter_ns),
            unencoded_frames: count(&self.unencoded),
            unmeasured_frames: count(&self.unmeasured),
            encoders: count(&self.encoders),
        }
    }
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
