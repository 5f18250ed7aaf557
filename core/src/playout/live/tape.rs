//! The tape: the newest audio of a live source, on its way from its input to the decks.
//!
//! A ring whose writer never waits: it writes over the oldest. Positions on it count the frames ever pushed, so a reader
//! can begin anywhere, two readers can stand at the same frame, and nothing is moved when a source goes on air. Each
//! frame is one atomic word; a reader that is overtaken reads a mixture of old and new, and is told.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::item::Metadata;
use crate::sync::{AtomicBool, AtomicU64, Ordering, fence};
use crate::{Frames, Stereo};

/// Nobody reads the tape.
const NOBODY: Frames = Frames::MAX;
/// Titles that can be under way; more than that in one buffer's time are nobody's to read.
const TITLES: usize = 32;

/// What a live source's writer, readers and slot share.
pub(super) struct Tape {
    frames: Box<[AtomicU64]>,
    /// Position up to which the writer may have begun to write.
    claimed: AtomicU64,
    /// Position up to which frames are there.
    written: AtomicU64,
    /// Nothing more will be written.
    closed: AtomicBool,
    /// Nobody will ever read it.
    abandoned: AtomicBool,
    /// Position behind the last sound.
    sounded: AtomicU64,
    /// Frames that were sound.
    sound: AtomicU64,
    /// Position from which frames may be put on air: there is a hole in what was before.
    origin: AtomicU64,
    /// Position of the next frame to be heard, while on air.
    heard: AtomicU64,
    /// Titles, by the position of the first frame they belong to. The air thread does not touch them.
    titles: Mutex<VecDeque<(Frames, Metadata)>>,
}

