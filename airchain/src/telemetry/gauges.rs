//! What the desk notes of a station: what only it knows, and what has to be looked at regularly.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use airchain_core::Frames;
use airchain_core::playout::report::{BufferHealth, StationEvent};
use airchain_core::source::Buffered;
use airchain_core::tier::Tier;

use super::{Buffer, Counts, CpuTime, Lost, Queue};
use crate::cost::Cost;
use crate::station::{Shared, lock};

/// How often rates are taken.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

/// Where the desk writes and everyone else reads.
#[derive(Default)]
pub(crate) struct GaugeBoard(Mutex<Gauges>);

/// What the desk knows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Gauges {
    /// The tier that has the air.
    pub(crate) tier: Option<Tier>,
    pub(crate) silent: bool,
    pub(crate) buffer: BufferHealth,
    pub(crate) underruns: Lost,
    /// Occasions on which frames were never rendered, and how many frames that came to.
    pub(crate) dropouts: u64,
    missed: Frames,
    pub(crate) worst_ns: u64,
    pub(crate) cpu_share: CpuTime,
    pub(crate) queue: Queue,
    pub(crate) counts: Counts,
}

impl GaugeBoard {
    pub(crate) fn read(&self) -> Gauges {
        *lock(&self.0)
    }

    /// Counts an event.
    pub(crate) fn count(&self, event: &StationEvent) {
        let gauges = &mut *lock(&self.0);
        let counts = &mut gauges.counts;
        match event {
            StationEvent::NowPlaying { started: true, .. } => counts.items_played += 1,
            StationEvent::PriorityChanged { to, .. } => {
                gauges.tier = *to;
                counts.tier_changes += 1;
                counts.emergencies += u64::from(*to == Some(Tier::Emergency));
                counts.dead_airs += u64::from(to.is_none());
            }
            StationEvent::SourceFailed { .. } => counts.source_failures += 1,
            StationEvent::Dropout { frames, .. } => {
                gauges.underruns.count += 1;
                gauges.underruns.frames += frames;
            }
            StationEvent::SilenceDetected { source: None } => {
                gauges.silent = true;
                counts.silences += 1;
            }
            StationEvent::SilenceEnded { source: None } => gauges.silent = false,
            StationEvent::ScheduleDropped { .. } => counts.schedule_drops += 1,
            StationEvent::CommandDone { .. } => counts.commands_done += 1,
            StationEvent::CommandFailed { .. } => counts.commands_failed += 1,
            _ => {}
        }
    }

    /// Looks at what may have changed since the desk's last round; how the buffer is, if that is new.
    pub(crate) fn look(&self, shared: &Shared) -> Option<BufferHealth> {
        let gauges = &mut *lock(&self.0);
        let missed = shared.missed();
        if missed > gauges.missed {
            gauges.missed = missed;
            gauges.dropouts += 1;
        }
        // Nothing is told of a tier before it is told that it has the air.
        let ahead = gauges.tier.map_or(Buffered::default(), |_| shared.air.ahead.load());
        let health = health(ahead, gauges.buffer, shared.rate);
        (std::mem::replace(&mut gauges.buffer, health) != health).then_some(health)
    }

    /// Notes what is noted once a second.
    pub(crate) fn note(&self, shared: &Shared, cpu_share: CpuTime, queue: Queue) {
        let worst_ns = shared.air.worst_ns.swap(0, Ordering::Relaxed);
        let gauges = &mut *lock(&self.0);
        (gauges.worst_ns, gauges.cpu_share, gauges.queue) = (worst_ns, cpu_share, queue);
    }
}

/// How good it is to hold so much ahead, for a buffer that was `before`. Once low it stays so until it holds twice as much.
fn health(buffered: Buffered, before: BufferHealth, rate: u32) -> BufferHealth {
    let rate = Frames::from(rate);
    // What the ladder takes for a source that has run short.
    let dry = rate / 200;
    let low = if before == BufferHealth::Good { rate / 10 } else { rate / 5 };
    match buffered {
        Buffered { end_in_sight: true, .. } => BufferHealth::Good,
        Buffered { frames, .. } if frames < dry => BufferHealth::Dry,
        Buffered { frames, .. } if frames < low => BufferHealth::Low,
        _ => BufferHealth::Good,
    }
}

