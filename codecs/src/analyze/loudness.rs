//! K-weighted energy per 10 ms, and the momentary and short-term loudness that are sums of it.
//!
//! `ebur128` measures these too, but sums its whole window anew at every query; one entry per 10 ms would cost more
//! than decoding the file.

use airchain_core::Stereo;

/// Blocks of 10 ms in the window of momentary loudness (EBU Tech 3341, 400 ms).
pub(super) const MOMENTARY: usize = 40;
/// Blocks of 10 ms in the window of short-term loudness (EBU Tech 3341, 3 s).
pub(super) const SHORT_TERM: usize = 300;

/// Energies of consecutive 10 ms.
pub(super) struct Blocks {
    rate: u32,
    mono: bool,
    left: KWeighting,
    right: KWeighting,
    /// Sum of squares of both channels, per whole block and the rest at the end.
    energies: Vec<f32>,
    /// Frames seen, and the sum over those since the last whole block.
    frames: u64,
    sum: f64,
    block_end: u64,
}

impl Blocks {
    /// Blocks at `rate` Hz, from 100 Hz up; of one channel if `mono`.
    pub(super) fn new(rate: u32, mono: bool) -> Option<Self> {
        if rate < 100 {
            return None;
        }
        let filter = KWeighting::new(rate);
        let (left, right) = (filter.clone(), filter);
        let block_end = boundary(1, rate);
        Some(Self { rate, mono, left, right, energies: Vec::new(), frames: 0, sum: 0.0, block_end })
    }

    /// Takes the next frames.
    pub(super) fn add(&mut self, mut frames: &[Stereo]) {
        while !frames.is_empty() {
            let room = (self.block_end - self.frames).min(frames.len() as u64) as usize;
            let (now, rest) = frames.split_at(room);
            self.sum += self.left.energy(now.iter().map(|[left, _]| *left));
            if !self.mono {
                self.sum += self.right.energy(now.iter().map(|[_, right]| *right));
            }
            self.frames += room as u64;
            if self.frames == self.block_end {
                self.close_block();
            }
            frames = rest;
        }
    }

    fn close_block(&mut self) {
        self.energies.push(self.sum as f32);
        self.sum = 0.0;
        self.block_end = boundary(self.energies.len() as u64 + 1, self.rate);
    }

    /// Keeps what is left of the last 10 ms.
    pub(super) fn finish(&mut self) {
        if self.start(self.energies.len()) < self.frames {
            self.close_block();
        }
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        self.energies.len()
    }

    /// First frame of a block, or the end of the file after the last.
    fn start(&self, block: usize) -> u64 {
        boundary(block as u64, self.rate).min(self.frames)
    }

    /// When a block begins, in seconds.
    pub(super) fn start_s(&self, block: usize) -> f64 {
        self.start(block) as f64 / f64::from(self.rate)
    }

    /// Loudness of `count` blocks from `first` on, as many of them as there are; -inf of silence and of nothing.
    pub(super) fn loudness(&self, first: usize, count: usize) -> f64 {
        let end = first.saturating_add(count).min(self.len());
        let energy: f64 =
            self.energies.get(first..end).unwrap_or_default().iter().map(|e| f64::from(*e)).sum();
        let frames = self.start(end).saturating_sub(self.start(first)).max(1);
        // BS.1770-5, annex 1: -0.691 makes up for the K-weighting's gain at 1 kHz.
        -0.691 + 10.0 * (energy / frames as f64).log10()
    }

    /// Loudness of every window of so many whole blocks: end of the window in seconds, LUFS.
    pub(super) fn series(&self, window: usize) -> Vec<(f64, Option<f64>)> {
        let whole = (0..=self.len().saturating_sub(window))
            .filter(|first| boundary((first + window) as u64, self.rate) <= self.frames);
        whole
            .map(|first| (self.start_s(first + window), super::level(self.loudness(first, window))))
            .collect()
    }
}

/// Where block number `block` begins. Whole frames, and never a drift at rates that 100 does not divide.
fn boundary(block: u64, rate: u32) -> u64 {
    (block * u64::from(rate) + 50) / 100
}

/// The two filters of BS.1770-5, annex 1, at any rate: a high shelf for the head and a high-pass. The standard gives
/// coefficients for 48 kHz; these are the analogue prototypes behind them, as `libebur128` derived them.
#[derive(Clone)]
struct KWeighting {
    shelf: Biquad,
    high_pass: Biquad,
}

