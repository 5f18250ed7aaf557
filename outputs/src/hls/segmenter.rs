//! Cuts the packets of an encoding that is alone in its output into segments: pure, no clock and no files.
//!
//! Cuts are wanted where whole multiples of the segment duration lie on the encoder's own frame grid, and happen at
//! the first packet boundary at or after them. So durations do not drift, and encoders that run side by side cut at
//! the same instants.

use std::sync::Arc;

use airchain_codecs::container::segment::SegmentError;
use airchain_codecs::packet::{Packet, StreamInfo};
use airchain_core::item::Metadata;

use super::segment::{Builder, Segment};
use super::target_s;

/// Where cuts are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    duration_us: i128,
    rate: i128,
    target_s: u64,
}

impl Grid {
    pub(crate) fn new(segment_duration_s: f64, rate: u32) -> Self {
        Self {
            duration_us: ((segment_duration_s * 1e6).round() as i128).max(1),
            rate: i128::from(rate.max(1)),
            target_s: target_s(segment_duration_s),
        }
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
        let fits = longest * 2 < (i128::from(self.target_s) * 2 + 1) * self.rate;
        if fits { frame(k + 1) } else { frame(k) }
    }
}

/// The segmenter of one encoder.
pub(crate) struct Segmenter {
    builder: Builder,
    grid: Grid,
    /// Where the packets so far end; nothing before the first.
    end: Option<i64>,
    cut: i64,
    /// Of the segment under way.
    discontinuity: bool,
}

impl Segmenter {
    /// `joins`: something is published already, which the first segment does not continue. `title` is what the audio
    /// belongs to.
    pub(crate) fn new(
        info: &StreamInfo,
        grid: Grid,
        joins: bool,
        title: Option<&Arc<Metadata>>,
    ) -> Result<Self, SegmentError> {
        let builder = Builder::new(info, title)?;
        Ok(Self { builder, grid, end: None, cut: 0, discontinuity: joins })
    }

    /// Notes that the audio belongs to `metadata` from frame `at` on.
    pub(crate) fn title(&mut self, at: i64, metadata: &Arc<Metadata>) {
        self.builder.title(at, metadata);
    }

    /// Takes a packet and appends the segments that it completes: the one that it ends, and before that the one
    /// that it does not continue, where packets are missing.
    pub(crate) fn packet(&mut self, packet: &Packet, out: &mut Vec<Segment>) -> Result<(), SegmentError> {
        if self.end.is_some_and(|end| end != packet.pts) {
            out.extend(self.finish());
            self.discontinuity = true;
        }
        if self.builder.is_empty() {
            self.cut = self.grid.cut_after(packet.pts, packet.duration);
        }
        self.builder.packet(packet)?;
        self.end = Some(packet.end());
        if packet.end() >= self.cut {
            out.extend(self.finish());
        }
        Ok(())
    }

    /// Ends the segment under way, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Segment> {
        let segment = self.builder.finish()?;
        Some(Segment { discontinuity: std::mem::take(&mut self.discontinuity), ..segment })
    }
}
