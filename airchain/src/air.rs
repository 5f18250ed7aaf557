//! The air thread: renders the blocks of its stations when they are due, and does nothing else.
//!
//! It never allocates, frees, locks, logs or panics; its one system call is the sleep between blocks. Stations come
//! to it and leave it as boxes over channels that it only polls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use airchain_core::Stereo;
use airchain_core::engine::Engine;
use crossbeam_channel::{Receiver, Sender};

/// What the air thread and the rest of the host share of a station.
#[derive(Debug, Default)]
pub(crate) struct AirState {
    /// Frames rendered.
    pub(crate) position: AtomicU64,
    /// Frames that were never rendered because the thread came too late for them.
    pub(crate) missed: AtomicU64,
    /// Set by the host: hand the station back.
    pub(crate) leave: AtomicBool,
    /// Set by the air thread: the engine panicked and was taken off.
    pub(crate) failed: AtomicBool,
}

/// A station on an air thread.
pub(crate) struct AirStation {
    pub(crate) engine: Engine,
    pub(crate) block: Vec<Stereo>,
    pub(crate) period: Duration,
    pub(crate) due: Instant,
    pub(crate) state: Arc<AirState>,
}

/// Stations one air thread can hold.
pub(crate) const STATIONS: usize = 1024;
/// A thread that is later than this gives up the blocks in between: listeners' buffers have run dry by then, and
/// making good would flood the outputs.
const HOPELESSLY_LATE: Duration = Duration::from_millis(500);
/// The pause when there is no station.
const IDLE: Duration = Duration::from_millis(5);

/// Runs until `arrivals` is closed and empty of stations.
pub(crate) fn run(arrivals: &Receiver<Box<AirStation>>, departures: &Sender<Box<AirStation>>) {
    // The only allocation, before the first block.
    let mut stations: Vec<Box<AirStation>> = Vec::with_capacity(STATIONS);
    loop {
        let mut closed = false;
        while stations.len() < STATIONS {
            match arrivals.try_recv() {
                Ok(station) => stations.push(station),
                Err(error) => {
                    closed = error.is_disconnected();
                    break;
                }
            }
        }
        if closed && stations.is_empty() {
            return;
        }
        let mut index = 0;
        while let Some(station) = stations.get_mut(index) {
            let failed = !station.tick();
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
                index += 1;
            }
        }
        let next = stations.iter().map(|station| station.due).min();
        let now = Instant::now();
        std::thread::sleep(next.map_or(IDLE, |due| due.saturating_duration_since(now)));
    }
}

impl AirStation {
    /// Renders what is due. `false` when the engine panicked.
    fn tick(&mut self) -> bool {
        let now = Instant::now();
        if now.saturating_duration_since(self.due) > HOPELESSLY_LATE {
            let blocks = (now - self.due).as_nanos() / self.period.as_nanos().max(1);
            let frames = blocks as u64 * self.block.len() as u64;
            self.state.missed.fetch_add(frames, Ordering::Release);
            // On the grid: what remains of a block is made good.
            self.due += self.period * u32::try_from(blocks).unwrap_or(u32::MAX);
        }
        while self.due <= now {
            let rendered = catch_unwind(AssertUnwindSafe(|| self.engine.render(&mut self.block)));
            if rendered.is_err() {
                return false;
            }
            self.state.position.store(self.engine.position(), Ordering::Release);
            self.due += self.period;
        }
        true
    }
}
