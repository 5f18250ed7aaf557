//! Ogg: chained streams lose nothing and say the right titles, by the word of other people's decoders.
#![allow(clippy::unwrap_used)]

mod encode_support;

use std::path::Path;
use std::process::Command;

use airchain_codecs::container;
use airchain_codecs::decode::{self, Progress};
use airchain_codecs::format::{Codec, Format};
use airchain_codecs::packet::Packet;
use airchain_core::Stereo;
use airchain_core::item::Metadata;
use encode_support::{encode, ffmpeg_file, ffmpeg_piped, sweep, tool};

fn titled(title: &str) -> Metadata {
    Metadata { title: Some(title.into()), artist: Some("An artist".into()), ..Metadata::default() }
}

/// Muxes `packets`, retitling before each packet whose index is in `changes`.
fn chained(mut muxer: Box<dyn container::Muxer>, packets: &[Packet], changes: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    muxer.start(&titled("Title 0"), &mut out);
    for (index, packet) in packets.iter().enumerate() {
        if let Some(change) = changes.iter().position(|at| *at == index) {
            // The last word counts.
            assert!(muxer.retitle(&titled("never heard"), &mut out));
            assert!(muxer.retitle(&titled(&format!("Title {}", change + 1)), &mut out));
        }
        muxer.packet(packet, &mut out);
    }
    assert!(muxer.finish(&mut out).is_empty());
    out
}

/// What a tool that decodes Ogg to WAV makes of a file.
fn decoded_by(program: &str, arguments: &[&str], path: &Path) -> Vec<Stereo> {
    let wav = path.with_extension("wav");
    // `oggdec -o OUT IN`, `opusdec IN OUT`.
    let files = if arguments.contains(&"-o") { [wav.as_path(), path] } else { [path, wav.as_path()] };
    let run = Command::new(program).args(arguments).args(files).output().unwrap();
    assert!(run.status.success(), "{program}: {}", String::from_utf8_lossy(&run.stderr));
    ffmpeg_file(&wav)
}

#[test]
fn chained_streams_lose_nothing() {
    for text in ["opus:96k", "opus:64k/mono", "vorbis:q4@44100", "vorbis:abr96k", "flac", "flac:24@44100"] {
        let format = Format::parse(text).unwrap();
        let rate = format.sample_rate_hz;
        let frames = rate as usize * 4 + 123;
        let mono = format.channels == 1;
        let signal: Vec<Stereo> =
            sweep(rate, frames).iter().map(|frame| if mono { [frame[0]; 2] } else { *frame }).collect();
        let (info, packets) = encode(&format, rate, &signal, 480);
        let changes = [1, packets.len() / 3, packets.len() / 2, packets.len() / 2 + 1, packets.len() - 1];
        for (kind, muxer) in
            [("stream", container::for_stream(&info)), ("file", container::for_file(&info, "oga").unwrap())]
        {
            let folder = tempfile::tempdir().unwrap();
            let write = |name: &str, bytes: Vec<u8>| {
                let path = folder.path().join(name);
                std::fs::write(&path, bytes).unwrap();
                path
            };
            let path = write("chained.ogg", chained(muxer, &packets, &changes));
            let plain = write("plain.ogg", chained(container::for_stream(&info), &packets, &[]));
            let what = format!("{text} as a {kind}");

            let decode = |path: &Path| match format.codec {
                Codec::Opus => {
                    vec![ffmpeg_piped(path), decoded_by("opusdec", &["--quiet", "--force-wav"], path)]
                }
                // ffmpeg 5 does not begin afresh where a new Vorbis stream does.
                Codec::Vorbis => vec![decoded_by("oggdec", &["-Q", "-o"], path)],
                _ => vec![ffmpeg_piped(path)],
            };
            for (chained, plain) in decode(&path).iter().zip(decode(&plain)) {
                assert_eq!((chained.len(), plain.len()), (frames, frames), "{what}");
                let apart = |(a, b): (&Stereo, &Stereo)| (a[0] - b[0]).abs().max((a[1] - b[1]).abs());
                let worst = chained.iter().zip(&plain).map(apart).fold(0.0, f32::max);
                // Opus converges (from 100 ms at the first change), the others are exact.
                let most = if format.codec == Codec::Opus { 0.015 } else { 0.0 };
                assert!(worst <= most, "{what}: {worst}");
            }
            check_own(&path, &plain, if format.codec == Codec::Opus { 0.015 } else { 0.0 }, &what);
            let report = tool("ogginfo", &[], &path);
            let titles: Vec<_> =
                report.lines().filter_map(|line| line.trim().strip_prefix("TITLE=")).collect();
            assert_eq!(
                titles,
                ["Title 0", "Title 1", "Title 2", "Title 3", "Title 4", "Title 5"],
                "{what}: {report}"
            );
            let complaints: Vec<_> =
                report.lines().filter(|line| line.to_lowercase().contains("warning")).collect();
            assert!(complaints.is_empty(), "{what}: {complaints:?}");
        }
    }
}

