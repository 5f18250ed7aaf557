//! The air thread: renders the blocks of its stations when they are due, and does nothing else.
//!
//! It never allocates, frees, locks, logs or panics; its one system call is the sleep between blocks. Stations come
//! to it and leave it as boxes over channels that it only polls. What is expected of it when it comes too late is in
//! docs/real-time.md.
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used, clippy::unreachable)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use airchain_core::engine::Engine;
use airchain_core::source::Buffered;
use airchain_core::{Frames, Stereo};
use crossbeam_channel::{Receiver, Sender, TryRecvError};

use crate::os::{self, Priority};

/// What the air thread and the rest of the host share of a station.
#[derive(Debug, Default)]
pub(crate) struct AirState {
    /// Frames rendered.
    pub(crate) position: AtomicU64,
    /// Frames that were never rendered because the thread came too late for them.
    pub(crate) missed: AtomicU64,
    /// Blocks that began more than a block late and were made good.
    pub(crate) late: AtomicU64,
    /// Nanoseconds spent on rendering, by the monotonic clock.
    pub(crate) busy_ns: AtomicU64,
    /// The longest block in nanoseconds, since it was last taken.
    pub(crate) worst_ns: AtomicU64,
    /// What the source on air holds ahead.
    pub(crate) ahead: Ahead,
    /// Set by the host: hand the station back.
    pub(crate) leave: AtomicBool,
    /// Set by the air thread: the engine panicked and was taken off.
    pub(crate) failed: AtomicBool,
}

/// Frames that were given up, and the position at which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) at: Frames,
    pub(crate) frames: Frames,
}

/// A [`Buffered`] in one word, so that both halves are of the same moment: twice the frames, and one if the end is in
/// sight.
#[derive(Debug, Default)]
pub(crate) struct Ahead(AtomicU64);

impl Ahead {
    fn store(&self, Buffered { frames, end_in_sight }: Buffered) {
        let frames = frames.min(Frames::MAX >> 1) << 1;
        self.0.store(frames | u64::from(end_in_sight), Ordering::Relaxed);
    }

    pub(crate) fn load(&self) -> Buffered {
        let word = self.0.load(Ordering::Relaxed);
        let frames = Some(word >> 1).filter(|frames| *frames < Frames::MAX >> 1).unwrap_or(Frames::MAX);
        Buffered { frames, end_in_sight: word & 1 == 1 }
    }
}

/// A station on an air thread.
pub(crate) struct AirStation {
    engine: Engine,
    /// Frames in a block.
    frames: usize,
    /// Room for a block, for a thread that has none as large yet: it must not allocate it.
    brought: Vec<Stereo>,
    period: Duration,
    due: Instant,
    state: Arc<AirState>,
    lost: Sender<Lost>,
    /// Frames given up that found no room in `lost`; they are told with the next.
    untold: Frames,
    /// What a panic that the engine did not get over left: it is freed where the station is.
    panic: Option<Box<dyn Any + Send>>,
}

/// How an air thread is to run.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// `SCHED_FIFO` priority, where it is wanted.
    pub(crate) priority: Option<u8>,
    /// Processors it may run on; any, where none is named.
    pub(crate) cpus: Vec<usize>,
}

/// Stations one air thread can hold.
pub(crate) const STATIONS: usize = 1024;
/// Losses of a station that can be under way at once.
pub(crate) const LOSSES: usize = 64;
/// A thread that is later than this gives up the blocks in between: listeners' buffers have run dry by then, and
/// making good would flood the outputs. What is made good at once is no more than this.
pub(crate) const HOPELESSLY_LATE: Duration = Duration::from_millis(500);
/// The pause when there is no station.
const IDLE: Duration = Duration::from_millis(5);

/// Runs until `arrivals` is closed and empty of stations. What priority it got goes to `priority`, before the first
/// block.
pub(crate) fn run(
    running: &Running,
    priority: Sender<Priority>,
    arrivals: &Receiver<Box<AirStation>>,
    departures: &Sender<Box<AirStation>>,
) {
    // All that allocates or asks the system for anything is done before the first block.
    let _ = priority.send(os::make_urgent(running));
    drop(priority);
    let mut stations: Vec<Box<AirStation>> = Vec::with_capacity(STATIONS);
    // One for all: it stays in the cache.
    let mut block = Vec::new();
    loop {
        let closed = take_in(arrivals, &mut stations, &mut block);
        if closed && stations.is_empty() {
            return;
        }
        // One block of each station per round, so that one that has much to make good holds up no other.
        let mut index = 0;
        while let Some(station) = stations.get_mut(index) {
            let failed = !station.tick(&mut block);
            if failed {
                station.state.failed.store(true, Ordering::Release);
            }
            if failed || closed || station.state.leave.load(Ordering::Acquire) {
                // The channel holds as many stations as there can be, so this never waits.
                if let Err(refused) = departures.try_send(stations.swap_remove(index)) {
                    // Nobody takes it; it must not be freed here.
                    std::mem::forget(refused.into_inner());
                }
            } else {
                index = index.saturating_add(1);
            }
        }
        let next = stations.iter().map(|station| station.due).min();
        let now = Instant::now();
        // Returns at once, without a system call, where something is due already.
        std::thread::sleep(next.map_or(IDLE, |due| due.saturating_duration_since(now)));
    }
}

