//! Where a deck's audio comes from.

use crate::{Frames, Stereo};

/// What one [`Source::fill`] achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Every frame asked for was written.
    Full,
    /// Only the first `frames` were written: nothing more is there yet (an underrun).
    Short {
        /// Frames written.
        frames: usize,
    },
    /// Only the first `frames` were written and no more will ever come.
    End {
        /// Frames written.
        frames: usize,
    },
}

/// A supply of frames at the station's rate, read by the air thread.
///
/// An implementation never allocates, frees, locks, panics or makes a system call in these methods.
pub trait Source: Send {
    /// Writes the next frames to the front of `out`; what it does not reach is left as it was.
    fn fill(&mut self, out: &mut [Stereo]) -> Fill;

    /// Exactly how many frames are left, once that is certain; `None` while the end is out of sight.
    fn remaining(&self) -> Option<Frames>;

    /// Frames that the next [`fill`](Self::fill) can write without running short.
    fn available(&self) -> Frames;
}
