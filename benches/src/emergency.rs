//! Emergencies on air: how long they take to the bus, and to listeners of the HTTP output and of a real Icecast.
//!
//! The programme is faint noise and the emergency a tone, so the first sample that is louder is the emergency's, on the bus as in
//! what a listener decodes. A listener has a sample once the last byte of the MP3 frame that holds it has come.

use std::io::{Error, Result};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::core::Frames;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Moment, Playlist, Request, StationEvent};
use airchain::core::tier::Tier;
use airchain::file::FileWriter;
use airchain::output::HttpOptions;
use airchain::outputs::http::MountMeta;
use airchain::outputs::icecast::IcecastConfig;
use airchain::{Host, HostConfig, OutputSpec, PcmTap, Station, StationSpec, Target};
use airchain_core::Stereo;
use airchain_core::presets;
use testkit::icecast::Icecast;
use testkit::signal::{self, Random};

use crate::engine::{BLOCK, RATE};
use crate::listen::{self, Recorder, delays_ms};

/// What counts as heard: -40 dBFS, 34 dB below the emergency. What an encoder spreads ahead of a tone lies below.
pub const AUDIBLE: f32 = 0.01;
/// MP3 frames of silence before an onset.
pub const QUIET: usize = 4;
/// The peaks of the noise, as far below.
const PROGRAMME_DB: f64 = -50.0;
/// The alarm.
const ALARM_DB: f64 = -6.0;
/// Its length in seconds.
const ALARM_S: f64 = 0.1;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was measured, in milliseconds and blocks.
pub struct Measured {
    /// Blocks rendered from the command up to the one that begins with the emergency; 1 is the next.
    pub blocks: Vec<f64>,
    /// From the command to the moment at which the emergency's first frame is rendered.
    pub taken_ms: Vec<f64>,
    /// From the command to its first sample on the bus, behind the chain's look-ahead.
    pub bus_ms: Vec<f64>,
    /// By listener, from the command to the bytes that hold the first sample.
    pub listeners: Vec<(String, Vec<f64>)>,
    /// From a skip to the first sample of the next item, faded in over 5 s, rendered.
    pub skip_ms: Vec<f64>,
    /// The same in blocks.
    pub skip_blocks: Vec<f64>,
}

/// Writes a file of 16 bits at [`RATE`].
///
/// # Errors
///
/// When it cannot be written.
pub fn write_wav(path: &Path, audio: &[Stereo]) -> Result<Item> {
    let format = Format::of(Codec::PcmS16);
    let mut writer = FileWriter::create(path, &format, RATE, &Metadata::default()).map_err(Error::other)?;
    writer.write(audio).map_err(Error::other)?;
    writer.finish().map_err(Error::other)?;
    Ok(Item::file(path.display().to_string()))
}

/// The alarm that is inserted.
pub fn alarm() -> Vec<Stereo> {
    signal::sine(RATE, 1000.0, ALARM_DB, (ALARM_S * f64::from(RATE)) as usize)
}

/// The programme that it interrupts, half a minute of it.
pub fn quiet() -> Vec<Stereo> {
    signal::noise(7, PROGRAMME_DB, 30 * RATE as usize)
}

