//! The dialect of Shoutcast, the ICY source protocol, as version 1 has it and version 2 still takes it.
//!
//! ```text
//! source ─► port + 1: PASSWORD                      one line; version 2: USER:PASSWORD:#STREAM
//!        ◄─ OK2, icy-caps:11                        or `invalid password`, or nothing and the end
//!        ─► icy-name:... content-type:...           then audio; there is no answer but a refusal
//! titles ─► port: GET /admin.cgi?pass=...&mode=updinfo&song=...
//! ```

use std::time::Duration;

use airchain_codecs::{Bitrate, Codec};
use airchain_net::Connection;
use async_trait::async_trait;

use super::answer::{Answer, readable};
use super::config::Target;
use super::dialect::{About, Dialect};
use super::link::{Link, NoAnswer, exchange, listen};
use super::text::{USER_AGENT, encode, encode_song, header_value};
use crate::sink::{Retry, SinkError};

/// How long a refusal of what a source says of itself is waited for: there is no word for yes.
const OBJECTION: Duration = Duration::from_millis(300);

/// ICY.
pub(crate) struct Shoutcast;

/// The line that a source is let in by.
fn password(target: &Target) -> String {
    let stream = target.stream().map(|stream| format!(":#{stream}")).unwrap_or_default();
    format!("{}{stream}\r\n", account(target))
}

/// Version 2 knows several users.
fn account(target: &Target) -> String {
    match target.user.as_str() {
        "source" => target.password.clone(),
        user => format!("{user}:{}", target.password),
    }
}

/// What follows when it is let in.
fn head(about: &About<'_>) -> String {
    let About { config, format, mime } = about;
    let mut head = String::new();
    let mut line = |name: &str, value: &str| {
        let value = header_value(value);
        if !value.is_empty() {
            head.push_str(&format!("{name}:{value}\r\n"));
        }
    };
    line("icy-name", config.name.as_deref().unwrap_or_default());
    line("icy-genre", config.genre.as_deref().unwrap_or_default());
    line("icy-url", config.homepage.as_deref().unwrap_or_default());
    line("icy-pub", if config.public { "1" } else { "0" });
    if let Bitrate::Cbr(kbps) | Bitrate::Abr(kbps) = format.bitrate {
        line("icy-br", &kbps.to_string());
    }
    // The one name for ADTS that these servers know.
    line("content-type", if format.codec == Codec::Mp3 { mime } else { "audio/aacp" });
    head.push_str("\r\n");
    head
}

/// Whether the password was right, by what was said to it.
fn admit(what: &str, said: &[u8]) -> Result<(), SinkError> {
    let text = readable(&String::from_utf8_lossy(said));
    if text.starts_with("OK") {
        return Ok(());
    }
    if let Some(answer) = Answer::parse(said) {
        return Err(refusal(what, &answer));
    }
    let (why, retry) = match text.to_ascii_lowercase() {
        said if said.contains("password") || said.contains("denied") => {
            (format!("wrong user or password ({text}); correct them in the url"), Retry::Seldom)
        }
        said if said.contains("in use") => {
            (format!("the stream is in use by another source ({text}); stop that one"), Retry::Soon)
        }
        _ => (
            format!("not a Shoutcast server: it said {text:?}; check host, port and protocol"),
            Retry::Seldom,
        ),
    };
    Err(SinkError { message: format!("{what}: {why}"), retry })
}

/// What an answer by HTTP means here, where no answer says yes.
fn refusal(what: &str, answer: &Answer) -> SinkError {
    let hint = "check the port: it is that of the listeners, sources go to the next one";
    let unasked = || SinkError {
        message: format!("{what}: not a Shoutcast server ({}: {}); {hint}", answer.code, answer.text),
        retry: Retry::Seldom,
    };
    answer.accept(what, hint).err().unwrap_or_else(unasked)
}

#[async_trait]
impl Dialect for Shoutcast {
    fn source_port(&self, target: &Target) -> u16 {
        // A target of this protocol has a port below the last.
        target.port.saturating_add(1)
    }

