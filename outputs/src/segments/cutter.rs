//! Cuts the packets of one track into the stretches of its [`Timeline`]: pure, no clock and no files.
//!
//! It lives as long as its output, whatever becomes of the files; packets that come again are passed over.

use std::sync::{Arc, Mutex, PoisonError};

use airchain_codecs::container::segment::{Container, SegmentError};
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::item::Metadata;
use bytes::Bytes;

use super::builder::{Builder, Part, Segment};
use super::timeline::{Boundary, Run, Timeline, nanos};
use crate::sink::Opening;

/// A track's segment of a stretch, or a part of it.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Which one, counted from the beginning of the run.
    pub(crate) stretch: u64,
    pub(crate) what: What,
    /// Packets are missing before it.
    pub(crate) discontinuity: bool,
}

/// Segments come when all of their parts have, where there are parts.
#[derive(Debug)]
pub(crate) enum What {
    Segment(Segment),
    Part(Part),
}

/// What becomes of a stretch of which packets are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnGap {
    /// What came before is a segment, and what follows another, behind a discontinuity: for a track that is alone.
    Keep,
    /// It is given up as a whole, as other tracks go on with theirs.
    GiveUp,
}

/// The cutter of one encoder.
pub(crate) struct Cutter {
    timeline: Arc<Mutex<Timeline>>,
    /// Which of the tracks it is.
    track: usize,
    on_gap: OnGap,
    /// Frames that a part holds at most, where there are parts.
    part_frames: Option<i64>,
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
    /// Packets are missing before the segment under way.
    discontinuity: bool,
}

impl Cutter {
    /// The cutter of the `track`-th encoder of a timeline.
    pub(crate) fn new(
        timeline: Arc<Mutex<Timeline>>,
        track: usize,
        opening: &Opening,
        container: Container,
        on_gap: OnGap,
        part_frames: Option<i64>,
    ) -> Result<Self, SegmentError> {
        Ok(Self {
            timeline,
            track,
            on_gap,
            part_frames,
            info: Arc::clone(&opening.info),
            position: opening.position,
            builder: Builder::new(container, &opening.info, opening.metadata.as_ref())?,
            early: Vec::new(),
            run: None,
            end: None,
            stretch: None,
            discontinuity: false,
        })
    }

    /// The run, once it has begun.
    pub(crate) fn run(&self) -> Option<Run> {
        self.run
    }

    /// What decoders need before the first segment, where the container keeps it apart.
    pub(crate) fn init(&self) -> Option<Bytes> {
        self.builder.init()
    }

    /// Notes that the audio belongs to `metadata` from frame `at` of the encoder on.
    pub(crate) fn title(&mut self, at: i64, metadata: &Arc<Metadata>) {
        self.builder.title(at.saturating_add(self.position), metadata);
    }

    /// Takes a packet and appends the pieces that it completes.
    pub(crate) fn packet(&mut self, packet: &Packet, out: &mut Vec<Piece>) -> Result<(), SegmentError> {
        let packet = Packet { pts: packet.pts + self.position, ..packet.clone() };
        if self.run.is_some() {
            return self.place(&packet, out);
        }
        self.early.push(packet);
        self.begin(false, out)
    }

    /// Ends the piece under way, for good.
    pub(crate) fn finish(&mut self, out: &mut Vec<Piece>) -> Result<(), SegmentError> {
        self.begin(true, out)?;
        self.complete(out);
        Ok(())
    }

    /// Places what was held back, once the run begins.
    fn begin(&mut self, last: bool, out: &mut Vec<Piece>) -> Result<(), SegmentError> {
        let Some((first, end)) = self.early.first().zip(self.early.last()) else { return Ok(()) };
        let (first, end) = (self.nanos(first.pts), self.nanos(end.end()));
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        self.run = timeline.arrive(self.track, &self.info, first, end, last);
        drop(timeline);
        if self.run.is_some() {
            for packet in std::mem::take(&mut self.early) {
                self.place(&packet, out)?;
            }
        }
        Ok(())
    }

    fn place(&mut self, packet: &Packet, out: &mut Vec<Piece>) -> Result<(), SegmentError> {
        let Some(run) = self.run else { return Ok(()) };
        let half = i64::from(packet.duration / 2);
        if let Some(end) = self.end {
            if packet.pts + half < end {
                return Ok(()); // It was here already, or a new encoder begins where the one before has been.
            }
            if packet.pts - half > end {
                self.miss(out);
            }
        }
        self.end = Some(packet.end());
        let boundary = |frame| Boundary::new(frame, packet.duration, self.info.format.sample_rate_hz);
        let (begins, ends) = (boundary(packet.pts), boundary(packet.end()));
        if self.stretch.is_none() {
            self.stretch = match self.on_gap {
                OnGap::Keep => Some(run.at(begins)),
                OnGap::GiveUp => run.beginning(begins),
            };
        }
        let Some(stretch) = self.stretch else { return Ok(()) };
        self.builder.packet(packet)?;
        if run.ends(stretch, ends) {
            self.complete(out);
            self.stretch = Some(stretch + 1);
        } else if self.part_frames.is_some_and(|most| self.builder.part_frames() + 2 * half > most) {
            self.part(stretch, out);
        }
        Ok(())
    }

    /// Packets are missing.
    fn miss(&mut self, out: &mut Vec<Piece>) {
        match self.on_gap {
            OnGap::Keep => {
                self.complete(out);
                self.discontinuity = true;
            }
            OnGap::GiveUp => self.builder.abandon(),
        }
        self.stretch = None;
    }

    /// Ends the part under way.
    fn part(&mut self, stretch: u64, out: &mut Vec<Piece>) {
        let discontinuity = self.discontinuity;
        let part = self.builder.part().map(|part| Piece { stretch, what: What::Part(part), discontinuity });
        out.extend(part);
    }

    fn complete(&mut self, out: &mut Vec<Piece>) {
        let Some(stretch) = self.stretch.take() else { return };
        if self.part_frames.is_some() {
            self.part(stretch, out);
        }
        if let Some(segment) = self.builder.finish() {
            let discontinuity = std::mem::take(&mut self.discontinuity);
            out.push(Piece { stretch, what: What::Segment(segment), discontinuity });
        }
    }

    fn nanos(&self, frame: i64) -> i128 {
        nanos(frame, self.info.format.sample_rate_hz)
    }
}
