//! Telemetry: what a station, and the host, is doing, in figures.
//!
//! Nobody pays for what nobody reads. The parts of a station keep counters that anyone may read at any time; once a second
//! the desk notes what only it knows and how fast the counters of time went up (`gauges`). A [`Telemetry`] is put
//! together from both when it is asked for: by [`Station::telemetry`](crate::Station::telemetry), for who follows
//! [`Station::telemetry_stream`](crate::Station::telemetry_stream), and for `/metrics` ([`prometheus`]).
//! `docs/telemetry.md` lists all of it.

pub(crate) mod gauges;
mod process;
pub mod prometheus;
mod stream;

use std::sync::atomic::{AtomicU64, Ordering};

use airchain_core::Frames;
use airchain_core::playout::report::BufferHealth;
use airchain_core::tier::Tier;
use jiff::Timestamp;
use serde::Serialize;

pub use process::{Process, threads_cpu_s};
pub use stream::TelemetryStream;

use crate::faults::Faults;
use crate::input::InputStatus;
use crate::meter::Levels;
use crate::station::{OnAir, OutputStatus, Shared, Station};

/// All stations of a host, and the process that they are in.
#[derive(Clone, Debug, Serialize)]
pub struct HostTelemetry {
    /// When it was read.
    pub utc: Timestamp,
    /// The process.
    pub process: Process,
    /// The stations on air, in the order in which they were added.
    pub stations: Vec<Telemetry>,
}

/// A station at one moment. What counts begins with the station and never goes back.
#[derive(Clone, Debug, Serialize)]
pub struct Telemetry {
    /// Its id.
    pub station: String,
    /// Its name for people.
    pub name: String,
    /// When this was read.
    pub utc: Timestamp,
    /// Seconds since it was put on air.
    pub uptime_s: f64,
    /// Its sample rate in Hz, on which all frames are counted.
    pub sample_rate_hz: u32,
    /// Frames rendered.
    pub position: Frames,
    /// The same in seconds.
    pub position_s: f64,
    /// The tier that has the air; `None` is dead air.
    pub tier: Option<Tier>,
    /// The item on air, as listeners are told of it.
    pub on_air: Option<OnAir>,
    /// Seconds of it that have been heard.
    pub elapsed_s: Option<f64>,
    /// A `silence_detector` has found the programme silent.
    pub silent: bool,
    /// The programme and everything asked for is over.
    pub finished: bool,
    /// Levels, true peak and loudness of the programme.
    pub levels: Levels,
    /// What the source on air holds ahead.
    pub buffer: Buffer,
    /// What was not there in time because a decoder, or a live source, was late.
    pub underruns: Lost,
    /// What was never rendered because the air thread was not there in time.
    pub dropouts: Lost,
    /// Blocks that began more than one block late and were made good.
    pub late_blocks: u64,
    /// The longest that rendering one block took in the last second, in milliseconds.
    pub worst_block_ms: f64,
    /// Processor time that the station takes, as a share of one core over the last second.
    pub cpu_share: CpuTime,
    /// Processor time that the station has taken, in seconds.
    pub cpu_s: CpuTime,
    /// Encoders that run: one for each distinct format.
    pub encoders: u64,
    /// Frames that outputs have as silence because their encoder came too late for them; summed over encoders.
    pub unencoded_frames: Frames,
    /// Frames that came too late to be measured.
    pub unmeasured_frames: Frames,
    /// What failed inside and was got over, by part.
    pub faults: Faults,
    /// The outputs.
    pub outputs: Vec<OutputStatus>,
    /// The inputs.
    pub inputs: Vec<InputStatus>,
    /// What waits to be heard.
    pub queue: Queue,
    /// What has happened.
    pub counts: Counts,
}

/// What the source on air holds ahead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Buffer {
    /// Whether that is enough.
    pub health: BufferHealth,
    /// Frames, with those of the next item once the end of this one is in sight; `None` where all is in memory and never
    /// ends.
    pub frames: Option<Frames>,
    /// The same in milliseconds.
    pub ms: Option<f64>,
    /// The same as a share of what the ring of an item holds when it is full; 1 where that is exceeded.
    pub fill: f64,
}

