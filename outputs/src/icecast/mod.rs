//! Source client: audio to a mount of an Icecast server, or to a Shoutcast server.
//!
//! It speaks on a raw socket, as HTTP libraries would send the audio in chunks, which Icecast takes for audio. Titles go
//! in band where the container carries them (Ogg), otherwise beside the audio by `/admin/metadata`, when the audio that
//! they belong to has been sent. Icecast then marks what it reads next (in pieces of 1400 bytes) and shows the title at the
//! listener's next block: late by the time of the request and up to `<mp3-metadata-interval>` bytes, 16 000 by default.
//!
//! Icecast keeps the names and titles of MP3 and AAC mounts in ISO 8859-1 unless its configuration gives the mount a
//! `<charset>UTF-8</charset>`; what airchain sends is UTF-8 and says so.

mod answer;
mod config;
mod dialect;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod link;
mod shoutcast;
mod sink;
mod text;
mod titles;

use std::sync::Arc;

use airchain_codecs::Codec;
use airchain_codecs::container;
use airchain_net::{Dialler, Network};
use async_trait::async_trait;

pub use config::{IcecastConfig, InvalidIcecast, Protocol};

use self::config::Target;
use self::dialect::About;
use self::link::Link;
use self::sink::IcecastSink;
use crate::info::{Field, SinkInfo};
use crate::sink::{Opening, Output, Retry, Sink, SinkError};

/// Its line in the table of sinks.
pub const INFO: SinkInfo = SinkInfo {
    name: "icecast",
    summary: "sends to a mount of an Icecast server, with titles, and reconnects by itself",
    fields: &[
        Field::required("url", "icecast://user:password@host:port/mount; icecast+tls:// for TLS"),
        Field::optional("name", "name of the station; the station's own by default"),
        Field::optional("description", "what listeners read about it"),
        Field::optional("genre", "genre"),
        Field::optional("homepage", "address of the station's web page"),
        Field::optional("public", "list it in public directories: true or false (default)"),
        Field::optional("protocol", "put (default), source for servers before Icecast 2.4, or shoutcast"),
        Field::optional("ca_file", "PEM file of certificates to trust beside the system's, for TLS"),
    ],
};

/// An Icecast mount to feed.
pub struct IcecastOutput {
    config: IcecastConfig,
    target: Target,
    dialler: Arc<dyn Dialler>,
}

impl IcecastOutput {
    /// Checks the configuration. Nothing is connected yet.
    pub fn new(config: IcecastConfig) -> Result<Self, InvalidIcecast> {
        let network = Network::new(config.ca_file.clone());
        Self::over(config, Arc::new(network))
    }

    /// The same over another network, which then sees to TLS.
    pub fn over(config: IcecastConfig, dialler: Arc<dyn Dialler>) -> Result<Self, InvalidIcecast> {
        let target = Target::parse(&config.url, config.protocol)?;
        Ok(Self { config, target, dialler })
    }
}

#[async_trait]
impl Output for IcecastOutput {
    fn describe(&self) -> String {
        format!("{} at {}", self.config.protocol.server(), self.target)
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        let (format, dialect) = (&opening.info.format, self.config.protocol.dialect());
        if let Some(why) = dialect.refuses(format.codec) {
            let message = format!("{}: {why}", self.describe());
            return Err(SinkError { message, retry: Retry::Seldom });
        }
        // Ogg carries its titles itself.
        let in_band = !matches!(format.codec, Codec::Mp3 | Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2);
        let muxer = container::for_stream(&opening.info);
        let link = Link::new(self.target.clone(), dialect, Arc::clone(&self.dialler), self.describe());
        let mut peer = link.connect().await?;
        let about = About { config: &self.config, format, mime: muxer.mime() };
        dialect.enter(&link, peer.as_mut(), &about).await?;
        // A quarter of a second: Icecast shows a title only with the audio that follows it.
        let lead = u64::from(format.sample_rate_hz / 4);
        let metadata = opening.metadata.as_ref();
        Ok(Box::new(IcecastSink::new(Arc::new(link), peer, muxer, metadata, in_band, lead)))
    }
}
