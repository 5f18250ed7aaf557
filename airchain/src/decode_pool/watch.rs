//! Who of the decode workers is at what, and for how long. For one who does not come back a stand-in takes over, so that a
//! dead disk holds up nobody but those who wait for its files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Errand, Shared, Workers, run};
use crate::os::{self, nice};

/// How long a worker may be at one thing before a stand-in takes over. All of them may be held up in the same moment,
/// and the rings of the others hold at least three quarters of a second.
const PATIENCE: Duration = Duration::from_millis(250);
/// What a round of the desk counts for at most: while it does not come by itself, the machine has no time for anybody,
/// or stood still.
const ROUND: Duration = Duration::from_millis(20);
/// How long until that is said to be a fault.
const HANGS: Duration = Duration::from_secs(1);
/// Stand-ins that a host has at most.
const STAND_INS: usize = 32;
/// Workers that one station may hold up before no more are given to it.
const HELD_UP: usize = 4;
/// The same for items that somebody waits for, an emergency perhaps, which may lie on another disk, and for those under
/// way whose file has held up a worker before.
const HELD_UP_URGENT: usize = 8;

/// A worker who is at something.
struct Away {
    number: usize,
    /// By the roster's own time.
    since: Duration,
    errand: Arc<Errand>,
    /// A stand-in may take over.
    stuck: bool,
}

/// The workers there are.
#[derive(Default)]
pub(super) struct Roster {
    /// How many are to be at work.
    size: usize,
    /// Their numbers.
    on_duty: Vec<usize>,
    away: Vec<Away>,
    stuck: usize,
    next_number: usize,
    /// The time for which it has been watched, and when it was last looked at.
    watched: Duration,
    looked: Option<Instant>,
}

impl Roster {
    /// Workers who are not stuck.
    pub(super) fn active(&self) -> usize {
        self.on_duty.len() - self.stuck
    }

    pub(super) fn is_anyone_stuck(&self) -> bool {
        self.stuck > 0
    }

    /// Whether a worker may open something for `errand`: its station does not hold up too many.
    pub(super) fn may_open(&self, errand: &Errand, urgent: bool) -> bool {
        self.holds_up_fewer(errand, if urgent { HELD_UP_URGENT } else { HELD_UP })
    }

    /// Whether a worker may go on with `errand`. What has been read without trouble is, whatever else hangs of its station:
    /// it may be what is on air.
    pub(super) fn may_feed(&self, errand: &Errand) -> bool {
        !errand.has_hung() || self.holds_up_fewer(errand, HELD_UP_URGENT)
    }

    fn holds_up_fewer(&self, errand: &Errand, most: usize) -> bool {
        if self.stuck == 0 {
            return true;
        }
        let same = |away: &&Away| away.errand.is_beside(errand);
        let theirs = || self.away.iter().filter(same);
        // Those who have just gone there count, too: they may come to hang.
        theirs().count() < most || !theirs().any(|away| away.stuck)
    }

    /// A worker is at something from now on.
    pub(super) fn leaves(&mut self, number: usize, errand: &Arc<Errand>) {
        let (since, errand) = (self.watched, Arc::clone(errand));
        self.away.push(Away { number, since, errand, stuck: false });
    }

    /// A worker is back; `false` when a stand-in has his place, so that he has signed off and is to go.
    pub(super) fn is_back(&mut self, number: usize) -> bool {
        self.comes_back(number);
        let stays = self.active() <= self.size;
        if !stays {
            self.signs_off(number);
        }
        stays
    }

    fn comes_back(&mut self, number: usize) {
        if let Some(index) = self.away.iter().position(|away| away.number == number) {
            self.stuck -= usize::from(self.away.swap_remove(index).stuck);
        }
    }

    /// A worker ends, if he has not already.
    fn signs_off(&mut self, number: usize) {
        self.comes_back(number);
        self.on_duty.retain(|other| *other != number);
    }

    /// Sees who does not come back.
    pub(super) fn look(&mut self, now: Instant) {
        let round = self.looked.replace(now).map(|last| now.saturating_duration_since(last));
        self.watched += round.unwrap_or_default().min(ROUND);
        for away in &mut self.away {
            let gone = self.watched.saturating_sub(away.since);
            if gone >= PATIENCE && !away.stuck {
                away.stuck = true;
                self.stuck += 1;
            }
            if gone >= HANGS {
                away.errand.hangs(HANGS.as_secs());
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
    struct OnDuty(Arc<Shared>, usize);
    impl Drop for OnDuty {
        fn drop(&mut self) {
            self.0.lock().roster.signs_off(self.1);
            self.0.ended.notify_all();
        }
    }
    let mut work = shared.lock();
    let number = work.roster.next_number;
    let on_duty = Arc::clone(shared);
    let thread = std::thread::Builder::new().name(format!("decode-{number}"));
    thread.spawn(move || {
        os::give_way(nice::DECODE);
        let on_duty = OnDuty(on_duty, number);
        run(&on_duty.0, number);
    })?;
    work.roster.next_number += 1;
    work.roster.on_duty.push(number);
    Ok(())
}

impl Workers {
    /// Has stand-ins take over from those who do not come back. To be called every few hundredths of a second.
    pub(crate) fn watch(&self) {
        let missing = {
            let mut work = self.0.lock();
            work.roster.look(Instant::now());
            let roster = &work.roster;
            let room = (roster.size + STAND_INS).saturating_sub(roster.on_duty.len());
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
        self.0.lock().roster.on_duty.len()
    }

    /// Whether the pool has been dropped.
    #[cfg(test)]
    pub(crate) fn is_closing(&self) -> bool {
        self.0.lock().closing
    }

    /// Feeds that are kept full.
    #[cfg(test)]
    pub(crate) fn feeds(&self) -> usize {
        self.0.lock().feeds.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode_pool::Account;

    #[test]
    fn time_in_which_nobody_ran_is_held_against_no_worker() {
        let errand = Arc::new(Errand::new(&Account::alone(), "a file"));
        let mut roster = Roster { size: 1, on_duty: vec![0], ..Roster::default() };
        let mut now = Instant::now();
        roster.look(now);
        roster.leaves(0, &errand);
        // The process was stopped for a minute; the worker is as far as it was.
        now += Duration::from_secs(60);
        roster.look(now);
        assert!(!roster.is_anyone_stuck() && !errand.has_hung());
        let rounds = |roster: &mut Roster, now: &mut Instant, count: u32| {
            for _ in 0..count {
                *now += ROUND / 2;
                roster.look(*now);
            }
        };
        rounds(&mut roster, &mut now, 22);
        assert!(!roster.is_anyone_stuck());
        rounds(&mut roster, &mut now, 1);
        assert!(roster.is_anyone_stuck() && !errand.has_hung());
        rounds(&mut roster, &mut now, 75);
        assert!(errand.has_hung());
    }

    #[test]
    fn of_two_who_come_back_to_one_place_one_stays() {
        let errand = Arc::new(Errand::new(&Account::alone(), "a file"));
        let mut roster = Roster { size: 2, on_duty: vec![0, 1], ..Roster::default() };
        let mut now = Instant::now();
        (0..2).for_each(|number| roster.leaves(number, &errand));
        for _ in 0..30 {
            roster.look(now);
            now += ROUND / 2;
        }
        assert_eq!(roster.active(), 0);
        roster.on_duty.push(2);
        let stay: Vec<bool> = (0..2).map(|number| roster.is_back(number)).collect();
        assert_eq!((stay, roster.active()), (vec![true, false], 2));
        // What a thread does when it ends, whatever ended it.
        roster.signs_off(1);
        assert_eq!(roster.active(), 2);
    }
}
