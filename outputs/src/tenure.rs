//! Outputs that follow one another at a place that only one can have at a time: a mount of a server, a folder.
//!
//! The one that comes is there at once and its queue takes the audio, but it opens only when the one before is gone: so
//! that nothing is lost in between.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::sink::{Opening, Output, Sink, SinkError};

/// Tells when an output is gone, and with it all that it held.
#[derive(Clone)]
pub struct Gone(watch::Receiver<()>);

impl Gone {
    /// Waits for that. Cancel safe.
    async fn wait(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// An output that opens once those before it are gone.
struct Tenant {
    after: Vec<Gone>,
    // Dropped in this order: it is not gone before it has let go of everything.
    output: Box<dyn Output>,
    _here: watch::Sender<()>,
}

/// Has an output wait for others that are to go, and says when it is gone itself.
pub fn lodge(output: Box<dyn Output>, after: Vec<Gone>) -> (Box<dyn Output>, Gone) {
    let (here, gone) = watch::channel(());
    (Box::new(Tenant { after, output, _here: here }), Gone(gone))
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
        self.output.open(opening).await
    }
}
