//! The built-in listener in station files.

use std::path::PathBuf;
use std::time::Duration;

use airchain_codecs::Format;
use airchain_outputs::http::{InvalidNetwork, MountMeta, MountOptions, NetworkOfProxies};
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
    /// What listeners read as the station's name; the mount's where absent.
    pub name: Option<String>,
    /// What listeners read about it.
    pub description: Option<String>,
    /// Genre.
    pub genre: Option<String>,
    /// Address of its web page.
    pub website: Option<String>,
    /// Audio that a new listener is given at once, in s.
    pub burst_sec: f64,
    /// Listeners of the mount at once; as many as the listener admits where absent.
    pub max_listeners: Option<usize>,
    /// Of these, from one address.
    pub max_listeners_per_address: Option<usize>,
    /// Addresses and networks of reverse proxies that are believed what they say of their clients.
    pub trusted_proxies: Vec<String>,
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
        field("name", Text(200), unset("the mount's name"), "what listeners read as the station's name"),
        field("description", Text(500), unset("none"), "what listeners read about it"),
        field("genre", Text(200), unset("none"), "genre"),
        field("website", Text(500), unset("none"), "address of its web page"),
        field(
            "burst_sec",
            Number { min: 0.0, max: 30.0, unit: "s" },
            is("2"),
            "audio that a new listener is given at once, so that its player starts without waiting",
        ),
        field(
            "max_listeners",
            Integer { min: 1, max: 4096, unit: "" },
            unset("as many as the listener admits: 4096 connections"),
            "listeners of the mount at once; further ones are answered 503",
        ),
        field(
            "max_listeners_per_address",
            Integer { min: 1, max: 4096, unit: "" },
            unset("as many as the listener admits: 256 connections"),
            "listeners of the mount from one address (of IPv6 a /64 network); further ones are answered 429. More than 256 lifts that limit of the listener, too",
        ),
        field(
            "trusted_proxies",
            List(&Text(64), 0),
            is(""),
            "addresses and networks (10.0.0.0/8) of reverse proxies: listeners are counted by the address that they add to X-Forwarded-For, which nobody else is believed",
        ),
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
        for (index, network) in self.trusted_proxies.iter().enumerate() {
            if network.parse::<NetworkOfProxies>().is_err() {
                let (field, problem) =
                    (format!("{place}.trusted_proxies[{index}]"), "not an address or network");
                rules.error(field, Some(network), problem.into(), "one such as 192.0.2.7 or 10.0.0.0/8");
            }
        }
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let meta = MountMeta {
            name: self.name.clone().unwrap_or_else(|| place.mount.to_owned()),
            description: self.description.clone(),
            genre: self.genre.clone(),
            url: self.website.clone(),
        };
        let proxies = self.trusted_proxies.iter().map(|network| network.parse());
        let invalid = |error: InvalidNetwork| Error::Output(format!("output.trusted_proxies: {error}"));
        let options = HttpOptions {
            serves_hls: true,
            hls_sessions: self.hls_sessions,
            access_log: self.access_log.clone(),
            metrics: self.metrics,
            mount: MountOptions {
                burst: Some(Duration::from_secs_f64(self.burst_sec)),
                max_listeners: self.max_listeners,
                max_per_address: self.max_listeners_per_address,
            },
            trusted_proxies: proxies.collect::<Result<_, _>>().map_err(invalid)?,
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
