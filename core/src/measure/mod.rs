//! Loudness and true peaks of a programme or a file: ITU-R BS.1770-5 with the windows of EBU Tech 3341 and the range of
//! Tech 3342.
//!
//! The live meter and the analysis of files measure with the same code, so they agree to the bit. `docs/metering.md` says by
//! which standard each value is measured.

mod grid;
mod histogram;
mod loudness;
mod true_peak;

pub use grid::{Grid, block_start};
pub use loudness::{Loudness, Step};
pub use true_peak::TruePeak;

/// Blocks of 10 ms in the window of momentary loudness (Tech 3341, 400 ms).
pub const MOMENTARY: usize = 40;
/// Blocks of 10 ms in the window of short-term loudness (Tech 3341, 3 s).
pub const SHORT_TERM: usize = 300;
