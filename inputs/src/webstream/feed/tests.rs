//! The feed in simulated time: a server of MP3 that comes and goes, an engine that plays it over a bed.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use airchain_codecs::encode;
use airchain_codecs::{Bitrate, Codec, Format as Encoding};
use airchain_core::Stereo;
use airchain_core::chain::Chain;
use airchain_core::control::Ramp;
use airchain_core::curve::Curve;
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::item::{Item, Metadata};
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::playout::{
    Director, DirectorConfig, LiveConfig, Loaded, Loader, Moment, Playlist, Report, Request, StationEvent,
    Ticket,
};
use airchain_core::program::Joins;
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use bytes::Bytes;
use testkit::{measure, signal};

use super::*;
use crate::webstream::queue::{Intake, queue};
use crate::webstream::{Arrival, IcyHeaders};

const RATE: u32 = 48_000;
const BLOCK: usize = 480;
const HZ: f64 = 1_000.0;
const BUFFER_S: f64 = 6.0;
/// Bytes of a second at 128 kbit/s.
const SECOND: f64 = 16_000.0;

/// Nothing is opened here.
struct NoLoader;

impl Loader for NoLoader {
    fn open(&mut self, _: Ticket, _: &Item, _: Option<Ticket>, _: bool) {}

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        None
    }
}

/// A minute of a tone as MP3 at 44.1 kHz, which a server sends over and over.
fn programme(bitrate: Bitrate) -> Vec<u8> {
    let format = Encoding { sample_rate_hz: 44_100, bitrate, ..Encoding::of(Codec::Mp3) };
    let mut encoder = encode::open(&format, 44_100).unwrap();
    let mut packets = Vec::new();
    encoder.encode(&signal::sine(44_100, HZ, -12.0, 60 * 44_100), &mut packets).unwrap();
    encoder.finish(&mut packets).unwrap();
    packets.iter().flat_map(|packet| packet.data.to_vec()).collect()
}

/// A server, the feed and the station, each with its clock.
struct Bench {
    programme: Vec<u8>,
    /// Bytes of a second of it.
    second: f64,
    intake: Intake,
    /// Bytes that the server has sent.
    sent: f64,
    /// How fast its clock goes.
    speed: f64,
    is_up: bool,
    feed: WebstreamFeed,
    board: FeedBoard,
    director: Director,
    engine: Engine,
    now: Instant,
    out: Vec<Stereo>,
    reports: Vec<Report>,
}

