//! Every codec: what goes in comes out of an independent decoder, where the packets say it does.
#![allow(clippy::unwrap_used)]

mod encode_support;

use airchain_codecs::container;
use airchain_codecs::encode::{self as encode_api, EncodeError};
use airchain_codecs::format::{Bitrate, Codec, Format};
use airchain_core::Stereo;
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
    // Ogg says how much of Opus to skip; streams of MP3 and AAC cannot.
    let trimmed = if format.codec == Codec::Opus { i64::from(late) } else { 0 };
    let lag = i64::from(late) - trimmed;
    let fit = fit(&expected, &decoded, lag);
    let said = format!(
        "{format} from {rate} Hz: delay {}, end {end}, decoded {}, {fit:?}",
        info.delay,
        decoded.len()
    );
    assert_eq!(info.delay, late, "{said}");
    assert_eq!(packets[0].pts, -i64::from(late), "{said}");
    assert_eq!(end, i64::from(convert_frames(frames as u64, rate, format.sample_rate_hz) as u32), "{said}");
    assert!(decoded.len() as i64 >= end + lag, "{said}");
    assert!((fit.lag - lag).abs() <= 1 && fit.correlation > 0.95, "{said}");
    // ffmpeg spreads mono over two channels of equal power (and takes mono HE-AAC for stereo).
    let usual = if format.channels == 1 && format.codec != Codec::HeAacV1 { -3.0103 } else { 0.0 };
    // aoTuV gives up a little energy at low rates.
    let tolerance_db = if format.codec == Codec::Vorbis { 0.4 } else { 0.1 };
    assert!((fit.gain_db - usual).abs() < tolerance_db, "{said}");
}

#[test]
fn mp3() {
    for format in
        ["mp3:128k", "mp3:128k@44100", "mp3:v2", "mp3:abr160k", "mp3:64k@22050/mono", "mp3:32k@8000"]
    {
        decodes(format, 48_000, 1105);
    }
}

#[test]
fn an_mp3_frame_is_out_with_the_sample_that_completes_it() {
    for (format, first, frame) in
        [("mp3:128k", 1376, 1152), ("mp3:v2", 1376, 1152), ("mp3:64k@24000/mono", 800, 576)]
    {
        let format = Format::parse(format).unwrap();
        let mut encoder = encode_api::open(&format, format.sample_rate_hz).unwrap();
        let (mut packets, mut came) = (Vec::new(), Vec::new());
        let signal = sweep(format.sample_rate_hz, 20 * frame);
        for (taken, sample) in (1..).zip(&signal) {
            encoder.encode(&[*sample], &mut packets).unwrap();
            came.extend(packets.drain(..).map(|_| taken));
        }
        // As many frames late as the bit reservoir holds, but never a part of one.
        assert!(came.len() >= 15, "{format}: {came:?}");
        assert!(came.iter().all(|at| (at - first) % frame == 0), "{format}: {came:?}");
    }
}

/// Every frame is out with the sample that completes it, and decodes as well as if there had been time.
#[test]
fn mp3_that_is_in_a_hurry_holds_nothing_back() {
    for (format, first, frame) in
        [("mp3:128k", 1376, 1152), ("mp3:v2", 1376, 1152), ("mp3:64k@24000", 800, 576)]
    {
        let format = Format::parse(format).unwrap();
        let rate = format.sample_rate_hz;
        let mut encoder = encode_api::open(&format, rate).unwrap();
        let (mut packets, mut taken) = (Vec::new(), 0);
        let signal = sweep(rate, rate as usize * 2);
        for (number, piece) in signal.chunks(97).enumerate() {
            encoder.encode(piece, &mut packets).unwrap();
            taken += piece.len();
            // Now and then, and all the time.
            if number % 7 == 0 || number > 200 {
                encoder.hurry(&mut packets).unwrap();
                assert_eq!(
                    packets.len(),
                    (taken + frame).saturating_sub(first) / frame,
                    "{format} at {taken}"
                );
            }
        }
        encoder.finish(&mut packets).unwrap();
        assert!(packets.windows(2).all(|pair| pair[0].end() == pair[1].pts), "{format}");
        let info = encoder.info();
        let decoded = ffmpeg(&mux(container::for_stream(info), &Metadata::default(), &packets), "mp3");
        let fit = fit(&signal, &decoded, 1105);
        assert!((fit.lag - 1105).abs() <= 1 && fit.correlation > 0.95, "{format}: {fit:?}");
    }
}

