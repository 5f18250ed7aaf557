//! Models of our own lock-free code for loom: a writer and a reader, in every order of events that the memory model allows.
//! `make check-deep` runs them, and that of the tape beside it; other builds do not have them (`sync.rs`).

use std::sync::Arc;

use loom::thread;

use crate::ring::{Memory, ring};
use crate::source::{Fill, Source};
use crate::tap::{Mark, TapReader, tap};
use crate::{Frames, Stereo, feed::feed};

/// Runs a model with at most so many switches that no thread asked for: more finds nothing in practice and takes hours.
pub(crate) fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 10_000;
    builder.check(run);
}

/// A frame that tells its number, from 1: nothing is silence.
pub(crate) fn frame(number: Frames) -> Stereo {
    [number as f32 + 1.0, -(number as f32)]
}

pub(crate) fn frames(range: std::ops::Range<Frames>) -> Vec<Stereo> {
    range.map(frame).collect()
}

/// A reader that knows the end has all there is until there, and never takes an end for one too early.
#[test]
fn the_end_of_a_feed_is_seen_with_all_that_comes_before_it() {
    model(|| {
        let (mut writer, mut reader) = feed(2);
        let wrote = thread::spawn(move || {
            let mut next = 0;
            while next < 3 {
                let pushed = writer.push(&frames(next..3));
                next += pushed as Frames;
                if pushed == 0 {
                    thread::yield_now();
                }
            }
        });
        let mut heard = Vec::new();
        loop {
            let mut out = [[0.0; 2]; 2];
            if let Some(left) = reader.remaining() {
                assert_eq!(reader.available(), left, "the end is known, and not all that is before it");
            }
            let filled = reader.fill(&mut out);
            let (frames, end) = match filled {
                Fill::Full => (2, false),
                Fill::Short { frames } => (frames, false),
                Fill::End { frames } => (frames, true),
            };
            heard.extend_from_slice(&out[..frames]);
            if end {
                break;
            }
            thread::yield_now();
        }
        assert_eq!(heard, frames(0..3));
        wrote.join().unwrap();
    });
}

/// A ring of several pieces gives back what was written, in its order, and has room for as much as it says.
#[test]
fn the_pieces_of_a_ring_follow_one_another() {
    for memory in [Memory::Reserved, Memory::Grown] {
        model(move || {
            let (mut writer, mut reader) = ring(3, memory);
            let wrote = thread::spawn(move || {
                let mut written = 0;
                for count in [3, 2] {
                    let vacant = writer.vacant_len();
                    let pushed = writer.push_slice(&frames(written..written + count));
                    assert!(pushed >= vacant.min(count as usize), "less room than it said");
                    written += pushed as Frames;
                }
                written
            });
            let mut heard = Vec::new();
            let mut read = || {
                let mut out = [[0.0; 2]; 2];
                let (held, popped) = (reader.occupied_len(), reader.pop_slice(&mut out));
                assert!(popped >= held.min(2), "less than it said");
                heard.extend_from_slice(&out[..popped]);
                popped
            };
            // While it is written, and then the rest.
            let _ = (read(), read());
            let written = wrote.join().unwrap();
            while read() > 0 {}
            assert_eq!(heard, frames(0..written));
        });
    }
}

/// Reads what there is, and says at which frame a title was seen. What is not silence is in its place.
fn read(reader: &mut TapReader, position: &mut Frames, title: &mut Option<Frames>) -> usize {
    if let Some(mark) = reader.next_mark() {
        assert_eq!(mark.at, *position, "a title is not at its frame");
        assert!(title.replace(mark.at).is_none());
    }
    let mut out = [[9.0; 2]; 8];
    let (at, frames) = reader.read(&mut out);
    assert_eq!(at, *position);
    for (read, number) in out.iter().take(frames).zip(at..) {
        assert!(*read == frame(number) || *read == [0.0; 2], "frame {number} is {read:?}");
    }
    *position += frames as Frames;
    frames
}

/// What finds no room in a tap is silence in its place, whenever the reader looks, and a title stays at its frame.
#[test]
fn the_timeline_of_a_tap_stays_whole_whatever_is_lost() {
    model(|| {
        let (mut writer, mut reader) = tap(2);
        let wrote = thread::spawn(move || {
            writer.begin(100);
            writer.push(&frames(0..3));
            writer.mark(&Mark { at: 104, metadata: Arc::default() });
            writer.push(&frames(3..5));
            writer.push(&frames(5..6));
            // Whatever is still to be told of comes before this frame.
            (writer, 6)
        });
        if let Some(start) = reader.start() {
            assert_eq!(start, 100);
        }
        let (mut position, mut title) = (0, None);
        for _ in 0..2 {
            // Without a yield: after one loom lets the writer come to its end first.
            read(&mut reader, &mut position, &mut title);
        }
        let (mut writer, mut next) = wrote.join().unwrap();
        assert_eq!(reader.start(), Some(100));
        // Now there is nobody but us: with room the rest comes through.
        for _ in 0..2 {
            while read(&mut reader, &mut position, &mut title) > 0 {}
            writer.push(&frames(next..next + 1));
            next += 1;
        }
        while read(&mut reader, &mut position, &mut title) > 0 {}
        assert_eq!(position, next);
        assert_eq!(title, Some(4));
    });
}

/// The end of a tap is not seen before the last of its frames.
#[test]
fn a_tap_is_finished_when_all_of_it_is_read() {
    model(|| {
        let (mut writer, mut reader) = tap(4);
        let wrote = thread::spawn(move || {
            writer.push(&frames(0..2));
            writer.push(&frames(2..3));
        });
        let mut out = [[0.0; 2]; 4];
        let mut read = 0;
        while !reader.is_finished() {
            read += reader.read(&mut out).1;
            thread::yield_now();
        }
        assert_eq!(read, 3);
        wrote.join().unwrap();
    });
}
