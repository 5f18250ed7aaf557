//! A line of the access log, as nginx writes it with this `log_format`:
//!
//! ```text
//! $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"
//!     session_id="$arg_s" real_ip="$http_x_forwarded_for"
//! ```
//!
//! in one line. Nobody has to name a user here, so `$remote_user` is always `-`. Whatever clients sent is escaped as nginx
//! escapes it, so none of it can end a field or a line.

use std::fmt::Write as _;
use std::net::IpAddr;

use axum::http::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{StatusCode, Version};
use jiff::{Timestamp, tz::TimeZone};

use super::super::session::argument;

/// Bytes of a request line, and of every other value, that are written at most.
const LONGEST: (usize, usize) = (4096, 1024);

/// What is known of a request when it comes.
#[derive(Debug)]
pub(crate) struct Asked {
    peer: IpAddr,
    /// From the quotes around the request line on: those before the status, and those behind the count of bytes.
    request: String,
    rest: String,
}

impl Asked {
    /// A request from a peer.
    pub(crate) fn new(peer: IpAddr, parts: &Parts) -> Self {
        let version = match parts.version {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let mut request = String::new();
        let line = format!("{} {} {version}", parts.method, parts.uri);
        escape(line.as_bytes(), LONGEST.0, &mut request);
        let field = |value: Option<Vec<u8>>| {
            let mut out = String::new();
            match value {
                Some(value) => escape(&value, LONGEST.1, &mut out),
                None => out.push('-'),
            }
            out
        };
        let session = parts.uri.query().and_then(|query| argument(query, "s"));
        let rest = format!(
            "\"{}\" \"{}\" session_id=\"{}\" real_ip=\"{}\"",
            field(header(&parts.headers, &REFERER)),
            field(header(&parts.headers, &USER_AGENT)),
            field(session.map(|session| session.as_bytes().to_vec())),
            field(header(&parts.headers, &HeaderName::from_static("x-forwarded-for"))),
        );
        Self { peer: peer.to_canonical(), request, rest }
    }

    /// The line of a request that was answered so, at a time in a time zone.
    pub(crate) fn answered(&self, status: StatusCode, bytes: u64, at: Timestamp, zone: &TimeZone) -> String {
        let Self { peer, request, rest } = self;
        let time = at.to_zoned(zone.clone()).strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        format!("{peer} - - [{time}] \"{request}\" {} {bytes} {rest}\n", status.as_u16())
    }
}

/// The values of a header, with commas between them where there are several.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    (!values.is_empty()).then(|| values.join(&b", "[..]))
}

/// Appends a value as nginx escapes it: quotes, backslashes and all that is not printable ASCII as `\xHH`.
fn escape(value: &[u8], longest: usize, out: &mut String) {
    for byte in value.iter().take(longest) {
        match byte {
            b'"' | b'\\' | 0..32 | 127.. => {
                let _ = write!(out, "\\x{byte:02X}");
            }
            _ => out.push(char::from(*byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn line(request: axum::http::request::Builder) -> String {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let at = "2026-03-01T12:00:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        Asked::new([192, 0, 2, 7].into(), &parts).answered(StatusCode::OK, 1234, at, &zone)
    }

    #[test]
    fn a_line_is_that_of_nginx() {
        let request = Request::get("/hls/wgmr/index.m3u8?s=0af3&x=1")
            .header("referer", "https://example.org/")
            .header("user-agent", "Player/1.0 (X11)")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-for", "198.51.100.1");
        assert_eq!(
            line(request),
            "192.0.2.7 - - [01/Mar/2026:07:00:00 -0500] \"GET /hls/wgmr/index.m3u8?s=0af3&x=1 HTTP/1.1\" 200 1234 \
             \"https://example.org/\" \"Player/1.0 (X11)\" session_id=\"0af3\" \
             real_ip=\"203.0.113.9, 198.51.100.1\"\n"
        );
        // What is absent is a dash, what is empty is empty.
        let bare = line(Request::head("/?s=").version(Version::HTTP_10).header("user-agent", ""));
        assert!(
            bare.ends_with("\"HEAD /?s= HTTP/1.0\" 200 1234 \"-\" \"\" session_id=\"\" real_ip=\"-\"\n"),
            "{bare}"
        );
    }

    #[test]
    fn nothing_that_clients_send_forges_a_line() {
        let hostile = "a\"b\\c\tdé";
        let request = Request::get("/a\"b?s=%22%0a\\y")
            .header("user-agent", hostile.as_bytes())
            .header("referer", [0x80, b'"', b' ', b'-'].as_slice())
            .header("x-forwarded-for", "1\" session_id=\"forged");
        let line = line(request);
        assert!(line.contains("\"GET /a\\x22b?s=%22%0a\\x5Cy HTTP/1.1\""), "{line}");
        assert!(line.contains("\"a\\x22b\\x5Cc\\x09d\\xC3\\xA9\""), "{line}");
        assert!(line.contains("\"\\x80\\x22 -\"") && line.contains("session_id=\"%22%0a\\x5Cy\""), "{line}");
        assert!(line.ends_with("real_ip=\"1\\x22 session_id=\\x22forged\"\n"), "{line}");
        assert_eq!((line.matches('\n').count(), line.matches('"').count()), (1, 10));
        let long = self::line(Request::get("/").header("user-agent", "\"".repeat(100_000)));
        assert!(long.len() < 8_000, "{}", long.len());
    }
}
