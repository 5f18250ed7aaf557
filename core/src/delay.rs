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

    pub(crate) fn process(&mut self, mut block: &mut [Stereo]) {
        // In runs up to the end of the line, which cost less than frames one by one.
        while let Some(line) =
            self.line.get_mut(self.next..).filter(|line| !line.is_empty() && !block.is_empty())
        {
            let run = line.len().min(block.len());
            let (now, later) = block.split_at_mut(run);
            line.iter_mut().zip(now).for_each(|(held, frame)| std::mem::swap(held, frame));
            self.next = if run == line.len() { 0 } else { self.next + run };
            block = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_much_later_as_it_is_long_however_they_are_cut() {
        for (length, block) in [(0, 5), (1, 4), (3, 10), (7, 7), (10, 3), (5, 1)] {
            let mut delay = Delay::new(length);
            let frames: Vec<Stereo> = (1..=60).map(|n| [n as f32, -(n as f32)]).collect();
            let mut out = frames.clone();
            out.chunks_mut(block).for_each(|block| delay.process(block));
            let expected = std::iter::repeat_n(SILENCE, length).chain(frames);
            assert!(out.into_iter().eq(expected.take(60)), "{length} long, {block} at a time");
        }
    }
}
