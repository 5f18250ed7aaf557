//! Gains that are decided a few times a second and move in between.

use crate::Stereo;

/// A gain that goes from one decision to the next along a straight line, one step per frame.
///
/// Decisions come every `period` frames, counted from the last reset, however the frames are cut into blocks.
#[derive(Clone, Debug)]
pub(super) struct Glide {
    period: usize,
    /// Frames that the way under way takes: the period, unless it was sent.
    length: usize,
    at: usize,
    from: f64,
    to: f64,
}

impl Glide {
    pub(super) fn new(period: usize) -> Self {
        Self { period: period.max(1), length: period.max(1), at: 0, from: 1.0, to: 1.0 }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new(self.period);
    }

    /// Frames from one decision to the next.
    pub(super) fn period(&self) -> usize {
        self.period
    }

    /// Frames up to the next decision.
    pub(super) fn remaining(&self) -> usize {
        self.length - self.at
    }

    /// Applies the gain to each frame of `block`, at most [`remaining`](Self::remaining) of them. `true` when a
    /// decision is due.
    pub(super) fn apply(&mut self, block: &mut [Stereo]) -> bool {
        if self.from == self.to {
            let gain = self.to as f32;
            block.iter_mut().for_each(|frame| *frame = frame.map(|sample| sample * gain));
            return self.pass(block.len());
        }
        self.apply_shaped(block, |gain| gain)
    }

    /// [`apply`](Self::apply) with what `shape` makes of the gain of each frame.
    pub(super) fn apply_shaped(&mut self, block: &mut [Stereo], mut shape: impl FnMut(f64) -> f64) -> bool {
        let step = (self.to - self.from) / self.length as f64;
        // Counted in 32 bits, which the processor converts four at a time.
        let first = self.at as i32 + 1;
        for (n, frame) in block.iter_mut().enumerate() {
            let gain = shape(self.from + step * f64::from(first + n as i32)) as f32;
            *frame = frame.map(|sample| sample * gain);
        }
        self.pass(block.len())
    }

    /// Counts frames; `true` when a decision is due.
    fn pass(&mut self, frames: usize) -> bool {
        self.at += frames;
        self.at >= self.length
    }

    /// The decision: the gain at which the next period ends.
    pub(super) fn decide(&mut self, gain: f64) {
        (self.length, self.at, self.from, self.to) = (self.period, 0, self.to, gain);
    }

    /// Goes to `gain` in `length` frames from where it is; the next decision is due then.
    pub(super) fn send(&mut self, gain: f64, length: usize) {
        let here = self.from + (self.to - self.from) * self.at as f64 / self.length as f64;
        // No more than can be counted in 32 bits: half a day at 48 kHz.
        let length = length.clamp(1, i32::MAX as usize - 1);
        (self.length, self.at, self.from, self.to) = (length, 0, here, gain);
    }
}
