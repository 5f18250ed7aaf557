//! What every codec's encoder needs: input cut into blocks of the codec's size, and packets stamped on the grid.

use airchain_core::Stereo;
use bytes::Bytes;

use crate::packet::Packet;

/// Cuts frames into blocks of one size, however they arrive: what makes an encoder's output independent of how its
/// input was divided.
pub(super) struct Blocks {
    size: usize,
    /// Size of the block that is being filled.
    filling: usize,
    held: Vec<Stereo>,
}

impl Blocks {
    /// Blocks of `size` frames, at least 1.
    pub(super) fn new(size: usize) -> Self {
        Self::after(size, size)
    }

    /// A block of `first` frames, then blocks of `size`.
    pub(super) fn after(first: usize, size: usize) -> Self {
        Self { size: size.max(1), filling: first.max(1), held: Vec::with_capacity(size) }
    }

    /// Takes frames and hands each block that is complete to `each`.
    pub(super) fn feed<E>(
        &mut self,
        mut frames: &[Stereo],
        mut each: impl FnMut(&[Stereo]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !frames.is_empty() {
            let (now, later) = frames.split_at(frames.len().min(self.filling - self.held.len()));
            frames = later;
            if now.len() == self.filling {
                self.filling = self.size;
                each(now)?;
                continue;
            }
            self.held.extend_from_slice(now);
            if self.held.len() == self.filling {
                self.filling = self.size;
                let outcome = each(&self.held);
                self.held.clear();
                outcome?;
            }
        }
        Ok(())
    }

    /// The frames that fill no block.
    pub(super) fn take_rest(&mut self) -> Vec<Stereo> {
        std::mem::take(&mut self.held)
    }
}

/// Stamps packets of one size with their positions, the codec's delay taken off.
pub(super) struct Grid {
    next: i64,
    frames: u32,
    taken: i64,
    last: bool,
}

impl Grid {
    /// Packets of `frames` frames; decoded audio is late by `delay`.
    pub(super) fn new(frames: u32, delay: u32) -> Self {
        Self { next: -i64::from(delay), frames, taken: 0, last: false }
    }

    /// Notes frames that went into the codec.
    pub(super) fn take(&mut self, frames: usize) {
        self.taken += frames as i64;
    }

    /// No more frames will come: packets now end where the programme does.
    pub(super) fn close(&mut self) {
        self.last = true;
    }

    /// Whether the packets so far reach to the end of what was taken.
    pub(super) fn complete(&self) -> bool {
        self.next >= self.taken || self.taken == 0
    }

    /// Stamps a packet; `None` once the programme is complete and it holds nothing but padding.
    pub(super) fn stamp(&mut self, data: Bytes) -> Option<Packet> {
        if self.last && self.complete() {
            return None;
        }
        let pts = self.next;
        self.next += i64::from(self.frames);
        let end = if self.last { self.next.min(self.taken) } else { self.next };
        Some(Packet { data, pts, duration: (end - pts) as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_depend_on_the_partition() {
        let frames: Vec<Stereo> = (0..1000).map(|i| [i as f32, -(i as f32)]).collect();
        for step in [1, 7, 64, 100, 999, 1000] {
            let (mut blocks, mut seen) = (Blocks::after(10, 64), Vec::new());
            for part in frames.chunks(step) {
                blocks
                    .feed(part, |block| {
                        assert_eq!(block.len(), if seen.is_empty() { 10 } else { 64 });
                        seen.extend_from_slice(block);
                        Ok::<_, ()>(())
                    })
                    .unwrap();
            }
            seen.extend(blocks.take_rest());
            assert_eq!(seen, frames, "in steps of {step}");
        }
    }

    #[test]
    fn the_last_packet_ends_with_the_programme() {
        let mut grid = Grid::new(1000, 300);
        grid.take(1500);
        assert_eq!(grid.stamp(Bytes::new()).map(|p| (p.pts, p.duration)), Some((-300, 1000)));
        grid.close();
        assert_eq!(grid.stamp(Bytes::new()).map(|p| (p.pts, p.duration)), Some((700, 800)));
        assert_eq!(grid.stamp(Bytes::new()), None);
    }
}
