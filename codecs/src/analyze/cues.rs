//! Where a programme begins, ends, and has faded far enough for the next one.

use super::Options;
use super::loudness::{Blocks, MOMENTARY};

/// Limits of what counts as silence, in LUFS: nobody hears the lower, and nothing above the upper is silence.
const SILENCE_LUFS: (f64, f64) = (-70.0, -40.0);

/// Points in a file, in seconds.
pub(super) struct Cues {
    pub(super) cue_in_s: f64,
    pub(super) cue_out_s: f64,
    pub(super) start_next_s: f64,
}

/// The cue points; `None` of silence.
pub(super) fn find(
    blocks: &Blocks,
    options: &Options,
    max_momentary_lufs: Option<f64>,
    integrated_lufs: Option<f64>,
) -> Option<Cues> {
    // A file shorter than the momentary window is as loud as it is as a whole.
    let loudest = max_momentary_lufs.unwrap_or_else(|| blocks.loudness(0, blocks.len()));
    let silence = (loudest + options.cue_lu).clamp(SILENCE_LUFS.0, SILENCE_LUFS.1);
    let sounds = |block: &usize| blocks.loudness(*block, 1) > silence;
    let first = (0..blocks.len()).find(sounds)?;
    let last = (0..blocks.len()).rev().find(sounds)?;
    let (cue_in_s, cue_out_s) = (blocks.start_s(first), blocks.start_s(last + 1));
    let faded = integrated_lufs.unwrap_or(loudest) + options.start_next_lu;
    // The last moment after which 400 ms are still loud; a sudden end is loud up to itself.
    let still_loud =
        (first..=last).rev().find(|block| blocks.loudness(*block, MOMENTARY.min(last + 1 - block)) >= faded);
    let start_next_s = still_loud.map_or(cue_out_s, |block| blocks.start_s(block + 1));
    let earliest = (cue_out_s - options.start_next_at_most_s).max(cue_in_s);
    Some(Cues { cue_in_s, cue_out_s, start_next_s: start_next_s.clamp(earliest, cue_out_s) })
}
