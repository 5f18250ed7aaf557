//! Sources of Icecast and Shoutcast servers in station files.

use std::path::PathBuf;

use airchain_codecs::{Codec, Format};
use airchain_outputs::icecast::{self, Protocol};
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, PASSTHROUGH, Place, QUALITY, SAMPLE_RATE, STREAM_FORMATS};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is, unset};
use crate::error::Error;
use crate::output::Target;

/// An Icecast mount, or a Shoutcast server, to feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IcecastConfig {
    /// `icecast://user:password@host:port/mount`, `icecasts://` or `icecast+tls://` for TLS; without a mount for Shoutcast.
    /// Holds a password: never log it.
    pub url: String,
    /// How the source connects.
    pub protocol: IcecastProtocol,
    /// Name in the server's directory; the mount's, then the station's, where absent.
    pub name: Option<String>,
    /// Description in the server's directory.
    pub description: Option<String>,
    /// Genre in the server's directory.
    pub genre: Option<String>,
    /// Home page in the server's directory.
    pub website: Option<String>,
    /// Whether the server may list the mount.
    pub public: bool,
    /// PEM file of certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// How the audio is encoded.
    #[serde(flatten)]
    pub encoding: Encoding,
}

/// How an Icecast source connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IcecastProtocol {
    /// HTTP `PUT` (Icecast 2.4 and later).
    Put,
    /// The legacy `SOURCE` method.
    Source,
    /// The ICY protocol of Shoutcast servers.
    Shoutcast,
}

pub(super) const ICECAST: Section = Section {
    name: "icecast",
    help: "A source connection to an Icecast or Shoutcast server.",
    fields: &[
        field(
            "url",
            Url(&["icecast", "icecasts", "icecast+tls", "http", "https"]),
            NEEDED,
            "icecast://user:password@host:port/mount; icecasts or icecast+tls for TLS. For Shoutcast icecast://source:password@host:port with the port of its listeners, \
             sources go to the next one; stream 2 of a Shoutcast 2 server is icecast://user:password@host:port/2",
        ),
        field(
            "protocol",
            Choice(&["put", "source", "shoutcast"]),
            is("put"),
            "source is the method of servers before 2.4; shoutcast is for Shoutcast 1 and 2, with mp3 and aac only",
        ),
        field("name", Text(200), unset("the mount's name"), "name in the server's directory"),
        field("description", Text(500), unset("none"), "description in the server's directory"),
        field("genre", Text(200), unset("none"), "genre in the server's directory"),
        field("website", Text(500), unset("none"), "home page in the server's directory"),
        field("public", Switch, is("false"), "whether the server may list the mount publicly"),
        field(
            "ca_file",
            Path,
            unset("the system's certificates"),
            "PEM file of certificates to trust beside these",
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

impl Declared for IcecastConfig {
    fn section(&self) -> &'static Section {
        &ICECAST
    }

    fn encoding(&self) -> Option<&Encoding> {
        Some(&self.encoding)
    }

    fn check(&self, place: &str, _rate_hz: u32, rules: &mut Rules) {
        let (field, text) = (&format!("{place}.url"), self.url.as_str());
        let Ok(url) = url::Url::parse(text) else { return };
        match self.protocol {
            IcecastProtocol::Put | IcecastProtocol::Source => {
                if url.path().len() < 2 || url.path().ends_with('/') {
                    let accepted = "a URL that ends with a mount: .../live";
                    rules.error(field.to_owned(), Some(text), "names no mount".into(), accepted);
                }
            }
            IcecastProtocol::Shoutcast => {
                let stream = url.path().trim_start_matches('/');
                if !stream.is_empty() && !stream.parse::<i32>().is_ok_and(|stream| stream > 0) {
                    let accepted = "a URL that ends with the port, or with the number of a stream: .../1";
                    rules.error(field.to_owned(), Some(text), "names a mount".into(), accepted);
                }
                if matches!(url.scheme(), "icecasts" | "icecast+tls" | "https") {
                    let problem = "Shoutcast takes no sources by TLS".into();
                    rules.error(field.to_owned(), Some(text), problem, "icecast://...");
                }
                let format = self.encoding.format;
                if !matches!(format.codec(), Codec::Mp3 | Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2) {
                    let (problem, accepted) =
                        ("Shoutcast carries MP3 and AAC only".into(), "mp3, aac, he-aac or he-aac-v2");
                    rules.error(format!("{place}.format"), Some(format.name()), problem, accepted);
                }
            }
        }
        if url.password().is_none_or(str::is_empty) {
            let accepted = "icecast://source:PASSWORD@host:8000/mount";
            rules.error(field.to_owned(), Some(text), "holds no password".into(), accepted);
        }
        let server =
            format!("icecast {}:{} {}", url.host_str().unwrap_or(""), url.port().unwrap_or(8000), url.path());
        rules.unique(field, &server, text, "a mount of its own");
    }

    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        let target = icecast::IcecastConfig {
            url: self.url.clone(),
            name: Some(self.name.clone().unwrap_or_else(|| place.mount.to_owned())),
            description: self.description.clone(),
            genre: self.genre.clone(),
            homepage: self.website.clone(),
            public: self.public,
            protocol: match self.protocol {
                IcecastProtocol::Put => Protocol::Put,
                IcecastProtocol::Source => Protocol::Source,
                IcecastProtocol::Shoutcast => Protocol::Shoutcast,
            },
            ca_file: self.ca_file.clone(),
        };
        Ok((place.format(&self.encoding)?, Target::Icecast(target)))
    }
}