impl Bench {
    /// A station whose input is routed from the start.
    fn new(speed: f64) -> Self {
        let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
        let ramp = |length| Ramp { length, curve: Curve::EqualPower };
        let joins = Joins { crossfade: ramp(0), rate: RATE };
        let returns = [Return::Resume; Tier::COUNT];
        let ladder = LadderConfig { joins, takeover: [ramp(4_800); Tier::COUNT], returns };
        let chain = Chain::build(&[], format, 0).unwrap();
        let (control, engine) = engine(&EngineConfig { max_block: BLOCK, ladder }, chain);
        let config = DirectorConfig { format, latency: 0, chain: Vec::new(), returns };
        let nothing = Playlist::new(Vec::new(), Default::default(), false, 0);
        let mut director = Director::new(config, control, Box::new(NoLoader), Box::new(nothing));
        let live = LiveConfig { live_timeout_s: f64::INFINITY, ..LiveConfig::default() };
        let writer = director.live_source("relay", live).unwrap();
        let route = Request::RouteLive { tier: Tier::LiveScheduled, source: "relay".into(), fade_in_s: None };
        director.request(Moment::Now, route).unwrap();
        let (intake, arrivals) = queue(256 * 1024);
        let board = FeedBoard::default();
        let config = FeedConfig {
            id: "relay".into(),
            rate_hz: RATE,
            buffer_s: BUFFER_S,
            silence_s: Some(10.0),
            titles: true,
        };
        let feed = WebstreamFeed::new(config, Arc::new(Link::for_tests()), arrivals, writer, board.clone());
        Self {
            programme: programme(Bitrate::Cbr(128)),
            second: SECOND,
            intake,
            sent: 0.0,
            speed,
            is_up: false,
            feed,
            board,
            director,
            engine,
            now: Instant::now(),
            out: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// The server comes up, and begins with `burst_s` seconds at once.
    fn up(&mut self, burst_s: f64) {
        let station = IcyHeaders::default();
        let content_type = Some("audio/mpeg".into());
        self.intake.push(Arrival::Begins { connection: 1, content_type, station, url_index: 0 });
        self.is_up = true;
        // From the middle of a frame.
        self.sent = self.sent.floor() + 1_234.0;
        self.send(burst_s);
    }

    fn down(&mut self) {
        self.intake.push(Arrival::Breaks { why: "the test wants it".into() });
        self.is_up = false;
    }

    fn send(&mut self, seconds: f64) {
        let from = self.sent as usize;
        self.sent += seconds * self.second;
        let bytes = (from..self.sent as usize).map(|at| self.programme[at % self.programme.len()]);
        let bytes: Vec<u8> = bytes.collect();
        if !bytes.is_empty() {
            self.intake.push(Arrival::Bytes(Bytes::from(bytes)));
        }
    }

    /// Goes on; audio is kept while `keep`.
    fn run(&mut self, seconds: f64, keep: bool) {
        let mut block = [[0.0; 2]; BLOCK];
        for step in 0..(seconds * 100.0).round() as usize {
            self.now += Duration::from_millis(10);
            // A server sends in pieces.
            if self.is_up && step % 25 == 0 {
                self.send(0.25 * self.speed);
            }
            if step % 2 == 0 {
                while self.feed.is_low(self.now) && self.feed.pump(self.now) == Pump::Worked {}
            }
            self.director.tick(self.engine.position());
            self.reports.extend(std::iter::from_fn(|| self.director.poll()));
            self.engine.render(&mut block);
            if keep {
                self.out.extend(block);
            }
        }
    }

    fn told(&self, found: impl Fn(&StationEvent) -> bool) -> usize {
        self.reports.iter().filter(|report| found(&report.event)).count()
    }

    fn losses(&self) -> usize {
        self.told(|event| matches!(event, StationEvent::SourceFailed { .. }))
    }

    fn buffered_s(&self) -> f64 {
        self.board.status().buffered_s.unwrap()
    }
}

#[test]
fn an_upstream_that_is_away_for_four_seconds_is_not_missed() {
    let mut bench = Bench::new(1.0);
    bench.up(4.0);
    bench.run(5.0, true);
    // Two seconds until six are there, and the tier fades in.
    let envelope = measure::envelope(&bench.out);
    let first = envelope.iter().position(|level| *level > 0.1).unwrap();
    assert!((72_000..120_000).contains(&first), "{first}");
    bench.out.clear();
    bench.down();
    bench.run(4.0, true);
    bench.up(4.0);
    bench.run(10.0, true);
    assert_eq!(bench.losses(), 0, "{:?}", bench.reports);
    let mono = measure::channel(&bench.out, 0);
    let level = |part: &[f64]| part.iter().map(|x| x * x).sum::<f64>() / part.len() as f64;
    let quietest = mono.chunks_exact(480).map(level).fold(f64::MAX, f64::min);
    // A crossfade of the tone with itself at another phase: its power may sink, for 10 ms.
    assert!(quietest > 1e-4, "{quietest}");
    let tone = measure::tone(&mono[..48_000], RATE, HZ);
    assert!(tone.residual_db() < -55.0 && (tone.level_db() + 12.0).abs() < 0.2, "{tone:?}");
    assert!(measure::click_db(&mono, RATE) < -60.0, "{}", measure::click_db(&mono, RATE));
    assert_eq!(bench.board.status().joins, 1);
    assert!((bench.buffered_s() - BUFFER_S).abs() < 1.5, "{}", bench.buffered_s());
}

#[test]
fn one_that_is_away_for_forty_falls_and_comes_back_whole() {
    let mut bench = Bench::new(1.0);
    bench.up(8.0);
    bench.run(10.0, false);
    bench.down();
    bench.run(40.0, true);
    let heard = measure::envelope(&bench.out).iter().filter(|level| **level > 0.1).count();
    // What waited: six seconds and what the live source held.
    assert!((270_000..340_000).contains(&heard), "{heard}");
    assert_eq!(bench.losses(), 1);
    bench.up(4.0);
    bench.run(20.0, true);
    let mono = measure::channel(&bench.out, 0);
    assert!(measure::click_db(&mono, RATE) < -60.0, "{}", measure::click_db(&mono, RATE));
    let tail = &mono[mono.len() - 10 * RATE as usize..];
    let tone = measure::tone(tail, RATE, HZ);
    assert!(tone.residual_db() < -55.0, "{tone:?}");
    assert_eq!(bench.losses(), 1);
}

#[test]
fn clocks_that_differ_never_meet() {
    for speed in [1.0 + 1500e-6, 1.0 - 1500e-6] {
        let mut bench = Bench::new(speed);
        bench.up(8.0);
        bench.run(20.0 * 60.0, false);
        assert_eq!(bench.losses(), 0);
        let waits = bench.buffered_s();
        assert!((3.0..12.0).contains(&waits), "{speed}: {waits}");
        bench.run(2.0, true);
        // It is heard at the pitch that it is played at.
        let ppm = bench.board.status().clock_ppm;
        assert!((ppm * 1e-6 - (speed - 1.0)).abs() < 300e-6, "{speed}: {ppm} ppm");
        let mono = measure::channel(&bench.out, 0);
        let tone = measure::tone(&mono[..24_000], RATE, HZ * (1.0 + ppm * 1e-6));
        assert!(tone.residual_db() < -40.0, "{speed}: {tone:?}");
    }
}

#[test]
fn beneath_an_emergency_it_keeps_its_reserve_and_its_pitch() {
    let mut bench = Bench::new(1.0);
    bench.up(8.0);
    bench.run(60.0, false);
    let alarm = signal::sine(RATE, 440.0, -12.0, 120 * RATE as usize);
    let source = Box::new(MemorySource::new(alarm.into(), false));
    bench.director.load_source(Tier::Emergency, Item::file("alarm"), source);
    bench.run(150.0, false);
    assert!((5.0..9.0).contains(&bench.buffered_s()), "{}", bench.buffered_s());
    assert_eq!((bench.board.status().clock_ppm, bench.losses()), (0.0, 0));
    bench.run(1.0, true);
    let tone = measure::tone(&measure::channel(&bench.out, 0), RATE, HZ);
    assert!(tone.residual_db() < -55.0, "{tone:?}");
}

#[test]
fn another_bit_rate_after_an_outage_is_measured_anew() {
    let mut bench = Bench::new(1.0);
    bench.up(8.0);
    bench.run(10.0, false);
    bench.down();
    bench.run(20.0, false);
    bench.programme = programme(Bitrate::Cbr(32));
    bench.second = 4_000.0;
    bench.up(4.0);
    // Six seconds of it are there two seconds later, and it is good for one more.
    bench.run(5.0, false);
    bench.run(1.0, true);
    let tone = measure::tone(&measure::channel(&bench.out, 0), RATE, HZ);
    assert!(tone.residual_db() < -40.0, "{tone:?}, {:?}", bench.board.status());
    let rate = bench.board.status().bitrate_kbps.unwrap();
    assert!((rate - 32.0).abs() < 2.0, "{rate}");
}

#[test]
fn a_title_goes_with_its_connection() {
    let mut bench = Bench::new(1.0);
    let title = Metadata { title: Some("Harbour lights".into()), ..Metadata::default() };
    bench.up(8.0);
    bench.intake.push(Arrival::Title(title.clone()));
    bench.run(12.0, false);
    bench.down();
    bench.up(4.0);
    bench.run(20.0, false);
    let titles = bench.reports.iter().filter_map(|report| match &report.event {
        StationEvent::NowPlaying { item, .. } => Some(item.metadata.clone()),
        _ => None,
    });
    assert_eq!(titles.collect::<Vec<_>>(), [Metadata::default(), title, Metadata::default()]);
}

#[test]
fn titles_come_with_their_audio_and_go_where_they_are_told() {
    let mut bench = Bench::new(1.0);
    let title = Metadata { title: Some("Harbour lights".into()), ..Metadata::default() };
    bench.up(8.0);
    bench.intake.push(Arrival::Title(title.clone()));
    bench.run(12.0, false);
    let told = |report: &&Report| match &report.event {
        StationEvent::NowPlaying { item, .. } => item.metadata == title,
        _ => false,
    };
    let at = bench.reports.iter().find(told).unwrap().frame;
    let begun = bench.reports.iter().find(|report| matches!(report.event, StationEvent::NowPlaying { .. }));
    // Eight seconds of audio come before it.
    let after = (at - begun.unwrap().frame) as f64 / f64::from(RATE);
    assert!((7.0..8.3).contains(&after), "{after}");
}

#[test]
fn an_input_that_is_taken_away_signs_off() {
    let mut bench = Bench::new(1.0);
    bench.up(8.0);
    bench.run(5.0, false);
    bench.board.close();
    assert!(bench.feed.is_low(bench.now));
    assert_eq!(bench.feed.pump(bench.now), Pump::Abandoned);
}
