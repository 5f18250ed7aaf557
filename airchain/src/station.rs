//! A station on air, as a program holds it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use airchain_core::Frames;
use airchain_core::bus::TapId;
use airchain_core::item::Item;
use airchain_core::playout::live::{LiveConfig, LiveStatus, LiveWriter};
use airchain_core::playout::{Moment, Report, Request, StationEvent};
use airchain_core::tap::{TapWriter, tap};
use airchain_core::tier::Tier;
use airchain_core::units::seconds_to_frames;
use airchain_outputs::health::Stats;
use airchain_outputs::http::{MountHandle, StateHandle};
use airchain_outputs::joint;
use airchain_outputs::leaps::Leaps;
use airchain_outputs::sink::Health;
use airchain_outputs::tenure::Gone;
use airchain_outputs::worker::OutputHandle;
use crossbeam_channel::{Receiver, Sender};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::Span;

use crate::air::{AirState, Lost};
use crate::cost::Cost;
use crate::desk::Waker;
use crate::error::Error;
use crate::faults::{FaultLog, Faults};
use crate::from_config::Home;
use crate::input::{self, InputSpec, InputStatus};
use crate::meter::{LevelBoard, Levels};
use crate::output::OutputSpec;
use crate::pcm_tap::PcmTap;
use crate::script::Line;
use crate::spec::seconds;
use crate::telemetry::gauges::GaugeBoard;
use crate::telemetry::{self, Telemetry, TelemetryStream};

/// What the desk is asked to do for a station.
pub(crate) enum Order {
    Request(Moment, Box<Request>),
    AddInput(Box<InputSpec>, Sender<Result<(), Error>>),
    AddOutput(Wanted, Sender<Result<(), Error>>),
    RemoveOutput(String, Sender<Result<(), Error>>),
    ChangeOutput(String, Wanted, Sender<Result<(), Error>>),
    RenameOutput(String, String, Option<String>, Sender<Result<(), Error>>),
    OpenLive(String, LiveConfig, Sender<Result<LiveWriter, Error>>),
    LiveStatus(Sender<Result<Vec<LiveStatus>, Error>>),
    AddTap(Box<TapWriter>, Sender<Result<TapId, Error>>),
    RemoveTap(TapId),
    Stop,
}

/// An output that is asked for.
pub(crate) enum Wanted {
    /// As a program makes it.
    Made(Box<OutputSpec>),
    /// In the words of a station file.
    Declared(Map<String, Value>),
}

impl Order {
    /// Whether it is meant to change what listeners hear right now. What is for later is told of then: [`cuts_in`]. An
    /// output that begins hurries by itself, so that the others are given the very bytes that they would have got.
    pub(crate) fn is_heard_soon(&self) -> bool {
        match self {
            Self::Request(when, request) => *when == Moment::Now && is_cut(request.name()),
            Self::AddInput(..) => true,
            Self::AddOutput(..)
            | Self::RemoveOutput(..)
            | Self::ChangeOutput(..)
            | Self::RenameOutput(..)
            | Self::OpenLive(..)
            | Self::LiveStatus(..)
            | Self::AddTap(..)
            | Self::RemoveTap(..)
            | Self::Stop => false,
        }
    }
}

/// Whether a request of this name changes on the spot what is heard.
fn is_cut(request: &str) -> bool {
    matches!(request, "play" | "insert_emergency" | "skip" | "stop" | "route_live")
}

/// Whether listeners hear, from the frame of this on, what does not simply follow what they heard before.
pub(crate) fn cuts_in(event: &StationEvent) -> bool {
    match event {
        StationEvent::PriorityChanged { .. } => true,
        StationEvent::CommandDone { command, .. } => is_cut(command),
        _ => false,
    }
}

/// A report with the time at which listeners of an output without delay would have noticed.
#[derive(Clone, Debug, Serialize)]
pub struct TimedReport {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// Wall-clock time of its frame.
    pub utc: Timestamp,
}

