//! What is known of a webstream, for whoever asks; and the sign that it is not wanted any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What a feed makes of a webstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FeedStatus {
    /// It gathers audio before it is heard, at the start or after it ran dry.
    pub filling: bool,
    /// Audio that waits, in seconds; `None` until its bit rate is known.
    pub buffered_s: Option<f64>,
    /// Codec, in the words of `airchain analyze`.
    pub codec: Option<&'static str>,
    /// Sample rate in Hz.
    pub sample_rate_hz: Option<u32>,
    /// Channels.
    pub channels: Option<u16>,
    /// Bit rate in kbit/s, as measured.
    pub bitrate_kbps: Option<f64>,
    /// By how many parts in a million the upstream is being played faster (above 0) or slower than it comes, to keep
    /// what waits at its length.
    pub clock_ppm: f64,
    /// What was wrong with the audio last: bytes that are none, packets lost.
    pub damage: Option<String>,
    /// Joins of one connection's audio to another's.
    pub joins: u64,
}

#[derive(Debug, Default)]
struct Shared {
    status: Mutex<FeedStatus>,
    closing: AtomicBool,
    over: AtomicBool,
}

/// Where a feed writes what it makes of a webstream. Clones are the same board.
#[derive(Clone, Debug)]
pub struct FeedBoard(Arc<Shared>);

impl Default for FeedBoard {
    fn default() -> Self {
        let board = Self(Arc::default());
        board.note(|status| status.filling = true);
        board
    }
}

impl FeedBoard {
    /// What is known now.
    pub fn status(&self) -> FeedStatus {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The webstream is not wanted any more: its feed ends, and the live source signs off.
    pub fn close(&self) {
        self.0.closing.store(true, Ordering::Release);
    }

    /// Whether its feed is gone.
    pub fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.0.over.store(true, Ordering::Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Acquire)
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut FeedStatus)) {
        note(&mut self.0.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
