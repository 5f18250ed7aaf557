//! The dialect of Icecast: a request of HTTP, whose body is the audio. No I/O.

use airchain_codecs::{Bitrate, Codec};
use airchain_net::Connection;
use async_trait::async_trait;

use super::config::Target;
use super::dialect::{About, Dialect};
use super::link::Link;
use super::text::{USER_AGENT, encode, encode_song, header_value};
use crate::sink::SinkError;

/// HTTP as Icecast has it.
pub(crate) struct Http {
    /// By `SOURCE` instead of `PUT`.
    pub(crate) legacy: bool,
}

impl Http {
    /// The head that asks for a mount.
    pub(crate) fn source(&self, target: &Target, about: &About<'_>) -> String {
        let About { config, format, mime } = about;
        let mut head = match self.legacy {
            false => format!("PUT {} HTTP/1.1\r\n", target.mount),
            true => format!("SOURCE {} HTTP/1.0\r\n", target.mount),
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
        if !self.legacy {
            // Without it the server answers 200 at once and refusals come too late. No length and no chunks: Icecast would
            // take chunk sizes for audio.
            line("Expect", "100-continue");
        }
        head.push_str("\r\n");
        head
    }

    /// What to try where a server takes no sources.
    pub(crate) fn elsewhere(&self) -> &'static str {
        match self.legacy {
            false => "check the host, port and mount, or try protocol: source for an old server",
            true => "check the host, port and mount",
        }
    }
}

#[async_trait]
impl Dialect for Http {
    fn refuses(&self, codec: Codec) -> Option<&'static str> {
        matches!(codec, Codec::PcmS16 | Codec::PcmS24 | Codec::PcmF32)
            .then_some("Icecast carries no PCM; choose mp3, aac, opus or flac")
    }

    async fn enter(
        &self,
        link: &Link,
        peer: &mut dyn Connection,
        about: &About<'_>,
    ) -> Result<(), SinkError> {
        let answer = link.ask(peer, &self.source(&link.target, about)).await?;
        answer.accept(link.what(), self.elsewhere())
    }

    fn title(&self, target: &Target, song: &str) -> String {
        format!(
            "GET /admin/metadata?mode=updinfo&mount={}&charset=UTF-8&song={} HTTP/1.0\r\n\
             Host: {}:{}\r\nAuthorization: {}\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n\r\n",
            encode(&target.mount_name()),
            encode_song(song),
            target.host,
            target.port,
            target.authorization(),
        )
    }
}

#[cfg(test)]
mod tests {
    use airchain_codecs::Format;

    use super::super::config::{IcecastConfig, Protocol};
    use super::*;

    const PUT: Http = Http { legacy: false };
    const FORMAT: Format =
        Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(128), sample_rate_hz: 44_100, channels: 2 };

    fn target() -> Target {
        Target::parse("icecast://source:hackme@h:8000/live", Protocol::Put).unwrap()
    }

    fn source(config: &IcecastConfig) -> String {
        PUT.source(&target(), &About { config, format: &FORMAT, mime: "audio/mpeg" })
    }

    fn title(song: &str) -> String {
        PUT.title(&target(), song)
    }

    #[test]
    fn a_put_says_all_that_is_known() {
        let config =
            IcecastConfig { name: Some("Käse FM".into()), public: true, ..IcecastConfig::default() };
        let head = source(&config);
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
        let head = source(&config);
        assert_eq!(head.matches("\r\n").count(), head.lines().count());
        assert!(!head.lines().any(|line| line.starts_with("X-Evil")));
        assert!(head.trim_end().chars().all(|c| !c.is_control() || c == '\r' || c == '\n'));
        assert_eq!(head.find("\r\n\r\n"), Some(head.len() - 4), "one empty line, at the end");
    }

    #[test]
    fn titles_are_encoded_whole_and_short_enough() {
        let request = title("Motörhead — \"x\" & y's\r\nHost: z");
        let line = request.lines().next().unwrap();
        assert_eq!(
            line,
            "GET /admin/metadata?mode=updinfo&mount=%2Flive&charset=UTF-8&song=\
             Mot%C3%B6rhead%20%E2%80%94%20%22x%22%20%26%20y%27s%20%20Host%3A%20z HTTP/1.0"
        );
        assert!(title(&"é".repeat(10_000)).len() < 4000);
        assert!(title(&"é".repeat(10_000)).contains("%C3%A9 HTTP/1.0"), "no half character");
        assert_eq!(encode_song("a'; b"), "a%27%20%3B%20b");
    }
}