impl Tape {
    /// A tape that keeps at least the last `frames` frames.
    pub(super) fn new(frames: Frames) -> Self {
        let length = usize::try_from(frames).unwrap_or(usize::MAX / 2).next_power_of_two();
        Self {
            frames: (0..length).map(|_| AtomicU64::new(0)).collect(),
            claimed: AtomicU64::new(0),
            written: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            sounded: AtomicU64::new(0),
            sound: AtomicU64::new(0),
            origin: AtomicU64::new(0),
            heard: AtomicU64::new(NOBODY),
            titles: Mutex::new(VecDeque::with_capacity(TITLES)),
        }
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "the length is a power of two, so that the mask keeps within it"
    )]
    fn word(&self, at: Frames) -> &AtomicU64 {
        &self.frames[at as usize & (self.frames.len() - 1)]
    }

    /// Appends `frames`. There is one writer.
    pub(super) fn write(&self, frames: &[Stereo]) {
        let from = self.written.load(Ordering::Relaxed);
        let to = from + frames.len() as Frames;
        self.claimed.store(to, Ordering::Relaxed);
        // A reader that sees any of the new frames also sees that they were claimed.
        fence(Ordering::Release);
        for (frame, at) in frames.iter().zip(from..) {
            let [left, right] = frame.map(|sample| u64::from(sample.to_bits()));
            self.word(at).store(left << 32 | right, Ordering::Relaxed);
        }
        self.written.store(to, Ordering::Release);
    }

    /// The frame at a position that is written.
    pub(super) fn frame(&self, at: Frames) -> Stereo {
        let word = self.word(at).load(Ordering::Relaxed);
        [f32::from_bits((word >> 32) as u32), f32::from_bits(word as u32)]
    }

    /// Whether the frames from `at` on, just read, were still those that were written there.
    pub(super) fn still_holds(&self, at: Frames) -> bool {
        fence(Ordering::Acquire);
        self.claimed.load(Ordering::Relaxed).saturating_sub(at) <= self.frames.len() as Frames
    }

    /// Position up to which frames are there. Once [`is_closed`](Self::is_closed) was seen it does not change.
    pub(super) fn written(&self) -> Frames {
        self.written.load(Ordering::Acquire)
    }

    /// Marks the end: what is written is all there will be.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Notes that of the frames written so far the last `quiet` were quiet, and that `sound` more were sound.
    pub(super) fn note_sound(&self, quiet: Frames, sound: Frames) {
        self.sounded.store(self.written().saturating_sub(quiet), Ordering::Relaxed);
        self.sound.fetch_add(sound, Ordering::Relaxed);
    }

    /// For how many frames it has been quiet.
    pub(super) fn quiet(&self) -> Frames {
        let sounded = self.sounded.load(Ordering::Relaxed);
        self.written().saturating_sub(sounded)
    }

    /// Frames that were sound, ever.
    pub(super) fn sound(&self) -> Frames {
        self.sound.load(Ordering::Relaxed)
    }

    /// Position from which frames may be put on air.
    pub(super) fn origin(&self) -> Frames {
        self.origin.load(Ordering::Relaxed)
    }

    /// Lets nothing before `at` go on air any more. Not while a reader is out that has not begun.
    pub(super) fn set_origin(&self, at: Frames) {
        self.origin.store(at, Ordering::Relaxed);
    }

    /// Position of the next frame to be heard, while on air.
    pub(super) fn heard(&self) -> Option<Frames> {
        Some(self.heard.load(Ordering::Relaxed)).filter(|at| *at != NOBODY)
    }

    pub(super) fn set_heard(&self, at: Option<Frames>) {
        self.heard.store(at.unwrap_or(NOBODY), Ordering::Relaxed);
    }

    /// Gives the frames written from now on a title.
    pub(super) fn title(&self, metadata: Metadata) {
        let at = self.written();
        let mut titles = self.titles();
        if titles.len() == TITLES {
            titles.pop_front();
        }
        titles.push_back((at, metadata));
    }

    /// The titles that have not been taken, in order.
    pub(super) fn titles(&self) -> MutexGuard<'_, VecDeque<(Frames, Metadata)>> {
        // A title is written whole or not at all, whatever panicked meanwhile.
        self.titles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_frames_are_kept_and_an_overtaken_reader_is_told() {
        let tape = Tape::new(8);
        let frames: Vec<Stereo> = (0..12).map(|n| [n as f32, -(n as f32)]).collect();
        tape.write(&frames[..5]);
        assert_eq!((tape.frame(0), tape.still_holds(0)), ([0.0, -0.0], true));
        tape.write(&frames[5..]);
        assert_eq!(tape.written(), 12);
        assert_eq!((tape.frame(4), tape.still_holds(4)), ([4.0, -4.0], true));
        assert!(!tape.still_holds(3));
    }

    /// A writer that overtakes its reader over and over: what the reader was not told of is what was written.
    #[test]
    fn what_was_not_overtaken_is_whole() {
        let tape = Tape::new(64);
        let sample = |n: Frames| [(n % 65_536) as f32, -((n / 65_536) as f32)];
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for from in (0..).step_by(16).take_while(|_| !tape.is_closed()) {
                    let chunk: Vec<Stereo> = (from..from + 16).map(sample).collect();
                    tape.write(&chunk);
                }
            });
            let (mut whole, mut torn, mut wrong) = (0, 0, None);
            while wrong.is_none() && (whole < 2_000 || torn < 20) {
                let to = tape.written();
                let from = to.saturating_sub(64);
                let read: Vec<Stereo> = (from..to).map(|n| tape.frame(n)).collect();
                if tape.still_holds(from) {
                    whole += 1;
                    wrong = (!read.into_iter().eq((from..to).map(sample))).then_some(from);
                } else {
                    torn += 1;
                }
            }
            // Before anything fails: the writer goes on until it is closed.
            tape.close();
            // A join that ThreadSanitizer sees, which that of the scope is not.
            assert!(writer.join().is_ok());
            assert_eq!(wrong, None, "frames that were written over were called whole");
        });
    }
}

#[cfg(all(test, airchain_loom))]
mod models {
    use std::sync::Arc;

    use loom::thread;

    use super::*;
    use crate::models::{frame, frames, model};

    /// A reader that is told that nothing was written over has what was written.
    #[test]
    fn what_a_tape_still_holds_is_what_was_written() {
        model(|| {
            let tape = Arc::new(Tape::new(2));
            let writer = Arc::clone(&tape);
            let wrote = thread::spawn(move || {
                writer.write(&frames(0..2));
                writer.write(&frames(2..3));
                writer.close();
            });
            let closed = tape.is_closed();
            let to = tape.written();
            let from = to.saturating_sub(2);
            let read: Vec<Stereo> = (from..to).map(|at| tape.frame(at)).collect();
            if tape.still_holds(from) {
                assert_eq!(read, frames(from..to), "frames that were written over were called whole");
            }
            assert!(!closed || to == 3, "it was closed, and more was written");
            wrote.join().unwrap();
            assert_eq!(tape.written(), 3);
            assert_eq!((tape.frame(1), tape.frame(2)), (frame(1), frame(2)));
        });
    }
}
