//! Segments of MP4 and packed audio: ffmpeg, and readers that share nothing with the muxers, find the very packets in them
//! and the very samples, at the right times.
#![allow(clippy::unwrap_used)]

mod encode_support;

use std::path::Path;

use airchain_codecs::container;
use airchain_codecs::container::segment::{Container, EPOCH_S, segment_muxer};
use airchain_codecs::encode;
use airchain_codecs::format::{Codec, Format};
use airchain_codecs::packet::{Packet, StreamInfo};
use airchain_core::Stereo;
use airchain_core::item::Metadata;
use encode_support::{encode as encoded_by, ffmpeg, ffmpeg_file, fit, mux, sweep, tool};
use testkit::{cmaf, packed, ts};

/// Formats in MP4, with type, bits, rate and set-up box of their sample entries, and what ffprobe calls them.
const MP4: &[(&str, &str, u16, u32, &str, &str)] = &[
    ("aac:128k", "mp4a", 16, 48_000, "esds", "aac,LC,48000,2"),
    ("aac:64k@44100/mono", "mp4a", 16, 44_100, "esds", "aac,LC,44100,1"),
    ("he-aac:64k", "mp4a", 16, 48_000, "esds", "aac,HE-AAC,48000,2"),
    ("he-aac-v2:32k@44100", "mp4a", 16, 44_100, "esds", "aac,HE-AACv2,44100,2"),
    ("opus:96k", "Opus", 16, 48_000, "dOps", "opus,unknown,48000,2"),
    ("opus:48k/mono", "Opus", 16, 48_000, "dOps", "opus,unknown,48000,1"),
    ("flac", "fLaC", 16, 48_000, "dfLa", "flac,unknown,48000,2"),
    ("flac:24", "fLaC", 24, 48_000, "dfLa", "flac,unknown,48000,2"),
    ("flac:24@96000/mono", "fLaC", 24, 48_000, "dfLa", "flac,unknown,96000,1"),
];

const PACKED: &[&str] = &["aac:128k", "he-aac:64k", "he-aac-v2:32k", "mp3:128k", "mp3:64k@22050/mono"];

fn titled(n: usize) -> Metadata {
    Metadata { title: Some(format!("T{n}\r\n\"")), artist: Some("Ärtist".into()), ..Metadata::default() }
}

fn encoded(text: &str) -> (std::sync::Arc<StreamInfo>, Vec<Packet>, Vec<Stereo>) {
    let format = Format::parse(text).unwrap();
    let rate = format.sample_rate_hz;
    let signal = sweep(rate, rate as usize * 3 + 777);
    let (info, packets) = encoded_by(&format, rate, &signal, 480);
    (info, packets, signal)
}

/// The first segment has `first` packets, the others half a second.
struct Segmented<'a> {
    init: Vec<u8>,
    segments: Vec<(&'a [Packet], Vec<u8>)>,
}

fn segmented<'a>(
    container: Container,
    info: &StreamInfo,
    packets: &'a [Packet],
    first: usize,
) -> Segmented<'a> {
    let mut muxer = segment_muxer(container, info).unwrap();
    let each = (info.format.sample_rate_hz / 2).div_ceil(info.packet_frames.unwrap()) as usize;
    let (first, others) = packets.split_at(first);
    let segment = |(n, packets): (usize, &'a [Packet])| {
        let mut out = Vec::new();
        muxer.begin(packets[0].pts, &titled(n), &mut out);
        for (index, packet) in packets.iter().enumerate() {
            if index == 3 {
                muxer.title(packet.pts, &titled(100 + n), &mut out);
            }
            muxer.packet(packet, &mut out).unwrap();
        }
        muxer.end(&mut out);
        (packets, out)
    };
    let segments = std::iter::once(first).chain(others.chunks(each)).enumerate().map(segment).collect();
    Segmented { init: muxer.init().map_or_else(Vec::new, Into::into), segments }
}

impl Segmented<'_> {
    fn joined(&self) -> Vec<u8> {
        self.segments.iter().fold(self.init.clone(), |all, (_, data)| [all, data.clone()].concat())
    }
}

