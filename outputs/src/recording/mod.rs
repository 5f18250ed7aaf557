//! Recordings: the programme in timestamped files.
//!
//! A file is named by the time of its first sample (and by titles, if it is to be) and holds the programme up to the next one, packet by packet:
//! nothing is lost or doubled where they meet. Joined, the decoded files are exactly the programme for WAV and FLAC,
//! and for MP3, Opus and Vorbis wherever decoders heed what the file says to trim: there a file begins with a little
//! of the one before, which warms the decoder up and is trimmed. ADTS cannot say so; its files are exact joined as
//! bytes, and the first access unit of each (21 ms) decodes softly when played by itself.
//!
//! What has been recorded is in the file within a second and can be played from there, also after a kill. Files that
//! exist are never written to. On a full disk the file under way is completed, and a new one begins within five seconds
//! of there being room again, with up to a minute of what came meanwhile.

mod catalog;
mod cue;
mod file;
mod name;
mod recorder;
mod reserve;
mod retention;
mod titles;

use std::path::PathBuf;
use std::sync::Arc;

use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;
use async_trait::async_trait;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use self::name::Naming;
use self::recorder::Recorder;
use crate::disk;
use crate::info::{Field, SinkInfo};
use crate::sink::{Opening, Output, Sink, SinkError};

/// The line of this output in the table of sinks.
pub const INFO: SinkInfo = SinkInfo {
    name: "recording",
    summary: "records the programme to timestamped files, rotated without losing a sample",
    fields: &[
        Field::required("path", "directory of the files"),
        Field::optional(
            "rotate_minutes",
            "length of a file in minutes, on the wall clock of the station's zone; 60 by default",
        ),
        Field::optional("rotate_size_mb", "size in MB at which a file is cut; 0 (default) is no limit"),
        Field::optional("rotation_days", "recordings older than this are removed; 0 (default) keeps them"),
        Field::optional(
            "max_size_gb",
            "above this total the oldest recordings are removed; 0 (default) is no limit",
        ),
        Field::optional(
            "name",
            "names of the files: strftime fields and {station}, {id}, {mount}, {title}, {artist}",
        ),
        Field::optional("cue", "whether a cue sheet is kept beside each file"),
    ],
};

/// What a recording is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingConfig {
    /// Directory; created where needed.
    pub path: PathBuf,
    /// Extension of the files, which says the container; the codec's usual one when empty.
    pub extension: String,
    /// Seconds of wall-clock time per file, counted from midnight of 1970-01-01 in `zone`, so that 3600 cuts on the hour
    /// and 86 400 at midnight, also behind a change of the clocks; 0 never cuts.
    pub rotate_every_s: u64,
    /// A file that has reached this size is cut; 0 is no limit.
    pub rotate_max_bytes: u64,
    /// Days after its end that a recording is kept; 0 is for ever.
    pub retention_days: u32,
    /// Above this total, cue sheets included, the oldest recordings of this name template and extension are removed; 0 is
    /// no limit.
    pub max_total_bytes: u64,
    /// Name of a file without its extension: `strftime` fields of the time of its first sample in `zone`, and the words
    /// `{station}`, `{id}`, `{mount}` (see `labels`), `{title}` and `{artist}` (what is true of that sample). The fields must
    /// tell every second from every other. What titles bring with them is made safe: letters, digits and ` ._-+()@,`, at
    /// most 64 bytes.
    ///
    /// Files of such names in `path` count as recordings of this output. Where a title is part of the name, only those do
    /// that a list in `path` has, which this output keeps; its name begins with a dot.
    pub name: String,
    /// What stands for this output in names.
    pub labels: Labels,
    /// Time zone of names and of the grid of `rotate_every_s`.
    pub zone: TimeZone,
    /// Whether a cue sheet is kept beside each file, named as it is, `.cue`: what was played when. It is there from the
    /// first second on, and is removed with its file.
    pub cue: bool,
    /// Name of the station, for the files' tags.
    pub station: String,
}

