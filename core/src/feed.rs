//! The feed ring: decoded frames on their way from a decode worker to a deck.
//!
//! One writer, one reader, no locks. The writer closes the ring after its last frame, so the reader sees the true
//! end of an item as soon as the decoder has found it, a ring's length ahead. That is what crossfades are planned
//! by: a declared duration can lie, the end of the decoded audio cannot.
//!
//! The writer asks for memory as the ring fills up: an item that only waits takes little.

use std::sync::Arc;

use crate::ring::{Memory, RingReader, RingWriter, ring};
use crate::source::{Fill, Origin, Source};
use crate::sync::{AtomicU64, Ordering};
use crate::{Frames, Stereo};

const OPEN: u64 = u64::MAX;

/// Makes a feed ring that holds `capacity` frames (at least one).
pub fn feed(capacity: usize) -> (FeedWriter, FeedReader) {
    let (ring_in, ring_out) = ring(capacity, Memory::Grown);
    let total = Arc::new(AtomicU64::new(OPEN));
    let writer = FeedWriter { ring: ring_in, total: Arc::clone(&total) };
    let reader = FeedReader { ring: ring_out, total, origin: None };
    (writer, reader)
}

/// The decode worker's end of a feed ring. Dropping it closes the ring.
pub struct FeedWriter {
    ring: RingWriter,
    total: Arc<AtomicU64>,
}

impl FeedWriter {
    /// Frames for which there is room now.
    pub fn vacant(&self) -> usize {
        self.ring.vacant_len()
    }

    /// Frames written and not yet read.
    pub fn buffered(&self) -> usize {
        self.ring.occupied_len()
    }

    /// Frames the ring can hold.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Frames written since the ring was made.
    pub fn written(&self) -> Frames {
        self.ring.written()
    }

    /// Writes as much of `frames` as there is room for and says how much that was.
    pub fn push(&mut self, frames: &[Stereo]) -> usize {
        self.ring.push_slice(frames)
    }

    /// Marks the end: what is in the ring is all there will be.
    pub fn close(&mut self) {
        // Release: a reader that sees the total also sees every frame counted in it.
        self.total.store(self.ring.written(), Ordering::Release);
    }

    /// Whether the reader is gone, so that decoding on is wasted work.
    pub fn is_abandoned(&self) -> bool {
        !self.ring.read_is_held()
    }
}

impl Drop for FeedWriter {
    fn drop(&mut self) {
        self.close();
    }
}

/// The deck's end of a feed ring.
pub struct FeedReader {
    ring: RingReader,
    total: Arc<AtomicU64>,
    origin: Option<Arc<Origin>>,
}

impl FeedReader {
    /// Says which file its frames are those of.
    pub fn set_origin(&mut self, origin: Arc<Origin>) {
        self.origin = Some(origin);
    }
}

impl Source for FeedReader {
    fn fill(&mut self, out: &mut [Stereo]) -> Fill {
        let remaining = self.remaining();
        let frames = self.ring.pop_slice(out);
        match remaining {
            _ if frames == out.len() => Fill::Full,
            Some(left) if left == frames as Frames => Fill::End { frames },
            _ => Fill::Short { frames },
        }
    }

    fn remaining(&self) -> Option<Frames> {
        match self.total.load(Ordering::Acquire) {
            OPEN => None,
            total => Some(total.saturating_sub(self.ring.read())),
        }
    }

    fn available(&self) -> Frames {
        self.ring.occupied_len() as Frames
    }

    fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_known_as_soon_as_the_writer_closes() {
        let (mut writer, mut reader) = feed(8);
        let mut out = [[0.0; 2]; 4];
        assert_eq!(writer.push(&[[0.5, -0.5]; 6]), 6);
        assert_eq!(reader.remaining(), None);
        assert_eq!(reader.fill(&mut out), Fill::Full);
        assert_eq!(out, [[0.5, -0.5]; 4]);
        writer.close();
        assert_eq!(reader.remaining(), Some(2));
        assert_eq!(reader.fill(&mut out), Fill::End { frames: 2 });
        assert_eq!(reader.fill(&mut out), Fill::End { frames: 0 });
    }

    #[test]
    fn an_underrun_is_short_and_a_dropped_reader_is_noticed() {
        let (mut writer, mut reader) = feed(4);
        writer.push(&[[1.0; 2]; 1]);
        let mut out = [[0.0; 2]; 3];
        assert_eq!(reader.fill(&mut out), Fill::Short { frames: 1 });
        assert!(!writer.is_abandoned());
        drop(reader);
        assert!(writer.is_abandoned());
    }
}
