//! The place where one connection's audio ends and the next one's begins: 10 ms of both, so that it does not click.

use airchain_core::Stereo;
use airchain_core::curve::Curve;

/// The last frames of what broke off, under the first of what goes on.
#[derive(Default)]
pub(super) struct Join {
    old: Vec<Stereo>,
    at: usize,
}

impl Join {
    /// Keeps the end of what broke off. Where nothing did, what begins rises from silence.
    pub(super) fn after(old: Vec<Stereo>) -> Self {
        Self { old, at: 0 }
    }

    /// Mixes what is kept under the next frames.
    pub(super) fn mix(&mut self, fresh: &mut [Stereo]) {
        let length = self.old.len() as f64;
        for (frame, old) in fresh.iter_mut().zip(self.old.iter().skip(self.at)) {
            let progress = (self.at as f64 + 0.5) / length;
            let rise = Curve::EqualPower.rise(progress) as f32;
            let fall = Curve::EqualPower.rise(1.0 - progress) as f32;
            *frame = [frame[0] * rise + old[0] * fall, frame[1] * rise + old[1] * fall];
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_falls_as_the_other_rises_however_it_is_cut() {
        let mut whole = [[0.0, 1.0]; 600];
        Join::after(vec![[1.0, 0.0]; 480]).mix(&mut whole);
        let mut pieces = [[0.0, 1.0]; 600];
        let mut join = Join::after(vec![[1.0, 0.0]; 480]);
        pieces.chunks_mut(7).for_each(|piece| join.mix(piece));
        assert_eq!(whole, pieces);
        assert!(whole[..480].iter().all(|[old, new]| (old * old + new * new - 1.0).abs() < 1e-5));
        assert!(whole.windows(2).all(|pair| pair[1][1] >= pair[0][1]));
        assert_eq!(whole[480..], [[0.0, 1.0]; 120]);
    }
}
