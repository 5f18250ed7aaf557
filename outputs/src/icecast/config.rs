//! What an Icecast output is told: its URL and what listeners read about the station.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::{ParseError, Url};

/// How an Icecast output is declared.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IcecastConfig {
    /// `icecast://user:password@host:port/mount`; `icecast+tls://` (also `icecasts://`) for TLS; `http://` and
    /// `https://` likewise. The port is 8000 unless given (80 and 443 with `http` and `https`), the user `source`.
    /// Special characters in the password are percent-encoded. With [`Protocol::Shoutcast`] there is no mount, the port is
    /// that of the listeners, and sources go to the next one; `/2` behind it is stream 2 of a Shoutcast 2 server.
    pub url: String,
    /// Name of the station.
    pub name: Option<String>,
    /// What listeners read about it.
    pub description: Option<String>,
    /// Genre.
    pub genre: Option<String>,
    /// Address of the station's web page.
    pub homepage: Option<String>,
    /// Whether public directories may list it.
    pub public: bool,
    /// How the server is spoken to.
    pub protocol: Protocol,
    /// PEM file of certificates to trust beside the system's. The server's own certificate may be in it.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for IcecastConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Target::parse(&self.url, self.protocol).map_or_else(|e| e.to_string(), |t| t.to_string());
        f.debug_struct("IcecastConfig").field("url", &place).field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a server is asked to take a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP `PUT`, since Icecast 2.4.
    #[default]
    Put,
    /// The older `SOURCE`, also understood by most other servers.
    Source,
    /// The ICY protocol of Shoutcast 1, which Shoutcast 2 takes as well. MP3 and AAC only, and without TLS.
    Shoutcast,
}

impl Protocol {
    /// Whose language it is, for people.
    pub(crate) fn server(self) -> &'static str {
        match self {
            Self::Put | Self::Source => "icecast",
            Self::Shoutcast => "shoutcast",
        }
    }
}

/// Where a source goes, from its URL. Shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The mount as it stands in a request: begins with `/`, percent-encoded. With Shoutcast `/` and the number of a stream,
    /// or nothing.
    pub(crate) mount: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) tls: bool,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.host, self.port, self.mount)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// Why an Icecast output cannot be meant so. The caller corrects the field and tries again. Never shows a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIcecast {
    /// Not a URL at all.
    #[error("url: not a URL, give icecast://source:password@host:8000/mount")]
    NotAUrl,
    /// Another scheme.
    #[error("url: unknown scheme, give icecast://, icecast+tls://, http:// or https://")]
    Scheme,
    /// No host, or none that can be.
    #[error(
        "url: no usable host name, give icecast://source:password@host:8000/mount; \
             write / # ? @ in the password as %2F %23 %3F %40"
    )]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error(
        "url: the port is not a number from 1 to 65535; \
             if the password holds / # ? or @, write them as %2F %23 %3F %40"
    )]
    Port,
    /// No mount.
    #[error(
        "url: the mount is missing, give it after the host, as in icecast://source:password@host:8000/live.mp3"
    )]
    Mount,
    /// Something else than a stream's number, where there are no mounts.
    #[error(
        "url: with protocol shoutcast there is no mount: end it behind the port, or with /1 for stream 1 of a Shoutcast 2 server"
    )]
    Stream,
    /// A port that has no next one.
    #[error("url: with protocol shoutcast sources go to the port behind it: give one below 65535")]
    LastPort,
    /// TLS where there is none.
    #[error("url: Shoutcast takes no sources by TLS, give icecast://source:password@host:8000")]
    NoTls,
    /// A query or fragment.
    #[error("url: a mount has no ? or #; in the password write them as %3F and %23")]
    Extra,
    /// No password.
    #[error("url: the password is missing, give icecast://source:password@host:8000/mount")]
    Password,
    /// Something that cannot be sent as a name and password.
    #[error("url: user and password must be UTF-8 without control characters, the user without ':'")]
    Credentials,
}

