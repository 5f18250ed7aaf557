//! WAV files in station files.

use std::path::{Path, PathBuf};

use airchain_codecs::{Codec, Format};
use airchain_outputs::recording::RecordingConfig;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Declared, Place};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is};
use crate::error::Error;
use crate::output::Target;

/// One WAV file of the programme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WavConfig {
    /// The file.
    pub path: PathBuf,
    /// How samples are written.
    pub sample_format: SampleFormat,
}

/// How linear samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleFormat {
    /// 16 bits, dithered.
    S16,
    /// 24 bits.
    S24,
    /// 32-bit float.
    F32,
}

pub(super) const WAV: Section = Section {
    name: "wav",
    help: "One WAV file of the programme, at the station's rate.",
    fields: &[
        field("path", Path, NEEDED, "the file"),
        field(
            "sample_format",
            Choice(&["s16", "s24", "f32"]),
            is("s24"),
            "16 bits dithered, 24 bits, 32-bit float",
        ),
    ],
};

impl Declared for WavConfig {
    fn section(&self) -> &'static Section {
        &WAV
    }

    fn encoding(&self) -> Option<&Encoding> {
        None
    }

    fn check(&self, place: &str, _rate_hz: u32, rules: &mut Rules) {
        let path = self.path.to_string_lossy();
        rules.unique(&format!("{place}.path"), &format!("wav {path}"), &path, "a file of its own");
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let codec = match self.sample_format {
            SampleFormat::S16 => Codec::PcmS16,
            SampleFormat::S24 => Codec::PcmS24,
            SampleFormat::F32 => Codec::PcmF32,
        };
        let format = Format { sample_rate_hz: place.rate_hz, ..Format::of(codec) };
        Ok((format, Target::Recording(one_file(&self.path, place.station, place.zone.clone()))))
    }
}

/// A recording that is never cut. The time is added to its name: a station that starts again must not write over
/// what it recorded before.
fn one_file(path: &Path, station: &str, zone: TimeZone) -> RecordingConfig {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().replace('%', "%%");
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    RecordingConfig {
        extension: "wav".into(),
        rotate_every_s: 0,
        name: format!("{stem}_%Y-%m-%d_%H-%M-%S"),
        station: station.to_owned(),
        zone,
        ..RecordingConfig::new(folder)
    }
}
