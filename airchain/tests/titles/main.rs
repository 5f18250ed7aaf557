//! Titles reach every delivery with the audio they belong to: measured from what real peers decode.
//!
//! A programme with a crossfade, a title set in the middle of an item and a skip goes on air through a limiter that looks
//! ahead. Where each item begins in a listener's audio is found by correlation, to the frame; where each title begins, by
//! the delivery's own rules. The two may differ by less than one packet of the encoder.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test, which shows what it measured"
)]

mod heard;
mod programme;

use std::sync::Arc;
use std::time::{Duration, Instant};

use airchain::codecs::Format;
use airchain::core::control::When;
use airchain::core::playout::{Moment, Request, StationEvent};
use airchain::offline::Render;
use airchain::output::{HttpOptions, OutputSpec, Target};
use airchain::outputs::hls::HlsConfig;
use airchain::outputs::http::MountMeta;
use airchain::outputs::icecast::IcecastConfig;
use airchain::station::Station;
use airchain::{Host, HostConfig};
use heard::Heard;
use programme::{RATE, Title};
use testkit::icecast::{Icecast, Port};
use testkit::measure;

/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// Frames into the second item at which its title is set, and into the third at which it is skipped.
const RETITLED: u64 = 72_123;
const SKIPPED: u64 = 57_600;

fn set_title() -> Request {
    Request::SetMetadata { metadata: programme::metadata("Two, retitled") }
}

fn skip() -> Request {
    Request::Skip { tier: None, fade_s: Some(0.2), curve: Default::default(), wait: None }
}

/// Plays the programme and returns the titles as the event log has them.
fn play(station: &Station) -> Vec<Title> {
    let reports = station.reports();
    let deadline = Instant::now() + PATIENCE;
    let mut titles: Vec<Title> = Vec::new();
    while titles.len() < 5 || !station.is_finished() {
        let Ok(report) = reports.recv_timeout(Duration::from_millis(50)) else {
            assert!(Instant::now() < deadline, "only {titles:?}");
            continue;
        };
        let frame = report.report.frame;
        match report.report.event {
            StationEvent::NowPlaying { item, .. } => {
                match titles.len() {
                    1 => station.request(When::At(frame + RETITLED), set_title()).unwrap(),
                    3 => station.request(When::At(frame + SKIPPED), skip()).unwrap(),
                    _ => {}
                }
                let begins = titles.iter().find(|title| title.item == item.id).map_or(frame, |t| t.begins);
                let line = item.metadata.one_line();
                titles.push(Title { line, frame, item: item.id, begins });
            }
            StationEvent::CommandFailed { .. } => panic!("{:?}", report.report.event),
            _ => {}
        }
    }
    titles
}

/// What a delivery may be off by.
struct Bounds {
    /// Frames by which a title may come before its audio, and after it.
    early: f64,
    late: f64,
}

/// Compares where titles and audio begin. `heard.titles` count frames of its audio.
fn compare(what: &str, heard: &Heard, log: &[Title], bounds: &Bounds) {
    let scale = f64::from(heard.rate_hz) / f64::from(RATE);
    let lines: Vec<&str> = heard.titles.iter().map(|(_, line)| line.as_str()).collect();
    let wanted: Vec<&str> = log.iter().map(|title| title.line.as_str()).collect();
    assert_eq!(lines, wanted, "{what}");
    // The first is there for whoever joins, before or with its audio.
    let first = heard.begin(what);
    let mut off = Vec::new();
    for (title, (at, _)) in log.iter().zip(&heard.titles).skip(1) {
        let likely = first + (title.begins - log[0].begins) as f64 * scale;
        let item = heard.begin_of(what, title.item.parse().unwrap(), likely);
        off.push(*at - item - (title.frame - title.begins) as f64 * scale);
    }
    println!("{what}: titles {:.0?} frames behind their audio", off);
    for (off, title) in off.iter().zip(&log[1..]) {
        assert!((-bounds.early..bounds.late).contains(off), "{what}: {:?} is {off} frames late", title.line);
    }
}

