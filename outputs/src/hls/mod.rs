//! HTTP Live Streaming to a directory that a web server serves (RFC 8216).
//!
//! ```text
//! <path>/index.m3u8                  what players open: codec and bit rate
//! <path>/live.m3u8                   the window of segments
//! <path>/<unix-ms>-<sequence>.ts     segments: when each began, and its media sequence number
//! <path>/<name>/live.m3u8, ...       the same of each further rendition, by its name
//! ```
//!
//! Names are never used twice, so segments may be cached for ever and playlists for half a segment. A restart takes
//! up the playlist it finds: numbers go on, old entries stay as they were, the join is a discontinuity. A clean end
//! publishes what is left and `EXT-X-ENDLIST`, which the next start takes away again; with `end_on_close: false` it leaves
//! the playlist open, for players to wait at.
//!
//! Titles are timed ID3 metadata in the segments, with the time stamp of the packet of audio that first belongs to them;
//! each segment begins with the title that is true there.
//!
//! With `renditions` the output's own encoding lies where it lies without them, each further one in a folder below.
//! All are cut at the same frames of the programme: one number is one stretch of it in all of them, with the same date
//! and the same discontinuities before it, also after restarts. `index.m3u8` names those of which something is published,
//! the highest bandwidth first, which players begin with.
//!
//! ```text
//! alone:     packets ─► `segmenter` ───────────────┐
//!                                                  ├─► `publisher` (order of things) ─► `store` (files)
//! several:   packets ─► `aligned` ─► `rendition` ──┘
//!                       (cut by one `timeline`, numbered and named by one `presentation`)
//! ```
//!
//! The texts are from `playlist` and `multivariant`; `segment` is what both segmenters fill.

mod aligned;
mod multivariant;
mod playlist;
mod presentation;
mod publisher;
mod rendition;
mod segment;
mod segmenter;
mod store;
mod timeline;

use std::path::PathBuf;
use std::sync::Arc;

use airchain_codecs::container::segment::{Container, SegmentError};
use airchain_codecs::packet::Packet;
use airchain_codecs::{Codec, Format};
use airchain_core::item::Metadata;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use self::multivariant::Variant;
use self::playlist::Entry;
use self::presentation::Presentation;
use self::publisher::Publisher;
use self::segment::Segment;
use self::segmenter::{Grid, Segmenter};
use self::store::Directory;
use crate::disk;
use crate::info::{Field, SinkInfo};
use crate::sink::{Opening, Output, Retry, Sink, SinkError};

/// Name of the media playlist.
pub const PLAYLIST: &str = "live.m3u8";
/// Name of the multivariant playlist, which players open.
pub const INDEX: &str = "index.m3u8";

/// The line of this output in the table of sinks.
pub const INFO: SinkInfo = SinkInfo {
    name: "hls",
    summary: "writes HLS segments and playlists to a directory for a web server",
    fields: &[
        Field::required("path", "directory of its own; index.m3u8 in it is what players open"),
        Field::optional("segment_duration_sec", "length of a segment in seconds, 0.5 to 60; 4 by default"),
        Field::optional("playlist_size", "segments in the playlist, 3 to 10000; 6 by default"),
        Field::optional(
            "retain_segments",
            "segments kept on disk after they left the playlist; playlist_size + 1 by default",
        ),
        Field::optional(
            "end_on_close",
            "whether closing ends the playlist (EXT-X-ENDLIST), or leaves players to wait for the next start; true by default",
        ),
    ],
};

/// Whether HLS can carry a codec.
pub fn carries(codec: Codec) -> bool {
    multivariant::codec_name(codec).is_some()
}

/// What an HLS output is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct HlsConfig {
    /// Directory, of its own; created where needed.
    pub path: PathBuf,
    /// Length of a segment in seconds, 0.5 to 60.
    pub segment_duration_s: f64,
    /// Segments in the playlist, 3 to 10000.
    pub playlist_size: usize,
    /// Segments kept on disk after they have left the playlist. RFC 8216 (6.2.2) asks for as long as the playlist
    /// and a segment last, which `playlist_size + 1` is.
    pub retain_segments: usize,
    /// Whether closing ends the playlist, which stops players for good; else they wait for the next start to go on.
    pub end_on_close: bool,
    /// Further encodings of the programme, each in a folder of its own below `path`.
    pub renditions: Vec<RenditionConfig>,
}

