//! The built-in listener in station files.

use std::path::PathBuf;

use airchain_codecs::Format;
use airchain_outputs::http::MountMeta;
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, PASSTHROUGH, Place, QUALITY, SAMPLE_RATE, STREAM_FORMATS};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{Section, field, is, unset};
use crate::error::Error;
use crate::from_config::resolve;
use crate::output::{HttpOptions, Target, mount_path};

/// The built-in HTTP listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpConfig {
    /// Address and port; outputs with the same one share a listener.
    pub listen: String,
    /// Path of the audio; `/live.` and the format's usual extension where absent.
    pub path: Option<String>,
    /// Whether players of HLS are given session ids.
    pub hls_sessions: bool,
    /// File that every request to the listener is logged in.
    pub access_log: Option<PathBuf>,
    /// Whether `/metrics` is served to private networks.
    pub metrics: bool,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

pub(super) const HTTP: Section = Section {
    name: "http",
    help: "The built-in listener: audio with ICY titles, a page with a player, and the station's HLS outputs: `/hls/ID/index.m3u8` by the station's id, a second one `/hls-2/ID/index.m3u8`.",
    fields: &[
        field(
            "listen",
            Address,
            is("127.0.0.1:8000"),
            "address and port; outputs with the same one share it",
        ),
        field("path", MountPath, unset("/live. and the format's extension"), "path of the audio"),
        field(
            "hls_sessions",
            Switch,
            is("false"),
            "HLS playlists are redirected to `?s=` with an id for each player, and carry it on, so that the access log tells listeners apart",
        ),
        field(
            "access_log",
            Path,
            unset("no log"),
            "file for a line per request to the listener, as nginx writes them, with session and X-Forwarded-For; 20 MB, one `.old` kept",
        ),
        field(
            "metrics",
            Switch,
            is("true"),
            "`/metrics` tells a Prometheus server on this machine or in a private network about all stations of the process; one false among the outputs of a listener turns it off",
        ),
        field("format", STREAM_FORMATS, is("mp3"), "codec"),
        BITRATE,
        MODE,
        QUALITY,
        CHANNELS,
        SAMPLE_RATE,
        PASSTHROUGH,
    ],
};

impl Declared for HttpConfig {
    fn section(&self) -> &'static Section {
        &HTTP
    }

    fn encoding(&self) -> Option<&Encoding> {
        Some(&self.encoding)
    }

    fn check(&self, place: &str, _rate_hz: u32, rules: &mut Rules) {
        let path = self.path();
        rules.unique(
            &format!("{place}.path"),
            &format!("http {} {path}", self.listen),
            &path,
            "a path of its own",
        );
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let meta = MountMeta { name: place.mount.to_owned(), ..MountMeta::default() };
        let options = HttpOptions {
            serves_hls: true,
            hls_sessions: self.hls_sessions,
            access_log: self.access_log.clone(),
            metrics: self.metrics,
        };
        let format = place.format(&self.encoding)?;
        Ok((format, Target::Http { listen: resolve(&self.listen)?, path: self.path(), meta, options }))
    }
}

impl HttpConfig {
    /// The path of the audio.
    fn path(&self) -> String {
        self.path.clone().unwrap_or_else(|| mount_path(self.encoding.format.codec()))
    }
}
