//! Who of the decode workers is at what, and for how long. For one who does not come back a stand-in takes over, so that a
//! dead disk holds up nobody but those who wait for its files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use airchain_core::playout::Ticket;
use airchain_core::playout::report::Part;
use crossbeam_channel::Sender;

use super::{Shared, Workers, run};
use crate::faults::FaultLog;
use crate::os::{self, nice};

/// How long a worker may be at one thing before a stand-in takes over. All of them may be held up in the same moment,
/// and the rings of the others hold at least three quarters of a second.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long until that is said to be a fault.
const HANGS: Duration = Duration::from_secs(1);
/// Stand-ins that a host has at most.
const STAND_INS: usize = 32;
/// Workers that one station may hold up before no more are given to it.
const HELD_UP: usize = 4;
/// The same for items that somebody waits for, an emergency perhaps, which may lie on another disk.
const HELD_UP_URGENT: usize = 8;

/// For whom a worker is at something, and at what.
pub(crate) struct Errand {
    faults: Arc<FaultLog>,
    /// A file or an input.
    what: String,
    /// Where its station hears of damage to it.
    damage: Option<(Ticket, Sender<(Ticket, String)>)>,
    /// It was said that it hangs.
    told: AtomicBool,
}

impl Errand {
    /// At a live input.
    pub(crate) fn new(faults: &Arc<FaultLog>, what: &str) -> Self {
        Self { faults: Arc::clone(faults), what: what.to_owned(), damage: None, told: AtomicBool::new(false) }
    }

    /// At an item.
    pub(super) fn of_item(
        faults: &Arc<FaultLog>,
        path: &str,
        ticket: Ticket,
        damage: &Sender<(Ticket, String)>,
    ) -> Self {
        Self { damage: Some((ticket, damage.clone())), ..Self::new(faults, path) }
    }

    /// Notes that what decodes it panicked.
    pub(crate) fn panicked(&self) {
        self.faults.note(Part::Decoder, format!("{}: the decoder panicked", self.what));
    }

    /// Says that a worker does not come back from it; of a slow file, whose every read takes its time, once.
    fn hangs(&self) {
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let words = format!("reading it has taken longer than {} s", HANGS.as_secs());
        self.faults.note(Part::Disk, format!("{}: {words}; a stand-in decodes for the others", self.what));
        if let Some((ticket, damage)) = &self.damage {
            let _ = damage.send((*ticket, words));
        }
    }
}

/// A worker who is at something.
struct Away {
    number: usize,
    since: Instant,
    errand: Arc<Errand>,
    /// A stand-in may take over.
    stuck: bool,
}

/// The workers there are.
#[derive(Default)]
pub(super) struct Roster {
    /// How many are to be at work.
    size: usize,
    workers: usize,
    away: Vec<Away>,
    stuck: usize,
    next_number: usize,
}

impl Roster {
    /// Workers who are not stuck.
    pub(super) fn active(&self) -> usize {
        self.workers - self.stuck
    }

    pub(super) fn is_anyone_stuck(&self) -> bool {
        self.stuck > 0
    }

    /// Whether a worker may be given to `errand`: its station does not hold up too many.
    pub(super) fn may(&self, errand: &Errand, urgent: bool) -> bool {
        if self.stuck == 0 {
            return true;
        }
        let same = |away: &&Away| Arc::ptr_eq(&away.errand.faults, &errand.faults);
        let most = if urgent { HELD_UP_URGENT } else { HELD_UP };
        let theirs = || self.away.iter().filter(same);
        // Those who have just gone there count, too: they may come to hang.
        theirs().count() < most || !theirs().any(|away| away.stuck)
    }

    /// A worker is at something from now on.
    pub(super) fn leaves(&mut self, number: usize, errand: &Arc<Errand>) {
        let (since, errand) = (Instant::now(), Arc::clone(errand));
        self.away.push(Away { number, since, errand, stuck: false });
    }

    /// A worker is back; `false` when a stand-in has his place, so that he may go.
    pub(super) fn is_back(&mut self, number: usize) -> bool {
        let Some(index) = self.away.iter().position(|away| away.number == number) else { return true };
        let away = self.away.swap_remove(index);
        self.stuck -= usize::from(away.stuck);
        self.active() <= self.size
    }

    /// Sees who does not come back.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        for away in &mut self.away {
            let gone = now.saturating_duration_since(away.since);
            if gone >= PATIENCE && !away.stuck {
                away.stuck = true;
                self.stuck += 1;
            }
            if gone >= HANGS {
                away.errand.hangs();
            }
        }
    }
}

/// Starts the workers.
pub(super) fn begin(shared: &Arc<Shared>, size: usize) -> std::io::Result<()> {
    shared.lock().roster.size = size;
    (0..size).try_for_each(|_| hire(shared))
}

/// Starts a worker. He signs off when he ends, whatever ended him.
fn hire(shared: &Arc<Shared>) -> std::io::Result<()> {
    struct OnDuty(Arc<Shared>);
    impl Drop for OnDuty {
        fn drop(&mut self) {
            self.0.lock().roster.workers -= 1;
            self.0.ended.notify_all();
        }
    }
    let mut work = shared.lock();
    let number = work.roster.next_number;
    let on_duty = Arc::clone(shared);
    let thread = std::thread::Builder::new().name(format!("decode-{number}"));
    thread.spawn(move || {
        os::give_way(nice::DECODE);
        let on_duty = OnDuty(on_duty);
        run(&on_duty.0, number);
    })?;
    work.roster.next_number += 1;
    work.roster.workers += 1;
    Ok(())
}

impl Workers {
    /// Has stand-ins take over from those who do not come back. To be called every few hundredths of a second.
    pub(crate) fn watch(&self) {
        let missing = {
            let mut work = self.0.lock();
            work.roster.look();
            let roster = &work.roster;
            let room = (roster.size + STAND_INS).saturating_sub(roster.workers);
            if work.closing { 0 } else { roster.size.saturating_sub(roster.active()).min(room) }
        };
        for _ in 0..missing {
            if let Err(error) = hire(&self.0) {
                tracing::error!("no stand-in for a decoder that hangs: {error}");
                return;
            }
        }
    }

    /// Threads there are: as many as the host was given, and the stand-ins.
    #[cfg(test)]
    pub(crate) fn threads(&self) -> usize {
        self.0.lock().roster.workers
    }

    /// Whether the pool has been dropped.
    #[cfg(test)]
    pub(crate) fn is_closing(&self) -> bool {
        self.0.lock().closing
    }
}
