//! HLS as players and ffmpeg see it: every segment by itself, all of them joined, their times.

#![allow(clippy::unwrap_used)] // A test that fails panics.

mod hls_support;

use airchain_codecs::packet::Packet;
use airchain_codecs::{Bitrate, Codec};
use airchain_outputs::hls::{self, HlsConfig};
use hls_support::{RATE, aac, deliver, encoded, feed, ffmpeg, ffprobe, format, opening, programme};
use jiff::ToSpan;
use testkit::hls::{Snapshot, variant};
use testkit::ts;

const EPOCH: &str = "2026-03-01T12:00:00.2505Z";

/// A directory that keeps everything.
fn config(dir: &tempfile::TempDir, segment_duration_s: f64) -> HlsConfig {
    HlsConfig { segment_duration_s, playlist_size: 1000, ..HlsConfig::new(dir.path()) }
}

/// Every segment and the whole presentation of a codec: what ffprobe and ffmpeg say of each, and that the packets
/// come out as they went in, at the times they had.
fn presentation(codec: Codec, bitrate: Bitrate, core: (u32, u8), name: &str, codecs: &str) {
    let seconds = 11;
    let (info, packets) = encoded(format(codec, bitrate), &programme(seconds * RATE as usize));
    let dir = tempfile::tempdir().unwrap();
    let mut output = hls_support::alone(&config(&dir, 2.0));
    hls_support::on_runtime(deliver(output.as_mut(), &opening(&info, EPOCH), &packets, true));

    let playlist = Snapshot::read(dir.path());
    assert!(playlist.ended);
    assert_eq!(playlist.segments.len(), 6);

    let mut checker = ts::Checker::default();
    let (mut elementary, mut next) = (Vec::new(), packets.iter());
    for segment in &playlist.segments {
        assert_eq!(ffprobe(&playlist.path(segment), "stream=codec_name"), name);
        for pes in checker.segment(&playlist.data(segment)) {
            let frames = if core.0 == 0 { mp3_frames(&pes.data) } else { adts_frames(&pes.data, core) };
            for (index, frame) in frames.into_iter().enumerate() {
                let packet = next.next().expect("more packets came out than went in");
                assert_eq!(frame, packet.data);
                if index == 0 {
                    // 90 kHz ticks of the absolute position, ten seconds up.
                    let ticks = (packet.pts * 90_000).div_euclid(i64::from(RATE)) + 900_000;
                    assert_eq!(pes.pts, ticks);
                }
            }
            elementary.extend(pes.data);
        }
    }
    assert!(next.next().is_none(), "packets are missing");

    // The same packets without any container are the reference: decoded, joined segments do not differ in a bit.
    let whole = dir.path().join(if core.0 == 0 { "whole.mp3" } else { "whole.aac" });
    std::fs::write(&whole, &elementary).unwrap();
    let joined = dir.path().join("joined.ts");
    std::fs::write(&joined, playlist.join()).unwrap();
    let reference = ffmpeg(&whole);
    assert_eq!(ffmpeg(&joined), reference);
    assert_eq!(ffmpeg(&dir.path().join("index.m3u8")), reference);
    assert_eq!(variant(dir.path()).codecs, codecs);

    // And it is the programme: as long, and the tone of the right-hand side unbroken over every join.
    let expected = packets.len() * packets[0].duration as usize;
    assert!(reference.len().abs_diff(expected) <= packets[0].duration as usize, "{} frames", reference.len());
    if codec != Codec::HeAacV2 {
        let right = testkit::measure::channel(&hls_support::to_float(&reference), 1);
        let tone = testkit::measure::tone(&right[RATE as usize / 2..(seconds * RATE as usize)], RATE, 997.0);
        assert!(tone.residual_db() < -30.0, "{} dB", tone.residual_db());
        assert!((tone.level_db() + 12.0).abs() < 0.5, "{} dB", tone.level_db());
    }
}

fn adts_frames(data: &[u8], core: (u32, u8)) -> Vec<Vec<u8>> {
    let mut at = 0;
    let frame = |(rate, channels, length)| {
        assert_eq!((rate, channels), core, "what ADTS says of the core");
        at += length;
        data[at - length + 7..at].to_vec()
    };
    ts::adts(data).into_iter().map(frame).collect()
}

fn mp3_frames(data: &[u8]) -> Vec<Vec<u8>> {
    let (mut frames, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        let (frame, behind) = rest.split_at(airchain_codecs::container::mp3::frame_bytes(rest).unwrap());
        frames.push(frame.to_vec());
        rest = behind;
    }
    frames
}

#[test]
fn aac_lc() {
    presentation(Codec::AacLc, Bitrate::Cbr(128), (48_000, 2), "aac", "mp4a.40.2");
}

#[test]
fn he_aac_v1() {
    presentation(Codec::HeAacV1, Bitrate::Cbr(64), (24_000, 2), "aac", "mp4a.40.5");
}

#[test]
fn he_aac_v2() {
    presentation(Codec::HeAacV2, Bitrate::Cbr(32), (24_000, 1), "aac", "mp4a.40.29");
}

