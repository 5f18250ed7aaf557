//! What a link brings, as frames at the station's rate: decoded, resampled, one connection joined to the next.

use std::collections::VecDeque;
use std::sync::Arc;

use airchain_codecs::decode::stream::{Step, StreamDecoder};
use airchain_codecs::drift::{Drift, Steering};
use airchain_codecs::resample::Resampler;
use airchain_core::item::Metadata;
use airchain_core::playout::LiveWriter;
use airchain_core::units::seconds_to_frames;
use airchain_core::{Frames, Stereo};
use bytes::Bytes;

use super::board::FeedBoard;
use super::byte_rate::ByteRate;
use super::join::Join;
use super::{Arrivals, FeedConfig, Link};
use crate::webstream::Arrival;

/// Bytes given to the decoder at a time, so that what waits is known to a fraction of a second.
const MORSEL: usize = 2048;
/// What may wait beyond the target: servers begin with what they sent last, and the more of it the better.
const SLACK_S: f64 = 8.0;
/// What may wait beyond that, before the upstream is held back.
const BEYOND_S: f64 = 2.0;
/// Most bytes that may wait: what counts as a second of audio is the server's to say.
const MOST_CAPACITY: usize = 16 << 20;
/// How long after a connection begins, and for how long, it is seen how much waits, for that to be kept: by then what
/// the server begins with has come, and segments come and go.
const SETTLED_S: (f64, f64) = (5.0, 30.0);
/// The most that is sped up while the upstream is held back: how much waits then says nothing of its clock.
const MOST_HELD_BACK: f64 = 0.0005;
/// A sample rate holds at least as long as this.
const STEADY_S: f64 = 0.5;
/// A connection that brought no title for so long has none.
const UNTITLED_S: f64 = 5.0;
/// The fewest bytes that may wait, for programmes of next to no bit rate.
const LEAST_CAPACITY: usize = 32 * 1024;
/// Length of the crossfade from one connection to the next.
const JOIN_S: f64 = 0.01;

/// What has been waiting on average, once that can be told: that much is to be kept.
#[derive(Default)]
struct Aim {
    passed_s: f64,
    sum: f64,
    weight: f64,
}

impl Aim {
    /// `level_s` waited for `passed_s` seconds; the average, once that is known.
    fn look(&mut self, level_s: f64, passed_s: f64) -> Option<f64> {
        let (from, for_s) = SETTLED_S;
        self.passed_s += passed_s;
        if self.passed_s >= from && self.weight < for_s {
            self.sum += level_s * passed_s;
            self.weight += passed_s;
        }
        (self.weight >= for_s).then(|| self.sum / self.weight)
    }
}

/// Frames made of what arrives.
pub(super) struct Supply {
    id: String,
    rate_hz: u32,
    /// Audio that should wait, in seconds.
    target_s: f64,
    with_titles: bool,
    pub(super) link: Arc<Link>,
    arrivals: Arrivals,
    board: FeedBoard,
    /// The connection whose bytes are decoded.
    pub(super) connection: u64,
    decoder: Option<StreamDecoder>,
    /// Bytes taken from the arrivals and not given to the decoder.
    rest: Bytes,
    byte_rate: ByteRate,
    resampler: Resampler,
    from_hz: u32,
    /// Audio of that rate.
    steady_s: f64,
    drift: Drift,
    steering: Steering,
    /// What is to be kept waiting.
    aim: Aim,
    decoded: Vec<Stereo>,
    resampled: Vec<Stereo>,
    join: Join,
    /// Something was made that nothing has been joined to.
    open_ended: bool,
    /// Frames that have not been handed on. The last few wait for a join.
    out: Vec<Stereo>,
    /// Titles, with the number of frames that come before each, counted with `handed`.
    titles: VecDeque<(Frames, Metadata)>,
    /// The last of them was not empty.
    titled: bool,
    /// From when on it is of a connection that has none.
    untitled_at: Option<Frames>,
    handed: Frames,
    ended: bool,
}

impl Supply {
    pub(super) fn new(config: &FeedConfig, link: Arc<Link>, arrivals: Arrivals, board: FeedBoard) -> Self {
        let FeedConfig { rate_hz, buffer_s: target_s, titles: with_titles, .. } = *config;
        Self {
            id: config.id.clone(),
            rate_hz,
            target_s,
            with_titles,
            link,
            arrivals,
            board,
            connection: 0,
            decoder: None,
            rest: Bytes::new(),
            byte_rate: ByteRate::default(),
            resampler: Resampler::new(rate_hz, rate_hz),
            from_hz: rate_hz,
            steady_s: STEADY_S,
            drift: Drift::new(),
            steering: Steering::new(),
            aim: Aim::default(),
            decoded: Vec::new(),
            resampled: Vec::new(),
            join: Join::default(),
            open_ended: false,
            out: Vec::new(),
            titles: VecDeque::new(),
            titled: false,
            untitled_at: None,
            handed: 0,
            ended: false,
        }
    }

