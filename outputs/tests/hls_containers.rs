//! HLS in every container: ffmpeg plays what is published to the very samples, and a run that goes on behind another brings
//! what its decoders need.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use std::path::Path;

use airchain_codecs::container::segment::{Container, EPOCH_S};
use airchain_codecs::{Codec, Format, container};
use airchain_core::item::Metadata;
use airchain_outputs::hls::HlsConfig;
use airchain_outputs::sink::Opening;
use hls_support::{RATE, alone, deliver, encoded, heard, on_runtime, opening, programme, title};
use testkit::hls::{Snapshot, variant};
use testkit::{cmaf, packed, ts};

const CONTAINERS: [(Container, &str, &str); 8] = [
    (Container::Fmp4, "aac:128k", "mp4a.40.2"),
    (Container::Fmp4, "he-aac:64k", "mp4a.40.5"),
    (Container::Fmp4, "he-aac-v2:32k", "mp4a.40.29"),
    (Container::Fmp4, "opus:96k", "opus"),
    (Container::Fmp4, "flac", "fLaC"),
    (Container::Fmp4, "flac:24", "fLaC"),
    (Container::Packed, "aac:128k", "mp4a.40.2"),
    (Container::Packed, "mp3:128k", "mp4a.40.34"),
];

#[test]
fn players_hear_the_very_samples() {
    for (container, text, codecs) in CONTAINERS {
        let dir = tempfile::tempdir().unwrap();
        let (info, packets) = encoded(Format::parse(text).unwrap(), &programme(5 * RATE as usize));
        let config = HlsConfig {
            container,
            segment_duration_s: 1.0,
            playlist_size: 1000,
            ..HlsConfig::new(dir.path())
        };
        let opening = Opening { metadata: Some(title("one")), ..opening(&info, "2026-03-01T12:00:00Z") };
        on_runtime(deliver(alone(&config).as_mut(), &opening, &packets, true));

        let playlist = Snapshot::read(dir.path());
        assert!(playlist.segments.len() >= 5 && playlist.ended, "{text}");
        assert_eq!(variant(dir.path()).codecs, codecs);
        let extension = container.extension(info.format.codec);
        let named = |path: &Path| path.extension().is_some_and(|found| found == extension);
        assert!(playlist.segments.iter().all(|segment| named(Path::new(&segment.uri))), "{text}");
        assert_eq!(playlist.segments[0].map.is_some(), container == Container::Fmp4);
        // Times are those of the packets, to the unit, and every segment begins with its title.
        let mut next = packets[0].pts + EPOCH_S * i64::from(RATE);
        let mut checker = None;
        for segment in &playlist.segments {
            let data = playlist.data(segment);
            if let Some(init) = playlist.init(segment) {
                let checker = checker.get_or_insert_with(|| cmaf::Checker::new(&init));
                let found = checker.segment(&data);
                assert_eq!(found.samples[0].time as i64, next, "{text}");
                assert_eq!(found.events[0].time as i64, next, "{text}");
                assert_eq!(ts::id3(&found.events[0].tag), [("TIT2".to_owned(), "one".to_owned())]);
            } else {
                let (ticks, titles, _) = packed::read(&data);
                assert_eq!(ticks as i64, (next * 90_000).div_euclid(RATE.into()), "{text}");
                assert_eq!(titles, [("TIT2".to_owned(), "one".to_owned())]);
            }
            next += (segment.duration_us as f64 * f64::from(RATE) / 1e6).round() as i64;
        }
        // The same packets in the container that is theirs by custom. That of Opus says where the programme ends.
        let mut muxer = container::for_stream(&info);
        let mut streamed = Vec::new();
        muxer.start(&Metadata::default(), &mut streamed);
        packets.iter().for_each(|packet| muxer.packet(packet, &mut streamed));
        muxer.finish(&mut streamed);
        let reference = dir.path().join(format!("reference.{}", muxer.extension()));
        std::fs::write(&reference, streamed).unwrap();
        let (heard, reference) = (heard(&dir.path().join("live.m3u8"), &[]), heard(&reference, &[]));
        let padding = if info.format.codec == Codec::Opus { 648 * 8 } else { 0 };
        assert_eq!(heard.len(), reference.len() + padding, "{text}");
        assert!(heard.starts_with(&reference), "{text}: other samples");
    }
}

#[test]
fn a_restart_brings_what_its_decoders_need_and_keeps_what_old_segments_need() {
    let dir = tempfile::tempdir().unwrap();
    let (info, packets) = encoded(Format::parse("flac").unwrap(), &programme(5 * RATE as usize));
    let config = HlsConfig {
        container: Container::Fmp4,
        segment_duration_s: 1.0,
        playlist_size: 7,
        retain_segments: 0,
        ..HlsConfig::new(dir.path())
    };
    let inits = || {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with("-init.mp4")).count()
    };
    let mut before = None::<Snapshot>;
    for (run, epoch) in ["2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"].into_iter().enumerate() {
        // Killed: nothing is ended.
        on_runtime(deliver(alone(&config).as_mut(), &opening(&info, epoch), &packets, run == 1));
        let playlist = Snapshot::read(dir.path());
        if let Some(before) = &before {
            playlist.assert_continues(before);
        }
        before = Some(playlist);
    }
    let playlist = before.unwrap();
    let runs: std::collections::BTreeSet<_> = playlist.segments.iter().map(|s| s.map.clone()).collect();
    assert_eq!((runs.len(), inits()), (2, 2));
    for init in &runs {
        let segments = playlist.segments.iter().filter(|segment| segment.map == *init);
        let path = dir.path().join("run.mp4");
        std::fs::write(&path, playlist.joined(segments.clone())).unwrap();
        let told = segments.map(|segment| segment.duration_us).sum::<u64>() * 48 / 1000;
        let frames = heard(&path, &[]).len() as u64 / 8;
        assert!(frames.abs_diff(told) <= 1 && frames > 50_000, "{frames} of {told}");
    }
    // Once nothing is left of the first run, what its decoders need goes too.
    for minute in 2..6 {
        let opening = opening(&info, &format!("2026-03-01T12:0{minute}:00Z"));
        on_runtime(deliver(alone(&config).as_mut(), &opening, &packets, true));
    }
    assert!(!runs.iter().flatten().any(|init| dir.path().join(init).is_file()), "{runs:?}");
}