/// Takes in the stations that have come, and the largest block that one brought; whether there will never be another.
#[allow(clippy::vec_box, reason = "they leave as the boxes they came as: none is freed here")]
fn take_in(
    arrivals: &Receiver<Box<AirStation>>,
    stations: &mut Vec<Box<AirStation>>,
    block: &mut Vec<Stereo>,
) -> bool {
    while stations.len() < STATIONS {
        match arrivals.try_recv() {
            Ok(mut station) => {
                if station.brought.len() > block.len() {
                    std::mem::swap(&mut station.brought, block);
                }
                if let Some(other) = stations.first() {
                    station.fall_in(other.due);
                }
                stations.push(station);
            }
            Err(error) => return error == TryRecvError::Disconnected,
        }
    }
    false
}

impl AirStation {
    /// A station whose first block is due now. What has to be given up goes to `lost`.
    pub(crate) fn new(
        engine: Engine,
        block: usize,
        rate: u32,
        state: Arc<AirState>,
        lost: Sender<Lost>,
    ) -> Self {
        let period = Duration::from_nanos(block as u64 * 1_000_000_000 / u64::from(rate.max(1)));
        let brought = vec![[0.0; 2]; block];
        // Below that nothing would ever be due later.
        let period = period.max(Duration::from_micros(100));
        let due = Instant::now();
        Self { engine, frames: block, brought, period, due, state, lost, untold: 0, panic: None }
    }

    /// Puts the second and later blocks on the grid of another station that is due at `other`, so that the thread wakes
    /// once for both: it runs ahead of its own time by what it is earlier, less than a block.
    fn fall_in(&mut self, other: Instant) {
        let ahead = other.saturating_duration_since(self.due).as_nanos();
        let behind = self.due.saturating_duration_since(other).as_nanos();
        let period = self.period.as_nanos().max(1);
        let early = if ahead > 0 { (period - ahead % period) % period } else { behind % period };
        let early = Duration::from_nanos(u64::try_from(early).unwrap_or(0));
        self.due = self.due.checked_sub(early).unwrap_or(self.due);
    }

    /// Renders a block into `block` if one is due. `false` when the engine panicked.
    fn tick(&mut self, block: &mut [Stereo]) -> bool {
        let began = Instant::now();
        let late = began.saturating_duration_since(self.due);
        if late > HOPELESSLY_LATE {
            self.give_up(late);
        } else if late > self.period {
            self.state.late.fetch_add(1, Ordering::Relaxed);
        }
        if self.due > began {
            return true;
        }
        let block = block.get_mut(..self.frames).unwrap_or_default();
        if !self.try_to(|station| station.engine.render(block)) {
            return false;
        }
        self.state.position.store(self.engine.position(), Ordering::Release);
        self.state.ahead.store(self.engine.buffered());
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.state.busy_ns.fetch_add(took, Ordering::Relaxed);
        self.state.worst_ns.fetch_max(took, Ordering::Relaxed);
        self.due += self.period;
        true
    }

    /// Does something that may panic, and keeps what that leaves; `false` when it has.
    fn try_to(&mut self, work: impl FnOnce(&mut Self)) -> bool {
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(()) => true,
            Err(panic) => {
                self.panic = Some(panic);
                false
            }
        }
    }

    /// Gives up the whole blocks that it is late by. On the grid: what remains of a block is made good.
    fn give_up(&mut self, late: Duration) {
        let blocks = u32::try_from(late.as_nanos() / self.period.as_nanos().max(1)).unwrap_or(u32::MAX);
        let frames = Frames::from(blocks).saturating_mul(self.frames as Frames);
        self.due += self.period.saturating_mul(blocks);
        self.untold = self.untold.saturating_add(frames);
        // Known before the first frame behind it is: dates go by it.
        if self.lost.try_send(Lost { at: self.engine.position(), frames: self.untold }).is_ok() {
            self.untold = 0;
        }
        self.state.missed.fetch_add(frames, Ordering::Release);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::panic::resume_unwind;

    use super::*;
    use crate::spec::StationSpec;

    #[test]
    fn what_a_panic_left_is_freed_with_the_station_and_not_on_the_air_thread() {
        let (_control, engine, _) = StationSpec::default().engine().unwrap();
        let (lost, _told) = crossbeam_channel::bounded(LOSSES);
        let mut station = AirStation::new(engine, 480, 48_000, Arc::default(), lost);
        let mut block = vec![[0.0; 2]; 480];
        assert!(station.try_to(|station| station.engine.render(&mut block)));
        let left = Arc::new(());
        let words = Box::new(Arc::clone(&left));
        assert!(!station.try_to(|_| resume_unwind(words)));
        assert_eq!(Arc::strong_count(&left), 2, "it is still there");
        drop(station);
        assert_eq!(Arc::strong_count(&left), 1);
    }
}
