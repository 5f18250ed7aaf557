//! The bypass of a chain: the programme as it is, as late as the chain makes it, for the moment in which that fails.

use crate::curve::{Curve, Fade};
use crate::deck::declicked;
use crate::delay::Delay;
use crate::stems::Stems;
use crate::tier::Tier;
use crate::units::SILENCE;
use crate::{Frames, Stereo};

/// Always fed, so that it can take over at any frame.
pub(crate) struct Bypass {
    /// Of what goes in.
    joint: Joint,
    delay: Delay,
    frames: Box<[Stereo]>,
}

impl Bypass {
    pub(crate) fn new(latency: usize, rate: u32, max_block: usize) -> Self {
        let frames = vec![SILENCE; max_block].into_boxed_slice();
        Self { joint: Joint::new(rate), delay: Delay::new(latency), frames }
    }

    /// Frames by which it is late.
    pub(crate) fn latency(&self) -> usize {
        self.delay.length()
    }

    /// What goes in breaks off.
    pub(crate) fn breaks(&mut self) {
        self.joint.breaks();
    }

    /// Takes in what goes into the chain from frame `at` on.
    pub(crate) fn feed(&mut self, at: Frames, block: &[Stereo], stems: &Stems) {
        let Some(frames) = self.frames.get_mut(..block.len()) else { return };
        frames.copy_from_slice(block);
        let mut due = Tier::ALL.map(|tier| stems.is_beside(tier));
        stems.add(&mut due, None, frames);
        self.joint.smooth(at, frames);
        if self.delay.length() > 0 {
            self.delay.process(frames);
        }
    }

    /// Puts what comes out in the place of `block`. `false` when something that is not a number had to be silenced.
    pub(crate) fn put(&self, block: &mut [Stereo]) -> bool {
        let frames = self.frames.get(..block.len()).unwrap_or_default();
        let finite = frames.as_flattened().iter().fold(true, |finite, sample| finite & sample.is_finite());
        if finite && frames.len() == block.len() {
            block.copy_from_slice(frames);
        } else {
            block.fill(SILENCE);
        }
        finite
    }
}

/// Where audio breaks off and other audio goes on: by how much it jumps falls to nothing within 5 ms.
pub(crate) struct Joint {
    rate: u32,
    /// The last frame before.
    last: Stereo,
    broken: bool,
    step: Option<(Stereo, Fade)>,
}

impl Joint {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, last: SILENCE, broken: false, step: None }
    }

    /// What comes next is not what would have.
    pub(crate) fn breaks(&mut self) {
        self.broken = true;
    }

    /// Sees, and smooths, what comes from frame `at` on.
    pub(crate) fn smooth(&mut self, at: Frames, block: &mut [Stereo]) {
        let Some(first) = block.first() else { return };
        if std::mem::take(&mut self.broken) {
            let step = [self.last[0] - first[0], self.last[1] - first[1]];
            let fade = Fade::new(at, declicked(0, self.rate), 1.0, 0.0, Curve::SCurve, self.rate);
            self.step = Some((step, fade));
        }
        if let Some((step, fade)) = &self.step {
            for (i, frame) in block.iter_mut().enumerate() {
                let gain = fade.gain_at(at + i as Frames);
                *frame = [frame[0] + gain * step[0], frame[1] + gain * step[1]];
            }
            if fade.is_settled(at + block.len() as Frames) {
                self.step = None;
            }
        }
        self.last = block.last().copied().unwrap_or(SILENCE);
    }
}
