//! A station at the desk: its director is ticked, its orders are carried out, its end is seen to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use airchain_core::Frames;
use airchain_core::control::{Command, Ending, When};
use airchain_core::item::Item;
use airchain_core::playout::director::HostOrder;
use airchain_core::playout::report::{Part, StationEvent};
use airchain_core::playout::schedule::{Lengths, Schedule};
use airchain_core::playout::{Director, Moment, Report, Request};
use airchain_core::tier::Tier;
use airchain_outputs::health::HealthEvent;
use crossbeam_channel::{Receiver, Sender};
use serde_json::{Map, Value};

use super::outputs::Running;
use super::serving::Serving;
use super::telling::ASLEEP;
use crate::as_run;
use crate::decode_pool::Account;
use crate::encode_pool::Kind;
use crate::error::Error;
use crate::from_config;
use crate::host::Engines;
use crate::input::InputSpec;
use crate::journal::{Changed, Journal};
use crate::output::OutputSpec;
use crate::script::Line;
use crate::station::{Order, Shared, Wanted, lock};
use crate::telemetry::gauges::Rates;
use crate::wall_clock::{Moved, WallClock};

/// Orders taken in one round, so that a station that is given thousands holds up no other.
const ORDERS: usize = 1000;
/// How long a station that is off waits for its manager to hear so.
const PARTING: Duration = Duration::from_secs(1);

/// The pause before a director that panicked is tried again, and the longest after several of those.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// One that has held for so long beyond its last pause is trusted anew.
const GOOD: Duration = Duration::from_secs(60);

/// A station at the desk.
pub(crate) struct DeskStation {
    pub(super) director: Director,
    pub(super) wall_clock: WallClock,
    /// What the director's clock goes by: nanoseconds by which the system's was set, and frames that were missed.
    moved_by: Option<(i64, Frames)>,
    /// Missed frames that have been told of.
    pub(super) missed: Frames,
    pub(super) shared: Arc<Shared>,
    pub(super) orders: Receiver<Order>,
    pub(super) engines: Arc<Engines>,
    pub(super) renditions: Vec<Running>,
    pub(super) next_tap: u64,
    pub(super) health: (Sender<HealthEvent>, Receiver<HealthEvent>),
    pub(super) levels_due: Instant,
    pub(super) rates: Rates,
    pub(super) snapshot_due: Instant,
    pub(super) leaving: bool,
    /// Frames in a block.
    pub(super) block: Frames,
    /// Items that have been heard and have not ended, with the frame at which they began.
    pub(super) airing: Vec<(Tier, Item, Frames)>,
    /// Outputs whose listener could not be bound, and when to try again.
    pub(super) unbound: Vec<OutputSpec>,
    pub(super) retry_due: Instant,
    pub(super) serving: Serving,
    pub(super) next_serial: u64,
    pub(super) journal: Option<Journal>,
    /// It is off, and gone by then at the latest.
    pub(super) parting: Option<Instant>,
    pub(super) as_run: Option<as_run::Teller>,
    /// Its director has panicked: until when it is left alone, and for how long that is.
    rests_until: Option<Instant>,
    pause: Duration,
}

impl DeskStation {
    pub(crate) fn new(
        director: Director,
        shared: Arc<Shared>,
        orders: Receiver<Order>,
        engines: Arc<Engines>,
        block: usize,
        journal: Option<Journal>,
    ) -> Self {
        let now = Instant::now();
        Self {
            director,
            wall_clock: WallClock::now(),
            moved_by: None,
            missed: 0,
            shared,
            orders,
            engines,
            renditions: Vec::new(),
            next_tap: 1,
            health: crossbeam_channel::unbounded(),
            levels_due: now,
            rates: Rates::new(now),
            snapshot_due: now,
            leaving: false,
            block: block as Frames,
            airing: Vec::new(),
            unbound: Vec::new(),
            retry_due: now,
            serving: Serving::default(),
            next_serial: 0,
            journal,
            parting: None,
            as_run: None,
            rests_until: None,
            pause: PAUSE,
        }
    }

    /// Goes by a schedule, from the first round on.
    pub(crate) fn set_schedule(&mut self, schedule: Schedule, lengths: Box<dyn Lengths>) {
        self.set_clock();
        self.director.set_schedule(schedule, lengths);
    }

    /// Starts the as-run log of a station that begins.
    pub(crate) fn begin_as_run(&mut self, log: as_run::Started) {
        self.director.send(When::Now, Command::AddTap(log.tap));
        self.engines.encode.add(log.job, Kind::Meter, &self.shared.cost);
        *lock(&self.shared.as_run) = Some(log.written);
        self.as_run = Some(log.teller);
    }

