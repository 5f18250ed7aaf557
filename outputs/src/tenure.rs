//! Outputs that follow one another at a place that only one can have at a time: a mount of a server, a folder.
//!
//! The one that comes is there at once and its queue takes the audio, but it opens only when the one before is gone: so
//! that nothing is lost in between. The one before [hands over](Sink::hand_over) instead of closing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;
use async_trait::async_trait;
use tokio::sync::watch;

use crate::sink::{Health, Opening, Output, Sink, SinkError};

/// Tells when an output is gone, and with it all that it held.
#[derive(Clone)]
pub struct Gone {
    here: watch::Receiver<()>,
    /// Outputs that wait for it to go.
    heirs: Arc<AtomicUsize>,
}

/// An output that waits for another to go.
struct Heir(Gone);

impl Heir {
    fn new(before: Gone) -> Self {
        before.heirs.fetch_add(1, Ordering::AcqRel);
        Self(before)
    }

    /// Waits for that. Cancel safe.
    async fn wait(&mut self) {
        while self.0.here.changed().await.is_ok() {}
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        self.0.heirs.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An output that opens once those before it are gone.
struct Tenant {
    after: Vec<Heir>,
    // Dropped in this order: it is not gone before it has let go of everything.
    output: Box<dyn Output>,
    heirs: Arc<AtomicUsize>,
    _here: watch::Sender<()>,
}

/// Has an output wait for others that are to go, and says when it is gone itself.
pub fn lodge(output: Box<dyn Output>, after: Vec<Gone>) -> (Box<dyn Output>, Gone) {
    let (sender, here) = watch::channel(());
    let gone = Gone { here, heirs: Arc::default() };
    let (after, heirs) = (after.into_iter().map(Heir::new).collect(), Arc::clone(&gone.heirs));
    (Box::new(Tenant { after, output, heirs, _here: sender }), gone)
}

#[async_trait]
impl Output for Tenant {
    fn describe(&self) -> String {
        self.output.describe()
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        while let Some(before) = self.after.last_mut() {
            before.wait().await;
            self.after.pop();
        }
        let sink = self.output.open(opening).await?;
        Ok(Box::new(TenantSink { sink, heirs: Arc::clone(&self.heirs) }))
    }
}

/// A sink that hands over where another output waits for that.
struct TenantSink {
    sink: Box<dyn Sink>,
    heirs: Arc<AtomicUsize>,
}

#[async_trait]
impl Sink for TenantSink {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        self.sink.packet(packet).await
    }

    fn holds(&self) -> bool {
        self.sink.holds()
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.sink.flush().await
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        self.sink.title(at, metadata).await
    }

    fn health(&self) -> Option<(Health, String)> {
        self.sink.health()
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        if self.heirs.load(Ordering::Acquire) > 0 {
            self.sink.hand_over().await
        } else {
            self.sink.close().await
        }
    }
}
