//! From a host's name to a connection that can be spoken on.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls;

/// Longest time to find the addresses of a host, to reach one of them, and for TLS to be agreed.
const CONNECT: Duration = Duration::from_secs(5);
/// Data on its way that the other side does not acknowledge for this long: the way is dead.
const DEAD: Duration = Duration::from_secs(10);
/// What the kernel may hold for us, each way. More would hide for minutes that a peer, or we, have stopped reading.
const BUFFER: u32 = 128 * 1024;

/// A connection, with or without TLS.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Where to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// A name or an address; one of IPv6 may stand in brackets.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

/// Makes connections: the network, or what a test puts in its place.
#[async_trait]
pub trait Dialler: Send + Sync {
    /// Connects, within a bounded time.
    async fn connect(&self, place: Place<'_>) -> Result<Box<dyn Connection>, DialError>;
}

/// The real network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    ca_file: Option<PathBuf>,
}

impl Network {
    /// Trusts what the system trusts, and what is in `ca_file` (PEM), which is read anew for each connection by TLS.
    pub fn new(ca_file: Option<PathBuf>) -> Self {
        Self { ca_file }
    }
}

#[async_trait]
impl Dialler for Network {
    /// Tries each address of the host in turn.
    async fn connect(&self, place: Place<'_>) -> Result<Box<dyn Connection>, DialError> {
        // First, as it fails for all addresses alike.
        let tls = match place.tls {
            true => Some(tls::connector(self.ca_file.clone()).await?),
            false => None,
        };
        let host = place.host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = match timeout(CONNECT, lookup_host((host, place.port))).await {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let mut last = DialError::Unknown;
        for address in addresses {
            match timeout(CONNECT, tcp(address)).await {
                Ok(Ok(stream)) => {
                    return match tls {
                        Some(tls) => secure(&tls, stream, host).await,
                        None => Ok(Box::new(stream)),
                    };
                }
                Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                    last = DialError::Refused(address);
                }
                Ok(Err(error)) => last = DialError::Unreachable(address, error),
                Err(_) => last = DialError::Silent(address),
            }
        }
        Err(last)
    }
}

/// Why there is no connection. The words are for people and say what to look at; whoever called may try again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name service knows no such host, or does not answer.
    #[error("the host name is not known; check it and the name server")]
    Unknown,
    /// Nothing listens there.
    #[error("{0} refuses the connection; check that the server runs and the port")]
    Refused(SocketAddr),
    /// There is no way.
    #[error("{0} cannot be reached ({1}); check the network")]
    Unreachable(SocketAddr, Error),
    /// It does not even refuse.
    #[error("{0} does not answer within {CONNECT:?}; check host, port and firewall")]
    Silent(SocketAddr),
    /// A name that no certificate can have.
    #[error("not a host name that TLS knows; correct the url")]
    Name,
    /// Nobody trusted vouches for it.
    #[error("its certificate is not trusted ({0}); if it is your own, give it as ca_file")]
    Untrusted(Error),
    /// It does not speak TLS, or not as we do.
    #[error("TLS fails ({0}); check that the port speaks TLS")]
    Tls(Error),
    /// It takes the connection and says nothing.
    #[error("TLS is not agreed in time; check that the port speaks TLS")]
    TlsSilent,
    /// The certificates to trust cannot be read.
    #[error("{0}")]
    Trust(String),
}

impl DialError {
    /// Whether a person has to change something; otherwise it may pass by itself.
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Name | Self::Untrusted(_) | Self::Trust(_))
    }
}

async fn secure(tls: &TlsConnector, stream: TcpStream, host: &str) -> Result<Box<dyn Connection>, DialError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| DialError::Name)?;
    match timeout(CONNECT, tls.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) if error.to_string().contains("certificate") => Err(DialError::Untrusted(error)),
        Ok(Err(error)) => Err(DialError::Tls(error)),
        Err(_) => Err(DialError::TlsSilent),
    }
}

async fn tcp(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    let stream = socket.connect(address).await?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(&stream).set_tcp_user_timeout(Some(DEAD))?;
    Ok(stream)
}
