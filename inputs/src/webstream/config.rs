//! What a web stream is told: where it is, and how patient to be with it.

use std::fmt;
use std::path::PathBuf;

use airchain_net::mask_url;
use url::Url;

/// Fallback URLs at most.
pub const MOST_FALLBACK_URLS: usize = 16;

/// How a web stream is declared.
#[derive(Clone)]
pub struct WebstreamConfig {
    /// What the log calls it: the input's name.
    pub id: String,
    /// `http://` or `https://` (`icy://` is taken for `http://`): a stream or a playlist of streams. User and password
    /// may stand in it.
    pub url: String,
    /// What is listened to while `url` cannot be had, best first: [`MOST_FALLBACK_URLS`] at most.
    pub fallback_urls: Vec<String>,
    /// A connection that brings nothing for this long, in seconds, is given up: 0.5 to 120.
    pub stall_timeout_s: f64,
    /// Longest pause between two rounds of tries, in seconds: 0.5 to 600.
    pub retry_max_s: f64,
    /// While on a fallback, how often `url` is tried, in seconds: 1 to 86400.
    pub return_after_s: f64,
    /// What the server is told who asks; `airchain/VERSION` when absent.
    pub user_agent: Option<String>,
    /// PEM file of certificates to trust beside the system's, for `https://`.
    pub ca_file: Option<PathBuf>,
    /// Whether a body that ends is the end of the programme, as of a file. Otherwise it is asked for again, as a radio
    /// station has no end.
    pub finite: bool,
    /// Bytes that may wait to be taken before the server is held up: 4 KiB to 64 MiB.
    pub capacity_bytes: usize,
}

impl Default for WebstreamConfig {
    fn default() -> Self {
        Self {
            id: String::new(),
            url: String::new(),
            fallback_urls: Vec::new(),
            stall_timeout_s: 5.0,
            retry_max_s: 15.0,
            return_after_s: 30.0,
            user_agent: None,
            ca_file: None,
            finite: false,
            capacity_bytes: 256 * 1024,
        }
    }
}

impl fmt::Debug for WebstreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fallbacks: Vec<String> = self.fallback_urls.iter().map(|url| mask_url(url)).collect();
        f.debug_struct("WebstreamConfig")
            .field("id", &self.id)
            .field("url", &mask_url(&self.url))
            .field("fallback_urls", &fallbacks)
            .finish_non_exhaustive()
    }
}

/// A field of a web stream that cannot be meant. The caller corrects it and tries again. Never shows a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is not accepted, give {accepted}")]
pub struct InvalidWebstream {
    /// The field's name.
    pub field: &'static str,
    /// What it held, secrets masked.
    pub value: String,
    /// What would be accepted.
    pub accepted: &'static str,
}

impl WebstreamConfig {
    /// Refuses what cannot be meant.
    pub fn validate(&self) -> Result<(), InvalidWebstream> {
        self.urls()?;
        let invalid = |field, value: String, accepted| Err(InvalidWebstream { field, value, accepted });
        if self.fallback_urls.len() > MOST_FALLBACK_URLS {
            let count = format!("a list of {}", self.fallback_urls.len());
            return invalid("fallback_urls", count, "at most 16 URLs");
        }
        // Comparisons that NaN fails.
        if !(0.5..=120.0).contains(&self.stall_timeout_s) {
            return invalid("stall_timeout_s", self.stall_timeout_s.to_string(), "seconds from 0.5 to 120");
        }
        if !(0.5..=600.0).contains(&self.retry_max_s) {
            return invalid("retry_max_s", self.retry_max_s.to_string(), "seconds from 0.5 to 600");
        }
        if !(1.0..=86_400.0).contains(&self.return_after_s) {
            return invalid("return_after_s", self.return_after_s.to_string(), "seconds from 1 to 86400");
        }
        if !(4096..=64 << 20).contains(&self.capacity_bytes) {
            return invalid("capacity_bytes", self.capacity_bytes.to_string(), "bytes from 4096 to 67108864");
        }
        match &self.user_agent {
            Some(text) if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) => {
                invalid("user_agent", format!("{text:?}"), "1 to 200 bytes of one line")
            }
            _ => Ok(()),
        }
    }

    /// All URLs, best first.
    pub(crate) fn urls(&self) -> Result<Vec<Url>, InvalidWebstream> {
        let first = parse("url", &self.url);
        let others = self.fallback_urls.iter().map(|url| parse("fallback_urls", url));
        std::iter::once(first).chain(others).collect()
    }
}

fn parse(field: &'static str, text: &str) -> Result<Url, InvalidWebstream> {
    stream_url(text).ok_or_else(|| {
        let value = if text.trim().is_empty() { "nothing".to_owned() } else { mask_url(text) };
        let accepted = "http:// or https:// with a host, as in https://radio.example/live.mp3; \
                        write / # ? @ in a password as %2F %23 %3F %40";
        InvalidWebstream { field, value, accepted }
    })
}

/// The URL of a stream as people and playlists write it.
pub(crate) fn stream_url(text: &str) -> Option<Url> {
    let text = text.trim();
    let url = match text.get(..6) {
        Some(scheme) if scheme.eq_ignore_ascii_case("icy://") => {
            Url::parse(&format!("http://{}", text.get(6..)?))
        }
        _ => Url::parse(text),
    };
    url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.port() != Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: WebstreamConfig) -> String {
        let error = config.validate().expect_err("it is refused");
        assert!(!format!("{error} {config:?}").contains("s3cret"), "{error}");
        format!("{}={}", error.field, error.value)
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name_without_secrets() {
        let good = WebstreamConfig {
            url: "https://dj:s3cret@radio.example/live?token=s3cret".into(),
            fallback_urls: vec!["icy://other.example:8000/".into()],
            ..WebstreamConfig::default()
        };
        assert_eq!(good.validate(), Ok(()));
        assert!(!format!("{good:?}").contains("s3cret"));
        let with = |change: &dyn Fn(&mut WebstreamConfig)| {
            let mut config = good.clone();
            change(&mut config);
            refused(config)
        };
        assert_eq!(with(&|c| c.url.clear()), "url=nothing");
        assert_eq!(with(&|c| c.url = "rtsp://dj:s3cret@h/x".into()), "url=rtsp://dj:***@h/x");
        assert_eq!(with(&|c| c.url = "http://".into()), "url=http://");
        assert_eq!(with(&|c| c.fallback_urls = vec!["live".into()]), "fallback_urls=live");
        assert_eq!(with(&|c| c.fallback_urls = vec!["http://h/".into(); 17]), "fallback_urls=a list of 17");
        assert_eq!(with(&|c| c.stall_timeout_s = f64::NAN), "stall_timeout_s=NaN");
        assert_eq!(with(&|c| c.retry_max_s = 0.0), "retry_max_s=0");
        assert_eq!(with(&|c| c.return_after_s = f64::INFINITY), "return_after_s=inf");
        assert_eq!(with(&|c| c.capacity_bytes = 0), "capacity_bytes=0");
        assert_eq!(with(&|c| c.user_agent = Some("a\r\nX: y".into())), "user_agent=\"a\\r\\nX: y\"");
    }
}
