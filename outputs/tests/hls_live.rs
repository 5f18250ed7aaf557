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
use testkit::hls::{Media, Snapshot};

const NOON: &str = "2026-03-01T12:00:00Z";

async fn text(listener: &Listener, path: &str) -> String {
    let reply = soon(get(listener, path, "")).await;
    assert_eq!(reply.status, 200, "{path}");
    String::from_utf8(reply.body().await).unwrap()
}

async fn status(listener: &Listener, path: &str) -> u16 {
    soon(get(listener, path, "")).await.status
}

async fn media(listener: &Listener, path: &str) -> Media {
    Media::of(&text(listener, path).await)
}

/// Delivers packets until the playlist tells of another part.
async fn another_part<'a>(
    listener: &Listener,
    sink: &mut dyn Sink,
    packets: &mut impl Iterator<Item = &'a Packet>,
) {
    let before = media(listener, "/hls/live.m3u8").await.next_part();
    while media(listener, "/hls/live.m3u8").await.next_part() == before {
        feed(sink, std::slice::from_ref(packets.next().unwrap())).await;
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

    let (mut heard, mut told) = (Vec::new(), media(&listener, "/hls/live.m3u8").await);
    for round in 0..40 {
        // The next part, and the playlist that tells of it, are asked for before they are there.
        let (hint, (number, index)) = (told.hint.clone().unwrap(), told.next_part());
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
        told = Media::of(&answer);
        let part_told = &told.find(number).unwrap().parts[index];
        assert_eq!(part_told.uri, hint);
        let body = soon(part).await.unwrap();
        assert_eq!(body, std::fs::read(dir.path().join(&hint)).unwrap());
        heard.push((number, body));
    }

    // Segments are nothing but their parts.
    assert_eq!(told.part_target_us, Some(320_000), "15 packets of 1024 frames");
    for segment in &told.segments {
        let parts = heard.iter().filter(|(of, _)| *of == segment.number);
        let joined: Vec<u8> = parts.flat_map(|(_, body)| body.clone()).collect();
        assert_eq!(joined, std::fs::read(dir.path().join(&segment.uri)).unwrap(), "{}", segment.uri);
    }
    assert_eq!(told.segments.len(), 8);
    let last = told.segments.last().unwrap().number;

    // Who knows the rest is told of what is new; what cannot be meant is refused; a mere server has a playlist too.
    let delta = media(&listener, "/hls/live.m3u8?_HLS_skip=YES").await;
    let skipped = delta.skipped.unwrap();
    assert_eq!((skipped + delta.segments.len() as u64, delta.sequence), (8, told.sequence));
    assert!(skipped > 0 && delta.segments.last().unwrap().number == last);
    assert_eq!(status(&listener, &format!("/hls/live.m3u8?_HLS_msn={}", last + 9)).await, 400);
    assert_eq!(
        status(&listener, &format!("/hls/live.m3u8?_HLS_msn={}&_HLS_part=99", told.next_part().0)).await,
        400
    );
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
    let far = format!("/hls/live.m3u8?_HLS_msn={}", last + 99);
    assert!(media(&listener, &far).await.ended, "what will not come is not waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn transport_streams_are_heard_part_by_part() {
    heard_part_by_part(Container::Ts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cmaf_is_heard_part_by_part() {
    heard_part_by_part(Container::Fmp4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_is_promised_from_the_beginning_of_a_new_start() {
    let (info, packets) = aac(5);
    let dir = tempfile::tempdir().unwrap();
    let config = HlsConfig { segment_duration_s: 1.0, low_latency: true, ..HlsConfig::new(dir.path()) };
    deliver(hls_support::alone(&config).as_mut(), &opening(&info, NOON), &packets, true).await;
    let hls::Outputs { mut tracks, live } = hls::outputs(&config).unwrap();
    let listener = listen(Options::default());
    let _served = listener.serve_dir("/hls", dir.path(), Some("index.m3u8"), false, live).unwrap();
    // What is asked for before it has been taken up waits until it is.
    let other = listener.clone();
    let mut asked = tokio::spawn(async move { text(&other, "/hls/live.m3u8").await });
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut asked).await.is_err(), "an old text");
    let _sink = tracks[0].open(&opening(&info, "2026-03-01T13:00:00Z")).await.unwrap();
    let answer = soon(asked).await.unwrap();
    assert!(answer.contains("CAN-BLOCK-RELOAD=YES"), "{answer}");
    let told = Media::of(&answer);
    assert!(!told.ended && told.hint.is_some() && told.segments.len() >= 5);
}

#[test]
fn what_was_told_in_parts_and_never_became_a_segment_is_a_gap() {
    let (info, packets) = aac(14);
    let dir = tempfile::tempdir().unwrap();
    let config = HlsConfig {
        segment_duration_s: 2.0,
        playlist_size: 20,
        low_latency: true,
        ..HlsConfig::new(dir.path())
    };
    // Killed in the middle of the third segment.
    let until = packets.iter().position(|packet| packet.pts > 5 * 48_000).unwrap();
    let run = |epoch: &str, packets: &[Packet], close: bool| {
        let mut output = hls_support::alone(&config);
        on_runtime(deliver(output.as_mut(), &opening(&info, epoch), packets, close));
    };
    run(NOON, &packets[..until], false);
    let before = Snapshot::read(dir.path());
    let told = before.open.as_ref().unwrap();
    assert_eq!((told.number, before.segments.len()), (before.sequence + 2, 2));
    run("2026-03-01T13:00:00Z", &packets, true);
    let after = Snapshot::read(dir.path());
    let given_up = &after.segments[2];
    assert_eq!((given_up.number, given_up.duration_us), (told.number, told.duration_us), "not another's");
    assert_eq!((given_up.date, &given_up.map), (told.date, &told.map));
    assert_eq!(after.segments.iter().filter(|segment| segment.gap).count(), 1);
    assert!(given_up.gap && after.segments[3].discontinuity);
    let parts = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let old: Vec<&str> = before.all().flat_map(|of| &of.parts).map(|part| part.uri.as_str()).collect();
    let left: Vec<_> = parts.filter(|name| old.iter().any(|uri| name == uri)).collect();
    assert!(!old.is_empty() && left.is_empty(), "{left:?}");
}
