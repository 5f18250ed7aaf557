//! The bus: the finished programme, handed to every tap.

use crate::Frames;
use crate::Stereo;
use crate::tap::{Mark, TapWriter};

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
}

impl Bus {
    pub(crate) fn new(latency: Frames) -> Self {
        Self { taps: Vec::with_capacity(TAPS), latency }
    }

    pub(crate) fn add(&mut self, mut tap: Tap, at: Frames) -> Result<(), Tap> {
        if self.taps.len() >= TAPS {
            return Err(tap);
        }
        tap.writer.begin(at);
        self.taps.push(tap);
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: TapId) -> Option<Tap> {
        let index = self.taps.iter().position(|tap| tap.id == id)?;
        Some(self.taps.swap_remove(index))
    }

    /// Announces a change of metadata, placed on the programme's frames.
    pub(crate) fn mark(&mut self, mark: &Mark) {
        for tap in &mut self.taps {
            tap.writer.mark(Mark { at: mark.at + self.latency, metadata: mark.metadata.clone() });
        }
    }

    pub(crate) fn push(&mut self, block: &[Stereo]) {
        for tap in &mut self.taps {
            tap.writer.push(block);
        }
    }
}