/// The item on air.
#[derive(Clone, Debug, Serialize)]
pub struct OnAir {
    /// Its tier.
    pub tier: Tier,
    /// The item.
    pub item: Item,
    /// Its length, where known.
    pub duration_s: Option<f64>,
    /// When it became audible.
    pub started: Timestamp,
    /// Frame at which it did.
    pub frame: Frames,
}

/// An output and how it does.
#[derive(Clone, Debug, Serialize)]
pub struct OutputStatus {
    /// Its id.
    pub id: String,
    /// Its kind (`icecast`, `hls`, ...).
    pub kind: &'static str,
    /// Where it goes; no secrets.
    pub target: String,
    /// Who listens to it now, where it is a mount of a built-in listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listeners: Option<usize>,
    /// Its figures; `None` until its encoder runs.
    #[serde(flatten)]
    pub stats: Option<Stats>,
}

/// How long an input may take to sign off: a worker may be at it.
const SIGN_OFF: Duration = Duration::from_secs(1);
/// Items remembered as recently played.
const RECENT: usize = 20;
/// Reports that may wait for a subscriber; one that does not read loses the newest.
const SUBSCRIPTION: usize = 65_536;
/// Reports kept for the first subscriber, who cannot be there before the station is.
const EARLY: usize = 256;

pub(crate) struct OutputEntry {
    pub(crate) id: String,
    /// Tells it from another that had the same id before.
    pub(crate) serial: u64,
    pub(crate) kind: &'static str,
    pub(crate) target: String,
    /// Its declaration, where it was made from one. Holds passwords: never log it.
    pub(crate) declared: Option<Map<String, Value>>,
    /// Its mount, if it is one of a built-in listener.
    pub(crate) mount: Option<MountHandle>,
    /// Of its workers, once they run: one for each encoding.
    pub(crate) handles: Vec<OutputHandle>,
    /// When each of those is gone.
    pub(crate) gone: Vec<Gone>,
    /// Why it could not begin.
    pub(crate) failed: Option<String>,
}

/// Who is told what happens.
struct Subscriber {
    reports: Sender<TimedReport>,
    /// Each second, too, how loud it is.
    loudness: bool,
}

