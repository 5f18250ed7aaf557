//! A place in a chain: a node, and the tiers on their way to it.

use crate::Stereo;
use crate::delay::Delay;
use crate::dsp::Node;
use crate::stems::Stems;
use crate::tier::Tier;
use crate::units::{SILENCE, add_scaled};

/// A node and what it listens to.
pub(crate) struct Slot {
    /// The node's name.
    pub(crate) name: &'static str,
    pub(crate) node: Box<dyn Node>,
    /// `None` for a node that listens to nothing but the programme.
    side: Option<Side>,
}

/// Tiers on their way to a node: as late as the programme is there.
struct Side {
    /// What the node listens to.
    key: Lane,
    /// What is added behind it.
    voices: Lane,
}

impl Slot {
    /// A place where the programme is `latency` frames late.
    pub(crate) fn new(node: Box<dyn Node>, latency: usize, max_block: usize) -> Self {
        let lane = || Lane::new(latency, max_block);
        let side = node.info().param("sidechain").map(|_| Side { key: lane(), voices: lane() });
        Self { name: node.info().name, node, side }
    }

    /// The tier that is added to the programme here, if any.
    pub(crate) fn adds(&self) -> Option<Tier> {
        self.node.sidechain().filter(|side| side.over).map(|side| side.tier)
    }

    /// Processes a block. `due` are the tiers that are yet to be added to it, by their index; the `last` place that adds
    /// one adds all that are left.
    pub(crate) fn process(
        &mut self,
        block: &mut [Stereo],
        stems: &Stems,
        due: &mut [bool; Tier::COUNT],
        last: bool,
    ) {
        let adds = self.adds();
        let (Some(side), Some(listened)) = (&mut self.side, self.node.sidechain()) else {
            return self.node.process(block, None);
        };
        let stem = stems.of(listened.tier);
        let key = side.key.take(block.len(), |key| add_scaled(key, stem.unwrap_or_default(), 1.0));
        self.node.process(block, key);
        if adds.is_some() {
            let only = adds.filter(|_| !last);
            let voices = side.voices.take(block.len(), |voices| stems.add(due, only, 0, voices));
            add_scaled(block, voices.unwrap_or_default(), 1.0);
        }
    }
}

/// Audio beside the programme, delayed.
struct Lane {
    delay: Delay,
    frames: Box<[Stereo]>,
}

impl Lane {
    fn new(latency: usize, max_block: usize) -> Self {
        Self { delay: Delay::new(latency), frames: vec![SILENCE; max_block].into_boxed_slice() }
    }

    /// The next frames that come out, as what `put` adds to silence goes in.
    fn take(&mut self, length: usize, put: impl FnOnce(&mut [Stereo])) -> Option<&[Stereo]> {
        let frames = self.frames.get_mut(..length)?;
        frames.fill(SILENCE);
        put(frames);
        self.delay.process(frames);
        Some(frames)
    }
}
