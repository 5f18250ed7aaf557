//! Stems: what each tier adds to the programme, for the nodes of a chain that listen to one.
//!
//! A node may have a side chain: a tier that it hears beside the programme. Where that tier is to be heard over those
//! below it instead of in their place (a microphone over music), it goes beside the programme, and the chain adds it
//! behind the node. So do the tiers above it, which are not to be turned down for it: an emergency that cuts a speaker
//! off is heard at once and whole.

use crate::Stereo;
use crate::dsp::SideChain;
use crate::tier::Tier;
use crate::units::{SILENCE, add_scaled};

/// What the chains on air ask of each tier, by [`Tier::index`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// A node listens to it.
    heard: [bool; Tier::COUNT],
    /// It plays over the tiers below.
    over: [bool; Tier::COUNT],
    /// A node adds it.
    added: [bool; Tier::COUNT],
}

impl Wanted {
    /// Adds what one node listens to.
    pub(crate) fn add(&mut self, side_chain: SideChain) {
        let tier = side_chain.tier;
        *tier.of_mut(&mut self.heard) = true;
        *tier.of_mut(&mut self.over) |= side_chain.over;
        *tier.of_mut(&mut self.added) |= side_chain.over;
    }

    /// All tiers are to be heard in the place of those below them, whoever still adds them.
    pub(crate) fn in_place_of_others(&mut self) {
        self.over = [false; Tier::COUNT];
    }

    /// Whether a tier plays over those below it.
    pub(crate) fn is_over(&self, tier: Tier) -> bool {
        *tier.of(&self.over)
    }

    /// Whether a tier goes beside the programme.
    pub(crate) fn is_beside(&self, tier: Tier) -> bool {
        Tier::ALL.into_iter().any(|added| added >= tier && *added.of(&self.added))
    }

    fn is_wanted(&self, tier: Tier) -> bool {
        *tier.of(&self.heard) || self.is_beside(tier)
    }
}

/// The stems of a stretch of programme.
pub(crate) struct Stems {
    wanted: Wanted,
    frames: [Box<[Stereo]>; Tier::COUNT],
    length: usize,
    /// The frame of the stretch from which on they are heard.
    from: usize,
}

impl Stems {
    pub(crate) fn new(max_block: usize) -> Self {
        let frames = std::array::from_fn(|_| vec![SILENCE; max_block].into_boxed_slice());
        Self { wanted: Wanted::default(), frames, length: 0, from: 0 }
    }

    /// Begins a stretch of `length` frames: silence in those that are wanted.
    pub(crate) fn begin(&mut self, wanted: Wanted, length: usize) {
        (self.wanted, self.length, self.from) = (wanted, length, 0);
        for tier in Tier::ALL {
            self.of_mut(tier, 0).unwrap_or_default().fill(SILENCE);
        }
    }

    /// Where a tier is to be added from frame `from` of the stretch on, if it is wanted.
    pub(crate) fn of_mut(&mut self, tier: Tier, from: usize) -> Option<&mut [Stereo]> {
        let wanted = self.wanted.is_wanted(tier);
        tier.of_mut(&mut self.frames).get_mut(from..self.length).filter(|_| wanted)
    }

    /// Passes over the first frames of the stretch.
    pub(crate) fn pass(&mut self, frames: usize) {
        self.from = frames;
    }

    /// A tier's stem, if it is wanted.
    pub(crate) fn of(&self, tier: Tier) -> Option<&[Stereo]> {
        let wanted = self.wanted.is_wanted(tier);
        tier.of(&self.frames).get(self.from..self.length).filter(|_| wanted)
    }

    /// Whether a tier is not part of the programme until a chain adds it.
    pub(crate) fn is_beside(&self, tier: Tier) -> bool {
        self.wanted.is_beside(tier)
    }

    /// Adds those tiers to `out`, which begins `from` frames on, that are `due`, or `only` one of them, which then are no
    /// longer.
    pub(crate) fn add(
        &self,
        due: &mut [bool; Tier::COUNT],
        only: Option<Tier>,
        from: usize,
        out: &mut [Stereo],
    ) {
        for tier in Tier::ALL.into_iter().filter(|tier| only.is_none_or(|only| only == *tier)) {
            if std::mem::take(tier.of_mut(due)) {
                let stem = self.of(tier).and_then(|stem| stem.get(from..));
                add_scaled(out, stem.unwrap_or_default(), 1.0);
            }
        }
    }
}
