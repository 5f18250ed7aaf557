//! Ogg: links of a chain, their titles, and pages that are missing.

use airchain_codecs::container;
use airchain_core::Stereo;

use crate::encode_support::{mux, tool};
use crate::kit::{Dice, SEAM, as_file, chained, difference, feed, listen, packets, steepest, stream, titled};

/// Formats, and how near to one another two decoders come that began at different places.
const FORMATS: [(&str, &str, u32, f32); 6] = [
    ("opus:96k", "opus", 48_000, 0.01),
    ("opus:64k/mono", "opus", 48_000, 0.01),
    ("vorbis:q4@44100", "vorbis", 44_100, 0.0),
    ("vorbis:abr96k", "vorbis", 48_000, 0.0),
    ("flac", "flac", 48_000, 0.0),
    ("flac:24@44100", "flac", 44_100, 0.0),
];

/// The pages of a stream.
fn pages(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut pages, mut rest) = (Vec::new(), bytes);
    while rest.len() > 27 {
        let segments = usize::from(rest[26]);
        let length = 27 + segments + rest[27..27 + segments].iter().map(|l| usize::from(*l)).sum::<usize>();
        let (page, later) = rest.split_at(length);
        pages.push(page);
        rest = later;
    }
    pages
}

/// Where the first page is that holds audio.
fn first_audio(pages: &[&[u8]]) -> usize {
    pages.iter().position(|page| page[6..14].iter().any(|byte| *byte != 0)).unwrap()
}

#[test]
fn what_is_heard_is_what_a_file_gives() {
    for (format, codec, rate, _) in FORMATS {
        let bytes = stream(format, 2.0);
        let (heard, file) = (listen(&bytes), as_file(&bytes, "ogg"));
        let info = heard.info.unwrap();
        assert_eq!((info.codec, info.container, info.sample_rate_hz), (codec, "ogg", rate), "{format}");
        assert_eq!((heard.rates, heard.damage), (vec![(0, rate)], None), "{format}");
        assert_eq!(heard.titles, [(0, titled("Sweep"))], "{format}");
        // Opus says where it ends, and so does FLAC; of Vorbis the encoder's word is taken.
        assert_eq!(heard.frames.len(), file.len(), "{format}");
        assert!(heard.frames == file, "{format}: differs by {}", difference(&heard.frames, &file));
    }
}

#[test]
fn links_follow_without_a_gap_and_titles_come_at_their_frame() {
    for (format, _, _, allowed) in FORMATS {
        let (info, packets) = packets(format, 4.0);
        let changes = [packets.len() / 4, packets.len() / 2, packets.len() * 3 / 4];
        let plain = listen(&mux(container::for_stream(&info), &titled("Title 0"), &packets));
        let bytes = chained(container::for_stream(&info), &packets, &changes);
        let heard = listen(&bytes);
        assert_eq!(heard.damage, None, "{format}");
        assert_eq!(heard.frames.len(), plain.frames.len(), "{format}");
        let worst = difference(&heard.frames, &plain.frames);
        assert!(worst <= allowed, "{format}: differs by {worst}");
        // What is heard ends where the last packet does.
        let start = packets.last().unwrap().end() - heard.frames.len() as i64;
        let starts = changes.map(|index| (packets[index].pts - start) as usize);
        let places: Vec<usize> = heard.titles.iter().map(|(at, _)| *at).collect();
        assert_eq!(places, [&[0], &starts[..]].concat(), "{format}");
        for (index, (_, title)) in heard.titles.iter().enumerate() {
            assert_eq!(*title, titled(&format!("Title {index}")), "{format}");
        }
        // And files of links give the same.
        let file = as_file(&bytes, "ogg");
        assert_eq!(file.len(), heard.frames.len(), "{format}");
        assert!(difference(&file, &heard.frames) == 0.0, "{format}");
    }
}

