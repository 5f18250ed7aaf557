//! Taps: rings that carry the bus to encoders and meters.

use std::sync::Arc;

use crate::item::Metadata;
use crate::ring::{Memory, RingReader, RingWriter, ring};
use crate::source::Origin;
use crate::sync::{AtomicU64, Consumer, HeapCons, HeapProd, HeapRb, Observer, Ordering, Producer, Split};
use crate::units::SILENCE;
use crate::{Frames, Stereo};

/// From `at` on, a tap's audio belongs to this metadata.
#[derive(Clone, Debug)]
pub struct Mark {
    /// First frame: of the programme on its way to a tap, of the tap once read from it.
    pub at: Frames,
    /// What it belongs to.
    pub metadata: Arc<Metadata>,
}

/// From `at` on, and until the next stretch, a tap's audio is that of one file, as it is in the file: alone, at its own
/// level, and nothing is done to it. Or it is not.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// First frame, as in a [`Mark`].
    pub at: Frames,
    /// The file; `None` where it is anything else.
    pub of: Option<Part>,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub struct Part {
    /// The file.
    pub origin: Arc<Origin>,
    /// The frame of it, after gapless trimming, that is the first of the stretch.
    pub frame: Frames,
}

/// Frames that found no room in a tap.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// Where in the tap they are missing.
    at: Frames,
    frames: Frames,
}

/// Title changes that may be under way in one tap at once.
const MARKS: usize = 64;
/// Stretches that may be under way in one tap at once; while there are more, the audio counts as that of no file.
const STRETCHES: usize = 64;
/// Losses that may be under way in one tap at once; what comes while there are more is lost too.
const GAPS: usize = 64;
/// The start of a tap that is not yet on a bus.
const NOT_BEGUN: u64 = u64::MAX;

/// What both ends of a tap see.
struct Shared {
    /// Position on the bus of the tap's frame 0.
    start: AtomicU64,
}

/// Makes a tap whose ring holds `capacity` frames.
pub fn tap(capacity: usize) -> (TapWriter, TapReader) {
    let (frames_in, frames_out) = ring(capacity, Memory::Reserved);
    let (marks_in, marks_out) = HeapRb::<Mark>::new(MARKS).split();
    let (stretches_in, stretches_out) = HeapRb::<Stretch>::new(STRETCHES).split();
    let (gaps_in, gaps_out) = HeapRb::<Gap>::new(GAPS).split();
    let shared = Arc::new(Shared { start: AtomicU64::new(NOT_BEGUN) });
    let writer = Writer {
        frames: frames_in,
        marks: marks_in,
        stretches: stretches_in,
        gaps: gaps_in,
        shared: Arc::clone(&shared),
        start: 0,
        written: 0,
        lost: 0,
        lacks_title: false,
        early: 0,
        is_of_file: false,
    };
    let reader = TapReader {
        frames: frames_out,
        marks: marks_out,
        stretches: stretches_out,
        gaps: gaps_out,
        shared,
        position: 0,
        silenced: 0,
        lost: 0,
    };
    (TapWriter(Box::new(writer)), reader)
}

/// The air thread's end of a tap.
///
/// A pointer: it goes through rings that have thousands of places for it.
pub struct TapWriter(Box<Writer>);

struct Writer {
    frames: RingWriter,
    marks: HeapProd<Mark>,
    stretches: HeapProd<Stretch>,
    gaps: HeapProd<Gap>,
    shared: Arc<Shared>,
    start: Frames,
    /// Frames handed on, those of the gaps told of included.
    written: Frames,
    /// Frames that have found no room since, of which the reader has not been told.
    lost: Frames,
    /// The newest change of metadata has found no room.
    lacks_title: bool,
    /// Frames of the next block that come before the first.
    early: usize,
    /// The stretch handed on last is of a file.
    is_of_file: bool,
}

impl TapWriter {
    /// Says that the tap's first frame is frame `start` of the bus.
    pub fn begin(&mut self, start: Frames) {
        self.0.start = start;
        self.0.shared.start.store(start, Ordering::Release);
    }

    /// Says that the first `frames` of the next block come before the tap's first.
    pub(crate) fn pass_over(&mut self, frames: usize) {
        self.0.early = frames;
    }

