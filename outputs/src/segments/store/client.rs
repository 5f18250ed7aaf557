//! What the stores behind HTTP share: a small HTTP/1.1 client that keeps its connections, and why a request failed.
//!
//! Each request has a limit of time, nothing is followed, and nothing is tried again but what a connection that had
//! been idle did not take.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use airchain_net::{DialError, Dialler, Place};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::sink::Retry;

/// Longest time for a request without a body, from the dialling to the end of the answer.
const LEAST: Duration = Duration::from_secs(10);
/// What is slower than this, in bytes a second, does not keep up with a station.
const SLOWEST: u64 = 32 * 1024;
/// Longest answer, in bytes: a page of a list is half as long.
const LONGEST: usize = 4 << 20;
/// Connections kept while nothing is asked on them.
const IDLE: usize = 4;
const AGENT: &str = concat!("airchain/", env!("CARGO_PKG_VERSION"));

/// A client of any number of servers.
pub(super) struct Client {
    dialler: Arc<dyn Dialler>,
    idle: Mutex<Vec<Link>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// A connection between two requests.
struct Link {
    origin: Origin,
    sender: SendRequest<Full<Bytes>>,
    /// What moves its bytes. It ends with the link, so that a request that nobody waits for any more is cut off.
    _driver: JoinSet<()>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    host: String,
    port: u16,
    tls: bool,
}

impl Client {
    pub(super) fn new(dialler: Arc<dyn Dialler>) -> Self {
        Self { dialler, idle: Mutex::default() }
    }

    /// Sends a request to its absolute URI. Every answer is a success here, whatever its status.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let limit = LEAST + Duration::from_secs(request.body().len() as u64 / SLOWEST);
        timeout(limit, self.exchange(request)).await.unwrap_or(Err(Failure::TimedOut(limit)))
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let origin = Origin::of(request.uri()).ok_or(Failure::Address)?;
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let target = target.parse().map_err(|_| Failure::Address)?;
        let host = HeaderValue::from_str(&origin.host_header()).map_err(|_| Failure::Address)?;
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        // Some servers want to be told that nothing comes.
        if matches!(*request.method(), Method::PUT | Method::POST) {
            let length = request.body().len().into();
            request.headers_mut().insert(CONTENT_LENGTH, length);
        }
        *request.uri_mut() = target;
        while let Some(link) = self.take(&origin) {
            match self.ask(link, request.clone()).await {
                // The server may have closed it in this very moment.
                Err(Failure::Broken(_)) => {}
                done => return done,
            }
        }
        let place = Place { host: &origin.host, port: origin.port, tls: origin.tls };
        let connection = self.dialler.connect(place).await.map_err(Failure::Dial)?;
        let (sender, connection) = http1::handshake(TokioIo::new(connection)).await.map_err(broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        self.ask(Link { origin, sender, _driver: driver }, request).await
    }

    async fn ask(&self, mut link: Link, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        link.sender.ready().await.map_err(broken)?;
        let answer = link.sender.send_request(request.map(Full::new)).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let body = match Limited::new(body, LONGEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(Failure::TooLong),
            Err(error) => return Err(Failure::Broken(error)),
        };
        let mut idle = self.lock();
        if idle.len() < IDLE && !link.sender.is_closed() {
            idle.push(link);
        }
        Ok(Response::from_parts(head, body))
    }

    fn take(&self, origin: &Origin) -> Option<Link> {
        let mut idle = self.lock();
        idle.retain(|link| !link.sender.is_closed());
        let at = idle.iter().rposition(|link| link.origin == *origin)?;
        Some(idle.swap_remove(at))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Some(Self { host: uri.host()?.to_owned(), port, tls })
    }

    /// Without the port that is meant anyway: signatures are made so.
    fn host_header(&self) -> String {
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

fn broken(error: hyper::Error) -> Failure {
    Failure::Broken(error.into())
}

/// Why there is no answer. The words are for people and say what to look at.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is no connection.
    #[error("{0}")]
    Dial(#[source] DialError),
    /// It takes too long.
    #[error("no answer within {} s; check the server and the way to it", .0.as_secs())]
    TimedOut(Duration),
    /// It came to no end, or was no HTTP.
    #[error("the connection broke ({}); see the server's log, and check whether it wants https", innermost(&**.0))]
    Broken(Box<dyn Error + Send + Sync>),
    /// More than is ever read.
    #[error("an answer of more than {} MiB; check that the url is meant", LONGEST >> 20)]
    TooLong,
    /// Nothing that can be asked.
    #[error("its address is none of http:// or https://")]
    Address,
}

impl Failure {
    /// When it is worth trying again.
    pub(super) fn retry(&self) -> Retry {
        match self {
            Self::Dial(error) if error.is_lasting() => Retry::Seldom,
            Self::Address | Self::TooLong => Retry::Seldom,
            _ => Retry::Soon,
        }
    }
}

/// What was first, which names the thing.
fn innermost<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// Text of a server made fit for a message: no tags, one line, short, and without what is secret.
pub(super) fn readable(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), airchain_net::MASK);
    }
    let mut plain = String::new();
    for piece in text.split('<') {
        let shown = piece.split_once('>').map_or(piece, |(_, shown)| shown);
        plain.extend(shown.chars().map(|c| if c.is_control() || c == '\u{fffd}' { ' ' } else { c }));
        plain.push(' ');
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(160).collect()
}