/// Our own decoder plays the chain as if it were one stream, and cues in it exactly.
fn check_own(chained: &Path, plain: &Path, most: f32, what: &str) {
    let rest = |decoder: &mut dyn decode::Decoder| {
        let mut frames = Vec::new();
        while decoder.decode(&mut frames).unwrap() == Progress::More {}
        frames
    };
    let whole = |path: &Path| rest(&mut *decode::open(path).unwrap());
    let (chain, plain) = (whole(chained), whole(plain));
    assert_eq!(chain.len(), plain.len(), "{what}, by ourselves");
    let apart = |(a, b): (&Stereo, &Stereo)| (a[0] - b[0]).abs().max((a[1] - b[1]).abs());
    let worst = chain.iter().zip(&plain).map(apart).fold(0.0, f32::max);
    assert!(worst <= most, "{what}, by ourselves: {worst}");
    let mut decoder = decode::open(chained).unwrap();
    for cue in [chain.len() / 4, chain.len() * 3 / 4, chain.len() / 2 + 1] {
        decoder.seek(cue as u64).unwrap();
        let tail = rest(&mut *decoder);
        assert_eq!(tail.len(), chain.len() - cue, "{what}, cued at {cue}");
        let worst = tail.iter().zip(&chain[cue..]).map(apart).fold(0.0, f32::max);
        assert!(worst <= most, "{what}, cued at {cue}: {worst}");
    }
}

/// Pages of an Ogg stream: granule position and packets that end on them.
fn pages(bytes: &[u8]) -> Vec<(i64, usize)> {
    let mut pages = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        assert_eq!(&rest[..4], b"OggS");
        let lacing = &rest[27..27 + usize::from(rest[26])];
        let granule = i64::from_le_bytes(rest[6..14].try_into().unwrap());
        pages.push((granule, lacing.iter().filter(|size| **size < 255).count()));
        let size: usize = lacing.iter().map(|size| usize::from(*size)).sum();
        rest = &rest[27 + lacing.len() + size..];
    }
    pages
}

#[test]
fn streams_do_not_keep_listeners_waiting() {
    for text in ["opus:96k", "vorbis", "flac@44100"] {
        let format = Format::parse(text).unwrap();
        let rate = i64::from(format.sample_rate_hz);
        let (info, packets) = encode(&format, 48_000, &sweep(48_000, 96_000), 480);
        let mut muxer = container::for_stream(&info);
        let mut out = Vec::new();
        muxer.start(&titled("a"), &mut out);
        let opening = out.len();
        assert!(opening > 0, "{text}: headers first");
        for packet in &packets {
            muxer.packet(packet, &mut out);
            let sent = pages(&out).last().unwrap().0;
            let waits = packet.end() + i64::from(info.delay) - sent;
            assert!(waits <= rate / 10 + i64::from(packet.duration), "{text}: {waits} frames wait");
        }
    }
}
