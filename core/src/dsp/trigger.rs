//! What [gates](super::gate) and [ducking](super::ducking) have in common: the decision whether a level counts, and
//! the way to the gain that follows from it.

use super::decibel::db_to_gain;
use super::one_pole;

/// Open from a level on; closed once the level has been below a lower one for as long as the hold.
#[derive(Default)]
pub(super) struct Trigger {
    /// Powers at which it opens and below which it closes.
    opens: f32,
    closes: f32,
    /// Frames that it stays open for.
    hold: u32,
    open: bool,
    /// Frames that the level has been below `closes` for while open.
    quiet: u32,
}

impl Trigger {
    /// Opens at `threshold_db` and closes `hysteresis_db` below.
    pub(super) fn set_levels(&mut self, threshold_db: f64, hysteresis_db: f64) {
        let power = |level_db: f64| db_to_gain(2.0 * level_db as f32);
        self.opens = power(threshold_db);
        self.closes = power(threshold_db - hysteresis_db);
    }

    pub(super) fn set_hold(&mut self, hold_ms: f32, rate: u32) {
        self.hold = (f64::from(hold_ms) * 1e-3 * f64::from(rate)).ceil() as u32;
    }

    pub(super) fn close(&mut self) {
        (self.open, self.quiet) = (false, 0);
    }

    /// Whether it is open in the next frame, whose level is `power`.
    #[inline]
    pub(super) fn next(&mut self, power: f32) -> bool {
        if power >= self.opens {
            (self.open, self.quiet) = (true, 0);
        } else if power >= self.closes {
            self.quiet = 0;
        } else if self.open {
            self.open = self.quiet < self.hold;
            self.quiet += 1;
        }
        self.open
    }
}

/// A reduction below this many dB is none.
const NEGLIGIBLE_DB: f32 = 1e-6;

/// Time constants in which two equal one-pole stages in a row have done 63 % (`1 - 1 / e`) of a step: where
/// `(1 + x) exp(-x) = exp(-1)`.
const STAGES_63_PERCENT: f64 = 2.146_193;

/// A reduction in dB that follows the one wanted through two one-pole stages in a row, so that a change of all of it at
/// once makes no corner in the programme.
#[derive(Default)]
pub(super) struct Swing {
    stages_db: [f32; 2],
}

impl Swing {
    /// Share of the way that a stage goes per frame for 63 % of a change in dB to be done in `time_ms`.
    pub(super) fn share(time_ms: f32, rate: u32) -> f64 {
        one_pole(f64::from(time_ms) / STAGES_63_PERCENT, rate)
    }

    /// Is at `reduction_db` at once.
    pub(super) fn snap(&mut self, reduction_db: f32) {
        self.stages_db = [reduction_db; 2];
    }

    /// The present reduction in dB.
    pub(super) fn value(&self) -> f32 {
        self.stages_db[1]
    }

    /// The next reduction in dB on the way to `wanted`, with the share for a rise of it and that for a fall.
    #[inline]
    pub(super) fn next(&mut self, mut wanted: f32, rise: f32, fall: f32) -> f32 {
        for stage in &mut self.stages_db {
            let share = if wanted > *stage { rise } else { fall };
            let reduction = *stage + share * (wanted - *stage);
            *stage = if reduction > NEGLIGIBLE_DB { reduction } else { 0.0 };
            wanted = *stage;
        }
        wanted
    }
}