#[test]
fn how_it_is_cut_makes_no_difference() {
    for (format, ..) in FORMATS {
        let (info, packets) = packets(format, 0.7);
        let bytes = chained(container::for_stream(&info), &packets, &[packets.len() / 2]);
        let whole = feed(&bytes, || bytes.len());
        for seed in 0..4 {
            let mut dice = Dice::new(seed);
            let heard = feed(&bytes, || if seed == 0 { 1 } else { 1 + dice.below(3000) });
            assert!(heard.frames == whole.frames && heard.titles == whole.titles, "{format}, cut by {seed}");
        }
    }
}

#[test]
fn one_may_join_in_the_middle_of_a_link() {
    for (format, _, rate, allowed) in FORMATS {
        let bytes = stream(format, 3.0);
        let whole = listen(&bytes).frames;
        let pages = pages(&bytes);
        let audio = first_audio(&pages);
        // As Icecast serves it: the headers, then what is on air.
        for first in [audio + 1, audio + 5, pages.len() / 2] {
            let heard = listen(&[&pages[..audio], &pages[first..]].concat().concat());
            assert_eq!((heard.damage, heard.titles.len()), (None, 1), "{format} from page {first}");
            let tail = &whole[whole.len() - heard.frames.len()..];
            let worst = difference(&heard.frames[SEAM..], &tail[SEAM..]);
            assert!(worst <= 2.0 * allowed, "{format} from page {first}: differs by {worst}");
            assert!(steepest(&heard.frames) <= 1.2 * steepest(&whole), "{format} from page {first}");
            let begins = (whole.len() - heard.frames.len()) as f64 / f64::from(rate);
            let page_begins = 3.0 * (first - audio) as f64 / (pages.len() - audio) as f64;
            assert!(begins < page_begins + 0.45, "{format} from page {first}: begins at {begins} s");
        }
    }
}

#[test]
fn without_headers_the_next_link_is_waited_for() {
    for (format, _, _, allowed) in FORMATS {
        let (info, packets) = packets(format, 3.0);
        let bytes = chained(container::for_stream(&info), &packets, &[packets.len() / 2]);
        let whole = listen(&bytes);
        let second = whole.titles[1].0;
        let mut dice = Dice::new(3);
        for _ in 0..8 {
            let from = 60 + dice.below(bytes.len() / 3);
            let heard = listen(&bytes[from..]);
            assert_eq!(heard.titles, [(0, titled("Title 1"))], "{format} from {from}");
            assert_eq!(heard.frames.len(), whole.frames.len() - second, "{format} from {from}");
            let worst = difference(&heard.frames, &whole.frames[second..]);
            assert!(worst <= allowed, "{format} from {from}: differs by {worst}");
        }
    }
}

/// Checks what is heard of a stream with a hole against the whole of it.
fn check_mended(heard: &[Stereo], whole: &[Stereo], lost: usize, allowed: f32, context: &str) {
    let missing = whole.len() - heard.len();
    assert!(missing <= lost, "{context}: {missing} frames are missing");
    let sure = whole.len() / 3;
    let start = difference(&heard[..sure], &whole[..sure]);
    let end = difference(&heard[heard.len() - sure..], &whole[whole.len() - sure..]);
    assert!(start == 0.0 && end <= allowed, "{context}: start differs by {start}, end by {end}");
    let (steep, usual) = (steepest(heard), steepest(whole));
    assert!(steep <= 1.25 * usual, "{context}: jumps by {steep}, usually by {usual}");
}

#[test]
fn lost_pages_are_counted_and_got_over() {
    for (format, _, rate, allowed) in FORMATS {
        let bytes = stream(format, 4.0);
        let whole = listen(&bytes).frames;
        let pages = pages(&bytes);
        let middle = pages.len() / 2;
        let page_frames = rate as usize / 5;
        let without = [&pages[..middle], &pages[middle + 2..]].concat().concat();
        let heard = listen(&without);
        check_mended(&heard.frames, &whole, 3 * page_frames, allowed, format);
        assert_eq!(heard.damage.as_deref(), Some("2 Ogg pages are missing"), "{format}");
        // A flipped bit is a lost page too.
        let mut flipped = bytes.clone();
        flipped[pages[..middle].concat().len() + 60] ^= 4;
        let heard = listen(&flipped);
        check_mended(&heard.frames, &whole, 2 * page_frames, allowed, format);
        let damage = heard.damage.unwrap();
        assert!(damage.contains("bytes that are no audio") && damage.contains("1 Ogg pages"), "{damage}");
    }
}

