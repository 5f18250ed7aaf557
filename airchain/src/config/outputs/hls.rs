//! HLS in station files.

use std::path::PathBuf;

use airchain_codecs::Format;
use airchain_codecs::container::segment::Container;
use airchain_outputs::hls;
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, PASSTHROUGH, Place, QUALITY, SAMPLE_RATE, SEGMENT_FORMATS};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is, unset};
use crate::error::Error;
use crate::output::Target;

/// An HLS presentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HlsConfig {
    /// Folder of playlists and segments.
    pub path: PathBuf,
    /// Length of a segment, in seconds.
    pub segment_duration_sec: f64,
    /// Segments in the live window.
    pub playlist_size: usize,
    /// Segments kept after they leave the window.
    pub retain_segments: usize,
    /// Whether the playlist is ended when the output closes.
    pub end_on_close: bool,
    /// Kind of segments.
    pub container: HlsContainer,
    /// Low-latency HLS.
    pub low_latency: bool,
    /// Further renditions beside the output's own encoding; each is a folder below `path`.
    pub renditions: Vec<Rendition>,
    /// Where segments are stored; the folder `path` where absent.
    pub store: Option<Store>,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

/// Kind of HLS segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HlsContainer {
    /// MPEG-TS.
    Ts,
    /// Fragmented MP4 (CMAF).
    Fmp4,
    /// Packed audio.
    Packed,
}

impl HlsContainer {
    fn container(self) -> Container {
        match self {
            Self::Ts => Container::Ts,
            Self::Fmp4 => Container::Fmp4,
            Self::Packed => Container::Packed,
        }
    }
}

/// One encoding among several of an HLS presentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendition {
    /// Its folder name.
    pub name: String,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

/// Where segments are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Store {
    /// A folder; the output's own `path` where absent.
    Local {
        /// The folder.
        path: Option<PathBuf>,
    },
    /// An S3 bucket; not in this build. Holds keys: never log it.
    S3 {
        /// Bucket.
        bucket: String,
        /// Put before every object's name.
        prefix: String,
        /// Region.
        region: String,
        /// Server, where it is not Amazon's.
        endpoint: Option<String>,
        /// Key id; the environment's where absent.
        access_key_id: Option<String>,
        /// Secret key; the environment's where absent.
        secret_access_key: Option<String>,
    },
}

