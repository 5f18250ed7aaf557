//! MPEG-DASH in station files.

use std::path::PathBuf;

use airchain_codecs::Format;
use airchain_codecs::container::segment::Container;
use airchain_outputs::hls;
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, Place, QUALITY, SAMPLE_RATE};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is};
use crate::error::Error;
use crate::output::Target;

/// MPEG-DASH of CMAF segments.
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
    help: "MPEG-DASH (ISO/IEC 23009-1): manifest.mpd over CMAF segments. HLS playlists lie beside it, by which a restart goes on; an output of type hls with `dash: true` is the same with more to set.",
    fields: &[
        field("path", Path, NEEDED, "folder of manifest and segments"),
        field(
            "segment_duration_sec",
            Number { min: 0.5, max: 60.0, unit: "s" },
            is("6"),
            "length of a segment",
        ),
        field("format", Choice(&["aac", "he-aac", "he-aac-v2", "opus", "flac"]), is("aac"), "codec"),
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

    fn check(&self, place: &str, _rate_hz: u32, rules: &mut Rules) {
        let kept = hls::HlsConfig::new(&self.path).store.place();
        let folder = kept.trim_end_matches('/');
        let accepted = "a folder of its own, or `dash: true` in the hls output";
        rules.unique(&format!("{place}.path"), &format!("hls {folder}"), folder, accepted);
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let mut target = hls::HlsConfig::new(&self.path);
        (target.container, target.dash) = (Container::Fmp4, true);
        target.segment_duration_s = self.segment_duration_sec;
        Ok((place.format(&self.encoding)?, Target::Dash(target)))
    }
}
