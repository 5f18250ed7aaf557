//! Taps: rings that carry the bus to encoders and meters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::item::Metadata;
use crate::{Frames, Stereo};

/// From `at` on, a tap's audio belongs to this metadata.
#[derive(Clone, Debug)]
pub struct Mark {
    /// First frame: of the programme on its way to a tap, of the tap once read from it.
    pub at: Frames,
    /// What it belongs to.
    pub metadata: Arc<Metadata>,
}

/// Title changes that may be under way in one tap at once.
const MARKS: usize = 64;
/// The start of a tap that is not yet on a bus.
const NOT_BEGUN: u64 = u64::MAX;

/// What both ends of a tap see.
struct Shared {
    /// Position on the bus of the tap's frame 0.
    start: AtomicU64,
    /// Frames that found no room.
    lost: AtomicU64,
}

/// Makes a tap whose ring holds `capacity` frames.
pub fn tap(capacity: usize) -> (TapWriter, TapReader) {
    let (frames_in, frames_out) = HeapRb::<Stereo>::new(capacity.max(1)).split();
    let (marks_in, marks_out) = HeapRb::<Mark>::new(MARKS).split();
    let shared = Arc::new(Shared { start: AtomicU64::new(NOT_BEGUN), lost: AtomicU64::new(0) });
    let writer = TapWriter { frames: frames_in, marks: marks_in, shared: Arc::clone(&shared), start: 0 };
    let reader = TapReader { frames: frames_out, marks: marks_out, shared, position: 0, lost_seen: 0 };
    (writer, reader)
}

/// The air thread's end of a tap.
pub struct TapWriter {
    frames: HeapProd<Stereo>,
    marks: HeapProd<Mark>,
    shared: Arc<Shared>,
    start: Frames,
}

impl TapWriter {
    /// Says that the tap's first frame is frame `start` of the bus.
    pub fn begin(&mut self, start: Frames) {
        self.start = start;
        self.shared.start.store(start, Ordering::Release);
    }

    /// Hands on a block. A reader that has fallen a whole ring behind loses what does not fit; how much is counted.
    pub fn push(&mut self, block: &[Stereo]) {
        let pushed = self.frames.push_slice(block);
        if pushed < block.len() {
            self.shared.lost.fetch_add((block.len() - pushed) as u64, Ordering::Release);
        }
    }

    /// Hands on a change of metadata at a frame of the bus, before the block that holds that frame. `false` when
    /// there is no room.
    pub fn mark(&mut self, mut mark: Mark) -> bool {
        mark.at = mark.at.saturating_sub(self.start);
        match self.marks.try_push(mark) {
            Ok(()) => true,
            Err(refused) => {
                // The item on air holds the metadata too, so this drop never frees.
                drop(refused);
                false
            }
        }
    }

    /// Whether nobody reads any more.
    pub fn is_abandoned(&self) -> bool {
        !self.frames.read_is_held()
    }
}

/// An encoder's or meter's end of a tap.
pub struct TapReader {
    frames: HeapCons<Stereo>,
    marks: HeapCons<Mark>,
    shared: Arc<Shared>,
    position: Frames,
    lost_seen: u64,
}

impl TapReader {
    /// Position on the bus of the tap's first frame; `None` until the air thread has taken it on.
    pub fn start(&self) -> Option<Frames> {
        Some(self.shared.start.load(Ordering::Acquire)).filter(|start| *start != NOT_BEGUN)
    }

    /// Reads up to `out.len()` frames; says how many, and where in the tap they begin.
    ///
    /// A read stops short of the next pending [`Mark`], so a caller that takes [`next_mark`](Self::next_mark)
    /// before each read sees every title change at its frame.
    pub fn read(&mut self, out: &mut [Stereo]) -> (Frames, usize) {
        let until_mark = self.marks.first().map_or(Frames::MAX, |mark| mark.at.saturating_sub(self.position));
        let wanted = out.len().min(usize::try_from(until_mark).unwrap_or(usize::MAX));
        let start = self.position;
        let frames = self.frames.pop_slice(&mut out[..wanted]);
        self.position += frames as Frames;
        (start, frames)
    }

    /// The title change at the present position, if there is one.
    pub fn next_mark(&mut self) -> Option<Mark> {
        if self.marks.first().is_some_and(|mark| mark.at <= self.position) {
            self.marks.try_pop()
        } else {
            None
        }
    }

    /// Frames ready to be read.
    pub fn available(&self) -> usize {
        self.frames.occupied_len()
    }

    /// Frames lost to a full ring since last asked. The reader that hears of a loss puts silence in its place, so
    /// that the timeline stays whole.
    pub fn take_lost(&mut self) -> Frames {
        let lost = self.shared.lost.load(Ordering::Acquire);
        let fresh = lost - self.lost_seen;
        self.lost_seen = lost;
        self.position += fresh;
        fresh
    }

    /// Whether the writer is gone and everything has been read.
    pub fn is_finished(&self) -> bool {
        !self.frames.write_is_held() && self.frames.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_marks() {
        let (mut writer, mut reader) = tap(16);
        writer.begin(1000);
        assert!(writer.mark(Mark { at: 1003, metadata: Arc::default() }));
        writer.push(&[[1.0; 2]; 8]);
        let mut out = [[0.0; 2]; 16];
        assert!(reader.next_mark().is_none());
        assert_eq!(reader.read(&mut out), (0, 3));
        assert_eq!(reader.next_mark().map(|m| m.at), Some(3));
        assert_eq!(reader.read(&mut out), (3, 5));
    }

    #[test]
    fn overflow_is_counted_and_the_timeline_stays_whole() {
        let (mut writer, mut reader) = tap(4);
        writer.push(&[[1.0; 2]; 6]);
        let mut out = [[0.0; 2]; 16];
        assert_eq!(reader.read(&mut out), (0, 4));
        assert_eq!(reader.take_lost(), 2);
        writer.push(&[[1.0; 2]; 1]);
        assert_eq!(reader.read(&mut out), (6, 1));
        drop(writer);
        assert!(reader.is_finished());
    }
}