impl KWeighting {
    fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        let (f0, gain_db, q) = (1_681.974_450_955_533, 3.999_843_853_973_347, 0.707_175_236_955_419_6);
        let k = (std::f64::consts::PI * f0 / rate).tan();
        let vh = 10.0_f64.powf(gain_db / 20.0);
        let vb = vh.powf(0.499_666_774_154_541_6);
        let a0 = 1.0 + k / q + k * k;
        let shelf = Biquad::new(
            [(vh + vb * k / q + k * k) / a0, 2.0 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0],
            [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
        );
        let (f0, q) = (38.135_470_876_024_44, 0.500_327_037_323_877_3);
        let k = (std::f64::consts::PI * f0 / rate).tan();
        let a0 = 1.0 + k / q + k * k;
        let high_pass = Biquad::new([1.0, -2.0, 1.0], [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0]);
        Self { shelf, high_pass }
    }

    /// Energy of the weighted samples.
    fn energy(&mut self, samples: impl Iterator<Item = f32>) -> f64 {
        let mut sum = 0.0;
        for sample in samples {
            let weighted = self.high_pass.next(self.shelf.next(f64::from(sample)));
            sum += weighted * weighted;
        }
        self.shelf.calm();
        self.high_pass.calm();
        sum
    }
}

/// A second-order section, transposed direct form II.
#[derive(Clone)]
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
    state: [f64; 2],
}

impl Biquad {
    fn new(b: [f64; 3], a: [f64; 2]) -> Self {
        Self { b, a, state: [0.0; 2] }
    }

    #[inline]
    fn next(&mut self, x: f64) -> f64 {
        let y = self.b[0] * x + self.state[0];
        self.state[0] = self.b[1] * x - self.a[0] * y + self.state[1];
        self.state[1] = self.b[2] * x - self.a[1] * y;
        y
    }

    /// Ends a decay before it gets to numbers so small that the processor slows down.
    fn calm(&mut self) {
        for state in &mut self.state {
            if state.abs() < 1e-30 {
                *state = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebur128::{EbuR128, Mode};

    /// Bursts of two tones, unlike in the two channels.
    fn programme(rate: u32, seconds: u32) -> Vec<Stereo> {
        let frame = |n: u32| {
            let t = f64::from(n) / f64::from(rate);
            let envelope = (t * 0.7).sin().powi(2);
            let tone = |hz: f64| (envelope * 0.5 * (t * hz * std::f64::consts::TAU).sin()) as f32;
            [tone(200.0), tone(3000.0) * 0.5]
        };
        (0..rate * seconds).map(frame).collect()
    }

    #[test]
    fn series_equal_ebur128_at_every_rate() {
        for rate in [8_000, 22_050, 44_100, 48_000, 96_000, 192_000] {
            for mono in [false, true] {
                let frames = programme(rate, 5);
                let mut blocks = Blocks::new(rate, mono).unwrap();
                let mut peer = EbuR128::new(if mono { 1 } else { 2 }, rate, Mode::M | Mode::S).unwrap();
                // The two agree where the blocks' grid and the peer's fall together: at whole 100 ms.
                for (n, chunk) in frames.chunks(rate as usize / 10).enumerate() {
                    blocks.add(chunk);
                    let flat: Vec<f32> =
                        chunk.iter().flat_map(|[l, r]| if mono { vec![*l] } else { vec![*l, *r] }).collect();
                    peer.add_frames_f32(&flat).unwrap();
                    let end = (n + 1) * 10;
                    for (window, reference) in
                        [(MOMENTARY, peer.loudness_momentary()), (SHORT_TERM, peer.loudness_shortterm())]
                    {
                        if end >= window {
                            let ours = blocks.loudness(end - window, window);
                            let theirs = reference.unwrap();
                            assert!(
                                (ours - theirs).abs() < 0.001,
                                "{rate} {mono} {end} {window}: {ours} {theirs}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn any_cutting_gives_the_same_blocks() {
        let frames = programme(22_050, 2);
        let whole = |cut: usize| {
            let mut blocks = Blocks::new(22_050, false).unwrap();
            frames.chunks(cut).for_each(|chunk| blocks.add(chunk));
            blocks.finish();
            blocks
        };
        let (one, many) = (whole(frames.len()), whole(37));
        assert_eq!((one.len(), many.len()), (200, 200));
        for block in 0..200 {
            assert!((one.loudness(block, 1) - many.loudness(block, 1)).abs() < 1e-4);
        }
        assert_eq!(one.series(MOMENTARY).len(), 161);
        assert!(one.series(SHORT_TERM).is_empty());
        assert_eq!(one.series(MOMENTARY)[0].0, 0.4);
    }
}