/// A port that nothing listens on just now.
///
/// # Errors
///
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Sends `count` emergencies and `skips` skips at random times to stations on air.
///
/// # Errors
///
/// When something does not run as it should.
pub fn measure(folder: &Path, count: usize, skips: usize) -> Result<Measured> {
    let silence = write_wav(&folder.join("silence.wav"), &signal::silence(30 * RATE as usize))?;
    let quiet = write_wav(&folder.join("quiet.wav"), &quiet())?;
    let alarm = write_wav(&folder.join("alarm.wav"), &alarm())?;
    let tone = write_wav(&folder.join("tone.wav"), &signal::sine(RATE, 440.0, -6.0, 30 * RATE as usize))?;
    let icecast = Icecast::start(20);
    let http = free_address()?;
    let host = Host::new(HostConfig::default()).map_err(Error::other)?;
    let rates = [44_100, 48_000];
    let outputs = rates.iter().flat_map(|rate| outputs(http, &icecast, *rate)).collect();
    let spec = StationSpec {
        id: "emergencies".into(),
        chain: presets::find("safe").map(presets::Preset::nodes).unwrap_or_default(),
        programme: playlist(vec![quiet]),
        ..StationSpec::default()
    };
    let station = host.add_station(spec, outputs).map_err(Error::other)?;
    let spec = StationSpec {
        id: "skips".into(),
        crossfade_s: 5.0,
        programme: playlist(vec![silence, tone]),
        ..StationSpec::default()
    };
    let skipping = host.add_station(spec, Vec::new()).map_err(Error::other)?;
    let mut recorders = Vec::new();
    for rate in rates {
        let path = mount(rate);
        let name = |what: &str| format!("{what}, MP3 128k at {:.1} kHz", f64::from(rate) / 1000.0);
        recorders.push((name("HTTP output"), Recorder::start(listen::wait_for(http, &path, PATIENCE)?)?));
        let stream = listen::wait_for(icecast.address(), &path, PATIENCE)?;
        recorders.push((name("icecast2"), Recorder::start(stream)?));
    }
    // What Icecast sends at once to who comes is heard late; it has been heard before the first command.
    std::thread::sleep(Duration::from_secs(2));
    let (emergencies, skipped) = std::thread::scope(|scope| {
        let skipped = scope.spawn(|| skip(&skipping, skips));
        let emergencies = alarms(&station, &alarm, count);
        (emergencies, skipped.join().unwrap_or_else(|_| Err(Error::other("the skips failed"))))
    });
    let (sent, blocks, taken_ms, bus_ms) = emergencies?;
    let (skip_blocks, skip_ms) = skipped?;
    std::thread::sleep(Duration::from_millis(500));
    let mut listeners = Vec::new();
    for (name, recorder) in recorders {
        listeners.push((name, delays_ms(&sent, &recorder.finish()?.onsets(AUDIBLE, QUIET))));
    }
    host.shutdown(Duration::from_secs(2));
    Ok(Measured { blocks, taken_ms, bus_ms, listeners, skip_ms, skip_blocks })
}

fn playlist(items: Vec<Item>) -> Box<Playlist> {
    Box::new(Playlist::new(items, Order::Sequential, true, 0))
}

fn mount(rate: u32) -> String {
    format!("/{rate}.mp3")
}

fn outputs(listen: SocketAddr, icecast: &Icecast, rate: u32) -> [OutputSpec; 2] {
    let format = Format { sample_rate_hz: rate, ..Format::of(Codec::Mp3) };
    let path = mount(rate);
    let config = IcecastConfig { url: icecast.url(&path), ..IcecastConfig::default() };
    let (meta, options) = (MountMeta::default(), HttpOptions::default());
    [
        OutputSpec {
            id: format!("http {rate}"),
            format,
            target: Target::Http { listen, path, meta, options },
            passthrough: false,
        },
        OutputSpec {
            id: format!("icecast {rate}"),
            format,
            target: Target::Icecast(config),
            passthrough: false,
        },
    ]
}

type Alarms = (Vec<Instant>, Vec<f64>, Vec<f64>, Vec<f64>);

/// When the commands were sent; blocks to the one that took each, milliseconds to that and to the bus.
fn alarms(station: &Station, alarm: &Item, count: usize) -> Result<Alarms> {
    let mut bus = Bus::new(station)?;
    let reports = station.reports();
    let mut random = Random::new(5);
    let (mut sent, mut blocks, mut taken_ms, mut bus_ms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        std::thread::sleep(Duration::from_secs_f64(0.3 + 0.05 * random.next()));
        let item = Item { id: format!("alarm {number}"), ..alarm.clone() };
        bus.forget();
        // A report bears the time of its frame by the system's clock; the listeners' bytes come by the monotonic one.
        let (position, utc) = (station.position(), jiff::Timestamp::now());
        sent.push(Instant::now());
        station.request(Moment::Now, Request::InsertEmergency { item }).map_err(Error::other)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = reports.recv_deadline(deadline).map_err(Error::other)?;
            match report.report.event {
                StationEvent::NowPlaying { tier: Tier::Emergency, .. } => {
                    let frame = report.report.frame;
                    blocks.push(((frame - position) / BLOCK as Frames + 1) as f64);
                    let heard_ms = report.utc.duration_since(utc).as_secs_f64() * 1000.0;
                    bus_ms.push(heard_ms);
                    taken_ms.push(heard_ms - latency_ms(station));
                    let first = bus.first(AUDIBLE, deadline)?;
                    // It takes the air in 5 ms: a fifth of that to be so loud.
                    let due = frame + station.latency();
                    if !(due..due + 96).contains(&first) {
                        return Err(Error::other(format!("taken at {frame}, but on the bus at {first}")));
                    }
                }
                StationEvent::ItemEnded { tier: Tier::Emergency, .. } => break,
                StationEvent::CommandFailed { error, .. } => return Err(Error::other(error)),
                _ => {}
            }
        }
    }
    Ok((sent, blocks, taken_ms, bus_ms))
}

