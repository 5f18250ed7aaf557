//! A plain delay.

use crate::Stereo;
use crate::units::SILENCE;

/// Frames come out as long after they went in as it is long.
pub(crate) struct Delay {
    line: Box<[Stereo]>,
    next: usize,
}

impl Delay {
    pub(crate) fn new(length: usize) -> Self {
        Self { line: vec![SILENCE; length].into_boxed_slice(), next: 0 }
    }

    pub(crate) fn length(&self) -> usize {
        self.line.len()
    }

    pub(crate) fn process(&mut self, block: &mut [Stereo]) {
        let length = self.line.len();
        for frame in block {
            if let Some(held) = self.line.get_mut(self.next) {
                std::mem::swap(held, frame);
                self.next = if self.next + 1 == length { 0 } else { self.next + 1 };
            }
        }
    }
}
