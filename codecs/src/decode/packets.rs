//! Packets as they are in a file, on the timeline that its decoder has.

use std::path::Path;

use super::reader::Reader;
use super::track::Track;
use super::{DecodeError, Decoder, TrackInfo};

/// A file of which the packets are wanted and not what they decode to.
pub(crate) struct Packets {
    reader: Reader,
    info: TrackInfo,
    offset: i64,
    broken: bool,
}

impl Packets {
    pub(crate) fn open(path: &Path) -> Result<Self, DecodeError> {
        // What a file really holds, and where its timeline begins, is known once its first packet is decoded.
        let track = Track::open(path)?;
        let reader = Reader::open(path)?;
        Ok(Self { reader, info: track.info().clone(), offset: track.origin(), broken: false })
    }

    /// What is known of the file.
    pub(crate) fn info(&self) -> &TrackInfo {
        &self.info
    }

    /// The codec's set-up, where the container holds one.
    pub(crate) fn config(&self) -> Option<&[u8]> {
        self.reader.params.extra_data.as_deref()
    }

    /// Goes to a packet at or before `frame` of the timeline; to the first one when `frame` is before it.
    pub(crate) fn seek(&mut self, frame: i64) {
        let units = self.reader.to_units(frame.saturating_sub(self.offset), self.info.sample_rate_hz);
        self.broken |= units > 0 && self.reader.seek(units).is_none();
    }

    /// The next packet, and the frame of the timeline that it begins with. `None` when there is none, or anything is
    /// wrong.
    pub(crate) fn next_packet(&mut self) -> Option<(Box<[u8]>, i64)> {
        let packet = self.reader.next().ok().filter(|_| !self.broken);
        self.broken |= packet.is_none();
        let packet = packet?;
        let position = self.reader.to_frames(packet.pts.get(), self.info.sample_rate_hz);
        Some((packet.data, position.saturating_add(self.offset)))
    }
}
