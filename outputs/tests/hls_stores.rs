//! HLS on stores behind HTTP: restarts, stores that are away, and every fault in between. What was done to them, in its
//! order, tells whether a playlist ever named what was not there.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use airchain_codecs::container::segment::Container;
use airchain_codecs::packet::Packet;
use airchain_codecs::{Bitrate, Codec};
use airchain_outputs::hls::{HlsConfig, RenditionConfig, outputs};
use airchain_outputs::segments::{PutConfig, S3Config, StoreConfig};
use airchain_outputs::sink::Health;
use hls_support::{aac, deliver, encoded, feed, ffmpeg, format, on_runtime, opening, programme, well};
use tempfile::TempDir;
use testkit::hls::Snapshot;
use testkit::object_store::{Face, Fault, ObjectStore, Served};

const MORNING: &str = "2026-03-01T06:00:00Z";
const NOON: &str = "2026-03-01T12:00:00Z";
const PASSWORD: &str = "s3cret";

/// A store, what an output is told of it, and where its files lie there.
struct Peer {
    store: ObjectStore,
    config: HlsConfig,
    root: &'static str,
    copy: TempDir,
    _served: Served,
}

fn peer(face: Face) -> Peer {
    let key = if matches!(face, Face::S3(_)) { "Credential=AKIDEXAMPLE/" } else { "Basic ZGo6czNjcmV0" };
    let is_s3 = matches!(face, Face::S3(_));
    let store = ObjectStore::new(face).with_key(key);
    let served = store.listen();
    let url = format!("http://{}", served.address());
    let (kept, root) = if is_s3 {
        let mut config = S3Config::new("station", "eu-west-1");
        config.prefix = "radio/live".into();
        config.endpoint = Some(url);
        config.access_key_id = Some("AKIDEXAMPLE".into());
        config.secret_access_key = Some(PASSWORD.into());
        (StoreConfig::S3(config), "/station/radio/live")
    } else {
        let mut config = PutConfig::new(format!("{url}/in/radio"));
        (config.user, config.password) = (Some("dj".into()), Some(PASSWORD.into()));
        (StoreConfig::Put(config), "/in/radio")
    };
    let config =
        HlsConfig { segment_duration_s: 1.0, playlist_size: 4, retain_segments: 2, ..HlsConfig::new("") };
    let copy = tempfile::tempdir().unwrap();
    Peer { store, config: HlsConfig { store: kept, ..config }, root, copy, _served: served }
}

fn s3() -> Peer {
    peer(Face::S3("station".into()))
}

impl Peer {
    /// One run of a process.
    fn run(
        &self,
        epoch: &str,
        (info, packets): &(airchain_codecs::packet::SharedInfo, Vec<Packet>),
        close: bool,
    ) {
        let mut output = hls_support::alone(&self.config);
        on_runtime(deliver(output.as_mut(), &opening(info, epoch), packets, close));
    }

    /// What lies there, as files.
    fn copied(&self) -> PathBuf {
        let dir = self.copy.path().join("copy");
        let _ = fs::remove_dir_all(&dir);
        for path in self.store.paths() {
            let Some(name) = path.strip_prefix(&format!("{}/", self.root)) else { continue };
            let to = dir.join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, self.store.get(&path).unwrap()).unwrap();
        }
        dir
    }

    fn playlist(&self) -> Snapshot {
        Snapshot::read(&self.copied())
    }

    /// Numbers of the segments that were put, in their order.
    fn put(&self) -> Vec<u64> {
        let events = self.store.events().into_iter();
        let put = events.filter(|event| event.request.method == "PUT" && (200..300).contains(&event.status));
        let number = |path: String| path.strip_suffix(".ts")?.rsplit('-').next()?.parse().ok();
        put.filter_map(|event| number(event.request.path)).collect()
    }
}

#[test]
fn a_restart_goes_on_with_what_is_there() {
    let (nine, two) = (aac(9), aac(2));
    for face in [Face::S3("station".into()), Face::WebDav, Face::Plain] {
        let peer = peer(face.clone());
        peer.run(MORNING, &nine, true);
        let before = peer.playlist();
        assert!(before.ended && before.segments.len() >= 4, "{face:?}: {before:?}");
        peer.run(NOON, &two, false);
        let after = peer.playlist();
        after.assert_continues(&before);
        assert!(!after.ended && after.segments.iter().any(|segment| segment.discontinuity), "{face:?}");
        assert!(peer.store.check_order().unwrap() > 9, "{face:?}");
        // Nothing is kept but what a player may still want; without lists also what it wanted before the restart.
        let kept = peer.store.paths().iter().filter(|path| path.ends_with(".ts")).count();
        assert!(kept <= if face == Face::Plain { 12 } else { 10 }, "{face:?}: {kept}");
    }
}

