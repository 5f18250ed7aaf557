//! Decode workers: a few threads that open items and keep the feeds of every station full, the emptiest first.
//!
//! `items` are what a loader opens; live inputs come with [`Workers::keep`].

mod items;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::items::Opening;
pub(crate) use self::items::PooledLoader;
use crate::desk::Waker;
use crate::levels::Analyst;
use crate::loader::LoadConfig;
use crate::os::{self, nice};

/// How often feeds are looked at when none is low.
const LOOK: Duration = Duration::from_millis(20);

/// Something with a reader that must not run dry.
pub(crate) trait Feed: Send {
    /// Frames that its reader has ahead. None when that is gone, so that the feed is soon let go of.
    fn level(&self) -> usize;

    /// Whether a turn would achieve something, and is due.
    fn is_low(&self) -> bool;

    /// Whether that cannot wait for items to be opened.
    fn is_urgent(&self) -> bool;

    /// As much work as is fair to the others; `false` when nothing is left to be done for ever.
    fn turn(&mut self) -> bool;

    /// Its turn panicked; `false` when that is the end of it.
    fn panicked(&mut self) -> bool;
}

#[derive(Default)]
struct Work {
    /// Items that somebody waits for: before all else.
    urgent: VecDeque<Box<Opening>>,
    openings: VecDeque<Box<Opening>>,
    feeds: Vec<Box<dyn Feed>>,
    /// The last turn was that of a feed, while items waited to be opened.
    fed: bool,
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
}

/// The workers, for those who have something for them to do.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

impl Workers {
    /// Has a feed kept full until it is over.
    pub(crate) fn keep(&self, feed: Box<dyn Feed>) {
        self.0.lock().feeds.push(feed);
        self.0.woken.notify_one();
    }

    fn open(&self, opening: Box<Opening>, urgent: bool) {
        let mut work = self.0.lock();
        if urgent {
            work.urgent.push_back(opening);
        } else {
            work.openings.push_back(opening);
        }
        drop(work);
        self.0.woken.notify_one();
    }
}

/// The pool. Dropping it ends the workers.
pub(crate) struct DecodePool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl DecodePool {
    pub(crate) fn new(workers: usize) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let spawn = |number| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("decode-{number}")).spawn(move || {
                os::give_way(nice::DECODE);
                run(&shared);
            })
        };
        let workers = (0..workers.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { shared, workers })
    }

    /// The workers.
    pub(crate) fn workers(&self) -> Workers {
        Workers(Arc::clone(&self.shared))
    }

    /// A loader for one station, which has an `analyst` measure what it does not know.
    pub(crate) fn loader(&self, config: LoadConfig, waker: Waker, analyst: Option<Analyst>) -> PooledLoader {
        PooledLoader::new(self.workers(), config, waker, analyst)
    }
}

impl Drop for DecodePool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.woken.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

enum Task {
    Open(Box<Opening>),
    Feed(Box<dyn Feed>),
}

fn run(shared: &Shared) {
    while let Some(task) = next_task(shared) {
        let feed = match task {
            Task::Open(opening) => opening.open().map(|feeding| feeding as Box<dyn Feed>),
            Task::Feed(mut feed) => turn(&mut *feed).then_some(feed),
        };
        if let Some(feed) = feed {
            shared.lock().feeds.push(feed);
        }
    }
}

/// Gives a feed its turn; `false` when it is over. A panic is the feed's alone.
fn turn(feed: &mut dyn Feed) -> bool {
    catch_unwind(AssertUnwindSafe(|| feed.turn())).unwrap_or_else(|_| feed.panicked())
}

/// What is most urgent; waits until there is something. `None` when the pool closes.
fn next_task(shared: &Shared) -> Option<Task> {
    let mut work = shared.lock();
    loop {
        if work.closing {
            return None;
        }
        if let Some(opening) = work.urgent.pop_front() {
            return Some(Task::Open(opening));
        }
        let low = work.feeds.iter().enumerate().filter(|(_, feed)| feed.is_low());
        let emptiest = low.min_by_key(|(_, feed)| feed.level());
        let emptiest = emptiest.map(|(index, feed)| (index, feed.is_urgent()));
        // In turns: files that never yield enough must not keep others from being opened.
        let open_first = work.fed || emptiest.is_none_or(|(_, urgent)| !urgent);
        if open_first && let Some(opening) = work.openings.pop_front() {
            work.fed = false;
            return Some(Task::Open(opening));
        }
        if let Some((index, _)) = emptiest {
            work.fed = !work.openings.is_empty();
            return Some(Task::Feed(work.feeds.swap_remove(index)));
        }
        (work, _) = shared.woken.wait_timeout(work, LOOK).unwrap_or_else(PoisonError::into_inner);
    }
}
