//! A store behind HTTP as a peer: S3, WebDAV or a plain server that takes files by `PUT`, with faults as a test scripts them
//! and a log of all that was done, in its order.
//!
//! It is reached over sockets ([`ObjectStore::listen`]) or in memory, as a [`Dialler`] in simulated time. What it has of S3 is what
//! airchain asks for: objects by path, lists (version 2) and copies; signatures are only looked at for the key id in them.

mod check;
mod protocol;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use airchain_net::{Connection, DialError, Dialler, Place};
use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, duplex};
use tokio::sync::oneshot;

use crate::icecast::Port;

/// What kind of server it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Face {
    /// S3, with one bucket of this name.
    S3(String),
    /// A WebDAV server (RFC 4918): folders have to be made, and can be listed.
    WebDav,
    /// A server that has folders by itself, and neither lists nor makes them.
    Plain,
    /// One that takes files and does nothing else.
    PutOnly,
}

/// A request, as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query; empty where there is none.
    pub query: String,
    /// Headers by their names in small letters.
    pub headers: HashMap<String, String>,
    /// What follows them; empty as long as it has not been read.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed, nothing is read and nothing done.
    Close,
    /// Half of the body is read, then the connection is closed. Nothing is done.
    CutBody,
    /// All is done, but the answer breaks off.
    CutAnswer,
    /// This status and, unless it is empty, this code of S3, with the request's credentials in the message; nothing is done.
    Status(u16, &'static str),
    /// The same before the body is read; the connection is closed behind it.
    Early(u16),
    /// Everything is taken and nothing answered, ever.
    Silence,
    /// Done and answered after a while.
    Slow(Duration),
}

/// What was done, in its order.
#[derive(Clone, Debug)]
pub struct Event {
    /// What was asked.
    pub request: Request,
    /// What was answered; 0 for what a fault kept from being done.
    pub status: u16,
}

type Script = Box<dyn FnMut(&Request) -> Option<Fault> + Send>;

/// The server. Clones are the same one.
#[derive(Clone)]
pub struct ObjectStore {
    state: Arc<Mutex<State>>,
}

struct State {
    face: Face,
    files: BTreeMap<String, File>,
    folders: BTreeSet<String>,
    /// What an `Authorization` must hold.
    key: Option<String>,
    /// Objects in a page of a list.
    page: usize,
    refuses: bool,
    script: Option<Script>,
    events: Vec<Event>,
    connections: usize,
}

#[derive(Clone, Debug)]
struct File {
    body: Vec<u8>,
    headers: HashMap<String, String>,
}

impl ObjectStore {
    /// An empty one.
    pub fn new(face: Face) -> Self {
        let state = State {
            face,
            files: BTreeMap::new(),
            folders: BTreeSet::from(["/".to_owned()]),
            key: None,
            page: 1000,
            refuses: false,
            script: None,
            events: Vec::new(),
            connections: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Takes only requests whose `Authorization` holds `key`.
    pub fn with_key(self, key: &str) -> Self {
        self.lock().key = Some(key.to_owned());
        self
    }

    /// Lists so many objects at a time.
    pub fn with_page(self, page: usize) -> Self {
        self.lock().page = page;
        self
    }

    /// Decides about the fate of each request from now on, once its head is there.
    pub fn script(&self, script: impl FnMut(&Request) -> Option<Fault> + Send + 'static) {
        self.lock().script = Some(Box::new(script));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let mut state = self.lock();
        (state.script, state.refuses) = (None, false);
    }

    /// No connection is taken any more, and those that are there are closed with the next request.
    pub fn refuse(&self) {
        let mut state = self.lock();
        state.refuses = true;
        state.script = Some(Box::new(|_| Some(Fault::Close)));
    }

    /// Puts a file, without a request.
    pub fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        let file = File { body: body.into(), headers: HashMap::new() };
        self.lock().files.insert(path.to_owned(), file);
    }

    /// What is in a file.
    pub fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.lock().files.get(path).map(|file| file.body.clone())
    }