impl Target {
    pub(crate) fn parse(url: &str, protocol: Protocol) -> Result<Self, InvalidIcecast> {
        let url = Url::parse(url.trim()).map_err(|error| match error {
            ParseError::InvalidPort => InvalidIcecast::Port,
            ParseError::RelativeUrlWithoutBase => InvalidIcecast::NotAUrl,
            _ => InvalidIcecast::Host,
        })?;
        let (tls, default_port) = match url.scheme() {
            "icecast" => (false, 8000),
            "icecast+tls" | "icecasts" => (true, 8000),
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(InvalidIcecast::Scheme),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(InvalidIcecast::Host)?;
        // Other schemes than http take almost any host; a name or address has none of these.
        if host.contains('%') || !host.is_ascii() {
            return Err(InvalidIcecast::Host);
        }
        let port = url.port().unwrap_or(default_port);
        if port == 0 {
            return Err(InvalidIcecast::Port);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidIcecast::Extra);
        }
        let mount = match protocol {
            Protocol::Shoutcast if tls => return Err(InvalidIcecast::NoTls),
            Protocol::Shoutcast if port == u16::MAX => return Err(InvalidIcecast::LastPort),
            Protocol::Shoutcast => stream(url.path())?,
            Protocol::Put | Protocol::Source => {
                let mount = encode_mount(url.path());
                if mount.len() < 2 {
                    return Err(InvalidIcecast::Mount);
                }
                mount
            }
        };
        let user = match url.username() {
            "" => "source".to_owned(),
            user => plain(user).filter(|user| !user.contains(':')).ok_or(InvalidIcecast::Credentials)?,
        };
        let password = url.password().filter(|p| !p.is_empty()).ok_or(InvalidIcecast::Password)?;
        let password = plain(password).ok_or(InvalidIcecast::Credentials)?;
        Ok(Self { host: host.to_owned(), port, mount, user, password, tls })
    }

    /// The mount by its name, as the server knows it.
    pub(crate) fn mount_name(&self) -> String {
        percent_decode_str(&self.mount).decode_utf8_lossy().into_owned()
    }

    /// The number of the stream, with Shoutcast 2.
    pub(crate) fn stream(&self) -> Option<&str> {
        self.mount.strip_prefix('/')
    }

    /// The value of an `Authorization` header.
    pub(crate) fn authorization(&self) -> String {
        use base64::Engine;
        let pair = format!("{}:{}", self.user, self.password);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    }
}

