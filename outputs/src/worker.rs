//! The worker of an output: takes parcels from its queue and sees to it that they are delivered.
//!
//! ```text
//!          audio waits          opened               End
//! waiting ────────────► opening ──────► delivering ───────► closed
//!                       ▲    │ error         │ error, panic, timeout
//!                       │    ▼               ▼
//!                       └── backing off (down; only a recent tail is kept)
//! ```
//!
//! It is the same for every kind of output. A sink that fails, panics or stalls is dropped without
//! [`Sink::close`] and opened again with the title that is then true.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use airchain_codecs::packet::Packet;
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use crate::health::{Board, OnHealth, Stats};
use crate::queue::Queue;
use crate::sink::{Health, Opening, Output, Parcel, Retry, Sink, SinkError};
use crate::upcoming::Upcoming;

/// How a worker treats its output.
#[derive(Clone)]
pub struct WorkerOptions {
    /// Audio that may wait while the output is open. When there is more, the oldest quarter is dropped.
    pub queue: Duration,
    /// Audio kept while the output is down. Short for live outputs, which must not send stale audio.
    pub tail: Duration,
    /// Longest time that opening may take.
    pub open_timeout: Duration,
    /// Longest time that one packet, title or the closing may take; a peer that stalls longer has failed.
    pub write_timeout: Duration,
    /// Longest time from the end of the programme until everything is delivered and closed.
    pub drain: Duration,
    /// After delivering this long, all is well again: pauses start small, degraded becomes up.
    pub stable: Duration,
    /// Told of every change of health.
    pub on_health: Option<OnHealth>,
}

impl WorkerOptions {
    /// For listeners: old audio is worth nothing.
    pub fn live() -> Self {
        Self {
            queue: Duration::from_secs(10),
            tail: Duration::from_secs(2),
            open_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            stable: Duration::from_secs(10),
            on_health: None,
        }
    }

    /// For archives: everything is kept as long as there is room, also while down.
    pub fn archive() -> Self {
        Self { queue: Duration::from_secs(60), tail: Duration::from_secs(60), ..Self::live() }
    }

    /// The same, telling `on_health`.
    pub fn telling(mut self, on_health: OnHealth) -> Self {
        self.on_health = Some(on_health);
        self
    }
}

/// Starts the worker of an output on `runtime`. `opening` is what its sinks are told, but for the title, which is always
/// the newest that was sent.
pub fn spawn(
    runtime: &Handle,
    id: impl Into<String>,
    output: Box<dyn Output>,
    opening: Opening,
    options: WorkerOptions,
) -> (ParcelSender, OutputHandle) {
    let rate = opening.info.format.sample_rate_hz;
    let limit = frames(options.queue, rate);
    let queue = Arc::new(Queue::new(limit, limit / 4 * 3));
    let board = Arc::new(Board::new(id.into(), options.on_health.clone()));
    let (abandon, abandoned) = watch::channel(false);
    let (running, done) = watch::channel(());
    let worker = Worker {
        opening,
        output,
        queue: queue.clone(),
        board: board.clone(),
        ahead: Upcoming::default(),
        pauses: Pauses::default(),
        options,
    };
    // What it logs is logged for whoever spawned it.
    let work = async move {
        worker.supervise(abandoned).await;
        drop(running);
    };
    runtime.spawn(work.in_current_span());
    let handle = OutputHandle { queue: queue.clone(), board, abandon, done, rate };
    (ParcelSender { queue }, handle)
}

/// Where an encoder puts what it makes for one output. Dropping it ends the output as [`Parcel::End`] does.
pub struct ParcelSender {
    queue: Arc<Queue>,
}

impl ParcelSender {
    /// Takes a parcel. Never waits: when there is no room, the oldest audio is dropped and counted. The end and
    /// the newest title are never lost.
    pub fn send(&self, parcel: Parcel) {
        self.queue.push(parcel);
    }

    /// Takes parcels, in their order, and wakes the output once.
    pub fn send_all(&self, parcels: &[Parcel]) {
        self.queue.push_all(parcels.iter().cloned());
    }

    /// Whether the output has been ended, so that sending to it is wasted work.
    pub fn is_closed(&self) -> bool {
        self.queue.has_ended()
    }
}

impl Drop for ParcelSender {
    fn drop(&mut self) {
        self.queue.push(Parcel::End);
    }
}

/// Looks after a running output. Dropping it leaves the output running.
pub struct OutputHandle {
    queue: Arc<Queue>,
    board: Arc<Board>,
    abandon: watch::Sender<bool>,
    done: watch::Receiver<()>,
    rate: u32,
}

impl OutputHandle {
    /// How the output is. Cheap; never waits.
    pub fn health(&self) -> Health {
        self.board.health()
    }

