//! The 10 ms grid on which everything is measured.

use airchain_core::Frames;

/// Where in the present 10 ms a measurement is.
pub(super) struct Grid {
    rate_hz: u32,
    frames: Frames,
    blocks: u64,
}

impl Grid {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self { rate_hz, frames: 0, blocks: 0 }
    }

    /// Blocks that are complete.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Frames in the last `count` blocks; in the first `count`, while there are fewer.
    pub(super) fn frames_in(&self, count: u64) -> Frames {
        let last = self.blocks.max(count);
        self.start(last) - self.start(last - count)
    }

    /// Frames that are missing from the present block.
    pub(super) fn room(&self) -> usize {
        (self.start(self.blocks + 1) - self.frames) as usize
    }

    /// Goes on by so many frames, at most [`room`](Self::room); whether they complete the block.
    pub(super) fn pass(&mut self, frames: usize) -> bool {
        self.frames += frames as Frames;
        let complete = self.frames == self.start(self.blocks + 1);
        self.blocks += u64::from(complete);
        complete
    }

    /// Where a block begins. Whole frames, and never a drift at rates that 100 does not divide.
    fn start(&self, block: u64) -> Frames {
        (block * u64::from(self.rate_hz) + 50) / 100
    }
}
