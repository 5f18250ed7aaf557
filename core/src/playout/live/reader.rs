//! The deck's end of a live source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::config::Depths;
use super::tape::Tape;
use crate::curve::Curve;
use crate::source::{Fill, Source};
use crate::{Frames, Stereo};

/// It has not begun.
const NOT_BEGUN: Frames = Frames::MAX;
/// What a take is told: to go on, to fall and end, or to be over at once because nobody hears it.
const GO_ON: u8 = 0;
const FALL: u8 = 1;
const BE_OVER: u8 = 2;

/// One spell of a source on a deck, as its reader and its slot share it.
#[derive(Debug)]
pub(super) struct Take {
    /// Tape position of its first frame.
    start: AtomicU64,
    /// Tape position of its next frame.
    next: AtomicU64,
    /// Tape position from which it was read last.
    read_from: AtomicU64,
    /// Frames passed over.
    skipped: AtomicU64,
    /// The source sent too little, and it declared its end.
    ran_dry: AtomicBool,
    told: AtomicU8,
}

impl Take {
    pub(super) fn new() -> Self {
        Self {
            start: AtomicU64::new(NOT_BEGUN),
            next: AtomicU64::new(NOT_BEGUN),
            read_from: AtomicU64::new(NOT_BEGUN),
            skipped: AtomicU64::new(0),
            ran_dry: AtomicBool::new(false),
            told: AtomicU8::new(GO_ON),
        }
    }

    /// Tape position of its first frame, once it has begun.
    pub(super) fn start(&self) -> Option<Frames> {
        Some(self.start.load(Ordering::Acquire)).filter(|at| *at != NOT_BEGUN)
    }

    /// Tape position of its next frame, once it has begun.
    pub(super) fn next(&self) -> Option<Frames> {
        Some(self.next.load(Ordering::Acquire)).filter(|at| *at != NOT_BEGUN)
    }

    /// Tape position from which it was read last, once it has begun.
    fn read_from(&self) -> Option<Frames> {
        Some(self.read_from.load(Ordering::Acquire)).filter(|at| *at != NOT_BEGUN)
    }

    pub(super) fn skipped(&self) -> Frames {
        self.skipped.load(Ordering::Relaxed)
    }

    pub(super) fn ran_dry(&self) -> bool {
        self.ran_dry.load(Ordering::Relaxed)
    }

    /// Lets it end with a fall.
    pub(super) fn fall(&self) {
        self.told.fetch_max(FALL, Ordering::Relaxed);
    }

    /// Lets it be over at once, without a fall. For takes that nobody hears.
    pub(super) fn be_over(&self) {
        self.told.fetch_max(BE_OVER, Ordering::Relaxed);
    }
}

/// A take of the same source on another tier, from which a reader takes over at the same frame.
pub(super) struct Follow {
    pub(super) take: Arc<Take>,
    /// It is on a higher tier. The ladder mixes those first, so when this reader begins, the other has read the same
    /// stretch already.
    pub(super) is_higher: bool,
}

impl Follow {
    /// Tape position of the frame with which both go on.
    fn at(&self) -> Option<Frames> {
        let at = if self.is_higher { self.take.read_from() } else { self.take.next() };
        at.filter(|_| !self.take.ran_dry())
    }
}

/// What is heard under the frames that rise at a joint.
enum Under {
    /// Nothing: the source begins.
    Nothing,
    /// The tape from this position on, which is being skipped.
    Tape(Frames),
    /// The last frame that was heard, held: what followed it was written over.
    Held(Stereo),
}

/// A place where the audio does not follow from what was heard before.
struct Joint {
    at: Frames,
    under: Under,
}

/// The deck's end of a live source: one spell on air.
///
/// It begins with its first [`fill`](Source::fill), a pre-roll behind what has been pushed by then, however long it has
/// waited. As long as its end is out of sight it has a block and 10 ms ahead of it; when that is no longer so it declares
/// its end. It rises over its first and falls over its last 10 ms by itself.
pub struct LiveReader {
    tape: Arc<Tape>,
    take: Arc<Take>,
    depths: Depths,
    follows: Option<Follow>,
    /// Next position to be read, once begun.
    next: Option<Frames>,
    end: Option<Frames>,
    joint: Option<Joint>,
    last: Stereo,
}

impl LiveReader {
    pub(super) fn new(tape: Arc<Tape>, take: Arc<Take>, depths: Depths, follows: Option<Follow>) -> Self {
        Self { tape, take, depths, follows, next: None, end: None, joint: None, last: [0.0; 2] }
    }

    /// Where it begins if it begins now.
    fn beginning(&self, written: Frames) -> Frames {
        let other = self.follows.as_ref().and_then(Follow::at);
        other.filter(|at| self.is_within(*at, written)).unwrap_or_else(|| self.newest(written))
    }

    /// A pre-roll behind the newest frame.
    fn newest(&self, written: Frames) -> Frames {
        written.saturating_sub(self.depths.preroll).max(self.tape.origin())
    }

    fn is_within(&self, at: Frames, written: Frames) -> bool {
        written.saturating_sub(at) <= self.depths.buffer
    }