    /// Tells the director at which time frame 0 would have been by the system's clock of now, and has dates follow that.
    fn set_clock(&mut self) {
        let Moved { set_by_ns, slept } = self.wall_clock.look();
        if !slept.is_zero() {
            let position = self.shared.air.position.load(Ordering::Acquire);
            let frames = self.shared.note_slept(position, slept);
            self.tell_missed(frames, ASLEEP);
        }
        let moved_by = (set_by_ns, self.shared.missed());
        if self.moved_by.replace(moved_by) != Some(moved_by) {
            self.shared.note_set(set_by_ns, self.block);
            self.director.set_clock(self.shared.epoch_ns());
        }
    }

    /// One round. `false` when the station is gone.
    pub(super) fn tick(&mut self) -> bool {
        let _in = self.shared.span.clone().entered();
        if let Some(until) = self.parting {
            let gone = self.director.is_told() || Instant::now() >= until;
            if gone {
                self.shared.set_off();
            }
            return !gone;
        }
        // First of all: what is to be told of may happen again.
        while let Some((part, error)) = self.shared.faults.next() {
            self.tell_now(StationEvent::Fault { part, error });
        }
        let position = self.shared.air.position.load(Ordering::Acquire);
        self.set_clock();
        self.tell_late();
        for _ in 0..ORDERS {
            // One by one: where it panics at one, the others wait for the next round.
            let Ok(order) = self.orders.try_recv() else { break };
            self.obey(order);
        }
        self.think(position);
        while let Ok(event) = self.health.1.try_recv() {
            let HealthEvent { output, health, reason, .. } = event;
            self.tell_now(StationEvent::OutputHealth { output, health, reason });
        }
        if let Some(journal) = &mut self.journal {
            journal.keep(position.saturating_sub(self.shared.latency), &self.director, &self.engines.runtime);
        }
        let heard = self.director.last_end() + self.shared.latency + self.block;
        self.shared.finished.store(self.director.is_finished() && position >= heard, Ordering::Release);
        self.let_go();
        self.bind_again();
        self.measure();
        self.publish();
        let failed = &self.shared.air.failed;
        // What is written to leaves the air thread's cache.
        if failed.load(Ordering::Acquire) && failed.swap(false, Ordering::AcqRel) {
            tracing::error!("the engine panicked; the station is off the air");
            self.leaving = true;
        }
        if self.leaving && Arc::strong_count(&self.shared.air) == 1 {
            // The air thread has let go of it.
            self.farewell();
            self.parting = Some(Instant::now() + PARTING);
        }
        true
    }

    /// Thinking for it failed: it is tried again after a pause that doubles, while the engine plays what it has. `false`
    /// for one that was leaving anyway, which then is gone.
    pub(super) fn falter(&mut self) -> bool {
        if self.leaving {
            let _in = self.shared.span.clone().entered();
            tracing::error!("a fault in its director while it left the air");
            self.shared.finished.store(true, Ordering::Release);
            self.shared.set_off();
            return false;
        }
        let now = Instant::now();
        let lately = self.rests_until.is_some_and(|until| now < until + GOOD);
        self.pause = if lately { (2 * self.pause).min(LONGEST_PAUSE) } else { PAUSE };
        self.rests_until = Some(now + self.pause);
        let error = format!("it panicked, and is tried again after {} s", self.pause.as_secs_f64());
        self.shared.faults.note(Part::Director, error);
        true
    }

