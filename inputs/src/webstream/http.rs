//! Fetching: a request, its answer wherever redirects lead, and the answer's body. HTTP libraries refuse `ICY 200 OK`, so
//! it is spoken here.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use airchain_net::{Connection, Dialler, Place, mask_url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use url::Url;

use super::body::Framing;
use super::head::{self, Head, LONGEST_HEAD};
use super::trouble::Trouble;
use crate::text;

/// Longest time to connect, over all addresses of a host.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time from the request until the head of its answer is whole.
const ANSWER: Duration = Duration::from_secs(10);
/// Redirects that are followed.
const MOST_REDIRECTS: usize = 10;
/// What is read at once: a tenth of a second of the fattest stream.
const PIECE: usize = 4096;

/// Fetches.
pub(crate) struct Client {
    pub(crate) dialler: Arc<dyn Dialler>,
    pub(crate) user_agent: String,
}

/// A successful answer.
pub(crate) struct Answer {
    /// Where it is from, behind all redirects.
    pub(crate) url: Url,
    pub(crate) head: Head,
    pub(crate) body: Body,
}

impl Client {
    /// Asks for `url` and follows redirects to a success. Within a bounded time.
    pub(crate) async fn get(&self, url: &Url) -> Result<Answer, Trouble> {
        let mut url = url.clone();
        let mut visited = vec![];
        loop {
            if visited.contains(&url) {
                visited.push(url);
                return Err(Trouble::Loop(visited.iter().map(|url| mask_url(url.as_str())).collect()));
            }
            if visited.len() > MOST_REDIRECTS {
                return Err(Trouble::TooFar(MOST_REDIRECTS, mask_url(url.as_str())));
            }
            let (head, body) = self.ask(&url).await?;
            match head.code {
                200 | 203 | 206 => return Ok(Answer { url, head, body }),
                301 | 302 | 303 | 307 | 308 => {
                    let next = next(&url, head.location.as_deref())?;
                    visited.push(std::mem::replace(&mut url, next));
                }
                code => {
                    let asked = head::credentials(&url).is_some();
                    return Err(Trouble::Status { code, said: head.said, asked });
                }
            }
        }
    }

    async fn ask(&self, url: &Url) -> Result<(Head, Body), Trouble> {
        let place = Place {
            host: url.host_str().unwrap_or_default(),
            port: url.port_or_known_default().unwrap_or_default(),
            tls: url.scheme() == "https",
        };
        let connected = timeout(CONNECT, self.dialler.connect(place)).await;
        let mut peer = connected.map_err(|_| Trouble::Slow(CONNECT))??;
        let request = head::request(url, &self.user_agent);
        let answered = timeout(ANSWER, exchange(peer.as_mut(), &request)).await;
        let (head, early) = answered.map_err(|_| Trouble::NoAnswer(ANSWER))??;
        let framing = head.framing.clone();
        Ok((head, Body { peer, early, framing, closed: false }))
    }
}

/// Where a redirect leads. User and password go with it only to where they were meant for.
pub(super) fn next(from: &Url, location: Option<&str>) -> Result<Url, Trouble> {
    let location = location.filter(|location| !location.is_empty()).ok_or(Trouble::Nowhere)?;
    let shown = || text::line(&mask_url(location), 200).unwrap_or_default();
    let mut next = from.join(location).map_err(|_| Trouble::Elsewhere(shown()))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(Trouble::Elsewhere(shown()));
    }
    let same_port = next.port_or_known_default() == from.port_or_known_default();
    let same_server = match (from.scheme(), next.scheme()) {
        ("http", "https") => true,
        ("https", "http") => false,
        _ => same_port,
    };
    // A relative location takes them along by itself.
    let inherited = (next.username(), next.password()) == (from.username(), from.password());
    let told = head::credentials(&next).is_some() && !inherited;
    if !told {
        let keep = same_server && next.host_str() == from.host_str();
        let (user, password) = if keep { (from.username(), from.password()) } else { ("", None) };
        // Neither can fail: the scheme has both.
        let _ = next.set_username(user);
        let _ = next.set_password(password);
    }
    Ok(next)
}

