//! Sources of Icecast servers in station files.

use airchain_codecs::Format;
use airchain_outputs::icecast::{self, Protocol};
use serde::{Deserialize, Serialize};

use super::{BITRATE, CHANNELS, Declared, MODE, PASSTHROUGH, Place, QUALITY, SAMPLE_RATE, STREAM_FORMATS};
use crate::config::encoding::Encoding;
use crate::config::rules::Rules;
use crate::config::schema::Kind::*;
use crate::config::schema::{NEEDED, Section, field, is, unset};
use crate::error::Error;
use crate::output::Target;

/// An Icecast mount to feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IcecastConfig {
    /// `icecast://user:password@host:port/mount`, `icecasts://` or `icecast+tls://` for TLS. Holds a password: never log it.
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
}

pub(super) const ICECAST: Section = Section {
    name: "icecast",
    help: "A source connection to an Icecast server.",
    fields: &[
        field(
            "url",
            Url(&["icecast", "icecasts", "icecast+tls", "http", "https"]),
            NEEDED,
            "icecast://user:password@host:port/mount; icecasts or icecast+tls for TLS",
        ),
        field(
            "protocol",
            Choice(&["put", "source"]),
            is("put"),
            "source is the method of servers before 2.4",
        ),
        field("name", Text(200), unset("the mount's name"), "name in the server's directory"),
        field("description", Text(500), unset("none"), "description in the server's directory"),
        field("genre", Text(200), unset("none"), "genre in the server's directory"),
        field("website", Text(500), unset("none"), "home page in the server's directory"),
        field("public", Switch, is("false"), "whether the server may list the mount publicly"),
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
        if url.path().len() < 2 || url.path().ends_with('/') {
            rules.error(
                field.to_owned(),
                Some(text),
                "names no mount".into(),
                "a URL that ends with a mount: .../live",
            );
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
            },
            ca_file: None,
        };
        Ok((place.format(&self.encoding)?, Target::Icecast(target)))
    }
}
