//! Files: decoders find the programme in them and nothing else, whole or cut off.
#![allow(clippy::unwrap_used)]

mod encode_support;

use airchain_codecs::container::{self, Muxer};
use airchain_codecs::format::{Codec, Format};
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::Stereo;
use airchain_core::item::Metadata;
use encode_support::{encode, ffmpeg, ffmpeg_file, fit, mux, sweep, tool};

fn titled(title: &str) -> Metadata {
    Metadata { title: Some(title.into()), artist: Some("Ärtist".into()), ..Metadata::default() }
}

/// A title that would break any header, playlist or tag that took it as it comes.
const NASTY: &str = "Ti\0tle\r\n= – ♫ \u{1b}[31m";

fn mono_sweep(rate: u32, frames: usize) -> Vec<Stereo> {
    sweep(rate, frames).iter().map(|frame| [frame[0]; 2]).collect()
}

#[test]
fn mp3_files_are_gapless() {
    for text in
        ["mp3:128k", "mp3:v2@44100", "mp3:abr96k", "mp3:48k@48000/mono", "mp3:32k@22050", "mp3:16k@8000/mono"]
    {
        let format = Format::parse(text).unwrap();
        let rate = format.sample_rate_hz;
        for frames in [5000, rate as usize + 777] {
            let signal = mono_sweep(rate, frames);
            let (info, packets) = encode(&format, rate, &signal, 480);
            let file = mux(container::for_file(&info, "mp3").unwrap(), &titled(NASTY), &packets);
            let decoded = ffmpeg(&file, "mp3");
            assert_eq!(decoded.len(), frames, "{text}");
            if frames > 5000 {
                let fit = fit(&signal, &decoded, 0);
                assert!(fit.lag == 0 && fit.correlation > 0.9, "{text}: {fit:?}");
            }
        }
    }
}

#[test]
fn every_file_holds_the_programme_and_its_title() {
    let frames = 48_000 + 777;
    let signal = mono_sweep(48_000, frames);
    for (text, extension) in [
        ("mp3:128k", "mp3"),
        ("opus", "opus"),
        ("vorbis", "ogg"),
        ("flac", "flac"),
        ("flac:24/mono", "FLAC"),
        ("flac", "oga"),
        ("wav", "wav"),
        ("wav:s24/mono", "wav"),
        ("wav:f32", "wav"),
    ] {
        let format = Format::parse(text).unwrap();
        let (info, packets) = encode(&format, 48_000, &signal, 480);
        let file = mux(container::for_file(&info, extension).unwrap(), &titled(NASTY), &packets);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("audio.{extension}"));
        std::fs::write(&path, &file).unwrap();
        let decoded = ffmpeg_file(&path);
        assert_eq!(decoded.len(), frames, "{text} in .{extension}");
        assert_eq!(fit(&signal, &decoded, 0).lag, 0, "{text} in .{extension}");

        let probe = ["-v", "error", "-of", "default=nw=1", "-show_entries"];
        let probe = [&probe[..], &["format=duration:format_tags:stream=duration_ts:stream_tags"]].concat();
        let said = tool("ffprobe", &probe, &path);
        assert!(said.contains("=Title= – ♫ [31m\n") && said.contains("=Ärtist\n"), "{text}: {said}");
        assert!(
            ["1.01", "1.02"].iter().any(|s| said.contains(&format!("duration={s}"))) || extension == "mp3",
            "{text}: {said}"
        );
        if extension == "flac" {
            tool("flac", &["-t", "-s"], &path);
            assert_eq!(tool("metaflac", &["--show-total-samples"], &path).trim(), frames.to_string());
        }
    }
}

/// What a recorder has on disk when it is killed after `packets`.
fn cut_off(mut muxer: Box<dyn Muxer>, packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    muxer.start(&titled("a"), &mut out);
    packets.iter().for_each(|packet| muxer.packet(packet, &mut out));
    out
}

#[test]
fn a_file_cut_off_plays_to_its_last_second() {
    let signal = mono_sweep(48_000, 48_000 * 4);
    for text in ["mp3:128k", "mp3:v4", "aac:96k", "opus", "vorbis", "flac", "wav", "wav:s24", "wav:f32"] {
        let format = Format::parse(text).unwrap();
        let (info, packets) = encode(&format, 48_000, &signal, 480);
        let kept = &packets[..packets.len() * 3 / 4];
        let wanted = kept.last().unwrap().end();
        for muxer in [container::for_file(&info, "").unwrap(), container::for_stream(&info)] {
            let extension = muxer.extension();
            let decoded = ffmpeg(&cut_off(muxer, kept), extension);
            let missing = wanted - decoded.len() as i64;
            assert!(missing < 30_000, "{text} in .{extension}: {missing} frames missing");
            // Whatever says so from the start is trimmed from the start.
            let fit = fit(&signal[..96_000], &decoded, 0);
            let late =
                if info.format.codec == Codec::AacLc || extension == "mp3" { info.delay.into() } else { 0 };
            assert!([0, late].contains(&fit.lag), "{text} in .{extension}: {fit:?}");
        }
    }
}

#[test]
fn files_that_take_over_from_one_another_lose_nothing() {
    let frames = 48_000 * 3 + 55;
    // As dense as music: an MP3 that spends next to nothing on a lone tone reaches back further than its tag can skip.
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.2 * ((state >> 8) as f32 / 8_388_608.0 - 1.0)
    };
    let signal: Vec<Stereo> = sweep(48_000, frames).iter().map(|frame| frame.map(|s| s + noise())).collect();
    for (text, most) in [
        ("mp3:128k", 0.0),
        ("mp3:v2", 0.0),
        ("mp3:320k", 0.0),
        ("opus", 0.01),
        ("vorbis", 0.0),
        ("flac", 0.0),
        ("flac:24", 0.0),
        ("wav:s24", 0.0),
    ] {
        let format = Format::parse(text).unwrap();
        let (info, packets) = encode(&format, 48_000, &signal, 480);
        let cut = packets.len() / 2;
        let begin = packets[cut].pts;
        let whole = file(&info, None, &packets);
        let first = file(&info, None, &packets[..cut]);
        let recent = packets.iter().position(|packet| packet.end() > begin - 19_200).unwrap();
        let second = file(&info, Some(begin), &packets[recent..]);
        assert_eq!((first.len() as i64, second.len() as i64), (begin, frames as i64 - begin), "{text}");
        let joined = first.iter().chain(&second);
        let apart = |(a, b): (&Stereo, &Stereo)| (a[0] - b[0]).abs();
        let worst = joined.zip(&whole).map(apart).fold(0.0, f32::max);
        assert!(worst <= most, "{text}: {worst}");
    }
}

/// What ffmpeg makes of a file of these packets.
fn file(info: &SharedInfo, begin: Option<i64>, packets: &[Packet]) -> Vec<Stereo> {
    let mut muxer = container::for_file(info, "").unwrap();
    if let Some(begin) = begin {
        muxer.begin_at(begin);
    }
    let extension = muxer.extension();
    ffmpeg(&mux(muxer, &titled("a"), packets), extension)
}
