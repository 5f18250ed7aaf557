//! The newest audio of the bus, and how far what is sent lags behind it.

use airchain_core::Stereo;
use airchain_core::curve::Curve;

/// The audio that was heard last, by its position.
#[derive(Default)]
pub(super) struct Past {
    audio: Vec<Stereo>,
    /// Position of the first frame kept.
    start: i64,
}

impl Past {
    pub(super) fn push(&mut self, frames: &[Stereo]) {
        self.audio.extend_from_slice(frames);
    }

    /// Position after the last frame.
    pub(super) fn end(&self) -> i64 {
        self.start + self.audio.len() as i64
    }

    /// Forgets what lies before a position; not each time, for that moves all the rest.
    pub(super) fn forget_before(&mut self, position: i64) {
        let old = usize::try_from(position - self.start).unwrap_or(0).min(self.audio.len());
        if old > self.audio.len() / 2 {
            self.audio.drain(..old);
            self.start += old as i64;
        }
    }

    /// A frame; silence where there is none.
    fn at(&self, position: i64) -> Stereo {
        usize::try_from(position - self.start)
            .ok()
            .and_then(|index| self.audio.get(index).copied())
            .unwrap_or_default()
    }
}

/// By how many frames what is sent lags behind the bus. A copied packet lies where it does in its file, so this changes
/// from item to item; what is encoded goes over from the one to the other.
#[derive(Default)]
pub(super) struct Lag {
    frames: i64,
    /// Where it begins to become another, in time of what is sent, and which.
    next: Option<(i64, i64)>,
    length: i64,
    #[cfg(test)]
    pub(super) changes: Vec<(i64, i64)>,
}

impl Lag {
    /// A lag of nothing, which changes in `length` frames.
    pub(super) fn new(length: i64) -> Self {
        Self { length: length.max(1), ..Self::default() }
    }

    /// The present one, or the one that it becomes.
    pub(super) fn frames(&self) -> i64 {
        self.next.map_or(self.frames, |(_, frames)| frames)
    }

    /// Has it become another from `at` on.
    pub(super) fn change(&mut self, at: i64, frames: i64) {
        self.next = Some((at, frames));
        #[cfg(test)]
        self.changes.push((at, frames));
    }

    /// Whether it is the same from `from` on.
    pub(super) fn is_steady(&self, from: i64) -> bool {
        self.next.is_none_or(|(at, _)| at + self.length <= from)
    }

    /// Whether a change is under way, or was so lately that what lies before it may still be asked for.
    pub(super) fn is_changing(&self) -> bool {
        self.next.is_some()
    }

    /// Notes that nothing before `at` is asked for any more.
    pub(super) fn pass(&mut self, at: i64) {
        if self.is_steady(at) {
            self.frames = self.frames();
            self.next = None;
        }
    }

    /// What is sent from `from` on.
    pub(super) fn read(&self, past: &Past, from: i64, out: &mut [Stereo]) {
        for (n, frame) in (from..).zip(out) {
            let heard = past.at(n - self.frames);
            *frame = match self.next {
                Some((at, lag)) if n >= at => {
                    let progress = (n - at) as f64 / self.length as f64;
                    // Both are the same programme, so amplitudes are crossfaded, not powers.
                    let gain = Curve::SCurve.rise(progress.min(1.0)) as f32;
                    let then = past.at(n - lag);
                    [0, 1].map(|ch| heard[ch] * (1.0 - gain) + then[ch] * gain)
                }
                _ => heard,
            };
        }
    }
}