#[test]
fn mp3() {
    presentation(Codec::Mp3, Bitrate::Cbr(128), (0, 0), "mp3", "mp4a.40.34");
}

/// An hour in packets of silence: durations and dates come from positions alone.
fn hour() -> (airchain_codecs::packet::SharedInfo, Vec<Packet>) {
    let mut format = format(Codec::AacLc, Bitrate::Cbr(32));
    format.sample_rate_hz = 44_100;
    let (info, packets) = encoded(format, &programme(4_800));
    let (first, data) = (packets[0].pts, &packets[0].data);
    let packet = |n: i64| Packet { data: data.clone(), pts: first + n * 1024, duration: 1024 };
    (info, (0..3_600 * 44_100 / 1024).map(packet).collect())
}

#[test]
fn durations_and_dates_never_drift() {
    let (info, packets) = hour();
    let dir = tempfile::tempdir().unwrap();
    let opening = opening(&info, EPOCH);
    let mut output = hls_support::alone(&config(&dir, 4.0));
    hls_support::on_runtime(deliver(output.as_mut(), &opening, &packets, true));

    let playlist = Snapshot::read(dir.path());
    assert_eq!((playlist.segments.len(), playlist.target_s), (900, 4));
    let (first, last) = (packets[0].pts, packets[packets.len() - 1].end());
    let micros = |frames: i64| (frames as f64 * 1e6 / 44_100.0).round() as i64;
    let mut elapsed_us = 0;
    for (k, segment) in playlist.segments.iter().enumerate() {
        // Cut at the packet boundary that is nearest to k times 4 s.
        let start = if k == 0 { first } else { first + (k as i64 * 176_400 - first + 512) / 1024 * 1024 };
        assert!((elapsed_us - (micros(start) - micros(first))).abs() <= 1, "segment {k}");
        let exact = opening.epoch + (micros(start) - micros(0)).microseconds();
        let late_us = exact.as_microsecond() - segment.date.unwrap().as_microsecond();
        assert!((-1..=1_001).contains(&late_us), "segment {k}: date off by {late_us} us");
        elapsed_us += segment.duration_us as i64;
    }
    assert!((elapsed_us - (micros(last) - micros(first))).abs() <= 1);
    // Bit rates as they are: 900 segments of the same packets.
    let bytes: u64 = playlist.segments.iter().map(|s| playlist.path(s).metadata().unwrap().len()).sum();
    let average = bytes as f64 * 8e6 / playlist.duration_us() as f64;
    let declared = variant(dir.path());
    assert!((declared.average as f64 / average - 1.0).abs() < 0.1);
    // What headers and filling can come to weighs much at so low a rate.
    assert!((average..average * 1.6).contains(&(declared.bandwidth as f64)));
}

#[test]
fn missing_packets_are_a_discontinuity_at_the_right_time() {
    let (info, packets) = aac(10);
    let (dir, hole) = (tempfile::tempdir().unwrap(), 100..150);
    let opening = opening(&info, EPOCH);
    let mut output = hls_support::alone(&config(&dir, 2.0));
    hls_support::on_runtime(async {
        let mut sink = output.open(&opening).await.unwrap();
        feed(sink.as_mut(), &packets[..hole.start]).await;
        feed(sink.as_mut(), &packets[hole.end..]).await;
        sink.close().await.unwrap();
    });
    let playlist = Snapshot::read(dir.path());
    let breaks: Vec<_> = playlist.segments.iter().filter(|segment| segment.discontinuity).collect();
    assert_eq!(breaks.len(), 1);
    let behind = opening.time_of(packets[hole.end].pts);
    assert_eq!(breaks[0].date.unwrap().as_millisecond(), behind.as_millisecond());
    // Elsewhere each date is the one before and its duration, but for the rounding to milliseconds.
    for pair in playlist.segments.windows(2).filter(|pair| !pair[1].discontinuity) {
        let [before, date] = [0, 1].map(|n| pair[n].date.unwrap().as_microsecond());
        let off = date - before - pair[0].duration_us as i64;
        assert!(off.abs() <= 1_000, "{off} us");
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (config, field) in [
        (HlsConfig { segment_duration_s: 0.2, ..HlsConfig::new("x") }, "segment_duration_sec"),
        (HlsConfig { segment_duration_s: f64::NAN, ..HlsConfig::new("x") }, "segment_duration_sec"),
        (HlsConfig { playlist_size: 2, ..HlsConfig::new("x") }, "playlist_size"),
        (HlsConfig::new(""), "path"),
    ] {
        assert_eq!(config.validate().unwrap_err().field, field);
        assert!(hls::outputs(&config).is_err());
    }
    let (info, _) = encoded(format(Codec::PcmS16, Bitrate::Lossless), &programme(480));
    let dir = tempfile::tempdir().unwrap();
    let mut output = hls_support::alone(&config(&dir, 2.0));
    let refused = hls_support::on_runtime(output.open(&opening(&info, EPOCH)));
    assert!(refused.err().unwrap().message.contains("container ts"));
}
