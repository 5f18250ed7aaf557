//! Telemetry as it is made, each second.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Telemetry;

/// A station's telemetry, each second. Who is slow gets the newest; nothing piles up.
pub struct TelemetryStream {
    latest: watch::Receiver<Option<Arc<Telemetry>>>,
    runtime: Handle,
}

impl TelemetryStream {
    pub(crate) fn new(mut latest: watch::Receiver<Option<Arc<Telemetry>>>, runtime: Handle) -> Self {
        // What was made for others, before this was asked for, is not news.
        latest.mark_unchanged();
        Self { latest, runtime }
    }

    /// Waits for the next one; `None` when the station is off.
    pub async fn next(&mut self) -> Option<Arc<Telemetry>> {
        self.latest.changed().await.ok()?;
        self.latest.borrow_and_update().clone()
    }

    /// The same for a thread that may wait, which is no thread of a tokio runtime; `None` also when there is none within
    /// `timeout`.
    pub fn next_within(&mut self, timeout: Duration) -> Option<Arc<Telemetry>> {
        let runtime = self.runtime.clone();
        runtime.block_on(async { tokio::time::timeout(timeout, self.next()).await.ok().flatten() })
    }
}
