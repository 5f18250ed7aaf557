//! Codecs, containers, rates, layouts and tags.

use std::path::Path;

use airchain_codecs::decode::DECODERS;

use crate::kit::{FORMATS, decode, difference, encode, fit, run, tone, wav, write_wav};

#[test]
fn the_table_tells_the_truth() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let wav = dir.path().join("tone.wav");
    write_wav(&wav, 44_100, &tone(440.0, 44_100, 0..44_100));
    for (format, ..) in FORMATS.into_iter().chain([("aac", 0, false)]) {
        let path = encode(format, &wav);
        let info = decode(&path).info;
        let kind = DECODERS.iter().find(|kind| kind.codec == info.codec && kind.container == info.container);
        let kind = kind.unwrap_or_else(|| panic!("{format} is {} in {}", info.codec, info.container));
        let extension = path.extension().and_then(|extension| extension.to_str()).expect("an extension");
        assert!(kind.extensions.contains(&extension), "{format}");
        assert_eq!(info.channels, 2, "{format}");
    }
}

#[test]
fn the_content_decides_and_not_the_name() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    write_wav(&path, 44_100, &tone(440.0, 44_100, 0..10_000));
    let flac = encode("flac", &path);
    let misnamed = dir.path().join("tone.mp3");
    std::fs::rename(flac, &misnamed).expect("renamed");
    assert_eq!(decode(&misnamed).info.codec, "flac");
}

#[test]
fn rates_from_8_to_192_khz_come_out_as_they_are() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for rate in [8_000, 11_025, 16_000, 32_000, 88_200, 96_000, 176_400, 192_000] {
        let path = dir.path().join(format!("{rate}.wav"));
        let frames = tone(300.0, rate, 0..rate as usize / 2);
        write_wav(&path, rate, &frames);
        for format in ["wav", "flac", "m4a-alac"] {
            let decoded = decode(&encode(format, &path));
            assert_eq!(decoded.info.sample_rate_hz, rate, "{format}");
            assert_eq!(decoded.frames.len(), frames.len(), "{format} at {rate}");
            assert!(difference(&decoded.frames, &frames) <= 0.6 / 32_768.0, "{format} at {rate}");
        }
        for (format, rates) in
            [("mp3", 8_000..=48_000), ("m4a-aac", 8_000..=96_000), ("ogg-vorbis", 8_000..=192_000)]
        {
            if rates.contains(&rate) {
                let decoded = decode(&encode(format, &path));
                assert_eq!(decoded.info.sample_rate_hz, rate, "{format}");
                assert_eq!(decoded.frames.len(), frames.len(), "{format} at {rate}");
                let quarter = frames.len() / 4;
                let middle = &decoded.frames[quarter..3 * quarter];
                let fit = fit(middle, quarter, 300.0, rate);
                assert!(fit.early.abs() < 0.6, "{format} at {rate}: {} frames early", fit.early);
            }
        }
    }
}

/// BS.775's -3 dB.
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// A WAVE file whose channels hold the constants given; `mask` names the loudspeakers.
fn constants(path: &Path, mask: u32, levels: &[f32]) {
    let data: Vec<u8> =
        (0..4_800).flat_map(|_| levels.iter().flat_map(|level| level.to_le_bytes())).collect();
    let plain = wav(48_000, levels.len() as u16, 3, 32, &data);
    // The extensible form: a longer format chunk, with the mask and the GUID of float samples.
    let mut file = plain[..16].to_vec();
    file.extend(40u32.to_le_bytes());
    file.extend(0xfffe_u16.to_le_bytes());
    file.extend(&plain[22..36]);
    file.extend(22u16.to_le_bytes());
    file.extend(32u16.to_le_bytes());
    file.extend(mask.to_le_bytes());
    file.extend([3, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    file.extend(&plain[36..]);
    let riff = (file.len() as u32 - 8).to_le_bytes();
    file[4..8].copy_from_slice(&riff);
    std::fs::write(path, file).expect("the file can be written");
}

#[test]
fn surround_becomes_stereo_by_the_coefficients_of_bs_775() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("surround.wav");
    let half = HALF_POWER;
    let layouts: [(u32, &[f32], [f32; 2]); 7] = [
        (0x4, &[0.5], [0.5, 0.5]),
        (0x3, &[0.5, -0.25], [0.5, -0.25]),
        (0x7, &[0.1, 0.2, 0.4], [0.1 + half * 0.4, 0.2 + half * 0.4]),
        (0x33, &[0.1, 0.2, 0.3, 0.4], [0.1 + half * 0.3, 0.2 + half * 0.4]),
        (0x107, &[0.1, 0.2, 0.0, 0.4], [0.1 + 0.2, 0.2 + 0.2]),
        (0x3f, &[0.1, 0.2, 0.3, 0.9, 0.05, 0.15], [0.1 + half * 0.35, 0.2 + half * 0.45]),
        (0x63f, &[0.1, 0.2, 0.3, 0.9, 0.05, 0.15, 0.1, 0.2], [0.1 + half * 0.45, 0.2 + half * 0.65]),
    ];
    for (mask, levels, wanted) in layouts {
        constants(&path, mask, levels);
        let decoded = decode(&path);
        assert_eq!(decoded.info.channels as usize, levels.len());
        assert_eq!(decoded.frames.len(), 4_800);
        let worst = difference(&decoded.frames, &vec![wanted; 4_800]);
        assert!(worst < 1e-6, "mask {mask:#x}: {:?} instead of {wanted:?}", decoded.frames[0]);
    }
}

#[test]
fn surround_in_other_codecs_goes_by_position_too() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // A tone in one channel of six at a time; which side it comes out on tells where the codec put it.
    let shares =
        [[1.0, 0.0], [0.0, 1.0], [HALF_POWER, HALF_POWER], [0.0, 0.0], [HALF_POWER, 0.0], [0.0, HALF_POWER]];
    for (channel, [left, right]) in shares.into_iter().enumerate() {
        let mut expressions = ["0"; 6];
        expressions[channel] = "0.25*sin(2*PI*60*t)";
        let source = format!("aevalsrc={}:s=48000:d=0.5:c=5.1", expressions.join("|"));
        let path = |name: &str| dir.path().join(format!("{channel}-{name}")).display().to_string();
        let wav = path("a.wav");
        run("ffmpeg", &["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", &source, &wav]);
        let files = [path("a.flac"), path("a.ogg"), path("aac.m4a"), path("alac.m4a")];
        for (file, codec) in files.iter().zip(["flac", "vorbis", "aac", "alac"]) {
            match codec {
                "vorbis" => run("oggenc", &["--quiet", "-q", "5", "-o", file, &wav]),
                codec => {
                    run("ffmpeg", &["-nostdin", "-loglevel", "error", "-y", "-i", &wav, "-c:a", codec, file])
                }
            }
            if codec == "aac" && !cfg!(feature = "aac") {
                continue;
            }
            let decoded = decode(Path::new(file));
            let middle = &decoded.frames[9_600..14_400];
            let peak = |side: usize| middle.iter().fold(0.0_f32, |peak, frame| peak.max(frame[side].abs()));
            let (l, r) = (peak(0) / 0.25, peak(1) / 0.25);
            assert!(
                (l - left).abs() < 0.04 && (r - right).abs() < 0.04,
                "{codec}, channel {channel}: {l} {r}"
            );
        }
    }
}

