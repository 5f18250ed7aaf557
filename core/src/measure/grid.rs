//! The 10 ms grid on which everything is measured.

use crate::Frames;

/// Where in the present 10 ms a measurement is.
pub struct Grid {
    rate_hz: u32,
    frames: Frames,
    blocks: u64,
}

impl Grid {
    /// A grid at its start. From 100 Hz up every block has a frame.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz, frames: 0, blocks: 0 }
    }

    /// Blocks that are complete.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Frames in the last `count` blocks; in the first `count`, while there are fewer.
    pub fn frames_in(&self, count: u64) -> Frames {
        let last = self.blocks.max(count);
        self.start(last) - self.start(last - count)
    }

    /// Frames that are missing from the present block.
    pub fn room(&self) -> usize {
        (self.start(self.blocks + 1) - self.frames) as usize
    }

    /// Frames in the present block so far.
    pub fn into_block(&self) -> Frames {
        self.frames - self.start(self.blocks)
    }

    /// Goes on by so many frames, at most [`room`](Self::room); whether they complete the block.
    pub fn pass(&mut self, frames: usize) -> bool {
        self.frames += frames as Frames;
        let complete = self.frames == self.start(self.blocks + 1);
        self.blocks += u64::from(complete);
        complete
    }

    fn start(&self, block: u64) -> Frames {
        block_start(self.rate_hz, block)
    }
}

/// Where a block of 10 ms begins at a rate, in frames. Whole frames, and never a drift at rates that 100 does not divide.
pub fn block_start(rate_hz: u32, block: u64) -> Frames {
    (block * u64::from(rate_hz) + 50) / 100
}
