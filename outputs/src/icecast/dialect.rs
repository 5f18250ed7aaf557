//! The seam between the languages in which servers take sources.

use airchain_codecs::{Codec, Format};
use airchain_net::Connection;
use async_trait::async_trait;

use super::config::{IcecastConfig, Protocol, Target};
use super::http::Http;
use super::link::Link;
use super::shoutcast::Shoutcast;
use crate::sink::SinkError;

/// What a source says of itself.
pub(crate) struct About<'a> {
    pub(crate) config: &'a IcecastConfig,
    pub(crate) format: &'a Format,
    pub(crate) mime: &'a str,
}

/// One language: what is said and what the answers to it mean. The [`Link`] carries it.
#[async_trait]
pub(crate) trait Dialect: Send + Sync {
    /// Port that a source connects to; titles go to the target's own.
    fn source_port(&self, target: &Target) -> u16 {
        target.port
    }

    /// Why such audio cannot be sent, if it cannot.
    fn refuses(&self, codec: Codec) -> Option<&'static str>;

    /// Asks on a fresh connection to be let in. Afterwards audio may follow.
    async fn enter(&self, link: &Link, peer: &mut dyn Connection, about: &About<'_>)
    -> Result<(), SinkError>;

    /// The request that sets the title beside the audio.
    fn title(&self, target: &Target, song: &str) -> String;
}

impl Protocol {
    /// How it is spoken.
    pub(crate) fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Put => &Http { legacy: false },
            Self::Source => &Http { legacy: true },
            Self::Shoutcast => &Shoutcast,
        }
    }
}
