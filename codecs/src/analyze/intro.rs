//! Where an intro ends, where that can be told.
//!
//! A tag that says so is believed. Otherwise it is told from level alone: the moment at which the programme comes in, much
//! louder than all before it, and stays. That is where a band or a beat enters. A voice that enters over music that is no louder
//! than before is not heard by it; nor is an intro that swells.

use airchain_core::item::Metadata;

use super::blocks::Blocks;
use super::points::Points;

/// Tags that say where an intro ends, in seconds or as minutes:seconds.
const TAGS: [&str; 3] = ["intro_end_s", "intro_end", "intro"];

/// Blocks of 10 ms in a second.
const SECOND: usize = 100;
/// Intros are of so many seconds, and at most half of the file.
const LENGTH_S: (usize, usize) = (2, 60);
/// Programmes below this are too short to have one.
const SHORTEST_S: usize = 30;
/// What comes after stays for so long.
const LASTING_S: usize = 8;
/// It is this much louder than everything before it,
const ABOVE_INTRO_LU: f64 = 6.0;
/// as loud as the whole programme but for this,
const BELOW_PROGRAMME_LU: f64 = 4.0;
/// and comes within a second by this much.
const STEP_LU: f64 = 5.0;
/// No second of what comes after is as close to the intro as this.
const STAYS_LU: f64 = 3.0;

/// Where the file's own tags say that the intro ends, in seconds.
pub(super) fn tagged_s(metadata: &Metadata, duration_s: f64) -> Option<f64> {
    let value = TAGS.iter().find_map(|name| metadata.extra.get(*name))?;
    let seconds = match value.split_once(':') {
        Some((minutes, seconds)) => {
            60.0 * minutes.trim().parse::<f64>().ok()? + seconds.trim().parse::<f64>().ok()?
        }
        None => value.trim().trim_end_matches('s').trim_end().parse().ok()?,
    };
    (0.0..=duration_s).contains(&seconds).then_some(seconds)
}

/// Where the programme comes in, as a block.
pub(super) fn heard(blocks: &Blocks, points: &Points, integrated_lufs: Option<f64>) -> Option<usize> {
    let programme = integrated_lufs? - BELOW_PROGRAMME_LU;
    let length = points.cue_out - points.cue_in;
    if length < SHORTEST_S * SECOND {
        return None;
    }
    let latest = (length / 2).min(LENGTH_S.1 * SECOND);
    let step = |at: usize| blocks.loudness(at, SECOND) - blocks.loudness(at - SECOND, SECOND);
    let enters = |at: usize| {
        let after = blocks.loudness(at, LASTING_S * SECOND);
        let before = blocks.loudness(points.cue_in, at - points.cue_in);
        let stays = (0..LASTING_S).all(|s| blocks.loudness(at + s * SECOND, SECOND) >= before + STAYS_LU);
        after >= programme && after - before >= ABOVE_INTRO_LU && step(at) >= STEP_LU && stays
    };
    let first = (points.cue_in + LENGTH_S.0 * SECOND..points.cue_in + latest).find(|at| enters(*at))?;
    // The step is highest at the very moment.
    (first..first + SECOND).max_by(|a, b| step(*a).total_cmp(&step(*b)))
}
