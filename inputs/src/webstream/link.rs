//! The handle of a web stream.

use std::sync::Arc;

use tokio::sync::watch;
use url::Url;

use super::config::{InvalidWebstream, WebstreamConfig};
use super::status::{Board, WebstreamStatus};

/// Looks after a web stream, which is listened to as long as this lives.
pub struct Link {
    pub(crate) board: Arc<Board>,
    /// The latest connection that was given up.
    pub(crate) moves: watch::Sender<u64>,
    /// What it listens to, best first.
    pub(crate) urls: watch::Sender<Vec<Url>>,
}

impl Link {
    /// How it is doing. Cheap; never waits.
    pub fn status(&self) -> WebstreamStatus {
        self.board.read()
    }

    /// Gives a connection up by the number it [began](super::Arrival::Begins) with, as it is silent, or nothing in it can
    /// be decoded, and takes the next URL. With a single URL that is the same one, after a pause. Does nothing when that
    /// connection is gone already: who decodes is seconds behind, and the one there is now may be well.
    pub fn move_on(&self, connection: u64) {
        self.moves.send_if_modified(|given_up| {
            let newer = connection > *given_up;
            *given_up = connection.max(*given_up);
            newer
        });
    }

    /// Listens to other URLs from now on, best first. What is listened to goes on until one of them brings audio, or until it
    /// breaks.
    pub fn set_urls(&self, urls: &[String]) -> Result<(), InvalidWebstream> {
        let (url, fallback_urls) = match urls.split_first() {
            Some((first, others)) => (first.clone(), others.to_vec()),
            None => (String::new(), Vec::new()),
        };
        let config = WebstreamConfig { url, fallback_urls, ..WebstreamConfig::default() };
        config.validate()?;
        self.urls.send_replace(config.urls()?);
        Ok(())
    }

    /// Whether there is more than one URL to listen to.
    pub fn has_others(&self) -> bool {
        self.urls.borrow().len() > 1
    }
}

#[cfg(test)]
impl Link {
    /// One to nowhere.
    pub(crate) fn for_tests() -> Self {
        let board = Arc::new(Board::new(std::time::Duration::from_secs(5)));
        Self { board, moves: watch::Sender::new(0), urls: watch::Sender::new(Vec::new()) }
    }
}
