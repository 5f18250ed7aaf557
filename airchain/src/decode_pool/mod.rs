//! Decode workers: a few threads that open items and keep the feeds of every station full, the emptiest first.
//!
//! `items` are what a loader opens; live inputs come with [`Workers::keep`]. All of it is done on somebody's account
//! (`errand`). `watch` sees to it that a worker whom a dead disk holds costs nobody else anything.

mod errand;
mod items;
mod watch;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use self::errand::{Account, Errand};
use self::items::Opening;
pub(crate) use self::items::PooledLoader;
use self::watch::Roster;
use crate::desk::Waker;
use crate::levels::Analyst;
use crate::loader::LoadConfig;

/// How often feeds are looked at when none is low.
const LOOK: Duration = Duration::from_millis(20);

/// Something with a reader that must not run dry.
pub(crate) trait Feed: Send {
    /// On whose account a worker is at it, and at what.
    fn errand(&self) -> &Arc<Errand>;

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
    roster: Roster,
    closing: bool,
}

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    woken: Condvar,
    /// A worker has ended.
    ended: Condvar,
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

/// The pool. Dropping it ends the workers; one that hangs is left behind.
pub(crate) struct DecodePool {
    shared: Arc<Shared>,
}

impl DecodePool {
    pub(crate) fn new(workers: usize) -> std::io::Result<Self> {
        let pool = Self { shared: Arc::default() };
        watch::begin(&pool.shared, workers.max(1))?;
        Ok(pool)
    }

    /// The workers.
    pub(crate) fn workers(&self) -> Workers {
        Workers(Arc::clone(&self.shared))
    }

    /// A loader for one station, which has an `analyst` measure what it does not know.
    pub(crate) fn loader(
        &self,
        config: LoadConfig,
        waker: Waker,
        analyst: Option<Analyst>,
        account: Account,
    ) -> PooledLoader {
        PooledLoader::new(self.workers(), config, waker, analyst, account)
    }
}

impl Drop for DecodePool {
    fn drop(&mut self) {
        let mut work = self.shared.lock();
        work.closing = true;
        self.shared.woken.notify_all();
        while work.roster.active() > 0 {
            // A worker may come to hang while it is waited for, which only a look by the clock tells.
            (work, _) = self.shared.ended.wait_timeout(work, LOOK).unwrap_or_else(PoisonError::into_inner);
            work.roster.look(Instant::now());
        }
        if work.roster.is_anyone_stuck() {
            tracing::warn!("a decoder hangs in a file and was left behind");
        }
    }
}

enum Task {
    Open(Box<Opening>),
    Feed(Box<dyn Feed>),
}

impl Task {
    fn errand(&self) -> &Arc<Errand> {
        match self {
            Self::Open(opening) => opening.errand(),
            Self::Feed(feed) => feed.errand(),
        }
    }

    /// Does it, on its account; the feed that is left of it, if any.
    fn work(self) -> Option<Box<dyn Feed>> {
        let errand = Arc::clone(self.errand());
        errand.charged(|| match self {
            Self::Open(opening) => opening.open().map(|feeding| feeding as Box<dyn Feed>),
            Self::Feed(mut feed) => turn(&mut *feed).then_some(feed),
        })
    }
}

/// The life of worker `number`.
fn run(shared: &Shared, number: usize) {
    while let Some(task) = next_task(shared, number) {
        let feed = task.work();
        let mut work = shared.lock();
        work.feeds.extend(feed);
        if !work.roster.is_back(number) {
            return;
        }
    }
}

/// Gives a feed its turn; `false` when it is over. A panic is the feed's alone.
fn turn(feed: &mut dyn Feed) -> bool {
    catch_unwind(AssertUnwindSafe(|| feed.turn())).unwrap_or_else(|_| feed.panicked())
}

/// What is most urgent; waits until there is something. `None` when the pool closes.
fn next_task(shared: &Shared, number: usize) -> Option<Task> {
    let mut work = shared.lock();
    loop {
        if work.closing {
            return None;
        }
        if let Some(task) = work.choose() {
            work.roster.leaves(number, task.errand());
            return Some(task);
        }
        (work, _) = shared.woken.wait_timeout(work, LOOK).unwrap_or_else(PoisonError::into_inner);
    }
}

impl Work {
    /// The most urgent of what there is to do, for stations that do not hold up too many workers already.
    fn choose(&mut self) -> Option<Task> {
        let Self { urgent, openings, feeds, roster, .. } = self;
        let now = Instant::now();
        for line in [&mut *urgent, &mut *openings] {
            line.retain(|opening| !opening.gives_up(now));
        }
        if let Some(opening) = first(urgent, |opening| roster.may_open(opening.errand(), true)) {
            return Some(Task::Open(opening));
        }
        let may = |feed: &dyn Feed| feed.is_low() && roster.may_feed(feed.errand());
        let low = feeds.iter().enumerate().filter(|(_, feed)| may(&***feed));
        let emptiest = low.min_by_key(|(_, feed)| feed.level());
        let emptiest = emptiest.map(|(index, feed)| (index, feed.is_urgent()));
        // In turns: files that never yield enough must not keep others from being opened.
        let open_first = self.fed || emptiest.is_none_or(|(_, urgent)| !urgent);
        if open_first
            && let Some(opening) = first(openings, |opening| roster.may_open(opening.errand(), false))
        {
            self.fed = false;
            return Some(Task::Open(opening));
        }
        let (index, _) = emptiest?;
        self.fed = !openings.is_empty();
        Some(Task::Feed(feeds.swap_remove(index)))
    }
}

/// Takes out the first of `openings` that may be had.
fn first(openings: &mut VecDeque<Box<Opening>>, may: impl Fn(&Opening) -> bool) -> Option<Box<Opening>> {
    let index = openings.iter().position(|opening| may(opening))?;
    openings.remove(index)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::cost::thread_time;

    /// What takes a worker 2 ms of a processor, and panics.
    struct Busy(Arc<Errand>);

    impl Feed for Busy {
        fn errand(&self) -> &Arc<Errand> {
            &self.0
        }

        fn level(&self) -> usize {
            0
        }

        fn is_low(&self) -> bool {
            true
        }

        fn is_urgent(&self) -> bool {
            true
        }

        fn turn(&mut self) -> bool {
            let begun = thread_time();
            while thread_time() - begun < Duration::from_millis(2) {}
            panic!("as feeds may");
        }

        fn panicked(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn what_a_worker_does_is_charged_to_whom_it_is_done_for() {
        let (account, other) = (Account::alone(), Account::alone());
        let busy = Busy(Arc::new(Errand::new(&account, "busy")));
        assert!(Task::Feed(Box::new(busy)).work().is_none());
        let decode_ns = |account: &Account| account.cost.decode_ns.load(Ordering::Relaxed);
        assert!(decode_ns(&account) >= 2_000_000, "{} ns", decode_ns(&account));
        assert_eq!(decode_ns(&other), 0);
    }
}
