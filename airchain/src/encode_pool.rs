//! Encode workers: a few threads that run the renditions, meters and logs of every station.
//!
//! Nothing wakes them: the air thread must not. Each job looks at its tap every so often and takes all there is. The
//! longer that is, the more frames a codec encodes with its tables in the cache; a station that has been asked for
//! something that is to be heard at once [hurries](EncodePool::hurry) for a while. When the processor does not suffice,
//! encoders come before meters and logs, and among themselves the one that waits longest comes first.

use std::collections::BinaryHeap;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cost::{Cost, charged};
use crate::os::{self, nice};

/// Work that comes back at intervals.
pub(crate) trait Job: Send {
    /// Does what there is to do.
    fn step(&mut self) -> Step;

    /// What comes out of the next [`step`](Self::step) is waited for.
    fn hurry(&mut self) {}

    /// It panicked and is about to be dropped.
    fn panicked(&mut self) {}
}

/// What a [`Job`] says of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do now; others may have their turn first.
    More,
    /// Nothing for now.
    Idle,
    /// It is over for good.
    Over,
}

/// What a job is to its station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Listeners hear what it does not get done.
    Encoder,
    /// Nobody hears it.
    Meter,
}

/// How often meters and logs look at their taps.
const METER: Duration = Duration::from_millis(100);
/// The same for encoders in a hurry: a block of the air thread. Stations have their turns so far apart, too.
const HURRIED: Duration = Duration::from_millis(10);
/// How long a station hurries: what is asked for has to be opened before it is heard.
const HURRY: Duration = Duration::from_secs(2);
/// How much audio encoders take at a time where players wait for each part of a segment.
const PROMPT: Duration = Duration::from_millis(50);
/// Meters wait until no encoder is due, but not longer than this: their taps hold a second.
const PATIENCE: Duration = Duration::from_millis(800);

struct Due {
    /// When it is due, and by which it is put in order.
    at: Instant,
    /// It hurries for as long as it is new: nobody is to wait for an output that begins.
    new_until: Instant,
    /// It hurries, or its station does.
    hurried: bool,
    kind: Kind,
    cost: Arc<Cost>,
    job: Box<dyn Job>,
}

impl Due {
    /// Does its work, for as long as it is due.
    fn step(&mut self) -> Step {
        let counter = match self.kind {
            Kind::Encoder => &self.cost.encode_ns,
            Kind::Meter => &self.cost.meter_ns,
        };
        let (job, hurried) = (&mut self.job, self.hurried);
        let step = || {
            if hurried {
                job.hurry();
            }
            job.step()
        };
        charged(counter, || catch_unwind(AssertUnwindSafe(step))).unwrap_or_else(|_| {
            job.panicked();
            Step::Over
        })
    }
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
    encoders: BinaryHeap<Due>,
    meters: BinaryHeap<Due>,
    /// Stations in a hurry, and until when.
    hurried: Vec<(Arc<Cost>, Instant)>,
    /// Stations whose encoders take but a little at a time.
    prompt: Vec<Weak<Cost>>,
    closing: bool,
}

impl Work {
    /// Whether it is due before all others of its kind.
    fn push(&mut self, due: Due) -> bool {
        let jobs = match due.kind {
            Kind::Encoder => &mut self.encoders,
            Kind::Meter => &mut self.meters,
        };
        let first = jobs.peek().is_none_or(|next| due.at < next.at);
        jobs.push(due);
        first
    }

    /// The job whose turn it is, or how long until there is one; `None` for ever.
    fn next(&mut self, now: Instant) -> Result<Due, Option<Duration>> {
        let encoder = self.encoders.peek().map(|due| due.at);
        let meter = self.meters.peek().map(|due| due.at);
        let is_due = |at: &Instant| *at <= now;
        let has_waited = meter.is_some_and(|at| now.saturating_duration_since(at) > PATIENCE);
        let turn = match (encoder.filter(is_due), meter.filter(is_due)) {
            (Some(encoder), Some(meter)) if has_waited && meter < encoder => self.meters.pop(),
            (Some(_), _) => self.encoders.pop(),
            (None, Some(_)) => self.meters.pop(),
            (None, None) => None,
        };
        turn.ok_or_else(|| encoder.into_iter().chain(meter).min().map(|at| at - now))
    }

    /// When a job that has nothing to do is due again.
    fn again(&mut self, due: &mut Due, batch: Duration, epoch: Instant) -> Instant {
        let now = Instant::now();
        self.hurried.retain(|(_, until)| *until > now);
        due.hurried = due.kind == Kind::Encoder
            && (now < due.new_until || self.hurried.iter().any(|(cost, _)| Arc::ptr_eq(cost, &due.cost)));
        if due.hurried {
            return now + HURRIED;
        }
        let is_prompt = self.prompt.iter().any(|cost| Weak::as_ptr(cost) == Arc::as_ptr(&due.cost));
        let batch = if is_prompt { batch.min(PROMPT) } else { batch };
        // Those of a station together, so that one worker wakes up for all of them; of others, some at other times.
        let pause = if due.kind == Kind::Encoder { batch } else { METER };
        let phase = phase(&due.cost, batch);
        let pauses = (now - epoch).saturating_sub(phase).as_nanos() / pause.as_nanos().max(1) + 1;
        epoch + phase + pause * u32::try_from(pauses).unwrap_or(u32::MAX)
    }
}