#[test]
fn samples_that_are_no_numbers_become_silence() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("nonsense.wav");
    let samples = [f32::NAN, 0.5, f32::INFINITY, -0.5, f32::NEG_INFINITY, 2.0];
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(&path, wav(44_100, 2, 3, 32, &data)).expect("the file can be written");
    assert_eq!(decode(&path).frames, [[0.0, 0.5], [0.0, -0.5], [0.0, 2.0]]);
}

#[test]
fn tags_are_read_from_every_container() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    write_wav(&path, 44_100, &tone(440.0, 44_100, 0..22_050));
    let from = path.to_str().expect("utf-8");
    for (name, codec) in [
        ("a.mp3", "libmp3lame"),
        ("a.flac", "flac"),
        ("a.ogg", "libvorbis"),
        ("a.opus", "libopus"),
        ("a.m4a", "aac"),
        ("a.wav", "pcm_s16le"),
    ] {
        let out = dir.path().join(name);
        let tags = ["title=Grüße – “quoted”", "artist=The Tones", "album=Sines", "track=3/12", "genre=Test"];
        let mut arguments = vec!["-nostdin", "-loglevel", "error", "-y", "-i", from, "-c:a", codec];
        tags.iter().for_each(|tag| arguments.extend(["-metadata", tag]));
        arguments.push(out.to_str().expect("utf-8"));
        run("ffmpeg", &arguments);
        let metadata = decode(&out).info.metadata;
        assert_eq!(metadata.title.as_deref(), Some("Grüße – “quoted”"), "{name}");
        assert_eq!(metadata.artist.as_deref(), Some("The Tones"), "{name}");
        assert_eq!(metadata.album.as_deref(), Some("Sines"), "{name}");
        assert_eq!(metadata.extra.get("genre").map(String::as_str), Some("Test"), "{name}: {metadata:?}");
        // In WAVE files the number is a text like any other.
        let number = metadata.extra.get("track_number").and_then(|text| text.split('/').next());
        assert_eq!(number, Some("3"), "{name}: {metadata:?}");
    }
}

#[test]
fn replay_gain_refers_to_minus_18_lufs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    write_wav(&path, 44_100, &tone(440.0, 44_100, 0..22_050));
    let from = path.to_str().expect("utf-8");
    for (name, tag, gain) in [
        ("a.mp3", "REPLAYGAIN_TRACK_GAIN=-7.03 dB", -7.03),
        ("a.flac", "REPLAYGAIN_TRACK_GAIN=+1.50 dB", 1.5),
        ("a.ogg", "replaygain_track_gain=2.25 dB", 2.25),
        // Q7.8, relative to -23 LUFS: -12 dB there is -7 dB here.
        ("a.opus", "R128_TRACK_GAIN=-3072", -7.0),
    ] {
        let out = dir.path().join(name);
        let to = out.to_str().expect("utf-8");
        run("ffmpeg", &["-nostdin", "-loglevel", "error", "-y", "-i", from, "-metadata", tag, to]);
        assert_eq!(decode(&out).info.replaygain.track_db, Some(gain), "{name}");
    }
    assert_eq!(decode(&path).info.replaygain.track_db, None);
}
