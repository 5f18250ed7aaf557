//! A segment and how it is put together: pure, no clock and no files.
//!
//! A title stands before the packet that holds its frame, and again at the start of each segment for those who join.

use std::sync::Arc;

use airchain_codecs::container::segment::SegmentError;
use airchain_codecs::container::ts::TsMuxer;
use airchain_codecs::packet::{Packet, StreamInfo};
use airchain_core::item::Metadata;

use crate::upcoming::Upcoming;

/// A complete segment.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The transport stream.
    pub(crate) data: Vec<u8>,
    /// Position of its first frame.
    pub(crate) start: i64,
    /// Position after its last.
    pub(crate) end: i64,
    /// It does not continue the one before.
    pub(crate) discontinuity: bool,
}

/// Puts packets into segments; whoever calls it knows where they end.
pub(crate) struct Builder {
    muxer: TsMuxer,
    data: Vec<u8>,
    start: i64,
    end: i64,
    /// What the audio belongs to.
    title: Arc<Metadata>,
    upcoming: Upcoming,
}

impl Builder {
    /// `title` is what the audio belongs to.
    pub(crate) fn new(info: &StreamInfo, title: Option<&Arc<Metadata>>) -> Result<Self, SegmentError> {
        Ok(Self {
            muxer: TsMuxer::new(info)?,
            data: Vec::new(),
            start: 0,
            end: 0,
            title: title.cloned().unwrap_or_default(),
            upcoming: Upcoming::default(),
        })
    }

    /// Notes that the audio belongs to `metadata` from frame `at` on.
    pub(crate) fn title(&mut self, at: i64, metadata: &Arc<Metadata>) {
        self.upcoming.push(at, metadata);
    }

    /// Whether no segment is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Adds a packet to the segment under way, or begins one with it.
    pub(crate) fn packet(&mut self, packet: &Packet) -> Result<(), SegmentError> {
        let due = self.upcoming.due(packet.end()).filter(|title| *title != self.title);
        let tell = due.is_some() || self.data.is_empty();
        self.title = due.unwrap_or_else(|| Arc::clone(&self.title));
        if self.data.is_empty() {
            self.start = packet.pts;
            self.muxer.tables(&mut self.data);
        }
        if tell {
            self.muxer.title(&self.title, packet.pts, &mut self.data);
        }
        self.muxer.packet(packet, &mut self.data)?;
        self.end = packet.end();
        Ok(())
    }

    /// Ends the segment under way, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Segment> {
        if self.data.is_empty() {
            return None;
        }
        self.muxer.flush(&mut self.data);
        let size = self.data.len();
        Some(Segment {
            data: std::mem::replace(&mut self.data, Vec::with_capacity(size)),
            start: self.start,
            end: self.end,
            discontinuity: false,
        })
    }

    /// Forgets the segment under way.
    pub(crate) fn abandon(&mut self) {
        self.finish();
    }
}