    /// Hands on a block. A reader that has fallen a whole ring behind loses what does not fit, and reads silence in
    /// its place.
    pub fn push(&mut self, block: &[Stereo]) {
        let block = block.get(std::mem::take(&mut self.0.early)..).unwrap_or_default();
        if self.0.lost > 0 {
            // The reader must know of the gap before it sees what comes after it.
            let gap = Gap { at: self.0.written, frames: self.0.lost };
            if self.0.frames.vacant_len() == 0 || self.0.gaps.try_push(gap).is_err() {
                self.0.lost += block.len() as Frames;
                return;
            }
            self.0.written += self.0.lost;
        }
        let pushed = self.0.frames.push_slice(block);
        self.0.written += pushed as Frames;
        self.0.lost = (block.len() - pushed) as Frames;
    }

    /// Hands on a change of metadata at a frame of the bus, before the block that holds that frame. Without room for it
    /// the tap [lacks its title](Self::lacks_title).
    pub fn mark(&mut self, mark: &Mark) {
        let mark = Mark { at: mark.at.saturating_sub(self.0.start), metadata: Arc::clone(&mark.metadata) };
        // Whoever gave it holds the metadata too, so dropping a refused one never frees.
        self.0.lacks_title = self.0.marks.try_push(mark).is_err();
    }

    /// Hands on a stretch that begins at a frame of the bus, before the block that holds that frame. One of a file leaves
    /// room for its end to be told; without that much room it is told as one of none.
    pub fn stretch(&mut self, stretch: &Stretch) {
        let part = stretch.of.as_ref().filter(|_| self.0.stretches.vacant_len() >= 2);
        if part.is_none() && !self.0.is_of_file {
            return;
        }
        self.0.is_of_file = part.is_some();
        let early = self.0.start.saturating_sub(stretch.at);
        let at = stretch.at.saturating_sub(self.0.start);
        let of = part.map(|part| Part { origin: Arc::clone(&part.origin), frame: part.frame + early });
        // Whoever gave it holds the origin too, so dropping a refused one never frees.
        let _ = self.0.stretches.try_push(Stretch { at, of });
    }

    /// Whether the newest change of metadata found no room and is to be handed on again.
    pub fn lacks_title(&self) -> bool {
        self.0.lacks_title
    }

    /// Whether nobody reads any more.
    pub fn is_abandoned(&self) -> bool {
        !self.0.frames.read_is_held()
    }
}

/// An encoder's or meter's end of a tap.
pub struct TapReader {
    frames: RingReader,
    marks: HeapCons<Mark>,
    stretches: HeapCons<Stretch>,
    gaps: HeapCons<Gap>,
    shared: Arc<Shared>,
    position: Frames,
    /// Frames of the first gap that have been read as silence, or passed over.
    silenced: Frames,
    /// Frames of all gaps so far.
    lost: Frames,
}

impl TapReader {
    /// Position on the bus of the tap's first frame; `None` until the air thread has taken it on.
    pub fn start(&self) -> Option<Frames> {
        Some(self.shared.start.load(Ordering::Acquire)).filter(|start| *start != NOT_BEGUN)
    }

    /// Reads up to `out.len()` frames; says how many, and where in the tap they begin.
    ///
    /// A read stops short of the next pending [`Mark`], so a caller that takes [`next_mark`](Self::next_mark)
    /// before each read sees every title change at its frame. Frames that were lost to a full ring are read as
    /// silence, so that the timeline stays whole.
    pub fn read(&mut self, out: &mut [Stereo]) -> (Frames, usize) {
        // In this order: of every frame that is there its gap is known then, and of every frame and gap the marks.
        let there = self.frames.occupied_len();
        let gap = self.gaps.first().copied();
        let start = self.position;
        let until = |at: Frames| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
        let wanted = self.marks.first().map_or(out.len(), |mark| until(mark.at).min(out.len()));
        let frames = match gap.filter(|gap| gap.at + self.silenced <= start) {
            Some(gap) => {
                let left = usize::try_from(gap.frames - self.silenced).unwrap_or(usize::MAX);
                let frames = wanted.min(left);
                out.iter_mut().take(frames).for_each(|frame| *frame = SILENCE);
                self.pass(gap, frames as Frames);
                frames
            }
            None => {
                let wanted = gap.map_or(wanted, |gap| until(gap.at).min(wanted)).min(there);
                self.frames.pop_slice(out.get_mut(..wanted).unwrap_or_default())
            }
        };
        self.position += frames as Frames;
        (start, frames)
    }

