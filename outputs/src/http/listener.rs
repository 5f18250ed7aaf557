//! The listening socket: connections, their limits, and what is reachable on which path.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::access::AccessLog;
use super::files::{Dir, below};
use super::metrics::{Audience, MakeText, Metrics};
use super::mount::{Mount, MountHandle, MountMeta, MountOutput};
use super::proxies::{NetworkOfProxies, Proxies};
use super::{MountOptions, Options, StateHandle, route};
use crate::hls::Live;

/// Pause after the system refused to accept (usually no file descriptors left), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What hyper may hold per connection, in bytes.
const BUFFER: usize = 64 * 1024;

/// Paths that are the listener's own.
const OWN: [&str; 5] = ["/", "/events", "/metrics", "/status.json", "/status-json.xsl"];

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Another program, or another airchain, has the port. The caller stops it or picks another port.
    #[error(
        "cannot listen on {address}: the port is in use; stop what uses it or give another --listen address"
    )]
    InUse {
        /// Where.
        address: SocketAddr,
    },
    /// Ports below 1024 need a privilege. The caller picks a higher port or grants it.
    #[error(
        "cannot listen on {address}: permission denied; use a port from 1024 up or grant CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// Where.
        address: SocketAddr,
    },
    /// No interface of this machine has the address. The caller uses one that it has, or `0.0.0.0` for all.
    #[error(
        "cannot listen on {address}: this machine does not have that address; use 0.0.0.0 for all it has"
    )]
    NotLocal {
        /// Where.
        address: SocketAddr,
    },
    /// Something else; the caller reports it.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ListenError {
    fn new(address: SocketAddr, source: std::io::Error) -> Self {
        match source.kind() {
            ErrorKind::AddrInUse => Self::InUse { address },
            ErrorKind::PermissionDenied => Self::Denied { address },
            ErrorKind::AddrNotAvailable => Self::NotLocal { address },
            _ => Self::Io { address, source },
        }
    }
}

/// Why a path cannot be used. The caller picks another.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// Not a plain path.
    #[error(
        "mount path {path:?} is not usable: give a slash and then letters, digits, `-`, `_`, `.`, like /live.mp3"
    )]
    Path {
        /// The path.
        path: String,
    },
    /// Something else has it.
    #[error("mount path {path} is taken: give another")]
    Taken {
        /// The path.
        path: String,
    },
}

/// The HTTP server. Clones are the same listener.
#[derive(Clone, Debug)]
pub struct Listener {
    shared: Arc<Shared>,
}

/// Everything that connections and mounts have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: SocketAddr,
    pub(crate) state: StateHandle,
    pub(crate) metrics: Metrics,
    pub(crate) proxies: Proxies,
    pub(crate) started: Timestamp,
    options: Options,
    socket: Mutex<Option<std::net::TcpListener>>,
    stop: watch::Sender<bool>,
    paths: Mutex<Paths>,
    logs: Mutex<Vec<AccessLog>>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

