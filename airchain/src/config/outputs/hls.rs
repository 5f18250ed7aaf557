//! HLS in station files.

use std::path::PathBuf;

use airchain_codecs::Format;
use airchain_codecs::container::segment::Container;
use airchain_outputs::hls;
use airchain_outputs::segments::{PutConfig, StoreConfig};
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, PASSTHROUGH, Place, QUALITY, SAMPLE_RATE, SEGMENT_FORMATS};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{Field, NEEDED, Section, field, is, unset};
use crate::error::Error;
use crate::output::Target;

/// An HLS presentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HlsConfig {
    /// Folder of playlists and segments, unless `store` says where.
    pub path: Option<PathBuf>,
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
    /// Whether a DASH manifest is kept beside the playlists; for [`HlsContainer::Fmp4`].
    pub dash: bool,
    /// Low-latency HLS.
    pub low_latency: bool,
    /// Further renditions beside the output's own encoding; each is a folder below the output's.
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

/// Where segments are stored. Holds keys and passwords: never log it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Store {
    /// A folder; the output's own `path` where absent.
    Local {
        /// The folder.
        path: Option<PathBuf>,
    },
    /// An S3 bucket, or a server that speaks its protocol; cargo feature `s3`.
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
        /// Certificates to trust beside the system's.
        ca_file: Option<PathBuf>,
    },
    /// A server that takes files by HTTP PUT: WebDAV, or the ingest of a CDN.
    Put {
        /// Its folder.
        url: String,
        /// User.
        user: Option<String>,
        /// Password.
        password: Option<String>,
        /// Further headers, `Name: value`.
        headers: Vec<String>,
        /// Certificates to trust beside the system's.
        ca_file: Option<PathBuf>,
    },
}

pub(super) const HLS: Section = Section {
    name: "hls",
    help: "HLS segments and playlists (RFC 8216).",
    fields: &[
        field("path", Path, unset("where `store` says"), "folder of playlists and segments"),
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
            "dash",
            Switch,
            is("false"),
            "with fmp4: whether the same segments are in a manifest of MPEG-DASH, too: manifest.mpd",
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
            Variants(&[&STORE_LOCAL, &STORE_S3, &STORE_PUT]),
            unset("the folder `path`"),
            "where playlists and segments are kept (docs/stores.md)",
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

const CA_FILE: Field = field(
    "ca_file",
    Path,
    unset("the system's only"),
    "PEM file of certificates to trust beside the system's; the server's own may be in it",
);

const STORE_S3: Section = Section {
    name: "s3",
    help: "An S3 bucket, or a server that speaks its protocol.",
    fields: &[
        field("bucket", Text(100), NEEDED, "bucket"),
        field("prefix", Text(500), is("\"\""), "folders in it, such as radio/live"),
        field("region", Text(100), is("us-east-1"), "region"),
        field(
            "endpoint",
            Url(&["https", "http"]),
            unset("Amazon's"),
            "server; it is asked for /bucket/object",
        ),
        field("access_key_id", Secret, unset("AWS_ACCESS_KEY_ID, else the machine's role"), "key id"),
        field("secret_access_key", Secret, unset("AWS_SECRET_ACCESS_KEY"), "secret key"),
        CA_FILE,
    ],
};

const STORE_PUT: Section = Section {
    name: "put",
    help: "A server that takes files by HTTP PUT: a WebDAV folder, or the ingest of a CDN.",
    fields: &[
        field("url", Url(&["https", "http"]), NEEDED, "folder; a query goes with every request"),
        field("user", Text(200), unset("that of the url"), "user"),
        field("password", Secret, unset("that of the url"), "password"),
        field("headers", List(&Secret, 0), is(""), "further headers of every request: `Name: value`"),
        CA_FILE,
    ],
};

/// Why there is no place for an output's files.
struct Unkept {
    field: &'static str,
    problem: &'static str,
    accepted: &'static str,
}

impl HlsConfig {
    /// Where its files are kept: the place, and the field that says so.
    fn kept(&self) -> Result<(StoreConfig, &'static str), Unkept> {
        match &self.store {
            None | Some(Store::Local { path: None }) => match &self.path {
                Some(path) => Ok((StoreConfig::Local(path.clone()), "path")),
                None => Err(Unkept { field: "path", problem: "missing", accepted: "a folder, or a store" }),
            },
            Some(Store::Local { path: Some(path) }) => Ok((StoreConfig::Local(path.clone()), "store.path")),
            #[cfg(feature = "s3")]
            Some(Store::S3 {
                bucket,
                prefix,
                region,
                endpoint,
                access_key_id,
                secret_access_key,
                ca_file,
            }) => {
                let mut store = airchain_outputs::segments::S3Config::new(bucket, region);
                store.prefix = prefix.clone();
                store.endpoint = endpoint.clone();
                store.access_key_id = access_key_id.clone();
                store.secret_access_key = secret_access_key.clone();
                store.ca_file = ca_file.clone();
                Ok((StoreConfig::S3(store), "store.bucket"))
            }
            #[cfg(not(feature = "s3"))]
            Some(Store::S3 { .. }) => Err(Unkept {
                field: "store.type",
                problem: "s3 is not in this build",
                accepted: "local or put, or a build with the cargo feature s3",
            }),
            Some(Store::Put { url, user, password, headers, ca_file }) => {
                let mut store = PutConfig::new(url);
                store.user = user.clone();
                store.password = password.clone();
                store.headers = headers.clone();
                store.ca_file = ca_file.clone();
                Ok((StoreConfig::Put(store), "store.url"))
            }
        }
    }
}

impl Declared for HlsConfig {
    fn section(&self) -> &'static Section {
        &HLS
    }

    fn encoding(&self) -> Option<&Encoding> {
        Some(&self.encoding)
    }

    fn check(&self, place: &str, rate_hz: u32, rules: &mut Rules) {
        let store = self.kept().map_err(|Unkept { field, problem, accepted }| {
            rules.error(format!("{place}.{field}"), None, problem.to_owned(), accepted);
        });
        let mut folder = String::new();
        if let Ok((store, field)) = store {
            folder = store.place().trim_end_matches('/').to_owned();
            if let Err(invalid) = store.validate() {
                let field = format!("{place}.store.{}", invalid.field);
                rules.error(field, Some(&invalid.value), "cannot be meant".into(), invalid.accepted);
            }
            rules.unique(
                &format!("{place}.{field}"),
                &format!("hls {folder}"),
                &folder,
                "a folder of its own",
            );
            if store.local().is_none() && self.path.is_some() {
                rules.warn(format!("{place}.path"), "nothing is written there, as store says where".into());
            }
        }
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
            let folder = format!("hls {folder}/{}", name.to_ascii_lowercase());
            rules.unique(&field, &folder, name, "a folder of its own");
        }
        if self.dash && container != Container::Fmp4 {
            let problem = format!("DASH has no segments of container {}", container.name());
            rules.error(format!("{place}.dash"), Some("true"), problem, "container: fmp4, or false");
        }
        if self.low_latency && self.container == HlsContainer::Packed {
            let problem = "packed audio does not come in parts".to_owned();
            rules.error(format!("{place}.low_latency"), Some("true"), problem, "container: ts or fmp4");
        }
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let (store, _) = self.kept().map_err(|Unkept { field, problem, accepted }| {
            Error::Output(format!("output.{field}: {problem}, give {accepted}"))
        })?;
        let mut target = hls::HlsConfig::new("");
        target.store = store;
        target.dash = self.dash;
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