pub(super) const HLS: Section = Section {
    name: "hls",
    help: "HLS segments and playlists (RFC 8216).",
    fields: &[
        field("path", Path, NEEDED, "folder of playlists and segments"),
        field(
            "segment_duration_sec",
            Number { min: 0.5, max: 60.0, unit: "s" },
            is("6"),
            "length of a segment, to the nearest whole codec frame",
        ),
        field(
            "playlist_size",
            Integer { min: 3, max: 10_000, unit: "segments" },
            is("6"),
            "length of the live window",
        ),
        field(
            "retain_segments",
            Integer { min: 0, max: 100_000, unit: "segments" },
            is("6"),
            "segments kept after they leave the window, at least: for as long as the window and a segment last, all are",
        ),
        field(
            "end_on_close",
            Switch,
            is("true"),
            "whether the playlist is ended (EXT-X-ENDLIST) when the output closes; if not, players wait for the next start",
        ),
        field(
            "container",
            Choice(&["ts", "fmp4", "packed"]),
            is("ts"),
            "kind of segments: ts and packed carry mp3, aac, he-aac and he-aac-v2; fmp4 (CMAF) aac, he-aac, he-aac-v2, opus and flac",
        ),
        field(
            "low_latency",
            Switch,
            is("false"),
            "low-latency HLS: segments come in parts of a third of a second; the built-in listener holds players' requests until each is there, other servers give the playlist as it is",
        ),
        field(
            "renditions",
            List(&Section(&RENDITION), 0),
            is(""),
            "further encodings, cut at the same frames, each in a folder of its own below `path`; the output's own stays where it is. index.m3u8 names all, the highest bandwidth first, which players begin with",
        ),
        field(
            "store",
            Variants(&[&STORE_LOCAL, &STORE_S3]),
            unset("the folder `path`"),
            "where segments are stored",
        ),
        field("format", SEGMENT_FORMATS, is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
        PASSTHROUGH,
    ],
};

const RENDITION: Section = Section {
    name: "hls renditions[]",
    help: "One encoding among several of an HLS presentation.",
    fields: &[
        field(
            "name",
            Id,
            NEEDED,
            "its folder's name, not that of another or of a file (.m3u8, .ts, ...): its playlist is `<path>/<name>/live.m3u8`",
        ),
        field("format", SEGMENT_FORMATS, is("aac"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
    ],
};

const STORE_LOCAL: Section = Section {
    name: "local",
    help: "A folder.",
    fields: &[field("path", Path, unset("the output's path"), "the folder")],
};

const STORE_S3: Section = Section {
    name: "s3",
    help: "An S3 bucket, or a server that speaks its protocol.",
    fields: &[
        field("bucket", Text(100), NEEDED, "bucket"),
        field("prefix", Text(500), is("\"\""), "put before every object's name"),
        field("region", Text(100), is("us-east-1"), "region"),
        field("endpoint", Url(&["https", "http"]), unset("Amazon's"), "server"),
        field("access_key_id", Secret, unset("AWS_ACCESS_KEY_ID"), "key id"),
        field("secret_access_key", Secret, unset("AWS_SECRET_ACCESS_KEY"), "secret key"),
    ],
};

impl Declared for HlsConfig {
    fn section(&self) -> &'static Section {
        &HLS
    }

    fn encoding(&self) -> Option<&Encoding> {
        Some(&self.encoding)
    }

    fn check(&self, place: &str, rate_hz: u32, rules: &mut Rules) {
        let path = self.path.to_string_lossy();
        rules.unique(&format!("{place}.path"), &format!("hls {path}"), &path, "a folder of its own");
        let container = self.container.container();
        segment_format(place, &self.encoding, container, rules);
        for (r, Rendition { name, encoding }) in self.renditions.iter().enumerate() {
            let place = format!("{place}.renditions[{r}]");
            rules.encoding(&place, encoding, rate_hz);
            segment_format(&place, encoding, container, rules);
            let field = format!("{place}.name");
            if !hls::is_rendition_name(name) {
                let problem = "it is a file's of HLS".to_owned();
                rules.error(field, Some(name), problem, hls::RENDITION_NAMES);
                continue;
            }
            // Some file systems do not tell capitals from small letters, and an output may lie in another's folder.
            let folder = self.path.join(name.to_ascii_lowercase());
            rules.unique(&field, &format!("hls {}", folder.display()), name, "a folder of its own");
        }
        if self.low_latency && self.container == HlsContainer::Packed {
            let problem = "packed audio does not come in parts".to_owned();
            rules.error(format!("{place}.low_latency"), Some("true"), problem, "container: ts or fmp4");
        }
        if matches!(self.store, Some(Store::S3 { .. })) {
            let problem = "object stores are not in this build".to_owned();
            rules.error(format!("{place}.store.type"), Some("s3"), problem, "local");
        }
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let path = match &self.store {
            Some(Store::Local { path: Some(path) }) => path,
            _ => &self.path,
        };
        let mut target = hls::HlsConfig::new(path);
        target.container = self.container.container();
        target.segment_duration_s = self.segment_duration_sec;
        target.playlist_size = self.playlist_size;
        target.retain_segments = self.retain_segments;
        let rendition = |declared: &Rendition| {
            let format = place.format(&declared.encoding)?;
            Ok(hls::RenditionConfig { name: declared.name.clone(), format })
        };
        target.renditions = self.renditions.iter().map(rendition).collect::<Result<_, Error>>()?;
        target.end_on_close = self.end_on_close;
        target.low_latency = self.low_latency;
        Ok((place.format(&self.encoding)?, Target::Hls(target)))
    }
}

/// No container has a place for all codecs.
fn segment_format(place: &str, encoding: &Encoding, container: Container, rules: &mut Rules) {
    if !container.carries(encoding.format.codec()) {
        let problem = format!("segments of container {} do not carry it", container.name());
        rules.error(format!("{place}.format"), Some(encoding.format.name()), problem, container.accepted());
    }
}