    /// A text; empty where there is none.
    pub fn text(&self, path: &str) -> String {
        self.get(path).map(|body| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default()
    }

    /// The header that a file was put with.
    pub fn header(&self, path: &str, name: &str) -> String {
        let state = self.lock();
        state.files.get(path).and_then(|file| file.headers.get(name)).cloned().unwrap_or_default()
    }

    /// The paths of all files.
    pub fn paths(&self) -> Vec<String> {
        self.lock().files.keys().cloned().collect()
    }

    /// All that was asked and done.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// Connections taken so far.
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// Sees whether everything was done in an order that players can rely on: no playlist named what was not there, nothing
    /// was removed that a playlist named, no segment was changed, nor what playlists tell of it (its date and length, say), and
    /// everything was put with a type and a time to live. Tells how many playlists were put.
    ///
    /// # Errors
    /// What was done out of order.
    pub fn check_order(&self) -> Result<usize, String> {
        check::order(&self.lock().events)
    }

    /// Serves on a port of its own of 127.0.0.1, as long as the value lives.
    ///
    /// # Panics
    /// When there is none.
    pub fn listen(&self) -> Served {
        let mut served = Served { store: self.clone(), port: Port::free(), running: None };
        served.restart();
        served
    }

    /// Whether a connection is taken.
    fn take(&self) -> bool {
        let mut state = self.lock();
        state.connections += 1;
        !state.refuses
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A served [`ObjectStore`].
pub struct Served {
    store: ObjectStore,
    port: Port,
    /// What ends it, and the thread that it runs on.
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Served {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port.number))
    }

    /// Serves, again where it does, on the same port.
    ///
    /// # Panics
    /// When somebody has taken it.
    pub fn restart(&mut self) {
        self.kill();
        let listener = std::net::TcpListener::bind(self.address()).expect("its port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let (stop, stopped) = oneshot::channel::<()>();
        let store = self.store.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let accept = async {
                    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                    while let Ok((stream, _)) = listener.accept().await {
                        if store.take() {
                            tokio::spawn(serve(store.clone(), stream));
                        }
                    }
                };
                tokio::select! { () = accept => {}, _ = stopped => {} }
            });
        });
        self.running = Some((stop, thread));
    }

    /// Ends it as a kill does: connections break off, and what was put stays.
    pub fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            drop(thread.join());
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

#[async_trait]
impl Dialler for ObjectStore {
    async fn connect(&self, place: Place<'_>) -> Result<Box<dyn Connection>, DialError> {
        if !self.take() {
            return Err(DialError::Refused(SocketAddr::from(([192, 0, 2, 1], place.port))));
        }
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(serve(self.clone(), theirs));
        Ok(Box::new(ours))
    }
}

/// Answers the requests of a connection until it ends.
async fn serve(store: ObjectStore, stream: impl Connection) {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read_head(&mut stream).await {
        let fault = store.lock().script.as_mut().and_then(|script| script(&request));
        let length: usize = request.header("content-length").parse().unwrap_or(0);
        let spoilt = |request: Request| store.lock().events.push(Event { request, status: 0 });
        match fault {
            Some(Fault::Close) => return spoilt(request),
            Some(Fault::Early(status)) => {
                let answer = protocol::Answer::status(status);
                let _ = stream.write_all(&answer.bytes("PUT")).await;
                return spoilt(request);
            }
            Some(Fault::CutBody) => {
                let mut half = vec![0; length / 2];
                let _ = stream.read_exact(&mut half).await;
                return spoilt(request);
            }
            _ => {}
        }
        request.body = vec![0; length];
        if stream.read_exact(&mut request.body).await.is_err() {
            request.body.clear();
            return spoilt(request);
        }
        let answer = match fault {
            Some(Fault::Silence) => {
                spoilt(request);
                return std::future::pending().await;
            }
            Some(Fault::Status(status, code)) => {
                let told = [request.header("authorization"), &request.query].join(" ");
                spoilt(request.clone());
                protocol::Answer::careless(status, code, &told)
            }
            Some(Fault::Slow(pause)) => {
                tokio::time::sleep(pause).await;
                store.lock().answer(&request)
            }
            _ => store.lock().answer(&request),
        };
        let bytes = answer.bytes(&request.method);
        let sent = if fault == Some(Fault::CutAnswer) { bytes.len() / 2 } else { bytes.len() };
        if stream.write_all(bytes.get(..sent).unwrap_or_default()).await.is_err() || sent < bytes.len() {
            return;
        }
    }
}

async fn read_head(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, query, headers, body: Vec::new() })
}