/// What the source on air holds ahead now.
pub(crate) fn buffer(shared: &Shared, health: BufferHealth) -> Buffer {
    let held = shared.air.ahead.load().frames;
    let frames = (held < Frames::MAX).then_some(held);
    let ms = frames.map(|frames| crate::spec::seconds(frames, shared.rate) * 1000.0);
    let fill = (held as f64 / shared.lookahead.max(1) as f64).min(1.0);
    Buffer { health, frames, ms, fill }
}

/// Processor time that a station has taken.
pub(crate) fn cpu_s(shared: &Shared) -> CpuTime {
    let Cost { decode_ns, encode_ns, meter_ns, .. } = &*shared.cost;
    let counters = [&shared.air.busy_ns, decode_ns, encode_ns, meter_ns];
    let [air, decode, encode, meter] = counters.map(|ns| ns.load(Ordering::Relaxed) as f64 / 1e9);
    CpuTime { air, decode, encode, meter, total: air + decode + encode + meter }
}

/// Makes shares of one core of the seconds that a station has taken.
pub(crate) struct Rates {
    at: Instant,
    cpu_s: CpuTime,
}

impl Rates {
    pub(crate) fn new(now: Instant) -> Self {
        Self { at: now, cpu_s: CpuTime::default() }
    }

    /// When rates are to be taken again.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= PERIOD
    }

    /// The shares since the last time.
    pub(crate) fn take(&mut self, now: Instant, cpu_s: CpuTime) -> CpuTime {
        let wall_s = now.saturating_duration_since(self.at).as_secs_f64();
        let before = std::mem::replace(&mut self.cpu_s, cpu_s);
        self.at = now;
        let share =
            |of: fn(&CpuTime) -> f64| if wall_s > 0.0 { (of(&cpu_s) - of(&before)) / wall_s } else { 0.0 };
        CpuTime {
            air: share(|cost| cost.air),
            decode: share(|cost| cost.decode),
            encode: share(|cost| cost.encode),
            meter: share(|cost| cost.meter),
            total: share(|cost| cost.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BufferHealth::{Dry, Good, Low};

    #[test]
    fn a_low_buffer_is_low_until_it_holds_twice_as_much() {
        let held = |frames, before| health(Buffered { frames, end_in_sight: false }, before, 48_000);
        let ending = |frames| health(Buffered { frames, end_in_sight: true }, Good, 48_000);
        assert_eq!([4_800, 4_799, 240, 239, 0].map(|frames| held(frames, Good)), [Good, Low, Low, Dry, Dry]);
        assert_eq!([9_600, 9_599, 240, 239].map(|frames| held(frames, Low)), [Good, Low, Low, Dry]);
        assert_eq!(held(9_599, Dry), Low);
        assert_eq!(held(Frames::MAX, Dry), Good, "what is held in memory");
        assert_eq!([0, 1, 100_000].map(ending), [Good; 3], "an item that ends");
    }

    #[test]
    fn shares_are_of_the_time_since_the_last_ones() {
        let begun = Instant::now();
        let mut rates = Rates::new(begun);
        let cpu = |air, decode| CpuTime { air, decode, total: air + decode, ..CpuTime::default() };
        assert!(!rates.is_due(begun + PERIOD / 2) && rates.is_due(begun + PERIOD));
        assert_eq!(rates.take(begun + PERIOD, cpu(0.25, 0.5)), cpu(0.25, 0.5));
        assert_eq!(rates.take(begun + 3 * PERIOD, cpu(0.75, 0.5)), cpu(0.25, 0.0));
        assert_eq!(rates.take(begun + 3 * PERIOD, cpu(0.75, 0.5)), cpu(0.0, 0.0), "no time, no share");
    }
}
