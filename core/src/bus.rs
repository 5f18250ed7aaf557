//! The bus: the finished programme, handed to every tap.

use crate::Frames;
use crate::Stereo;
use crate::tap::{Mark, Stretch, TapWriter};

/// Taps that a bus can have.
pub const TAPS: usize = 32;

/// Names a tap within a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TapId(pub u64);

/// A tap to be put on a bus.
pub struct Tap {
    /// Its name.
    pub id: TapId,
    /// Its ring.
    pub writer: TapWriter,
}

pub(crate) struct Bus {
    taps: Vec<Tap>,
    /// Frames by which the bus lags behind the programme: the chain's latency.
    latency: Frames,
    /// The newest change of metadata, on the frames of the bus: what a new tap begins with, and what a tap is told that
    /// had no room for it. It also holds the metadata, so that none is ever freed here.
    title: Option<Mark>,
    /// The newest stretch, on the frames of the bus: what a new tap begins with. It holds the origin as `title` does the
    /// metadata.
    stretch: Stretch,
}

impl Bus {
    pub(crate) fn new(latency: Frames) -> Self {
        Self { taps: Vec::with_capacity(TAPS), latency, title: None, stretch: Stretch::default() }
    }

    /// Puts a tap on the bus at frame `at`, which is frame `into` of the block that is rendered. Gives it
    /// back when there is no room.
    pub(crate) fn add(&mut self, mut tap: Tap, at: Frames, into: Frames) -> Option<Tap> {
        if self.taps.len() >= TAPS {
            return Some(tap);
        }
        tap.writer.begin(at);
        tap.writer.pass_over(into as usize);
        if let Some(title) = &self.title {
            tap.writer.mark(title);
        }
        tap.writer.stretch(&self.stretch);
        self.taps.push(tap);
        None
    }

    pub(crate) fn remove(&mut self, id: TapId) -> Option<Tap> {
        let index = self.taps.iter().position(|tap| tap.id == id)?;
        Some(self.taps.swap_remove(index))
    }

    /// Announces a change of metadata, placed on the programme's frames. Gives back the one before, to be retired.
    pub(crate) fn mark(&mut self, mark: Mark) -> Option<Mark> {
        let title = Mark { at: mark.at + self.latency, metadata: mark.metadata };
        for tap in &mut self.taps {
            tap.writer.mark(&title);
        }
        self.title.replace(title)
    }

    /// Announces a stretch, placed on the programme's frames. Gives back the one before.
    pub(crate) fn stretch(&mut self, stretch: Stretch) -> Stretch {
        let stretch = Stretch { at: stretch.at + self.latency, ..stretch };
        for tap in &mut self.taps {
            tap.writer.stretch(&stretch);
        }
        std::mem::replace(&mut self.stretch, stretch)
    }

    pub(crate) fn push(&mut self, block: &[Stereo]) {
        for tap in &mut self.taps {
            if let Some(title) = self.title.as_ref().filter(|_| tap.writer.lacks_title()) {
                tap.writer.mark(title);
            }
            tap.writer.push(block);
        }
    }
}