/// What a station's handle, the desk and the workers share.
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) zone: TimeZone,
    /// What is done for it is done, and logged, in this span.
    pub(crate) span: Span,
    pub(crate) rate: u32,
    /// Frames by which the bus lags behind the programme.
    pub(crate) latency: Frames,
    /// Frames that an item's ring holds when it is full.
    pub(crate) lookahead: Frames,
    /// When it was put on air.
    pub(crate) since: Instant,
    pub(crate) air: Arc<AirState>,
    pub(crate) cost: Arc<Cost>,
    pub(crate) levels: LevelBoard,
    pub(crate) gauges: GaugeBoard,
    /// What those follow who subscribed to telemetry; `None` once the station is off.
    pub(crate) telemetry: watch::Sender<Option<Arc<Telemetry>>>,
    pub(crate) faults: Arc<FaultLog>,
    orders: Sender<Order>,
    /// What the air thread gives up, on its way to the leaps.
    lost: Receiver<Lost>,
    /// Where dates leap.
    pub(crate) leaps: Leaps,
    epoch: Mutex<Timestamp>,
    /// By how much the system's clock has been set since the station began, in nanoseconds.
    set_by_ns: AtomicI64,
    subscribers: Mutex<Vec<Subscriber>>,
    /// The command log, for the one who asks for it.
    commands: (Sender<Line>, Receiver<Line>),
    /// What happened before anybody subscribed; `None` from then on.
    early: Mutex<Option<Vec<TimedReport>>>,
    pub(crate) outputs: Mutex<Vec<OutputEntry>>,
    pub(crate) inputs: Mutex<Vec<input::Running>>,
    on_air: Mutex<Option<OnAir>>,
    recent: Mutex<VecDeque<OnAir>>,
    /// Ends when the as-run log is written to its end.
    pub(crate) as_run: Mutex<Option<JoinHandle<()>>>,
    /// The pages it is shown on, by the address of their listener.
    pub(crate) pages: Mutex<BTreeMap<SocketAddr, StateHandle>>,
    /// The programme and everything asked for is over.
    pub(crate) finished: AtomicBool,
    /// The engine is off the air thread.
    pub(crate) off: AtomicBool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(
        id: &str,
        name: &str,
        rate: u32,
        latency: Frames,
        air: (Arc<AirState>, Receiver<Lost>),
        levels: LevelBoard,
        orders: Sender<Order>,
    ) -> Self {
        let (air, lost) = air;
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            zone: TimeZone::UTC,
            span: Span::current(),
            rate,
            latency,
            lookahead: 0,
            since: Instant::now(),
            air,
            cost: Arc::default(),
            levels,
            gauges: GaugeBoard::default(),
            telemetry: watch::Sender::new(None),
            faults: Arc::default(),
            orders,
            lost,
            leaps: Leaps::default(),
            epoch: Mutex::new(Timestamp::UNIX_EPOCH),
            set_by_ns: AtomicI64::new(0),
            subscribers: Mutex::default(),
            commands: crossbeam_channel::unbounded(),
            early: Mutex::new(Some(Vec::new())),
            outputs: Mutex::default(),
            inputs: Mutex::default(),
            on_air: Mutex::default(),
            recent: Mutex::default(),
            as_run: Mutex::default(),
            pages: Mutex::default(),
            finished: AtomicBool::new(false),
            off: AtomicBool::new(false),
        }
    }

    /// Sets the wall-clock time of frame 0.
    pub(crate) fn begin(&self, epoch: Timestamp) {
        *lock(&self.epoch) = epoch;
    }

    /// UTC at which frame 0 of the programme leaves the bus, or would have by the time that was left out since, in
    /// nanoseconds since 1970: what is asked for a time is heard then.
    pub(crate) fn epoch_ns(&self) -> i64 {
        let utc = self.utc_of(0).as_nanosecond();
        let since = self.leaps.missing_ns() - self.leaps.missing_before(self.latency, self.rate);
        i64::try_from(utc + since).unwrap_or(i64::MAX)
    }

    /// Time at which a programme frame leaves the bus, by the clock that people see, also after that was set.
    pub(crate) fn utc_of(&self, frame: Frames) -> Timestamp {
        let frame = frame + self.latency;
        self.note_lost();
        let set_by = i128::from(self.set_by_ns.load(Ordering::Acquire));
        self.later(frame, self.leaps.missing_before(frame, self.rate) + set_by)
    }

    /// Date of a frame of the bus, as outputs give it: by the clock as it was when that was on air.
    pub(crate) fn date_of(&self, frame: Frames) -> Timestamp {
        self.note_lost();
        self.later(frame, self.leaps.before(frame, self.rate))
    }

    /// When a frame of the bus would be on air by the clock of the beginning, and so many nanoseconds.
    fn later(&self, frame: Frames, nanos: i128) -> Timestamp {
        let nanos = i128::from(frame) * 1_000_000_000 / i128::from(self.rate) + nanos;
        let epoch = *lock(&self.epoch);
        Timestamp::from_nanosecond(epoch.as_nanosecond() + nanos).unwrap_or(epoch)
    }

    /// Takes note of by how much the system's clock has been set since the station began; with blocks of so many frames.
    pub(crate) fn note_set(&self, set_by_ns: i64, block: Frames) {
        self.set_by_ns.store(set_by_ns, Ordering::Release);
        // The block that is being rendered may be on the bus already; what is behind it is not.
        self.leaps.follow(set_by_ns, self.rate, || self.position() + block);
    }

    /// Takes note of what the air thread has given up before any frame that has been read from a tap.
    pub(crate) fn note_lost(&self) {
        self.leaps.extend(self.rate, self.lost.try_iter().map(|lost| (lost.at, lost.frames)));
    }

    /// Takes note that the machine slept for a time before this frame of the bus; the frames that makes.
    pub(crate) fn note_slept(&self, at: Frames, slept: Duration) -> Frames {
        let frames = seconds_to_frames(slept.as_secs_f64(), self.rate);
        self.note_lost();
        self.leaps.extend(self.rate, std::iter::once((at, frames)));
        self.air.missed.fetch_add(frames, Ordering::AcqRel);
        frames
    }

    /// Tells everyone who listens.
    pub(crate) fn tell(&self, report: &TimedReport) {
        let mut early = lock(&self.early);
        if let Some(early) = early.as_mut().filter(|early| early.len() < EARLY) {
            early.push(report.clone());
        }
        // Unbounded channels with a bound of our own: a bounded one would hold the memory for all of it at once.
        lock(&self.subscribers).retain(|subscriber| subscriber.tell(report));
    }

    /// Tells those who asked for it how loud the programme is.
    pub(crate) fn tell_loudness(&self, report: impl FnOnce() -> TimedReport) {
        let mut subscribers = lock(&self.subscribers);
        if subscribers.iter().any(|subscriber| subscriber.loudness) {
            let report = report();
            subscribers.retain(|subscriber| !subscriber.loudness || subscriber.tell(&report));
        }
    }

    /// It is off the air, and all that is to be told has been.
    pub(crate) fn set_off(&self) {
        self.off.store(true, Ordering::Release);
        self.telemetry.send_replace(None);
    }

    /// Frames rendered.
    pub(crate) fn position(&self) -> Frames {
        self.air.position.load(Ordering::Acquire)
    }

    /// Frames that were never rendered.
    pub(crate) fn missed(&self) -> Frames {
        self.air.missed.load(Ordering::Acquire)
    }

    /// Adds a line to the command log.
    pub(crate) fn log(&self, line: Line) {
        if self.commands.0.len() < SUBSCRIPTION {
            // The receiver is right here.
            let _ = self.commands.0.send(line);
        }
    }

    pub(crate) fn set_on_air(&self, now: OnAir) {
        let before = lock(&self.on_air).replace(now.clone());
        if let Some(before) = before.filter(|before| before.item.id != now.item.id) {
            let mut recent = lock(&self.recent);
            recent.push_front(before);
            recent.truncate(RECENT);
        }
    }

    pub(crate) fn on_air(&self) -> Option<OnAir> {
        lock(&self.on_air).clone()
    }

    pub(crate) fn recent(&self) -> Vec<OnAir> {
        lock(&self.recent).iter().cloned().collect()
    }

    /// What the declarations of its outputs take from it.
    pub(crate) fn home(&self) -> Home<'_> {
        Home { id: &self.id, name: &self.name, zone: &self.zone, rate_hz: self.rate }
    }

    pub(crate) fn outputs(&self) -> Vec<OutputStatus> {
        let status = |entry: &OutputEntry| OutputStatus {
            id: entry.id.clone(),
            kind: entry.kind,
            target: entry.target.clone(),
            listeners: entry.mount.as_ref().map(MountHandle::listeners),
            stats: joint::total(entry.handles.iter().map(OutputHandle::stats))
                .or_else(|| entry.failed.as_deref().map(down)),
        };
        lock(&self.outputs).iter().map(status).collect()
    }

    pub(crate) fn inputs(&self) -> Vec<InputStatus> {
        lock(&self.inputs).iter().map(input::Running::status).collect()
    }
}

