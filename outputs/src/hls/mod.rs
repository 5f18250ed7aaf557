//! HTTP Live Streaming to a directory that a web server serves (RFC 8216).
//!
//! ```text
//! <path>/index.m3u8                  what players open: codec and bit rate
//! <path>/live.m3u8                   the window of segments
//! <path>/<unix-ms>-<sequence>.ts     segments: when each began, and its media sequence number
//! ```
//!
//! Names are never used twice, so segments may be cached for ever and playlists for half a segment. A restart takes
//! up the playlist it finds: numbers go on, old entries stay as they were, the join is a discontinuity. A clean end
//! publishes what is left and `EXT-X-ENDLIST`, which the next start takes away again.
//!
//! Titles are timed ID3 metadata in the segments, with the time stamp of the packet of audio that first belongs to them;
//! each segment begins with the title that is true there.
//!
//! packets ─► `segmenter` (pure) ─► `publisher` (order of things) ─► `store` (files), with the texts from `playlist`
//! and `multivariant`.

mod multivariant;
mod playlist;
mod publisher;
mod segmenter;
mod store;

use std::path::PathBuf;
use std::sync::Arc;

use airchain_codecs::Codec;
use airchain_codecs::container::ts::TsError;
use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;
use async_trait::async_trait;
use tokio::sync::Mutex;

use self::publisher::Publisher;
use self::segmenter::{Grid, Segment, Segmenter};
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
}

impl HlsConfig {
    /// The defaults: 4 s, 6 segments, and 7 retained.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), segment_duration_s: 4.0, playlist_size: 6, retain_segments: 7 }
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
            return invalid("playlist_size", self.playlist_size.to_string(), "a number from 3 to 100000");
        }
        Ok(())
    }
}

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

/// An HLS output.
pub struct HlsOutput {
    config: HlsConfig,
    shared: Arc<Mutex<Option<Publisher>>>,
}

impl HlsOutput {
    /// An output, checked but not begun.
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
        let codec =
            multivariant::codec_name(format.codec).ok_or_else(|| unfit(TsError::Codec(format.codec)))?;
        let grid = Grid::new(self.config.segment_duration_s, format.sample_rate_hz);
        let (config, epoch) = (self.config.clone(), opening.epoch);
        let joins = disk::blocking(&self.shared, move |publisher| {
            // The old one holds the directory.
            *publisher = None;
            let directory = Directory::open(&config.path)?;
            let keep = (config.playlist_size, config.retain_segments);
            let opened = Publisher::open(directory, keep, grid.target_s(), codec, epoch)?;
            let joins = opened.joins();
            *publisher = Some(opened);
            Ok(joins)
        })
        .await?;
        let segmenter =
            Segmenter::new(&opening.info, grid, joins, opening.metadata.as_ref()).map_err(unfit)?;
        Ok(Box::new(HlsSink { segmenter, opening: opening.clone(), shared: self.shared.clone() }))
    }
}

struct HlsSink {
    segmenter: Segmenter,
    opening: Opening,
    shared: Arc<Mutex<Option<Publisher>>>,
}

impl HlsSink {
    /// Publishes segments and, if it is the end, says so.
    async fn publish(&mut self, segments: Vec<Segment>, end: bool) -> Result<(), SinkError> {
        let opening = self.opening.clone();
        disk::blocking(&self.shared, move |publisher| {
            let publisher = publisher.as_mut().ok_or_else(|| SinkError {
                message: "the HLS output is closed".into(),
                retry: Retry::Soon,
            })?;
            segments.iter().try_for_each(|segment| publisher.publish(segment, &opening))?;
            if end { publisher.end() } else { Ok(()) }
        })
        .await
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
        self.publish(rest.into_iter().collect(), true).await?;
        // Lets go of the directory.
        disk::blocking(&self.shared, |publisher| {
            *publisher = None;
            Ok(())
        })
        .await
    }
}

/// The encoder and HLS do not fit together; only another configuration helps.
fn unfit(error: TsError) -> SinkError {
    SinkError { message: format!("hls: {error}"), retry: Retry::Seldom }
}
