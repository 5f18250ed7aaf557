//! A network in memory: servers that a test scripts, reached without sockets, so that simulated time runs by itself.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use airchain_net::{Connection, DialError, Dialler, Place};
use async_trait::async_trait;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::time::Instant;

/// What lies between both ends of a connection at most, each way.
pub const WINDOW: usize = 16 * 1024;

/// A connection as its server sees it, and the head of the request that came on it.
pub struct Call {
    /// How many calls this server had before.
    pub number: usize,
    /// The request, up to and with the empty line.
    pub head: String,
    /// To answer on; dropping it closes the connection.
    pub peer: DuplexStream,
}

type Serve = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

enum Server {
    Serves(Serve, usize),
    Refuses,
    /// Takes no notice.
    Silent,
}

/// The network. Clones are the same one.
#[derive(Clone)]
pub struct SimNet {
    start: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    servers: HashMap<String, Server>,
    dials: Vec<(Duration, String)>,
    heads: BTreeMap<String, Vec<String>>,
}

impl Default for SimNet {
    fn default() -> Self {
        Self::new()
    }
}

impl SimNet {
    /// One without any server: no name is known.
    pub fn new() -> Self {
        Self { start: Instant::now(), state: Arc::default() }
    }

    /// Puts a server at `place`, as in `radio.example:80`, instead of whatever was there. It is called for each request.
    pub fn serve<F>(&self, place: &str, serve: impl Fn(Call) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let serve: Serve = Arc::new(move |call| Box::pin(serve(call)));
        self.lock().servers.insert(place.to_owned(), Server::Serves(serve, 0));
    }

    /// Nothing listens at `place` any more. Connections that are there stay.
    pub fn refuse(&self, place: &str) {
        self.lock().servers.insert(place.to_owned(), Server::Refuses);
    }

    /// `place` answers nothing, not even a refusal.
    pub fn silence(&self, place: &str) {
        self.lock().servers.insert(place.to_owned(), Server::Silent);
    }

    /// When, since this network was made, and where it was dialled.
    pub fn dials(&self) -> Vec<(Duration, String)> {
        self.lock().dials.clone()
    }

    /// The heads of all requests to `place`.
    pub fn heads(&self, place: &str) -> Vec<String> {
        self.lock().heads.get(place).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Dialler for SimNet {
    async fn connect(&self, place: Place<'_>) -> Result<Box<dyn Connection>, DialError> {
        let name = format!("{}:{}", place.host, place.port);
        let (serve, number) = {
            let mut state = self.lock();
            state.dials.push((self.start.elapsed(), name.clone()));
            match state.servers.get_mut(&name) {
                None => return Err(DialError::Unknown),
                Some(Server::Refuses) => {
                    let address = SocketAddr::from(([192, 0, 2, 1], place.port));
                    return Err(DialError::Refused(address));
                }
                Some(Server::Silent) => (None, 0),
                Some(Server::Serves(serve, calls)) => {
                    *calls += 1;
                    (Some(serve.clone()), *calls - 1)
                }
            }
        };
        let Some(serve) = serve else { return std::future::pending().await };
        let (ours, mut peer) = duplex(WINDOW);
        let state = self.state.clone();
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match peer.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.heads.entry(name).or_default().push(head.clone());
            }
            serve(Call { number, head, peer }).await;
        });
        Ok(Box::new(ours))
    }
}
