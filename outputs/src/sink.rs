//! What an output is to the rest of airchain.

use std::sync::Arc;

use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::item::Metadata;
pub use airchain_core::playout::report::Health;
use async_trait::async_trait;
use jiff::Timestamp;

use crate::leaps::Leaps;

/// What an encoder hands to an output, in the order of the audio.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// Encoded audio.
    Packet(Packet),
    /// From `at` on (frames at the format's rate) the audio belongs to `metadata`. Comes before the packet that
    /// holds the frame.
    Title {
        /// First frame it is true of.
        at: i64,
        /// What listeners are told.
        metadata: Arc<Metadata>,
    },
    /// The programme is over: close cleanly.
    End,
}

/// What a sink is told when it is opened, at the start and after every failure.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Format and codec headers.
    pub info: SharedInfo,
    /// Wall-clock time of frame 0 of the encoder.
    pub epoch: Timestamp,
    /// Position of frame 0 of the encoder in what its station has sent since it began, in frames at the format's rate.
    /// By it packets of several encoders are told to be of the same moment.
    pub position: i64,
    /// Where dates leap, [from](Leaps::from) frame 0 of the encoder on.
    pub leaps: Leaps,
    /// What is on air now, if anything has been.
    pub metadata: Option<Arc<Metadata>>,
}

impl Opening {
    /// Wall-clock time of a frame: by the clock as it was when that was on air.
    pub fn time_of(&self, pts: i64) -> Timestamp {
        let rate = i128::from(self.info.format.sample_rate_hz);
        let nanos = (i128::from(pts) * 1_000_000_000).div_euclid(rate) + self.leapt_ns(pts);
        Timestamp::from_nanosecond(self.epoch.as_nanosecond() + nanos).unwrap_or(self.epoch)
    }

    /// Nanoseconds by which dates leap between frame 0 of the encoder and a frame; negative where they leap back.
    pub fn leapt_ns(&self, pts: i64) -> i128 {
        let rate = i128::from(self.info.format.sample_rate_hz);
        let frame = i128::from(self.position.saturating_add(pts));
        self.leaps.since_begin_ns((frame * 1_000_000_000).div_euclid(rate))
    }
}

/// A place that encoded audio goes to, once open.
#[async_trait]
pub trait Sink: Send {
    /// Takes a packet. One that [holds](Self::holds) packets sends them with the next [`flush`](Self::flush).
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError>;

    /// Whether packets are out only after a [`flush`](Self::flush).
    fn holds(&self) -> bool {
        false
    }

    /// Sends what is held: no more packets are there for now. What comes from an encoder comes several packets at a time,
    /// and need not be sent one by one.
    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Notes a change of title; `at` may lie a little ahead of the packets taken so far.
    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError>;

    /// How it is getting on, where it takes packets all the same and delivers them in its own time; `None` when all is well.
    /// With the reason, as a [`SinkError`] would tell it.
    fn health(&self) -> Option<(Health, String)> {
        None
    }

    /// Finishes: flushes, closes files, says goodbye.
    async fn close(&mut self) -> Result<(), SinkError>;

    /// Finishes for another output that goes on at the same place: its listeners are not told of an end.
    async fn hand_over(&mut self) -> Result<(), SinkError> {
        self.close().await
    }
}

/// Opens sinks: a declared output. Called again after every failure.
#[async_trait]
pub trait Output: Send {
    /// What it is and where it goes, for people; holds no secret.
    fn describe(&self) -> String;

    /// Opens a sink.
    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError>;
}

/// Why an output failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// What happened, naming the thing and what to do; holds no secret.
    pub message: String,
    /// Whether and when to try again.
    pub retry: Retry,
}

/// When a failed output is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Soon, with growing pauses: the cause may pass by itself.
    Soon,
    /// Every few seconds, each time alike: trying costs next to nothing, and all is well once a person has made room on a
    /// disk, say.
    Steadily,
    /// Seldom: a person has to change something (a password, a mount).
    Seldom,
}
