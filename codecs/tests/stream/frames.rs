//! MPEG audio and ADTS.

use std::process::Command;

use airchain_codecs::container;
use airchain_core::Stereo;

use crate::encode_support::mux;
use crate::kit::{Dice, SEAM, as_file, difference, feed, listen, packets, steepest, stream, titled};

/// Format, extension, codec and rate that come out, and frames at the start that are not heard.
const FORMATS: [(&str, &str, &str, u32, usize); 9] = [
    ("mp3:128k@44100", "mp3", "mp3", 44_100, 1152),
    ("mp3:320k", "mp3", "mp3", 48_000, 1152),
    ("mp3:v4", "mp3", "mp3", 48_000, 1152),
    ("mp3:32k@22050/mono", "mp3", "mp3", 22_050, 2 * 576),
    ("aac:96k@44100", "aac", "aac", 44_100, 1024),
    ("aac:64k/mono", "aac", "aac", 48_000, 1024),
    ("aac:32k@22050", "aac", "aac", 22_050, 1024),
    ("he-aac:64k@44100", "aac", "he-aac", 44_100, 2048),
    ("he-aac-v2:32k", "aac", "he-aac-v2", 48_000, 2048),
];

#[test]
fn what_is_heard_is_what_a_file_gives() {
    for (format, extension, codec, rate, warm_up) in FORMATS {
        let bytes = stream(format, 2.0);
        let file = as_file(&bytes, extension);
        let heard = listen(&bytes);
        let info = heard.info.unwrap();
        let container = if extension == "aac" { "adts" } else { "mp3" };
        assert_eq!((info.codec, info.container, info.sample_rate_hz), (codec, container, rate), "{format}");
        assert_eq!(heard.rates, [(0, rate)], "{format}");
        assert_eq!(heard.damage, None, "{format}");
        assert_eq!(heard.frames.len(), file.len() - warm_up, "{format}");
        let worst = difference(&heard.frames[SEAM..], &file[warm_up + SEAM..]);
        assert!(worst == 0.0, "{format}: differs by {worst}");
    }
}

#[test]
fn how_it_is_cut_makes_no_difference() {
    for (format, ..) in FORMATS {
        let bytes = stream(format, 0.7);
        let whole = feed(&bytes, || bytes.len());
        assert!(feed(&bytes, || 1).frames == whole.frames, "{format}, byte by byte");
        for seed in 0..5 {
            let mut dice = Dice::new(seed);
            assert!(feed(&bytes, || 1 + dice.below(2000)).frames == whole.frames, "{format}, cut by {seed}");
        }
    }
}

#[test]
fn one_may_join_anywhere() {
    for (format, extension, _, rate, warm_up) in FORMATS {
        let bytes = stream(format, 3.0);
        let file = as_file(&bytes, extension);
        let mut dice = Dice::new(7);
        for _ in 0..12 {
            let from = dice.below(bytes.len() / 2);
            let heard = listen(&bytes[from..]);
            assert_eq!((heard.damage, heard.rates), (None, vec![(0, rate)]), "{format} from {from}");
            assert_eq!((file.len() - heard.frames.len()) % (warm_up / 2), 0, "{format} from {from}");
            let share = heard.frames.len() as f64 / file.len() as f64;
            let there = (bytes.len() - from) as f64 / bytes.len() as f64;
            assert!(share > there - 0.12, "{format} from {from}: {share} of {there} is heard");
            // SBR is silent until its next header, and what it invents differs.
            let (settled, allowed) =
                if format.starts_with("he") { (rate as usize, 0.02) } else { (SEAM, 0.0) };
            let tail = &file[file.len() - heard.frames.len()..];
            let worst = difference(&heard.frames[settled..], &tail[settled..]);
            assert!(worst <= allowed, "{format} from {from}: differs by {worst}");
            let (loudest, usual) = (steepest(&heard.frames), steepest(&file));
            assert!(loudest <= usual * 1.2, "{format} from {from}: jumps by {loudest}, a file by {usual}");
        }
    }
}

/// Checks what is heard of a stream with something wrong in its middle against the whole of it: the beginning and the
/// end are right, at most `lost` frames are missing, and where they are nothing clicks.
fn check_mended(heard: &[Stereo], whole: &[Stereo], lost: usize, approximate: bool, context: &str) {
    assert!(heard.len() <= whole.len(), "{context}: {} of {} frames", heard.len(), whole.len());
    let missing = whole.len() - heard.len();
    assert!(missing <= lost, "{context}: {missing} frames are missing");
    let (sure, allowed) = (whole.len() / 3, if approximate { 0.02 } else { 0.0 });
    let start = difference(&heard[..sure], &whole[..sure]);
    let end = difference(&heard[heard.len() - sure..], &whole[whole.len() - sure..]);
    assert!(start == 0.0 && end <= allowed, "{context}: start differs by {start}, end by {end}");
    let (steep, usual) = (steepest(heard), steepest(whole));
    assert!(steep <= 1.25 * usual, "{context}: jumps by {steep}, usually by {usual}");
}

#[test]
fn garbage_is_got_over() {
    for (format, .., rate, warm_up) in FORMATS {
        let bytes = stream(format, 3.0);
        let whole = listen(&bytes).frames;
        for seed in 0..6 {
            let mut dice = Dice::new(seed);
            let at = bytes.len() * 9 / 20 + dice.below(bytes.len() / 20);
            let garbage: Vec<u8> = (0..4096).map(|_| dice.below(256) as u8).collect();
            let heard = listen(&[&bytes[..at], &garbage, &bytes[at..]].concat());
            // Frames whose reservoir lies in the hole, and those that follow nothing.
            let lost = 6 * warm_up.max(1152);
            let he = format.starts_with("he");
            check_mended(&heard.frames, &whole, lost, he, &format!("{format}, garbage {seed} at {at}"));
            assert_eq!(heard.rates, [(0, rate)], "{format}");
            let damage = heard.damage.unwrap();
            let skipped: usize = damage.split(' ').next().unwrap().parse().unwrap();
            assert!(damage.contains("bytes that are no audio"), "{format}: {damage}");
            assert!((4096..4096 + 3000).contains(&skipped), "{format}: {damage}");
        }
    }
}

