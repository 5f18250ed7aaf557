//! The file feed: exact frames, exact cue points, exact ends.

use std::f64::consts::TAU;
use std::path::Path;

use airchain_core::feed::FeedReader;
use airchain_core::item::Item;
use airchain_core::source::{Fill, Source};
use airchain_core::units::convert_frames;
use airchain_core::{Frames, Stereo};
use airchain_inputs::file::{FeedConfig, FileFeed, InputError, Opened, Pump};
use testkit::file::float_wav;

fn tone(hz: f64, rate: u32, frames: std::ops::Range<usize>) -> Vec<Stereo> {
    let step = TAU * hz / f64::from(rate);
    frames.map(|i| (step * i as f64).sin_cos()).map(|(s, c)| [0.5 * s as f32, 0.5 * c as f32]).collect()
}

fn item(path: &Path) -> Item {
    Item::file(path.to_str().expect("utf-8"))
}

/// Everything that an item feeds, pumped and read in turn.
fn all(opened: Opened) -> (Vec<Stereo>, Option<String>) {
    let Opened { mut feed, mut reader, .. } = opened;
    let mut frames = Vec::new();
    let mut block = [[0.0; 2]; 441];
    loop {
        let pump = feed.pump();
        loop {
            match reader.fill(&mut block) {
                Fill::Full => frames.extend(block),
                Fill::Short { frames: count } => {
                    frames.extend(&block[..count]);
                    break;
                }
                Fill::End { frames: count } => {
                    frames.extend(&block[..count]);
                    assert_eq!(pump, Pump::Done);
                    return (frames, feed.take_damage());
                }
            }
        }
    }
}

fn open(item: &Item, rate_hz: u32) -> Opened {
    FileFeed::open(item, &FeedConfig { rate_hz, lookahead: 20_000, head: None, after: None })
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn cue_points_are_exact_to_the_frame_of_the_file() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    let frames = tone(440.0, 44_100, 0..100_000);
    float_wav(&path, 44_100, &frames);
    for (cue_in_s, cue_out_s, range) in [
        (None, None, 0..100_000),
        (Some(0.5), None, 22_050..100_000),
        (Some(1.000_01), Some(1.999_99), 44_100..88_200),
        (None, Some(0.001), 0..44),
        (Some(2.0), Some(100.0), 88_200..100_000),
        (Some(3.0), None, 0..0),
    ] {
        let item = Item { cue_in_s, cue_out_s, ..item(&path) };
        let opened = open(&item, 44_100);
        assert_eq!(opened.length, Some(range.len() as Frames), "{cue_in_s:?} {cue_out_s:?}");
        let (back, damage) = all(opened);
        assert!(back == frames[range.clone()], "{cue_in_s:?} {cue_out_s:?}: {} frames", back.len());
        assert_eq!(damage, None);
        let resampled = open(&item, 48_000);
        let wanted = convert_frames(range.len() as Frames, 44_100, 48_000);
        assert_eq!(resampled.length, Some(wanted));
        assert_eq!(all(resampled).0.len() as Frames, wanted, "{cue_in_s:?} {cue_out_s:?}");
    }
}

#[test]
fn the_end_is_seen_as_soon_as_the_last_frame_is_in_the_ring() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    float_wav(&path, 44_100, &tone(440.0, 44_100, 0..30_000));
    for rate_hz in [44_100, 48_000] {
        let length = convert_frames(30_000, 44_100, rate_hz);
        // A ring that holds it all to the frame is closed when it is full.
        let config = FeedConfig { rate_hz, lookahead: length, head: None, after: None };
        let Opened { mut feed, reader, .. } = FileFeed::open(&item(&path), &config).expect("it opens");
        let mut pumps = 0;
        while feed.pump() == Pump::Worked {
            pumps += 1;
        }
        assert!(pumps < 20, "{pumps} pumps");
        assert_eq!(reader.remaining(), Some(length));
        assert_eq!(feed.pump(), Pump::Done);
        // One frame too small, and the end is out of sight until a frame is read.
        let config = FeedConfig { rate_hz, lookahead: length - 1, head: None, after: None };
        let Opened { mut feed, mut reader, .. } = FileFeed::open(&item(&path), &config).expect("it opens");
        while feed.pump() == Pump::Worked {}
        assert_eq!(feed.pump(), Pump::Full);
        assert_eq!(feed.buffered() as Frames, length - 1);
        assert_eq!(reader.remaining(), None);
        assert_eq!(reader.fill(&mut [[0.0; 2]; 1]), Fill::Full);
        assert_eq!(feed.pump(), Pump::Done);
        assert_eq!(reader.remaining(), Some(length - 1));
    }
}