    /// Its figures. Never waits.
    pub fn stats(&self) -> Stats {
        let queued_s = self.queue.frames() as f64 / f64::from(self.rate.max(1));
        self.board.stats(self.queue.dropped(), queued_s)
    }

    /// Gives the output another id in what is told of it.
    pub fn rename(&self, id: &str) {
        self.board.rename(id);
    }

    /// Ends the output. Gracefully: what is queued is delivered and the sink closed, within
    /// [`WorkerOptions::drain`]. Otherwise it is dropped as it stands.
    pub fn stop(&self, graceful: bool) {
        self.queue.push(Parcel::End);
        if !graceful {
            self.abandon.send_replace(true);
        }
    }

    /// Waits until the worker is gone, after [`Self::stop`] or the end of the programme.
    pub async fn ended(&self) {
        let mut done = self.done.clone();
        while done.changed().await.is_ok() {}
    }

    /// Waits at most `bound` for the end, then abandons what is left. Tells whether it ended by itself.
    pub async fn ended_within(&self, bound: Duration) -> bool {
        if timeout(bound, self.ended()).await.is_ok() {
            return true;
        }
        self.abandon.send_replace(true);
        self.ended().await;
        false
    }
}

struct Worker {
    /// What a sink is told when it is opened; `metadata` is what is true of the audio that comes next.
    opening: Opening,
    output: Box<dyn Output>,
    queue: Arc<Queue>,
    board: Arc<Board>,
    /// Titles taken from the queue whose audio has not been delivered yet.
    ahead: Upcoming,
    pauses: Pauses,
    options: WorkerOptions,
}

