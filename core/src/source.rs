//! Where a deck's audio comes from.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Frames, Stereo};

/// The file whose frames a source gives, each as it was decoded and none left out: for those who can hand on what is in
/// the file instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub path: PathBuf,
    /// What tells it from others that have had, or will have, the same path: whoever opens the path again compares it.
    pub identity: u64,
    /// The frame of the file, after gapless trimming, that the source gives first.
    pub first: Frames,
}

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

    /// Exactly how many frames are left, once all of them are there; `None` while the end is out of sight.
    fn remaining(&self) -> Option<Frames>;

    /// Frames that the next [`fill`](Self::fill) can write without running short. While the end is out of sight, less
    /// than 5 ms of them counts as a source that has run short.
    fn available(&self) -> Frames;

    /// The file that its frames are those of; `None` where they are not, or come from elsewhere.
    fn origin(&self) -> Option<&Arc<Origin>> {
        None
    }
}

/// What the air can be served from without another frame being decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffered {
    /// Frames; none when nothing is on air, [`Frames::MAX`] for what is held in memory and never ends.
    pub frames: Frames,
    /// All of the item is there: that they get fewer is no fault.
    pub end_in_sight: bool,
}

/// Audio held in memory, once or over and over. It cannot run short, which makes it fit for the fallback. Clones share
/// the audio.
#[derive(Clone)]
pub struct MemorySource {
    audio: Arc<[Stereo]>,
    next: usize,
    /// The frame with which it goes on after its end.
    again: Option<usize>,
}

impl MemorySource {
    /// A source of `audio`; empty audio is never looped.
    pub fn new(audio: Arc<[Stereo]>, looped: bool) -> Self {
        let again = (looped && !audio.is_empty()).then_some(0);
        Self { audio, next: 0, again }
    }

    /// The same, going on from frame `from` on each time it comes to its end.
    pub fn looped_from(audio: Arc<[Stereo]>, from: usize) -> Self {
        let again = Some(from).filter(|from| *from < audio.len());
        Self { audio, next: 0, again }
    }
}

impl Source for MemorySource {
    fn fill(&mut self, out: &mut [Stereo]) -> Fill {
        let mut done = 0;
        loop {
            let rest = self.audio.get(self.next..).unwrap_or_default();
            let run = rest.len().min(out.len() - done);
            if let (Some(to), Some(from)) = (out.get_mut(done..done + run), rest.get(..run)) {
                to.copy_from_slice(from);
            }
            self.next += run;
            done += run;
            if done == out.len() {
                return Fill::Full;
            }
            let Some(again) = self.again else { return Fill::End { frames: done } };
            self.next = again;
        }
    }

    fn remaining(&self) -> Option<Frames> {
        match self.again {
            Some(_) => None,
            None => Some(self.audio.len().saturating_sub(self.next) as Frames),
        }
    }

    fn available(&self) -> Frames {
        self.remaining().unwrap_or(Frames::MAX)
    }
}