#[test]
fn parts_and_what_decoders_need_first_are_there_before_they_are_named() {
    let four = aac(4);
    for face in [Face::S3("station".into()), Face::Plain] {
        let mut peer = peer(face.clone());
        (peer.config.container, peer.config.low_latency) = (Container::Fmp4, true);
        let mut asked = 0;
        peer.store.script(move |request| {
            asked += u32::from(request.method == "PUT");
            (request.method == "PUT" && asked % 9 == 0).then_some(Fault::Close)
        });
        peer.run(MORNING, &four, true);
        peer.store.heal();
        peer.run(NOON, &four, true);
        assert!(peer.store.check_order().unwrap() > 20, "{face:?}");
        let paths = peer.store.paths();
        let inits: Vec<&String> = paths.iter().filter(|path| path.ends_with("-init.mp4")).collect();
        assert_eq!(inits.len(), 2, "{face:?}: {paths:?}");
        let is_old_part = |path: &&String| path.contains("/1772344800000-") && path.matches('.').count() == 2;
        let old_parts = paths.iter().filter(is_old_part).count();
        assert!(old_parts == 0 || face == Face::Plain, "{paths:?}");
        assert_eq!(peer.store.header(inits[0], "content-type"), "audio/mp4");
        assert!(peer.store.header(inits[0], "cache-control").contains("immutable"));
    }
}

#[test]
fn a_server_that_shows_nothing_begins_anew_with_numbers_that_grow() {
    let peer = peer(Face::PutOnly);
    peer.run(MORNING, &aac(3), true);
    peer.run(NOON, &aac(3), false);
    peer.store.check_order().unwrap();
    let numbers = peer.put();
    assert!(numbers.is_sorted() && numbers.last() > Some(&(numbers[0] + 6 * 3600 - 10)), "{numbers:?}");
}

#[test]
fn what_a_killed_run_left_is_cleared_away() {
    let peer = s3();
    peer.run(MORNING, &aac(5), false);
    let newest = peer.playlist().segments.last().unwrap().number;
    let orphan = format!("{}/1772344800000-{}.ts", peer.root, newest + 1);
    let old = format!("{}/1772344800000-7.ts", peer.root);
    let others = format!("{}/photo.jpg", peer.root);
    for path in [&orphan, &old, &others] {
        peer.store.put(path, "of old");
    }
    let numbers = peer.put().len();
    peer.run(NOON, &aac(12), false);
    assert!(peer.put().len() > numbers);
    let paths = peer.store.paths();
    assert!(!paths.contains(&orphan) && paths.contains(&others), "{paths:?}");
    assert!(!paths.contains(&old), "{paths:?}");
    peer.store.check_order().unwrap();
}

#[test]
fn a_store_that_is_away_is_caught_up_with_in_order() {
    for face in [Face::S3("station".into()), Face::WebDav] {
        let peer = peer(face);
        let (info, packets) = aac(18);
        let at = |seconds: i64| packets.iter().take_while(|packet| packet.end() < seconds * 48_000).count();
        let mut output = hls_support::alone(&peer.config);
        on_runtime(async {
            let mut sink = output.open(&opening(&info, MORNING)).await.unwrap();
            feed(sink.as_mut(), &packets[..at(6)]).await;
            assert!(sink.health().is_none());
            let before = peer.playlist();
            // Away for less than a window: nothing is lost.
            peer.store.refuse();
            feed(sink.as_mut(), &packets[at(6)..at(9)]).await;
            let (health, why) = sink.health().unwrap();
            assert!(health == Health::Down && !why.contains(PASSWORD), "{why}");
            assert_eq!(peer.playlist(), before, "as it was");
            peer.store.heal();
            well(sink.as_ref()).await;
            let after = peer.playlist();
            after.assert_continues(&before);
            assert!(after.segments.iter().all(|segment| !segment.gap && !segment.discontinuity));
            // Away for longer: what has left the window meanwhile is given up.
            peer.store.script(|request| (request.method == "PUT").then_some(Fault::Status(503, "SlowDown")));
            feed(sink.as_mut(), &packets[at(9)..at(16)]).await;
            assert!(sink.health().is_some_and(|(_, why)| why.contains("503")));
            peer.store.heal();
            well(sink.as_ref()).await;
            feed(sink.as_mut(), &packets[at(16)..]).await;
            sink.close().await.unwrap();
            peer.playlist().assert_continues(&after);
        });
        peer.store.check_order().unwrap();
        let numbers = peer.put();
        assert!(numbers.is_sorted() && numbers.len() < 18, "{numbers:?}");
    }
}

