//! A ring of frames that takes memory for what it holds, not for all that it could.
//!
//! It is made of pieces, small rings themselves. The writer fills one; when that is full it goes on with another, the one
//! that came back from the reader last: so a ring that is hardly ever more than a quarter full touches hardly more than a
//! quarter of its memory, again and again, and the rest of it stays in the cache. One writer, one reader, no locks.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::{AtomicU64, Consumer, HeapCons, HeapProd, HeapRb, Observer, Ordering, Producer, Split};
use crate::{Frames, Stereo};

/// When the memory of a ring is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// All of it at once: the writer never allocates. What is not written to is not resident, as systems go.
    Reserved,
    /// By the writer, piece by piece, as it is needed.
    Grown,
}

impl Memory {
    /// Frames in a piece.
    const fn piece(self) -> usize {
        match self {
            // The models have every order of events of a few frames.
            _ if cfg!(airchain_loom) => 2,
            // Small, so that few more are touched than are needed: 16 KiB.
            Self::Reserved => 2048,
            // Large, so that an allocator can give them back to the system one by one: whole pages, 64 KiB, with what it adds.
            Self::Grown => 8160,
        }
    }
}

/// Makes a ring that holds `capacity` frames (at least one).
pub(crate) fn ring(capacity: usize, memory: Memory) -> (RingWriter, RingReader) {
    let capacity = capacity.max(1);
    let piece = capacity.min(memory.piece());
    // The writer needs another only when its own is full and the ring is not. Of those that are not back by then, the
    // reader's may be empty and all the others are full.
    let most = (capacity - 1) / piece + 2;
    let (handed_in, handed_out) = HeapRb::new(most).split();
    let (emptied_in, emptied_out) = HeapRb::new(most).split();
    let shared = Arc::new(Shared { written: AtomicU64::new(0), read: AtomicU64::new(0) });
    let mut writer = RingWriter {
        shared: Arc::clone(&shared),
        capacity,
        written: 0,
        read: 0,
        piece,
        most,
        memory,
        ends: VecDeque::with_capacity(most),
        free: Vec::with_capacity(most),
        handed: handed_in,
        emptied: emptied_out,
    };
    let reader = RingReader { shared, read: 0, piece: None, handed: handed_out, emptied: emptied_in };
    if memory == Memory::Reserved {
        writer.free.extend((0..most).map(|_| HeapRb::new(piece).split()));
    }
    (writer, reader)
}

/// How far both ends are, in frames.
struct Shared {
    written: AtomicU64,
    read: AtomicU64,
}

/// The end that writes.
pub(crate) struct RingWriter {
    shared: Arc<Shared>,
    capacity: usize,
    written: Frames,
    /// How far the reader was when there was last too little room: it has come no less far since.
    read: Frames,
    /// Frames in a piece.
    piece: usize,
    /// Pieces that there can be.
    most: usize,
    memory: Memory,
    /// Of the pieces that the reader has or is to have, in their order. The last is being filled.
    ends: VecDeque<HeapProd<Stereo>>,
    /// Pieces that hold nothing; the one that came back last is the last.
    free: Vec<(HeapProd<Stereo>, HeapCons<Stereo>)>,
    /// To the reader, and back. Both have room for all the pieces there can be.
    handed: HeapProd<HeapCons<Stereo>>,
    emptied: HeapCons<HeapCons<Stereo>>,
}

impl RingWriter {
    /// Frames the ring can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Frames written and not yet read.
    pub(crate) fn occupied_len(&self) -> usize {
        // Acquire: pieces that were read before are back. (There are never more than `capacity`.)
        self.written.saturating_sub(self.shared.read.load(Ordering::Acquire)) as usize
    }

    /// Frames for which there is room now.
    pub(crate) fn vacant_len(&self) -> usize {
        self.capacity.saturating_sub(self.occupied_len())
    }

    /// Frames written since the ring was made.
    pub(crate) fn written(&self) -> Frames {
        self.written
    }

    /// Whether there is a reader.
    pub(crate) fn read_is_held(&self) -> bool {
        self.handed.read_is_held()
    }

    /// Writes as much of `frames` as there is room for and says how much that was.
    pub(crate) fn push_slice(&mut self, frames: &[Stereo]) -> usize {
        let wanted = frames.len().min(self.room_for(frames.len()));
        let mut done = 0;
        while let Some(rest) = frames.get(done..wanted).filter(|rest| !rest.is_empty()) {
            let pushed = self.ends.back_mut().map_or(0, |end| end.push_slice(rest));
            done += pushed;
            if pushed == 0 && !self.go_on() {
                break;
            }
        }
        self.written += done as Frames;
        // Release: a reader that sees the number also sees the frames, and the pieces they are in.
        self.shared.written.store(self.written, Ordering::Release);
        done
    }

    /// Frames for which there is room; if that is no less than `wanted`, there may be more. The reader's count is in another
    /// processor's cache most of the time, so it is only looked at where the last look does not do.
    fn room_for(&mut self, wanted: usize) -> usize {
        let room = |read| self.capacity.saturating_sub(self.written.saturating_sub(read) as usize);
        if room(self.read) < wanted {
            // Acquire: pieces that were read before are back.
            self.read = self.shared.read.load(Ordering::Acquire);
        }
        room(self.read)
    }

