//! A route, and a spell on air under it.

use std::sync::Arc;

use super::reader::Take;
use crate::Frames;
use crate::deck::ItemId;
use crate::item::Metadata;
use crate::tier::Tier;

/// Where a source is to be heard.
pub(super) struct Route {
    pub(super) tier: Tier,
    /// Length of a fade in of its own.
    pub(super) fade_in: Option<Frames>,
    /// The frame from which it may be on air.
    pub(super) at: Frames,
    /// It was on air.
    pub(super) aired: bool,
}

impl Route {
    pub(super) fn new(tier: Tier, fade_in: Option<Frames>, at: Frames) -> Self {
        Self { tier, fade_in, at, aired: false }
    }
}

/// A spell on a tier: an item that the engine has.
pub(super) struct Spell {
    pub(super) id: ItemId,
    pub(super) tier: Tier,
    pub(super) take: Arc<Take>,
    /// The engine's frame at which it began.
    pub(super) from: Option<Frames>,
    /// What listeners were told last.
    pub(super) told: Arc<Metadata>,
    /// Where its reader was, and since which of the engine's frames.
    stood: (Option<Frames>, Frames),
    /// How far the engine's frames are ahead of the tape's, since so many of those were skipped.
    offset: Option<(Frames, i64)>,
    /// The engine's frame from which it may begin.
    pub(super) due: Frames,
}

impl Spell {
    pub(super) fn new(id: ItemId, tier: Tier, take: Arc<Take>, told: Arc<Metadata>, due: Frames) -> Self {
        Self { id, tier, take, from: None, told, stood: (None, 0), offset: None, due }
    }

    /// Whether nothing of it has been read for `patience` frames: a higher tier has silenced it.
    pub(super) fn is_unheard(&mut self, position: Frames, patience: Frames) -> bool {
        let next = self.take.next();
        if next != self.stood.0 || next.is_none() {
            self.stood = (next, position);
        }
        position.saturating_sub(self.stood.1) > patience
    }

    /// Looks at where its reader is when the engine is at `position`.
    pub(super) fn look(&mut self, position: Frames) {
        let skipped = self.take.skipped();
        let Some(next) = self.take.next() else { return };
        // Between the two looks the reader may have read on, so what is seen is no more than the truth. It only becomes
        // less when frames are skipped.
        let seen = position as i64 - next as i64;
        let offset =
            self.offset.filter(|(at, _)| *at == skipped).map_or(seen, |(_, offset)| offset.max(seen));
        self.offset = Some((skipped, offset));
    }

    /// The engine's frame at which tape position `at` is heard.
    pub(super) fn frame_of(&self, at: Frames) -> Option<Frames> {
        Some(at.saturating_add_signed(self.offset?.1))
    }
}