/// Frames that were not heard, and on how many occasions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Occasions.
    pub count: u64,
    /// Frames.
    pub frames: Frames,
}

/// Processor time by what it went into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CpuTime {
    /// Rendering blocks, by the clock: the air thread makes no system call to ask for its processor time. Where it has to wait
    /// for a processor in the middle of a block, that is in it, so on a busy machine it is an upper bound.
    pub air: f64,
    /// Opening and decoding items and web streams, and reading packets to copy.
    pub decode: f64,
    /// Encoding, for all outputs.
    pub encode: f64,
    /// Metering the bus, and the as-run log.
    pub meter: f64,
    /// All of it, the upper bound of `air` included.
    pub total: f64,
}

/// What waits: items by tier, and requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Emergency items.
    pub emergency: usize,
    /// Items of the live override tier.
    pub live_override: usize,
    /// Items of the scheduled live tier.
    pub live_scheduled: usize,
    /// The automation's line-up: what was queued, and what the programme has named so far.
    pub automation: usize,
    /// Requests whose time has not come.
    pub requests: usize,
}

impl Queue {
    /// Items that wait on a tier. The fallback waits for ever, and is not counted.
    pub fn of(&self, tier: Tier) -> usize {
        match tier {
            Tier::Emergency => self.emergency,
            Tier::LiveOverride => self.live_override,
            Tier::LiveScheduled => self.live_scheduled,
            Tier::Automation => self.automation,
            Tier::Fallback => 0,
        }
    }
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Items that began to be heard.
    pub items_played: u64,
    /// Items that could not be played, or not whole.
    pub source_failures: u64,
    /// Times at which another tier got the air.
    pub tier_changes: u64,
    /// Times at which an emergency got it.
    pub emergencies: u64,
    /// Times at which no tier had audio.
    pub dead_airs: u64,
    /// Silences that were detected in the programme.
    pub silences: u64,
    /// Entries of the schedule that were passed over.
    pub schedule_drops: u64,
    /// Requests carried out.
    pub commands_done: u64,
    /// Requests refused.
    pub commands_failed: u64,
}

/// Puts together what is known of a station now.
pub(crate) fn read(shared: &Shared) -> Telemetry {
    let (gauges, cost) = (shared.gauges.read(), &shared.cost);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (position, missed) = (shared.position(), shared.missed());
    let on_air = gauges.tier.and_then(|_| shared.on_air());
    let seconds = |frames| crate::spec::seconds(frames, shared.rate);
    let elapsed = |on_air: &OnAir| seconds(position.saturating_sub(on_air.frame + shared.latency));
    Telemetry {
        station: shared.id.clone(),
        name: shared.name.clone(),
        utc: Timestamp::now(),
        uptime_s: shared.since.elapsed().as_secs_f64(),
        sample_rate_hz: shared.rate,
        position,
        position_s: seconds(position),
        tier: gauges.tier,
        elapsed_s: on_air.as_ref().map(elapsed),
        on_air,
        silent: gauges.silent,
        finished: shared.finished.load(Ordering::Acquire),
        levels: shared.levels.read(),
        buffer: gauges::buffer(shared, gauges.buffer),
        underruns: gauges.underruns,
        // The desk may not have noticed the latest yet.
        dropouts: Lost { count: gauges.dropouts.max(u64::from(missed > 0)), frames: missed },
        late_blocks: count(&shared.air.late),
        worst_block_ms: gauges.worst_ns as f64 / 1e6,
        cpu_share: gauges.cpu_share,
        cpu_s: gauges::cpu_s(shared),
        encoders: count(&cost.encoders),
        unencoded_frames: count(&cost.unencoded),
        unmeasured_frames: count(&cost.unmeasured),
        faults: shared.faults.read(),
        outputs: shared.outputs(),
        inputs: shared.inputs(),
        queue: gauges.queue,
        counts: gauges.counts,
    }
}

/// The same of all stations that are on air, and of the process.
pub(crate) fn of_host(stations: &[Station]) -> HostTelemetry {
    let on_air = stations.iter().filter(|station| !station.is_off());
    HostTelemetry {
        utc: Timestamp::now(),
        process: Process::read(),
        stations: on_air.map(Station::telemetry).collect(),
    }
}