    /// Passes over what was lost from the present position on; the number of frames. A title that belongs to them is due
    /// then.
    pub fn skip_lost(&mut self) -> Frames {
        let gap = self.gaps.first().copied().filter(|gap| gap.at + self.silenced <= self.position);
        let frames = gap.map_or(0, |gap| {
            let left = gap.frames - self.silenced;
            self.pass(gap, left);
            left
        });
        self.position += frames;
        frames
    }

    /// Notes that so many frames of the first gap are behind the reader.
    fn pass(&mut self, gap: Gap, frames: Frames) {
        self.silenced += frames;
        self.lost += frames;
        if self.silenced == gap.frames {
            self.gaps.try_pop();
            self.silenced = 0;
        }
    }

    /// Frames that were lost so far: read as silence, or passed over.
    pub fn lost(&self) -> Frames {
        self.lost
    }

    /// The title change at the present position, if there is one.
    pub fn next_mark(&mut self) -> Option<Mark> {
        if self.marks.first().is_some_and(|mark| mark.at <= self.position) {
            self.marks.try_pop()
        } else {
            None
        }
    }

    /// The next stretch. Of all the frames that were read before, the stretches are known; those of later ones may be.
    pub fn next_stretch(&mut self) -> Option<Stretch> {
        self.stretches.try_pop()
    }

    /// Frames ready to be read.
    pub fn available(&self) -> usize {
        self.frames.occupied_len()
    }

    /// Whether the writer is gone and everything has been read.
    pub fn is_finished(&self) -> bool {
        !self.frames.write_is_held() && self.frames.occupied_len() == 0 && self.gaps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_marks() {
        let (mut writer, mut reader) = tap(16);
        writer.begin(1000);
        writer.mark(&Mark { at: 1003, metadata: Arc::default() });
        writer.push(&[[1.0; 2]; 8]);
        let mut out = [[0.0; 2]; 16];
        assert!(reader.next_mark().is_none());
        assert_eq!(reader.read(&mut out), (0, 3));
        assert_eq!(reader.next_mark().map(|m| m.at), Some(3));
        assert_eq!(reader.read(&mut out), (3, 5));
    }

    #[test]
    fn what_was_lost_is_silence_and_the_timeline_stays_whole() {
        let (mut writer, mut reader) = tap(4);
        writer.push(&[[1.0; 2]; 6]);
        writer.push(&[[1.0; 2]; 3]);
        let mut out = [[0.5; 2]; 16];
        assert_eq!(reader.read(&mut out[..2]), (0, 2));
        // What comes next has its place behind the loss, also when it is there before the rest is read.
        writer.mark(&Mark { at: 10, metadata: Arc::default() });
        writer.push(&[[0.25; 2]; 2]);
        writer.push(&[[0.25; 2]; 1]);
        assert_eq!(reader.read(&mut out), (2, 2));
        assert_eq!(out[..2], [[1.0; 2]; 2]);
        assert_eq!(reader.read(&mut out[..3]), (4, 3));
        assert_eq!(out[..3], [[0.0; 2]; 3]);
        assert_eq!(reader.read(&mut out), (7, 2));
        assert_eq!(out[..2], [[0.0; 2]; 2]);
        assert_eq!(reader.read(&mut out), (9, 1));
        assert_eq!(reader.next_mark().map(|mark| mark.at), Some(10));
        assert_eq!(reader.read(&mut out), (10, 1));
        assert_eq!(out[0], [0.25; 2]);
        writer.push(&[[0.5; 2]; 1]);
        assert_eq!(reader.read(&mut out), (11, 1));
        assert_eq!(reader.read(&mut out), (12, 1));
        drop(writer);
        assert!(reader.is_finished());
        assert_eq!(reader.lost(), 2 + 3 + 1);
    }

    #[test]
    fn what_was_lost_can_be_passed_over() {
        let (mut writer, mut reader) = tap(4);
        writer.push(&[[1.0; 2]; 6]);
        let mut out = [[0.5; 2]; 16];
        assert_eq!(reader.skip_lost(), 0, "what is there comes first");
        assert_eq!(reader.read(&mut out), (0, 4));
        writer.push(&[[0.25; 2]; 2]);
        assert_eq!(reader.skip_lost(), 2);
        assert_eq!(reader.read(&mut out), (6, 2));
        assert_eq!((out[0], reader.skip_lost(), reader.lost()), ([0.25; 2], 0, 2));
    }
}
