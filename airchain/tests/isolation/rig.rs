//! The stage: a healthy station that is listened to from its first frames, beside whatever a test puts there.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airchain::codecs::packet::Packet;
use airchain::codecs::{Codec, Format};
use airchain::core::Stereo;
use airchain::core::chain::NodeSpec;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::report::Part;
use airchain::core::playout::{NextTrack, Playlist, StationEvent};
use airchain::file::FileWriter;
use airchain::offline::Render;
use airchain::output::{OutputSpec, Target};
use airchain::outputs::sink::{Opening, Output, Sink, SinkError};
use airchain::outputs::worker::WorkerOptions;

use airchain::station::TimedReport;
use airchain::{Host, HostConfig, ItemLoudness, PcmTap, Station, StationSpec};
use async_trait::async_trait;
use crossbeam_channel::Receiver;
use testkit::signal;

pub(crate) const RATE: u32 = 48_000;
/// Far longer than anything here takes: what has not happened by then never will.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Writes a file of 32-bit floats, whose values come through unchanged.
pub(crate) fn file(folder: &Path, name: &str, audio: &[Stereo]) -> Item {
    let format = Format { sample_rate_hz: RATE, ..Format::of(Codec::PcmF32) };
    let path = folder.join(name);
    let mut writer = FileWriter::create(&path, &format, RATE, &Metadata::default()).unwrap();
    writer.write(audio).unwrap();
    writer.finish().unwrap();
    Item::file(path.display().to_string())
}

/// A tone of `seconds` with `frames` put in at these seconds. They are put into the file itself: the encoder that writes it
/// heeds some of them, too.
pub(crate) fn tone(folder: &Path, name: &str, seconds: u32, frames: &[(f64, Stereo)]) -> Item {
    let mut audio = signal::sine(RATE, 440.0, -12.0, (RATE * seconds) as usize);
    let blank = [0.25, -0.75];
    for (at_s, _) in frames {
        audio[(at_s * f64::from(RATE)) as usize] = blank;
    }
    let item = file(folder, name, &audio);
    let bytes = |frame: Stereo| frame.map(f32::to_le_bytes).concat();
    let mut written = std::fs::read(&item.path).unwrap();
    let mut from = 0;
    for (_, frame) in frames {
        from += written[from..].windows(8).position(|window| window == bytes(blank)).unwrap();
        written[from..from + 8].copy_from_slice(&bytes(*frame));
    }
    std::fs::write(&item.path, written).unwrap();
    item
}

pub(crate) fn playlist(items: Vec<Item>) -> Box<dyn NextTrack> {
    Box::new(Playlist::new(items, Order::Sequential, true, 0))
}

pub(crate) fn nodes(json: &str) -> Vec<NodeSpec> {
    serde_json::from_str(json).unwrap()
}

/// The healthy station: short items of music, crossfaded and processed.
fn healthy(folder: &Path) -> StationSpec {
    let item = |seed: u64| {
        let audio = signal::music(RATE, -18.0, seed, 3 * RATE as usize);
        file(folder, &format!("music-{seed}.wav"), &audio)
    };
    StationSpec {
        id: "healthy".into(),
        crossfade_s: 0.5,
        chain: nodes(r#"[{"type": "compressor"}, {"type": "limiter"}]"#),
        item_loudness: ItemLoudness::Off,
        programme: playlist((1..=4).map(item).collect()),
        ..StationSpec::default()
    }
}

/// What an output is sent.
#[derive(Clone, Default)]
pub(crate) struct Sent(Arc<Mutex<Vec<Packet>>>);

impl Sent {
    /// An output that takes everything down. With a `fault` it panics at each packet of which that says so.
    pub(crate) fn output(&self, id: &str, fault: fn(usize) -> bool) -> OutputSpec {
        let output = Box::new(TakesDown { sent: self.clone(), fault });
        let target = Target::Custom { kind: "test", output, options: WorkerOptions::live() };
        OutputSpec { id: id.into(), format: Format::of(Codec::PcmS16), target, passthrough: false }
    }

    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.0.lock().unwrap().clone()
    }
}

struct TakesDown {
    sent: Sent,
    fault: fn(usize) -> bool,
}

#[async_trait]
impl Output for TakesDown {
    fn describe(&self) -> String {
        "memory".into()
    }

    async fn open(&mut self, _: &Opening) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(TakesDown { sent: self.sent.clone(), fault: self.fault }))
    }
}

#[async_trait]
impl Sink for TakesDown {
    async fn packet(&mut self, packet: &Packet) -> Result<(), SinkError> {
        let count = {
            let mut sent = self.sent.0.lock().unwrap();
            sent.push(packet.clone());
            sent.len()
        };
        assert!(!(self.fault)(count), "a sink that was asked to panic");
        Ok(())
    }

