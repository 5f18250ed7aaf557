//! MPEG-DASH in station files.

use std::path::PathBuf;

use airchain_codecs::Format;
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, Place, QUALITY, SAMPLE_RATE, SEGMENT_FORMATS, not_built};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is};
use crate::error::Error;
use crate::output::Target;

/// MPEG-DASH; not in this build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DashConfig {
    /// Folder of manifest and segments.
    pub path: PathBuf,
    /// Length of a segment, in seconds.
    pub segment_duration_sec: f64,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

pub(super) const DASH: Section = Section {
    name: "dash",
    help: "MPEG-DASH.",
    fields: &[
        field("path", Path, NEEDED, "folder of manifest and segments"),
        field(
            "segment_duration_sec",
            Number { min: 0.5, max: 60.0, unit: "s" },
            is("6"),
            "length of a segment",
        ),
        field("format", SEGMENT_FORMATS, is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
    ],
};

impl Declared for DashConfig {
    fn section(&self) -> &'static Section {
        &DASH
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
