//! An SRT receiver as a peer: ffmpeg with its libsrt, which listens and takes one connection.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// The receiver. It keeps every byte that it is sent until the sender says goodbye, and ends with that, or with this value.
pub struct Receiver {
    address: SocketAddr,
    /// More of its URL.
    options: String,
    running: Option<(Child, JoinHandle<Vec<u8>>)>,
}

impl Receiver {
    /// Starts one on a free port of 127.0.0.1. Its URL ends with `options`, such as `&passphrase=...`.
    ///
    /// # Panics
    /// When ffmpeg is not installed, or there is no port.
    pub fn start(options: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("its address");
        drop(socket);
        let mut receiver = Self { address, options: options.into(), running: None };
        receiver.restart();
        receiver
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it again, at the same address, with nothing received.
    ///
    /// # Panics
    /// When ffmpeg does not run.
    pub fn restart(&mut self) {
        self.kill();
        let url = format!("srt://{}?mode=listener{}", self.address, self.options);
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "fatal", "-f", "data", "-i", &url])
            .args(["-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "data", "-"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("ffmpeg runs");
        let mut out = child.stdout.take().expect("what it receives");
        let bytes = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).expect("what it receives");
            bytes
        });
        self.running = Some((child, bytes));
    }

    /// Kills it: the sender is told nothing.
    pub fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// All that it has received, once the sender has said goodbye.
    ///
    /// # Panics
    /// When it does not run.
    pub fn bytes(mut self) -> Vec<u8> {
        let (mut child, bytes) = self.running.take().expect("it runs");
        let bytes = bytes.join().expect("what it received");
        let _ = child.wait();
        bytes
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The audio in a transport stream without a gap, and how often its tables stand in it.
///
/// # Panics
/// When a transport packet is missing.
pub fn audio(stream: &[u8]) -> (Vec<u8>, usize) {
    let (mut counters, mut audio, mut tables) = (BTreeMap::new(), Vec::new(), 0);
    assert!(!stream.is_empty() && stream.len().is_multiple_of(188), "{} bytes", stream.len());
    for packet in stream.chunks(188) {
        assert_eq!(packet[0], 0x47, "in step");
        let pid = u16::from(packet[1] & 0x1F) << 8 | u16::from(packet[2]);
        let counter = packet[3] & 15;
        if let Some(last) = counters.insert(pid, counter) {
            assert_eq!(counter, (last + 1) & 15, "nothing of PID {pid:#x} is missing");
        }
        tables += usize::from(pid == 0);
        if pid == 0x100 {
            let filling = if packet[3] & 0x20 == 0 { 0 } else { 1 + usize::from(packet[4]) };
            let header = if packet[1] & 0x40 == 0 { 0 } else { 14 };
            audio.extend_from_slice(&packet[4 + filling + header..]);
        }
    }
    (audio, tables)
}
