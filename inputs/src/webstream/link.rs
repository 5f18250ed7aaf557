//! The handle of a web stream.

use std::sync::Arc;

use tokio::sync::watch;

use super::status::{Board, WebstreamStatus};

/// Looks after a web stream, which is listened to as long as this lives.
pub struct Link {
    pub(crate) board: Arc<Board>,
    pub(crate) moves: watch::Sender<u64>,
}

impl Link {
    /// How it is doing. Cheap; never waits.
    pub fn status(&self) -> WebstreamStatus {
        self.board.read()
    }

    /// Gives up what is listened to or tried now, as it is silent, or nothing in it can be decoded, and takes the next
    /// URL. With a single URL that is the same one, after a pause. Does nothing while all have failed.
    pub fn move_on(&self) {
        self.moves.send_modify(|count| *count += 1);
    }
}
