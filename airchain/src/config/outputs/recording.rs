//! Recordings in station files.

use std::path::PathBuf;

use airchain_codecs::Format;
use airchain_outputs::recording;
use jiff::tz::TimeZone;
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
    /// Length of a file, in minutes of the wall clock of the station's zone; 0 is no limit.
    pub rotate_minutes: u32,
    /// Size at which a file is cut, in MB (10^6 bytes); 0 is no limit.
    pub rotate_size_mb: u32,
    /// Files older than this many days are removed; 0 keeps them.
    pub rotation_days: u32,
    /// The oldest files are removed when the folder's recordings exceed this; 0 is no limit.
    pub max_size_gb: f64,
    /// Names of the files, without extension: `strftime` fields in the station's zone and words in braces.
    pub name: String,
    /// Whether a cue sheet is kept beside each file.
    pub cue: bool,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

pub(super) const RECORDING: Section = Section {
    name: "recording",
    help: "Timestamped files of the programme, rotated without losing a sample.",
    fields: &[
        field("path", Path, NEEDED, "folder of the files"),
        field(
            "rotate_minutes",
            Integer { min: 0, max: 1440, unit: "min" },
            is("60"),
            "length of a file, by the clock of the station's `timezone`: 60 cuts on the hour, 1440 at midnight; 0 does not",
        ),
        field(
            "rotate_size_mb",
            Integer { min: 0, max: 1_000_000, unit: "MB" },
            is("0"),
            "a file is cut when it has this size; 0 is no limit",
        ),
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
        field(
            "name",
            Text(200),
            is("%Y-%m-%d_%H-%M-%S"),
            "names of the files: date and time to the second as strftime fields, in the station's `timezone`, and `{station}`, `{mount}`, `{id}` (their ids), `{artist}`, `{title}` (what is on air where the file begins), made safe",
        ),
        field(
            "cue",
            Switch,
            is("false"),
            "a cue sheet beside each file: what was played when; removed with it",
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
        let zone = rules.zone().clone();
        if let Err(invalid) = self.recording(zone).validate() {
            let field = format!("{place}.{}", invalid.field);
            rules.error(field, Some(&invalid.value), "cannot be used".into(), invalid.accepted);
        }
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let target = recording::RecordingConfig {
            station: place.station.to_owned(),
            labels: recording::Labels {
                station: place.station_id.to_owned(),
                id: place.id.to_owned(),
                mount: place.mount_id.to_owned(),
            },
            ..self.recording(place.zone.clone())
        };
        Ok((place.format(&self.encoding)?, Target::Recording(target)))
    }
}

impl RecordingConfig {
    /// What the recording is asked to do, but for whose it is.
    fn recording(&self, zone: TimeZone) -> recording::RecordingConfig {
        recording::RecordingConfig {
            rotate_every_s: u64::from(self.rotate_minutes) * 60,
            rotate_max_bytes: u64::from(self.rotate_size_mb) * 1_000_000,
            retention_days: self.rotation_days,
            max_total_bytes: (self.max_size_gb * 1e9) as u64,
            name: self.name.clone(),
            zone,
            cue: self.cue,
            ..recording::RecordingConfig::new(&self.path)
        }
    }
}
