//! `limiter`: a look-ahead brick wall that holds true peaks below a ceiling.
//!
//! For every sample interval the true peak gives the gain that it can bear. The least of these over the
//! look-ahead and a hold time, released slowly, is smoothed by three moving averages in a row that together are
//! as long as the look-ahead: so the gain comes down along a curve without corners and has arrived when the
//! peak does. Both channels get the same gain. The averages are sums of integers: they are exact, so a
//! programme that stays below the ceiling passes with every bit unchanged, only later. The hold is longer than
//! a half wave of 40 Hz, so a bass note is turned down steadily instead of being bent at each of its crests,
//! however short the release.

use super::smooth::Smoothed;
use super::true_peak::{CHUNK, TruePeak};
use super::{Format, Node, NodeEntry, NodeInfo, NodeStatus, ParamId, ParamInfo, clean_frame, one_pole};
use crate::Stereo;
use crate::units::{db_to_gain, gain_to_db};

const INFO: NodeInfo = NodeInfo {
    name: "limiter",
    aliases: &["true_peak_limiter", "brickwall_limiter", "brick_wall_limiter", "lookahead_limiter"],
    summary: "Look-ahead brick-wall limiter: true peaks stay below the threshold.",
    params: &[
        ParamInfo::number(
            "threshold_db",
            &["threshold", "ceiling_db", "ceiling", "ceiling_dbtp", "true_peak_limit_dbtp"],
            "dBTP",
            (-40.0, 0.0),
            -1.0,
            "Ceiling that no true peak exceeds.",
        ),
        ParamInfo::number(
            "lookahead_ms",
            &["lookahead", "attack_ms", "attack"],
            "ms",
            (0.5, 20.0),
            5.0,
            "How far ahead it looks; this is its latency (down to 3 ms at 48 kHz).",
        ),
        ParamInfo::number(
            "release_ms",
            &["release"],
            "ms",
            (1.0, 5000.0),
            50.0,
            "Time in which, after a peak, 63 % of the gain comes back.",
        ),
    ],
};

/// The node's line in the table.
pub const ENTRY: NodeEntry = NodeEntry { info: &INFO, make: || Box::new(Limiter::default()) };

/// How long a reduction is held beyond the look-ahead.
const HOLD_MS: f64 = 10.0;

/// How much further than needed a peak is turned down, 0.05 dB: what the true-peak reading may miss.
const MARGIN: f64 = 1.006;

/// A gain of 1 in the integers that the averages are made of.
const UNITY: u64 = 1 << 30;

/// The `limiter` node.
#[derive(Default)]
pub struct Limiter {
    wall: Wall,
}

impl Node for Limiter {
    fn info(&self) -> &'static NodeInfo {
        &INFO
    }

    fn prepare(&mut self, format: Format) {
        self.wall.prepare(format.sample_rate_hz);
    }

    fn set(&mut self, param: ParamId, value: f32) {
        match (param, INFO.accept(param, value)) {
            (0, Some(db)) => self.wall.set_ceiling_db(db),
            (1, Some(ms)) => self.wall.lookahead_ms = f64::from(ms),
            (2, Some(ms)) => self.wall.set_release_ms(f64::from(ms)),
            _ => {}
        }
    }

    fn process(&mut self, block: &mut [Stereo], _sidechain: Option<&[Stereo]>) {
        self.wall.process(block);
    }

    fn reset(&mut self) {
        self.wall.reset();
    }

    fn latency(&self) -> usize {
        self.wall.latency()
    }

    fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus::Gain { db: self.wall.gain_db() })
    }
}

/// The limiter itself, for other nodes to end in.
pub(super) struct Wall {
    ceiling: Smoothed,
    lookahead_ms: f64,
    release_ms: f64,
    rate: u32,
    release: f64,
    peaks: TruePeak,
    least: SlidingMinimum,
    held: f64,
    averages: [MovingSum; 3],
    /// A gain of 1 by the value of the last average at it.
    unit: f64,
    /// Frames for which the averages have been given nothing but [`UNITY`].
    at_unity: usize,
    delay: Vec<Stereo>,
    next: usize,
    gain: f32,
}

