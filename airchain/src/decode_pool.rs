//! Decode workers: a few threads that open items and keep the feeds of every station full, the emptiest first.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use airchain_core::item::Item;
use airchain_core::playout::{Loaded, Loader, Ticket};
use airchain_inputs::file::{FileFeed, Pump};
use crossbeam_channel::{Receiver, Sender};

use crate::loader::{LoadConfig, open};

/// How often feeds are looked at when none is low.
const LOOK: Duration = Duration::from_millis(20);
/// Pieces of work done on one feed before another has its turn.
const PUMPS: usize = 16;
/// Frames decoded of an item before it counts as open: what lets it start while the worker is elsewhere.
const HEAD_START: usize = 24_000;

/// An item to be opened.
struct Opening {
    ticket: Ticket,
    item: Item,
    config: LoadConfig,
    reply: Replies,
}

/// Where a loader's answers go.
#[derive(Clone)]
struct Replies {
    opened: Sender<(Ticket, Result<Loaded, String>)>,
    damage: Sender<(Ticket, String)>,
}

/// An item being decoded.
struct Feeding {
    ticket: Ticket,
    feed: FileFeed,
    reply: Replies,
    /// It is filled up again once it holds fewer frames than this.
    low: usize,
}

impl Feeding {
    fn is_low(&self) -> bool {
        self.feed.buffered() < self.low
    }
}

// Boxed: feeds are moved between this list and the workers for every piece of work.
#[expect(clippy::vec_box)]
#[derive(Default)]
struct Work {
    openings: VecDeque<Box<Opening>>,
    feeds: Vec<Box<Feeding>>,
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
            std::thread::Builder::new().name(format!("decode-{number}")).spawn(move || run(&shared))
        };
        let workers = (0..workers.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { shared, workers })
    }

    /// A loader for one station.
    pub(crate) fn loader(&self, config: LoadConfig) -> PooledLoader {
        let (opened_in, opened) = crossbeam_channel::unbounded();
        let (damage_in, damage) = crossbeam_channel::unbounded();
        let reply = Replies { opened: opened_in, damage: damage_in };
        PooledLoader { shared: Arc::clone(&self.shared), config, reply, opened, damage }
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

/// The loader of a station on air.
pub(crate) struct PooledLoader {
    shared: Arc<Shared>,
    config: LoadConfig,
    reply: Replies,
    opened: Receiver<(Ticket, Result<Loaded, String>)>,
    damage: Receiver<(Ticket, String)>,
}

impl Loader for PooledLoader {
    fn open(&mut self, ticket: Ticket, item: &Item) {
        let opening = Opening { ticket, item: item.clone(), config: self.config, reply: self.reply.clone() };
        self.shared.lock().openings.push_back(Box::new(opening));
        self.shared.woken.notify_one();
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        self.opened.try_recv().ok()
    }

    fn poll_damage(&mut self) -> Option<(Ticket, String)> {
        self.damage.try_recv().ok()
    }
}

enum Task {
    Open(Box<Opening>),
    Feed(Box<Feeding>),
}

fn run(shared: &Shared) {
    while let Some(task) = next_task(shared) {
        let feeding = match task {
            Task::Open(opening) => open_one(opening),
            Task::Feed(feeding) => feed_one(feeding),
        };
        if let Some(feeding) = feeding {
            shared.lock().feeds.push(feeding);
        }
    }
}

/// What is most urgent; waits until there is something. `None` when the pool closes.
fn next_task(shared: &Shared) -> Option<Task> {
    let mut work = shared.lock();
    loop {
        if work.closing {
            return None;
        }
        if let Some(opening) = work.openings.pop_front() {
            return Some(Task::Open(opening));
        }
        let emptiest = work.feeds.iter().enumerate().filter(|(_, feeding)| feeding.is_low());
        if let Some((index, _)) = emptiest.min_by_key(|(_, feeding)| feeding.feed.buffered()) {
            return Some(Task::Feed(work.feeds.swap_remove(index)));
        }
        (work, _) = shared.woken.wait_timeout(work, LOOK).unwrap_or_else(PoisonError::into_inner);
    }
}

fn open_one(opening: Box<Opening>) -> Option<Box<Feeding>> {
    let Opening { ticket, item, config, reply } = *opening;
    let opened = catch_unwind(AssertUnwindSafe(|| open(&item, config)))
        .unwrap_or_else(|_| Err(format!("{}: the decoder failed on it", item.path)));
    match opened {
        Ok((feed, loaded)) => {
            let low = (feed.buffered() + feed.vacant()) / 4 * 3;
            let head_start = low.min(HEAD_START);
            let mut feeding = Some(Box::new(Feeding { ticket, feed, reply: reply.clone(), low: head_start }));
            while let Some(running) = feeding.take_if(|feeding| feeding.is_low()) {
                feeding = feed_one(running);
            }
            let _ = reply.opened.send((ticket, Ok(loaded)));
            if let Some(feeding) = &mut feeding {
                feeding.low = low;
            }
            feeding
        }
        Err(error) => {
            let _ = reply.opened.send((ticket, Err(error)));
            None
        }
    }
}

/// Fills a feed's ring, or does as much of it as is fair to the others; `None` when the item is decoded to its end
/// or no longer wanted.
fn feed_one(mut feeding: Box<Feeding>) -> Option<Box<Feeding>> {
    let pumped = catch_unwind(AssertUnwindSafe(|| {
        (0..PUMPS).map(|_| feeding.feed.pump()).find(|pump| *pump != Pump::Worked).unwrap_or(Pump::Worked)
    }));
    if let Some(words) = feeding.feed.take_damage() {
        let _ = feeding.reply.damage.send((feeding.ticket, words));
    }
    match pumped {
        Ok(Pump::Worked | Pump::Full) => Some(feeding),
        Ok(Pump::Done | Pump::Abandoned) => None,
        // Dropping the feed closes its ring: what was decoded plays, then the next item starts.
        Err(_) => {
            let words = "the decoder failed; the rest of the item is left out".to_owned();
            let _ = feeding.reply.damage.send((feeding.ticket, words));
            None
        }
    }
}
