//! Encode workers: a few threads that run the renditions and meters of every station.
//!
//! Nothing wakes them: the air thread must not. Each job looks at its tap every so often and takes all there is,
//! which keeps the codec's tables in the cache for many frames at a time.

use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Work that comes back at intervals.
pub(crate) trait Job: Send {
    /// Does what there is to do; the pause until the next time, or `None` when it is over for good.
    fn step(&mut self) -> Option<Duration>;

    /// It panicked and is about to be dropped.
    fn panicked(&mut self) {}
}

struct Due {
    at: Instant,
    job: Box<dyn Job>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest: it comes out of the heap first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}

#[derive(Default)]
struct Work {
    jobs: BinaryHeap<Due>,
    closing: bool,
}

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    woken: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, due: Due) {
        self.lock().jobs.push(due);
        self.woken.notify_one();
    }
}

/// The pool. Dropping it ends the workers and drops their jobs.
pub(crate) struct EncodePool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl EncodePool {
    pub(crate) fn new(workers: usize) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let spawn = |number| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("encode-{number}")).spawn(move || run(&shared))
        };
        let workers = (0..workers.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { shared, workers })
    }

    pub(crate) fn add(&self, job: Box<dyn Job>) {
        self.shared.add(Due { at: Instant::now(), job });
    }
}

impl Drop for EncodePool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.woken.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

fn run(shared: &Shared) {
    while let Some(mut due) = next_due(shared) {
        match catch_unwind(AssertUnwindSafe(|| due.job.step())) {
            Ok(Some(pause)) => shared.add(Due { at: Instant::now() + pause, job: due.job }),
            Ok(None) => {}
            Err(_) => due.job.panicked(),
        }
    }
}

/// Waits for the next job that is due; `None` when the pool closes.
fn next_due(shared: &Shared) -> Option<Due> {
    let mut work = shared.lock();
    loop {
        if work.closing {
            return None;
        }
        let now = Instant::now();
        let pause = work.jobs.peek().map(|due| due.at.saturating_duration_since(now));
        match pause {
            Some(Duration::ZERO) => return work.jobs.pop(),
            Some(pause) => {
                (work, _) = shared.woken.wait_timeout(work, pause).unwrap_or_else(PoisonError::into_inner)
            }
            None => work = shared.woken.wait(work).unwrap_or_else(PoisonError::into_inner),
        }
    }
}