/// A further encoding of an HLS output.
#[derive(Clone, Debug, PartialEq)]
pub struct RenditionConfig {
    /// Its folder's name; see [`is_rendition_name`].
    pub name: String,
    /// How the audio is encoded.
    pub format: Format,
}

/// Whether a rendition may be called so: letters, digits, `.`, `_` and `-`, as it is part of a path and a URL, and nothing
/// that HLS outputs call their files.
pub fn is_rendition_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let ours = [".m3u8", ".ts", ".old"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    plain && !ours && !name.starts_with('.') && (1..=64).contains(&name.len())
}

impl HlsConfig {
    /// The defaults: 4 s, 6 segments, 7 retained, and no further renditions.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            segment_duration_s: 4.0,
            playlist_size: 6,
            retain_segments: 7,
            end_on_close: true,
            renditions: Vec::new(),
        }
    }

    /// Refuses what cannot be meant, naming the field, its value and what would do.
    pub fn validate(&self) -> Result<(), InvalidHls> {
        let invalid = |field, value: String, accepted| Err(InvalidHls { field, value, accepted });
        if self.path.as_os_str().is_empty() {
            return invalid("path", "\"\"".into(), "a directory");
        }
        if !(0.5..=60.0).contains(&self.segment_duration_s) {
            return invalid(
                "segment_duration_sec",
                self.segment_duration_s.to_string(),
                "seconds from 0.5 to 60",
            );
        }
        if !(3..=10_000).contains(&self.playlist_size) {
            return invalid("playlist_size", self.playlist_size.to_string(), "a number from 3 to 10000");
        }
        for (index, RenditionConfig { name, .. }) in self.renditions.iter().enumerate() {
            // Some file systems do not tell capitals from small letters.
            let same = |other: &RenditionConfig| other.name.eq_ignore_ascii_case(name);
            if !is_rendition_name(name) || self.renditions.iter().take(index).any(same) {
                return invalid("renditions.name", format!("{name:?}"), RENDITION_NAMES);
            }
        }
        Ok(())
    }
}

/// What names of renditions are accepted.
pub const RENDITION_NAMES: &str =
    "a name of its own of letters, digits, `.`, `_` and `-`, that is not a file's of HLS";

/// A field of an [`HlsConfig`] that cannot be meant. The caller corrects it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is not accepted, give {accepted}")]
pub struct InvalidHls {
    /// The field's name in a station file.
    pub field: &'static str,
    /// What it held.
    pub value: String,
    /// What would be accepted.
    pub accepted: &'static str,
}

/// The outputs that together are one HLS output: the first is for its own encoding, the others for its renditions in their
/// order, each to be given packets of its format. Their encoders run on the audio of one station.
pub fn outputs(config: HlsConfig) -> Result<Vec<Box<dyn Output>>, InvalidHls> {
    config.validate()?;
    if config.renditions.is_empty() {
        return Ok(vec![Box::new(HlsOutput::new(config)?)]);
    }
    let count = config.renditions.len() + 1;
    let presentation = Arc::new(Presentation::new(config));
    let part =
        |index| Box::new(rendition::Rendition::new(Arc::clone(&presentation), index)) as Box<dyn Output>;
    Ok((0..count).map(part).collect())
}

/// `EXT-X-TARGETDURATION`: no segment is longer, rounded to whole seconds. There is room for at least a quarter
/// of a second beyond the wanted duration.
fn target_s(segment_duration_s: f64) -> u64 {
    ((segment_duration_s + 0.75) as u64).max(1)
}

/// An HLS output of one encoding; [`outputs`] makes those of several.
pub struct HlsOutput {
    config: HlsConfig,
    shared: Arc<Mutex<Option<Publisher>>>,
}

impl HlsOutput {
    /// An output, checked but not begun. Its renditions are left out.
    pub fn new(config: HlsConfig) -> Result<Self, InvalidHls> {
        config.validate()?;
        Ok(Self { config, shared: Arc::default() })
    }
}

#[async_trait]
impl Output for HlsOutput {
    fn describe(&self) -> String {
        format!("hls {}", self.config.path.display())
    }