#[test]
fn a_long_item_that_waits_holds_its_head_and_a_short_one_all_of_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    float_wav(&path, 48_000, &tone(440.0, 48_000, 0..100_000));
    let full = |lookahead| {
        let config = FeedConfig { rate_hz: 48_000, lookahead, head: Some(12_000), after: None };
        let mut opened = FileFeed::open(&item(&path), &config).expect("it opens");
        while opened.feed.pump() == Pump::Worked {}
        opened
    };
    let Opened { mut feed, mut reader, .. } = full(60_000);
    // A pump moves 100 ms.
    assert!((12_000..12_000 + 2 * 4_800).contains(&feed.buffered()), "{}", feed.buffered());
    assert!(feed.waits() && feed.pump() == Pump::Full);
    assert_eq!(reader.fill(&mut [[0.0; 2]; 1]), Fill::Full);
    while feed.pump() == Pump::Worked {}
    assert_eq!(feed.buffered(), 60_000);
    let Opened { mut feed, reader, .. } = full(60_000);
    drop(reader);
    assert!(!feed.waits() && feed.pump() == Pump::Abandoned);
    let Opened { feed, reader, .. } = full(100_000);
    assert!(!feed.waits());
    assert_eq!(reader.remaining(), Some(100_000));
}

#[test]
fn the_result_does_not_depend_on_the_ring() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    float_wav(&path, 44_100, &tone(440.0, 44_100, 0..50_000));
    let reference = all(open(&item(&path), 48_000)).0;
    for lookahead in [1, 480, 100_000] {
        let config = FeedConfig { rate_hz: 48_000, lookahead, head: None, after: None };
        let opened = FileFeed::open(&item(&path), &config).expect("it opens");
        assert!(all(opened).0 == reference, "ring of {lookahead}");
    }
}

#[test]
fn a_reader_that_is_gone_stops_the_work() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    float_wav(&path, 44_100, &tone(440.0, 44_100, 0..50_000));
    let Opened { mut feed, reader, .. } = open(&item(&path), 48_000);
    drop::<FeedReader>(reader);
    assert_eq!(feed.pump(), Pump::Abandoned);
}

#[test]
fn a_cut_file_plays_to_its_end_and_says_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("tone.wav");
    float_wav(&path, 44_100, &tone(440.0, 44_100, 0..50_000));
    let bytes = std::fs::read(&path).expect("it can be read");
    std::fs::write(&path, &bytes[..44 + 8 * 20_000]).expect("the file can be written");
    let (frames, damage) = all(open(&item(&path), 44_100));
    assert_eq!(frames.len(), 20_000);
    assert!(damage.is_some());
}

#[test]
fn what_cannot_be_played_is_refused_by_name() {
    let config = FeedConfig { rate_hz: 48_000, lookahead: 48_000, head: None, after: None };
    let refused = |item: &Item| FileFeed::open(item, &config).err().expect("it is refused");
    let missing = refused(&Item::file("/nowhere/song.mp3"));
    assert!(missing.to_string().contains("/nowhere/song.mp3"), "{missing}");
    let url = refused(&Item::file("http://user:secret@example.org/song.mp3"));
    assert!(matches!(url, InputError::Url { .. }) && !url.to_string().contains("secret"), "{url}");
    let odd = refused(&Item { cue_in_s: Some(-1.0), ..Item::file("song.mp3") });
    assert!(odd.to_string().contains("cue_in_s"), "{odd}");
}

#[test]
fn file_urls_are_paths() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("a tone.wav");
    float_wav(&path, 48_000, &tone(440.0, 48_000, 0..1_000));
    let url = format!("file://{}", path.display().to_string().replace(' ', "%20"));
    assert_eq!(all(open(&Item::file(url), 48_000)).0.len(), 1_000);
}