    /// Whether something has arrived that was not looked at.
    pub(super) fn has_more(&self) -> bool {
        !self.rest.is_empty() || !self.arrivals.is_empty()
    }

    /// Whether nothing will arrive any more, and all of it has been made frames of.
    pub(super) fn is_over(&self) -> bool {
        self.ended
    }

    /// Frames that can be handed on.
    pub(super) fn ready(&self) -> usize {
        let kept = if self.ended { 0 } else { seconds_to_frames(JOIN_S, self.rate_hz) as usize };
        self.out.len().saturating_sub(kept)
    }

    /// Audio that waits, in seconds; `None` until the rate of its bytes is known.
    pub(super) fn waiting_s(&self) -> Option<f64> {
        let bytes = (self.rest.len() + self.arrivals.bytes()) as f64;
        Some(bytes / self.byte_rate.get()? + self.out.len() as f64 / f64::from(self.rate_hz))
    }

    /// Whether as much waits as should, or as is let in.
    pub(super) fn is_enough(&self) -> bool {
        self.arrivals.is_full() || self.waiting_s().is_some_and(|waiting| waiting >= self.target_s)
    }

    /// Forgets the frames that were made: what comes does not follow what was heard, and may be of another bit rate.
    pub(super) fn begin_anew(&mut self) {
        (self.join, self.open_ended) = (Join::default(), false);
        self.byte_rate = ByteRate::default();
        self.unsettle();
        self.handed += self.out.len() as Frames;
        self.out.clear();
    }

    /// Makes frames of the next packet; `false` when nothing is there to make any of.
    pub(super) fn make(&mut self) -> bool {
        loop {
            match self.step() {
                Some(Step::Audio { rate_hz }) => {
                    self.append(rate_hz);
                    return true;
                }
                Some(Step::Title(title)) => self.title(title),
                Some(Step::End) => self.decoder = None,
                Some(Step::Hungry) | None if !self.rest.is_empty() => self.feed(),
                Some(Step::Hungry) | None => match self.arrivals.next() {
                    Some(arrival) => self.arrive(arrival),
                    None => return false,
                },
            }
        }
    }

    /// The decoder's next step. One that cannot go on is given up, with the URL it came from.
    fn step(&mut self) -> Option<Step> {
        self.decoded.clear();
        match self.decoder.as_mut()?.decode(&mut self.decoded) {
            Ok(step) => Some(step),
            Err(error) => {
                self.give_up(&error.to_string());
                None
            }
        }
    }

    /// Takes no more of this connection.
    pub(super) fn give_up(&mut self, why: &str) {
        self.board.note(|status| status.damage = Some(why.to_owned()));
        tracing::warn!(input = %self.id, "{why}");
        self.decoder = None;
        self.rest = Bytes::new();
        self.link.move_on(self.connection);
    }

    /// Gives the decoder some bytes; without one they are of no use.
    fn feed(&mut self) {
        let morsel = self.rest.split_to(MORSEL.min(self.rest.len()));
        if let Some(decoder) = &mut self.decoder {
            self.byte_rate.took(morsel.len());
            decoder.push(&morsel);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Begins { connection, content_type, .. } => {
                self.break_off();
                self.connection = connection;
                self.byte_rate = ByteRate::default();
                self.unsettle();
                let patience = seconds_to_frames(UNTITLED_S, self.rate_hz);
                self.untitled_at = self.titled.then(|| self.made() + patience);
                self.decoder = Some(StreamDecoder::new(content_type.as_deref()));
            }
            Arrival::Bytes(bytes) => self.rest = bytes,
            Arrival::Title(title) => self.title(title),
            Arrival::Breaks { .. } => self.break_off(),
            Arrival::End => {
                self.break_off();
                self.ended = true;
            }
        }
    }

    /// The connection is gone: what the decoder still has is the last of it.
    fn break_off(&mut self) {
        if let Some(decoder) = &mut self.decoder {
            decoder.finish();
        }
        while let Some(step) = self.step() {
            match step {
                Step::Audio { rate_hz } => self.append(rate_hz),
                Step::Title(title) => self.title(title),
                Step::End | Step::Hungry => break,
            }
        }
        self.decoder = None;
        if !std::mem::take(&mut self.open_ended) {
            return;
        }
        self.finish_resampler();
        let kept = seconds_to_frames(JOIN_S, self.rate_hz) as usize;
        if !self.out.is_empty() {
            self.join = Join::after(self.out.split_off(self.out.len().saturating_sub(kept)));
            self.board.note(|status| status.joins += 1);
        }
    }