    async fn open(&mut self, opening: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        let format = opening.info.format;
        let codec = multivariant::codec_name(format.codec)
            .ok_or_else(|| unfit(SegmentError::Codec { container: Container::Ts, codec: format.codec }))?;
        let (config, seconds) = (self.config.clone(), opening.epoch.as_second());
        let joins = disk::blocking(&self.shared, move |publisher| {
            // The old one holds the directory.
            *publisher = None;
            let directory = Directory::open(&config.path)?;
            directory.clear_index()?;
            let keep = (config.playlist_size, config.retain_segments);
            // So numbers go on growing even when somebody has emptied the directory.
            let fresh = u64::try_from(seconds).unwrap_or(0);
            let opened = Publisher::open(directory, keep, target_s(config.segment_duration_s), fresh)?;
            let joins = opened.joins();
            *publisher = Some(opened);
            Ok(joins)
        })
        .await?;
        let grid = Grid::new(self.config.segment_duration_s, format.sample_rate_hz);
        let segmenter =
            Segmenter::new(&opening.info, grid, joins, opening.metadata.as_ref()).map_err(unfit)?;
        let (opening, shared, end_on_close) =
            (opening.clone(), self.shared.clone(), self.config.end_on_close);
        Ok(Box::new(HlsSink { segmenter, codec, opening, shared, end_on_close }))
    }
}

struct HlsSink {
    segmenter: Segmenter,
    codec: &'static str,
    opening: Opening,
    shared: Arc<Mutex<Option<Publisher>>>,
    end_on_close: bool,
}

impl HlsSink {
    /// Publishes segments and, if it is the end, says so.
    async fn publish(&mut self, segments: Vec<Segment>, end: bool) -> Result<(), SinkError> {
        let (opening, codec) = (self.opening.clone(), self.codec);
        disk::blocking(&self.shared, move |publisher| {
            let publisher = publisher.as_mut().ok_or_else(|| SinkError {
                message: "the HLS output is closed".into(),
                retry: Retry::Soon,
            })?;
            for segment in segments {
                let entry = entry(&segment, publisher.next(), &opening);
                // Somebody may have tidied it away.
                let moves = publisher.publish(entry, &segment.data)? || !publisher.has(INDEX);
                if let Some(bandwidth) = publisher.bandwidth().filter(|_| moves) {
                    let variant = Variant { uri: PLAYLIST.to_owned(), codec, bandwidth };
                    publisher.put(INDEX, multivariant::render(vec![variant]).as_bytes())?;
                }
            }
            if end { publisher.end() } else { Ok(()) }
        })
        .await
    }
}

/// The entry of a segment.
fn entry(segment: &Segment, sequence: u64, opening: &Opening) -> Entry {
    let rate = i128::from(opening.info.format.sample_rate_hz);
    // Both ends are rounded on one scale, so that any number of durations adds up.
    let micros = |frame: i64| (i128::from(frame) * 2_000_000 + rate).div_euclid(rate * 2);
    let date = opening.time_of(segment.start).as_millisecond();
    Entry {
        sequence,
        date: Timestamp::from_millisecond(date).unwrap_or_default(),
        duration_us: (micros(segment.end) - micros(segment.start)) as u64,
        discontinuity: segment.discontinuity,
        bytes: segment.data.len() as u64,
        gap: false,
    }
}

#[async_trait]
impl Sink for HlsSink {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        let mut complete = Vec::new();
        self.segmenter.packet(packet, &mut complete).map_err(unfit)?;
        if complete.is_empty() { Ok(()) } else { self.publish(complete, false).await }
    }

    async fn title(&mut self, at: i64, metadata: &Arc<Metadata>) -> Result<(), SinkError> {
        self.segmenter.title(at, metadata);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        let rest = self.segmenter.finish();
        self.publish(rest.into_iter().collect(), self.end_on_close).await?;
        // Lets go of the directory.
        disk::blocking(&self.shared, |publisher| {
            *publisher = None;
            Ok(())
        })
        .await
    }
}

/// The encoder and HLS do not fit together; only another configuration helps.
fn unfit(error: SegmentError) -> SinkError {
    SinkError { message: format!("hls: {error}"), retry: Retry::Seldom }
}