    async fn title(&mut self, _: i64, _: &Arc<Metadata>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// What a tap has heard, and from which frame of the bus on.
pub(crate) struct Heard {
    pub(crate) first: usize,
    pub(crate) audio: Vec<Stereo>,
}

/// Reads everything a tap holds.
pub(crate) fn read(tap: &mut PcmTap) -> Heard {
    let mut audio = vec![[0.0; 2]; tap.available()];
    let (first, frames) = tap.read(&mut audio);
    audio.truncate(frames);
    Heard { first: first as usize, audio }
}

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) host: Host,
    healthy: Station,
    tap: PcmTap,
    sent: Sent,
    reports: Receiver<TimedReport>,
}

impl Stage {
    /// A host with two decode workers, and the healthy station in it.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = HostConfig { decode_threads: 2, encode_threads: 2, ..HostConfig::default() };
        let host = Host::new(config).unwrap();
        let sent = Sent::default();
        let healthy = host.add_station(healthy(folder.path()), vec![sent.output("sent", |_| false)]).unwrap();
        let (tap, reports) = (healthy.tap(60.0).unwrap(), healthy.reports());
        Self { folder, host, healthy, tap, sent, reports }
    }

    pub(crate) fn add(&self, spec: StationSpec, outputs: Vec<OutputSpec>) -> Faulty {
        let station = self.host.add_station(spec, outputs).unwrap();
        let (tap, reports) = (station.tap(60.0).unwrap(), station.reports());
        Faulty { station, tap, reports, told: Vec::new() }
    }

    /// Plays on for so many seconds of programme.
    pub(crate) fn play(&self, seconds: u64) {
        let until = self.healthy.position() + seconds * u64::from(RATE);
        let deadline = Instant::now() + PATIENCE;
        while self.healthy.position() < until {
            assert!(Instant::now() < deadline, "the healthy station stands still");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The healthy station sent what it sends alone: all of it, to the bit, on the bus and through its encoder.
    pub(crate) fn verify(mut self) {
        self.play((4 * u64::from(RATE)).saturating_sub(self.healthy.position()).div_ceil(u64::from(RATE)));
        let heard = read(&mut self.tap);
        let packets = self.sent.packets();
        let latency = self.healthy.latency() as usize;
        let events: Vec<_> = self.reports.try_iter().map(|report| report.report.event).collect();
        let bad = |event: &&StationEvent| {
            matches!(
                event,
                StationEvent::Dropout { .. } | StationEvent::Fault { .. } | StationEvent::SourceFailed { .. }
            )
        };
        assert_eq!(events.iter().filter(bad).count(), 0, "{events:?}");
        assert!(heard.audio.len() >= 3 * RATE as usize, "only {} frames were heard", heard.audio.len());
        let frames = heard.first + heard.audio.len() - latency;
        let spec = healthy(self.folder.path());
        let mut render = Render::new(spec, Vec::new(), Some(frames as u64)).unwrap();
        let mut meant = vec![[0.0; 2]; latency];
        while let Some(block) = render.next_block().unwrap() {
            meant.extend_from_slice(block);
        }
        let differs = heard.audio.iter().zip(&meant[heard.first..]).position(|(heard, meant)| heard != meant);
        assert_eq!(differs, None, "of {} frames from {} on", heard.audio.len(), heard.first);
        // Every frame went through the encoder once, and what came out is the same audio.
        assert!(packets.len() > 10, "{} packets", packets.len());
        assert!(packets.windows(2).all(|pair| pair[0].end() == pair[1].pts), "something of it was lost");
        self.host.shutdown(Duration::from_secs(2));
    }
}

/// A station in which something goes wrong.
pub(crate) struct Faulty {
    pub(crate) station: Station,
    pub(crate) tap: PcmTap,
    reports: Receiver<TimedReport>,
    told: Vec<StationEvent>,
}

impl Faulty {
    /// Waits for an event; those that came before it have been heard, too.
    pub(crate) fn wait_for(&mut self, what: &str, wanted: impl Fn(&StationEvent) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = self.reports.recv_deadline(deadline);
            let report = report.unwrap_or_else(|_| panic!("{what} was not told of, but {:?}", self.told));
            self.told.push(report.report.event);
            if self.told.last().is_some_and(&wanted) {
                return;
            }
        }
    }

    pub(crate) fn wait_for_fault(&mut self, part: Part) {
        let is_it = |event: &StationEvent| matches!(event, StationEvent::Fault { part: failed, .. } if *failed == part);
        self.wait_for(part.name(), is_it);
        assert!(self.station.faults().of(part) > 0, "what is told is counted");
    }

    pub(crate) fn wait_for_start(&mut self, name: &str) {
        let is_it = |event: &StationEvent| matches!(event, StationEvent::NowPlaying { item, started: true, .. } if item.path.ends_with(name));
        self.wait_for(name, is_it);
    }

    /// The longest silence in what has been heard since last asked, in seconds.
    pub(crate) fn longest_silence_s(&mut self) -> f64 {
        let heard = read(&mut self.tap);
        let silences = heard.audio.split(|frame| frame[0].abs() > 1e-4);
        silences.map(<[Stereo]>::len).max().unwrap_or(0) as f64 / f64::from(RATE)
    }
}
