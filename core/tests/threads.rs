//! Taps and feeds with their ends on two threads, as on air. `make check-deep` runs this under ThreadSanitizer too.

use std::sync::Arc;
use std::thread::yield_now;

use airchain_core::feed::feed;
use airchain_core::item::Metadata;
use airchain_core::source::{Fill, Source};
use airchain_core::tap::{Mark, tap};
use airchain_core::{Frames, Stereo};

const FRAMES: Frames = 200_000;

/// A frame that tells its number, from 1: nothing is silence.
fn frame(number: Frames) -> Stereo {
    [number as f32 + 1.0, -(number as f32)]
}

fn frames(from: Frames, count: Frames) -> Vec<Stereo> {
    (from..from + count).map(frame).collect()
}

#[test]
fn threads_see_the_end_of_a_feed_with_all_that_comes_before_it() {
    let (mut writer, mut reader) = feed(64);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = 0;
            while next < FRAMES {
                let chunk = frames(next, (next % 37 + 1).min(FRAMES - next));
                next += writer.push(&chunk) as Frames;
                yield_now();
            }
        });
        let (mut heard, mut out) = (0, [[0.0; 2]; 48]);
        loop {
            if let Some(left) = reader.remaining() {
                assert_eq!(reader.available(), left, "the end is known, and not all that is before it");
            }
            let (filled, end) = match reader.fill(&mut out) {
                Fill::Full => (out.len(), false),
                Fill::Short { frames } => (frames, false),
                Fill::End { frames } => (frames, true),
            };
            assert_eq!(out[..filled], frames(heard, filled as Frames));
            heard += filled as Frames;
            if end {
                break;
            }
            yield_now();
        }
        assert_eq!(heard, FRAMES);
    });
}

#[test]
fn threads_keep_the_timeline_of_a_tap_whole_whatever_is_lost() {
    let (mut writer, mut reader) = tap(96);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            writer.begin(1_000);
            let mut next = 0;
            while next < FRAMES {
                let count = (next % 29 + 1).min(FRAMES - next);
                // Each title says which frame it belongs to.
                if next % 50 == 0 {
                    let metadata = Metadata { title: Some(next.to_string()), ..Metadata::default() };
                    writer.mark(&Mark { at: 1_000 + next, metadata: Arc::new(metadata) });
                }
                writer.push(&frames(next, count));
                next += count;
                // Now and then it runs away from the reader.
                if next % 7 != 0 {
                    yield_now();
                }
            }
        });
        let (mut position, mut lost, mut titles) = (0, 0, 0);
        let mut out = [[0.0; 2]; 48];
        while !reader.is_finished() {
            while let Some(mark) = reader.next_mark() {
                let title = mark.metadata.title.as_deref().and_then(|title| title.parse::<Frames>().ok());
                assert!(title == Some(mark.at) && mark.at <= position, "{title:?} at {position}");
                titles += 1;
            }
            let (at, read) = reader.read(&mut out);
            assert_eq!(at, position);
            for (heard, number) in out.iter().take(read).zip(at..) {
                assert!(*heard == frame(number) || *heard == [0.0; 2], "frame {number} is {heard:?}");
                lost += u64::from(*heard == [0.0; 2]);
            }
            position += read as Frames;
            yield_now();
        }
        assert_eq!(reader.start(), Some(1_000));
        // What was lost at the very end is not told of.
        assert!(position <= FRAMES && position + 200_000 > FRAMES, "{position}");
        assert!(lost < position && titles > 0, "{lost} of {position} frames lost, {titles} titles");
    });
}