/// The path of a URL, made fit for a request line whatever the parser let through.
fn encode_mount(path: &str) -> String {
    let keep = |b: &u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(b);
    let encoded =
        path.bytes().map(|b| if keep(&b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    let path: String = encoded.collect();
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// The path of a URL that names a stream by its number, or none.
fn stream(path: &str) -> Result<String, InvalidIcecast> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => Ok(String::new()),
        number => match number.parse::<i32>() {
            Ok(number @ 1..) => Ok(format!("/{number}")),
            _ => Err(InvalidIcecast::Stream),
        },
    }
}

fn plain(encoded: &str) -> Option<String> {
    let text = percent_decode_str(encoded).decode_utf8().ok()?;
    (!text.chars().any(char::is_control)).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, InvalidIcecast> {
        Target::parse(url, Protocol::Put)
    }

    #[test]
    fn urls_as_people_write_them() {
        let target = parse("icecast://source:p%40ss%2Fw%C3%B6rd@radio.example:8010/live.mp3").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.tls), ("radio.example", 8010, false));
        assert_eq!((target.user.as_str(), target.password.as_str()), ("source", "p@ss/wörd"));
        assert_eq!(target.mount, "/live.mp3");
        assert_eq!(target.authorization(), "Basic c291cmNlOnBAc3Mvd8O2cmQ=");
        let of = |url: &str| parse(url).map(|t| (t.user, t.port, t.tls, t.mount));
        let expect = |user: &str, port, tls, mount: &str| Ok((user.to_owned(), port, tls, mount.to_owned()));
        assert_eq!(of("icecast://:pw@h/m"), expect("source", 8000, false, "/m"));
        assert_eq!(of("icecast+tls://dj:pw@h/a/b.ogg"), expect("dj", 8000, true, "/a/b.ogg"));
        assert_eq!(of("icecasts://dj:pw@h:8443/m"), expect("dj", 8443, true, "/m"));
        assert_eq!(of("http://dj:pw@h/m"), expect("dj", 80, false, "/m"));
        assert_eq!(of("https://dj:pw@[::1]/m"), expect("dj", 443, true, "/m"));
        let target = parse("icecast://:pw@h/caf%C3%A9 x").unwrap();
        assert_eq!((target.mount.as_str(), target.mount_name().as_str()), ("/caf%C3%A9%20x", "/café x"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_showing_the_password() {
        use InvalidIcecast as E;
        for (url, error) in [
            ("", E::NotAUrl),
            ("localhost", E::NotAUrl),
            ("ftp://source:s3cret@h/m", E::Scheme),
            ("icecast://source:s3cret@/m", E::Host),
            ("icecast:///m", E::Host),
            ("icecast://source:s3cret@h%0d%0aX/m", E::Host),
            ("icecast://source:s3cret@h:0/m", E::Port),
            ("icecast://source:s3cret@h:99999/m", E::Port),
            ("icecast://source:s3cret@h:8x/m", E::Port),
            ("icecast://source:s3cret@h:8000", E::Mount),
            ("icecast://source:s3cret@h:8000/", E::Mount),
            ("icecast://source:s3cret@h/m?x=1", E::Extra),
            ("icecast://source:s3cret@h/m#x", E::Extra),
            ("icecast://h/m", E::Password),
            ("icecast://source@h/m", E::Password),
            ("icecast://source:s3cret%0d%0aX-Evil:1@h/m", E::Credentials),
            ("icecast://sou%3Arce:s3cret@h/m", E::Credentials),
            ("icecast://source:s3cret%ff@h/m", E::Credentials),
        ] {
            let config = IcecastConfig { url: url.into(), ..IcecastConfig::default() };
            assert_eq!(parse(url), Err(error), "{url}");
            assert!(!format!("{error} {config:?}").contains("s3cret"), "{url}");
        }
        let config = IcecastConfig { url: "icecast://source:s3cret@h/m".into(), ..IcecastConfig::default() };
        assert!(!format!("{config:?} {:?}", parse(&config.url)).contains("s3cret"));
    }

    #[test]
    fn shoutcast_has_streams_instead_of_mounts() {
        use InvalidIcecast as E;
        let of = |url: &str| Target::parse(url, Protocol::Shoutcast).map(|target| target.mount);
        assert_eq!(of("icecast://:s3cret@h:8000"), Ok(String::new()));
        assert_eq!(of("icecast://:s3cret@h:8000/007"), Ok("/7".to_owned()));
        for (url, error) in [
            ("icecast://:s3cret@h:8000/live", E::Stream),
            ("icecast://:s3cret@h:8000/0", E::Stream),
            ("icecast://:s3cret@h:8000/-1", E::Stream),
            ("icecast://:s3cret@h:8000/99999999999", E::Stream),
            ("icecast://:s3cret@h:8000/1/2", E::Stream),
            ("icecast://:s3cret@h:65535", E::LastPort),
            ("icecasts://:s3cret@h:8000", E::NoTls),
            ("icecast://h:8000", E::Password),
            ("icecast://:s3cret%0a@h:8000", E::Credentials),
        ] {
            assert_eq!(of(url), Err(error), "{url}");
            assert!(!error.to_string().contains("s3cret"), "{url}");
        }
    }

    #[test]
    fn a_mount_never_breaks_the_request_line() {
        for url in [
            "icecast://:p@h/a\r\nX: y",
            "icecast://:p@h/a b",
            "icecast://:p@h/\u{e9}\"<>",
            "http://:p@h/a\tb",
        ] {
            let mount = parse(url).unwrap().mount;
            assert!(mount.bytes().all(|b| b.is_ascii_graphic()), "{mount:?}");
        }
    }
}
