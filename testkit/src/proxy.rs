//! A TCP proxy before a real peer, on which a test does to connections what networks and servers do.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::icecast::Port;

/// What the kernel may hold of what a client sends, in bytes: little, so that clients notice soon.
const BUFFER: u32 = 16 * 1024;

/// How the way to the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As if there were no proxy.
    Pass,
    /// Of what clients send, so many bytes a second are passed on.
    Slow(u32),
    /// The peer has stopped reading, also of new connections. With [`Way::Pass`] it goes on where it was.
    Stall,
    /// The cable is cut: nothing comes through either way, and neither side is told. Connections that were there, or came
    /// meanwhile, stay so for ever.
    BlackHole,
    /// Nothing listens: connections end, and new ones are refused.
    Refuse,
}

/// The proxy; it ends with this value.
pub struct Proxy {
    port: Port,
    way: watch::Sender<Way>,
    connections: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Proxy {
    /// Starts one before `peer`, on a port of its own of 127.0.0.1. All is well at first.
    ///
    /// # Panics
    /// When its port is taken by somebody who does not ask for it as tests do.
    pub fn start(peer: SocketAddr) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let (port, way, connections) = (Port::free(), watch::Sender::new(Way::Pass), Arc::default());
        let listener = {
            let _within = runtime.enter();
            listen(port.number)
        };
        let run =
            Run { port: port.number, peer, way: way.subscribe(), connections: Arc::clone(&connections) };
        runtime.spawn(run.serve(listener));
        Self { port, way, connections, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port.number))
    }

    /// From now on the way is so.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Connections that it has taken so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn listen(port: u16) -> TcpListener {
    let open = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.set_recv_buffer_size(BUFFER)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
        socket.listen(64)
    };
    open().expect("the port of the proxy")
}

struct Run {
    port: u16,
    peer: SocketAddr,
    way: watch::Receiver<Way>,
    connections: Arc<AtomicUsize>,
}

impl Run {
    async fn serve(mut self, mut listener: TcpListener) {
        let mut carried = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((client, _)) = accepted {
                        self.connections.fetch_add(1, Ordering::SeqCst);
                        carried.spawn(carry(client, self.peer, self.way.clone()));
                    }
                }
                Some(_) = carried.join_next() => {}
                () = becomes(&mut self.way, |way| way == Way::Refuse) => {
                    drop(listener);
                    carried.shutdown().await;
                    becomes(&mut self.way, |way| way != Way::Refuse).await;
                    listener = listen(self.port);
                }
            }
        }
    }
}

/// Waits until the way is as wanted.
async fn becomes(way: &mut watch::Receiver<Way>, wanted: impl Fn(Way) -> bool) {
    if way.wait_for(|way| wanted(*way)).await.is_err() {
        // The proxy is gone, and its runtime goes.
        std::future::pending::<()>().await;
    }
}

/// One connection. What the peer and the client see of each other is theirs alone.
async fn carry(mut client: TcpStream, peer: SocketAddr, way: watch::Receiver<Way>) {
    let Ok(mut server) = TcpStream::connect(peer).await else { return };
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pump(from_client, to_server, Some(way.clone()));
        let down = pump(from_server, to_client, None);
        let mut way = way;
        tokio::select! {
            biased;
            () = becomes(&mut way, |way| way == Way::BlackHole) => {}
            _ = async { tokio::join!(up, down) } => return,
        }
    }
    // Both are kept, and hear nothing any more.
    std::future::pending::<()>().await;
}

/// Passes on what comes, as the way is if that matters here, and then the end.
async fn pump(from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut way: Option<watch::Receiver<Way>>) {
    let mut buffer = [0; 1024];
    loop {
        if from.readable().await.is_err() {
            break;
        }
        if let Some(way) = &mut way {
            becomes(way, |way| way != Way::Stall).await;
        }
        let count = match from.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => break,
        };
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
        let slow = way.as_ref().map(|way| *way.borrow());
        if let Some(Way::Slow(rate)) = slow {
            tokio::time::sleep(Duration::from_secs_f64(count as f64 / f64::from(rate))).await;
        }
    }
    // It may be gone already.
    let _ = to.shutdown().await;
}