#[test]
fn on_air_titles_come_with_their_audio() {
    let folder = tempfile::tempdir().unwrap();
    let icecast = Arc::new(Icecast::start(2));
    let port = Port::free();
    let listen = ([127, 0, 0, 1], port.number).into();
    let http = |path: &str, format: &str| OutputSpec {
        id: path.into(),
        format: Format::parse(format).unwrap(),
        target: Target::Http {
            listen,
            path: path.into(),
            meta: MountMeta::default(),
            options: HttpOptions::default(),
        },
        passthrough: false,
    };
    let hls = HlsConfig {
        playlist_size: 1000,
        segment_duration_s: 2.0,
        ..HlsConfig::new(folder.path().join("hls"))
    };
    let source = IcecastConfig { url: icecast.url("/utf8.mp3"), ..IcecastConfig::default() };
    let mp3 = Format::parse("mp3:128k@44100").unwrap();
    let outputs = vec![
        http("/live.mp3", "mp3:128k@44100"),
        http("/live.aac", "aac:96k"),
        http("/live.opus", "opus:96k"),
        http("/live.ogg", "vorbis:q4"),
        http("/live.flac", "flac"),
        OutputSpec {
            id: "hls".into(),
            format: Format::parse("aac:96k").unwrap(),
            target: Target::Hls(hls),
            passthrough: false,
        },
        OutputSpec { id: "icecast".into(), format: mp3, target: Target::Icecast(source), passthrough: false },
    ];
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(programme::spec(folder.path()), outputs).unwrap();
    let listeners: Vec<_> = ["/live.mp3", "/live.aac", "/live.opus", "/live.ogg", "/live.flac"]
        .map(|path| heard::listen(listen, path))
        .into();
    let beside = std::thread::spawn({
        let icecast = Arc::clone(&icecast);
        move || {
            let deadline = Instant::now() + PATIENCE;
            while !icecast.is_on_air("/utf8.mp3") {
                assert!(Instant::now() < deadline, "Icecast has no source");
                std::thread::sleep(Duration::from_millis(5));
            }
            let listener = icecast.listen("/utf8.mp3", true);
            heard::Body { head: listener.head.clone(), data: listener.rest() }
        }
    });
    let log = play(&station);
    station.stop(Duration::from_secs(10));
    host.shutdown(Duration::from_secs(1));
    let bodies: Vec<heard::Body> = listeners.into_iter().map(|listener| listener.join().unwrap()).collect();
    let beside = beside.join().unwrap();

    // The event log, against audio that lost nothing.
    let flac = heard::ogg(&bodies[4], 48_000);
    assert_eq!(log[2].frame, log[1].frame + RETITLED);
    let offset = flac.begin("FLAC") - log[0].frame as f64;
    let begin = |title: &Title| {
        flac.begin_of("FLAC", title.item.parse().unwrap(), title.frame as f64 + offset) - title.frame as f64
    };
    let offsets = [&log[0], &log[1], &log[3], &log[4]].map(begin);
    println!("event log: items are heard {offsets:?} frames after it");
    assert_eq!(offsets, [offset; 4]);

    let packet = |frames: f64| Bounds { early: frames, late: 1.0 };
    compare("FLAC", &flac, &log, &packet(4096.0));
    compare("Opus", &heard::ogg(&bodies[2], 48_000), &log, &packet(960.0));
    compare("Vorbis", &heard::ogg(&bodies[3], 48_000), &log, &packet(1024.0));
    compare("HLS", &heard::hls(&folder.path().join("hls")), &log, &packet(1024.0));
    compare("MP3 with ICY", &heard::icy(&bodies[0]), &log, &packet(1152.0));
    // Its packets differ in length, and a block is due once in as many bytes as they have on average.
    let aac = Bounds { early: 1024.0, late: 1024.0 };
    compare("AAC with ICY", &heard::icy(&bodies[1]), &log, &aac);

    // Icecast is told beside the audio, and shows a title where its own next block is due: up to 16 000 bytes later (44
    // packets), and what it takes to be told. It marks audio in pieces of 1400 bytes (4 packets).
    let request = 5.0 * 44_100.0;
    let bounds = Bounds { early: 5.0 * 1152.0, late: 44.0 * 1152.0 + request };
    compare("MP3 from Icecast", &heard::icy(&beside), &log, &bounds);
}

#[test]
fn offline_the_event_log_has_the_very_frame_of_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let at = |seconds: u64, frames| Moment::Frame(seconds * u64::from(RATE) + frames);
    let script = [(at(3, 1), set_title()), (at(8, 7), skip())];
    let mut render = Render::new(programme::spec(folder.path()), script, None).unwrap();
    let (mut audio, mut titles) = (Vec::new(), Vec::new());
    loop {
        let more = render.next_block().unwrap().map(|block| audio.extend_from_slice(block));
        while let Some(report) = render.poll() {
            if let StationEvent::NowPlaying { item, .. } = report.event {
                titles.push((report.frame, item.id, item.metadata.one_line()));
            }
        }
        if more.is_none() {
            break;
        }
    }
    let lines: Vec<&str> = titles.iter().map(|(.., line)| line.as_str()).collect();
    assert_eq!(
        lines,
        ["Tester - One", "Tester - Two", "Tester - Two, retitled", "Tester - Three", "Tester - Four"]
    );
    assert_eq!((titles[2].0, titles[4].0), (3 * u64::from(RATE) + 1, 8 * u64::from(RATE) + 7));
    let mono = measure::channel(&audio, 0);
    for (frame, id, _) in titles.iter().filter(|(.., line)| !line.ends_with("retitled")) {
        let frame = *frame as usize;
        let (at, likeness) =
            programme::begin(&mono, RATE, id.parse().unwrap(), frame.saturating_sub(6_000)..frame + 6_000);
        assert!(at == frame as f64 && likeness > 0.99, "item {id}: {at} and not {frame} ({likeness})");
    }
}