/// Blocks and milliseconds from each skip to the first sample of the item that it fades in.
fn skip(station: &Station, count: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut bus = Bus::new(station)?;
    let reports = station.reports();
    let mut random = Random::new(6);
    let go = |fade_s| {
        let request = Request::Skip { tier: None, fade_s, curve: Default::default(), wait: None };
        station.request(Moment::Now, request).map_err(Error::other)
    };
    let (mut blocks, mut millis) = (Vec::new(), Vec::new());
    for _ in 0..count {
        bus.wait_for_silence()?;
        std::thread::sleep(Duration::from_secs_f64(0.2 + 0.1 * random.next()));
        bus.forget();
        reports.try_iter().for_each(drop);
        let (position, utc) = (station.position(), jiff::Timestamp::now());
        go(None)?;
        let deadline = Instant::now() + PATIENCE;
        let heard = loop {
            let report = reports.recv_deadline(deadline).map_err(Error::other)?;
            if matches!(report.report.event, StationEvent::NowPlaying { .. }) {
                break report;
            }
        };
        let (frame, first) = (heard.report.frame, bus.first(0.0, deadline)?);
        // It begins with a zero of its own, and with one of the fade.
        if !(frame + station.latency()..=frame + station.latency() + 2).contains(&first) {
            return Err(Error::other(format!("skipped at {frame}, but on the bus at {first}")));
        }
        blocks.push(((frame - position) / BLOCK as Frames + 1) as f64);
        millis.push(heard.utc.duration_since(utc).as_secs_f64() * 1000.0 - latency_ms(station));
        std::thread::sleep(Duration::from_millis(300));
        go(Some(0.05))?;
    }
    Ok((blocks, millis))
}

/// What a chain looks ahead.
fn latency_ms(station: &Station) -> f64 {
    station.latency() as f64 * 1000.0 / f64::from(RATE)
}

/// What leaves the bus of a station.
struct Bus {
    tap: PcmTap,
    block: Vec<Stereo>,
}

impl Bus {
    fn new(station: &Station) -> Result<Self> {
        Ok(Self { tap: station.tap(10.0).map_err(Error::other)?, block: vec![[0.0; 2]; BLOCK] })
    }

    /// Passes over what has left it so far.
    fn forget(&mut self) {
        while self.tap.read(&mut self.block).1 > 0 {}
    }

    /// Until nothing has been heard for 100 ms.
    fn wait_for_silence(&mut self) -> Result<()> {
        let (deadline, mut silent) = (Instant::now() + PATIENCE, 0);
        while silent < RATE as usize / 10 {
            let (_, frames) = self.tap.read(&mut self.block);
            let loud = self.block.iter().take(frames).any(|frame| *frame != [0.0; 2]);
            silent = if loud { 0 } else { silent + frames };
            if frames == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            if Instant::now() > deadline {
                return Err(Error::other("the bus does not fall silent"));
            }
        }
        Ok(())
    }

    /// The frame of the bus that holds the next sample louder than `peak`.
    fn first(&mut self, peak: f32, deadline: Instant) -> Result<Frames> {
        while Instant::now() < deadline {
            let (start, frames) = self.tap.read(&mut self.block);
            let heard = self.block.iter().take(frames).position(|[l, r]| l.abs().max(r.abs()) > peak);
            if let Some(at) = heard {
                return Ok(start + at as Frames);
            }
            if frames == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Err(Error::other("nothing was heard on the bus"))
    }
}
