//! What an SRT output is told: where the receiver is, and how both agree.

use std::fmt;
use std::time::Duration;

use url::{ParseError, Url};

/// How an SRT output is declared.
#[derive(Clone)]
pub struct SrtConfig {
    /// `srt://host:port`: a receiver that listens there.
    pub url: String,
    /// How long the receiver keeps what it gets, so that what is lost on the way can be sent again; 20 ms to 60 s. At least
    /// four times what a datagram takes there and back.
    pub latency: Duration,
    /// By which the receiver tells streams apart; at most 512 bytes.
    pub stream_id: Option<String>,
    /// With one, of 10 to 79 bytes, the stream is encrypted (AES-128). Never shown.
    pub passphrase: Option<String>,
}

impl SrtConfig {
    /// To a receiver, with 200 ms, in the clear.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), latency: Duration::from_millis(200), stream_id: None, passphrase: None }
    }
}

impl fmt::Debug for SrtConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place =
            Receiver::of(self).map_or_else(|error| error.to_string(), |receiver| receiver.to_string());
        f.debug_struct("SrtConfig")
            .field("url", &place)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

/// Why an SRT output cannot be meant so. The caller corrects the field. Never shows a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSrt {
    /// Not a URL of SRT with host and port.
    #[error("url: not a receiver, give srt://host:port")]
    Url,
    /// A user, path or query.
    #[error(
        "url: nothing but host and port may stand there; give stream_id and passphrase as fields of their own"
    )]
    Extra,
    /// A latency that receivers refuse.
    #[error("latency_ms: out of range, give 20 to 60000")]
    Latency,
    /// A stream id that does not fit into a handshake.
    #[error("stream_id: longer than 512 bytes or with control characters")]
    StreamId,
    /// A passphrase that receivers refuse.
    #[error("passphrase: must be 10 to 79 bytes long")]
    Passphrase,
}

/// Where a stream goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receiver {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Receiver {
    /// Checks the whole configuration.
    pub(crate) fn of(config: &SrtConfig) -> Result<Self, InvalidSrt> {
        let url = Url::parse(config.url.trim()).map_err(|_: ParseError| InvalidSrt::Url)?;
        let host = url.host_str().filter(|host| !host.is_empty() && host.is_ascii() && !host.contains('%'));
        let port = url.port().filter(|port| *port > 0);
        let (Some(host), Some(port), "srt") = (host, port, url.scheme()) else {
            return Err(InvalidSrt::Url);
        };
        let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !is_bare || url.fragment().is_some() || !matches!(url.path(), "" | "/") {
            return Err(InvalidSrt::Extra);
        }
        if !(Duration::from_millis(20)..=Duration::from_secs(60)).contains(&config.latency) {
            return Err(InvalidSrt::Latency);
        }
        let fits = |id: &String| id.len() <= 512 && !id.chars().any(char::is_control);
        if !config.stream_id.as_ref().is_none_or(fits) {
            return Err(InvalidSrt::StreamId);
        }
        if !config.passphrase.as_ref().is_none_or(|secret| (10..=79).contains(&secret.len())) {
            return Err(InvalidSrt::Passphrase);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused_without_showing_secrets() {
        let of = |url: &str| Receiver::of(&SrtConfig::new(url)).map(|receiver| receiver.to_string());
        assert_eq!(of("srt://receiver.example:9000").as_deref(), Ok("receiver.example:9000"));
        assert_eq!(of("srt://[::1]:9000/").as_deref(), Ok("[::1]:9000"));
        for url in ["", "host:9000", "udp://h:9000", "srt://h", "srt://:9000", "srt://h:0", "srt://h%0a:9000"]
        {
            assert_eq!(of(url), Err(InvalidSrt::Url), "{url}");
        }
        for url in
            ["srt://h:9000?passphrase=s3cret", "srt://u:s3cret@h:9000", "srt://h:9000/x", "srt://h:9000#x"]
        {
            assert_eq!(of(url), Err(InvalidSrt::Extra), "{url}");
            assert!(!format!("{:?}", SrtConfig::new(url)).contains("s3cret"));
        }
        let config = SrtConfig::new("srt://h:9000");
        let short = SrtConfig { passphrase: Some("s3cret".into()), ..config.clone() };
        assert_eq!(Receiver::of(&short), Err(InvalidSrt::Passphrase));
        assert!(!format!("{short:?}").contains("s3cret"));
        let long = SrtConfig { stream_id: Some("x".repeat(513)), ..config.clone() };
        assert_eq!(Receiver::of(&long), Err(InvalidSrt::StreamId));
        let none = SrtConfig { latency: Duration::ZERO, ..config };
        assert_eq!(Receiver::of(&none), Err(InvalidSrt::Latency));
    }
}
