//! Cuts the packets of one rendition among several into the stretches of their [`Timeline`]: pure, no clock and no files.
//!
//! It lives as long as its output, whatever becomes of the files: packets that come again are passed over, and a stretch
//! of which a packet is missing is given up, as the others go on with theirs.

use std::sync::{Arc, Mutex, PoisonError};

use airchain_codecs::container::segment::SegmentError;
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::item::Metadata;

use super::segment::{Builder, Segment};
use super::timeline::{Boundary, Run, Timeline, nanos};
use crate::sink::Opening;

/// A rendition's segment of a stretch.
#[derive(Debug)]
pub(crate) struct Stretch {
    /// Which one, counted from the beginning of the run.
    pub(crate) number: u64,
    pub(crate) segment: Segment,
}

/// The segmenter of one encoder among several.
pub(crate) struct Aligned {
    timeline: Arc<Mutex<Timeline>>,
    /// Which of the renditions it is.
    rendition: usize,
    info: SharedInfo,
    /// Position of the encoder's frame 0.
    position: i64,
    builder: Builder,
    /// Packets held back until the run begins.
    early: Vec<Packet>,
    run: Option<Run>,
    /// Where the packets so far end.
    end: Option<i64>,
    /// The stretch under way.
    stretch: Option<u64>,
}

impl Aligned {
    /// The segmenter of the `rendition`-th encoder of a timeline.
    pub(crate) fn new(
        timeline: Arc<Mutex<Timeline>>,
        rendition: usize,
        opening: &Opening,
    ) -> Result<Self, SegmentError> {
        Ok(Self {
            timeline,
            rendition,
            info: Arc::clone(&opening.info),
            position: opening.position,
            builder: Builder::new(&opening.info, opening.metadata.as_ref())?,
            early: Vec::new(),
            run: None,
            end: None,
            stretch: None,
        })
    }

    /// The run, once it has begun.
    pub(crate) fn run(&self) -> Option<Run> {
        self.run
    }

    /// Notes that the audio belongs to `metadata` from frame `at` of the encoder on.
    pub(crate) fn title(&mut self, at: i64, metadata: &Arc<Metadata>) {
        self.builder.title(at.saturating_add(self.position), metadata);
    }

    /// Takes a packet and appends the stretches that it completes.
    pub(crate) fn packet(&mut self, packet: &Packet, out: &mut Vec<Stretch>) -> Result<(), SegmentError> {
        let packet = Packet { pts: packet.pts + self.position, ..packet.clone() };
        if self.run.is_some() {
            return self.place(&packet, out);
        }
        self.early.push(packet);
        self.begin(false, out)
    }

    /// Ends the stretch under way, for good.
    pub(crate) fn finish(&mut self, out: &mut Vec<Stretch>) -> Result<(), SegmentError> {
        self.begin(true, out)?;
        self.complete(out);
        Ok(())
    }

    /// Places what was held back, once the run begins.
    fn begin(&mut self, last: bool, out: &mut Vec<Stretch>) -> Result<(), SegmentError> {
        let Some((first, end)) = self.early.first().zip(self.early.last()) else { return Ok(()) };
        let (first, end) = (self.nanos(first.pts), self.nanos(end.end()));
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        self.run = timeline.arrive(self.rendition, &self.info, first, end, last);
        drop(timeline);
        if self.run.is_some() {
            for packet in std::mem::take(&mut self.early) {
                self.place(&packet, out)?;
            }
        }
        Ok(())
    }

    fn place(&mut self, packet: &Packet, out: &mut Vec<Stretch>) -> Result<(), SegmentError> {
        let Some(run) = self.run else { return Ok(()) };
        let middle = packet.pts + i64::from(packet.duration / 2);
        if let Some(end) = self.end {
            if middle < end {
                return Ok(()); // It was here already, or a new encoder begins where the one before has been.
            }
            if packet.pts - i64::from(packet.duration / 2) > end {
                self.builder.abandon();
                self.stretch = None;
            }
        }
        self.end = Some(packet.end());
        let boundary = |frame| Boundary::new(frame, packet.duration, self.info.format.sample_rate_hz);
        let (begins, ends) = (boundary(packet.pts), boundary(packet.end()));
        if self.stretch.is_none() {
            self.stretch = run.beginning(begins);
        }
        let Some(stretch) = self.stretch else { return Ok(()) };
        self.builder.packet(packet)?;
        if run.ends(stretch, ends) {
            self.complete(out);
            self.stretch = Some(stretch + 1);
        }
        Ok(())
    }

    fn complete(&mut self, out: &mut Vec<Stretch>) {
        if let (Some(number), Some(segment)) = (self.stretch.take(), self.builder.finish()) {
            out.push(Stretch { number, segment });
        }
    }

    fn nanos(&self, frame: i64) -> i128 {
        nanos(frame, self.info.format.sample_rate_hz)
    }
}