#[derive(Debug, Default)]
struct Paths {
    mounts: Vec<Arc<Mount>>,
    dirs: Vec<Arc<Dir>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener {
    /// Takes the address; port 0 takes any free port. Connections wait until [`Self::serve`] runs.
    pub fn bind(address: SocketAddr, options: Options) -> Result<Self, ListenError> {
        let failed = |source| ListenError::new(address, source);
        let socket = std::net::TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let shared = Shared {
            address: socket.local_addr().map_err(failed)?,
            state: StateHandle::new(),
            metrics: Metrics::default(),
            proxies: Proxies::default(),
            started: Timestamp::now(),
            options,
            socket: Mutex::new(Some(socket)),
            stop: watch::Sender::new(false),
            paths: Mutex::default(),
            logs: Mutex::default(),
            addresses: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The address in use, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// Publishes what the page shows.
    pub fn state(&self) -> StateHandle {
        self.shared.state.clone()
    }

    /// Has `/metrics` answered with what `make` gives, in Prometheus' text exposition format; see [`Audience`] for who may
    /// read it. `make` is called on a thread that may wait.
    pub fn metrics(&self, make: MakeText) {
        self.shared.metrics.make_by(make);
    }

    /// Says who may read the metrics. Of several the widest counts, but once it is nobody it stays so.
    pub fn admit_to_metrics(&self, audience: Audience) {
        self.shared.metrics.admit(audience);
    }

    /// Believes what these reverse proxies say of their clients from now on: for limits per address, and for whether they use
    /// TLS.
    pub fn trust(&self, proxies: &[NetworkOfProxies]) {
        self.shared.proxies.add(proxies);
    }

    /// The mount at `path`.
    pub fn mounted(&self, path: &str) -> Option<MountHandle> {
        self.shared.mounts().into_iter().find(|mount| mount.path == path).map(MountHandle::new)
    }

    /// A mount: an output whose audio is heard at `path`. It is answered 503 until the output is open and after it
    /// closed, and 404 once the output is dropped.
    pub fn mount(&self, path: &str, meta: MountMeta) -> Result<MountOutput, MountError> {
        self.mount_with(path, meta, MountOptions::default())
    }

    /// The same with listeners treated in its own way.
    pub fn mount_with(
        &self,
        path: &str,
        meta: MountMeta,
        options: MountOptions,
    ) -> Result<MountOutput, MountError> {
        let mount = Mount::new(path.to_owned(), meta, options, &self.shared.options);
        self.shared.claim(path, |paths| paths.mounts.push(Arc::clone(&mount)))?;
        Ok(MountOutput::new(mount, Arc::clone(&self.shared)))
    }

    /// An output that follows at a mount of this listener which another still has. It is to be opened once that one is
    /// closed; listeners stay connected where their decoders can go on.
    pub fn follow(&self, held: &MountHandle, meta: MountMeta, options: MountOptions) -> MountOutput {
        MountOutput::follow(held, Arc::clone(&self.shared), meta, options)
    }

    /// Serves the playlists and segments in `directory` below `prefix` (`/hls`), for as long as what it gives is kept.
    /// `playlist` is the name of the one to begin with; the page offers it. With `sessions`, every player that asks for a
    /// playlist is given an id, `?s=`, by which the access log tells listeners apart. Low-latency players are answered by
    /// `live`.
    pub fn serve_dir(
        &self,
        prefix: &str,
        directory: &Path,
        playlist: Option<&str>,
        sessions: bool,
        live: Option<Live>,
    ) -> Result<ServedDir, MountError> {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let (root, playlist) = (directory.to_owned(), playlist.map(str::to_owned));
        let dir = Arc::new(Dir { prefix: prefix.to_owned(), root, playlist, sessions, live });
        self.shared.claim(prefix, |paths| paths.dirs.push(Arc::clone(&dir)))?;
        Ok(ServedDir { dir, shared: Arc::clone(&self.shared) })
    }

    /// Has every request logged from now on, in this log too; a second time for the same file changes nothing.
    pub fn log_to(&self, log: &AccessLog) {
        let mut logs = lock(&self.shared.logs);
        if !logs.iter().any(|other| other.path() == log.path()) {
            logs.push(log.clone());
        }
    }

    /// Answers connections until [`Self::shutdown`]; returns when they have ended. Has to be spawned on a tokio
    /// runtime, once: a second call returns at once.
    pub async fn serve(self) -> std::io::Result<()> {
        let Some(socket) = lock(&self.shared.socket).take() else {
            return Ok(());
        };
        let socket = TcpListener::from_std(socket)?;
        let mut stop = self.shared.stop.subscribe();
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let admission = self.shared.admit(peer.ip(), connections.len());
                    if let Some(admission) = admission {
                        connections.spawn(converse(Arc::clone(&self.shared), stream, peer.ip(), admission));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, address = %self.shared.address, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(socket);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.shared.options.grace, ended).await.is_err() {
            connections.shutdown().await;
        }
        Ok(())
    }

    /// Begins to end: no new connections; mounts end after what they hold; requests in progress are answered.
    pub fn shutdown(&self) {
        self.shared.stop.send_replace(true);
        for mount in self.shared.mounts() {
            mount.end();
        }
    }
}

/// A directory that is served; no longer is when this is dropped.
#[derive(Debug)]
pub struct ServedDir {
    dir: Arc<Dir>,
    shared: Arc<Shared>,
}

impl Drop for ServedDir {
    fn drop(&mut self) {
        lock(&self.shared.paths).dirs.retain(|other| !Arc::ptr_eq(other, &self.dir));
    }
}

impl Shared {
    /// Where requests are logged.
    pub(crate) fn logs(&self) -> Vec<AccessLog> {
        lock(&self.logs).clone()
    }

    /// The mounts, oldest first.
    pub(crate) fn mounts(&self) -> Vec<Arc<Mount>> {
        lock(&self.paths).mounts.clone()
    }

    /// The directories, oldest first.
    pub(crate) fn dirs(&self) -> Vec<Arc<Dir>> {
        lock(&self.paths).dirs.clone()
    }

    pub(crate) fn unmount(&self, mount: &Arc<Mount>) {
        lock(&self.paths).mounts.retain(|other| !Arc::ptr_eq(other, mount));
    }

    /// Ends when the listener does.
    pub(crate) async fn stopped(&self) {
        // Fails only without a sender, and `self` holds it.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    fn claim(&self, path: &str, add: impl FnOnce(&mut Paths)) -> Result<(), MountError> {
        let plain = |name: &str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !name.is_empty() && !name.starts_with('.') && name.bytes().all(known)
        };
        if !path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain)) || path.len() > 200 {
            return Err(MountError::Path { path: path.to_owned() });
        }
        let mut paths = lock(&self.paths);
        let taken = OWN.contains(&path)
            || paths.mounts.iter().any(|mount| mount.path == path || below(&mount.path, path).is_some())
            || paths.dirs.iter().any(|dir| dir.prefix == path);
        if taken {
            return Err(MountError::Taken { path: path.to_owned() });
        }
        add(&mut paths);
        Ok(())
    }

