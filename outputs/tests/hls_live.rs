//! Low-latency HLS as players meet it at the listener: parts as soon as they are there, and nothing told that does not come.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;
mod http_common;

use std::time::Duration;

use airchain_codecs::container::segment::Container;
use airchain_codecs::packet::Packet;
use airchain_outputs::hls::{self, HlsConfig};
use airchain_outputs::http::{Listener, Options};
use airchain_outputs::sink::Sink;
use hls_support::{aac, deliver, feed, on_runtime, opening};
use http_common::{get, listen, soon};

const NOON: &str = "2026-03-01T12:00:00Z";

async fn text(listener: &Listener, path: &str) -> String {
    let reply = soon(get(listener, path, "")).await;
    assert_eq!(reply.status, 200, "{path}");
    String::from_utf8(reply.body().await).unwrap()
}

async fn status(listener: &Listener, path: &str) -> u16 {
    soon(get(listener, path, "")).await.status
}

/// A part as a playlist tells of it.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    uri: String,
    lasts_us: u64,
}

/// What a playlist says, as far as it is looked at here.
#[derive(Debug, Default)]
struct Told {
    first: u64,
    target_us: u64,
    /// Parts of each number.
    parts: Vec<(u64, Part)>,
    segments: Vec<(u64, String, u64)>,
    hint: Option<String>,
    skipped: usize,
}

fn micros(seconds: &str) -> u64 {
    (seconds.parse::<f64>().unwrap() * 1e6).round() as u64
}

fn read(text: &str) -> Told {
    let mut told = Told::default();
    let (mut number, mut lasts_us) = (0, 0);
    for line in text.lines() {
        let quoted = || line.split_once("URI=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        if let Some(value) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            number = value.parse().unwrap();
            told.first = number;
        } else if let Some(value) = line.strip_prefix("#EXT-X-PART-INF:PART-TARGET=") {
            told.target_us = micros(value);
        } else if let Some(value) = line.strip_prefix("#EXT-X-SKIP:SKIPPED-SEGMENTS=") {
            told.skipped = value.parse().unwrap();
            number += told.skipped as u64;
        } else if let Some(value) = line.strip_prefix("#EXT-X-PART:DURATION=") {
            let lasts_us = micros(value.split(',').next().unwrap());
            told.parts.push((number, Part { uri: quoted(), lasts_us }));
        } else if line.starts_with("#EXT-X-PRELOAD-HINT:TYPE=PART") {
            told.hint = Some(quoted());
        } else if let Some(value) = line.strip_prefix("#EXTINF:") {
            lasts_us = micros(value.strip_suffix(',').unwrap());
        } else if !line.starts_with('#') {
            told.segments.push((number, line.to_owned(), lasts_us));
            number += 1;
        }
    }
    told
}

/// Delivers packets until the playlist tells of another part.
async fn another_part<'a>(
    listener: &Listener,
    sink: &mut dyn Sink,
    packets: &mut impl Iterator<Item = &'a Packet>,
) -> Told {
    let before = read(&text(listener, "/hls/live.m3u8").await).parts.last().cloned();
    loop {
        feed(sink, std::slice::from_ref(packets.next().unwrap())).await;
        let now = read(&text(listener, "/hls/live.m3u8").await);
        if now.parts.last() != before.as_ref() {
            return now;
        }
    }
}