impl Subscriber {
    /// Whether it is still there. One that does not read loses the newest.
    fn tell(&self, report: &TimedReport) -> bool {
        self.reports.len() >= SUBSCRIPTION || self.reports.send(report.clone()).is_ok()
    }
}

fn no_input(id: &str, inputs: &[input::Running]) -> Error {
    let known: Vec<&str> = inputs.iter().map(|input| input.id.as_str()).collect();
    Error::Input(format!("id: there is no input called {id:?}, give one of {known:?}"))
}

/// The figures of an output that could not begin.
fn down(reason: &str) -> Stats {
    Stats {
        health: Health::Down,
        bytes: 0,
        packets: 0,
        dropped_frames: 0,
        reconnects: 0,
        queued_s: 0.0,
        last_error: Some(reason.to_owned()),
    }
}

/// A station on air. Clones are the same station; dropping them all leaves it on air.
#[derive(Clone)]
pub struct Station {
    shared: Arc<Shared>,
    runtime: Handle,
    waker: Waker,
    live: LiveConfig,
}

impl Station {
    pub(crate) fn new(shared: Arc<Shared>, runtime: Handle, waker: Waker, live: LiveConfig) -> Self {
        Self { shared, runtime, waker, live }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Its sample rate in Hz.
    pub fn sample_rate_hz(&self) -> u32 {
        self.shared.rate
    }

    /// Frames by which what leaves the bus lags behind the programme: its chain's look-ahead.
    pub fn latency(&self) -> Frames {
        self.shared.latency
    }

    /// Asks for something; the answer comes as a `command_done` or `command_failed` report.
    pub fn request(&self, when: impl Into<Moment>, request: Request) -> Result<(), Error> {
        self.order(Order::Request(when.into(), Box::new(request))).then_some(()).ok_or(Error::Stopped)
    }

    /// Adds an output. The other outputs notice nothing.
    pub fn add_output(&self, output: OutputSpec) -> Result<(), Error> {
        self.ask(|reply| Order::AddOutput(Wanted::Made(Box::new(output)), reply))
    }

    /// The same of one that is declared as a station file would, with an `id` beside.
    pub fn add_declared_output(&self, output: Map<String, Value>) -> Result<(), Error> {
        self.ask(|reply| Order::AddOutput(Wanted::Declared(output), reply))
    }

    /// Has an output take the place of the one of the same id: from one frame on, of which audio neither loses anything.
    /// What both write to, a mount or a folder, it opens when the one before is gone. Where it cannot be made, nothing has
    /// changed. Listeners of a built-in listener stay connected where the path stays and the container does. The other
    /// outputs notice nothing.
    pub fn change_output(&self, output: OutputSpec) -> Result<(), Error> {
        self.ask(|reply| Order::ChangeOutput(output.id.clone(), Wanted::Made(Box::new(output)), reply))
    }

    /// The same by words of a station file, without an `id`: fields that change, of an output that was declared in such
    /// words itself (a null takes one back to its default); or with a `type` the whole of another declaration.
    pub fn change_declared_output(&self, id: &str, output: Map<String, Value>) -> Result<(), Error> {
        self.ask(|reply| Order::ChangeOutput(id.to_owned(), Wanted::Declared(output), reply))
    }

    /// Gives an output another id, and with `name` has those who come to listen from now on be told another name, where
    /// that needs no new connection (those of a built-in listener). Nothing else becomes of it.
    pub fn rename_output(&self, id: &str, new_id: &str, name: Option<&str>) -> Result<(), Error> {
        let (id, new_id, name) = (id.to_owned(), new_id.to_owned(), name.map(str::to_owned));
        let request = Request::RenameOutput { id: id.clone(), new_id: new_id.clone(), name: name.clone() };
        request.validate().map_err(|invalid| Error::Output(invalid.to_string()))?;
        self.ask(|reply| Order::RenameOutput(id, new_id, name, reply))
    }

    /// Closes an output and takes it off. The other outputs notice nothing.
    pub fn remove_output(&self, id: &str) -> Result<(), Error> {
        self.ask(|reply| Order::RemoveOutput(id.to_owned(), reply))
    }

    /// How its live sources are treated that are not told otherwise: by its station file.
    pub fn live_config(&self) -> LiveConfig {
        self.live
    }

    /// Opens a live source: whoever has the audio pushes it into the writer, from any thread, at the station's rate.
    /// It is heard once it is routed ([`Request::RouteLive`]).
    pub fn live_source(&self, name: &str, config: LiveConfig) -> Result<LiveWriter, Error> {
        self.ask(|reply| Order::OpenLive(name.to_owned(), config, reply))
    }

    /// The live sources and where they stand.
    pub fn live_status(&self) -> Result<Vec<LiveStatus>, Error> {
        self.ask(Order::LiveStatus)
    }

    /// Adds an input, and routes it where it names a tier. It is a live source: its tier, its titles and its absence are
    /// told of in the reports as those of any other.
    pub fn add_input(&self, input: InputSpec) -> Result<(), Error> {
        self.ask(|reply| Order::AddInput(Box::new(input), reply))
    }

    /// Has an input listen to other URLs, best first. It goes on with what it has until one of them brings audio.
    pub fn set_input_urls(&self, id: &str, urls: &[String]) -> Result<(), Error> {
        let inputs = lock(&self.shared.inputs);
        let input = inputs.iter().find(|input| input.id == id).ok_or_else(|| no_input(id, &inputs))?;
        input.set_urls(urls)
    }

    /// Takes an input off; what of it waits decoded, half a second, is still heard. Its name is free then.
    pub fn remove_input(&self, id: &str) -> Result<(), Error> {
        let removed = {
            let mut inputs = lock(&self.shared.inputs);
            let index =
                inputs.iter().position(|input| input.id == id).ok_or_else(|| no_input(id, &inputs))?;
            inputs.remove(index)
        };
        removed.close(SIGN_OFF);
        Ok(())
    }

    /// The inputs and how they do.
    pub fn inputs(&self) -> Vec<InputStatus> {
        self.shared.inputs()
    }

    /// What leaves the bus, as PCM at the station's rate, from the next block on. The ring holds `buffer_s` seconds (0.1 to
    /// 60); what finds no room in it because it is not read in time comes out as silence.
    pub fn tap(&self, buffer_s: f64) -> Result<PcmTap, Error> {
        if !(0.1..=60.0).contains(&buffer_s) {
            return Err(Error::TapBuffer(buffer_s));
        }
        let (writer, reader) = tap(seconds_to_frames(buffer_s, self.shared.rate) as usize);
        let id = self.ask(|reply| Order::AddTap(Box::new(writer), reply))?;
        Ok(PcmTap::new(reader, id, self.clone()))
    }

    fn ask<T>(&self, order: impl FnOnce(Sender<Result<T, Error>>) -> Order) -> Result<T, Error> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.order(order(reply));
        answer.recv().unwrap_or(Err(Error::Stopped))
    }

