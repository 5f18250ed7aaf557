//! How a web stream is doing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// What a link is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkState {
    /// A URL is being tried.
    #[default]
    Connecting,
    /// Audio comes.
    Streaming,
    /// Connected, but nothing has come for half of `stall_timeout_s`.
    Stalled,
    /// All URLs failed; it waits a while before it tries again.
    Waiting,
    /// The finite programme is over, or nobody listens any more.
    Ended,
}

/// What a server says of the station that it carries, by its `icy-` headers. All text is one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IcyHeaders {
    /// Name of the station.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Genre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// Its web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Bit rate it declares, kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate_kbps: Option<u32>,
}

/// The figures of a link.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WebstreamStatus {
    /// What it is doing.
    pub state: LinkState,
    /// Seconds that it has been doing so.
    pub state_for_s: f64,
    /// What it listens to or tries, as given or as a playlist named it; secrets masked.
    pub url: String,
    /// Which of the URLs that is: 0 is `url`, 1 the first of `fallback_urls`.
    pub url_index: usize,
    /// Bytes of audio that came, over all connections.
    pub bytes: u64,
    /// Connections that brought audio.
    pub connects: u64,
    /// Tries that brought none, and connections that broke.
    pub failures: u64,
    /// Why the last of these failed, for people; secrets masked.
    pub last_error: Option<String>,
    /// What the server of the last connection said that it sends.
    pub content_type: Option<String>,
    /// What that server says of the station.
    pub station: IcyHeaders,
    /// The latest title, as `Artist - Title`.
    pub title: Option<String>,
}

/// Where the link writes how it is doing, and others read it.
pub(crate) struct Board {
    stall: Duration,
    state: Mutex<Written>,
}

struct Written {
    status: WebstreamStatus,
    /// When its state began.
    since: Instant,
    /// Since when the server has been waited for.
    waiting: Option<Instant>,
}

impl Board {
    /// `stall` is how long nothing may come before a connection is given up.
    pub(crate) fn new(stall: Duration) -> Self {
        let written = Written { status: WebstreamStatus::default(), since: Instant::now(), waiting: None };
        Self { stall, state: Mutex::new(written) }
    }

    /// How it is now.
    pub(crate) fn read(&self) -> WebstreamStatus {
        let written = self.lock();
        let mut status = written.status.clone();
        let mut since = written.since;
        if let Some(waiting) = written.waiting.filter(|waiting| waiting.elapsed() >= self.stall / 2) {
            (status.state, since) = (LinkState::Stalled, waiting);
        }
        status.state_for_s = since.elapsed().as_secs_f64();
        status
    }

    /// It does something else now.
    pub(crate) fn enter(&self, state: LinkState) {
        let mut written = self.lock();
        if written.status.state != state {
            written.since = Instant::now();
        }
        (written.status.state, written.waiting) = (state, None);
    }

    /// Audio is waited for from now on; or not any more.
    pub(crate) fn wait(&self, waits: bool) {
        self.lock().waiting = waits.then(Instant::now);
    }

    /// Writes figures.
    pub(crate) fn note(&self, change: impl FnOnce(&mut WebstreamStatus)) {
        change(&mut self.lock().status);
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
