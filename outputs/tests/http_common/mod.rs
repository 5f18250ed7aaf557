//! A listener under test, audio to feed it and a client that hides nothing.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test binary uses its part")]

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use airchain_codecs::packet::{Packet, StreamInfo};
use airchain_codecs::{Bitrate, Codec, Format};
use airchain_core::item::Metadata;
use airchain_outputs::http::{Listener, MountMeta, MountOutput, Options};
use airchain_outputs::sink::{Opening, Output, Sink};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const RATE: u32 = 44_100;
pub const FRAME: i64 = 1152;

/// Ends a test that hangs; no test passes or fails by it otherwise.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("hangs")
}

pub fn listen(options: Options) -> Listener {
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), options).unwrap();
    tokio::spawn(listener.clone().serve());
    listener
}

pub fn meta() -> MountMeta {
    MountMeta { name: "WGMR FM".into(), ..MountMeta::default() }
}

pub fn title(text: &str) -> Arc<Metadata> {
    Arc::new(Metadata { title: Some(text.into()), ..Metadata::default() })
}

pub fn opening(codec: Codec, bitrate: Bitrate, headers: Vec<Bytes>) -> Opening {
    let format = Format { codec, bitrate, sample_rate_hz: RATE, channels: 2 };
    let info = StreamInfo { format, delay: 0, packet_frames: Some(FRAME as u32), headers };
    let (info, epoch) = (Arc::new(info), jiff::Timestamp::UNIX_EPOCH);
    Opening { info, epoch, position: 0, leaps: Default::default(), metadata: Some(title("first")) }
}

pub async fn open(mount: &mut MountOutput) -> Box<dyn Sink> {
    mount.open(&opening(Codec::Mp3, Bitrate::Cbr(128), Vec::new())).await.unwrap()
}

/// A 1 kHz tone as MP3 frames of constant bit rate, from ffmpeg.
pub fn mp3(seconds: u32) -> Vec<Packet> {
    let source = format!("sine=frequency=1000:sample_rate={RATE}:duration={seconds}");
    let args =
        ["-v", "error", "-f", "lavfi", "-i", &source, "-ac", "2", "-c:a", "libmp3lame", "-b:a", "128k"];
    let tail = ["-reservoir", "0", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "-"];
    let output = Command::new("ffmpeg").args(args).args(tail).output().expect("ffmpeg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data = Bytes::from(output.stdout);
    let (mut at, mut packets) = (0, Vec::new());
    while at < data.len() {
        assert_eq!(data[at..at + 2], [0xff, 0xfb], "MPEG-1 layer III");
        let padding = usize::from(data[at + 2] >> 1 & 1);
        let end = at + 144 * 128_000 / 44_100 + padding;
        let pts = packets.len() as i64 * FRAME;
        packets.push(Packet { data: data.slice(at..end), pts, duration: FRAME as u32 });
        at = end;
    }
    packets
}

pub fn join(packets: &[Packet]) -> Vec<u8> {
    packets.iter().flat_map(|packet| packet.data.iter().copied()).collect()
}

/// As a worker does that finds no more for now.
pub async fn feed(sink: &mut Box<dyn Sink>, packets: &[Packet]) {
    for packet in packets {
        sink.packet(packet).await.unwrap();
    }
    sink.flush().await.unwrap();
}

/// A response whose head has been read.
pub struct Reply {
    pub status: u16,
    pub head: String,
    rest: Vec<u8>,
    stream: TcpStream,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Everything up to the end of the connection.
    pub async fn body(mut self) -> Vec<u8> {
        soon(self.stream.read_to_end(&mut self.rest)).await.unwrap();
        self.rest
    }

    /// What is there next; empty at the end.
    pub async fn some(&mut self) -> std::io::Result<Vec<u8>> {
        if self.rest.is_empty() {
            soon(self.stream.read_buf(&mut self.rest)).await?;
        }
        Ok(std::mem::take(&mut self.rest))
    }
}

/// Sends a request byte for byte and reads the head of the answer.
pub async fn ask(mut stream: TcpStream, request: &str) -> Reply {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let end = loop {
        assert_ne!(soon(stream.read_buf(&mut rest)).await.unwrap(), 0, "no head: {rest:?}");
        if let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(rest.drain(..end).collect()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head, rest, stream }
}

/// `GET path`, on a connection of its own, with further header lines (each ending in CRLF).
pub async fn get(listener: &Listener, path: &str, headers: &str) -> Reply {
    request(listener, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
}

pub async fn request(listener: &Listener, request: &str) -> Reply {
    ask(TcpStream::connect(listener.local_addr()).await.unwrap(), request).await
}

/// Waits for something that has no event to wait on.
pub async fn until(mut condition: impl FnMut() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(poll).await;
}
