//! The bypass of a chain: the programme as it is, as late as the chain makes it, for the moment in which that fails.

use crate::curve::{Curve, Fade};
use crate::deck::declicked;
use crate::stems::Stems;
use crate::tier::Tier;
use crate::units::SILENCE;
use crate::{Frames, Stereo};

/// Always fed, so that it can take over at any frame.
pub(crate) struct Bypass {
    /// Of what goes in.
    joint: Joint,
    /// The newest frames, in a circle: what is still to come out, and the block that does.
    line: Box<[Stereo]>,
    /// Where the next frame goes.
    next: usize,
    /// Frames by which it is late.
    latency: usize,
    /// Frames that came in last.
    block: usize,
}

impl Bypass {
    pub(crate) fn new(latency: usize, rate: u32, max_block: usize) -> Self {
        let line = vec![SILENCE; latency + max_block].into_boxed_slice();
        Self { joint: Joint::new(rate), line, next: 0, latency, block: 0 }
    }

    /// Frames by which it is late.
    pub(crate) fn latency(&self) -> usize {
        self.latency
    }

    /// What goes in breaks off.
    pub(crate) fn breaks(&mut self) {
        self.joint.breaks();
    }

    /// Takes in what goes into the chain from frame `at` on, no more than a block.
    pub(crate) fn feed(&mut self, at: Frames, block: &[Stereo], stems: &Stems) {
        let mut done = 0;
        while let (Some(rest), Some(line)) = (block.get(done..), self.line.get_mut(self.next..)) {
            let run = rest.len().min(line.len());
            let (Some(new), Some(frames)) = (rest.get(..run), line.get_mut(..run)) else { break };
            if new.is_empty() {
                break;
            }
            frames.copy_from_slice(new);
            let mut due = Tier::ALL.map(|tier| stems.is_beside(tier));
            stems.add(&mut due, None, done, frames);
            self.joint.smooth(at + done as Frames, frames);
            done += run;
            self.next = if self.next + run == self.line.len() { 0 } else { self.next + run };
        }
        self.block = done;
    }

    /// Puts what comes out in the place of `block`, for what was fed last. `false` when something that is not a number had
    /// to be silenced.
    pub(crate) fn put(&self, block: &mut [Stereo]) -> bool {
        let oldest = (self.next + self.line.len() - self.block - self.latency) % self.line.len().max(1);
        let (newer, older) = self.line.split_at_checked(oldest).unwrap_or_default();
        let (first, rest) = block.split_at_mut(older.len().min(block.len()));
        for (frames, held) in [(first, older), (rest, newer)] {
            if let Some(held) = held.get(..frames.len()) {
                frames.copy_from_slice(held);
            }
        }
        let finite = block.as_flattened().iter().fold(true, |finite, sample| finite & sample.is_finite());
        if !finite {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_in_comes_out_as_much_later_as_it_is_long_however_it_is_cut() {
        for (latency, blocks) in [(0, [4, 4, 4]), (3, [8, 1, 7]), (8, [3, 8, 5]), (20, [8, 8, 2])] {
            let (mut bypass, stems) = (Bypass::new(latency, 48_000, 8), Stems::new(8));
            let frames: Vec<Stereo> = (1..=60).map(|n| [n as f32, -(n as f32)]).collect();
            let expected: Vec<_> = std::iter::repeat_n(SILENCE, latency).chain(frames.clone()).collect();
            let mut at = 0;
            for length in blocks.into_iter().cycle().take(11) {
                let to = (at + length).min(frames.len());
                let mut out = vec![[0.5; 2]; to - at];
                bypass.feed(at as Frames, &frames[at..to], &stems);
                assert!(bypass.put(&mut out));
                assert_eq!(out, expected[at..to], "{latency} late, at {at}");
                at = to;
            }
        }
    }

    #[test]
    fn what_is_no_number_is_silenced() {
        let (mut bypass, stems) = (Bypass::new(0, 48_000, 8), Stems::new(8));
        let mut block = [[0.5; 2], [f32::NAN; 2]];
        bypass.feed(0, &block, &stems);
        assert!(!bypass.put(&mut block));
        assert_eq!(block, [SILENCE; 2]);
    }
}