    pub(crate) fn order(&self, order: Order) -> bool {
        let sent = self.shared.orders.send(order).is_ok();
        self.waker.wake();
        sent
    }

    /// Everything that happens from now on; for the first who asks, also what has happened since the start. It leaves out
    /// the [`Loudness`](airchain_core::playout::StationEvent::Loudness) of each second, for which there is
    /// [`reports_and_loudness`](Self::reports_and_loudness).
    pub fn reports(&self) -> Receiver<TimedReport> {
        self.subscribe(false)
    }

    /// The same as [`reports`](Self::reports), and each second how loud the programme is.
    pub fn reports_and_loudness(&self) -> Receiver<TimedReport> {
        self.subscribe(true)
    }

    fn subscribe(&self, loudness: bool) -> Receiver<TimedReport> {
        let (sender, receiver) = crossbeam_channel::unbounded();
        // Held until the subscription stands, so that no report falls between the two.
        let mut early = lock(&self.shared.early);
        for report in early.take().into_iter().flatten() {
            // The receiver is right here.
            let _ = sender.send(report);
        }
        lock(&self.shared.subscribers).push(Subscriber { reports: sender, loudness });
        receiver
    }

    /// The command log, as it is written, for a station that keeps one ([`StationSpec::command_log`](crate::StationSpec)):
    /// given to a render as its script, it makes the same programme, frame for frame. Each line is handed out once.
    pub fn commands(&self) -> Receiver<Line> {
        self.shared.commands.1.clone()
    }