    fn begin(&mut self, written: Frames) -> Frames {
        if let Some(at) = self.next {
            return at;
        }
        let at = self.beginning(written);
        // Also when it follows another: the ladder's fade need not begin at nothing.
        self.joint = Some(Joint { at, under: Under::Nothing });
        self.take.start.store(at, Ordering::Release);
        at
    }

    /// Goes on a pre-roll behind the newest frame instead of at `at`.
    fn skip(&mut self, at: Frames, written: Frames, under: Under) -> Frames {
        let to = self.newest(written).max(at);
        self.take.skipped.fetch_add(to - at, Ordering::Relaxed);
        self.joint = Some(Joint { at: to, under });
        to
    }

    /// Reads the frames from `at` on; `false` when they were written over meanwhile.
    fn read(&self, at: Frames, out: &mut [Stereo]) -> bool {
        let mut oldest = at;
        for (frame, at) in out.iter_mut().zip(at..) {
            *frame = self.tape.frame(at);
            if let Some((joint, passed)) = self.joint_at(at) {
                let progress = (passed as f64 + 0.5) / self.depths.seam as f64;
                let under = match joint.under {
                    Under::Nothing => [0.0; 2],
                    Under::Held(frame) => frame,
                    Under::Tape(from) => {
                        oldest = from;
                        self.tape.frame(from + passed)
                    }
                };
                let (gain, gain_under) =
                    (Curve::EqualPower.rise(progress) as f32, Curve::EqualPower.rise(1.0 - progress) as f32);
                *frame = mix(*frame, gain, under, gain_under);
            }
            if let Some(left) = self.end.map(|end| end - at).filter(|left| *left <= self.depths.seam) {
                let gain = Curve::SCurve.rise((left as f64 - 0.5) / self.depths.seam as f64) as f32;
                *frame = frame.map(|sample| sample * gain);
            }
        }
        self.tape.still_holds(oldest)
    }

    /// The joint that frame `at` belongs to, and how many of its frames are before it.
    fn joint_at(&self, at: Frames) -> Option<(&Joint, Frames)> {
        let joint = self.joint.as_ref()?;
        let passed = at.checked_sub(joint.at)?;
        (passed < self.depths.seam).then_some((joint, passed))
    }

    /// Decides, with `next` the next frame to be read, whether the end is in sight.
    fn look_ahead(&mut self, next: Frames) {
        let held = self.tape.written().saturating_sub(next);
        if self.take.told.load(Ordering::Relaxed) != GO_ON {
            self.end = Some(next + held.min(self.depths.seam));
        } else if held < self.depths.guard && !self.tape.is_closed() {
            self.take.ran_dry.store(true, Ordering::Relaxed);
            self.end = Some(next + held);
        }
    }
}

impl Source for LiveReader {
    fn fill(&mut self, out: &mut [Stereo]) -> Fill {
        // Asked before what is written: once it is closed, that is all there will be.
        let closed = self.tape.is_closed();
        let written = self.tape.written();
        let mut at = self.begin(written);
        if self.end.is_none() {
            if !self.is_within(at, written) {
                let under = if self.tape.still_holds(at) { Under::Tape(at) } else { Under::Held(self.last) };
                at = self.skip(at, written, under);
            }
            self.end = closed.then_some(written);
        }
        let ahead = self.end.unwrap_or(written).saturating_sub(at);
        let mut frames = out.len().min(usize::try_from(ahead).unwrap_or(usize::MAX));
        let asked = out.len();
        if !self.read(at, out.get_mut(..frames).unwrap_or_default()) {
            let written = self.tape.written();
            at = self.skip(at, written, Under::Held(self.last));
            frames = asked.min((self.end.unwrap_or(written).saturating_sub(at)) as usize);
            self.read(at, out.get_mut(..frames).unwrap_or_default());
        }
        self.last = frames.checked_sub(1).and_then(|last| out.get(last)).copied().unwrap_or(self.last);
        let next = at + frames as Frames;
        self.next = Some(next);
        self.take.read_from.store(at, Ordering::Release);
        self.take.next.store(next, Ordering::Release);
        self.tape.set_heard(Some(next));
        if self.end.is_none() {
            self.look_ahead(next);
        }
        match self.end {
            _ if frames == asked => Fill::Full,
            Some(end) if end <= next => Fill::End { frames },
            _ => Fill::Short { frames },
        }
    }

    fn remaining(&self) -> Option<Frames> {
        if self.take.told.load(Ordering::Relaxed) == BE_OVER {
            return Some(0);
        }
        let closed = self.tape.is_closed();
        let written = self.tape.written();
        match self.next {
            Some(next) => self.end.or(closed.then_some(written)).map(|end| end.saturating_sub(next)),
            None => {
                let held = written.saturating_sub(self.beginning(written));
                // A source that has failed while it waited for its turn is over before it begins.
                (closed || held < self.depths.guard).then_some(if closed { held } else { 0 })
            }
        }
    }

    fn available(&self) -> Frames {
        let written = self.tape.written();
        let next = self.next.unwrap_or_else(|| self.beginning(written));
        self.end.unwrap_or(written).saturating_sub(next)
    }
}

fn mix(a: Stereo, gain_a: f32, b: Stereo, gain_b: f32) -> Stereo {
    [a[0] * gain_a + b[0] * gain_b, a[1] * gain_a + b[1] * gain_b]
}
