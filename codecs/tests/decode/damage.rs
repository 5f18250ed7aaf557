//! Files that lie, end early or are no audio: what is there plays, and what was wrong is said.

use std::path::PathBuf;

use airchain_codecs::decode::{self, DecodeError};
use airchain_core::Stereo;

use crate::kit::{FORMATS, decode, difference, encode, tone, wav, write_wav};

#[test]
fn what_is_no_audio_is_refused_in_plain_words() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("the file can be written");
        path
    };
    let error = |path: &PathBuf| decode::open(path).err().expect("it is refused");
    assert!(matches!(error(&dir.path().join("missing.mp3")), DecodeError::Io { .. }));
    assert!(matches!(error(&dir.path().to_owned()), DecodeError::Io { .. }));
    assert!(matches!(error(&PathBuf::from("/dev/zero")), DecodeError::Unknown { .. }));
    assert!(matches!(error(&file("empty.mp3", b"")), DecodeError::Empty { .. }));
    let text = "This is not audio at all, but a letter to the editor.\n".repeat(1_000);
    for name in ["text.mp3", "text.wav", "text.flac", "text"] {
        let error = error(&file(name, text.as_bytes()));
        assert!(matches!(error, DecodeError::Unknown { .. }), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(matches!(error(&file("short.ogg", b"OggS")), DecodeError::Unknown { .. }));
    let zeros = error(&file("zeros.mp3", &[0; 100_000]));
    assert!(matches!(zeros, DecodeError::Unknown { .. }), "{zeros}");
}

#[test]
fn a_file_without_frames_is_open_and_over() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("nothing.wav");
    std::fs::write(&path, wav(44_100, 2, 1, 16, &[])).expect("the file can be written");
    let decoded = decode(&path);
    assert!(decoded.frames.is_empty());
    assert_eq!(decoded.info.sample_rate_hz, 44_100);
}

#[test]
fn of_a_truncated_file_everything_that_is_there_plays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    write_wav(&path, 44_100, &tone(440.0, 44_100, 0..441_000));
    for (format, ..) in FORMATS {
        // ffmpeg puts an MP4 file's index at its end: cut, nothing can be made of it. Of CAF symphonia wants all.
        if format.starts_with("m4a") || format == "caf" {
            continue;
        }
        let whole = encode(format, &path);
        let reference = decode(&whole).frames;
        let bytes = std::fs::read(&whole).expect("it can be read");
        let cut =
            dir.path().join(format!("cut-{}", whole.file_name().and_then(|n| n.to_str()).expect("utf-8")));
        std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).expect("the file can be written");
        let decoded = decode(&cut);
        let share = decoded.frames.len() as f64 / reference.len() as f64;
        assert!((0.5..0.72).contains(&share), "{format}: {share} of it plays");
        let settled = decoded.frames.len() - 2_000;
        let worst = difference(&decoded.frames[..settled], &reference);
        assert!(worst < 1e-3, "{format}: differs by {worst}");
        assert!(decoded.damage.is_some(), "{format}: nothing was said");
    }
}

#[test]
fn a_wave_header_may_promise_too_much() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    let frames = tone(440.0, 44_100, 0..30_011);
    write_wav(&path, 44_100, &frames);
    let honest = std::fs::read(&path).expect("it can be read");
    for promised in [honest.len() as u32 * 10, 0x7fff_f000, u32::MAX] {
        let mut bytes = honest.clone();
        bytes[4..8].copy_from_slice(&promised.to_le_bytes());
        bytes[40..44].copy_from_slice(&promised.to_le_bytes());
        std::fs::write(&path, bytes).expect("the file can be written");
        let decoded = decode(&path);
        assert_eq!(decoded.frames.len(), frames.len(), "promised {promised}");
        assert!(difference(&decoded.frames, &frames) <= 0.6 / 32_768.0);
    }
}

/// The CRC-16 of LAME tags: polynomial 0x8005, bits reflected.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