#[test]
fn aac() {
    for format in ["aac:128k", "aac:96k@44100", "aac:64k/mono", "aac:v4", "aac:32k@22050"] {
        decodes(format, 48_000, 2048);
    }
}

#[test]
fn he_aac() {
    for format in ["he-aac:64k", "he-aac:48k@44100", "he-aac:32k/mono", "he-aac:48k@32000"] {
        decodes(format, 48_000, 5058);
    }
    for format in ["he-aac-v2:32k", "he-aac-v2:24k@44100"] {
        decodes(format, 48_000, 7106);
    }
}

#[test]
fn opus() {
    for format in ["opus:96k", "opus:cbr64k", "opus:48k/mono"] {
        decodes(format, 44_100, 312);
    }
}

#[test]
fn vorbis() {
    for format in ["vorbis", "vorbis:abr128k@44100", "vorbis:q6@22050/mono", "vorbis:cbr128k"] {
        decodes(format, 48_000, 0);
    }
}

#[test]
fn flac_and_pcm() {
    for format in ["flac", "flac:24@96000", "flac@44100/mono", "wav", "wav:s24@44100", "wav:f32/mono"] {
        decodes(format, 48_000, 0);
    }
}

#[test]
fn lossless_is_lossless() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // 24 bits, over the whole range.
        (state as i32 >> 8) as f32 / 8_388_608.0
    };
    for extra in [0, 1, 15, 4095] {
        let mut signal: Vec<Stereo> = (0..3 * 4096 + extra).map(|_| [noise(), noise()]).collect();
        signal[..3].copy_from_slice(&[
            [-1.0, 8_388_607.0 / 8_388_608.0],
            [0.0, 1.0 / 8_388_608.0],
            [-0.5, 0.5],
        ]);
        for format in ["flac:24", "wav:s24", "wav:f32"] {
            let format = Format::parse(format).unwrap();
            let (info, packets) = encode(&format, 48_000, &signal, 480);
            for muxer in [container::for_stream(&info), container::for_file(&info, "").unwrap()] {
                let extension = muxer.extension();
                let decoded = ffmpeg(&mux(muxer, &Metadata::default(), &packets), extension);
                assert!(decoded == signal, "{format} in .{extension}, {} frames", signal.len());
            }
        }
    }
}

/// One format of every codec and of every mode.
const EVERY: [&str; 19] = [
    "mp3:128k",
    "mp3:v2",
    "mp3:abr160k",
    "mp3:32k@22050/mono",
    "aac:96k",
    "aac:v3",
    "he-aac:48k",
    "he-aac-v2:32k",
    "opus",
    "opus:cbr64k/mono",
    "vorbis",
    "vorbis:abr96k",
    "vorbis:cbr128k@44100/mono",
    "flac",
    "flac:24/mono",
    "wav",
    "wav:s24",
    "wav:f32",
    "mp3:64k@44100",
];

#[test]
fn the_partition_of_the_input_does_not_matter() {
    let signal = sweep(48_000, 30_011);
    for format in EVERY {
        let format = Format::parse(format).unwrap();
        let (_, whole) = encode(&format, 48_000, &signal, signal.len());
        for step in [1, 479, 480, 1152, 10_000] {
            let (_, parts) = encode(&format, 48_000, &signal, step);
            assert!(parts == whole, "{format} in steps of {step}");
        }
    }
}