    /// Appends what was decoded, at `from_hz`, to `out`.
    fn append(&mut self, from_hz: u32) {
        if from_hz != self.from_hz {
            if self.steady_s < STEADY_S {
                return self.give_up("its sample rate changes all the time");
            }
            self.finish_resampler();
            (self.from_hz, self.steady_s) = (from_hz, 0.0);
            self.resampler = Resampler::new(from_hz, self.rate_hz);
        }
        let seconds = self.decoded.len() as f64 / f64::from(from_hz.max(1));
        self.steady_s += seconds;
        self.open_ended = true;
        self.byte_rate.gave(seconds);
        let made = self.made();
        if let Some(at) = self.untitled_at.take_if(|at| *at <= made) {
            self.titled = false;
            self.titles.push_back((at, Metadata::default()));
        }
        if let Some(rate) = self.byte_rate.get() {
            let capacity = (self.target_s + SLACK_S + BEYOND_S) * rate;
            self.arrivals.set_capacity((capacity as usize).clamp(LEAST_CAPACITY, MOST_CAPACITY));
        }
        self.resampled.clear();
        self.resampler.process(&self.decoded, &mut self.resampled);
        self.extend();
    }

    fn finish_resampler(&mut self) {
        self.resampled.clear();
        self.resampler.finish(&mut self.resampled);
        self.extend();
    }

    fn extend(&mut self) {
        let first = self.out.len();
        self.drift.process(&self.resampled, &mut self.out);
        self.join.mix(self.out.get_mut(first..).unwrap_or_default());
    }

    fn title(&mut self, title: Metadata) {
        if self.with_titles {
            (self.titled, self.untitled_at) = (title != Metadata::default(), None);
            self.titles.push_back((self.made(), title));
        }
    }

    /// Frames that were made so far.
    fn made(&self) -> Frames {
        self.handed + self.out.len() as Frames
    }

    /// Hands on up to `frames`, each title before its first; says how many.
    pub(super) fn hand_on(&mut self, frames: usize, writer: &mut LiveWriter) -> usize {
        let count = frames.min(self.ready());
        let mut from = 0;
        while from < count {
            while self.titles.front().is_some_and(|(at, _)| *at <= self.handed) {
                if let Some((_, title)) = self.titles.pop_front() {
                    writer.set_metadata(title);
                }
            }
            let next = self.titles.front().map_or(Frames::MAX, |(at, _)| at - self.handed);
            let to = count.min(from.saturating_add(usize::try_from(next).unwrap_or(usize::MAX)));
            writer.push(self.out.get(from..to).unwrap_or_default());
            self.handed += (to - from) as Frames;
            from = to;
        }
        self.out.drain(..count);
        count
    }

    /// Steers by what waits here and in the live source, after `passed_s` more were handed on.
    pub(super) fn steer(&mut self, ahead_s: f64, passed_s: f64) {
        let Some(level_s) = self.waiting_s().map(|waiting_s| waiting_s + ahead_s) else { return };
        let Some(aim_s) = self.aim.look(level_s, passed_s) else { return };
        let aim_s = aim_s.clamp(self.target_s, self.target_s + SLACK_S);
        let ratio = self.steering.ratio(level_s, aim_s, passed_s);
        let least = if self.arrivals.is_full() { 1.0 - MOST_HELD_BACK } else { 0.0 };
        self.drift.set_ratio(ratio.max(least));
    }

    /// How much waits is to be seen anew. The clock goes on as it did.
    fn unsettle(&mut self) {
        self.aim = Aim::default();
        self.steering = Steering::new();
    }

    /// Writes down what the audio is and what was wrong with it.
    pub(super) fn tell(&mut self, filling: bool) {
        let (buffered_s, rate) = (self.waiting_s(), self.byte_rate.get());
        let clock_ppm = (1.0 - self.drift.ratio()) * 1e6;
        let decoder = self.decoder.as_mut();
        let damage = decoder.and_then(StreamDecoder::take_damage);
        if let Some(damage) = &damage {
            tracing::debug!("{}: {damage}", self.id);
        }
        let format = self.decoder.as_ref().and_then(StreamDecoder::info);
        self.board.note(|status| {
            (status.filling, status.buffered_s, status.clock_ppm) = (filling, buffered_s, clock_ppm);
            status.bitrate_kbps = rate.map(|bytes| bytes / 125.0);
            status.damage = damage.or(status.damage.take());
            if let Some(format) = format {
                status.codec = Some(format.codec);
                status.sample_rate_hz = Some(format.sample_rate_hz);
                status.channels = Some(format.channels);
            }
        });
    }
}
