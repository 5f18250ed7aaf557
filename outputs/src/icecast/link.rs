//! Connections to the server: TCP, TLS if wanted, and its answer to a request.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::config::Target;
use super::request::{Answer, readable};
use super::tls;
use crate::sink::{Retry, SinkError};

/// Longest time to reach one address, and for TLS to be agreed.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest time until the head of an answer is there.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the rest of a refusal is waited for.
const REFUSAL: Duration = Duration::from_secs(1);
/// Longest answer that is read.
const LONGEST_ANSWER: usize = 8192;
/// Data on its way that the other side does not acknowledge for this long: the way is dead.
const DEAD: Duration = Duration::from_secs(10);
/// What the kernel may hold for us. More would hide for minutes that a peer has stopped reading.
const SEND_BUFFER: u32 = 128 * 1024;

/// A connection, with or without TLS.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Makes connections to one server.
pub(crate) struct Link {
    pub(crate) target: Target,
    tls: Option<TlsConnector>,
    /// The output, for people.
    what: String,
}

impl Link {
    /// Prepares; reads the trusted certificates if TLS is wanted.
    pub(crate) async fn new(
        target: Target,
        ca_file: Option<PathBuf>,
        what: String,
    ) -> Result<Self, SinkError> {
        let tls = if target.tls {
            let connector = tokio::task::spawn_blocking(move || tls::connector(ca_file)).await;
            let connector =
                connector.unwrap_or_else(|_| Err("reading the trusted certificates failed".into()));
            Some(connector.map_err(|why| failed(&what, &why, Retry::Seldom))?)
        } else {
            None
        };
        Ok(Self { target, tls, what })
    }

    /// Connects: tries each address of the host in turn.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Connection>, SinkError> {
        let host = self.target.host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = match lookup_host((host, self.target.port)).await {
            Ok(addresses) => addresses.collect(),
            Err(_) => Vec::new(),
        };
        let mut last = "the host name is not known; check it and the name server".to_owned();
        for address in addresses {
            match timeout(CONNECT, tcp(address)).await {
                Ok(Ok(stream)) => return self.secure(stream, host).await,
                Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                    last =
                        format!("{address} refuses the connection; check that the server runs and the port");
                }
                Ok(Err(error)) => last = format!("{address} cannot be reached ({error}); check the network"),
                Err(_) => {
                    last =
                        format!("{address} does not answer within {CONNECT:?}; check host, port and firewall")
                }
            }
        }
        Err(self.failed(&last, Retry::Soon))
    }

    async fn secure(&self, stream: TcpStream, host: &str) -> Result<Box<dyn Connection>, SinkError> {
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let Ok(name) = ServerName::try_from(host.to_owned()) else {
            return Err(self.failed("not a host name that TLS knows; correct the url", Retry::Seldom));
        };
        match timeout(CONNECT, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) if error.to_string().contains("certificate") => {
                let hint = "if it is your own, give it as ca_file";
                Err(self.failed(&format!("its certificate is not trusted ({error}); {hint}"), Retry::Seldom))
            }
            Ok(Err(error)) => {
                let hint = "check that the port speaks TLS, else use icecast://";
                Err(self.failed(&format!("TLS fails ({error}); {hint}"), Retry::Soon))
            }
            Err(_) => {
                Err(self.failed("TLS is not agreed in time; check that the port speaks TLS", Retry::Soon))
            }
        }
    }

    /// Sends the head of a request and reads the answer: its head, and of a refusal also what follows.
    pub(crate) async fn ask(&self, peer: &mut dyn Connection, head: &str) -> Result<Answer, SinkError> {
        let mut bytes = Vec::new();
        let read = async {
            peer.write_all(head.as_bytes()).await?;
            peer.flush().await?;
            read_until(peer, &mut bytes, has_head).await
        };
        match timeout(ANSWER, read).await {
            Err(_) => {
                let why = "no answer to the request in time; check that it is an Icecast server";
                return Err(self.failed(why, Retry::Soon));
            }
            // A server that refuses may reset the connection before it has read everything.
            Ok(Err(_)) if bytes.is_empty() => return Err(self.no_answer()),
            Ok(_) => {}
        }
        if bytes.is_empty() {
            return Err(self.no_answer());
        }
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
        let hint =
            if self.tls.is_some() { "see its log" } else { "if the port wants TLS, use icecast+tls://" };
        self.failed(&format!("the server closed the connection without an answer; {hint}"), Retry::Soon)
    }

    pub(crate) fn failed(&self, why: &str, retry: Retry) -> SinkError {
        failed(&self.what, why, retry)
    }

    /// The output, for people.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }
}

fn failed(what: &str, why: &str, retry: Retry) -> SinkError {
    SinkError { message: format!("{what}: {why}"), retry }
}

async fn tcp(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    let stream = socket.connect(address).await?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(&stream).set_tcp_user_timeout(Some(DEAD))?;
    Ok(stream)
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
    use tokio::io::duplex;
    use tokio::time::{Instant, sleep};

    use super::*;

    async fn link() -> Link {
        let target = Target::parse("icecast://source:s3cret@h:8000/live").unwrap();
        Link::new(target, None, "icecast at h:8000/live".into()).await.ok().unwrap()
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
            let error = link().await.ask(&mut peer, "PUT /live HTTP/1.1\r\n\r\n").await.unwrap_err();
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
        let answer = link().await.ask(&mut peer, "x").await.unwrap();
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
        assert_eq!(link().await.ask(&mut peer, "x").await.map(|answer| answer.code).ok(), Some(100));
    }
}
