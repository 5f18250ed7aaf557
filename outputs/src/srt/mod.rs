//! SRT push (draft-sharabayko-srt-01): MPEG-TS by datagrams to a receiver that listens, which asks again for what was lost.
//!
//! Messages are seven transport packets (1316 bytes), PAT and PMT come every 100 ms, titles as timed ID3 as in HLS. Each
//! message carries the moment at which its audio is due, as the receiver gives it out by that, one latency later: encoders hand over
//! a fifth of a second at a time, and nobody hears of it.

mod config;
mod sink;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use airchain_codecs::container::ts::TsMuxer;
use async_trait::async_trait;
use srt_tokio::SrtSocket;
use srt_tokio::options::{KeySize, Passphrase};
use tokio::net::lookup_host;
use tokio::time::timeout;

pub use config::{InvalidSrt, SrtConfig};

use self::config::Receiver;
use self::sink::SrtSink;
use crate::info::{Field, SinkInfo};
use crate::sink::{Opening, Output, Retry, Sink, SinkError};

/// Longest time to find the address of a host.
const LOOKUP: Duration = Duration::from_secs(5);
/// Longest time for the receiver to agree.
const AGREE: Duration = Duration::from_secs(5);
/// A receiver that says nothing for so long is gone.
const IDLE: Duration = Duration::from_secs(5);

/// Its line in the table of sinks.
pub const INFO: SinkInfo = SinkInfo {
    name: "srt",
    summary: "pushes MPEG-TS to an SRT receiver, encrypted where wanted",
    fields: &[
        Field::required("url", "srt://host:port"),
        Field::optional("latency_ms", "the receiver's buffer, 200 by default"),
        Field::optional("stream_id", "by which the receiver tells streams apart"),
        Field::optional("passphrase", "10 to 79 bytes; encrypts"),
    ],
};

/// An SRT receiver to push to.
pub struct SrtOutput {
    config: SrtConfig,
    receiver: Receiver,
}

impl SrtOutput {
    /// Checks the configuration. Nothing is connected yet.
    pub fn new(config: SrtConfig) -> Result<Self, InvalidSrt> {
        let receiver = Receiver::of(&config)?;
        Ok(Self { config, receiver })
    }

    fn failed(&self, why: &str, retry: Retry) -> SinkError {
        SinkError { message: format!("{}: {why}", self.describe()), retry }
    }

    async fn address(&self) -> Result<SocketAddr, SinkError> {
        let host = self.receiver.host.trim_start_matches('[').trim_end_matches(']');
        let found = timeout(LOOKUP, lookup_host((host, self.receiver.port))).await;
        let first = found.ok().and_then(Result::ok).and_then(|mut addresses| addresses.next());
        first.ok_or_else(|| {
            self.failed("the host name is not known; check it and the name server", Retry::Soon)
        })
    }

    async fn call(&self, address: SocketAddr) -> Result<SrtSocket, SinkError> {
        let (latency, passphrase) = (self.config.latency, self.config.passphrase.clone());
        let passphrase = passphrase.map(Passphrase::try_from).transpose();
        let passphrase = passphrase.map_err(|error| self.failed(&error.to_string(), Retry::Seldom))?;
        let builder = SrtSocket::builder().latency(latency).set(|options| {
            options.connect.timeout = AGREE;
            options.session.peer_idle_timeout = IDLE;
            if passphrase.is_some() {
                options.encryption.key_size = KeySize::AES128;
            }
            options.encryption.passphrase = passphrase;
        });
        builder.call(address, self.config.stream_id.as_deref()).await.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => self.failed(
                &format!("nobody answers within {AGREE:?}; check that a receiver listens there by SRT (UDP), and the firewall"),
                Retry::Soon,
            ),
            ErrorKind::ConnectionRefused => {
                // The library has its own words, and their only code is in them.
                let said = error.to_string();
                let wrong = said.contains("password");
                let (hint, retry) = match wrong {
                    true => ("correct the passphrase", Retry::Seldom),
                    false => ("see its log", Retry::Soon),
                };
                self.failed(&format!("the receiver refuses ({said}); {hint}"), retry)
            }
            _ => self.failed(&format!("no connection ({error}); check the network"), Retry::Soon),
        })
    }
}

#[async_trait]
impl Output for SrtOutput {
    fn describe(&self) -> String {
        format!("srt to {}", self.receiver)
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        let muxer = TsMuxer::new(&opening.info)
            .map_err(|error| self.failed(&format!("{error}; choose aac or mp3"), Retry::Seldom))?;
        let address = self.address().await?;
        let socket = self.call(address).await?;
        let rate_hz = opening.info.format.sample_rate_hz;
        let metadata = opening.metadata.as_ref().map(Arc::clone);
        let latency = self.config.latency;
        Ok(Box::new(SrtSink::new(self.describe(), socket, muxer, rate_hz, latency, metadata)))
    }
}
