//! Cuts packets into segments: pure, no clock and no files.
//!
//! Cuts are wanted where whole multiples of the segment duration lie on the encoder's own frame grid, and happen at
//! the first packet boundary at or after them. So durations do not drift, and encoders that run side by side cut at
//! the same instants.
//!
//! A title stands before the packet that holds its frame, and again at the start of each segment for those who join.

use std::sync::Arc;

use airchain_codecs::container::ts::{TsError, TsMuxer};
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

/// Where cuts are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    duration_us: i128,
    rate: i128,
}

impl Grid {
    pub(crate) fn new(segment_duration_s: f64, rate: u32) -> Self {
        Self {
            duration_us: ((segment_duration_s * 1e6).round() as i128).max(1),
            rate: i128::from(rate.max(1)),
        }
    }

    /// `EXT-X-TARGETDURATION`: no segment is longer, rounded to whole seconds. There is room for at least a quarter
    /// of a second beyond the wanted duration.
    pub(crate) fn target_s(self) -> u64 {
        ((self.duration_us + 750_000) / 1_000_000).max(1) as u64
    }

    /// The first wanted cut after `start`; the one after it where the segment would be a mere stub and still fits
    /// the target duration, with a packet of `slack` frames beyond the cut.
    fn cut_after(self, start: i64, slack: u32) -> i64 {
        let frame = |k: i128| (k * self.duration_us * self.rate).div_euclid(1_000_000) as i64;
        let mut k = (i128::from(start) * 1_000_000).div_euclid(self.duration_us * self.rate);
        while frame(k) <= start {
            k += 1;
        }
        let longest = i128::from(frame(k + 1) - start) + i128::from(slack);
        let fits = longest * 2 < (i128::from(self.target_s()) * 2 + 1) * self.rate;
        if fits { frame(k + 1) } else { frame(k) }
    }
}

/// The segmenter of one encoder.
pub(crate) struct Segmenter {
    muxer: TsMuxer,
    grid: Grid,
    data: Vec<u8>,
    start: i64,
    /// Where the packets so far end; nothing before the first.
    end: Option<i64>,
    cut: i64,
    /// Of the segment under way.
    discontinuity: bool,
    /// What the audio belongs to.
    title: Arc<Metadata>,
    upcoming: Upcoming,
}

impl Segmenter {
    /// `joins`: something is published already, which the first segment does not continue. `title` is what the audio
    /// belongs to.
    pub(crate) fn new(
        info: &StreamInfo,
        grid: Grid,
        joins: bool,
        title: Option<&Arc<Metadata>>,
    ) -> Result<Self, TsError> {
        Ok(Self {
            muxer: TsMuxer::new(info)?,
            grid,
            data: Vec::new(),
            start: 0,
            end: None,
            cut: 0,
            discontinuity: joins,
            title: title.cloned().unwrap_or_default(),
            upcoming: Upcoming::default(),
        })
    }

    /// Notes that the audio belongs to `metadata` from frame `at` on.
    pub(crate) fn title(&mut self, at: i64, metadata: &Arc<Metadata>) {
        self.upcoming.push(at, metadata);
    }

    /// Takes a packet and appends the segments that it completes: the one that it ends, and before that the one
    /// that it does not continue, where packets are missing.
    pub(crate) fn packet(&mut self, packet: &Packet, out: &mut Vec<Segment>) -> Result<(), TsError> {
        if self.end.is_some_and(|end| end != packet.pts) {
            out.extend(self.finish());
            self.discontinuity = true;
        }
        let due = self.upcoming.due(packet.end()).filter(|title| *title != self.title);
        let tell = due.is_some() || self.data.is_empty();
        self.title = due.unwrap_or_else(|| Arc::clone(&self.title));
        if self.data.is_empty() {
            self.start = packet.pts;
            self.cut = self.grid.cut_after(packet.pts, packet.duration);
            self.muxer.tables(&mut self.data);
        }
        if tell {
            self.muxer.title(&self.title, packet.pts, &mut self.data);
        }
        self.muxer.packet(packet, &mut self.data)?;
        self.end = Some(packet.end());
        if packet.end() >= self.cut {
            out.extend(self.finish());
        }
        Ok(())
    }

    /// Ends the segment under way, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Segment> {
        let end = self.end.filter(|_| !self.data.is_empty())?;
        self.muxer.flush(&mut self.data);
        let size = self.data.len();
        Some(Segment {
            data: std::mem::replace(&mut self.data, Vec::with_capacity(size)),
            start: self.start,
            end,
            discontinuity: std::mem::take(&mut self.discontinuity),
        })
    }
}
