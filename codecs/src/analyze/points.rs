//! Where a programme begins, ends, and has faded far enough for the next one.

use airchain_core::measure::{MOMENTARY, SHORT_TERM};

use super::Options;
use super::blocks::Blocks;

/// Limits of what counts as silence, in LUFS: nobody hears the lower, and nothing above the upper is silence.
const SILENCE_LUFS: (f64, f64) = (-70.0, -40.0);
/// An ending whose last third is no more than this below its first does not fade: it is held.
const HELD_LU: f64 = 6.0;
/// Endings below this, in blocks of 10 ms, are too short to be held.
const SHORTEST_HELD: usize = 120;
/// A tail that rises again by so much, over 3 s, is music or speech and no ambience.
const LIVELY_LU: f64 = 6.0;

/// Points in a file, in blocks of 10 ms.
pub(super) struct Points {
    pub(super) cue_in: usize,
    pub(super) cue_out: usize,
    pub(super) start_next: usize,
}

/// The points; `None` of silence. `loudest_lufs` is the greatest momentary loudness, where there is one.
pub(super) fn find(
    blocks: &Blocks,
    options: &Options,
    loudest_lufs: Option<f64>,
    integrated_lufs: Option<f64>,
) -> Option<Points> {
    // A file shorter than the momentary window is as loud as it is as a whole.
    let loudest = loudest_lufs.unwrap_or_else(|| blocks.loudness(0, blocks.len()));
    let silence = (loudest + options.cue_lu).clamp(SILENCE_LUFS.0, SILENCE_LUFS.1);
    let sounds = |block: &usize| blocks.loudness(*block, 1) > silence;
    let cue_in = (0..blocks.len()).find(sounds)?;
    let cue_out = (0..blocks.len()).rev().find(sounds)? + 1;
    let programme = integrated_lufs.unwrap_or(loudest);
    let ending = Ending { blocks, cue_in, cue_out, silence };
    Some(Points { cue_in, cue_out, start_next: ending.start_next(options, programme) })
}

/// The end of a file.
struct Ending<'a> {
    blocks: &'a Blocks,
    cue_in: usize,
    cue_out: usize,
    silence: f64,
}

impl Ending<'_> {
    fn start_next(&self, options: &Options, programme: f64) -> usize {
        let faded = self.below_from(programme + options.start_next_lu);
        let length_s = self.blocks.start_s(self.cue_out) - self.blocks.start_s(faded);
        let is_long = length_s > options.long_ending_s;
        if !is_long && !self.is_held(faded) {
            return faded;
        }
        // It may well be music, only soft: that has to be gone too.
        let quiet = self.below_from(programme + options.start_next_lu.min(options.tail_lu));
        if is_long { quiet.max(self.lively_until(quiet)) } else { quiet }
    }

    /// From where on no 400 ms reach `lufs`. A sudden end is loud up to itself.
    fn below_from(&self, lufs: f64) -> usize {
        let loud = |block: &usize| self.blocks.loudness(*block, MOMENTARY.min(self.cue_out - block)) >= lufs;
        (self.cue_in..self.cue_out).rev().find(loud).map_or(self.cue_in, |block| block + 1)
    }

    /// Whether it does not fade from `from` on, but stops.
    fn is_held(&self, from: usize) -> bool {
        let third = (self.cue_out - from) / 3;
        let fall = || self.blocks.loudness(from, third) - self.blocks.loudness(self.cue_out - third, third);
        third * 3 >= SHORTEST_HELD && fall() < HELD_LU
    }

    /// The last moment at which it is clearly louder than it was before, after `from`. Noise, ambience and reverberation
    /// are level or fall.
    fn lively_until(&self, from: usize) -> usize {
        let mut lowest = f64::INFINITY;
        let mut until = from;
        for start in (from..self.cue_out.saturating_sub(SHORT_TERM)).step_by(10) {
            let level = self.blocks.loudness(start, SHORT_TERM).max(self.silence);
            if level >= lowest + LIVELY_LU {
                until = start + SHORT_TERM;
            }
            lowest = lowest.min(level);
        }
        until
    }
}