    /// Whether it is left alone for a while because it has failed.
    pub(super) fn is_resting(&self) -> bool {
        self.rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Lets the director do what is due, and does what it asks for.
    fn think(&mut self, position: Frames) {
        self.director.tick(position);
        while let Some(order) = self.director.poll_order() {
            self.carry_out(order);
        }
        while let Some((frame, request)) = self.director.poll_log() {
            self.shared.log(Line { frame, request });
        }
        while let Some(report) = self.director.poll() {
            self.tell(report);
        }
        if let Some(as_run) = &self.as_run {
            as_run.known(position);
        }
    }

    /// Tells the rest: what the engine said at the last, and that what was on air has ended.
    fn farewell(&mut self) {
        let position = self.shared.air.position.load(Ordering::Acquire);
        let audible = position.saturating_sub(self.shared.latency);
        self.think(position);
        match &mut self.journal {
            // What has not been heard will be, by the next run.
            Some(journal) => {
                journal.write(audible, &self.director, &self.engines.runtime);
                self.director.close();
            }
            None => self.director.abandon(),
        }
        self.think(position);
        let at = crate::spec::seconds(audible, self.shared.rate);
        for (tier, item, begun) in std::mem::take(&mut self.airing) {
            let played_s = crate::spec::seconds(audible.saturating_sub(begun), self.shared.rate);
            let event = StationEvent::ItemEnded { tier, item, ending: Ending::Stopped, played_s };
            self.tell(Report { frame: audible, at, event });
        }
    }

    /// Opens an input as a live source, and routes it where it names a tier.
    pub(crate) fn add_input(&mut self, input: InputSpec) -> Result<(), Error> {
        input.validate(self.shared.rate)?;
        let writer = self.director.live_source(&input.id, input.live)?;
        let (tier, source, fade_in_s) = (input.tier, input.id.clone(), input.fade_in_s);
        let Engines { runtime, decode, .. } = &*self.engines;
        let account = Account::of(&self.shared);
        let running = input.open(writer, self.shared.rate, runtime, decode, &account)?;
        let mut inputs = lock(&self.shared.inputs);
        inputs.retain(|other| !other.is_over());
        inputs.push(running);
        drop(inputs);
        if let Some(tier) = tier {
            // What cannot be meant is answered by a report.
            let _ = self.director.request(Moment::Now, Request::RouteLive { tier, source, fade_in_s });
        }
        Ok(())
    }

    /// Has its encoders look at once: something changes that listeners are to hear without delay.
    pub(super) fn hurry(&self) {
        self.engines.encode.hurry(&self.shared.cost);
    }

    fn obey(&mut self, order: Order) {
        if order.is_heard_soon() {
            self.hurry();
        }
        match order {
            // What cannot be meant is answered by a report.
            Order::Request(when, request) => drop(self.director.request(when, *request)),
            Order::AddInput(input, reply) => drop(reply.send(self.add_input(*input))),
            Order::AddOutput(Wanted::Made(output), reply) => {
                let _ = reply.send(self.add_output(When::Now, *output, None));
            }
            Order::AddOutput(Wanted::Declared(output), reply) => {
                let _ = reply.send(self.add_declared(When::Now, &output));
            }
            Order::RemoveOutput(id, reply) => drop(reply.send(self.remove_output(&id))),
            Order::ChangeOutput(_, Wanted::Made(output), reply) => {
                let _ = reply.send(self.replace_output(When::Now, *output, None));
            }
            Order::ChangeOutput(id, Wanted::Declared(output), reply) => {
                let _ = reply.send(self.change_output(When::Now, &id, &output).map(drop));
            }
            Order::RenameOutput(id, new_id, name, reply) => {
                let _ = reply.send(self.rename_output(&id, &new_id, name.as_deref()).map(drop));
            }
            Order::OpenLive(name, config, reply) => {
                let _ = reply.send(self.director.live_source(&name, config).map_err(Into::into));
            }
            Order::AddTap(writer, reply) => drop(reply.send(Ok(self.add_tap(When::Now, *writer)))),
            Order::RemoveTap(id) => self.director.send(When::Now, Command::RemoveTap(id)),
            Order::LiveStatus(reply) => drop(reply.send(Ok(self.director.live_status().collect()))),
            Order::Stop => {
                self.leaving = true;
                self.shared.air.leave.store(true, Ordering::Release);
            }
        }
    }

    /// Adds an output that is declared in words.
    fn add_declared(&mut self, when: When, declared: &Map<String, Value>) -> Result<(), Error> {
        let spec = from_config::output(&self.shared.home(), declared)?;
        self.add_output(when, spec, Some(declared.clone()))
    }

    /// Carries out a request that is not the director's.
    fn carry_out(&mut self, order: HostOrder) {
        let HostOrder { when, request, answer } = order;
        let result = match &request {
            Request::AddOutput { output } => {
                self.add_declared(when, output).map(|()| Changed { gone: None, new: Some(output.clone()) })
            }
            Request::RemoveOutput { id } => {
                self.remove_output(id).map(|()| Changed { gone: Some(id.clone()), new: None })
            }
            Request::ChangeOutput { id, output } => self
                .change_output(when, id, output)
                .map(|declared| Changed { gone: Some(id.clone()), new: Some(declared) }),
            // What was not declared in words is the program's, which declares it again after a restart.
            Request::RenameOutput { id, new_id, name } => self
                .rename_output(id, new_id, name.as_deref())
                .map(|declared| Changed { gone: declared.is_some().then(|| id.clone()), new: declared }),
            _ => Ok(Changed::default()),
        };
        if let (Some(journal), Ok(changed)) = (&mut self.journal, &result) {
            journal.note_outputs(changed);
        }
        self.director.answer(answer, result.map(drop).map_err(|error| error.to_string()));
    }
}
