//! What is said to the server and what its answers mean. No I/O.

use airchain_codecs::{Bitrate, Format};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::config::{IcecastConfig, Protocol, Target};
use crate::sink::{Retry, SinkError};

/// Icecast reads at most 4 KiB of a request: a longer title cannot be sent.
const LONGEST_SONG: usize = 3000;
/// Longest value of a header.
const LONGEST_VALUE: usize = 500;

const USER_AGENT: &str = concat!("airchain/", env!("CARGO_PKG_VERSION"));
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The head that asks for a mount.
pub(crate) fn source(config: &IcecastConfig, target: &Target, mime: &str, format: &Format) -> String {
    let mut head = match config.protocol {
        Protocol::Put => format!("PUT {} HTTP/1.1\r\n", target.mount),
        Protocol::Source => format!("SOURCE {} HTTP/1.0\r\n", target.mount),
    };
    let mut line = |name: &str, value: &str| {
        let value = header_value(value);
        if !value.is_empty() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    };
    line("Host", &format!("{}:{}", target.host, target.port));
    line("Authorization", &target.authorization());
    line("User-Agent", USER_AGENT);
    line("Content-Type", mime);
    line("Ice-Name", config.name.as_deref().unwrap_or_default());
    line("Ice-Description", config.description.as_deref().unwrap_or_default());
    line("Ice-Genre", config.genre.as_deref().unwrap_or_default());
    line("Ice-URL", config.homepage.as_deref().unwrap_or_default());
    line("Ice-Public", if config.public { "1" } else { "0" });
    let mut audio = format!("channels={};samplerate={}", format.channels, format.sample_rate_hz);
    if let Bitrate::Cbr(kbps) | Bitrate::Abr(kbps) = format.bitrate {
        line("Ice-Bitrate", &kbps.to_string());
        audio.push_str(&format!(";bitrate={kbps}"));
    }
    line("Ice-Audio-Info", &audio);
    if config.protocol == Protocol::Put {
        // Without it the server answers 200 at once and refusals come too late. No length and no chunks: Icecast would
        // take chunk sizes for audio.
        line("Expect", "100-continue");
    }
    head.push_str("\r\n");
    head
}

/// The request that sets a mount's title.
pub(crate) fn title(target: &Target, song: &str) -> String {
    format!(
        "GET /admin/metadata?mode=updinfo&mount={}&charset=UTF-8&song={} HTTP/1.0\r\n\
         Host: {}:{}\r\nAuthorization: {}\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n\r\n",
        utf8_percent_encode(&target.mount_name(), QUERY),
        encode_song(song),
        target.host,
        target.port,
        target.authorization(),
    )
}

/// A title made safe for the request and for the `StreamTitle='...';` that listeners get.
fn encode_song(song: &str) -> String {
    let song = tidy(song).replace("';", "' ;");
    let mut encoded = String::new();
    for char in song.chars() {
        let char = utf8_percent_encode(char.encode_utf8(&mut [0; 4]), QUERY).to_string();
        if encoded.len() + char.len() > LONGEST_SONG {
            break;
        }
        encoded.push_str(&char);
    }
    encoded
}

/// Text on one line: controls and line breaks become spaces.
fn tidy(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    line.trim().to_owned()
}

/// A header value on one line. UTF-8 passes: Icecast takes it in Ogg mounts and where `<charset>` says so.
fn header_value(text: &str) -> String {
    let text = tidy(text);
    let mut end = text.len().min(LONGEST_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

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

    /// Whether audio may follow; otherwise what is wrong and what to do. `what` names the output.
    pub(crate) fn accept(&self, what: &str, protocol: Protocol) -> Result<(), SinkError> {
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
            404 | 405 | 501 if protocol == Protocol::Put => {
                let hint = "check the host, port and mount, or try protocol: source for an old server";
                (format!("does not take sources there ({}: {}); {hint}", self.code, self.text), Seldom)
            }
            404 | 405 | 501 => (
                format!("does not take sources there ({}); check the host, port and mount", self.code),
                Seldom,
            ),
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
    use airchain_codecs::Codec;

    use super::*;

    const FORMAT: Format =
        Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(128), sample_rate_hz: 44_100, channels: 2 };

    fn target() -> Target {
        Target::parse("icecast://source:hackme@h:8000/live").unwrap()
    }

    #[test]
    fn a_put_says_all_that_is_known() {
        let config =
            IcecastConfig { name: Some("Käse FM".into()), public: true, ..IcecastConfig::default() };
        let head = source(&config, &target(), "audio/mpeg", &FORMAT);
        assert!(head.starts_with("PUT /live HTTP/1.1\r\nHost: h:8000\r\n"));
        assert!(head.ends_with("\r\n\r\n"));
        for line in [
            "Authorization: Basic c291cmNlOmhhY2ttZQ==",
            "Content-Type: audio/mpeg",
            "Expect: 100-continue",
            "Ice-Name: Käse FM",
            "Ice-Public: 1",
            "Ice-Bitrate: 128",
            "Ice-Audio-Info: channels=2;samplerate=44100;bitrate=128",
        ] {
            assert!(head.lines().any(|l| l == line), "{line} in {head}");
        }
        let lower = head.to_lowercase();
        assert!(
            !lower.contains("transfer-encoding")
                && !lower.contains("content-length")
                && !lower.contains("genre")
        );
    }

    #[test]
    fn names_never_break_the_head() {
        let evil = "a\r\nX-Evil: 1\r\n\r\nb\n\rc\u{0}\u{85}\u{2028}d".to_owned() + &"é".repeat(4000);
        let config = IcecastConfig {
            name: Some(evil.clone()),
            description: Some(evil.clone()),
            genre: Some(evil.clone()),
            homepage: Some(evil),
            ..IcecastConfig::default()
        };
        let head = source(&config, &target(), "audio/mpeg", &FORMAT);
        assert_eq!(head.matches("\r\n").count(), head.lines().count());
        assert!(!head.lines().any(|line| line.starts_with("X-Evil")));
        assert!(head.trim_end().chars().all(|c| !c.is_control() || c == '\r' || c == '\n'));
        assert_eq!(head.find("\r\n\r\n"), Some(head.len() - 4), "one empty line, at the end");
    }

    #[test]
    fn titles_are_encoded_whole_and_short_enough() {
        let request = title(&target(), "Motörhead — \"x\" & y's\r\nHost: z");
        let line = request.lines().next().unwrap();
        assert_eq!(
            line,
            "GET /admin/metadata?mode=updinfo&mount=%2Flive&charset=UTF-8&song=\
             Mot%C3%B6rhead%20%E2%80%94%20%22x%22%20%26%20y%27s%20%20Host%3A%20z HTTP/1.0"
        );
        assert!(title(&target(), &"é".repeat(10_000)).len() < 4000);
        assert!(title(&target(), &"é".repeat(10_000)).contains("%C3%A9 HTTP/1.0"), "no half character");
        assert_eq!(encode_song("a'; b"), "a%27%20%3B%20b");
    }

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
            answer.accept("icecast at h:8000/live", Protocol::Put).unwrap_err()
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
