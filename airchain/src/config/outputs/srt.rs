//! SRT push in station files.

use airchain_codecs::Format;
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, Place, QUALITY, SAMPLE_RATE, not_built};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is};
use crate::error::Error;
use crate::output::Target;

/// SRT push; not in this build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SrtConfig {
    /// `srt://host:port`. May hold a passphrase: never log it.
    pub url: String,
    /// Receiver's buffer, in ms.
    pub latency_ms: u32,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

pub(super) const SRT: Section = Section {
    name: "srt",
    help: "SRT push of MPEG-TS.",
    fields: &[
        field("url", Url(&["srt"]), NEEDED, "srt://host:port"),
        field("latency_ms", Integer { min: 20, max: 60_000, unit: "ms" }, is("200"), "the receiver's buffer"),
        field("format", Choice(&["aac", "he-aac", "he-aac-v2", "mp3"]), is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
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
        false
    }

    fn check(&self, _place: &str, _rate_hz: u32, _rules: &mut Rules) {}

    fn target(&self, _place: &Place<'_>) -> Result<(Format, Target), Error> {
        Err(not_built(self.section().name))
    }
}
