//! Recordings in station files.

use std::path::PathBuf;

use airchain_codecs::Format;
use airchain_outputs::recording;
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, FILE_FORMATS, MODE, PASSTHROUGH, Place, QUALITY, SAMPLE_RATE};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is};
use crate::error::Error;
use crate::output::Target;

/// Recordings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingConfig {
    /// Folder of the files.
    pub path: PathBuf,
    /// Length of a file, in minutes of the wall clock.
    pub rotate_minutes: u32,
    /// Files older than this many days are removed; 0 keeps them.
    pub rotation_days: u32,
    /// The oldest files are removed when the folder's recordings exceed this; 0 is no limit.
    pub max_size_gb: f64,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

pub(super) const RECORDING: Section = Section {
    name: "recording",
    help: "Timestamped files of the programme, rotated without losing a sample.",
    fields: &[
        field("path", Path, NEEDED, "folder of the files"),
        field("rotate_minutes", Integer { min: 1, max: 1440, unit: "min" }, is("60"), "length of a file"),
        field(
            "rotation_days",
            Integer { min: 0, max: 36_500, unit: "days" },
            is("0"),
            "files older than this are removed; 0 keeps them",
        ),
        field(
            "max_size_gb",
            Number { min: 0.0, max: 1_000_000.0, unit: "GB" },
            is("0"),
            "the oldest files are removed above this total; 0 is no limit",
        ),
        field("format", FILE_FORMATS, is("mp3"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
        PASSTHROUGH,
    ],
};

impl Declared for RecordingConfig {
    fn section(&self) -> &'static Section {
        &RECORDING
    }

    fn encoding(&self) -> Option<&Encoding> {
        Some(&self.encoding)
    }

    fn check(&self, place: &str, _rate_hz: u32, rules: &mut Rules) {
        let path = self.path.to_string_lossy();
        rules.unique(&format!("{place}.path"), &format!("recording {path}"), &path, "a folder of its own");
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let target = recording::RecordingConfig {
            rotate_every_s: u64::from(self.rotate_minutes) * 60,
            retention_days: self.rotation_days,
            max_total_bytes: (self.max_size_gb * 1e9) as u64,
            station: place.station.to_owned(),
            ..recording::RecordingConfig::new(&self.path)
        };
        Ok((place.format(&self.encoding)?, Target::Recording(target)))
    }
}