/// Lines of ffprobe, which must find nothing to warn of.
fn probe(path: &Path, entries: &str) -> Vec<String> {
    let arguments =
        ["-v", "warning", "-allowed_extensions", "ALL", "-of", "csv=p=0", "-show_entries", entries];
    let playlist = path.extension().is_some_and(|extension| extension == "m3u8");
    let arguments = arguments.iter().enumerate().filter(|(n, _)| playlist || !(2..4).contains(n));
    let said = tool("ffprobe", &arguments.map(|(_, argument)| *argument).collect::<Vec<_>>(), path);
    said.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(',').to_owned()).collect()
}

#[test]
fn mp4_segments_are_what_the_standards_say() {
    for &(text, kind, bits, rate_hz, setup, _) in MP4 {
        let (info, packets, _) = encoded(text);
        let epoch = EPOCH_S * i64::from(info.format.sample_rate_hz);
        let all = segmented(Container::Fmp4, &info, &packets, 7);
        let mut checker = cmaf::Checker::new(&all.init);
        let track = &checker.track;
        assert_eq!(track.timescale, info.format.sample_rate_hz, "{text}");
        assert_eq!((track.kind.as_str(), track.bits, track.rate_hz), (kind, bits, rate_hz), "{text}");
        assert_eq!((track.channels, track.setup.0.as_str()), (info.format.channels.into(), setup), "{text}");
        assert_eq!(track.roll, (info.format.codec == Codec::Opus).then_some(-4), "{text}");
        let setup = &track.setup.1;
        match info.format.codec {
            Codec::Opus => {
                let expected = [0, info.format.channels, 1, 56, 0, 0, 0xBB, 0x80, 0, 0, 0];
                assert_eq!(setup[..], expected, "version 0, 312 frames to skip, 48 kHz");
            }
            Codec::Flac | Codec::Flac24 => {
                assert_eq!(setup[..8], [0, 0, 0, 0, 0x80, 0, 0, 34], "the last block, STREAMINFO");
                assert_eq!(setup[8..], info.headers[0]);
            }
            _ => assert!(setup.ends_with(&[&info.headers[0][..], &[6, 1, 2]].concat()), "{text}: {setup:x?}"),
        }
        for (n, (packets, data)) in all.segments.iter().enumerate() {
            let segment = checker.segment(data);
            assert_eq!((segment.fragments, segment.samples.len()), (1, packets.len()));
            for (sample, packet) in segment.samples.iter().zip(*packets) {
                assert_eq!((sample.time as i64, sample.duration), (packet.pts + epoch, packet.duration));
                assert!(sample.data == packet.data, "{text}: another packet at {}", packet.pts);
            }
            let titles = segment.events.iter().map(|event| (event.time as i64, ts::id3(&event.tag)));
            let expected = [(0, n), (3, 100 + n)].into_iter().filter(|(index, _)| *index < packets.len());
            let expected = expected.map(|(index, n)| {
                let text = |kind: &str, text: String| (kind.to_owned(), text);
                let tag = vec![text("TIT2", format!("T{n}\"")), text("TPE1", "Ärtist".into())];
                (packets[index].pts + epoch, tag)
            });
            assert_eq!(titles.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{text}");
        }
        assert!(packets.last().unwrap().duration < packets[0].duration, "{text}: it ends within a packet");
    }
}

#[test]
fn ffmpeg_finds_every_packet_of_mp4_where_it_belongs() {
    let folder = tempfile::tempdir().unwrap();
    for &(text, .., stream) in MP4 {
        let (info, packets, _) = encoded(text);
        let rate = info.format.sample_rate_hz;
        let path = folder.path().join("audio.mp4");
        std::fs::write(&path, segmented(Container::Fmp4, &info, &packets, 7).joined()).unwrap();
        let streams = probe(&path, "stream=codec_name,profile,sample_rate,channels,time_base");
        assert_eq!(streams, [format!("{stream},1/{rate}")], "{text}");
        let time = |packet: &Packet| packet.pts + EPOCH_S * i64::from(rate);
        let expected = packets.iter().map(|packet| format!("{},{}", time(packet), packet.data.len()));
        assert_eq!(probe(&path, "packet=pts,size"), expected.collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn ffmpeg_decodes_mp4_to_the_very_samples() {
    for &(text, ..) in MP4 {
        let (info, packets, _) = encoded(text);
        let decoded = ffmpeg(&segmented(Container::Fmp4, &info, &packets, 7).joined(), "mp4");
        // The same packets in the container that is theirs by custom. That of Opus says where the programme ends.
        let muxer = container::for_stream(&info);
        let extension = muxer.extension();
        let reference = ffmpeg(&mux(muxer, &Metadata::default(), &packets), extension);
        let padding = if info.format.codec == Codec::Opus { 831 } else { 0 };
        assert_eq!((decoded.len(), reference.len() > 130_000), (reference.len() + padding, true), "{text}");
        let differs = decoded.iter().zip(&reference).position(|(decoded, reference)| decoded != reference);
        assert_eq!(differs, None, "{text}");
    }
}

#[test]
fn ffmpeg_plays_packed_audio_at_the_right_times() {
    for text in PACKED {
        let (info, packets, _) = encoded(text);
        let all = segmented(Container::Packed, &info, &packets, 7);
        let rate = i64::from(info.format.sample_rate_hz);
        let streamed = |packets| mux(container::for_stream(&info), &Metadata::default(), packets);
        let extension = Container::Packed.extension(info.format.codec);
        let folder = tempfile::tempdir().unwrap();
        let playlist = |name: &str, entries: &str| {
            let path = folder.path().join(name);
            let head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n";
            std::fs::write(&path, format!("{head}{entries}#EXT-X-ENDLIST\n")).unwrap();
            path
        };
        let mut entries = String::new();
        for (n, (packets, data)) in all.segments.iter().enumerate() {
            let (ticks, titles, audio) = packed::read(data);
            let named = |kind: &str, text: String| (kind.to_owned(), text);
            assert_eq!(titles, [named("TIT2", format!("T{n}\"")), named("TPE1", "Ärtist".into())]);
            assert_eq!(ticks as i64, (packets[0].pts * 90_000).div_euclid(rate) + EPOCH_S * 90_000, "{text}");
            assert!(audio == streamed(packets), "{text}: frames as they are streamed");
            std::fs::write(folder.path().join(format!("{n}.{extension}")), data).unwrap();
            let seconds = (packets[packets.len() - 1].end() - packets[0].pts) as f64 / rate as f64;
            let entry = format!("#EXTINF:{seconds:.6},\n{n}.{extension}\n");
            // One by one: ffmpeg reads ahead, and takes the time stamp of the newest tag that it has met.
            let times = probe(&playlist("one.m3u8", &entry), "packet=pts");
            assert_eq!(times[0], ticks.to_string(), "{text} {times:?}");
            entries += &entry;
        }
        let decoded = ffmpeg_file(&playlist("all.m3u8", &entries));
        let reference = ffmpeg(&streamed(&packets), extension);
        assert!(decoded == reference && decoded.len() > 60_000, "{text}: other samples");
    }
}

#[test]
fn encoders_started_at_any_time_can_be_cut_alike() {
    let signal = sweep(48_000, 48_000 * 3);
    for text in ["mp3:128k", "aac:96k", "he-aac-v2:32k", "opus:96k", "flac", "flac:24"] {
        let format = Format::parse(text).unwrap();
        let [first, second] = [0, 34_567].map(|position: usize| {
            let mut encoder = encode::open(&format, 48_000).unwrap();
            let lead = encoder.info().lead(position as i64) as usize;
            let mut packets = Vec::new();
            encoder.encode(&vec![[0.0; 2]; lead], &mut packets).unwrap();
            encoder.encode(&signal[position..], &mut packets).unwrap();
            encoder.finish(&mut packets).unwrap();
            let info = encoder.info().clone();
            // What is there is the programme, from where it was led in on.
            let muxer = container::for_stream(&info);
            let (extension, trimmed) = (muxer.extension(), format.codec == Codec::Opus);
            let decoded = ffmpeg(&mux(muxer, &Metadata::default(), &packets), extension);
            let late = lead as i64 + if trimmed { 0 } else { i64::from(info.delay) };
            let fit = fit(&signal[position..], &decoded, late);
            // Band replication turns phases a little.
            assert!(
                (fit.lag - late).abs() <= 1 && fit.correlation > 0.9,
                "{text} from {position} on: {fit:?}"
            );
            let starts = packets.iter().map(|packet| packet.pts + position as i64 - lead as i64);
            starts.collect::<Vec<_>>()
        });
        let length = first[1] - first[0];
        assert!(first.iter().all(|start| start.rem_euclid(length) == 0), "{text}: {first:?}");
        assert!(first.ends_with(&second) && second.len() > 10, "{text}: {second:?} of {first:?}");
    }
}
