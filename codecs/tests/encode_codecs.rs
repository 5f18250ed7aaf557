//! Every codec: what goes in comes out of an independent decoder, where the packets say it does.
#![allow(clippy::unwrap_used)]

mod encode_support;

use airchain_codecs::container;
use airchain_codecs::format::{Codec, Format};
use airchain_core::item::Metadata;
use airchain_core::units::convert_frames;
use encode_support::{encode, ffmpeg, fit, mux, sweep};

/// Encodes a sweep, streams it and checks that ffmpeg decodes it whole, `late` frames late, at the right level.
fn decodes(format: &str, rate: u32, late: u32) {
    let format = Format::parse(format).unwrap();
    let frames = rate as usize * 2 + 321;
    // Mono, and parametric stereo, keep the mean of the channels alone.
    let both = format.channels == 2 && format.codec != Codec::HeAacV2;
    let sweep = |rate, frames| match both {
        true => sweep(rate, frames),
        false => sweep(rate, frames).iter().map(|frame| [frame[0]; 2]).collect(),
    };
    let signal = sweep(rate, frames);
    let (info, packets) = encode(&format, rate, &signal, 480);
    let end = packets.last().unwrap().end();
    let expected = sweep(format.sample_rate_hz, end as usize);
    let decoded = ffmpeg(
        &mux(container::for_stream(&info), &Metadata::default(), &packets),
        info.format.codec.extension(),
    );
    let fit = fit(&expected, &decoded, late.into());
    let said = format!(
        "{format} from {rate} Hz: delay {}, end {end}, decoded {}, {fit:?}",
        info.delay,
        decoded.len()
    );
    assert_eq!(info.delay, late, "{said}");
    assert_eq!(packets[0].pts, -i64::from(late), "{said}");
    assert_eq!(
        end,
        i64::from(convert_frames(frames as u64, rate, format.sample_rate_hz) as u32),
        "{said}"
    );
    assert!(decoded.len() as i64 >= end + i64::from(late), "{said}");
    assert!(
        (fit.lag - i64::from(late)).abs() <= 1 && fit.correlation > 0.95,
        "{said}"
    );
    // ffmpeg spreads mono over two channels of equal power (and takes mono HE-AAC for stereo).
    let usual = if format.channels == 1 && format.codec != Codec::HeAacV1 {
        -3.0103
    } else {
        0.0
    };
    assert!((fit.gain_db - usual).abs() < 0.1, "{said}");
}

#[test]
fn mp3() {
    for format in [
        "mp3:128k",
        "mp3:128k@44100",
        "mp3:v2",
        "mp3:abr160k",
        "mp3:64k@22050/mono",
        "mp3:32k@8000",
    ] {
        decodes(format, 48_000, 1105);
    }
}

#[test]
fn aac() {
    for format in [
        "aac:128k",
        "aac:96k@44100",
        "aac:64k/mono",
        "aac:v4",
        "aac:32k@22050",
    ] {
        decodes(format, 48_000, 2048);
    }
}

#[test]
fn he_aac() {
    for format in [
        "he-aac:64k",
        "he-aac:48k@44100",
        "he-aac:32k/mono",
        "he-aac:48k@32000",
    ] {
        decodes(format, 48_000, 5058);
    }
    for format in ["he-aac-v2:32k", "he-aac-v2:24k@44100"] {
        decodes(format, 48_000, 7106);
    }
}
