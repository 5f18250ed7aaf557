//! The input's end of a live source.

use std::sync::Arc;

use super::config::{Depths, LiveConfig};
use super::tape::Tape;
use crate::dsp::silence_detector::{ENTRY, SilenceDetector};
use crate::dsp::{Format, Node, NodeStatus};
use crate::item::Metadata;
use crate::{Frames, Stereo};

/// The input's end of a live source. It may be used on any thread but the air thread, and knows nothing of clocks: what
/// is pushed is taken, at the station's rate.
///
/// An input whose line breaks keeps its writer and pushes on when the line is back. Closing or dropping it is the
/// sign-off: what was pushed is played out, and the source's route ends.
pub struct LiveWriter {
    tape: Arc<Tape>,
    depths: Depths,
    detector: Option<SilenceDetector>,
    scratch: Box<[Stereo]>,
}

impl LiveWriter {
    pub(super) fn new(tape: Arc<Tape>, depths: Depths, config: &LiveConfig, format: Format) -> Self {
        let detector = (config.silence_s > 0.0).then(|| {
            let mut detector = SilenceDetector::default();
            detector.prepare(format);
            if let Some(threshold) = ENTRY.info.param("threshold_db") {
                detector.set(threshold, config.silence_threshold_db as f32);
            }
            detector
        });
        Self { tape, depths, detector, scratch: vec![[0.0; 2]; format.max_block.max(1)].into() }
    }

    /// Appends `frames`, full scale 1.0. Values that are not numbers become silence.
    ///
    /// Everything is taken, however much it is; the oldest frames that were not heard make way. An input that can wait
    /// pushes no more than [`room`](Self::room) at a time, and loses nothing.
    pub fn push(&mut self, frames: &[Stereo]) {
        for chunk in frames.chunks(self.scratch.len()) {
            let Some(scratch) = self.scratch.get_mut(..chunk.len()) else { return };
            for (clean, frame) in scratch.iter_mut().zip(chunk) {
                *clean = frame.map(|sample| if sample.is_finite() { sample } else { 0.0 });
            }
            let mut quiet = 0;
            if let Some(detector) = &mut self.detector {
                detector.process(scratch, None);
                if let Some(NodeStatus::Silence { quiet_frames, .. }) = detector.status() {
                    quiet = quiet_frames;
                }
            }
            self.tape.write(scratch);
            self.tape.note_sound(quiet, if quiet == 0 { chunk.len() as Frames } else { 0 });
        }
    }

    /// Tells listeners something else, from the next frame that is pushed on.
    pub fn set_metadata(&mut self, metadata: Metadata) {
        self.tape.title(metadata);
    }

    /// Frames that wait: on air those that have not been heard, otherwise those kept for the pre-roll. An input that
    /// steers its resampler by it aims at [`target`](Self::target).
    pub fn buffered(&self) -> usize {
        let written = self.tape.written();
        let buffered = match self.tape.heard() {
            Some(heard) => written.saturating_sub(heard),
            None => written.saturating_sub(self.tape.origin()).min(self.depths.preroll),
        };
        buffered as usize
    }

    /// For how many frames it has been quiet, by the threshold of its source; 0 where that does not watch for silence.
    pub fn quiet(&self) -> Frames {
        self.tape.quiet()
    }

    /// Whether it has begun to be heard and has not left the air: otherwise nothing of what is pushed gets used up. Beneath
    /// a higher tier it is heard in that sense, though nothing is used up.
    pub fn is_heard(&self) -> bool {
        self.tape.heard().is_some()
    }

    /// Frames that should be waiting while on air: the pre-roll.
    pub fn target(&self) -> usize {
        self.depths.preroll as usize
    }

    /// Frames that can be pushed now without any being lost.
    pub fn room(&self) -> usize {
        let most = if self.tape.heard().is_some() { self.depths.buffer } else { self.depths.preroll };
        (most as usize).saturating_sub(self.buffered())
    }

    /// Whether the station has no use for the source any more: it was taken away, or the station is gone.
    pub fn is_abandoned(&self) -> bool {
        self.tape.is_abandoned()
    }

    /// Signs off, as dropping the writer does.
    pub fn close(self) {}
}

impl Drop for LiveWriter {
    fn drop(&mut self) {
        self.tape.close();
    }
}
