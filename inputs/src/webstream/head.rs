//! The head of a request and of its answer: HTTP/1.x, and the `ICY 200 OK` of Shoutcast, which is the same but for its
//! name. No I/O.

use base64::Engine;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::body::Framing;
use super::status::IcyHeaders;
use super::trouble::Trouble;
use crate::text;

/// Longest head that is read.
pub(crate) const LONGEST_HEAD: usize = 32 * 1024;
/// Header lines at most.
const MOST_HEADERS: usize = 100;
/// Characters of a header that are kept.
const LONGEST_VALUE: usize = 500;
/// Furthest apart that titles are believed to be.
const LARGEST_METAINT: usize = 16 << 20;

/// The head of a request for `url`, with the user and password that stand in it.
pub(crate) fn request(url: &Url, user_agent: &str) -> String {
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let mut head = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {user_agent}\r\nAccept: */*\r\n\
         Icy-MetaData: 1\r\nConnection: close\r\n"
    );
    if let Some(credentials) = credentials(url) {
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        head.push_str(&format!("Authorization: Basic {encoded}\r\n"));
    }
    head.push_str("\r\n");
    head
}

/// `user:password`, if the URL holds any.
pub(crate) fn credentials(url: &Url) -> Option<Vec<u8>> {
    let password = url.password().unwrap_or_default();
    if url.username().is_empty() && password.is_empty() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(password));
    Some(pair)
}

/// The head of an answer.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) code: u16,
    /// The reason phrase.
    pub(crate) said: String,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) framing: Framing,
    /// Bytes of audio between two titles.
    pub(crate) metaint: Option<usize>,
    pub(crate) station: IcyHeaders,
}

/// Where the head ends in `bytes`, of which those before `from` were searched already.
pub(crate) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(3);
    let tail = bytes.get(from..)?;
    (0..tail.len()).find_map(|at| {
        let rest = tail.get(at..)?;
        let length = [&b"\r\n\r\n"[..], b"\n\n", b"\n\r\n"].iter().find(|end| rest.starts_with(end))?.len();
        Some(from + at + length)
    })
}

/// Whether this can be the start of an answer.
pub(crate) fn may_be_answer(bytes: &[u8]) -> bool {
    [&b"HTTP/"[..], b"ICY "].iter().any(|name| {
        let length = name.len().min(bytes.len());
        bytes.get(..length) == name.get(..length)
    })
}

impl Head {
    /// Reads a whole head.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Trouble> {
        let renamed;
        let bytes = match bytes.strip_prefix(b"ICY ") {
            Some(rest) => {
                renamed = [b"HTTP/1.0 ", rest].concat();
                &renamed
            }
            None => bytes,
        };
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let mut config = httparse::ParserConfig::default();
        config
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .ignore_invalid_headers_in_responses(true);
        match config.parse_response(&mut response, bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Trouble::Head("it has no end")),
            Err(httparse::Error::TooManyHeaders) => return Err(Trouble::Head("more than 100 header lines")),
            Err(httparse::Error::Version) => return Err(Trouble::Head("an unknown version of HTTP")),
            Err(_) => return Err(Trouble::Head("it is not HTTP")),
        }
        let mut head = Self {
            code: response.code.unwrap_or_default(),
            said: response.reason.and_then(|reason| text::line(reason, 120)).unwrap_or_default(),
            ..Self::default()
        };
        for header in response.headers.iter() {
            head.read(header);
        }
        Ok(head)
    }

    fn read(&mut self, header: &httparse::Header<'_>) {
        let Some(value) = text::line(&text::decode(header.value), LONGEST_VALUE) else { return };
        match header.name.to_ascii_lowercase().as_str() {
            "content-type" => self.content_type = Some(value),
            "location" => self.location = Some(text::decode(header.value).trim().to_owned()),
            "transfer-encoding" if value.to_ascii_lowercase().contains("chunked") => {
                self.framing = Framing::chunked();
            }
            "content-length" if !self.framing.is_chunked() => {
                if let Ok(length) = value.parse() {
                    self.framing = Framing::Length(length);
                }
            }
            "icy-metaint" => {
                self.metaint = value.parse().ok().filter(|count| (1..=LARGEST_METAINT).contains(count));
            }
            "icy-name" | "ice-name" => self.station.name = Some(value),
            "icy-description" | "ice-description" => self.station.description = Some(value),
            "icy-genre" | "ice-genre" => self.station.genre = Some(value),
            "icy-url" | "ice-url" => self.station.homepage = Some(value),
            "icy-br" | "ice-bitrate" => {
                // Some servers give one for the source and one for themselves: "128, 128".
                let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
                let kbps = value.get(..digits).and_then(|digits| digits.parse().ok());
                self.station.bitrate_kbps = kbps.filter(|kbps| (1..=100_000).contains(kbps));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_who_asks_and_holds_the_credentials() {
        let url = Url::parse("http://dj:p%40ss%2Fw%C3%B6rd@radio.example:8010/a b?x=1#part").unwrap();
        let head = request(&url, "airchain/1");
        assert!(head.starts_with("GET /a%20b?x=1 HTTP/1.1\r\nHost: radio.example:8010\r\n"), "{head}");
        assert!(head.contains("\r\nIcy-MetaData: 1\r\n") && head.contains("\r\nUser-Agent: airchain/1\r\n"));
        assert!(head.ends_with("\r\nAuthorization: Basic ZGo6cEBzcy93w7ZyZA==\r\n\r\n"), "{head}");
        let plain = request(&Url::parse("https://[::1]/").unwrap(), "x");
        assert!(plain.contains("\r\nHost: [::1]\r\n") && !plain.contains("Authorization"), "{plain}");
    }

    #[test]
    fn icy_and_http_are_read_alike() {
        for first in ["ICY 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 200 OK"] {
            let text = format!(
                "{first}\r\nicy-notice1:<BR>This stream requires\r\nicy-name:K\u{e4}se FM\r\nicy-br:128, 96\r\n\
                 icy-metaint:16000\r\ncontent-type:audio/mpeg\r\nBroken line\r\nice-genre : jazz\r\n\r\n"
            );
            let head = Head::parse(text.as_bytes()).unwrap();
            assert_eq!((head.code, head.said.as_str(), head.metaint), (200, "OK", Some(16_000)));
            assert_eq!(head.content_type.as_deref(), Some("audio/mpeg"));
            assert_eq!(head.station.name.as_deref(), Some("Käse FM"));
            assert_eq!(head.station.genre.as_deref(), Some("jazz"));
            assert_eq!(head.station.bitrate_kbps, Some(128));
        }
        let head = Head::parse(b"ICY 200 OK\nicy-name: K\xE4se\n\n").unwrap();
        assert_eq!(head.station.name.as_deref(), Some("Käse"));
        assert_eq!(Head::parse(b"HTTP/1.1 404\r\n\r\n").unwrap().code, 404);
    }

    #[test]
    fn figures_that_cannot_be_are_not_believed() {
        let metaint = |value: &str| {
            Head::parse(format!("ICY 200 OK\r\nicy-metaint: {value}\r\n\r\n").as_bytes()).unwrap().metaint
        };
        assert_eq!(metaint("8192"), Some(8192));
        for value in ["-1", "0", "x", "", "99999999999999999999", "33554432"] {
            assert_eq!(metaint(value), None, "{value}");
        }
        let head =
            Head::parse(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nicy-br: 99999999999\r\n\r\n").unwrap();
        assert_eq!(head.framing, Framing::UntilClose);
        assert_eq!(head.station.bitrate_kbps, None);
    }

    #[test]
    fn garbage_is_refused() {
        let many = format!("HTTP/1.0 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
        for bytes in [
            &b"SSH-2.0\r\n\r\n"[..],
            b"HTTP/3.0 200 OK\r\n\r\n",
            b"HTTP/1.1 x\r\n\r\n",
            b"\r\n\r\n",
            b"ICY \0\0\r\n\r\n",
            b"ICY 200 OK\r\nicy-name: a\0b\r\n\r\n",
            many.as_bytes(),
        ] {
            assert!(matches!(Head::parse(bytes), Err(Trouble::Head(_))), "{bytes:?}");
        }
        let head = Head::parse(b"ICY 200 OK\r\nicy-name: a\x1b[31m\r\nicy-genre: jazz\r\n\r\n").unwrap();
        assert_eq!((head.station.name, head.station.genre.as_deref()), (None, Some("jazz")));
    }

    #[test]
    fn the_end_is_found_over_any_cut() {
        for head in
            [&b"HTTP/1.0 200 OK\r\na: b\r\n\r\n"[..], b"ICY 200 OK\na: b\n\n", b"ICY 200 OK\na: b\n\r\n"]
        {
            let bytes = [head, b"audio\n\n"].concat();
            for cut in 0..head.len() {
                assert_eq!(end(&bytes[..cut], 0), None);
                assert_eq!(end(&bytes, cut), Some(head.len()), "{cut}");
            }
        }
        assert!(may_be_answer(b"HT") && may_be_answer(b"ICY 200") && may_be_answer(b""));
        assert!(!may_be_answer(b"SSH") && !may_be_answer(b"ICE/1.0"));
    }
}