#[test]
fn a_jump_is_got_over() {
    for (format, .., warm_up) in FORMATS {
        let bytes = stream(format, 3.0);
        let whole = listen(&bytes).frames;
        for seed in 0..6 {
            let mut dice = Dice::new(seed);
            let at = bytes.len() * 9 / 20 + dice.below(bytes.len() / 40);
            let cut = dice.below(bytes.len() / 20);
            let heard = listen(&[&bytes[..at], &bytes[at + cut..]].concat());
            let gone = whole.len() * cut / bytes.len() * 3 / 2;
            let lost = gone + 6 * warm_up.max(1152);
            let he = format.starts_with("he");
            check_mended(&heard.frames, &whole, lost, he, &format!("{format}, {cut} bytes cut at {at}"));
        }
    }
}

#[test]
fn the_format_may_change_in_mid_stream() {
    for (first, second, rate) in [
        ("mp3:128k@44100", "mp3:64k@22050/mono", 22_050),
        ("mp3:128k", "mp3:64k/mono", 48_000),
        ("aac:96k@44100", "aac:96k", 48_000),
        ("aac:96k", "he-aac:48k@44100", 44_100),
        ("mp3:128k", "aac:96k@44100", 44_100),
        ("mp3:128k", "vorbis:q4@44100", 44_100),
        ("opus:96k", "mp3:128k@44100", 44_100),
    ] {
        let streams = [stream(first, 1.0), stream(second, 1.0)];
        let [alone, other] = streams.each_ref().map(|bytes| listen(bytes));
        let heard = listen(&streams.concat());
        let context = format!("{first}, then {second}");
        assert_eq!(heard.damage, None, "{context}");
        let at = alone.frames.len();
        assert!(heard.frames[..at] == alone.frames, "{context}");
        assert_eq!(heard.frames.len(), at + other.frames.len(), "{context}");
        let worst = difference(&heard.frames[at + SEAM..], &other.frames[SEAM..]);
        assert!(worst == 0.0, "{context}: differs by {worst}");
        let first_rate = alone.rates[0].1;
        let rates = if rate == first_rate { vec![(0, rate)] } else { vec![(0, first_rate), (at, rate)] };
        assert_eq!(heard.rates, rates, "{context}");
        assert_eq!(heard.info, other.info, "{context}");
    }
}

#[test]
fn tags_are_passed_over() {
    // A file opens with an ID3v2 tag and a LAME tag, and may end with 128 bytes of ID3v1: so do files in a loop.
    let (info, packets) = packets("mp3:128k@44100", 1.0);
    let mut file = mux(container::for_file(&info, "mp3").unwrap(), &titled("A file"), &packets);
    assert!(file.starts_with(b"ID3") && file.windows(4).any(|bytes| bytes == b"Info"));
    file.extend(b"TAG");
    file.resize(file.len() + 125, b'x');
    let plain = mux(container::for_stream(&info), &titled("A file"), &packets);
    let (heard, alone) = (listen(&file.repeat(3)), listen(&plain));
    assert_eq!((heard.damage, heard.titles), (None, vec![]));
    assert_eq!(heard.frames.len(), 3 * (alone.frames.len() + 1152) - 1152);
    assert!(heard.frames[..alone.frames.len()] == alone.frames);
    let tail = heard.frames.len() - alone.frames.len() + SEAM..;
    assert!(heard.frames[tail.clone()] == alone.frames[SEAM..], "the third round is as the first");
    // A tag that is larger than all that is held.
    let large = [&b"ID3\x04\0\0\0\x7F\x7F\x7F"[..], &vec![0xFF; 0x1F_FFFF], &plain].concat();
    assert!(listen(&large).frames == alone.frames);
}

#[test]
fn adts_may_have_checksums() {
    let plain = stream("aac:96k", 1.0);
    let mut checked = Vec::new();
    let mut rest = &plain[..];
    while let [_, _, _, b3, b4, b5, _, ..] = *rest {
        let length = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
        let (frame, later) = rest.split_at(length);
        let mut head = frame[..7].to_vec();
        head[1] &= 0xFE;
        head[3] = head[3] & 0xFC | ((length + 2) >> 11) as u8;
        head[4] = ((length + 2) >> 3) as u8;
        head[5] = head[5] & 0x1F | ((length + 2) << 5) as u8;
        checked.extend([&head, &[0xAB, 0xCD][..], &frame[7..]].concat());
        rest = later;
    }
    assert!(listen(&checked).frames == listen(&plain).frames);
}

#[test]
fn the_other_layers_come_for_free() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.mp2");
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=440:r=48000:d=2", "-b:a", "192k"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(run.success());
    let bytes = std::fs::read(&path).unwrap();
    let (heard, file) = (listen(&bytes), as_file(&bytes, "mp2"));
    let info = heard.info.unwrap();
    assert_eq!((info.codec, info.container, info.channels), ("mp2", "mp2", 1));
    assert_eq!(heard.frames.len(), file.len() - 1152);
    assert!(heard.frames[SEAM..] == file[1152 + SEAM..]);
}
