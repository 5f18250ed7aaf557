//! Puts packets into segments: pure, no clock and no files.
//!
//! A title stands before the packet that holds its frame, and again at the start of each segment for those who join.

use std::sync::Arc;

use airchain_codecs::container::segment::{Container, SegmentError, SegmentMuxer, segment_muxer};
use airchain_codecs::packet::{Packet, StreamInfo};
use airchain_core::item::Metadata;
use bytes::Bytes;

use crate::upcoming::Upcoming;

/// A complete segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) data: Bytes,
    /// Position of its first frame.
    pub(crate) start: i64,
    /// Position after its last.
    pub(crate) end: i64,
    /// What the audio belongs to from positions in it on, where that changes, and what was given up before.
    pub(crate) titles: Vec<(i64, Arc<Metadata>)>,
}

/// A part of a segment under way.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) data: Bytes,
    /// Which of its segment.
    pub(crate) index: usize,
    /// Position of its first frame.
    pub(crate) start: i64,
    /// Position after its last.
    pub(crate) end: i64,
    /// Position of its segment's first frame.
    pub(crate) segment: i64,
}

/// Fills segments; whoever calls it knows where they end.
pub(crate) struct Builder {
    muxer: Box<dyn SegmentMuxer>,
    data: Vec<u8>,
    is_begun: bool,
    start: i64,
    end: i64,
    /// What the audio belongs to.
    title: Arc<Metadata>,
    upcoming: Upcoming,
    /// Titles since the last complete segment.
    titles: Vec<(i64, Arc<Metadata>)>,
    is_fresh: bool,
    part: PartUnderWay,
}

#[derive(Default)]
struct PartUnderWay {
    index: usize,
    /// Where it begins in the segment's bytes.
    from: usize,
    /// Position of its first frame; nothing before that has come.
    start: Option<i64>,
}

impl Builder {
    /// `title` is what the audio belongs to.
    pub(crate) fn new(
        container: Container,
        info: &StreamInfo,
        title: Option<&Arc<Metadata>>,
    ) -> Result<Self, SegmentError> {
        Ok(Self {
            muxer: segment_muxer(container, info)?,
            data: Vec::new(),
            is_begun: false,
            start: 0,
            end: 0,
            title: title.cloned().unwrap_or_default(),
            upcoming: Upcoming::default(),
            titles: Vec::new(),
            is_fresh: true,
            part: PartUnderWay::default(),
        })
    }

    /// What decoders need before the first segment, where the container keeps it apart.
    pub(crate) fn init(&self) -> Option<Bytes> {
        self.muxer.init()
    }

    /// Notes that the audio belongs to `metadata` from frame `at` on.
    pub(crate) fn title(&mut self, at: i64, metadata: &Arc<Metadata>) {
        self.upcoming.push(at, metadata);
    }

    /// Adds a packet to the segment under way, or begins one with it.
    pub(crate) fn packet(&mut self, packet: &Packet) -> Result<(), SegmentError> {
        let due = self.upcoming.due(packet.end()).filter(|title| *title != self.title);
        let changes = due.is_some();
        self.title = due.unwrap_or_else(|| Arc::clone(&self.title));
        if changes || std::mem::take(&mut self.is_fresh) {
            self.titles.push((packet.pts, Arc::clone(&self.title)));
        }
        if !self.is_begun {
            self.start = packet.pts;
            self.muxer.begin(packet.pts, &self.title, &mut self.data);
            self.is_begun = true;
            self.part = PartUnderWay::default();
        } else {
            if self.part.start.is_none() {
                self.muxer.begin_part(&mut self.data);
            }
            if changes {
                self.muxer.title(packet.pts, &self.title, &mut self.data);
            }
        }
        self.part.start.get_or_insert(packet.pts);
        self.muxer.packet(packet, &mut self.data)?;
        self.end = packet.end();
        Ok(())
    }

    /// Frames in the part under way.
    pub(crate) fn part_frames(&self) -> i64 {
        self.part.start.map_or(0, |start| self.end - start)
    }

    /// Ends the part under way, if there is one; the segment goes on.
    pub(crate) fn part(&mut self) -> Option<Part> {
        let start = self.part.start.filter(|_| self.is_begun)?;
        self.muxer.end(&mut self.data);
        let PartUnderWay { index, from, .. } = self.part;
        self.part = PartUnderWay { index: index + 1, from: self.data.len(), start: None };
        let data = Bytes::copy_from_slice(self.data.get(from..).unwrap_or_default());
        Some(Part { data, index, start, end: self.end, segment: self.start })
    }

    /// Ends the segment under way, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Segment> {
        if !std::mem::take(&mut self.is_begun) {
            return None;
        }
        self.muxer.end(&mut self.data);
        // The next will be about as long.
        let next = Vec::with_capacity(self.data.len());
        let data = std::mem::replace(&mut self.data, next);
        let titles = std::mem::take(&mut self.titles);
        Some(Segment { data: data.into(), start: self.start, end: self.end, titles })
    }

    /// Forgets the segment under way.
    pub(crate) fn abandon(&mut self) {
        if std::mem::take(&mut self.is_begun) {
            self.muxer.abandon();
            self.data.clear();
        }
    }
}
