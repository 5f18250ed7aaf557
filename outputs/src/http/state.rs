//! What the page shows: a snapshot (`/status.json`) and events (`/events`, server-sent).
//!
//! The owner of the listener publishes both; the listener adds what it knows itself. Shape of the snapshot, every
//! field optional:
//!
//! ```json
//! { "station": { "id": "wgmr", "name": "WGMR FM" },
//!   "on_air":  { "title": "...", "artist": "...", "album": "...", "tier": "automation",
//!                "started_utc": "2026-01-02T03:04:05.678Z", "duration_s": 215.3 },
//!   "recent":  [ { "title": "...", "artist": "...", "started_utc": "..." } ],
//!   "levels":  { "peak_dbfs": [-3.1, -3.4], "rms_dbfs": [-15.2, -15.9],
//!                "momentary_lufs": -16.3, "short_term_lufs": -16.1,
//!                "integrated_lufs": -16.2, "loudness_range_lu": 6.4 },
//!   "outputs": [ { "id": "mount-main/0", "kind": "icecast", "target": "icecast://host:8000/live",
//!                  "health": "up", "reason": null, "listeners": 12 } ] }
//! ```
//!
//! An output without `health` has not begun; where `reason` is absent, `last_error` is shown of one that is not up.
//! `recent` is newest first and leaves out what is on air. Added by the listener: `mounts: [{ path, mime, format,
//! listeners, listener_peak, up }]`, `hls: [{ path }]`, `now_utc` and `server`.
//!
//! Events the page understands, beside `snapshot` (the whole of the above, sent first and again after a client was
//! too slow): `levels` with the fields of `levels`; `now_playing` as in event logs (`item.metadata`, `tier`, `utc`) or
//! with the fields of `on_air`; `output_health` with `id`, `health`, `reason`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Events that wait for a client; at 20 meter readings a second, ten seconds.
const QUEUE: usize = 256;

/// Silence after which a comment shows that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Publishes the state of a station to the page and to `/events`.
#[derive(Clone, Debug)]
pub struct StateHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    events: broadcast::Sender<Bytes>,
    snapshot: Mutex<Arc<Value>>,
}

/// Handles are equal when they publish to the same listener.
impl PartialEq for StateHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for StateHandle {}

impl StateHandle {
    pub(crate) fn new() -> Self {
        let snapshot = Mutex::new(Arc::new(json!({})));
        Self { inner: Arc::new(Inner { events: broadcast::Sender::new(QUEUE), snapshot }) }
    }

    /// Sends an event to everyone connected; never waits. The name is an event's word (`now_playing`): other
    /// characters than letters, digits and `_` are removed.
    pub fn publish(&self, event_name: &str, data: Value) {
        if self.has_clients() {
            // Fails only when the last client has just left.
            let _ = self.inner.events.send(encode(event_name, &data));
        }
    }

    /// Whether anybody is connected whom an event would reach.
    pub fn has_clients(&self) -> bool {
        self.inner.events.receiver_count() > 0
    }

    /// Replaces the snapshot; see the module for its shape. What is not an object counts as empty.
    pub fn set_snapshot(&self, snapshot: Value) {
        let snapshot = Arc::new(snapshot);
        *self.inner.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    pub(crate) fn snapshot(&self) -> Arc<Value> {
        Arc::clone(&self.inner.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        Subscription { events: self.inner.events.subscribe(), greeted: false }
    }
}

/// One event in the form of the HTML standard, section 9.2; JSON has no raw line breaks.
fn encode(name: &str, data: &Value) -> Bytes {
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// One client of `/events`.
#[derive(Debug)]
pub(crate) struct Subscription {
    events: broadcast::Receiver<Bytes>,
    greeted: bool,
}

impl Subscription {
    /// The next bytes; a client that missed events is given a snapshot instead. `None` when nothing will come.
    pub(crate) async fn next(&mut self, snapshot: impl Fn() -> Value) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(encode("snapshot", &snapshot()));
        }
        match tokio::time::timeout(HEARTBEAT, self.events.recv()).await {
            Err(_) => Some(Bytes::from_static(b":\n\n")),
            Ok(Ok(event)) => Some(event),
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => Some(encode("snapshot", &snapshot())),
            Ok(Err(broadcast::error::RecvError::Closed)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slow_clients_skip_to_a_snapshot() {
        let state = StateHandle::new();
        let mut client = state.subscribe();
        let snapshot = || json!({ "s": 1 });
        assert_eq!(client.next(snapshot).await.unwrap(), "event: snapshot\ndata: {\"s\":1}\n\n");
        for n in 0..QUEUE + 1 {
            state.publish("le\nvels", json!(n));
        }
        assert_eq!(client.next(snapshot).await.unwrap(), "event: snapshot\ndata: {\"s\":1}\n\n");
        assert_eq!(client.next(snapshot).await.unwrap(), "event: levels\ndata: 1\n\n");
    }
}
