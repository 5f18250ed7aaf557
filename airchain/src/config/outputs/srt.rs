//! SRT push in station files, built by the feature `srt`.

#[cfg(feature = "srt")]
use std::time::Duration;

use airchain_codecs::Format;
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, PASSTHROUGH, Place, QUALITY, SAMPLE_RATE};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is, unset};
use crate::error::Error;
use crate::output::Target;

/// SRT push of MPEG-TS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SrtConfig {
    /// `srt://host:port`.
    pub url: String,
    /// Receiver's buffer, in ms.
    pub latency_ms: u32,
    /// By which the receiver tells streams apart.
    pub stream_id: Option<String>,
    /// With one the stream is encrypted. Never log it.
    pub passphrase: Option<String>,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

pub(super) const SRT: Section = Section {
    name: "srt",
    help: "SRT push of MPEG-TS to a receiver that listens, where airchain is built with the feature `srt`.",
    fields: &[
        field("url", Url(&["srt"]), NEEDED, "srt://host:port"),
        field(
            "latency_ms",
            Integer { min: 20, max: 60_000, unit: "ms" },
            is("200"),
            "the receiver's buffer: the time in which what is lost can be sent again",
        ),
        field("stream_id", Text(512), unset("none"), "by which the receiver tells streams apart"),
        field(
            "passphrase",
            Secret,
            unset("none: in the clear"),
            "10 to 79 bytes; with one the stream is encrypted",
        ),
        field("format", Choice(&["aac", "he-aac", "he-aac-v2", "mp3"]), is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
        PASSTHROUGH,
    ],
};

impl Declared for SrtConfig {
    fn section(&self) -> &'static Section {
        &SRT
    }

    fn encoding(&self) -> Option<&Encoding> {
        Some(&self.encoding)
    }

    fn is_built(&self) -> bool {
        cfg!(feature = "srt")
    }

    fn check(&self, place: &str, _rate_hz: u32, rules: &mut Rules) {
        let field = format!("{place}.url");
        if let Ok(url) = url::Url::parse(&self.url) {
            let is_bare = url.username().is_empty() && url.query().is_none() && url.path().len() < 2;
            if url.port().is_none() || !is_bare {
                let problem = "names more or less than a host and a port".into();
                rules.error(field.clone(), Some(&self.url), problem, "srt://host:port");
            }
        }
        if self.passphrase.as_ref().is_some_and(|secret| !(10..=79).contains(&secret.len())) {
            let problem = "no passphrase that receivers take".into();
            rules.error(format!("{place}.passphrase"), None, problem, "10 to 79 bytes");
        }
        rules.unique(
            &field,
            &format!("srt {} {:?}", self.url, self.stream_id),
            &self.url,
            "a receiver of its own",
        );
    }

    #[cfg(feature = "srt")]
    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let target = airchain_outputs::srt::SrtConfig {
            url: self.url.clone(),
            latency: Duration::from_millis(self.latency_ms.into()),
            stream_id: self.stream_id.clone(),
            passphrase: self.passphrase.clone(),
        };
        Ok((place.format(&self.encoding)?, Target::Srt(target)))
    }

    #[cfg(not(feature = "srt"))]
    fn target(&self, _place: &Place<'_>) -> Result<(Format, Target), Error> {
        Err(Error::Output("output.type: srt is not in this build, whose feature `srt` is off".into()))
    }
}