#[test]
fn nothing_that_goes_in_can_harm() {
    let odd =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE / 8.0, -1e30, 0.0, 1.0];
    let signal: Vec<Stereo> = (0..20_000).map(|i| [odd[i % 8], odd[i / 7 % 8]]).collect();
    for format in EVERY {
        let format = Format::parse(format).unwrap();
        let mut encoder = encode_api::open(&format, 44_100).unwrap();
        let mut packets = Vec::new();
        encoder.encode(&signal, &mut packets).unwrap();
        encoder.encode(&[], &mut packets).unwrap();
        let expected = signal.as_flattened().iter().filter(|sample| !sample.is_finite()).count();
        assert_eq!(encoder.repaired(), expected as u64);
        // And it recovers: what comes after is encoded as ever.
        let clean: Vec<_> = sweep(44_100, 44_100).iter().map(|frame| [frame[0]; 2]).collect();
        encoder.encode(&clean, &mut packets).unwrap();
        encoder.finish(&mut packets).unwrap();
        let muxed = mux(container::for_stream(encoder.info()), &Metadata::default(), &packets);
        let decoded = ffmpeg(&muxed, format.codec.extension());
        let rms = |frames: &[Stereo]| {
            (frames.iter().map(|f| f64::from(f[0]).powi(2)).sum::<f64>() / frames.len() as f64).sqrt()
        };
        let tail = &decoded[decoded.len() - format.sample_rate_hz as usize * 3 / 4..]
            [..format.sample_rate_hz as usize / 2];
        assert!((0.2..0.4).contains(&rms(tail)), "{format}: {}", rms(tail));
    }
}

#[test]
fn nothing_in_gives_no_audio_out() {
    for format in EVERY {
        let format = Format::parse(format).unwrap();
        let (_, packets) = encode(&format, 48_000, &[], 1);
        assert!(packets.iter().all(|packet| packet.end() <= 0), "{format}: {packets:?}");
        // One frame comes out as one frame.
        let (_, packets) = encode(&format, format.sample_rate_hz, &[[0.5, 0.5]], 1);
        assert_eq!(packets.last().map(|packet| packet.end()), Some(1), "{format}");
    }
}

#[test]
fn bit_rates_are_kept() {
    // Music-like: chords with noise, for 10 s.
    let mut state = 1_u32;
    let signal: Vec<Stereo> = (0..48_000 * 10)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / 16_777_216.0 - 0.5;
            let t = i as f32 / 48_000.0;
            let chord: f32 = [220.0, 277.2, 329.6, 440.0, 1318.5]
                .iter()
                .map(|hz| (std::f32::consts::TAU * hz * t).sin())
                .sum();
            let swell = (t * 3.0).sin().abs();
            [0.1 * chord * swell + 0.05 * noise, 0.1 * chord - 0.02 * noise]
        })
        .collect();
    for (format, least, most) in [
        ("mp3:128k", 127.0, 129.0),
        ("mp3:320k", 318.0, 322.0),
        ("mp3:abr160k", 140.0, 176.0),
        ("mp3:v2", 100.0, 260.0),
        ("aac:128k", 124.0, 132.0),
        ("aac:64k/mono", 62.0, 66.0),
        ("aac:v4", 90.0, 200.0),
        ("he-aac:48k", 46.0, 50.0),
        ("he-aac-v2:32k", 31.0, 33.0),
        ("opus:96k", 80.0, 115.0),
        ("opus:cbr64k", 63.5, 64.5),
        ("vorbis:abr128k", 110.0, 140.0),
        ("vorbis:q4", 90.0, 150.0),
    ] {
        let format = Format::parse(format).unwrap();
        let (_, packets) = encode(&format, 48_000, &signal, 480);
        let kbps = packets.iter().map(|packet| packet.data.len()).sum::<usize>() as f64 * 8.0 / 10.0 / 1000.0;
        assert!((least..=most).contains(&kbps), "{format}: {kbps:.1} kbit/s");
    }
}

#[test]
fn what_passes_the_check_can_be_made() {
    let kbps = [8, 16, 32, 56, 64, 128, 160, 192, 320, 510];
    let bitrates: Vec<Bitrate> = kbps
        .into_iter()
        .flat_map(|kbps| [Bitrate::Cbr(kbps), Bitrate::Abr(kbps)])
        .chain((-2..=11).map(Bitrate::Vbr))
        .chain([Bitrate::Lossless])
        .collect();
    let rates =
        [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];
    for entry in encode_api::ENCODERS {
        let mut made = 0;
        for (&bitrate, sample_rate_hz) in
            bitrates.iter().flat_map(|bitrate| rates.map(|rate| (bitrate, rate)))
        {
            for channels in [1, 2] {
                let format = Format { codec: entry.codec, bitrate, sample_rate_hz, channels };
                match encode_api::open(&format, 48_000) {
                    Ok(_) => made += 1,
                    Err(EncodeError::Unsupported { .. }) => {}
                    Err(other) => panic!("{format}: {other}"),
                }
            }
        }
        assert!(made > 0, "{}", entry.name());
    }
}