    /// Frames rendered since the station started.
    pub fn position(&self) -> Frames {
        self.shared.position()
    }

    /// Frames that were never rendered because the processor was not there in time, or the machine slept.
    pub fn missed(&self) -> Frames {
        self.shared.missed()
    }

    /// How often each of its parts has failed and was got over.
    pub fn faults(&self) -> Faults {
        self.shared.faults.read()
    }

    /// What is on air.
    pub fn on_air(&self) -> Option<OnAir> {
        self.shared.on_air()
    }

    /// Seconds of the item on air that have been heard.
    pub fn elapsed_s(&self) -> Option<f64> {
        let on_air = self.shared.on_air()?;
        Some(seconds(self.position().saturating_sub(on_air.frame + self.shared.latency), self.shared.rate))
    }

    /// What was on air before, the latest first.
    pub fn recent(&self) -> Vec<OnAir> {
        self.shared.recent()
    }

    /// Levels of the programme.
    pub fn levels(&self) -> Levels {
        self.shared.levels.read()
    }

    /// Begins the integrated loudness, the loudness range and the maxima of the [`levels`](Self::levels) anew, as at the
    /// start of a programme; heard within 50 ms.
    pub fn reset_loudness(&self) {
        self.shared.levels.reset();
    }

    /// The outputs and how they do.
    pub fn outputs(&self) -> Vec<OutputStatus> {
        self.shared.outputs()
    }

