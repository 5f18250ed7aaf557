//! The host: a fixed handful of threads that put any number of stations on air.
//!
//! `air-N` renders blocks, `decode-N` opens and decodes items, `encode-N` runs encoders and meters, `io-N` talks to
//! the network and the disk, and `control` thinks for all stations.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use airchain_core::bus::{Tap, TapId};
use airchain_core::control::{Command, When};
use airchain_core::playout::schedule::Lengths;
use airchain_core::playout::{Director, Schedule};
use airchain_core::tap::tap;
use airchain_core::tier::Tier;
use airchain_outputs::http::{Audience, Listener, Options};
use arc_swap::ArcSwap;
use crossbeam_channel::Sender;
use jiff::Timestamp;
use tokio::runtime::Runtime;

use crate::air::{self, AirState, AirStation, Running};
use crate::as_run;
use crate::decode_pool::{Account, DecodePool, Workers};
use crate::desk::{Desk, DeskStation, Waker};
use crate::encode_pool::{EncodePool, Kind};
use crate::error::Error;
use crate::fallback::fallback;
use crate::from_config::Home;
use crate::journal::Journal;
use crate::lengths::Surveyor;
use crate::levels::Analyst;
use crate::listeners::Listeners;
use crate::loader::LoadConfig;
use crate::meter::{BusMeter, LevelBoard, Meter};
use crate::os;
use crate::output::OutputSpec;
use crate::spec::StationSpec;
use crate::station::{OFF, Order, Shared, Station, lock};
use crate::telemetry::{self, HostTelemetry, prometheus};

/// How many threads of each kind a host has.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Air threads; stations are dealt to them in turn.
    pub air_threads: usize,
    /// Their `SCHED_FIFO` priority, 1 to 99; `None` leaves them among all others. Where it is not permitted they are
    /// favoured as far as it is, which the log says once.
    pub air_priority: Option<u8>,
    /// Processors that they may run on, counted from 0; any, where none is named.
    pub air_cpus: Vec<usize>,
    /// Decode workers.
    pub decode_threads: usize,
    /// Encode workers.
    pub encode_threads: usize,
    /// How much audio encoders take at a time: more costs less, since codecs find their tables in the cache for longer, and
    /// what leaves is later by up to as much. 10 ms to 500 ms. A station that has been asked for something that is to be
    /// heard at once goes by 10 ms for two seconds, whatever this is.
    pub encode_batch: Duration,
    /// I/O workers.
    pub io_threads: usize,
    /// Limits of the built-in listeners.
    pub listener: Options,
}

impl Default for HostConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            air_threads: 1,
            air_priority: Some(AIR_PRIORITY),
            air_cpus: Vec::new(),
            decode_threads: cores.max(2),
            encode_threads: cores.max(2),
            encode_batch: ENCODE_BATCH,
            io_threads: 2,
            listener: Options::default(),
        }
    }
}

/// What stations need of their host for as long as they live.
pub(crate) struct Engines {
    pub(crate) listeners: Listeners,
    pub(crate) encode: EncodePool,
    pub(crate) decode: Workers,
    pub(crate) runtime: tokio::runtime::Handle,
}

/// A process full of stations.
pub struct Host {
    engines: Arc<Engines>,
    decode: DecodePool,
    runtime: Runtime,
    air: Vec<Sender<Box<AirStation>>>,
    desk: Sender<DeskStation>,
    waker: Waker,
    /// Started with the first station that has a schedule.
    surveyor: Mutex<Option<Surveyor>>,
    /// Started with the first station that measures its items.
    analyst: Mutex<Option<Analyst>>,
    threads: Vec<JoinHandle<()>>,
    stations: Mutex<Vec<Station>>,
    /// Ids of stations that are being added.
    coming: Mutex<HashSet<String>>,
    /// The same for those who only look, and must not wait while one is being added.
    shown: Arc<ArcSwap<Vec<Station>>>,
    /// Stations dealt to the air threads.
    dealt: AtomicUsize,
}

