//! Inputs: programmes that come from elsewhere, each a live source of its station.

use std::sync::Arc;
use std::time::{Duration, Instant};

use airchain_core::playout::live::LiveError;
use airchain_core::playout::{LiveConfig, LiveWriter};
use airchain_core::tier::Tier;
use airchain_inputs::file::Pump;
use airchain_inputs::webstream::{
    self, FeedBoard, FeedConfig, FeedStatus, Link, WebstreamConfig, WebstreamFeed, WebstreamStatus,
};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::config;
use crate::decode_pool::{Account, Errand, Feed, Workers};
use crate::error::Error;

/// An input as a program declares it.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// Its name as a live source, which no other of the station has.
    pub id: String,
    /// The tier it is routed to from the start; none until it is routed when `None`.
    pub tier: Option<Tier>,
    /// How it begins, each time, in seconds; with the tier's own fade when `None`.
    pub fade_in_s: Option<f64>,
    /// How it is treated as a live source.
    pub live: LiveConfig,
    /// Where it comes from.
    pub source: InputSource,
}

/// Where an input comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InputSource {
    /// What an HTTP server sends.
    Webstream {
        /// Where it is, and how it is asked for.
        config: WebstreamConfig,
        /// Audio that waits between server and air, in seconds from 0.5 to 60.
        buffer_s: f64,
        /// Whether its titles are passed on.
        titles: bool,
    },
}

/// An input and how it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InputStatus {
    /// Its name as a live source.
    pub id: String,
    /// Its kind (`webstream`).
    pub kind: &'static str,
    /// Its connection.
    #[serde(flatten)]
    pub link: WebstreamStatus,
    /// Its audio.
    #[serde(flatten)]
    pub feed: FeedStatus,
}

impl InputSpec {
    /// Refuses what cannot be meant.
    pub(crate) fn validate(&self, rate_hz: u32) -> Result<(), Error> {
        let refused = |error: &dyn std::fmt::Display| Error::Input(format!("input {}: {error}", self.id));
        let InputSource::Webstream { config, .. } = &self.source;
        config.validate().map_err(|error| refused(&error))?;
        self.feed(rate_hz).validate().map_err(|error| refused(&error))?;
        if let Some(tier) = self.tier.filter(|tier| !tier.takes_live()) {
            return Err(LiveError::Tier(tier).into());
        }
        if let Some(fade_in_s) = self.fade_in_s.filter(|fade_in_s| !(0.0..=60.0).contains(fade_in_s)) {
            return Err(refused(&format!(
                "fade_in_s: {fade_in_s} is not accepted, give seconds from 0 to 60"
            )));
        }
        self.live.validate().map_err(|error| refused(&error))
    }

    fn feed(&self, rate_hz: u32) -> FeedConfig {
        let InputSource::Webstream { buffer_s, titles, .. } = self.source;
        let silence_s = (self.live.silence_s > 0.0).then_some(self.live.silence_s);
        FeedConfig { id: self.id.clone(), rate_hz, buffer_s, silence_s, titles }
    }

    /// Opens it, and has it fed to `writer`.
    pub(crate) fn open(
        self,
        writer: LiveWriter,
        rate_hz: u32,
        runtime: &Handle,
        workers: &Workers,
        account: &Account,
    ) -> Result<Running, Error> {
        let feed = self.feed(rate_hz);
        let InputSource::Webstream { config, .. } = self.source;
        let (link, arrivals) =
            webstream::open(config, runtime).map_err(|error| Error::Input(error.to_string()))?;
        let (link, board) = (Arc::new(link), FeedBoard::default());
        let errand = Arc::new(Errand::new(account, &self.id));
        let running = Running { id: self.id, link: link.clone(), board: board.clone() };
        let feed = WebstreamFeed::new(feed, link, arrivals, writer, board);
        workers.keep(Box::new(Fed { feed, errand }));
        Ok(running)
    }
}

impl From<&config::InputConfig> for InputSpec {
    fn from(declared: &config::InputConfig) -> Self {
        let config::InputConfig::Webstream(declared) = declared;
        let config = WebstreamConfig {
            id: declared.id.clone(),
            url: declared.url.clone(),
            fallback_urls: declared.fallback_urls.clone(),
            stall_timeout_s: declared.stall_timeout_sec,
            retry_max_s: declared.retry_max_sec,
            return_after_s: declared.return_after_sec,
            user_agent: declared.user_agent.clone(),
            ca_file: declared.ca_file.clone(),
            ..WebstreamConfig::default()
        };
        let live = LiveConfig {
            silence_s: declared.silence_sec,
            silence_threshold_db: declared.silence_threshold_db,
            // A programme that the station lives on is waited for as long as the station lives.
            live_timeout_s: f64::INFINITY,
            ..LiveConfig::default()
        };
        Self {
            id: declared.id.clone(),
            tier: declared.tier.tier(),
            fade_in_s: Some(declared.fade_in_sec).filter(|seconds| *seconds > 0.0),
            live,
            source: InputSource::Webstream { config, buffer_s: declared.buffer_sec, titles: declared.titles },
        }
    }
}

/// An input that runs until this is dropped; then its live source signs off.
pub(crate) struct Running {
    pub(crate) id: String,
    link: Arc<Link>,
    board: FeedBoard,
}

impl Running {
    pub(crate) fn status(&self) -> InputStatus {
        let (link, feed) = (self.link.status(), self.board.status());
        InputStatus { id: self.id.clone(), kind: "webstream", link, feed }
    }

    pub(crate) fn set_urls(&self, urls: &[String]) -> Result<(), Error> {
        self.link.set_urls(urls).map_err(|error| Error::Input(error.to_string()))
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_over(&self) -> bool {
        self.board.is_over()
    }
}

impl Running {
    /// Ends it, and waits until its live source has signed off; not longer than `patience`.
    pub(crate) fn close(self, patience: Duration) {
        self.board.close();
        let end = Instant::now() + patience;
        while !self.is_over() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.board.close();
    }
}

/// A webstream in the hands of the decode workers.
struct Fed {
    feed: WebstreamFeed,
    errand: Arc<Errand>,
}

impl Feed for Fed {
    fn errand(&self) -> &Arc<Errand> {
        &self.errand
    }

    fn level(&self) -> usize {
        self.feed.level()
    }

    fn is_low(&self) -> bool {
        self.feed.is_low(Instant::now())
    }

    fn is_urgent(&self) -> bool {
        self.feed.is_urgent()
    }

    fn turn(&mut self) -> bool {
        matches!(self.feed.pump(Instant::now()), Pump::Worked | Pump::Full)
    }

    /// It costs a connection and nothing else.
    fn panicked(&mut self) -> bool {
        self.errand.panicked();
        self.feed.recover();
        true
    }
}