    fn refuses(&self, codec: Codec) -> Option<&'static str> {
        let carried = matches!(codec, Codec::Mp3 | Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2);
        (!carried).then_some("Shoutcast carries MP3 and AAC only; choose mp3, aac, he-aac or he-aac-v2")
    }

    async fn enter(
        &self,
        link: &Link,
        peer: &mut dyn Connection,
        about: &About<'_>,
    ) -> Result<(), SinkError> {
        let port = self.source_port(&link.target);
        let said = exchange(peer, &password(&link.target), |bytes| bytes.contains(&b'\n')).await;
        let said = said.map_err(|no_answer| {
            let why = match no_answer {
                // Icecast's word for a wrong password.
                NoAnswer::Closed => format!(
                    "port {port} closed the connection on the password; it is wrong (correct it in the url), or the server is just ending"
                ),
                NoAnswer::Late => format!(
                    "no answer to the password in time from port {port}; the url holds the port of the listeners, sources go to the next one"
                ),
            };
            link.failed(&why, Retry::Soon)
        })?;
        admit(link.what(), &said)?;
        let (said, open) = listen(peer, &head(about), OBJECTION).await;
        let text = String::from_utf8_lossy(&said);
        let answer = text.find("HTTP/").and_then(|at| Answer::parse(text.get(at..)?.as_bytes()));
        match answer {
            Some(answer) => Err(refusal(link.what(), &answer)),
            None if open => Ok(()),
            None => {
                let why =
                    format!("the server closed the connection, saying {:?}; see its log", readable(&text));
                Err(link.failed(&why, Retry::Soon))
            }
        }
    }

    fn title(&self, target: &Target, song: &str) -> String {
        let stream = target.stream().map(|stream| format!("&sid={stream}")).unwrap_or_default();
        // Version 1 takes whoever does not claim to be a browser for a listener.
        format!(
            "GET /admin.cgi?pass={}&mode=updinfo&song={}{stream} HTTP/1.0\r\n\
             Host: {}:{}\r\nUser-Agent: {USER_AGENT} (Mozilla compatible)\r\nConnection: close\r\n\r\n",
            encode(&account(target)),
            encode_song(song),
            target.host,
            target.port,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use airchain_codecs::Format;
    use airchain_net::Network;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::super::config::{IcecastConfig, Protocol};
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url, Protocol::Shoutcast).unwrap()
    }

    #[test]
    fn the_password_line_names_user_and_stream_where_there_are_any() {
        for (url, line) in [
            ("icecast://:s3cret@h:8000", "s3cret\r\n"),
            ("icecast://source:s3cret@h:8000/", "s3cret\r\n"),
            ("icecast://source:s3cret@h:8000/2", "s3cret:#2\r\n"),
            ("icecast://dj:s3%20cret@h:8000/1", "dj:s3 cret:#1\r\n"),
        ] {
            assert_eq!(password(&target(url)), line);
        }
        let target = target("icecast://:p@h:8010/1");
        assert_eq!((Shoutcast.source_port(&target), target.to_string().as_str()), (8011, "h:8010/1"));
    }

    #[test]
    fn a_source_says_what_it_is_on_lines_of_its_own() {
        let evil = Some("a\r\nicy-pub:1\r\n\r\nb".to_owned());
        let config = IcecastConfig { name: evil, genre: Some("Folk".into()), ..IcecastConfig::default() };
        let about = |codec, mime| {
            let format = Format { codec, bitrate: Bitrate::Cbr(96), sample_rate_hz: 44_100, channels: 2 };
            head(&About { config: &config, format: &format, mime })
        };
        assert_eq!(
            about(Codec::Mp3, "audio/mpeg"),
            "icy-name:a  icy-pub:1    b\r\nicy-genre:Folk\r\nicy-pub:0\r\nicy-br:96\r\ncontent-type:audio/mpeg\r\n\r\n"
        );
        assert!(about(Codec::HeAacV1, "audio/aac").ends_with("content-type:audio/aacp\r\n\r\n"));
    }

    #[test]
    fn titles_go_to_the_page_of_the_administrator() {
        let request = Shoutcast.title(&target("icecast://dj:p%26w@h:8000/3"), "A & B\r\nX: y");
        assert_eq!(
            request.lines().next().unwrap(),
            "GET /admin.cgi?pass=dj%3Ap%26w&mode=updinfo&song=A%20%26%20B%20%20X%3A%20y&sid=3 HTTP/1.0"
        );
        assert!(request.contains("Mozilla") && request.ends_with("\r\n\r\n"));
    }

    #[test]
    fn refusals_say_what_to_do() {
        assert!(admit("x", b"OK2\r\nicy-caps:11\r\n\r\n").is_ok());
        for (said, words, retry) in [
            ("invalid password\r\n", "x: wrong user or password (invalid password); correct", Retry::Seldom),
            ("Stream In Use\r\n", "in use by another source", Retry::Soon),
            ("HTTP/1.0 400 Bad Request\r\n\r\n", "(400: Bad Request)", Retry::Seldom),
            ("HTTP/1.0 200 OK\r\n\r\n", "sources go to the next one", Retry::Seldom),
            ("HTTP/1.0 403 Forbidden\r\n\r\nMountpoint in use", "mount is in use", Retry::Soon),
            ("SSH-2.0-x\x1b[31m\r\n", "it said \"SSH-2.0-x [31m\"", Retry::Seldom),
        ] {
            let error = admit("x", said.as_bytes()).unwrap_err();
            assert!(error.message.contains(words) && error.retry == retry, "{error}");
        }
    }

    /// What becomes of a source that is answered to its password and then to what it says of itself.
    async fn entered(to_password: &'static str, to_head: &'static str) -> Result<Duration, SinkError> {
        let link = Link::new(
            target("icecast://:s3cret@h:8000"),
            &Shoutcast,
            Arc::new(Network::default()),
            "shoutcast at h:8000".into(),
        );
        let (mut peer, mut server) = duplex(4096);
        tokio::spawn(async move {
            let mut chunk = [0; 1024];
            for answer in [to_password, to_head] {
                assert!(server.read(&mut chunk).await.unwrap() > 0);
                server.write_all(answer.as_bytes()).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let config = IcecastConfig::default();
        let about = About { config: &config, format: &Format::of(Codec::Mp3), mime: "audio/mpeg" };
        let start = Instant::now();
        Shoutcast.enter(&link, &mut peer, &about).await.map(|()| start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_consent_but_not_to_a_password() {
        assert_eq!(entered("OK2\r\nicy-caps:11\r\n\r\n", "").await.unwrap(), OBJECTION);
        // The second half of an answer is no objection.
        assert_eq!(entered("OK2\r\n", "icy-caps:11\r\n\r\n").await.unwrap(), OBJECTION);
        let error = entered("OK2\r\n", "HTTP/1.0 403 Forbidden\r\n\r\nMountpoint in use").await.unwrap_err();
        assert!(error.message.starts_with("shoutcast at h:8000: the mount is in use"), "{error}");
        let error = entered("", "").await.unwrap_err();
        assert!(error.message.contains("in time from port 8001; the url holds the port of"), "{error}");
    }
}