/// docs/figures.md has what that saves and costs.
const ENCODE_BATCH: Duration = Duration::from_millis(200);
/// A block, and half of what a tap holds.
const LEAST_BATCH: Duration = Duration::from_millis(10);
const MOST_BATCH: Duration = Duration::from_millis(500);
/// Above all that is not real time, below what the kernel itself needs to be prompt.
const AIR_PRIORITY: u8 = 10;
/// Audio that the meter's tap can hold: what an encode worker may be late by before something is not measured.
const TAP_S: u32 = 1;
/// What a station waits for its first item.
const FIRST_ITEM: Duration = Duration::from_millis(500);
/// What threads may take to end. One that hangs, in a file on a dead network share perhaps, is left behind.
const TEARDOWN: Duration = Duration::from_secs(5);
/// How long access logs have to be written to their end.
const FLUSH: Duration = Duration::from_secs(1);
/// The meter's tap; outputs count from one.
const METER_TAP: TapId = TapId(0);

/// An id that is kept for a station until that is on air, or is not.
struct Reserved<'a> {
    ids: &'a Mutex<HashSet<String>>,
    id: String,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        lock(self.ids).remove(&self.id);
    }
}

impl Host {
    /// Starts the threads.
    pub fn new(config: HostConfig) -> Result<Self, Error> {
        let number = AtomicUsize::new(0);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.io_threads.max(1))
            .thread_name_fn(move || format!("io-{}", number.fetch_add(1, Ordering::Relaxed)))
            .enable_all()
            .build()?;
        let shown = Arc::<ArcSwap<Vec<Station>>>::default();
        let stations = Arc::clone(&shown);
        let metrics = Arc::new(move || prometheus::text(&telemetry::of_host(&stations.load())));
        let listeners = Listeners::new(config.listener, runtime.handle().clone(), metrics);
        let encode =
            EncodePool::new(config.encode_threads, config.encode_batch.clamp(LEAST_BATCH, MOST_BATCH))?;
        let decode = DecodePool::new(config.decode_threads)?;
        let workers = decode.workers();
        let engines =
            Arc::new(Engines { listeners, encode, decode: workers, runtime: runtime.handle().clone() });
        let (departures_in, departures) =
            crossbeam_channel::bounded(air::STATIONS * config.air_threads.max(1));
        let mut threads = Vec::new();
        let mut air = Vec::new();
        let running = Running { priority: config.air_priority, cpus: config.air_cpus };
        let (got_in, got) = crossbeam_channel::bounded(config.air_threads.max(1));
        for number in 0..config.air_threads.max(1) {
            let (arrivals_in, arrivals) = crossbeam_channel::bounded(air::STATIONS);
            let (departures, running, got) = (departures_in.clone(), running.clone(), got_in.clone());
            let thread = std::thread::Builder::new().name(format!("air-{number}"));
            threads.push(thread.spawn(move || air::run(&running, got, &arrivals, &departures))?);
            air.push(arrivals_in);
        }
        drop(got_in);
        os::tell(got.iter());
        let (desk, waker, mut desk_thread) = Desk::new(departures, decode.workers());
        threads.push(std::thread::Builder::new().name("control".into()).spawn(move || desk_thread.run())?);
        Ok(Self {
            engines,
            decode,
            runtime,
            air,
            desk,
            waker,
            surveyor: Mutex::default(),
            analyst: Mutex::default(),
            threads,
            stations: Mutex::default(),
            coming: Mutex::default(),
            shown,
            dealt: AtomicUsize::new(0),
        })
    }

    /// Puts a station on air. Its outputs start with it; an output whose declaration is wrong is an error, one
    /// that cannot deliver is not: it is down, says so, and tries again.
    pub fn add_station(&self, spec: StationSpec, mut outputs: Vec<OutputSpec>) -> Result<Station, Error> {
        // Nothing is held while its files are opened, which may take for ever.
        let _coming = self.reserve(&spec.id)?;
        // Whatever is made for the station here keeps the span, and is in it where it works later on.
        let _in = tracing::error_span!("station", id = %spec.id).entered();
        let (control, engine, config) = spec.engine()?;
        let rate = spec.sample_rate_hz;
        let block = spec.block();
        let levels = LevelBoard::default();
        let air = Arc::<AirState>::default();
        let (orders_in, orders) = crossbeam_channel::unbounded();
        let (lost_in, lost) = crossbeam_channel::bounded(air::LOSSES);
        let mut shared = Shared::new(
            &spec.id,
            &spec.name,
            rate,
            config.latency as u64,
            (air.clone(), lost),
            levels.clone(),
            orders_in,
        );
        shared.lookahead = spec.lookahead(None);
        shared.zone = spec.zone.clone();
        let shared = Arc::new(shared);
        let load = LoadConfig { head: Some(rate.into()), ..spec.load_config() };
        let latency = config.latency as u64;
        let as_run = spec.as_run.clone().map(|log| as_run::start(&spec, log, latency, self.runtime.handle()));
        let analyst = if load.levels.is_measuring() { Some(self.analyst()?) } else { None };
        let loader = self.decode.loader(load, self.waker.clone(), analyst, Account::of(&shared));
        let joining = spec.joining();
        let mut director = Director::new(config, control, Box::new(loader), spec.programme);
        if spec.command_log {
            director.keep_log();
        }
        let mut journal = spec.journal.as_deref().map(|path| Journal::open(path, &spec.id, rate));
        let mut declared = spec.declared.clone();
        if let Some(journal) = &mut journal {
            let home = Home { id: &spec.id, name: &spec.name, zone: &spec.zone, rate_hz: rate };
            // Of two of one id it is the later.
            declared.extend(journal.resume(&mut director, &mut outputs, &home));
        }
        if let Some((item, source)) = fallback(&spec.fallback, rate, spec.fallback_loop) {
            director.load_fixture(Tier::Fallback, item, Box::new(move || Box::new(source.clone())));
        }
        // A station begins with its programme, not with a moment of silence or of its fallback.
        let deadline = Instant::now() + FIRST_ITEM;
        director.tick(0);
        while !director.is_ready() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
            director.tick(0);
        }
        let (writer, reader) = tap((rate * TAP_S) as usize);
        let meter = Meter::new(rate).map_err(|error| Error::Output(format!("meter: {error}")))?;
        director.send(When::Now, Command::AddTap(Tap { id: METER_TAP, writer }));
        let meter = BusMeter::new(reader, meter, levels, Arc::clone(&shared.cost));
        self.engines.encode.add(Box::new(meter), Kind::Meter, &shared.cost);

        let station =
            Station::new(Arc::clone(&shared), self.runtime.handle().clone(), self.waker.clone(), spec.live);
        let mut desk_station = DeskStation::new(
            director,
            Arc::clone(&shared),
            orders,
            Arc::clone(&self.engines),
            block,
            journal,
        );
        if let Some(as_run) = as_run {
            desk_station.begin_as_run(as_run);
        }
        for output in outputs {
            let in_words =
                declared.iter().rfind(|declared| declared.get("id") == Some(&output.id.as_str().into()));
            desk_station.begin_output(output, in_words.cloned())?;
        }
        for input in spec.inputs {
            desk_station.add_input(input)?;
        }
        let air_station = AirStation::new(engine, block, rate, air, lost_in);
        shared.begin(Timestamp::now());
        if let Some(timetable) = spec.schedule {
            desk_station.set_schedule(Schedule::new(timetable, joining), self.lengths(rate)?);
        }
        // First the desk, so that the first item is already being opened when the first block is rendered.
        self.desk.send(desk_station).map_err(|_| Error::Stopped)?;
        let number = self.dealt.fetch_add(1, Ordering::Relaxed);
        let thread = self.air.get(number % self.air.len().max(1)).ok_or(Error::Stopped)?;
        thread.send(Box::new(air_station)).map_err(|_| Error::Stopped)?;
        let mut stations = lock(&self.stations);
        stations.push(station.clone());
        self.shown.store(Arc::new(stations.clone()));
        Ok(station)
    }

    /// Keeps an id for a station that is being added.
    fn reserve(&self, id: &str) -> Result<Reserved<'_>, Error> {
        let mut coming = lock(&self.coming);
        let mut stations = lock(&self.stations);
        stations.retain(|station| !station.is_off());
        let taken = stations.iter().any(|station| station.id() == id) || !coming.insert(id.to_owned());
        if taken {
            Err(Error::Duplicate(id.to_owned()))
        } else {
            Ok(Reserved { ids: &self.coming, id: id.to_owned() })
        }
    }

    fn analyst(&self) -> Result<Analyst, Error> {
        let mut analyst = lock(&self.analyst);
        Ok(match &*analyst {
            Some(analyst) => analyst.clone(),
            None => analyst.insert(Analyst::start()?).clone(),
        })
    }

    fn lengths(&self, rate_hz: u32) -> Result<Box<dyn Lengths>, Error> {
        let mut surveyor = lock(&self.surveyor);
        let surveyor = match &mut *surveyor {
            Some(surveyor) => surveyor,
            none => none.insert(Surveyor::start()?),
        };
        Ok(surveyor.lengths(rate_hz))
    }

    /// All stations on air and the process, in figures of this moment.
    pub fn telemetry(&self) -> HostTelemetry {
        telemetry::of_host(&self.shown.load())
    }

    /// The same in Prometheus' text exposition format, as `/metrics` of the listeners has it.
    pub fn metrics(&self) -> String {
        prometheus::text(&self.telemetry())
    }

    /// Has the listener at `address` serve `/metrics` to everybody who reaches it; bound if it is not yet. Gives the address
    /// in use.
    pub fn serve_metrics(&self, address: SocketAddr) -> Result<SocketAddr, Error> {
        let listener = self.listener(address)?;
        listener.admit_to_metrics(Audience::Everyone);
        Ok(listener.local_addr())
    }

    /// The built-in listener at `address`, bound if it is not yet.
    pub fn listener(&self, address: SocketAddr) -> Result<Listener, Error> {
        Ok(self.engines.listeners.get(address)?)
    }

    /// Takes every station off, closes every output cleanly (within `drain` for all) and ends the threads.
    pub fn shutdown(mut self, drain: Duration) {
        let stations = std::mem::take(&mut *self.stations.lock().unwrap_or_else(PoisonError::into_inner));
        for station in &stations {
            station.order(Order::Stop);
        }
        let (off, closed) = (Instant::now() + OFF, Instant::now() + OFF.max(drain));
        for station in &stations {
            station.wait(off, closed.min(Instant::now() + drain));
        }
        self.engines.listeners.shutdown();
        let logs = self.engines.listeners.logs();
        self.air.clear();
        let Self { engines, decode, runtime, desk, threads, .. } = self;
        drop(desk);
        let (done_in, done) = crossbeam_channel::bounded::<()>(0);
        std::thread::spawn(move || {
            for thread in threads {
                let _ = thread.join();
            }
            drop((decode, engines, done_in));
        });
        if done.recv_timeout(TEARDOWN).is_err_and(|error| error.is_timeout()) {
            tracing::warn!("a thread did not end in time and was left behind");
        }
        runtime.shutdown_timeout(Duration::from_secs(3));
        for log in logs {
            if !log.flush(FLUSH) {
                tracing::warn!(path = %log.path().display(), "the access log was not written to its end in time");
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_while_its_station_is_added_and_free_again_when_that_failed() {
        let host = Host::new(HostConfig::default()).unwrap();
        let coming = host.reserve("one").ok();
        assert!(coming.is_some() && host.reserve("two").is_ok());
        assert!(matches!(host.reserve("one"), Err(Error::Duplicate(id)) if id == "one"));
        drop(coming);
        assert!(host.reserve("one").is_ok());
        host.shutdown(Duration::ZERO);
    }
}