async fn heard_part_by_part(container: Container) {
    let (info, packets) = aac(20);
    let dir = tempfile::tempdir().unwrap();
    let config = HlsConfig {
        segment_duration_s: 1.0,
        playlist_size: 8,
        low_latency: true,
        container,
        ..HlsConfig::new(dir.path())
    };
    let hls::Outputs { mut tracks, live } = hls::outputs(&config).unwrap();
    let listener = listen(Options::default());
    let _served = listener.serve_dir("/hls", dir.path(), Some("index.m3u8"), false, live).unwrap();
    let mut sink = tracks[0].open(&opening(&info, NOON)).await.unwrap();
    let mut packets = packets.iter();
    while !dir.path().join("live.m3u8").exists() {
        feed(sink.as_mut(), std::slice::from_ref(packets.next().unwrap())).await;
    }

    let (mut heard, mut told) = (Vec::new(), read(&text(&listener, "/hls/live.m3u8").await));
    for round in 0..40 {
        // The next part, and the playlist that tells of it, are asked for before they are there.
        let hint = told.hint.clone().unwrap();
        let (number, index) = (told.parts.last().unwrap().0, hint.split('.').nth(1).unwrap());
        let number = if index == "0" { number + 1 } else { number };
        let (part, playlist) =
            (format!("/hls/{hint}"), format!("/hls/live.m3u8?_HLS_msn={number}&_HLS_part={index}"));
        let (one, other) = (listener.clone(), listener.clone());
        let mut part = tokio::spawn(async move { get(&one, &part, "").await.body().await });
        let mut playlist = tokio::spawn(async move { text(&other, &playlist).await });
        if round % 10 == 0 {
            let pause = Duration::from_millis(100);
            assert!(tokio::time::timeout(pause, &mut part).await.is_err(), "it is not there yet");
            assert!(tokio::time::timeout(pause, &mut playlist).await.is_err(), "nor told of");
        }
        another_part(&listener, sink.as_mut(), &mut packets).await;
        let answer = soon(playlist).await.unwrap();
        assert!(answer.contains("CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL="), "{answer}");
        told = read(&answer);
        let (_, newest) = told.parts.iter().find(|(_, part)| part.uri == hint).expect("told of").clone();
        let body = soon(part).await.unwrap();
        assert_eq!(body, std::fs::read(dir.path().join(&hint)).unwrap());
        heard.push((number, newest, body));
    }

    // The rules for parts, and that segments are nothing but their parts.
    assert_eq!(told.target_us, 320_000, "15 packets of 1024 frames");
    for (number, uri, lasts_us) in &told.segments {
        let parts: Vec<_> = heard.iter().filter(|(of, ..)| of == number).collect();
        let sum: u64 = parts.iter().map(|(_, part, _)| part.lasts_us).sum();
        assert_eq!(sum, *lasts_us, "{uri}");
        for (index, (_, part, _)) in parts.iter().enumerate() {
            let is_last = index + 1 == parts.len();
            assert!(
                part.lasts_us <= told.target_us && (is_last || part.lasts_us * 100 >= told.target_us * 85)
            );
        }
        let joined: Vec<u8> = parts.iter().flat_map(|(_, _, body)| body.clone()).collect();
        assert_eq!(joined, std::fs::read(dir.path().join(uri)).unwrap(), "{uri}");
    }
    assert_eq!(told.segments.len(), 8);
    let last = told.segments.last().unwrap().0;
    assert!(told.parts.iter().all(|(number, _)| number + 3 > last), "no parts of old segments");

    // Who knows the rest is told of what is new; what cannot be meant is refused; a mere server has a playlist too.
    let delta = read(&text(&listener, "/hls/live.m3u8?_HLS_skip=YES").await);
    assert_eq!((delta.skipped + delta.segments.len(), delta.first), (8, told.first));
    assert!(delta.skipped > 0 && delta.segments.last() == told.segments.last());
    assert_eq!(status(&listener, &format!("/hls/live.m3u8?_HLS_msn={}", last + 9)).await, 400);
    assert_eq!(status(&listener, "/hls/live.m3u8?_HLS_part=1").await, 400);
    assert_eq!(status(&listener, "/hls/1-1.9.ts").await, 404);
    let file = std::fs::read_to_string(dir.path().join("live.m3u8")).unwrap();
    assert!(
        file.contains("#EXT-X-PART-INF") && !file.contains("CAN-BLOCK") && !file.contains("PRELOAD"),
        "{file}"
    );

    // At the end nobody is kept waiting.
    let next = format!("/hls/live.m3u8?_HLS_msn={}", last + 2);
    let other = listener.clone();
    let waiting = tokio::spawn(async move { text(&other, &next).await });
    sink.close().await.unwrap();
    assert!(soon(waiting).await.unwrap().ends_with("#EXT-X-ENDLIST\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn transport_streams_are_heard_part_by_part() {
    heard_part_by_part(Container::Ts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cmaf_is_heard_part_by_part() {
    heard_part_by_part(Container::Fmp4).await;
}

#[test]
fn what_was_told_in_parts_and_never_became_a_segment_is_a_gap() {
    let (info, packets) = aac(6);
    let dir = tempfile::tempdir().unwrap();
    let config = HlsConfig { segment_duration_s: 2.0, low_latency: true, ..HlsConfig::new(dir.path()) };
    // Killed in the middle of the third segment.
    let until = packets.iter().position(|packet| packet.pts > 5 * 48_000).unwrap();
    let run = |epoch: &str, close: bool| {
        let mut output = hls_support::alone(&config);
        on_runtime(deliver(output.as_mut(), &opening(&info, epoch), &packets[..until], close));
    };
    run(NOON, false);
    let before = read(&std::fs::read_to_string(dir.path().join("live.m3u8")).unwrap());
    let told: u64 =
        before.parts.iter().filter(|(of, _)| *of == before.first + 2).map(|(_, p)| p.lasts_us).sum();
    assert!(told > 0);
    run("2026-03-01T13:00:00Z", true);
    let after = std::fs::read_to_string(dir.path().join("live.m3u8")).unwrap();
    let (number, _, lasts_us) = read(&after).segments[2].clone();
    assert_eq!((number, lasts_us), (before.first + 2, told), "the number is not another's");
    assert_eq!(after.matches("#EXT-X-GAP\n").count(), 1);
    assert!(after.find("#EXT-X-GAP").unwrap() < after.find("#EXT-X-DISCONTINUITY\n").unwrap());
    let parts = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let old = before.parts.iter().map(|(_, part)| part.uri.as_str());
    let left: Vec<_> = parts.filter(|name| old.clone().any(|uri| name == uri)).collect();
    assert!(left.is_empty(), "{left:?}");
}
