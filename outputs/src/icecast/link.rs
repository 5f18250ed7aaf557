//! The way to a server, and its answer to a request.

use std::sync::Arc;
use std::time::Duration;

use airchain_net::{Connection, DialError, Dialler, Place};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::answer::{Answer, readable};
use super::config::Target;
use super::dialect::Dialect;
use crate::sink::{Retry, SinkError};

/// Longest time until the head of an answer is there.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the rest of a refusal is waited for.
const REFUSAL: Duration = Duration::from_secs(1);
/// Longest answer that is read.
const LONGEST_ANSWER: usize = 8192;

/// Makes connections to one server.
pub(crate) struct Link {
    pub(crate) target: Target,
    /// How the server is spoken to.
    pub(crate) dialect: &'static dyn Dialect,
    dialler: Arc<dyn Dialler>,
    /// The output, for people.
    what: String,
}

impl Link {
    /// Nothing is connected yet.
    pub(crate) fn new(
        target: Target,
        dialect: &'static dyn Dialect,
        dialler: Arc<dyn Dialler>,
        what: String,
    ) -> Self {
        Self { target, dialect, dialler, what }
    }

    /// Connects to where sources are taken.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Connection>, SinkError> {
        self.connect_to(self.dialect.source_port(&self.target)).await
    }

    /// Connects to where titles are taken.
    pub(crate) async fn connect_for_title(&self) -> Result<Box<dyn Connection>, SinkError> {
        self.connect_to(self.target.port).await
    }

    async fn connect_to(&self, port: u16) -> Result<Box<dyn Connection>, SinkError> {
        let Target { host, tls, .. } = &self.target;
        self.dialler.connect(Place { host, port, tls: *tls }).await.map_err(|error| {
            let retry = if error.is_lasting() { Retry::Seldom } else { Retry::Soon };
            let hint = if matches!(error, DialError::Tls(_)) { ", else use icecast://" } else { "" };
            self.failed(&format!("{error}{hint}"), retry)
        })
    }

    /// Sends the head of a request and reads the answer: its head, and of a refusal also what follows.
    pub(crate) async fn ask(&self, peer: &mut dyn Connection, head: &str) -> Result<Answer, SinkError> {
        let mut bytes = exchange(peer, head, has_head).await.map_err(|no_answer| match no_answer {
            NoAnswer::Late => {
                let why = "no answer to the request in time; check that it is an Icecast server";
                self.failed(why, Retry::Soon)
            }
            NoAnswer::Closed => self.no_answer(),
        })?;
        match Answer::parse(&bytes) {
            Some(answer) if answer.code < 200 => return Ok(answer),
            Some(_) => {
                let _ = timeout(REFUSAL, read_until(peer, &mut bytes, is_complete)).await;
            }
            None => {}
        }
        Answer::parse(&bytes).ok_or_else(|| {
            let said = readable(&String::from_utf8_lossy(&bytes));
            let hint = "check the host and port, and whether TLS is wanted";
            self.failed(&format!("not an Icecast server: it said {said:?}; {hint}"), Retry::Seldom)
        })
    }

    fn no_answer(&self) -> SinkError {
        let hint = if self.target.tls { "see its log" } else { "if the port wants TLS, use icecast+tls://" };
        self.failed(&format!("the server closed the connection without an answer; {hint}"), Retry::Soon)
    }

    pub(crate) fn failed(&self, why: &str, retry: Retry) -> SinkError {
        SinkError { message: format!("{}: {why}", self.what), retry }
    }

    /// The output, for people.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }
}

/// Why there is nothing that could be understood.
pub(crate) enum NoAnswer {
    /// It takes too long.
    Late,
    /// The other side is gone without a word.
    Closed,
}

/// Says something and reads until that is `enough`, or the other side ends.
pub(crate) async fn exchange(
    peer: &mut dyn Connection,
    text: &str,
    enough: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, NoAnswer> {
    let mut bytes = Vec::new();
    let read = async {
        peer.write_all(text.as_bytes()).await?;
        peer.flush().await?;
        read_until(peer, &mut bytes, enough).await
    };
    match timeout(ANSWER, read).await {
        Err(_) => Err(NoAnswer::Late),
        // A server that refuses may reset the connection before it has read everything.
        Ok(_) if bytes.is_empty() => Err(NoAnswer::Closed),
        Ok(_) => Ok(bytes),
    }
}

/// Says something, and gives the other side a moment to object. What it said, and whether it is still there.
pub(crate) async fn listen(peer: &mut dyn Connection, text: &str, moment: Duration) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let sent = timeout(ANSWER, async {
        peer.write_all(text.as_bytes()).await?;
        peer.flush().await
    });
    if !matches!(sent.await, Ok(Ok(()))) {
        return (bytes, false);
    }
    let open = timeout(moment, read_until(peer, &mut bytes, |_| false)).await.is_err();
    (bytes, open)
}

async fn read_until(
    peer: &mut dyn Connection,
    bytes: &mut Vec<u8>,
    enough: impl Fn(&[u8]) -> bool,
) -> std::io::Result<()> {
    let mut chunk = [0; 1024];
    while !enough(bytes) && bytes.len() < LONGEST_ANSWER {
        match peer.read(&mut chunk).await? {
            0 => break,
            count => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
    }
    Ok(())
}

fn has_head(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|w| w == b"\r\n\r\n") || bytes.windows(2).any(|w| w == b"\n\n")
}

/// Only the end of the connection tells for sure; an accepting server keeps it open, and says nothing more.
fn is_complete(bytes: &[u8]) -> bool {
    has_head(bytes) && Answer::parse(bytes).is_some_and(|answer| answer.code == 200)
}

#[cfg(test)]
mod tests {
    use airchain_net::Network;
    use tokio::io::duplex;
    use tokio::time::{Instant, sleep};

    use super::super::config::Protocol;
    use super::*;

    fn link() -> Link {
        let target = Target::parse("icecast://source:s3cret@h:8000/live", Protocol::Put).unwrap();
        let dialler = Arc::new(Network::default());
        Link::new(target, Protocol::Put.dialect(), dialler, "icecast at h:8000/live".into())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_dripping_end_after_a_while() {
        for drips in [false, true] {
            let (mut peer, mut server) = duplex(1024);
            let drip = tokio::spawn(async move {
                while drips && server.write_all(b"H").await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
                std::future::pending::<()>().await;
            });
            let start = Instant::now();
            let error = link().ask(&mut peer, "PUT /live HTTP/1.1\r\n\r\n").await.unwrap_err();
            assert_eq!(start.elapsed(), ANSWER);
            assert_eq!(error.retry, Retry::Soon);
            assert!(error.message.starts_with("icecast at h:8000/live: no answer"), "{error}");
            drip.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_never_ends_is_still_read() {
        let (mut peer, mut server) = duplex(1024);
        server.write_all(b"HTTP/1.0 403 Forbidden\r\nServer: x\r\n\r\nMountpoint in use").await.unwrap();
        let answer = link().ask(&mut peer, "x").await.unwrap();
        assert!(answer.says("mountpoint in use"), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_pieces_is_put_together() {
        let (mut peer, mut server) = duplex(1024);
        tokio::spawn(async move {
            for byte in b"HTTP/1.1 100 Continue\r\n\r\n" {
                server.write_all(&[*byte]).await.unwrap();
                sleep(Duration::from_millis(100)).await;
            }
            std::future::pending::<()>().await;
        });
        assert_eq!(link().ask(&mut peer, "x").await.map(|answer| answer.code).ok(), Some(100));
    }
}