    /// Everything above and more, as figures of this moment.
    pub fn telemetry(&self) -> Telemetry {
        telemetry::read(&self.shared)
    }

    /// The same each second, for who wants to follow it.
    pub fn telemetry_stream(&self) -> TelemetryStream {
        TelemetryStream::new(self.shared.telemetry.subscribe(), self.runtime.clone())
    }

    /// Whether the programme and everything asked for has been played.
    pub fn is_finished(&self) -> bool {
        self.shared.finished.load(Ordering::Acquire)
    }

    /// Takes the station off the air and closes its outputs cleanly, waiting at most `drain` for all of them.
    pub fn stop(&self, drain: Duration) {
        self.order(Order::Stop);
        self.wait(Instant::now() + OFF, Instant::now() + drain);
    }

    /// Whether it has been taken off the air.
    pub fn is_off(&self) -> bool {
        self.shared.off.load(Ordering::Acquire)
    }

    /// Waits until the station, told to stop, is off, its outputs are closed and its log is written.
    pub(crate) fn wait(&self, off: Instant, closed: Instant) {
        let _in = self.shared.span.enter();
        while !self.is_off() && Instant::now() < off {
            std::thread::sleep(Duration::from_millis(2));
        }
        let handles: Vec<_> =
            lock(&self.shared.outputs).iter_mut().flat_map(|entry| entry.handles.drain(..)).collect();
        for handle in handles {
            let bound = closed.saturating_duration_since(Instant::now());
            let ended = async {
                tokio::time::timeout(bound + ABANDONED, handle.ended_within(bound)).await.unwrap_or(false)
            };
            if !self.runtime.block_on(ended) {
                tracing::warn!("an output did not close in time and was abandoned");
            }
        }
        let written = lock(&self.shared.as_run).take();
        if let Some(written) = written {
            let bound = closed.saturating_duration_since(Instant::now()) + ABANDONED;
            if self.runtime.block_on(async { tokio::time::timeout(bound, written).await }).is_err() {
                tracing::warn!("the as-run log was not written to its end in time");
            }
        }
    }
}

/// What the air thread may take to let go of a station.
pub(crate) const OFF: Duration = Duration::from_secs(2);
/// What an output may take to end once it has been abandoned.
const ABANDONED: Duration = Duration::from_secs(1);