/// What stands for an output in the names of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// `{station}`: the station's id.
    pub station: String,
    /// `{id}`: the output's id.
    pub id: String,
    /// `{mount}`: the id of its mount.
    pub mount: String,
}

impl RecordingConfig {
    /// The defaults: a file per hour, named `2026-03-01_06-00-00`, all of them kept.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            extension: String::new(),
            rotate_every_s: 3600,
            rotate_max_bytes: 0,
            retention_days: 0,
            max_total_bytes: 0,
            name: "%Y-%m-%d_%H-%M-%S".into(),
            labels: Labels::default(),
            zone: TimeZone::UTC,
            cue: false,
            station: String::new(),
        }
    }

    /// Refuses what cannot be meant, naming the field, its value and what would do.
    pub fn validate(&self) -> Result<(), InvalidRecording> {
        let invalid = |field, value: String, accepted| Err(InvalidRecording { field, value, accepted });
        if self.path.as_os_str().is_empty() {
            return invalid("path", "\"\"".into(), "a directory");
        }
        if !self.extension.chars().all(|c| c.is_ascii_alphanumeric()) {
            return invalid("extension", self.extension.clone(), "letters and digits, without the dot");
        }
        if self.naming("x").is_none() {
            let accepted = "date and time to the second without slashes and colons, as %Y-%m-%d_%H-%M-%S, and of {station}, {id}, {mount}, {title} and {artist} what has room in 230 bytes";
            return invalid("name", self.name.clone(), accepted);
        }
        Ok(())
    }

    fn naming(&self, extension: &str) -> Option<Naming> {
        Naming::new(&self.name, &self.labels, &self.zone, extension)
    }
}

/// A field of a [`RecordingConfig`] that cannot be meant. The caller corrects it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is not accepted, give {accepted}")]
pub struct InvalidRecording {
    /// The field's name.
    pub field: &'static str,
    /// What it held.
    pub value: String,
    /// What would be accepted.
    pub accepted: &'static str,
}

/// A recording.
pub struct RecordingOutput {
    path: PathBuf,
    shared: Arc<Mutex<Recorder>>,
}

impl RecordingOutput {
    /// An output, checked but not begun.
    pub fn new(config: RecordingConfig) -> Result<Self, InvalidRecording> {
        config.validate()?;
        Ok(Self { path: config.path.clone(), shared: Arc::new(Mutex::new(Recorder::new(config))) })
    }
}

#[async_trait]
impl Output for RecordingOutput {
    fn describe(&self) -> String {
        format!("recording {}", self.path.display())
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        let told = opening.clone();
        disk::blocking(&self.shared, move |recorder| recorder.open(&told)).await?;
        let sink = RecordingSink {
            opening: opening.clone(),
            shared: self.shared.clone(),
            packets: Vec::new(),
            titles: Vec::new(),
            frames: 0,
        };
        Ok(Box::new(sink))
    }
}

struct RecordingSink {
    opening: Opening,
    shared: Arc<Mutex<Recorder>>,
    /// Not yet given to the recorder: packets and how many frames they are, titles.
    packets: Vec<Packet>,
    titles: Vec<(i64, Arc<Metadata>)>,
    frames: u64,
}

impl RecordingSink {
    async fn write(&mut self, end: bool) -> Result<(), SinkError> {
        let (packets, titles) = (std::mem::take(&mut self.packets), std::mem::take(&mut self.titles));
        self.frames = 0;
        let opening = self.opening.clone();
        disk::blocking(&self.shared, move |recorder| {
            recorder.note(&titles);
            recorder.take(packets, opening.info.format.sample_rate_hz);
            recorder.write(&opening)?;
            if end { recorder.finish() } else { Ok(()) }
        })
        .await
    }
}

#[async_trait]
impl Sink for RecordingSink {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        self.packets.push(packet.clone());
        self.frames += u64::from(packet.duration);
        // Half a second, so that with the time it takes to get here a file is never a second behind.
        let due = self.frames * 2 >= u64::from(self.opening.info.format.sample_rate_hz);
        if due { self.write(false).await } else { Ok(()) }
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        self.titles.push((at, Arc::clone(metadata)));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.write(true).await
    }
}