#[test]
fn of_a_store_that_is_slow_segments_wait_and_not_audio() {
    let mut peer = peer(Face::Plain);
    (peer.config.segment_duration_s, peer.config.playlist_size) = (0.5, 1000);
    let (info, packets) = aac(5);
    let mut output = hls_support::alone(&peer.config);
    on_runtime(async {
        let mut sink = output.open(&opening(&info, MORNING)).await.unwrap();
        // It takes at least four times as long for a segment as that lasts.
        peer.store.script(|request| (request.method == "PUT").then_some(Fault::Slow(Duration::from_secs(1))));
        feed(sink.as_mut(), &packets).await;
        let (health, why) = sink.health().expect("it is behind");
        assert!(health == Health::Degraded && why.contains("wait to be published"), "{why}");
        peer.store.heal();
        sink.close().await.unwrap();
    });
    peer.store.check_order().unwrap();
    let published = peer.playlist();
    assert!(published.segments.len() >= 10, "{published:?}");
    assert!(published.segments.iter().all(|segment| !segment.gap && !segment.discontinuity));
}

#[test]
fn whatever_breaks_nothing_is_named_that_is_not_there_and_nothing_is_lost() {
    let frames = programme(4 * 48_000);
    let own = encoded(format(Codec::AacLc, Bitrate::Cbr(128)), &frames);
    let low = format(Codec::AacLc, Bitrate::Cbr(64));
    let below = encoded(low, &frames);
    for face in [Face::S3("station".into()), Face::WebDav] {
        let peer = peer(face.clone());
        let config = HlsConfig {
            playlist_size: 1000,
            renditions: vec![RenditionConfig { name: "low".into(), format: low }],
            ..peer.config.clone()
        };
        // Every request has its fate from a generator, the same each time.
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        peer.store.script(move |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some(match (seed >> 40) % 24 {
                0 => Fault::Close,
                1 => Fault::CutBody,
                2 => Fault::CutAnswer,
                3 => Fault::Status(500, "InternalError"),
                4 => Fault::Status(503, "SlowDown"),
                5 => Fault::Status(429, "TooManyRequests"),
                _ => return None,
            })
        });
        on_runtime(async {
            let mut outputs = outputs(&config).unwrap().tracks;
            let mut sinks = Vec::new();
            for (output, (info, _)) in outputs.iter_mut().zip([&own, &below]) {
                // A worker tries again as well.
                sinks.push(loop {
                    if let Ok(sink) = output.open(&opening(info, MORNING)).await {
                        break sink;
                    }
                });
            }
            for (a, b) in own.1.iter().zip(&below.1) {
                sinks[0].packet(a).await.unwrap();
                sinks[1].packet(b).await.unwrap();
            }
            for sink in &sinks {
                well(sink.as_ref()).await;
            }
            peer.store.heal();
            for mut sink in sinks {
                sink.close().await.unwrap();
            }
        });
        peer.store.check_order().unwrap();
        let failed = peer.store.events().iter().filter(|event| event.status == 0).count();
        assert!(failed > 2, "{face:?}: only {failed} faults");
        let dir = peer.copied();
        let [whole, low] = [Snapshot::read(&dir), Snapshot::read(&dir.join("low"))];
        assert_eq!(whole.assert_aligned(&low), whole.segments.len());
        assert!(whole.segments.iter().chain(&low.segments).all(|segment| !segment.gap), "{face:?}");
        let joined = dir.join("joined");
        fs::write(&joined, whole.join()).unwrap();
        assert!(ffmpeg(&joined).len() >= 4 * 48_000, "{face:?}");
    }
}