    /// Hands the reader another piece, to be filled from now on.
    fn go_on(&mut self) -> bool {
        while let Some(reader) = self.emptied.try_pop() {
            // They come back in their order.
            self.free.extend(self.ends.pop_front().map(|end| (end, reader)));
        }
        let grows = self.memory == Memory::Grown && self.ends.len() < self.most;
        let new = || grows.then(|| HeapRb::new(self.piece).split());
        let Some((end, reader)) = self.free.pop().or_else(new) else { return false };
        match self.handed.try_push(reader) {
            Ok(()) => self.ends.push_back(end),
            Err(reader) => self.free.push((end, reader)),
        }
        true
    }
}

/// The end that reads.
pub(crate) struct RingReader {
    shared: Arc<Shared>,
    read: Frames,
    /// The piece being read.
    piece: Option<HeapCons<Stereo>>,
    handed: HeapCons<HeapCons<Stereo>>,
    emptied: HeapProd<HeapCons<Stereo>>,
}

impl RingReader {
    /// Frames written and not yet read.
    pub(crate) fn occupied_len(&self) -> usize {
        self.shared.written.load(Ordering::Acquire).saturating_sub(self.read) as usize
    }

    /// Frames read since the ring was made.
    pub(crate) fn read(&self) -> Frames {
        self.read
    }

    /// Whether there is a writer. Once there is none, all that was written is there.
    pub(crate) fn write_is_held(&self) -> bool {
        self.handed.write_is_held()
    }

    /// Fills as much of `out` as there is and says how much that was.
    pub(crate) fn pop_slice(&mut self, out: &mut [Stereo]) -> usize {
        let wanted = out.len().min(self.occupied_len());
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..wanted).filter(|rest| !rest.is_empty()) {
            let popped = self.piece.as_mut().map_or(0, |piece| piece.pop_slice(rest));
            done += popped;
            // There is more, and not here: the writer has left this piece.
            if popped == 0 && !self.go_on() {
                break;
            }
        }
        self.read += done as Frames;
        // Release: the writer finds the pieces that were emptied before.
        self.shared.read.store(self.read, Ordering::Release);
        done
    }

    /// Gives back the piece that is empty and takes the next.
    fn go_on(&mut self) -> bool {
        let Some(next) = self.handed.try_pop() else { return false };
        // It has room for all the pieces there can be, so nothing is freed here.
        self.piece.replace(next).map(|empty| self.emptied.try_push(empty));
        true
    }
}

#[cfg(all(test, not(airchain_loom)))]
mod tests {
    use super::*;

    /// Numbers that look like chance: Numerical Recipes' generator.
    struct Dice(u32);

    impl Dice {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as usize % bound
        }
    }

    fn frames(from: Frames, count: usize) -> Vec<Stereo> {
        (from..from + count as Frames).map(|number| [number as f32, -(number as f32)]).collect()
    }

    /// Writes and reads by chance, up to so much at a time, and has all that is held checked. Returns the pieces that were
    /// used at most.
    fn traffic(capacity: usize, memory: Memory, write: usize, read: usize, turns: u32) -> usize {
        let (mut writer, mut reader) = ring(capacity, memory);
        let mut dice = Dice(1);
        let mut most = 0;
        for _ in 0..turns {
            let held = (writer.written() - reader.read()) as usize;
            assert_eq!((writer.occupied_len(), reader.occupied_len()), (held, held));
            assert_eq!(writer.vacant_len(), capacity - held);
            let pushed = dice.below(write + 1);
            let next = frames(writer.written(), pushed);
            assert_eq!(writer.push_slice(&next), pushed.min(capacity - held), "with {held} held");
            most = most.max(writer.ends.len());
            let mut out = vec![[0.5; 2]; dice.below(read + 1)];
            let (at, held) = (reader.read(), reader.occupied_len());
            let popped = reader.pop_slice(&mut out);
            assert_eq!(popped, out.len().min(held));
            assert!(out.iter().take(popped).eq(&frames(at, popped)), "from {at} on");
        }
        most
    }

    #[test]
    fn holds_what_it_is_to_hold_and_gives_it_back_in_order() {
        for memory in [Memory::Reserved, Memory::Grown] {
            let piece = memory.piece();
            for capacity in [1, 2, 480, piece - 1, piece, piece + 1, 2 * piece, 5 * piece + 7] {
                // Mostly full, mostly empty, and both in turn.
                traffic(capacity, memory, capacity, capacity / 2, 400);
                traffic(capacity, memory, capacity / 2, capacity, 400);
                traffic(capacity, memory, 480, 9_600, 400);
            }
        }
    }

    #[test]
    fn takes_memory_for_what_it_holds() {
        let second = 48_000;
        for memory in [Memory::Reserved, Memory::Grown] {
            let pieces = traffic(second, memory, 480, 960, 20_000);
            // What it held at most, and where it lies across their ends.
            assert!(pieces * memory.piece() <= 16_000 + 2 * memory.piece(), "{pieces} pieces, {memory:?}");
        }
        let (mut writer, _reader) = ring(10 * second, Memory::Grown);
        writer.push_slice(&frames(0, second));
        assert_eq!(writer.ends.len(), second.div_ceil(Memory::Grown.piece()));
    }

    #[test]
    fn pieces_that_came_back_are_used_again_before_fresh_ones() {
        let piece = Memory::Reserved.piece();
        let (mut writer, mut reader) = ring(6 * piece, Memory::Reserved);
        let all = writer.free.len();
        let mut out = vec![[0.0; 2]; 2 * piece];
        for _ in 0..50 {
            writer.push_slice(&frames(writer.written(), 2 * piece));
            assert_eq!(reader.pop_slice(&mut out), 2 * piece);
            // Its own, the reader's, and one more where they lie across its ends.
            assert!(writer.free.len() + 3 >= all, "{} of {all} are left", writer.free.len());
        }
    }
}