/// How far into a batch a station has its turn: whole blocks, so that a worker wakes up once for all that have it there.
fn phase(cost: &Arc<Cost>, batch: Duration) -> Duration {
    let hash =
        std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(Arc::as_ptr(cost));
    let turns = u32::try_from(batch.as_millis() / HURRIED.as_millis()).unwrap_or(u32::MAX).max(1);
    HURRIED * (hash % u64::from(turns)) as u32
}

struct Shared {
    work: Mutex<Work>,
    woken: Condvar,
    /// How often encoders look at their taps.
    batch: Duration,
    epoch: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool. Dropping it ends the workers and drops their jobs.
pub(crate) struct EncodePool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl EncodePool {
    /// A pool whose encoders take so much audio at a time, but in a hurry.
    pub(crate) fn new(workers: usize, batch: Duration) -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { work: Mutex::default(), woken: Condvar::new(), batch, epoch: Instant::now() });
        let spawn = |number| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("encode-{number}")).spawn(move || {
                os::give_way(nice::ENCODE);
                run(&shared);
            })
        };
        let workers = (0..workers.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { shared, workers })
    }

    /// Runs a job of the station that `cost` is of. If it is an encoder it hurries for the first two seconds; the station's
    /// others do not, so that their listeners get the very bytes that they would have got.
    pub(crate) fn add(&self, job: Box<dyn Job>, kind: Kind, cost: &Arc<Cost>) {
        let now = Instant::now();
        let due = Due {
            at: now,
            new_until: now + HURRY,
            hurried: kind == Kind::Encoder,
            kind,
            cost: Arc::clone(cost),
            job,
        };
        self.shared.lock().push(due);
        self.shared.woken.notify_one();
    }

    /// Has the encoders of the station that `cost` is of take 50 ms of audio at a time, or as much as others.
    pub(crate) fn set_prompt(&self, cost: &Arc<Cost>, prompt: bool) {
        let mut work = self.shared.lock();
        work.prompt.retain(|other| other.strong_count() > 0 && Weak::as_ptr(other) != Arc::as_ptr(cost));
        work.prompt.extend(prompt.then(|| Arc::downgrade(cost)));
    }

    /// For the next two seconds the encoders of the station that `cost` is of look at their taps each 10 ms: what it was
    /// asked for is to be with the listeners at once.
    pub(crate) fn hurry(&self, cost: &Arc<Cost>) {
        let now = Instant::now();
        let mut work = self.shared.lock();
        work.hurried.retain(|(_, until)| *until > now);
        let is_its = |other: &Arc<Cost>| Arc::ptr_eq(other, cost);
        match work.hurried.iter_mut().find(|(other, _)| is_its(other)) {
            // Its encoders have been called already.
            Some((_, until)) => *until = now + HURRY,
            None => {
                work.hurried.push((Arc::clone(cost), now + HURRY));
                let mut encoders = std::mem::take(&mut work.encoders).into_vec();
                for due in encoders.iter_mut().filter(|due| is_its(&due.cost)) {
                    due.at = due.at.min(now);
                    due.hurried = true;
                }
                work.encoders = encoders.into();
            }
        }
        drop(work);
        self.shared.woken.notify_all();
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
        match due.step() {
            Step::Over => {}
            step => {
                let mut work = shared.lock();
                due.at = if step == Step::More {
                    Instant::now()
                } else {
                    work.again(&mut due, shared.batch, shared.epoch)
                };
                // Others sleep until what was due first before.
                if work.push(due) {
                    shared.woken.notify_one();
                }
            }
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
        work = match work.next(Instant::now()) {
            Ok(due) => return Some(due),
            Err(Some(pause)) => {
                shared.woken.wait_timeout(work, pause).unwrap_or_else(PoisonError::into_inner).0
            }
            Err(None) => shared.woken.wait(work).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Nothing;

    impl Job for Nothing {
        fn step(&mut self) -> Step {
            Step::Idle
        }
    }

    fn due(at: Instant, kind: Kind, cost: &Arc<Cost>) -> Due {
        Due { at, new_until: at, hurried: false, kind, cost: Arc::clone(cost), job: Box::new(Nothing) }
    }

    #[test]
    fn encoders_come_before_meters_until_those_have_waited_long() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let cost = Arc::default();
        let mut work = Work::default();
        let turns = |work: &mut Work, now: Instant| {
            let next = |_| work.next(now).ok().map(|due| (due.kind, (due.at - start).as_millis()));
            std::iter::repeat_with(|| ()).map_while(next).collect::<Vec<_>>()
        };
        for (at, kind) in [
            (0, Kind::Meter),
            (30, Kind::Encoder),
            (20, Kind::Meter),
            (10, Kind::Encoder),
            (90, Kind::Encoder),
        ] {
            work.push(due(ms(at), kind, &cost));
        }
        let (meter, encoder) = (Kind::Meter, Kind::Encoder);
        assert_eq!(turns(&mut work, ms(50)), [(encoder, 10), (encoder, 30), (meter, 0), (meter, 20)]);
        assert_eq!(work.next(ms(50)).err(), Some(Some(Duration::from_millis(40))));
        work.push(due(ms(0), meter, &cost));
        assert_eq!(turns(&mut work, ms(1_100)), [(meter, 0), (encoder, 90)]);
        assert!(matches!(work.next(ms(1_100)), Err(None)));
    }

    #[test]
    fn those_of_a_station_are_due_together_and_at_once_when_it_hurries() {
        let batch = 2 * METER;
        let shared = Shared { work: Mutex::default(), woken: Condvar::new(), batch, epoch: Instant::now() };
        let pool = EncodePool { shared: Arc::new(shared), workers: Vec::new() };
        let (calm, hurried) = (Arc::<Cost>::default(), Arc::<Cost>::default());
        let again = |kind, cost: &Arc<Cost>| {
            let mut due = due(Instant::now(), kind, cost);
            pool.shared.lock().again(&mut due, batch, pool.shared.epoch)
        };
        let phases = [Kind::Encoder, Kind::Meter, Kind::Encoder].map(|kind| again(kind, &calm));
        let apart = |a: Instant, b: Instant| (a.max(b) - a.min(b)).as_nanos() % METER.as_nanos();
        assert!(phases.iter().all(|at| apart(*at, phases[0]) == 0));
        let later = Instant::now() + 100 * METER;
        for cost in [&calm, &hurried] {
            pool.shared.lock().push(due(later, Kind::Encoder, cost));
        }
        pool.hurry(&hurried);
        let first = pool.shared.lock().next(Instant::now()).ok().unwrap();
        assert!(Arc::ptr_eq(&first.cost, &hurried) && first.hurried);
        assert!(pool.shared.lock().next(Instant::now()).is_err(), "the other does not hurry");
        let before = Instant::now();
        assert!(again(Kind::Encoder, &hurried) <= Instant::now() + HURRIED);
        assert!(again(Kind::Encoder, &hurried) >= before + HURRIED);
    }

    #[test]
    fn where_players_wait_for_parts_encoders_take_little_at_a_time() {
        let (batch, epoch) = (10 * METER, Instant::now());
        let shared = Shared { work: Mutex::default(), woken: Condvar::new(), batch, epoch };
        let pool = EncodePool { shared: Arc::new(shared), workers: Vec::new() };
        let [prompt, other] = [(); 2].map(|()| Arc::<Cost>::default());
        let pause = |cost: &Arc<Cost>| {
            let mut due = due(Instant::now(), Kind::Encoder, cost);
            let mut work = pool.shared.lock();
            let first = work.again(&mut due, batch, epoch);
            (0..100).map(|_| work.again(&mut due, batch, epoch)).fold(first, Instant::min) - epoch
        };
        pool.set_prompt(&prompt, true);
        let first = pause(&prompt);
        // Before the first turn of all they wait for that, too.
        assert!(first <= epoch.elapsed() + 2 * PROMPT, "{first:?}");
        pool.set_prompt(&prompt, false);
        assert!(pool.shared.lock().prompt.is_empty());
        pool.set_prompt(&other, true);
        drop(other);
        pool.set_prompt(&prompt, true);
        assert_eq!(pool.shared.lock().prompt.len(), 1, "those that are gone are forgotten");
    }

    #[test]
    fn an_encoder_that_is_new_hurries_alone() {
        let shared =
            Shared { work: Mutex::default(), woken: Condvar::new(), batch: 2 * METER, epoch: Instant::now() };
        let pool = EncodePool { shared: Arc::new(shared), workers: Vec::new() };
        let cost = Arc::<Cost>::default();
        pool.shared.lock().push(due(Instant::now(), Kind::Encoder, &cost));
        pool.add(Box::new(Nothing), Kind::Encoder, &cost);
        pool.add(Box::new(Nothing), Kind::Meter, &cost);
        let next = || pool.shared.lock().next(Instant::now()).ok().unwrap();
        let turns: Vec<_> = (0..3).map(|_| next()).map(|due| (due.kind, due.hurried)).collect();
        assert_eq!(turns, [(Kind::Encoder, false), (Kind::Encoder, true), (Kind::Meter, false)]);
        let now = Instant::now();
        let again = |mut due: Due, new_until: Instant| {
            due.new_until = new_until;
            pool.shared.lock().again(&mut due, 100 * METER, now);
            due.hurried
        };
        let job = |kind| due(now, kind, &cost);
        assert!(again(job(Kind::Encoder), now + HURRY));
        assert!(!again(job(Kind::Encoder), now) && !again(job(Kind::Meter), now + HURRY));
    }
}