impl Worker {
    /// Runs to the end of the programme, but not beyond what is allowed after it.
    async fn supervise(mut self, mut abandoned: watch::Receiver<bool>) {
        let (queue, board, drain) = (self.queue.clone(), self.board.clone(), self.options.drain);
        let overdue = async {
            queue.ended().await;
            sleep(drain).await;
        };
        let abandoned = async {
            if abandoned.wait_for(|abandoned| *abandoned).await.is_err() {
                // Nobody can abandon it any more.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.run() => {}
            () = abandoned => {}
            () = overdue => {
                let left = format!("{}: the rest did not go out within {drain:?} of the end", self.output.describe());
                board.set(Health::Down, Some(&left));
            }
        }
        queue.clear();
        board.close();
    }

    async fn run(&mut self) {
        let mut last_try = false;
        loop {
            self.queue.ready().await;
            if self.queue.first_end().is_none() {
                return; // The end, and nothing left to deliver.
            }
            let error = match self.open().await {
                Ok(mut sink) => {
                    let since = Instant::now();
                    let delivered = self.deliver(sink.as_mut()).await;
                    discard(sink);
                    if since.elapsed() >= self.options.stable {
                        self.pauses = Pauses::default();
                    }
                    match delivered {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            self.board.set(Health::Down, Some(&error.message));
            let tail = self.frames(self.options.tail);
            self.queue.resize(tail, tail);
            if last_try {
                return;
            }
            tokio::select! {
                () = sleep(self.pauses.next(error.retry)) => {}
                // What is left gets one more chance, where waiting could have helped at all.
                () = self.queue.ended() => match error.retry {
                    Retry::Soon | Retry::Steadily => last_try = true,
                    Retry::Seldom => return,
                },
            }
        }
    }

    async fn open(&mut self) -> Result<Box<dyn Sink>, SinkError> {
        while let Some(Parcel::Title { at, metadata }) = self.queue.pop_title() {
            self.ahead.push(at, &metadata);
        }
        if let Some(end) = self.queue.first_end() {
            self.reached(end);
        }
        let what = self.output.describe();
        guarded(&what, "opening", self.options.open_timeout, self.output.open(&self.opening)).await
    }

    /// Delivers until the end of the programme.
    async fn deliver(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let limit = self.frames(self.options.queue);
        self.queue.resize(limit, limit / 4 * 3);
        let what = self.output.describe();
        let allowed = self.options.write_timeout;
        for (at, metadata) in self.ahead.iter() {
            guarded(&what, "a title", allowed, sink.title(*at, metadata)).await?;
        }
        let mut watch = LagWatch::new(self.queue.dropped());
        let mut fresh = true;
        let mut held = Held::default();
        loop {
            let (parcel, last) = self.queue.pop().await;
            let flushes = last || held.bytes >= MOST_HELD;
            match parcel {
                Parcel::Packet(packet) => {
                    let sent = async {
                        sink.packet(&packet).await?;
                        if flushes { sink.flush().await } else { Ok(()) }
                    };
                    if let Err(error) = guarded(&what, "sending", allowed, sent).await {
                        self.queue.lose(held.frames);
                        self.queue.give_back(packet, !fresh);
                        return Err(error);
                    }
                    held.add(&packet);
                    if !flushes && sink.holds() {
                        continue;
                    }
                }
                Parcel::Title { at, metadata } => {
                    self.ahead.push(at, &metadata);
                    let sent = async {
                        sink.title(at, &metadata).await?;
                        if flushes { sink.flush().await } else { Ok(()) }
                    };
                    if let Err(error) = guarded(&what, "a title", allowed, sent).await {
                        self.queue.lose(held.frames);
                        return Err(error);
                    }
                    if !flushes || held.packets == 0 {
                        continue;
                    }
                }
                Parcel::End => {
                    guarded(&what, "closing", allowed, sink.close()).await?;
                    self.board.delivered(held.packets, held.bytes);
                    return Ok(());
                }
            }
            let Held { packets, bytes, end, .. } = std::mem::take(&mut held);
            self.reached(end);
            self.board.delivered(packets, bytes);
            if std::mem::take(&mut fresh) {
                self.board.opened();
            }
            let lags = self.queue.frames() > limit / 2;
            let lags = watch.check(self.queue.dropped(), lags, self.options.stable);
            match (sink.health(), lags) {
                (Some((health, why)), _) => self.board.set(health, Some(&why)),
                (None, Some(why)) => self.board.set(Health::Degraded, Some(&format!("{what}: {why}"))),
                (None, None) => self.board.set(Health::Up, None),
            }
        }
    }

    /// Audio up to `end` is out: titles from before are true now.
    fn reached(&mut self, end: i64) {
        if let Some(metadata) = self.ahead.due(end) {
            self.opening.metadata = Some(metadata);
        }
    }

    fn frames(&self, time: Duration) -> u64 {
        frames(time, self.opening.info.format.sample_rate_hz)
    }
}

/// Bytes that a sink may hold for those that come with them.
const MOST_HELD: usize = 16 * 1024;

/// Packets that a sink has taken and not yet sent.
#[derive(Default)]
struct Held {
    packets: u64,
    bytes: usize,
    frames: u64,
    /// Where the last one ends.
    end: i64,
}

impl Held {
    fn add(&mut self, packet: &Packet) {
        self.packets += 1;
        self.bytes += packet.data.len();
        self.frames += u64::from(packet.duration);
        self.end = packet.end();
    }
}

/// Does the work of a sink: in time, and a panic is but a failure.
async fn guarded<T>(
    what: &str,
    doing: &str,
    allowed: Duration,
    work: impl Future<Output = Result<T, SinkError>>,
) -> Result<T, SinkError> {
    let message = match timeout(allowed, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => return result,
        Ok(Err(_)) => format!("{what}: {doing} failed by a fault in airchain (a panic); please report it"),
        Err(_) => {
            format!("{what}: {doing} took longer than {allowed:?}; check the other side and the way there")
        }
    };
    Err(SinkError { message, retry: Retry::Soon })
}

/// Drops a sink; should that panic, the worker lives on.
fn discard(sink: Box<dyn Sink>) {
    let _ = std::panic::catch_unwind(AssertUnwindSafe(|| drop(sink)));
}

fn frames(time: Duration, rate: u32) -> u64 {
    (time.as_secs_f64() * f64::from(rate)) as u64
}

/// Whether an open output keeps up.
struct LagWatch {
    dropped: u64,
    lost_at: Option<Instant>,
}

impl LagWatch {
    fn new(dropped: u64) -> Self {
        Self { dropped, lost_at: None }
    }

    fn check(&mut self, dropped: u64, lags: bool, stable: Duration) -> Option<&'static str> {
        if dropped != self.dropped {
            self.dropped = dropped;
            self.lost_at = Some(Instant::now());
        }
        if self.lost_at.is_some_and(|at| at.elapsed() < stable) {
            Some("takes data slower than the audio plays, some was dropped; check its network or disk")
        } else {
            lags.then_some("takes data slower than the audio plays; check its network or disk")
        }
    }
}

/// Growing pauses between attempts, jittered so that outputs that failed together do not return together.
#[derive(Default)]
pub(crate) struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    pub(crate) fn next(&mut self, retry: Retry) -> Duration {
        let (first, most) = match retry {
            Retry::Soon => (Duration::from_millis(250), Duration::from_secs(15)),
            // At most 4 s, jitter included.
            Retry::Steadily => (Duration::from_millis(3200), Duration::from_millis(3200)),
            Retry::Seldom => (Duration::from_secs(5), Duration::from_secs(60)),
        };
        let pause = self.last.map_or(first, |last| (last * 2).clamp(first, most));
        self.last = Some(pause);
        pause.mul_f64(0.75 + 0.5 * fastrand::f64())
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
