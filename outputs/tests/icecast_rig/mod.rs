//! An Icecast output, or another, fed by a real encoder, as the tests of it use.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test binary uses its own part")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airchain_codecs::container::{self, Muxer};
use airchain_codecs::encode::{self, Encoder};
use airchain_codecs::{Bitrate, Codec, Format};
use airchain_core::item::Metadata;
use airchain_outputs::health::HealthEvent;
use airchain_outputs::icecast::{IcecastConfig, IcecastOutput};
use airchain_outputs::sink::{Health, Opening, Output, Parcel, Sink, SinkError};
use airchain_outputs::worker::{OutputHandle, ParcelSender, WorkerOptions, spawn};
use jiff::Timestamp;
use tokio::runtime::Runtime;

pub const RATE: u32 = 44_100;
pub const MP3: Format =
    Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(128), sample_rate_hz: RATE, channels: 2 };
pub const AAC: Format =
    Format { codec: Codec::AacLc, bitrate: Bitrate::Cbr(96), sample_rate_hz: RATE, channels: 2 };

/// Longest time that anything may take; reached only when it fails.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn config(url: &str) -> IcecastConfig {
    IcecastConfig { url: url.into(), name: Some("WGMR FM".into()), ..IcecastConfig::default() }
}

/// A tone and its encoder.
pub struct Programme {
    encoder: Box<dyn Encoder>,
    /// Frames put in so far.
    pub position: i64,
    /// Whether the tone rises all the time, so that no packet is like another.
    pub rises: bool,
    ready: std::collections::VecDeque<airchain_codecs::Packet>,
}

impl Programme {
    pub fn new(format: &Format) -> Self {
        let encoder = encode::open(format, RATE).expect("an encoder");
        Self { encoder, position: 0, rises: false, ready: Default::default() }
    }

    pub fn packet(&mut self) -> airchain_codecs::Packet {
        loop {
            if let Some(packet) = self.ready.pop_front() {
                return packet;
            }
            let turns = |n: i64| {
                let s = n as f64 / f64::from(RATE);
                if self.rises { (500.0 + 7.0 * s) * s } else { 1000.0 * s }
            };
            let tone = |n| (turns(n) * std::f64::consts::TAU).sin() * 0.5;
            let frames: Vec<_> = (self.position..self.position + 1152).map(|n| [tone(n) as f32; 2]).collect();
            self.position += 1152;
            let mut out = Vec::new();
            self.encoder.encode(&frames, &mut out).expect("encoding");
            self.ready.extend(out);
        }
    }

    pub fn opening(&self) -> Opening {
        Opening {
            info: self.encoder.info().clone(),
            epoch: Timestamp::UNIX_EPOCH,
            position: 0,
            leaps: Default::default(),
            metadata: None,
        }
    }
}

pub fn metadata(artist: &str, title: &str) -> Arc<Metadata> {
    Arc::new(Metadata { artist: Some(artist.into()), title: Some(title.into()), ..Metadata::default() })
}

/// Opens the output once, without a worker.
pub fn open_once(config: IcecastConfig) -> Result<Box<dyn Sink>, SinkError> {
    let opening = Programme::new(&MP3).opening();
    let mut output = IcecastOutput::new(config).expect("a valid configuration");
    // The sink outlives the runtime; it is only held, not used.
    let runtime = Box::leak(Box::new(runtime()));
    runtime.block_on(output.open(&opening))
}

pub fn refused(config: IcecastConfig) -> SinkError {
    match open_once(config) {
        Ok(_) => panic!("the output opens, it should be refused"),
        Err(error) => {
            assert!(!error.message.contains("s3cret"), "a secret in {error}");
            error
        }
    }
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// An output with its worker, and the programme that feeds it.
pub struct Rig {
    pub programme: Programme,
    pub handle: OutputHandle,
    sender: ParcelSender,
    events: Arc<Mutex<Vec<HealthEvent>>>,
    /// What a listener from the start gets.
    pub sent: Vec<u8>,
    muxer: Box<dyn Muxer>,
    pub packets: u64,
    runtime: Runtime,
}

impl Rig {
    pub fn start(config: IcecastConfig, format: &Format) -> Self {
        Self::start_with(config, format, WorkerOptions::live())
    }

    pub fn start_with(config: IcecastConfig, format: &Format, options: WorkerOptions) -> Self {
        Self::start_output(IcecastOutput::new(config).expect("a valid configuration"), format, options)
    }

    pub fn start_output(output: impl Output + 'static, format: &Format, options: WorkerOptions) -> Self {
        let runtime = runtime();
        let programme = Programme::new(format);
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let options = options.telling(Arc::new(move |event| seen.lock().unwrap().push(event)));
        let opening = programme.opening();
        let muxer = container::for_stream(&opening.info);
        let (sender, handle) = spawn(runtime.handle(), "icecast", Box::new(output), opening, options);
        Self { programme, handle, sender, events, sent: Vec::new(), muxer, packets: 0, runtime }
    }

    /// From the next packet on the audio has this title.
    pub fn title(&mut self, artist: &str, title: &str) {
        self.title_at(self.programme.position, artist, title);
    }

    pub fn title_at(&mut self, at: i64, artist: &str, title: &str) {
        self.sender.send(Parcel::Title { at, metadata: metadata(artist, title) });
    }

    /// Where the packet that is fed next ends.
    pub fn next_end(&mut self) -> i64 {
        let packet = self.programme.packet();
        let end = packet.end();
        self.programme.ready.push_front(packet);
        end
    }

    /// Hands over a packet, whether the output takes it or not.
    pub fn push(&mut self) {
        let packet = self.programme.packet();
        self.muxer.packet(&packet, &mut self.sent);
        self.packets += 1;
        self.sender.send(Parcel::Packet(packet));
    }

    /// Feeds a packet, faster than real time but never more than the output takes.
    pub fn feed(&mut self) {
        self.push();
        let since = Instant::now();
        while self.handle.health() != Health::Down && self.handle.stats().queued_s > 1.0 {
            assert!(since.elapsed() < PATIENCE, "the output takes nothing: {:?}", self.handle.stats());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Feeds in about five times real time until something is so.
    pub fn feed_until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let since = Instant::now();
        while !so(self) {
            assert!(
                since.elapsed() < PATIENCE,
                "{what} does not come; {:?} {:?}",
                self.handle.stats(),
                self.events()
            );
            self.feed();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn feed_until_up(&mut self) {
        self.feed_until("health up", |rig| rig.handle.health() == Health::Up);
    }

    /// Waits, feeding nothing, until something is so.
    pub fn wait_until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !so(self) {
            assert!(since.elapsed() < PATIENCE, "{what} does not come; {:?}", self.handle.stats());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until all that was fed is delivered.
    pub fn delivered(&self) {
        self.wait_until("all delivered", |rig| rig.handle.stats().packets == rig.packets);
    }

    /// The reasons that were told so far.
    pub fn reasons(&self) -> Vec<String> {
        self.events().into_iter().filter_map(|event| event.reason).collect()
    }

    pub fn events(&self) -> Vec<HealthEvent> {
        self.events.lock().unwrap().clone()
    }

    pub fn end(&self) {
        self.sender.send(Parcel::End);
        let ended = self.runtime.block_on(self.handle.ended_within(PATIENCE));
        assert!(ended, "the output ends by itself");
    }
}
