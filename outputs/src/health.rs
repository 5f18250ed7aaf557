//! How an output is doing: counters that anyone may read at any time, and an event for each change.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::sink::Health;

/// A change in an output's health, or in the reason for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthEvent {
    /// Id of the output.
    pub output: String,
    /// How it is from now on.
    pub health: Health,
    /// Why, and what to do, when it is not up; holds no secret.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Who is told of health changes. Called on the I/O runtime: it must not block.
pub type OnHealth = Arc<dyn Fn(HealthEvent) + Send + Sync>;

/// An output's figures at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// How it is.
    pub health: Health,
    /// Encoded bytes delivered, without the container around them.
    pub bytes: u64,
    /// Packets delivered.
    pub packets: u64,
    /// Frames (at the format's rate) that were dropped: the output was down, or slower than the audio.
    pub dropped_frames: u64,
    /// Times it was opened again after having delivered.
    pub reconnects: u64,
    /// Audio waiting in the queue, in seconds.
    pub queued_s: f64,
    /// The last thing that went wrong, even if it has passed.
    pub last_error: Option<String>,
}

/// Where the worker writes and everyone else reads.
pub(crate) struct Board {
    output: Mutex<String>,
    on_health: Option<OnHealth>,
    health: AtomicU8,
    told: Mutex<Option<(Health, Option<String>)>>,
    last_error: Mutex<Option<String>>,
    bytes: AtomicU64,
    packets: AtomicU64,
    openings: AtomicU64,
}

impl Board {
    pub(crate) fn new(output: String, on_health: Option<OnHealth>) -> Self {
        Self {
            output: Mutex::new(output),
            on_health,
            health: AtomicU8::new(encode(Health::Down)),
            told: Mutex::new(None),
            last_error: Mutex::new(None),
            bytes: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            openings: AtomicU64::new(0),
        }
    }

    /// From now on it is another name that is told.
    pub(crate) fn rename(&self, output: &str) {
        output.clone_into(&mut lock(&self.output));
    }

    pub(crate) fn health(&self) -> Health {
        decode(self.health.load(Ordering::Relaxed))
    }

    pub(crate) fn delivered(&self, packets: u64, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.packets.fetch_add(packets, Ordering::Relaxed);
    }

    pub(crate) fn opened(&self) {
        self.openings.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how things are. Only what is new is told.
    pub(crate) fn set(&self, health: Health, reason: Option<&str>) {
        self.health.store(encode(health), Ordering::Relaxed);
        if let Some(reason) = reason {
            *lock(&self.last_error) = Some(reason.to_owned());
        }
        let now = Some((health, reason.map(str::to_owned)));
        {
            let mut told = lock(&self.told);
            if *told == now {
                return;
            }
            *told = now;
        }
        let output = lock(&self.output).clone();
        match (health, reason) {
            (Health::Up, _) => tracing::info!(%output, "output is up"),
            (_, reason) => {
                tracing::warn!(%output, ?health, "{}", reason.unwrap_or("no reason"))
            }
        }
        if let Some(tell) = &self.on_health {
            tell(HealthEvent { output, health, reason: reason.map(str::to_owned), at: Timestamp::now() });
        }
    }

    /// The worker is gone: it delivers nothing, and that is no fault.
    pub(crate) fn close(&self) {
        self.health.store(encode(Health::Down), Ordering::Relaxed);
    }

    pub(crate) fn stats(&self, dropped_frames: u64, queued_s: f64) -> Stats {
        Stats {
            health: self.health(),
            bytes: self.bytes.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
            dropped_frames,
            reconnects: self.openings.load(Ordering::Relaxed).saturating_sub(1),
            queued_s,
            last_error: lock(&self.last_error).clone(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn encode(health: Health) -> u8 {
    match health {
        Health::Up => 0,
        Health::Degraded => 1,
        Health::Down => 2,
    }
}

const fn decode(value: u8) -> Health {
    match value {
        0 => Health::Up,
        1 => Health::Degraded,
        _ => Health::Down,
    }
}