    /// Counts a connection in; `None` when there are so many that not even refusals are answered.
    fn admit(self: &Arc<Self>, address: IpAddr, connections: usize) -> Option<Admission> {
        let network = network(address);
        let widest = self.mounts().iter().filter_map(|mount| mount.options().max_per_address).max();
        let most = self.options.max_connections_per_address.max(widest.unwrap_or(0));
        let is_proxy = self.proxies.trusts(address);
        let mut addresses = lock(&self.addresses);
        let count = addresses.entry(network).or_default();
        *count += 1;
        let refusal = if connections >= self.options.max_connections {
            Some(Refusal::Full)
        } else if *count > most && !is_proxy {
            Some(Refusal::TooManyFromThere)
        } else {
            None
        };
        let admission = Admission { shared: Arc::clone(self), network, refusal };
        // The guard's drop takes the same lock.
        drop(addresses);
        (connections < self.options.max_connections.saturating_mul(2)).then_some(admission)
    }
}

/// Why a connection or a listener is turned away.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// As many as there may be are there.
    Full,
    /// As many as there may be are there from this address.
    TooManyFromThere,
}

/// A connection that counts; no longer does when dropped.
struct Admission {
    shared: Arc<Shared>,
    network: IpAddr,
    refusal: Option<Refusal>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut addresses = lock(&self.shared.addresses);
        if let Some(count) = addresses.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber is given.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

/// One connection, from first request to last byte.
async fn converse(shared: Arc<Shared>, stream: TcpStream, peer: IpAddr, admission: Admission) {
    // Both only tune: a connection without them still works.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(shared.options.send_buffer);
    let disconnect = Arc::new(Notify::new());
    let refusal = admission.refusal;
    let service = service_fn(|request| {
        route::answer(Arc::clone(&shared), request, peer, Arc::clone(&disconnect), refusal)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.options.header_timeout)
        .keep_alive(refusal.is_none())
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = disconnect.notified() => {
                tracing::debug!("listener disconnected: too slow");
                return;
            }
            () = shared.stopped(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
