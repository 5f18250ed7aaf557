//! What a server's answers mean. No I/O.

use crate::sink::{Retry, SinkError};

/// A server's answer: the code and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// Reason phrase and body, shortened to what a person can read.
    pub(crate) text: String,
}

impl Answer {
    /// Reads the status line of `HTTP/1.x`, `ICE/1.0` or `ICY`, and the body after the head.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().next()?;
        let (version, after) = line.trim().split_once(' ')?;
        if !["HTTP/", "ICE/", "ICY"].iter().any(|name| version.starts_with(name)) {
            return None;
        }
        let after = after.trim_start();
        let (code, reason) = after.split_once(' ').unwrap_or((after, ""));
        let code = code.parse().ok().filter(|code| (100..600).contains(code) && after.len() >= 3)?;
        let body =
            text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n")).map_or("", |(_, body)| body);
        Some(Self { code, text: readable(&format!("{reason} {body}")) })
    }

    pub(crate) fn says(&self, what: &str) -> bool {
        self.text.to_ascii_lowercase().contains(what)
    }

    /// Whether audio may follow; otherwise what is wrong and what to do. `what` names the output, `elsewhere` says what to
    /// try where no sources are taken.
    pub(crate) fn accept(&self, what: &str, elsewhere: &str) -> Result<(), SinkError> {
        use Retry::{Seldom, Soon};
        let (message, retry) = match self.code {
            100 | 200 => return Ok(()),
            401 => ("wrong user or password (401); correct them in the url".to_owned(), Seldom),
            // Icecast 2.4 says with 403 what later ones have codes of their own for.
            code @ (403 | 409) if code == 409 || self.says("in use") => (
                format!(
                    "the mount is in use by another source ({code}); stop that one or choose another mount"
                ),
                Soon,
            ),
            code @ (403 | 429 | 503) if self.says("too many sources") => (
                format!(
                    "the server has all the sources it admits ({code}); raise <sources> in its icecast.xml"
                ),
                Seldom,
            ),
            code @ (403 | 415) if code == 415 || self.says("content-type") || self.says("content type") => {
                (format!("the server does not take this format ({code}); choose another"), Seldom)
            }
            429 => (format!("the server is asked too often (429: {}); it is tried again", self.text), Soon),
            403 => (
                format!("the server refuses (403: {}); check the mount and its settings there", self.text),
                Seldom,
            ),
            404 | 405 | 501 => {
                (format!("does not take sources there ({}: {}); {elsewhere}", self.code, self.text), Seldom)
            }
            426 => ("the server wants TLS (426); use icecast+tls:// in the url".to_owned(), Seldom),
            code @ 300..=399 => (
                format!("the server points elsewhere ({code}), which is not followed; correct the url"),
                Seldom,
            ),
            code @ 500..=599 => {
                (format!("the server has trouble ({code}: {}); see its log", self.text), Soon)
            }
            code => (
                format!("unexpected answer ({code}: {}); check that it is an Icecast server", self.text),
                Seldom,
            ),
        };
        Err(SinkError { message: format!("{what}: {message}"), retry })
    }

    /// Whether a title was taken.
    pub(crate) fn take_title(&self, what: &str) -> Result<(), SinkError> {
        // Icecast says so in the text of a 200 when a mount takes no titles from here.
        if self.code == 200 && !self.says("will not accept") {
            return Ok(());
        }
        let message = format!("{what}: the title was refused ({}: {})", self.code, self.text);
        Err(SinkError { message, retry: Retry::Soon })
    }
}

/// What a server said, as one short line that cannot confuse a terminal or a log.
pub(crate) fn readable(text: &str) -> String {
    let mut plain = String::new();
    let mut in_tag = false;
    for char in text.chars().take(2000) {
        match char {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if in_tag => {}
            c if c.is_control() || c == '\u{fffd}' || c.is_whitespace() => plain.push(' '),
            c => plain.push(c),
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_all_kinds_of_servers() {
        let code = |text: &[u8]| Answer::parse(text).map(|answer| answer.code);
        assert_eq!(code(b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n"), Some(100));
        assert_eq!(code(b"HTTP/1.0 200 OK\r\n\r\n"), Some(200));
        assert_eq!(code(b"ICE/1.0 200 OK\r\n\r\n"), Some(200));
        assert_eq!(code(b"ICY 200 OK\n\n"), Some(200));
        assert_eq!(code(b"HTTP/1.1 200\r\n\r\n"), Some(200));
        for garbage in
            [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"", b"\x15\x03\x01\x00\x02", b"HTTP/1.1", b"HTTP/1.1 9 x"]
        {
            assert_eq!(Answer::parse(garbage), None);
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        let refuse = |text: &str| {
            let answer = Answer::parse(text.as_bytes()).unwrap();
            answer.accept("icecast at h:8000/live", "try protocol: source").unwrap_err()
        };
        for (answer, words, retry) in [
            (
                "HTTP/1.0 401 Authentication Required\r\n\r\nYou need to authenticate",
                "password",
                Retry::Seldom,
            ),
            ("HTTP/1.0 403 Forbidden\r\n\r\nMountpoint in use", "mount is in use", Retry::Soon),
            ("HTTP/1.0 403 Forbidden\r\n\r\ntoo many sources connected", "<sources>", Retry::Seldom),
            ("HTTP/1.0 403 Forbidden\r\n\r\nContent-type not supported", "format", Retry::Seldom),
            (
                "HTTP/1.1 409 Conflict\r\n\r\n{\"message\":\"Mountpoint in use\"}",
                "mount is in use",
                Retry::Soon,
            ),
            ("HTTP/1.1 415 Unsupported Media Type\r\n\r\n", "format (415)", Retry::Seldom),
            ("HTTP/1.1 503 Unavailable\r\n\r\ntoo many sources connected", "<sources>", Retry::Seldom),
            ("HTTP/1.1 429 Too Many Requests\r\n\r\n", "too often", Retry::Soon),
            ("HTTP/1.0 403 Forbidden\r\n\r\n<b>\x1b[31mNo\x07</b>", "(403: Forbidden [31mNo)", Retry::Seldom),
            ("HTTP/1.0 405 Method Not Allowed\r\n\r\n", "protocol: source", Retry::Seldom),
            ("HTTP/1.0 302 Found\r\n\r\n", "elsewhere", Retry::Seldom),
            ("HTTP/1.0 503 Busy\r\n\r\n", "503: Busy", Retry::Soon),
            ("HTTP/1.0 418 Teapot\r\n\r\n", "418", Retry::Seldom),
        ] {
            let error = refuse(answer);
            assert!(error.message.starts_with("icecast at h:8000/live: "), "{error}");
            assert!(error.message.contains(words), "{error}");
            assert_eq!(error.retry, retry, "{error}");
        }
    }
}
