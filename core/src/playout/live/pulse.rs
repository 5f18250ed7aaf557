//! The pulse of a live source: whether it sends, whether it is heard, and for how long it has been good.

use super::tape::Tape;
use crate::Frames;

/// What a source has been doing, by the engine's position.
pub(super) struct Pulse {
    /// A source that has sent nothing for longer than this has stalled: as long as a pre-roll lasts.
    patience: Frames,
    /// A pause longer than this makes good time start over.
    pause: Frames,
    /// Quiet for this long, it is silent; `None` is never.
    silence: Option<Frames>,
    position: Frames,
    /// What was written when last looked at, and the position at which that changed.
    written: Frames,
    pushed_at: Option<Frames>,
    /// Since when it has been good: the position, and the count of sound frames there.
    good_since: Frames,
    good_from: Frames,
}

impl Pulse {
    pub(super) fn new(patience: Frames, pause: Frames, silence: Option<Frames>) -> Self {
        Self {
            patience,
            pause,
            silence,
            position: 0,
            written: 0,
            pushed_at: None,
            good_since: 0,
            good_from: 0,
        }
    }

    /// Looks at the source at `position`.
    pub(super) fn look(&mut self, tape: &Tape, position: Frames) {
        self.position = position;
        let written = tape.written();
        if written != self.written {
            self.written = written;
            self.pushed_at = Some(position);
        }
        if self.is_stalled() || tape.quiet() > self.pause {
            self.start_over(tape);
        }
    }

    /// Counts good time from now on.
    pub(super) fn start_over(&mut self, tape: &Tape) {
        (self.good_since, self.good_from) = (self.position, tape.sound());
    }

    /// Frames since something came from it; `None` when nothing ever did.
    pub(super) fn overdue(&self) -> Option<Frames> {
        self.pushed_at.map(|at| self.position.saturating_sub(at))
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.overdue().is_none_or(|overdue| overdue > self.patience)
    }

    pub(super) fn is_silent(&self, tape: &Tape) -> bool {
        self.silence.is_some_and(|silence| tape.quiet() >= silence)
    }

    /// For how long it has been good: time that has passed without a stall or a long pause, as far as it was sound.
    pub(super) fn good(&self, tape: &Tape) -> Frames {
        (self.position - self.good_since).min(tape.sound() - self.good_from)
    }
}
