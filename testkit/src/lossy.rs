//! A relay of datagrams that loses some of them, both ways.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::signal::Random;

/// How often it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// The relay; it ends with this value.
pub struct Lossy {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    over: AtomicBool,
    /// Of a thousand datagrams, how many are lost.
    per_mille: AtomicU32,
    lost: AtomicU64,
    client: Mutex<Option<SocketAddr>>,
}

impl Lossy {
    /// Starts one before `peer`, on a port of its own of 127.0.0.1, that loses so many of a thousand datagrams.
    ///
    /// # Panics
    /// When there are no ports.
    pub fn start(peer: SocketAddr, per_mille: u32) -> Self {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
            socket.set_read_timeout(Some(LOOK)).expect("a timeout");
            socket
        };
        let (front, back) = (bind(), bind());
        let address = front.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            per_mille: AtomicU32::new(per_mille),
            lost: AtomicU64::new(0),
            client: Mutex::default(),
        });
        let twin = |socket: &UdpSocket| socket.try_clone().expect("a second handle");
        let (up, down) = ((twin(&front), twin(&back)), (back, front));
        let (there, here) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || {
                relay(&there, 1, &up.0, &up.1, |from| {
                    *there.client.lock().expect("the client") = Some(from);
                    Some(peer)
                });
            }),
            std::thread::spawn(move || {
                relay(&here, 2, &down.0, &down.1, |_| *here.client.lock().expect("the client"));
            }),
        ];
        Self { address, shared, threads }
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on so many of a thousand are lost; 1000 is a cut cable.
    pub fn lose(&self, per_mille: u32) {
        self.shared.per_mille.store(per_mille, Ordering::SeqCst);
    }

    /// Datagrams lost so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn relay(
    shared: &Shared,
    seed: u64,
    from: &UdpSocket,
    to: &UdpSocket,
    whom: impl Fn(SocketAddr) -> Option<SocketAddr>,
) {
    let mut random = Random::new(seed);
    let mut datagram = [0; 65_536];
    while !shared.over.load(Ordering::SeqCst) {
        let Ok((count, sender)) = from.recv_from(&mut datagram) else { continue };
        let whom = whom(sender);
        // Between -1 and 1.
        let drawn = (random.next() + 1.0) * 500.0;
        if drawn < f64::from(shared.per_mille.load(Ordering::SeqCst)) {
            shared.lost.fetch_add(1, Ordering::SeqCst);
        } else if let Some(whom) = whom {
            let _ = to.send_to(&datagram[..count], whom);
        }
    }
}
