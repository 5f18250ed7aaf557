//! The desk: one thread that thinks for every station. It ticks the directors, carries out orders, and tells the
//! world what happened.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use airchain_codecs::Format;
use airchain_core::Frames;
use airchain_core::bus::{Tap, TapId};
use airchain_core::control::{Command, Ending, When};
use airchain_core::item::Item;
use airchain_core::playout::director::HostOrder;
use airchain_core::playout::report::StationEvent;
use airchain_core::playout::schedule::{Lengths, Schedule};
use airchain_core::playout::{Director, Report, Request};
use airchain_core::tap::tap;
use airchain_core::tier::Tier;
use airchain_outputs::health::HealthEvent;
use airchain_outputs::sink::Health;
use airchain_outputs::worker::OutputHandle;
use crossbeam_channel::{Receiver, Sender};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::air::AirStation;
use crate::as_run;
use crate::error::Error;
use crate::from_config;
use crate::host::Engines;
use crate::journal::Journal;
use crate::output::{OutputSpec, Target};
use crate::rendition::{Door, Rendition, Waiting};
use crate::script::Line;
use crate::station::{OnAir, Order, OutputEntry, OutputStatus, Shared, TimedReport, lock};
use crate::wall_clock::WallClock;

/// How often the desk looks at its stations.
const PERIOD: Duration = Duration::from_millis(10);
/// Orders taken in one round, so that a station that is given thousands holds up no other.
const ORDERS: usize = 1000;
/// How often levels are sent to pages.
const LEVELS: Duration = Duration::from_millis(100);
/// How often a page's snapshot is made anew.
const SNAPSHOT: Duration = Duration::from_millis(500);
/// How often a listener that could not be bound is tried again.
const REBIND: Duration = Duration::from_secs(5);
/// How long a station that is off waits for its manager to hear so.
const PARTING: Duration = Duration::from_secs(1);
/// Audio a tap can hold: what an encode worker may be late by.
const TAP_S: u32 = 4;

/// Lets the desk look at once, and not only at its next round. Cheap; never waits.
#[derive(Clone)]
pub(crate) struct Waker(Sender<()>);

impl Waker {
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let (sender, woken) = crossbeam_channel::bounded(1);
        (Self(sender), woken)
    }

    pub(crate) fn wake(&self) {
        // A full channel says the same.
        let _ = self.0.try_send(());
    }
}

/// The desk's thread.
pub(crate) struct Desk {
    woken: Receiver<()>,
    arrivals: Receiver<DeskStation>,
    departures: Receiver<Box<AirStation>>,
    stations: Vec<DeskStation>,
}

impl Desk {
    /// A desk, and how stations come to it. `departures` are the engines that air threads are done with.
    pub(crate) fn new(departures: Receiver<Box<AirStation>>) -> (Sender<DeskStation>, Waker, Self) {
        let (sender, arrivals) = crossbeam_channel::unbounded();
        let (waker, woken) = Waker::new();
        (sender, waker, Self { woken, arrivals, departures, stations: Vec::new() })
    }

    /// Runs until nobody can add a station and all are gone.
    pub(crate) fn run(&mut self) {
        loop {
            let open = loop {
                match self.arrivals.recv_timeout(if self.stations.is_empty() {
                    10 * PERIOD
                } else {
                    Duration::ZERO
                }) {
                    Ok(station) => self.stations.push(station),
                    Err(error) => break error.is_timeout(),
                }
            };
            while let Ok(station) = self.departures.try_recv() {
                // Dropping the engine drops its taps; the renditions at their other ends finish.
                drop(station);
            }
            self.stations.retain_mut(|station| station.tick());
            if !open && self.stations.is_empty() {
                return;
            }
            let _ = self.woken.recv_timeout(PERIOD);
        }
    }
}

/// An encoder that runs, and how many outputs share it.
struct Running {
    format: Format,
    tap: TapId,
    door: Arc<Door>,
    outputs: Vec<String>,
}

