//! HTTP Live Streaming to a directory that a web server serves (RFC 8216).
//!
//! ```text
//! <path>/index.m3u8                  what players open: codec and bit rate
//! <path>/live.m3u8                   the window of segments
//! <path>/<unix-ms>-<sequence>.ts     segments: when their run of the output began, and their media sequence numbers
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
//! What carries all this is in [`segments`](crate::segments); here are the texts, `playlist` and `multivariant`.

mod live;
pub(crate) mod multivariant;
pub(crate) mod playlist;

use std::path::PathBuf;
use std::sync::Arc;

use airchain_codecs::Format;
use airchain_codecs::container::segment::Container;

use crate::info::{Field, SinkInfo};
use crate::segments::name::Kind;
pub use crate::segments::name::{INDEX, PLAYLIST};
use crate::segments::{InvalidStore, Layout, Presentation, StoreConfig, Track};
use crate::sink::Output;
pub use live::Live;
pub(crate) use live::Refused;

/// The line of this output in the table of sinks.
pub const INFO: SinkInfo = SinkInfo {
    name: "hls",
    summary: "writes HLS segments and playlists to a directory, an object store or a server that takes files",
    fields: &[
        Field::optional(
            "path",
            "directory of its own, where no store is given; index.m3u8 in it is what players open",
        ),
        Field::optional("store", "local, s3 or put; the directory `path` by default"),
        Field::optional("segment_duration_sec", "length of a segment in seconds, 0.5 to 60; 4 by default"),
        Field::optional("playlist_size", "segments in the playlist, 3 to 10000; 6 by default"),
        Field::optional(
            "retain_segments",
            "segments kept after they left the playlist, at least; for as long as the window and a segment last, all are",
        ),
        Field::optional("container", "kind of segments: ts, fmp4 or packed; ts by default"),
        Field::optional(
            "low_latency",
            "whether segments come in parts that players wait for; false by default",
        ),
        Field::optional("dash", "whether a manifest of DASH is kept beside the playlists; for fmp4"),
        Field::optional(
            "end_on_close",
            "whether closing ends the playlist (EXT-X-ENDLIST), or leaves players to wait for the next start; true by default",
        ),
    ],
};

/// What an HLS output is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct HlsConfig {
    /// Where it is kept, of its own.
    pub store: StoreConfig,
    /// Kind of segments.
    pub container: Container,
    /// Length of a segment in seconds, 0.5 to 60.
    pub segment_duration_s: f64,
    /// Segments in the playlist, 3 to 10000.
    pub playlist_size: usize,
    /// Segments kept after they have left the playlist, at least: none goes before a player that has seen it announced can
    /// have fetched it, which is as long as the playlist and a segment last (RFC 8216, 6.2.2).
    pub retain_segments: usize,
    /// Whether closing ends the playlist, which stops players for good; else they wait for the next start to go on.
    pub end_on_close: bool,
    /// Low-latency HLS (RFC 8216bis): segments come in parts of a third of a second, players wait for each. [`Live`] answers
    /// them; servers of mere files can serve it with some more delay.
    pub low_latency: bool,
    /// Further encodings of the programme, each in a folder of its own below `path`.
    pub renditions: Vec<RenditionConfig>,
    /// Whether [a manifest of DASH](crate::dash) is kept beside the playlists; for segments of MP4.
    pub dash: bool,
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
    let lower = name.to_ascii_lowercase();
    let ours = Kind::of(&lower).is_some() || lower.ends_with(".old");
    plain && !ours && !name.starts_with('.') && (1..=64).contains(&name.len())
}

impl HlsConfig {
    /// The defaults: MPEG-TS in a directory, 4 s, 6 segments, 7 retained, and no further renditions.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            store: StoreConfig::Local(path.into()),
            container: Container::Ts,
            segment_duration_s: 4.0,
            playlist_size: 6,
            retain_segments: 7,
            end_on_close: true,
            low_latency: false,
            renditions: Vec::new(),
            dash: false,
        }
    }

    /// Refuses what cannot be meant, naming the field, its value and what would do.
    pub fn validate(&self) -> Result<(), InvalidHls> {
        let invalid = |field, value: String, accepted| Err(InvalidHls { field, value, accepted });
        if let Err(InvalidStore { field, value, accepted }) = self.store.validate() {
            return invalid(field, value, accepted);
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
        if self.dash && self.container != Container::Fmp4 {
            return invalid("dash", "true".into(), "container: fmp4, or false");
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

/// What together is one HLS output.
pub struct Outputs {
    /// The first is for its own encoding, the others for its renditions in their order, each to be given packets of its
    /// format. Their encoders run on the audio of one station.
    pub tracks: Vec<Box<dyn Output>>,
    /// What answers low-latency players, where it is for those.
    pub live: Option<Live>,
}

/// Makes an HLS output; nothing is read or written yet.
pub fn outputs(config: &HlsConfig) -> Result<Outputs, InvalidHls> {
    config.validate()?;
    let layout = Layout {
        container: config.container,
        segment_s: config.segment_duration_s,
        target_s: target_s(config.segment_duration_s),
        window: config.playlist_size,
        retain: config.retain_segments,
        end_on_close: config.end_on_close,
        parts: config.low_latency,
        dash: config.dash,
    };
    let further: Vec<&str> = config.renditions.iter().map(|rendition| rendition.name.as_str()).collect();
    let presentation = Arc::new(Presentation::new(layout, &config.store, &further));
    let track = |index| Box::new(Track::new(Arc::clone(&presentation), index)) as Box<dyn Output>;
    let tracks = (0..presentation.count()).map(track).collect();
    Ok(Outputs { tracks, live: config.low_latency.then(|| Live::new(Arc::clone(&presentation))) })
}

/// `EXT-X-TARGETDURATION`: no segment is longer, rounded to whole seconds. There is room for at least a quarter
/// of a second beyond the wanted duration.
fn target_s(segment_duration_s: f64) -> u64 {
    ((segment_duration_s + 0.75) as u64).max(1)
}
