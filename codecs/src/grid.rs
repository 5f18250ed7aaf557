//! Where output frames lie between input frames, from item to item.
//!
//! Output frame `k` lies at input frame `k * from / to`: a grid that repeats itself every `from / gcd(from, to)` input
//! frames (147 from 44.1 to 48 kHz). An item that ends anywhere else leaves the next one off the grid by a fraction of
//! an output frame. Were the next to begin a grid of its own, the fraction would be lost, and what was cut from one
//! recording would not join up again.

use airchain_core::Frames;
use airchain_core::units::convert_frames;

/// The grid of a resampler, and where on it an item begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    from_hz: u32,
    to_hz: u32,
    /// Input frames between the grid's last whole period and the item's first frame.
    phase: u32,
}

impl Grid {
    /// The grid between two rates in Hz (a rate of 0 counts as 1), for an item whose first frame lies on it.
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        Self { from_hz: from_hz.max(1), to_hz: to_hz.max(1), phase: 0 }
    }

    /// The same grid for the item that follows without a gap after `frames` input frames of this one.
    pub fn after(self, frames: Frames) -> Self {
        let period = u64::from(self.from_hz / gcd(self.from_hz, self.to_hz));
        let phase = (u64::from(self.phase) + frames % period) % period;
        Self { phase: phase as u32, ..self }
    }

    /// The rate in Hz that goes in.
    pub fn from_hz(self) -> u32 {
        self.from_hz
    }

    /// The rate in Hz that comes out.
    pub fn to_hz(self) -> u32 {
        self.to_hz
    }

    /// Input frames by which the item begins after the start of a period: below `from / gcd(from, to)`.
    pub fn phase(self) -> u32 {
        self.phase
    }

    /// Output frames of the grid that `frames` input frames of the item cover, each input frame reaching half an
    /// output frame to either side: `frames * to / from` to within one, and without loss over items in a row.
    pub fn length(self, frames: Frames) -> Frames {
        let end = convert_frames(frames.saturating_add(self.phase.into()), self.from_hz, self.to_hz);
        end.saturating_sub(self.skipped())
    }

    /// Output frames between the start of the period and the item.
    pub(crate) fn skipped(self) -> Frames {
        convert_frames(self.phase.into(), self.from_hz, self.to_hz)
    }
}

pub(crate) fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_in_a_row_are_as_long_as_the_whole() {
        for (from, to) in
            [(44_100, 48_000), (48_000, 44_100), (32_000, 48_000), (11_025, 48_000), (96_000, 44_100)]
        {
            let (mut grid, mut taken, mut given) = (Grid::new(from, to), 0, 0);
            for frames in [1, 0, 1, 2, 146, 147, 148, 9_999, 1_000_003, 3, 1, 1] {
                let length = grid.length(frames);
                let alone = Grid::new(from, to).length(frames);
                assert!(length.abs_diff(alone) <= 1, "{from} -> {to}: {frames} frames become {length}");
                (taken, given, grid) = (taken + frames, given + length, grid.after(frames));
                assert_eq!(given, convert_frames(taken, from, to));
            }
        }
    }

    #[test]
    fn lengths_beyond_all_bounds_stay_numbers() {
        let grid = Grid::new(44_100, 48_000).after(Frames::MAX);
        assert!(grid.phase() < 147);
        let _ = grid.length(Frames::MAX);
        assert_eq!(Grid::new(0, 0).after(5), Grid::new(1, 1));
    }
}
