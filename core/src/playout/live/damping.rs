//! Flap damping: a source that keeps failing is trusted ever later.

use crate::Frames;

/// How long a source must be good before it comes back: doubled with each spell on air that ended badly, halved with
/// each good while on air.
///
/// `n` returns take at least `hold * (2^n - 1)` frames, and from the limit on one each `max`; so the tier changes hands
/// at most twice as often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damping {
    hold: Frames,
    max: Frames,
    forgive: Frames,
    strikes: u32,
}

impl Damping {
    pub(super) fn new(hold: Frames, max: Frames, forgive: Frames) -> Self {
        Self { hold, max, forgive: forgive.max(1), strikes: 0 }
    }

    /// It left the air badly, after `aired` frames.
    pub(super) fn strike(&mut self, aired: Frames) {
        let forgiven = u32::try_from(aired / self.forgive).unwrap_or(u32::MAX);
        self.strikes = self.strikes.saturating_sub(forgiven).saturating_add(1);
    }

    /// It is trusted anew.
    pub(super) fn forget(&mut self) {
        self.strikes = 0;
    }

    /// Frames for which it must be good now; none before the first strike.
    pub(super) fn hold(&self) -> Frames {
        match self.strikes {
            0 => 0,
            strikes => self.hold.saturating_mul(1 << (strikes - 1).min(40)).min(self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strike_doubles_the_hold_and_good_time_halves_it() {
        let mut damping = Damping::new(10, 100, 1000);
        let mut holds = vec![damping.hold()];
        for aired in [5, 0, 999, 1, 1, 2_500, 1_000_000] {
            damping.strike(aired);
            holds.push(damping.hold());
        }
        assert_eq!(holds, [0, 10, 20, 40, 80, 100, 80, 10]);
    }
}
