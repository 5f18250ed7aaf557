//! A rung of the ladder: the programme of a tier with the gains on it.

use crate::control::Ramp;
use crate::curve::Fade;
use crate::program::{Program, Run};
use crate::{Frames, Stereo};

/// A sample above -40 dBFS is sound.
const SOUND: f32 = 0.01;

/// One tier: its programme and the gains on it.
pub(crate) struct Rung {
    pub(crate) program: Program,
    /// 1 while it has the air, 0 while another tier has.
    pub(crate) level: Fade,
    /// The operator's fade.
    pub(crate) trim: Fade,
    /// How it is run at the moment; it stands still when `None`.
    pub(crate) run: Option<Run>,
    /// It was silent while it had the air, and has it only for want of another before it is heard again. The frames
    /// of sound counted so far.
    pub(crate) bypassed: Option<Frames>,
}

impl Rung {
    pub(crate) fn new(program: Program) -> Self {
        Self { program, level: Fade::constant(0.0), trim: Fade::constant(1.0), run: None, bypassed: None }
    }

    /// Whether it can have the air before all lower tiers.
    pub(crate) fn is_candidate(&self) -> bool {
        self.bypassed.is_none() && self.program.is_ready()
    }

    pub(crate) fn is_silenced(&self, now: Frames) -> bool {
        self.level.target() == 0.0 && self.level.is_settled(now)
    }

    /// Whether anything of it is on a deck.
    pub(crate) fn is_under_way(&self) -> bool {
        self.program.is_under_way() || self.program.has_tail()
    }

    /// Lets it fall, unless it is silent sooner anyway.
    pub(crate) fn fall(&mut self, ramp: Ramp, now: Frames, rate: u32) {
        if self.level.target() != 0.0 || self.level.end() > now + ramp.length {
            self.level = Fade::new(now, ramp.length, self.level.gain_at(now), 0.0, ramp.curve, rate);
        }
    }

    /// Counts sound in what a bypassed tier plays.
    pub(crate) fn listen(&mut self, audio: &[Stereo]) {
        let Some(heard) = &mut self.bypassed else { return };
        let sound = audio.iter().filter(|frame| frame.iter().any(|sample| sample.abs() > SOUND)).count();
        *heard += sound as Frames;
    }
}