impl Default for Wall {
    fn default() -> Self {
        Self {
            ceiling: Smoothed::new(f64::from(db_to_gain(-1.0))),
            lookahead_ms: 5.0,
            release_ms: 50.0,
            rate: 48_000,
            release: 1.0,
            peaks: TruePeak::new(),
            least: SlidingMinimum::new(1),
            held: UNITY as f64,
            averages: std::array::from_fn(|_| MovingSum::new(1, UNITY)),
            unit: 1.0 / UNITY as f64,
            at_unity: 0,
            delay: vec![[0.0; 2]],
            next: 0,
            gain: 1.0,
        }
    }
}

impl Wall {
    pub(super) fn set_ceiling_db(&mut self, db: f32) {
        self.ceiling.set(f64::from(db_to_gain(db)));
    }

    pub(super) fn set_release_ms(&mut self, ms: f64) {
        self.release_ms = ms;
        self.release = one_pole(ms, self.rate);
    }

    pub(super) fn prepare(&mut self, sample_rate_hz: u32) {
        self.rate = sample_rate_hz;
        self.set_release_ms(self.release_ms);
        self.ceiling.prepare(sample_rate_hz);
        let frames = |ms: f64| (ms * 1e-3 * f64::from(sample_rate_hz)).round() as usize;
        // Finding the peaks takes part of the look-ahead, at most half of it.
        let lookahead = frames(self.lookahead_ms);
        let fall = lookahead.saturating_sub(TruePeak::LATENCY).max(lookahead / 2);
        // Three averages of these lengths reach `fall` frames back.
        let lengths = [fall / 3 + 1, (fall + 1) / 3 + 1, fall.div_ceil(3) + 1];
        let mut at_unity = UNITY;
        self.averages = lengths.map(|length| {
            let sum = MovingSum::new(length, at_unity);
            at_unity = sum.sum;
            sum
        });
        self.unit = 1.0 / at_unity as f64;
        // A frame bears the peaks of the interval on either side, hence the two more.
        self.least = SlidingMinimum::new(fall + 2 + frames(HOLD_MS));
        self.delay = vec![[0.0; 2]; fall + TruePeak::LATENCY];
        self.reset();
    }

    pub(super) fn latency(&self) -> usize {
        self.delay.len()
    }

    pub(super) fn reset(&mut self) {
        self.ceiling.snap();
        self.peaks.reset();
        self.least.reset();
        self.held = UNITY as f64;
        self.averages.iter_mut().for_each(MovingSum::reset);
        self.at_unity = self.delay.len();
        self.delay.fill([0.0; 2]);
        self.next = 0;
        self.gain = 1.0;
    }

    /// The gain of the last frame.
    pub(super) fn gain_db(&self) -> f32 {
        gain_to_db(self.gain)
    }

    pub(super) fn process(&mut self, block: &mut [Stereo]) {
        for chunk in block.chunks_mut(CHUNK) {
            for frame in chunk.iter_mut() {
                *frame = clean_frame(*frame);
            }
            // While the ceiling moves, anything above its floor may matter.
            let floor = if self.ceiling.is_settled() { self.ceiling.value() as f32 } else { 0.0 };
            let mut peaks = [0.0; CHUNK];
            let has_peaks = self.peaks.measure(chunk, floor, &mut peaks);
            if !has_peaks && self.rests() {
                self.at_unity += chunk.len();
                self.least.push_again(chunk.len());
                self.delay(chunk);
                self.gain = 1.0;
                continue;
            }
            let mut gains = [1.0; CHUNK];
            for (gain, peak) in gains.iter_mut().zip(&peaks[..chunk.len()]) {
                let bearable = self.bearable(f64::from(*peak));
                *gain = self.smooth(bearable);
                self.gain = *gain;
            }
            self.delay(chunk);
            for (frame, gain) in chunk.iter_mut().zip(gains) {
                *frame = frame.map(|sample| sample * gain);
            }
        }
    }

    /// Whether, without a peak, the next gain is 1 and nothing changes.
    fn rests(&self) -> bool {
        self.ceiling.is_settled() && self.at_unity >= self.delay.len() && self.least.is_nothing_but(UNITY)
    }

    /// Puts frames in for those of a look-ahead ago.
    fn delay(&mut self, mut frames: &mut [Stereo]) {
        while !frames.is_empty() {
            let (piece, rest) = frames.split_at_mut(frames.len().min(self.delay.len() - self.next));
            piece.swap_with_slice(&mut self.delay[self.next..self.next + piece.len()]);
            self.next += piece.len();
            if self.next == self.delay.len() {
                self.next = 0;
            }
            frames = rest;
        }
    }

