//! A deck: one prepared item being played, with its gain and fades.

use std::sync::Arc;

use crate::curve::{Curve, Fade};
use crate::item::Metadata;
use crate::source::{Fill, Source};
use crate::{Frames, Stereo};

/// Names an item within one station; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

/// An item that is opened, decoded ahead and ready to start at any frame. Made by a decode worker, given back to
/// be freed when it has ended.
pub struct Prepared {
    /// Which item it is.
    pub id: ItemId,
    /// Its audio, from cue in to cue out.
    pub source: Box<dyn Source>,
    /// Linear gain.
    pub gain: f32,
    /// Fade at its start; the crossfade's when `None`.
    pub fade_in: Option<Frames>,
    /// Fade before its end; the crossfade's when `None`.
    pub fade_out: Option<Frames>,
    /// Shape of both fades; the crossfade's when `None`.
    pub curve: Option<Curve>,
    /// Where in it the next item starts, counted from its first frame; worked out from its end when `None`.
    pub start_next: Option<Frames>,
    /// What listeners are told while it plays.
    pub metadata: Arc<Metadata>,
}

/// A deck with an item on it.
pub(crate) struct Deck {
    item: Box<Prepared>,
    rate: u32,
    /// Frame at which its first frame was heard.
    started: Frames,
    /// Frames taken from the source.
    played: Frames,
    fade_in: Fade,
    fade_out: Option<Fade>,
    /// Frames that its source has been short of without a break, and where that began.
    starved: Frames,
    starved_at: Frames,
}

/// A stretch in which a deck's source delivered too little.
pub(crate) struct Starvation {
    /// Where it began.
    pub(crate) at: Frames,
    /// Frames missing.
    pub(crate) frames: Frames,
}

impl Deck {
    /// Puts `item` on a deck at frame `at`, rising over `fade_in` frames.
    pub(crate) fn start(item: Box<Prepared>, at: Frames, fade_in: Frames, curve: Curve, rate: u32) -> Self {
        let fade_in = Fade::new(at, fade_in, 0.0, 1.0, curve, rate);
        Self { item, rate, started: at, played: 0, fade_in, fade_out: None, starved: 0, starved_at: 0 }
    }

    pub(crate) fn item(&self) -> &Prepared {
        &self.item
    }

    pub(crate) fn into_item(self) -> Box<Prepared> {
        self.item
    }

    /// Gives the item other metadata and returns the old.
    pub(crate) fn retitle(&mut self, metadata: Arc<Metadata>) -> Arc<Metadata> {
        std::mem::replace(&mut self.item.metadata, metadata)
    }

    pub(crate) fn played(&self) -> Frames {
        self.played
    }

    /// The frame after which it is silent for good, seen from frame `at`: the end of its audio or of its
    /// fade-out. `None` while out of sight.
    pub(crate) fn end(&self, at: Frames) -> Option<Frames> {
        let audio = self.audio_end(at);
        let fade = self.fade_out.filter(|fade| fade.target() == 0.0).map(|fade| fade.end());
        match (audio, fade) {
            (Some(audio), Some(fade)) => Some(audio.min(fade)),
            (one, other) => one.or(other),
        }
    }

    /// The frame at which its audio runs out.
    pub(crate) fn audio_end(&self, at: Frames) -> Option<Frames> {
        self.item.source.remaining().map(|left| at.saturating_add(left))
    }

    /// Whether it has been told to fall.
    pub(crate) fn is_falling(&self) -> bool {
        self.fade_out.is_some()
    }

    /// The frame from which it plays at its full gain.
    pub(crate) fn risen(&self) -> Frames {
        self.fade_in.end()
    }

    /// The frame at which it asks for the next item by itself.
    pub(crate) fn start_next(&self, at: Frames) -> Option<Frames> {
        self.item.start_next.map(|position| at.saturating_add(position.saturating_sub(self.played)))
    }

    /// Lets it fall over the last `length` frames before `end`, unless it is falling already.
    pub(crate) fn fall_before(&mut self, end: Frames, length: Frames, curve: Curve, at: Frames) {
        if self.fade_out.is_some() || length == 0 {
            return;
        }
        // An item shorter than its fade falls from its start. One whose end came into sight late (its decoder
        // was starved) falls over what is left.
        let start = end.saturating_sub(length).max(self.started).max(if end - at < length { at } else { 0 });
        self.fade_out = Some(Fade::new(start, end - start, 1.0, 0.0, curve, self.rate));
    }

    /// Lets it fall from frame `at`, over `length` frames or what is left of it.
    pub(crate) fn fall_from(&mut self, at: Frames, length: Frames, curve: Curve) {
        let left = self.item.source.remaining().unwrap_or(Frames::MAX);
        let gain = self.fade_out.map_or(1.0, |fade| fade.gain_at(at));
        self.fade_out = Some(Fade::new(at, length.min(left), gain, 0.0, curve, self.rate));
    }

    /// Whether its source has delivered nothing for a second.
    pub(crate) fn is_stalled(&self) -> bool {
        self.starved >= Frames::from(self.rate)
    }

    /// Notes that the frames from `from` on were short by `missing`; the starvation that is over, if one is.
    fn note_missing(&mut self, from: Frames, missing: usize) -> Option<Starvation> {
        if missing == 0 {
            return self.take_starvation();
        }
        if self.starved == 0 {
            self.starved_at = from;
        }
        self.starved += missing as Frames;
        None
    }

    /// The starvation under way or just over.
    pub(crate) fn take_starvation(&mut self) -> Option<Starvation> {
        let frames = std::mem::take(&mut self.starved);
        (frames > 0).then_some(Starvation { at: self.starved_at, frames })
    }

    /// Adds its next frames to `out`, the first of which is frame `at`. Says what it was short of, once that is over.
    pub(crate) fn mix(
        &mut self,
        at: Frames,
        out: &mut [Stereo],
        scratch: &mut [Stereo],
    ) -> Option<Starvation> {
        let scratch = scratch.get_mut(..out.len())?;
        let frames = match self.item.source.fill(scratch) {
            Fill::Full => scratch.len(),
            Fill::Short { frames } | Fill::End { frames } => frames.min(scratch.len()),
        };
        self.played += frames as Frames;
        let flat = self.fade_in.is_settled(at)
            && self.fade_out.is_none_or(|fade| at + frames as Frames <= fade.start());
        for (i, (mixed, frame)) in out.iter_mut().zip(scratch.iter()).take(frames).enumerate() {
            let gain = if flat { self.item.gain } else { self.gain_at(at + i as Frames) };
            mixed[0] += frame[0] * gain;
            mixed[1] += frame[1] * gain;
        }
        self.note_missing(at + frames as Frames, out.len() - frames)
    }

    fn gain_at(&self, frame: Frames) -> f32 {
        let falling = self.fade_out.map_or(1.0, |fade| fade.gain_at(frame));
        self.item.gain * self.fade_in.gain_at(frame) * falling
    }
}