/// Sends a request and reads the head of the answer, and what came behind it.
async fn exchange(peer: &mut dyn Connection, request: &str) -> Result<(Head, Vec<u8>), Trouble> {
    // A server that refuses may close before it has read everything, and still have said why.
    let sent = async {
        peer.write_all(request.as_bytes()).await?;
        peer.flush().await
    };
    let sent = sent.await;
    let (mut bytes, mut chunk, mut searched) = (Vec::new(), [0; PIECE], 0);
    loop {
        let count = match peer.read(&mut chunk).await {
            Ok(count) => count,
            Err(_) if bytes.is_empty() => 0,
            Err(error) => return Err(Trouble::Broke(error)),
        };
        bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
        if !head::may_be_answer(&bytes) {
            let start = bytes.get(..bytes.len().min(200)).unwrap_or_default();
            return Err(Trouble::NotHttp(text::line(&text::decode(start), 80).unwrap_or_default()));
        }
        match head::end(&bytes, searched) {
            Some(end) => {
                let early = bytes.split_off(end);
                return Ok((Head::parse(&bytes)?, early));
            }
            None if count == 0 && bytes.is_empty() => {
                return Err(sent.err().map_or(Trouble::Unanswered, Trouble::Broke));
            }
            None if count == 0 => return Err(Trouble::Head("it is cut off")),
            None if bytes.len() >= LONGEST_HEAD => return Err(Trouble::Head("longer than 32 KiB")),
            None => searched = bytes.len(),
        }
    }
}

/// The body of an answer, as it comes.
pub(crate) struct Body {
    peer: Box<dyn Connection>,
    /// What came with the head.
    early: Vec<u8>,
    framing: Framing,
    closed: bool,
}

impl Body {
    /// Appends what comes next; `false` when the body is over. Cancel safe.
    pub(crate) async fn read(&mut self, body: &mut Vec<u8>) -> Result<bool, Trouble> {
        let before = body.len();
        loop {
            if self.framing.is_done() || self.closed {
                return Ok(false);
            }
            if self.early.is_empty() {
                let mut chunk = [0; PIECE];
                let count = match self.peer.read(&mut chunk).await {
                    Ok(count) => count,
                    // Servers that stop without a farewell in TLS; only a length can tell that from a cut.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
                    Err(error) => return Err(Trouble::Broke(error)),
                };
                if count == 0 {
                    self.closed = true;
                    return if self.framing.is_cut_by_close() { Err(Trouble::Cut) } else { Ok(false) };
                }
                self.framing.take(chunk.get(..count).unwrap_or_default(), body)?;
            } else {
                let early = std::mem::take(&mut self.early);
                self.framing.take(&early, body)?;
            }
            if body.len() > before {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(from: &str, location: &str) -> Result<String, String> {
        let next = next(&Url::parse(from).unwrap(), Some(location));
        next.map(Into::into).map_err(|trouble| trouble.to_string())
    }

    #[test]
    fn credentials_stay_with_their_server() {
        let from = "http://dj:pw@h/a/live?x=1";
        for (location, expected) in [
            ("/b", "http://dj:pw@h/b"),
            ("b?y=2", "http://dj:pw@h/a/b?y=2"),
            ("http://h:80/b", "http://dj:pw@h/b"),
            ("https://h/b", "https://dj:pw@h/b"),
            ("http://h:8000/b", "http://h:8000/b"),
            ("http://other/b", "http://other/b"),
            ("//other/b", "http://other/b"),
            ("http://me:own@other/b", "http://me:own@other/b"),
        ] {
            assert_eq!(to(from, location).as_deref(), Ok(expected), "{location}");
        }
        assert_eq!(to("https://dj:pw@h/", "http://h/").as_deref(), Ok("http://h/"), "not in the open");
    }

    #[test]
    fn what_is_no_web_stream_is_named_without_secrets() {
        for location in ["rtsp://u:s3cret@h/x", "mms://h/", "http://", "javascript:x", "file:///etc/passwd"] {
            let words = to("http://h/", location).unwrap_err();
            assert!(words.starts_with("redirected to ") && !words.contains("s3cret"), "{words}");
        }
        assert!(matches!(next(&Url::parse("http://h/").unwrap(), None), Err(Trouble::Nowhere)));
    }
}