    /// The gain that brings `peak` down to the ceiling, rounded down.
    #[inline]
    fn bearable(&mut self, peak: f64) -> u64 {
        let ceiling = self.ceiling.next();
        if peak > ceiling { (ceiling / (peak * MARGIN) * UNITY as f64) as u64 } else { UNITY }
    }

    /// The gain to apply now, [`lookahead_ms`](Self::lookahead_ms) after `bearable` came in.
    #[inline]
    fn smooth(&mut self, bearable: u64) -> f32 {
        let least = self.least.push(bearable) as f64;
        self.held = if least > self.held {
            // At least a step of 2^-34 each time, so that it arrives.
            (self.held + ((least - self.held) * self.release).max(0.0625)).min(least)
        } else {
            least
        };
        let held = self.held as u64;
        self.at_unity = if held == UNITY { self.at_unity + 1 } else { 0 };
        if self.at_unity > self.delay.len() {
            // Every sum holds nothing but unity, so one more changes nothing.
            return 1.0;
        }
        let sum = self.averages.iter_mut().fold(held, |value, average| average.push(value));
        (sum as f64 * self.unit) as f32
    }
}

/// The sum of the last values.
struct MovingSum {
    values: Vec<u64>,
    next: usize,
    sum: u64,
    initial: u64,
}

impl MovingSum {
    fn new(length: usize, initial: u64) -> Self {
        Self { values: vec![initial; length], next: 0, sum: initial * length as u64, initial }
    }

    fn reset(&mut self) {
        self.values.fill(self.initial);
        self.next = 0;
        self.sum = self.initial * self.values.len() as u64;
    }

    #[inline]
    fn push(&mut self, value: u64) -> u64 {
        self.sum = self.sum + value - std::mem::replace(&mut self.values[self.next], value);
        self.next = if self.next + 1 == self.values.len() { 0 } else { self.next + 1 };
        self.sum
    }
}

/// The least of the last values: a queue of those that no later one undercuts (Lemire 2006, "Streaming
/// maximum-minimum filter").
struct SlidingMinimum {
    /// A ring of (time, value), values rising from `first` on.
    queue: Vec<(u64, u64)>,
    first: usize,
    length: usize,
    window: u64,
    now: u64,
}

impl SlidingMinimum {
    fn new(window: usize) -> Self {
        // Room for the window and the value that has just left it; a power of two for the sake of the mask.
        let capacity = (window + 1).next_power_of_two();
        Self { queue: vec![(0, 0); capacity], first: 0, length: 0, window: window as u64, now: 0 }
    }

    fn reset(&mut self) {
        (self.first, self.length, self.now) = (0, 0, 0);
    }

    /// Whether all of the last values, and there is one, are `value`.
    fn is_nothing_but(&self, value: u64) -> bool {
        self.length == 1 && self.queue[self.first & (self.queue.len() - 1)].1 == value
    }

    /// Pushes the last value `count` times more, if it is the only one.
    fn push_again(&mut self, count: usize) {
        let mask = self.queue.len() - 1;
        self.now += count as u64;
        self.queue[self.first & mask].0 = self.now - 1;
    }

    #[inline]
    fn push(&mut self, value: u64) -> u64 {
        let mask = self.queue.len() - 1;
        while self.length > 0 && self.queue[(self.first + self.length - 1) & mask].1 >= value {
            self.length -= 1;
        }
        self.queue[(self.first + self.length) & mask] = (self.now, value);
        self.length += 1;
        if self.queue[self.first & mask].0 + self.window <= self.now {
            self.first = (self.first + 1) & mask;
            self.length -= 1;
        }
        self.now += 1;
        self.queue[self.first & mask].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sliding_minimum_is_the_minimum() {
        let mut state = 1_u64;
        let values: Vec<u64> = (0..2000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 60) + 1
            })
            .collect();
        for window in [1, 2, 7, 64] {
            let mut least = SlidingMinimum::new(window);
            for i in 0..values.len() {
                let expected = values[(i + 1).saturating_sub(window)..=i].iter().min().copied();
                assert_eq!(Some(least.push(values[i])), expected, "window {window}, value {i}");
            }
        }
    }
}
