//! A deck: one prepared item being played, with its gain and fades.

use std::sync::Arc;

use crate::border::{Panic, guarded};
use crate::control::{Ending, EventKind, Outbox, Retired};
use crate::curve::{Curve, Fade};
use crate::item::Metadata;
use crate::level::Programme;
use crate::source::{Fill, Origin, Source};
use crate::tier::Tier;
use crate::units::add_scaled;
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
    /// The loudness in LUFS to which the gain brings it as a whole, where it does.
    pub levelled_lufs: Option<f32>,
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

impl Prepared {
    /// Frames that its source can deliver for certain; all there are when its end is known.
    fn held(&self) -> Frames {
        if self.source.remaining().is_some() { Frames::MAX } else { self.source.available() }
    }

    /// Whether its source delivers enough to be put on air.
    pub(crate) fn flows(&self, rate: u32) -> bool {
        self.held() >= declicked(0, rate)
    }
}

/// The length of a fade that does not click: at least 5 ms.
pub(crate) fn declicked(length: Frames, rate: u32) -> Frames {
    length.max(Frames::from(rate) / 200)
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
    /// Falls over the last 5 ms that its source holds when nothing follows them, and rises when it delivers again.
    flow: Fade,
    /// Listeners have been told of it.
    told: bool,
    /// Frames that its source has been short of without a break, and where that began.
    starved: Frames,
    starved_at: Frames,
    /// What it gave last went out just as its source gave it.
    verbatim: bool,
    /// Its source panicked, and is over.
    failed: Option<Panic>,
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
        let flow = Fade::constant(if item.flows(rate) { 1.0 } else { 0.0 });
        Self {
            item,
            rate,
            started: at,
            played: 0,
            fade_in,
            fade_out: None,
            flow,
            told: false,
            starved: 0,
            starved_at: 0,
            verbatim: false,
            failed: None,
        }
    }

    pub(crate) fn item(&self) -> &Prepared {
        &self.item
    }

    /// Frames that its source has left, once all of them are there.
    pub(crate) fn remaining(&self) -> Option<Frames> {
        if self.failed.is_some() { Some(0) } else { self.item.source.remaining() }
    }

    /// Frames that its source holds.
    pub(crate) fn available(&self) -> Frames {
        if self.failed.is_some() { 0 } else { self.item.source.available() }
    }

    /// Frames that its source can deliver for certain.
    fn held(&self) -> Frames {
        if self.failed.is_some() { Frames::MAX } else { self.item.held() }
    }

    /// Gives the item other metadata and returns the old.
    pub(crate) fn retitle(&mut self, metadata: Arc<Metadata>) -> Arc<Metadata> {
        std::mem::replace(&mut self.item.metadata, metadata)
    }

    /// Notes that listeners are told of it, and whether that is for the first time.
    pub(crate) fn tell(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
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
        self.remaining().map(|left| at.saturating_add(left))
    }

    /// Whether it has begun to fall.
    pub(crate) fn is_falling(&self, now: Frames) -> bool {
        self.fade_out.is_some_and(|fade| fade.start() <= now)
    }

    /// Whether its source has run short, so that it falls silent or is.
    pub(crate) fn is_dry(&self) -> bool {
        self.flow.target() == 0.0
    }

    /// Whether it is dry and has played the last of what its source held.
    pub(crate) fn is_silent(&self, now: Frames) -> bool {
        self.is_dry() && self.flow.is_settled(now)
    }

    /// Looks at what its source holds. Dry, it flows again once that is a tenth of a second or all there is; at
    /// once if it is `alone`, with nothing to be heard in its place.
    pub(crate) fn watch(&mut self, now: Frames, alone: bool) {
        let (held, least) = (self.held(), declicked(0, self.rate));
        let enough = if alone { least } else { Frames::from(self.rate) / 10 };
        let gain = self.flow.gain_at(now);
        if self.is_dry() {
            if held >= enough {
                self.flow = Fade::new(now, least, gain, 1.0, Curve::SCurve, self.rate);
            }
        } else if held < least {
            self.flow = Fade::new(now, held, gain, 0.0, Curve::SCurve, self.rate);
        }
    }

    /// Frames until it must be watched again, or is given up.
    pub(crate) fn until_look(&self, now: Frames) -> Frames {
        let patience = Frames::from(self.rate).saturating_sub(self.starved);
        if self.is_dry() {
            return self.flow.end().saturating_sub(now) + patience;
        }
        let short = declicked(0, self.rate).saturating_sub(1);
        self.held().saturating_sub(short).min(patience)
    }

    /// It has stood still for `frames`, and so have its fades.
    pub(crate) fn shift(&mut self, frames: Frames) {
        self.started += frames;
        self.fade_in = self.fade_in.shifted(frames);
        self.fade_out = self.fade_out.map(|fade| fade.shifted(frames));
    }

    /// What it brings onto the bus at frame `now`, when nothing else stands in its way.
    pub(crate) fn programme(&self, now: Frames) -> Programme {
        let (item, levelled_lufs) = (Some(self.item.id), self.item.levelled_lufs);
        Programme { item, levelled_lufs, rise: self.risen().saturating_sub(now) }
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

    /// Lets a fall that would end after `end`, where its audio does, end there.
    pub(crate) fn fall_by(&mut self, end: Frames, at: Frames) {
        if self.fade_out.is_some_and(|fade| fade.end() > end) {
            self.fall_from(at, end.saturating_sub(at), Curve::SCurve);
        }
    }

    /// Lets it fall from frame `at`, over `length` frames or what is left of it.
    pub(crate) fn fall_from(&mut self, at: Frames, length: Frames, curve: Curve) {
        let left = self.remaining().unwrap_or(Frames::MAX);
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
        // Dry, it plays the last of what it held and lets the rest gather.
        let wanted = if self.is_dry() { self.flow.end().saturating_sub(at) } else { Frames::MAX };
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(out.len());
        let scratch = scratch.get_mut(..wanted)?;
        let fill = match &self.failed {
            None => guarded(|| self.item.source.fill(scratch)),
            Some(_) => Ok(Fill::End { frames: 0 }),
        };
        let frames = match fill {
            Ok(Fill::Full) => scratch.len(),
            Ok(Fill::Short { frames } | Fill::End { frames }) => frames.min(scratch.len()),
            Err(panic) => {
                self.failed = Some(panic);
                0
            }
        };
        self.played += frames as Frames;
        let flat = self.fade_in.is_settled(at)
            && self.flow.is_settled(at)
            && self.fade_out.is_none_or(|fade| at + frames as Frames <= fade.start());
        let heard = scratch.get(..frames).unwrap_or_default();
        self.verbatim = flat && frames == out.len() && self.item.gain == 1.0 && self.flow.target() == 1.0;
        if flat {
            add_scaled(out, heard, self.item.gain);
        } else {
            for (i, (mixed, frame)) in out.iter_mut().zip(heard).enumerate() {
                let gain = self.gain_at(at + i as Frames);
                mixed[0] += frame[0] * gain;
                mixed[1] += frame[1] * gain;
            }
        }
        self.note_missing(at + frames as Frames, out.len() - frames)
    }

    /// The file that what it gave last is of, if that went out as it was, and where in the file the next frame lies.
    pub(crate) fn verbatim(&self) -> Option<(&Arc<Origin>, Frames)> {
        let origin = self.item.source.origin().filter(|_| self.verbatim)?;
        Some((origin, origin.first + self.played))
    }

    fn gain_at(&self, frame: Frames) -> f32 {
        let falling = self.fade_out.map_or(1.0, |fade| fade.gain_at(frame));
        self.item.gain * self.fade_in.gain_at(frame) * self.flow.gain_at(frame) * falling
    }
}

/// Reports that an item is over, and hands it over to be freed. One that listeners were never told of is unused,
/// unless it was given up.
pub(crate) fn end(tier: Tier, deck: Deck, ending: Ending, now: Frames, outbox: &mut Outbox) {
    let (item, played) = (deck.item().id, deck.played());
    let unused = !deck.told && ending != Ending::Stalled;
    if let Some(panic) = deck.failed {
        outbox.retire(Retired::Panic(panic));
        outbox.event(now, EventKind::SourceFailed { tier, item });
    }
    let over = EventKind::ItemEnded { tier, item, ending, played };
    outbox.event(now, if unused { EventKind::ItemUnused { tier, item } } else { over });
    outbox.retire(Retired::Item(deck.item));
}