#[test]
fn garbage_is_got_over() {
    for (format, _, rate, allowed) in FORMATS {
        let bytes = stream(format, 4.0);
        let whole = listen(&bytes).frames;
        for seed in 0..4 {
            let mut dice = Dice::new(seed);
            let at = bytes.len() * 11 / 20 + dice.below(bytes.len() / 20);
            let garbage: Vec<u8> = (0..4096).map(|_| dice.below(256) as u8).collect();
            let heard = listen(&[&bytes[..at], &garbage, &bytes[at..]].concat());
            let context = format!("{format}, garbage {seed} at {at}");
            check_mended(&heard.frames, &whole, rate as usize / 2, allowed, &context);
        }
        // Between two pages it does no harm at all.
        let pages = pages(&bytes);
        let (start, end) = pages.split_at(pages.len() / 2);
        let heard = listen(&[&start.concat(), &[0x55; 4096][..], &end.concat()].concat());
        assert!(heard.frames == whole, "{format}");
        assert_eq!(heard.damage.as_deref(), Some("4096 bytes that are no audio were skipped"), "{format}");
    }
}

#[test]
fn a_link_may_have_another_rate_codec_or_channels() {
    let mut all = Vec::new();
    let mut expected: Vec<Stereo> = Vec::new();
    let mut rates = Vec::new();
    for format in ["vorbis:q4@44100", "vorbis:q4@22050/mono", "flac@44100", "opus:64k/mono", "opus:96k"] {
        let bytes = stream(format, 1.0);
        let heard = listen(&bytes);
        if rates.last().is_none_or(|(_, rate)| *rate != heard.rates[0].1) {
            rates.push((expected.len(), heard.rates[0].1));
        }
        all.extend(bytes);
        expected.extend(heard.frames);
    }
    let heard = listen(&all);
    assert!(heard.frames == expected);
    assert_eq!((heard.rates, heard.damage), (rates, None));
    // A source that goes away without a word leaves a link without an end.
    let bytes = stream("opus:96k", 1.0);
    let pages = pages(&bytes);
    let heard = listen(&[&pages[..pages.len() - 1].concat(), &bytes[..]].concat());
    assert_eq!(heard.damage, None);
}

#[test]
fn streams_of_other_programs_play() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("tone.wav");
    let made = ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=997:r=44100:d=3", "-ac", "2"];
    tool("ffmpeg", &made, &wav);
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    tool("oggenc", &["--quiet", "-t", "A tone", "-o", &path("oggenc.ogg")], &wav);
    let ffmpeg = |codec: &str, name: &str| {
        let (from, to) = (path("tone.wav"), folder.path().join(name));
        tool("ffmpeg", &["-nostdin", "-v", "error", "-i", &from, "-c:a", codec, "-f", "ogg"], &to);
    };
    ffmpeg("flac", "ffmpeg-flac.ogg");
    ffmpeg("libopus", "ffmpeg-opus.ogg");
    ffmpeg("libvorbis", "ffmpeg-vorbis.ogg");
    for name in ["oggenc.ogg", "ffmpeg-flac.ogg", "ffmpeg-opus.ogg", "ffmpeg-vorbis.ogg"] {
        let bytes = read(name);
        let (heard, file) = (listen(&bytes), as_file(&bytes, "ogg"));
        assert_eq!(heard.damage, None, "{name}");
        assert_eq!(heard.frames.len(), file.len(), "{name}");
        assert!(heard.frames == file, "{name}: differs by {}", difference(&heard.frames, &file));
    }
    assert_eq!(listen(&read("oggenc.ogg")).titles[0].1.title.as_deref(), Some("A tone"));
}
