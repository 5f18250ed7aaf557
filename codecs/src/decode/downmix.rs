//! Any channel layout to stereo, by the coefficients of ITU-R BS.775-3, annex 4.

use airchain_core::Stereo;
use symphonia::core::audio::{Channels, Position};

/// -3 dB, as BS.775 writes it.
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Interleaved samples of one channel layout to stereo frames.
pub(super) struct Downmix {
    channels: Channels,
    /// Per channel: its share of left and of right.
    shares: Vec<[f32; 2]>,
}

impl Downmix {
    pub(super) fn new(channels: &Channels) -> Self {
        let shares = match channels {
            // One channel is mono, whatever it is called; two are left and right.
            _ if channels.count() == 1 => vec![[1.0, 1.0]],
            _ if channels.count() == 2 => vec![[1.0, 0.0], [0.0, 1.0]],
            Channels::Positioned(positions) => positions.iter().map(share).collect(),
            _ => positions_by_count(channels.count()).iter().copied().map(share).collect(),
        };
        Self { channels: channels.clone(), shares }
    }

    /// Whether this is the downmix of `channels`.
    pub(super) fn is_for(&self, channels: &Channels) -> bool {
        self.channels == *channels
    }

    /// How many channels that layout has.
    pub(super) fn channels(&self) -> u16 {
        u16::try_from(self.shares.len()).unwrap_or(u16::MAX)
    }

    /// Appends `samples` as stereo frames. Samples that are not finite become silence.
    pub(super) fn append(&self, samples: &[f32], out: &mut Vec<Stereo>) {
        match self.shares.len() {
            0 => {}
            1 => out.extend(samples.iter().map(|&s| [finite(s); 2])),
            2 => out.extend(samples.as_chunks::<2>().0.iter().map(|frame| frame.map(finite))),
            count => out.extend(samples.chunks_exact(count).map(|frame| self.mix(frame))),
        }
    }

    fn mix(&self, frame: &[f32]) -> Stereo {
        frame.iter().zip(&self.shares).fold([0.0, 0.0], |[l, r], (&sample, share)| {
            let sample = finite(sample);
            [l + sample * share[0], r + sample * share[1]]
        })
    }
}

fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

/// What a loudspeaker position gives to left and right. BS.775 leaves the low-frequency channel out.
fn share(position: Position) -> [f32; 2] {
    match position {
        Position::FRONT_LEFT | Position::FRONT_LEFT_CENTER | Position::FRONT_LEFT_WIDE => [1.0, 0.0],
        Position::FRONT_RIGHT | Position::FRONT_RIGHT_CENTER | Position::FRONT_RIGHT_WIDE => [0.0, 1.0],
        Position::FRONT_CENTER | Position::TOP_FRONT_CENTER | Position::BOTTOM_FRONT_CENTER => {
            [HALF_POWER, HALF_POWER]
        }
        Position::LFE1 | Position::LFE2 => [0.0, 0.0],
        Position::REAR_LEFT
        | Position::SIDE_LEFT
        | Position::TOP_FRONT_LEFT
        | Position::TOP_SIDE_LEFT
        | Position::TOP_REAR_LEFT
        | Position::BOTTOM_FRONT_LEFT => [HALF_POWER, 0.0],
        Position::REAR_RIGHT
        | Position::SIDE_RIGHT
        | Position::TOP_FRONT_RIGHT
        | Position::TOP_SIDE_RIGHT
        | Position::TOP_REAR_RIGHT
        | Position::BOTTOM_FRONT_RIGHT => [0.0, HALF_POWER],
        // A single surround, and what is overhead, goes to both sides as a surround of half its power each.
        _ => [0.5, 0.5],
    }
}

/// The layouts that a bare number of channels means (RFC 9639, section 9.1.3).
fn positions_by_count(count: usize) -> Vec<Position> {
    use Position as P;
    let (l, r, c, lfe) = (P::FRONT_LEFT, P::FRONT_RIGHT, P::FRONT_CENTER, P::LFE1);
    let (rl, rr, rc, sl, sr) = (P::REAR_LEFT, P::REAR_RIGHT, P::REAR_CENTER, P::SIDE_LEFT, P::SIDE_RIGHT);
    match count {
        3 => vec![l, r, c],
        4 => vec![l, r, rl, rr],
        5 => vec![l, r, c, rl, rr],
        6 => vec![l, r, c, lfe, rl, rr],
        7 => vec![l, r, c, lfe, rc, sl, sr],
        // Of more than eight, the first eight are taken and the rest is left out.
        _ => [l, r, c, lfe, rl, rr, sl, sr].into_iter().chain(std::iter::repeat(lfe)).take(count).collect(),
    }
}

/// The layout that `count` channels in the order of WAVE files have.
pub(super) fn wave_layout(count: usize) -> Channels {
    match count {
        1 => Channels::Positioned(Position::FRONT_CENTER),
        2 => Channels::Positioned(Position::FRONT_LEFT | Position::FRONT_RIGHT),
        _ => Channels::Discrete(u16::try_from(count).unwrap_or(u16::MAX)),
    }
}