#[test]
fn an_mp3_may_declare_too_few_or_too_many_packets() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    write_wav(&path, 44_100, &tone(440.0, 44_100, 0..132_300));
    let mp3 = encode("mp3", &path);
    let honest = std::fs::read(&mp3).expect("it can be read");
    let tag = honest.windows(4).position(|w| w == b"Xing" || w == b"Info").expect("there is a Xing header");
    // The tag lies 36 bytes into its frame, and the CRC covers the 190 bytes before itself.
    let (frame, crc) = (tag - 36, tag - 36 + 190);
    for (declared, valid_crc) in [(10u32, true), (100_000, true), (10, false), (0, false)] {
        let mut bytes = honest.clone();
        bytes[tag + 8..tag + 12].copy_from_slice(&declared.to_be_bytes());
        if valid_crc {
            let sum = crc16(&bytes[frame..crc]);
            bytes[crc..crc + 2].copy_from_slice(&sum.to_be_bytes());
        }
        std::fs::write(&mp3, bytes).expect("the file can be written");
        let decoded = decode(&mp3);
        let count = decoded.frames.len();
        assert!((132_300..132_300 + 3 * 1152).contains(&count), "declared {declared}: {count} frames");
        assert_eq!(decoded.damage.is_some(), valid_crc, "declared {declared}: {:?}", decoded.damage);
        let mut decoder = decode::open(&mp3).expect("it opens");
        decoder.seek(100_000).expect("it can be cued");
        assert_eq!(crate::kit::rest(&mut *decoder).len(), count - 100_000, "declared {declared}");
    }
}

#[test]
fn corrupt_bytes_cost_little_and_keep_the_time() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    write_wav(&path, 44_100, &tone(440.0, 44_100, 0..441_000));
    for (format, ..) in FORMATS.into_iter().chain([("aac", 0, false)]) {
        let whole = encode(format, &path);
        let reference = decode(&whole).frames;
        let mut bytes = std::fs::read(&whole).expect("it can be read");
        // Past the headers, and (in MP4) before the index.
        let (first, last) = (bytes.len() * 2 / 5, bytes.len() * 4 / 5);
        (first..last).step_by((last - first) / 4).for_each(|at| bytes[at] ^= 0x5a);
        std::fs::write(&whole, bytes).expect("the file can be written");
        let decoded = decode(&whole);
        let difference = (decoded.frames.len() as f64 - reference.len() as f64).abs();
        // A lost MP3 or ADTS header leaves no trace of how much went with it.
        let allowed = if format.starts_with("mp3") || format == "aac" { 9_216.0 } else { 4_608.0 };
        assert!(difference <= allowed, "{format}: {difference} frames of time lost, {:?}", decoded.damage);
        assert!(decoded.frames.iter().flatten().all(|sample| sample.is_finite()), "{format}");
        // The end is untouched and lies where it did. (In Ogg, what follows a lost page comes before the silence.)
        if difference == 0.0 && decoded.info.container != "ogg" {
            let tail = reference.len() - 4_410..;
            let worst = self::difference(&decoded.frames[tail.clone()], &reference[tail]);
            assert!(worst < 0.03, "{format}: the end differs by {worst}");
        }
    }
}

#[test]
fn a_lost_flac_block_is_silence_of_its_length() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    let frames = tone(440.0, 44_100, 0..100_000);
    write_wav(&path, 44_100, &frames);
    let flac = encode("flac", &path);
    let mut bytes = std::fs::read(&flac).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&flac, bytes).expect("the file can be written");
    let decoded = decode(&flac);
    assert_eq!(decoded.frames.len(), frames.len());
    let silent = decoded.frames.iter().filter(|frame| **frame == [0.0; 2]).count();
    assert!((4_000..=8_300).contains(&silent), "{silent} frames of silence");
    let wrong = |(a, b): &(&Stereo, &Stereo)| **a != [0.0; 2] && difference(&[**a], &[**b]) > 0.6 / 32_768.0;
    assert_eq!(decoded.frames.iter().zip(&frames).filter(wrong).count(), 0);
    assert!(decoded.damage.expect("something was said").contains("silence"));
}
