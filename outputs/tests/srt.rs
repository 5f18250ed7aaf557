//! The SRT output against ffmpeg, which receives by libsrt, over a way that loses datagrams.

#![cfg(feature = "srt")]
#![allow(clippy::unwrap_used)]

mod icecast_rig;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use airchain_outputs::sink::{Health, Output, Retry};
use airchain_outputs::srt::{SrtConfig, SrtOutput};
use airchain_outputs::worker::WorkerOptions;
use icecast_rig::{MP3, Programme, RATE, Rig, runtime};
use testkit::lossy::Lossy;

/// A receiver that listens, and keeps every byte that it is sent until the sender says goodbye.
struct Receiver {
    child: Child,
    address: SocketAddr,
    bytes: Option<JoinHandle<Vec<u8>>>,
}

impl Receiver {
    fn start(options: &str) -> Self {
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self::start_at(address, options)
    }

    fn start_at(address: SocketAddr, options: &str) -> Self {
        let url = format!("srt://{address}?mode=listener{options}");
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "fatal", "-f", "data", "-i", &url])
            .args(["-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "data", "-"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("ffmpeg runs");
        let mut out = child.stdout.take().unwrap();
        let bytes = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).unwrap();
            bytes
        });
        Self { child, address, bytes: Some(bytes) }
    }

    fn bytes(mut self) -> Vec<u8> {
        self.bytes.take().unwrap().join().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The audio in a transport stream without a gap, and how often its tables stand in it.
fn audio(stream: &[u8]) -> (Vec<u8>, usize) {
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

fn config(to: SocketAddr) -> SrtConfig {
    SrtConfig { latency: Duration::from_secs(1), ..SrtConfig::new(format!("srt://{to}")) }
}

fn rig(config: SrtConfig) -> Rig {
    let mut rig = Rig::start_output(SrtOutput::new(config).unwrap(), &MP3, WorkerOptions::live());
    rig.programme.rises = true;
    rig
}

/// Feeds in real time, as encoders do: a fifth of a second at a time.
fn feed_in_time(rig: &mut Rig, seconds: u64) {
    let (since, begin) = (Instant::now(), rig.programme.position);
    for fifth in 1..=5 * seconds {
        while rig.programme.position - begin < i64::from(RATE) / 5 * fifth as i64 {
            rig.push();
        }
        std::thread::sleep(
            (since + Duration::from_millis(200 * fifth)).saturating_duration_since(Instant::now()),
        );
    }
}

#[test]
fn what_the_way_loses_is_sent_again() {
    let receiver = Receiver::start("&passphrase=s3cret-s3cret");
    let way = Lossy::start(receiver.address, 100);
    let secret = Some("s3cret-s3cret".to_owned());
    let mut rig =
        rig(SrtConfig { passphrase: secret, stream_id: Some("live".into()), ..config(way.address()) });
    rig.title("Motörhead", "Ace of Spades");
    feed_in_time(&mut rig, 8);
    rig.end();
    let stats = rig.handle.stats();
    assert_eq!((stats.dropped_frames, stats.reconnects), (0, 0), "{stats:?} {:?}", rig.events());
    let received = receiver.bytes();
    assert!(way.lost() > 20, "{} datagrams lost", way.lost());
    let title = "Ace of Spades".as_bytes();
    assert!(received.windows(title.len()).any(|bytes| bytes == title), "the title");
    let (audio, tables) = audio(&received);
    assert!(audio == rig.sent, "{} of {} bytes", audio.len(), rig.sent.len());
    assert!(tables >= 60, "tables ten times a second: {tables} times");
}

#[test]
fn a_receiver_that_comes_back_gets_the_stream_again() {
    let receiver = Receiver::start("");
    let address = receiver.address;
    let mut rig = rig(config(address));
    rig.feed_until_up();
    drop(receiver);
    rig.feed_until("health down", |rig| rig.handle.health() == Health::Down);
    rig.feed_until("nobody", |rig| rig.reasons().iter().any(|reason| reason.contains("nobody answers")));
    let receiver = Receiver::start_at(address, "");
    rig.feed_until_up();
    feed_in_time(&mut rig, 1);
    rig.end();
    let (audio, _) = audio(&receiver.bytes());
    let begin = rig.sent.windows(audio.len()).position(|sent| sent == audio);
    assert!(
        begin.is_some_and(|begin| begin > 0),
        "what it gets is what was sent then, {} bytes",
        audio.len()
    );
}

#[test]
fn a_way_that_is_cut_and_heals() {
    let receiver = Receiver::start("");
    let way = Lossy::start(receiver.address, 0);
    let mut rig = rig(config(way.address()));
    rig.feed_until_up();
    way.lose(1000);
    rig.feed_until("health down", |rig| rig.handle.health() == Health::Down);
    let said = rig.reasons().pop().unwrap();
    assert!(said.contains("the receiver is gone; check it and the way there"), "{said}");
    // ffmpeg ends with the connection.
    let address = receiver.address;
    drop(receiver);
    let receiver = Receiver::start_at(address, "");
    let fed = rig.sent.len();
    way.lose(0);
    rig.feed_until_up();
    feed_in_time(&mut rig, 1);
    rig.end();
    let (audio, _) = audio(&receiver.bytes());
    let begin = rig.sent.windows(audio.len()).position(|sent| sent == audio).unwrap();
    assert!(begin + 2 * 16_000 + 1000 >= fed, "{} s of old audio", (fed - begin) as f64 / 16_000.0);
}

#[test]
fn a_wrong_passphrase_is_named_and_never_shown() {
    let receiver = Receiver::start("&passphrase=s3cret-s3cret");
    let wrong = SrtConfig { passphrase: Some("wr0ng-wr0ng".into()), ..config(receiver.address) };
    let mut output = SrtOutput::new(wrong).unwrap();
    let opening = Programme::new(&MP3).opening();
    let error = runtime().block_on(output.open(&opening)).err().unwrap();
    assert!(
        error.message.starts_with(&format!("srt to {}: the receiver refuses", receiver.address)),
        "{error}"
    );
    assert!(error.message.contains("passphrase") && !error.message.contains("wr0ng"), "{error}");
    assert_eq!(error.retry, Retry::Seldom);
}