/// A station at the desk.
pub(crate) struct DeskStation {
    director: Director,
    wall_clock: WallClock,
    shared: Arc<Shared>,
    orders: Receiver<Order>,
    engines: Arc<Engines>,
    renditions: Vec<Running>,
    next_tap: u64,
    health: (Sender<HealthEvent>, Receiver<HealthEvent>),
    levels_due: Instant,
    snapshot_due: Instant,
    leaving: bool,
    /// Frames in a block.
    block: Frames,
    /// Items that have been heard and have not ended, with the frame at which they began.
    airing: Vec<(Tier, Item, Frames)>,
    /// Outputs whose listener could not be bound, and when to try again.
    unbound: Vec<OutputSpec>,
    retry_due: Instant,
    next_serial: u64,
    journal: Option<Journal>,
    /// It is off, and gone by then at the latest.
    parting: Option<Instant>,
    as_run: Option<as_run::Teller>,
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
            shared,
            orders,
            engines,
            renditions: Vec::new(),
            next_tap: 1,
            health: crossbeam_channel::unbounded(),
            levels_due: now,
            snapshot_due: now,
            leaving: false,
            block: block as Frames,
            airing: Vec::new(),
            unbound: Vec::new(),
            retry_due: now,
            next_serial: 0,
            journal,
            parting: None,
            as_run: None,
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
        self.engines.encode.add(log.job);
        *lock(&self.shared.as_run) = Some(log.written);
        self.as_run = Some(log.teller);
    }

    /// Tells the director at which time frame 0 would have been by the system's clock of now.
    fn set_clock(&mut self) {
        let epoch_ns = self.shared.epoch_ns().saturating_add(self.wall_clock.set_by_ns());
        self.director.set_clock(epoch_ns);
    }

    /// One round. `false` when the station is gone.
    fn tick(&mut self) -> bool {
        if let Some(until) = self.parting {
            let gone = self.director.is_told() || Instant::now() >= until;
            self.shared.off.store(gone, Ordering::Release);
            return !gone;
        }
        let position = self.shared.air.position.load(Ordering::Acquire);
        self.set_clock();
        for order in self.orders.try_iter().take(ORDERS).collect::<Vec<_>>() {
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
        self.publish();
        if self.shared.air.failed.swap(false, Ordering::AcqRel) {
            tracing::error!(station = %self.shared.id, "the engine panicked; the station is off the air");
            self.leaving = true;
        }
        if self.leaving && Arc::strong_count(&self.shared.air) == 1 {
            // The air thread has let go of it.
            self.farewell();
            self.parting = Some(Instant::now() + PARTING);
        }
        true
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

    fn obey(&mut self, order: Order) {
        match order {
            // What cannot be meant is answered by a report.
            Order::Request(when, request) => drop(self.director.request(when, *request)),
            Order::AddOutput(output, reply) => drop(reply.send(self.add_output(When::Now, *output))),
            Order::RemoveOutput(id, reply) => drop(reply.send(self.remove_output(&id))),
            Order::OpenLive(name, config, reply) => {
                let _ = reply.send(self.director.live_source(&name, config).map_err(Into::into));
            }
            Order::LiveStatus(reply) => drop(reply.send(Ok(self.director.live_status().collect()))),
            Order::Stop => {
                self.leaving = true;
                self.shared.air.leave.store(true, Ordering::Release);
            }
        }
    }

    /// Carries out a request that is not the director's.
    fn carry_out(&mut self, order: HostOrder) {
        let HostOrder { when, request, answer } = order;
        let result = match &request {
            Request::AddOutput { output } => from_config::output(&self.shared.name, self.shared.rate, output)
                .and_then(|spec| self.add_output(when, spec)),
            Request::RemoveOutput { id } => self.remove_output(id),
            _ => Ok(()),
        };
        if let Some(journal) = self.journal.as_mut().filter(|_| result.is_ok()) {
            journal.note_output(&request);
        }
        self.director.answer(answer, result.map_err(|error| error.to_string()));
    }

    // ---- Outputs ----

    /// Starts an output of a station that begins: when the system refuses it a port it is down, and tried again.
    pub(crate) fn begin_output(&mut self, spec: OutputSpec) -> Result<(), Error> {
        let Some(error) = self.bind_error(&spec) else { return self.add_output(When::Now, spec) };
        self.check_id(&spec.id)?;
        let (id, kind, failed) = (spec.id.clone(), spec.target.kind(), Some(error.clone()));
        let target = match &spec.target {
            Target::Http { listen, path, .. } => format!("http://{listen}{path}"),
            _ => String::new(),
        };
        let serial = self.fresh_serial();
        lock(&self.shared.outputs).push(OutputEntry {
            id: id.clone(),
            serial,
            kind,
            target,
            handle: None,
            failed,
        });
        tracing::warn!(station = %self.shared.id, output = %id, "{error}");
        let event =
            HealthEvent { output: id, health: Health::Down, reason: Some(error), at: Timestamp::now() };
        let _ = self.health.0.send(event);
        self.unbound.push(spec);
        self.retry_due = Instant::now() + REBIND;
        Ok(())
    }

    /// Tries the outputs again whose listener could not be bound.
    fn bind_again(&mut self) {
        if self.unbound.is_empty() || Instant::now() < self.retry_due || self.leaving {
            return;
        }
        self.retry_due = Instant::now() + REBIND;
        for spec in std::mem::take(&mut self.unbound) {
            if self.bind_error(&spec).is_some() {
                self.unbound.push(spec);
                continue;
            }
            let id = spec.id.clone();
            lock(&self.shared.outputs).retain(|entry| entry.id != id);
            if let Err(error) = self.add_output(When::Now, spec) {
                tracing::error!(station = %self.shared.id, output = %id, "{error}");
            }
        }
    }

    /// Why the listener that an output needs cannot be bound.
    fn bind_error(&self, spec: &OutputSpec) -> Option<String> {
        let Target::Http { listen, .. } = &spec.target else { return None };
        self.engines.listeners.get(*listen).err().map(|error| error.to_string())
    }

    fn check_id(&self, id: &str) -> Result<(), Error> {
        if lock(&self.shared.outputs).iter().any(|entry| entry.id == id) {
            return Err(Error::Output(format!("there is already an output called {id}")));
        }
        Ok(())
    }

    fn fresh_serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    /// Forgets the renditions that are over, so that an output that wants such a format starts a new one.
    fn let_go(&mut self) {
        let director = &mut self.director;
        self.renditions.retain(|running| {
            let over = running.door.is_closed();
            if over {
                director.send(When::Now, Command::RemoveTap(running.tap));
            }
            !over
        });
    }

    /// Starts an output: at this frame where it needs an encoder of its own, else at once, on the encoder that already
    /// makes its format.
    pub(crate) fn add_output(&mut self, when: When, spec: OutputSpec) -> Result<(), Error> {
        let OutputSpec { id, format, target } = spec;
        self.check_id(&id)?;
        self.let_go();
        let kind = target.kind();
        let page = match &target {
            Target::Http { listen, .. } => Some((*listen, self.engines.listeners.get(*listen)?.state())),
            _ => None,
        };
        let (output, options) = target.open(&self.engines.listeners)?;
        let target = output.describe();
        let door = self.rendition(when, format, &id)?;
        lock(&self.shared.pages).extend(page);
        let serial = self.fresh_serial();
        let entry = OutputEntry { id: id.clone(), serial, kind, target, handle: None, failed: None };
        lock(&self.shared.outputs).push(entry);
        let (shared, health) = (Arc::clone(&self.shared), self.health.0.clone());
        let options = options.telling(Arc::new(move |event| drop(health.send(event))));
        let started = Box::new(move |handle: OutputHandle| {
            match lock(&shared.outputs).iter_mut().find(|entry| entry.serial == serial) {
                Some(entry) => entry.handle = Some(handle),
                // It was removed before it could start.
                None => handle.stop(true),
            }
        });
        if !door.add(Waiting { id, output, options, started }) {
            lock(&self.shared.outputs).retain(|entry| entry.serial != serial);
            return Err(Error::Output("the encoder has just failed, try again".into()));
        }
        Ok(())
    }

    /// The door of the rendition that makes `format`, started if it is not running.
    fn rendition(&mut self, when: When, format: Format, output: &str) -> Result<Arc<Door>, Error> {
        if let Some(running) = self.renditions.iter_mut().find(|running| running.format == format) {
            running.outputs.push(output.to_owned());
            return Ok(Arc::clone(&running.door));
        }
        let (writer, reader) = tap((self.shared.rate * TAP_S) as usize);
        let metadata = self.shared.on_air().map(|on_air| Arc::new(on_air.item.metadata));
        let runtime = self.engines.runtime.clone();
        let (rendition, door) =
            Rendition::new(format, self.shared.rate, reader, Arc::clone(&self.shared), metadata, runtime)?;
        let id = TapId(self.next_tap);
        self.next_tap += 1;
        self.director.send(when, Command::AddTap(Tap { id, writer }));
        self.engines.encode.add(Box::new(rendition));
        let outputs = vec![output.to_owned()];
        self.renditions.push(Running { format, tap: id, door: Arc::clone(&door), outputs });
        Ok(door)
    }

    fn remove_output(&mut self, id: &str) -> Result<(), Error> {
        let mut outputs = lock(&self.shared.outputs);
        let index = outputs.iter().position(|entry| entry.id == id);
        let entry =
            outputs.remove(index.ok_or_else(|| Error::Output(format!("there is no output called {id}")))?);
        drop(outputs);
        self.unbound.retain(|spec| spec.id != id);
        if let Some(handle) = entry.handle {
            handle.stop(true);
        }
        for running in &mut self.renditions {
            running.outputs.retain(|output| output != id);
            if running.outputs.is_empty() {
                self.director.send(When::Now, Command::RemoveTap(running.tap));
            }
        }
        self.renditions.retain(|running| !running.outputs.is_empty());
        Ok(())
    }

    // ---- Telling ----

    fn tell(&mut self, report: Report) {
        if let Some(journal) = &mut self.journal {
            journal.note(&report);
        }
        let utc = self.shared.utc_of(report.frame);
        if let StationEvent::NowPlaying { tier, item, duration_s, .. } = &report.event {
            let (tier, item, duration_s, frame) = (*tier, item.clone(), *duration_s, report.frame);
            self.shared.set_on_air(OnAir { tier, item, duration_s, started: utc, frame });
            self.snapshot_due = Instant::now();
        }
        match &report.event {
            StationEvent::NowPlaying { tier, item, .. }
                if !self.airing.iter().any(|(_, airing, _)| airing.id == item.id) =>
            {
                self.airing.push((*tier, item.clone(), report.frame));
            }
            StationEvent::ItemEnded { item, .. } => self.airing.retain(|(_, airing, _)| airing.id != item.id),
            _ => {}
        }
        let over = self.director.is_finished();
        log(&self.shared.id, &report.event, over);
        let report = TimedReport { report, utc };
        self.show(&report);
        self.shared.tell(&report);
        if let Some(as_run) = &self.as_run {
            as_run.tell(&report);
        }
    }

    /// Sends a report to the pages. Those that speak of files on this machine stay here.
    fn show(&self, report: &TimedReport) {
        let pages = lock(&self.shared.pages);
        let private = matches!(
            report.report.event,
            StationEvent::SourceFailed { .. }
                | StationEvent::CommandFailed { .. }
                | StationEvent::CommandDone { .. }
        );
        if pages.is_empty() || private {
            return;
        }
        let mut value = serde_json::to_value(report).unwrap_or_default();
        if let Some(item) = value.get_mut("item").and_then(Value::as_object_mut) {
            item.remove("path");
        }
        if let StationEvent::OutputHealth { output, .. } = &report.report.event
            && lock(&self.shared.outputs).iter().any(|entry| entry.id == *output && is_on_disk(entry.kind))
            && let Some(event) = value.as_object_mut()
        {
            event.remove("reason");
        }
        let name = value.get("event").and_then(Value::as_str).unwrap_or_default().to_owned();
        for page in pages.values() {
            page.publish(&name, value.clone());
        }
    }

    fn tell_now(&mut self, event: StationEvent) {
        let frame = self.shared.air.position.load(Ordering::Acquire);
        let at = crate::spec::seconds(frame, self.shared.rate);
        self.tell(Report { frame, at, event });
    }

    fn publish(&mut self) {
        let pages = lock(&self.shared.pages);
        if pages.is_empty() {
            return;
        }
        let now = Instant::now();
        if now >= self.levels_due {
            self.levels_due = now + LEVELS;
            let levels = serde_json::to_value(self.shared.levels.read()).unwrap_or_default();
            pages.values().for_each(|page| page.publish("levels", levels.clone()));
        }
        if now >= self.snapshot_due {
            self.snapshot_due = now + SNAPSHOT;
            let snapshot = snapshot(&self.shared);
            pages.values().for_each(|page| page.set_snapshot(snapshot.clone()));
        }
    }
}

/// Whether an output's target and errors speak of files on this machine.
fn is_on_disk(kind: &str) -> bool {
    matches!(kind, "hls" | "recording")
}

/// The state of a station as pages read it: it says nothing of files on this machine.
fn snapshot(shared: &Shared) -> Value {
    let describe = |on_air: &OnAir| {
        let metadata = &on_air.item.metadata;
        json!({
            "title": metadata.title, "artist": metadata.artist, "album": metadata.album, "tier": on_air.tier,
            "started_utc": on_air.started, "duration_s": on_air.duration_s,
        })
    };
    let output = |output: OutputStatus| {
        let mut value = serde_json::to_value(&output).unwrap_or_default();
        if is_on_disk(output.kind)
            && let Some(fields) = value.as_object_mut()
        {
            fields.remove("target");
            fields.remove("last_error");
        }
        value
    };
    json!({
        "station": { "id": shared.id, "name": shared.name },
        "on_air": shared.on_air().as_ref().map(describe),
        "recent": shared.recent().iter().map(describe).collect::<Vec<_>>(),
        "levels": shared.levels.read(),
        "outputs": shared.outputs().into_iter().map(output).collect::<Vec<_>>(),
    })
}

fn log(station: &str, event: &StationEvent, over: bool) {
    match event {
        StationEvent::NowPlaying { tier, item, .. } => {
            tracing::info!(station, %tier, path = %item.path, title = %item.metadata.one_line(), "now playing");
        }
        StationEvent::SourceFailed { item, error, skipped: true, .. } => {
            tracing::warn!(station, path = %item.path, "left out: {error}");
        }
        StationEvent::SourceFailed { item, error, .. } => {
            tracing::warn!(station, path = %item.path, "damaged: {error}");
        }
        StationEvent::PriorityChanged { to: None, .. } if over => {
            tracing::info!(station, "the programme is over");
        }
        StationEvent::PriorityChanged { to: None, .. } => {
            tracing::warn!(station, "dead air: no tier has audio")
        }
        StationEvent::Dropout { tier, frames } => {
            tracing::warn!(station, %tier, frames, "dropout: the decoder was late");
        }
        StationEvent::ScheduleDropped { item, due_s, reason } => {
            let due = Timestamp::UNIX_EPOCH.saturating_add(jiff::SignedDuration::from_secs_f64(*due_s));
            let due = due.map(|due| due.to_string()).unwrap_or_default();
            tracing::warn!(station, path = %item.path, due, "dropped from the schedule: {reason}");
        }
        StationEvent::CommandFailed { command, error, .. } => {
            tracing::warn!(station, command, "not done: {error}")
        }
        _ => {}
    }
}
