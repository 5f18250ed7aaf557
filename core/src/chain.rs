//! The DSP chain: nodes in a row, with a delay that makes every chain of a station equally late, and the crossfade
//! from one chain to another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::control::Failure;
use crate::delay::Delay;
use crate::dsp::make_up::MakeUp;
use crate::dsp::{Format, Node, NodeStatus, ParamInfo, ParamKind, SilenceAction};
use crate::level::{Levelling, Programme};
use crate::refusal::{self, Refusal};
use crate::slot::Slot;
use crate::stems::{Stems, Wanted};
use crate::tier::Tier;
use crate::units::SILENCE;
use crate::{Frames, Stereo};

/// A node of a chain and the parameters that are not at their defaults, as in a station file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// Name in [`NODES`](crate::dsp::NODES).
    #[serde(rename = "type")]
    pub node: String,
    /// Parameters by name, in their own units.
    #[serde(default)]
    pub config: BTreeMap<String, ParamValue>,
}

/// A parameter's value as people write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// On or off.
    Switch(bool),
    /// A number.
    Number(f64),
    /// One of several words.
    Word(String),
}

impl ParamValue {
    /// The value as nodes take it, if `info` accepts it.
    pub fn resolve(&self, info: &ParamInfo) -> Option<f32> {
        let value = match (self, info.kind) {
            (Self::Number(number), ParamKind::Number { .. }) => *number as f32,
            (Self::Switch(on), ParamKind::Switch) => f32::from(u8::from(*on)),
            (Self::Word(word), ParamKind::Choice(words)) => words.iter().position(|w| w == word)? as f32,
            _ => return None,
        };
        info.accepts(value).then_some(value)
    }
}

impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch(on) => on.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

/// Why a chain cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// One of its nodes or their settings is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The chain looks further ahead than the station reserved; raise the station's latency.
    #[error("the chain looks {needed} frames ahead, the station reserves {reserved}")]
    TooLate {
        /// Frames it needs.
        needed: usize,
        /// Frames there are.
        reserved: usize,
    },
}

/// A chain that is ready to run. Built off the air thread, freed off it.
pub struct Chain {
    slots: Vec<Slot>,
    /// Makes up the difference between the nodes' latency and the station's.
    pad: Delay,
    held: Option<Held>,
    /// What is on the bus.
    programme: Option<Programme>,
    /// The node that was the last to be at work.
    at_work: usize,
}

/// What holds the loudness of a chain that normalises it, where other nodes may change it.
struct Held {
    make_up: MakeUp,
    /// The node that normalises it.
    normalizer: usize,
    /// The node before which it is made up: the last that holds true peaks.
    at: usize,
    /// Only nodes before the normaliser may change it, which hears what they do.
    is_heard: bool,
}

impl Held {
    fn new(specs: &[NodeSpec], slots: &[Slot], sample_rate_hz: u32) -> Option<Self> {
        let name = |slot: &Slot| slot.node.info().name;
        let normalizes = |slot: &Slot| name(slot) == "loudness_normalize";
        let keeps = |slot: &Slot| matches!(name(slot), "limiter" | "gain" | "silence_detector");
        let normalizer = slots.iter().position(normalizes)?;
        let at = slots.iter().rposition(|slot| normalizes(slot) || name(slot) == "limiter")?;
        let shapes = |slot: &Slot| !normalizes(slot) && !keeps(slot);
        let is_heard = !slots.iter().take(at).skip(normalizer).any(shapes);
        let target_lufs = Levelling::of(specs)?.target_lufs;
        let make_up = MakeUp::new(sample_rate_hz, target_lufs);
        slots.iter().take(at).any(shapes).then_some(Self { make_up, normalizer, at, is_heard })
    }

    /// The node before which the programme is as loud as it should be, where that says anything.
    fn from(&self) -> Option<usize> {
        match self.make_up.is_levelled() {
            true => Some(0),
            false => Some(self.normalizer + 1).filter(|_| !self.is_heard),
        }
    }
}

impl Chain {
    /// The frames by which the nodes of `specs` are late at `format`.
    pub fn latency_of(specs: &[NodeSpec], format: Format) -> Result<usize, ChainError> {
        Ok(prepare(specs, format)?.iter().map(|node| node.latency()).sum())
    }

    /// Builds a chain whose output is exactly `latency` frames late.
    pub fn build(specs: &[NodeSpec], format: Format, latency: usize) -> Result<Self, ChainError> {
        let mut needed = 0;
        let mut slots = Vec::new();
        for node in prepare(specs, format)? {
            let latency = node.latency();
            slots.push(Slot::new(node, needed, format.max_block));
            needed += latency;
        }
        let pad = latency.checked_sub(needed).ok_or(ChainError::TooLate { needed, reserved: latency })?;
        let held = Held::new(specs, &slots, format.sample_rate_hz);
        Ok(Self { slots, pad: Delay::new(pad), held, programme: None, at_work: 0 })
    }

    /// Frames by which its output is late.
    pub fn latency(&self) -> usize {
        self.pad.length() + self.slots.iter().map(|slot| slot.node.latency()).sum::<usize>()
    }

    /// Whether it has no nodes: what comes out of it is what comes out of the bypass.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether the programme goes through it as it is, only later.
    pub(crate) fn is_clear(&self) -> bool {
        self.slots.iter().all(|slot| slot.node.is_clear())
    }

    /// The node that was the last to be at work: the one that panicked, if one has.
    pub(crate) fn at_work(&self) -> &'static str {
        self.slots.get(self.at_work).map_or("", |slot| slot.name)
    }

    /// Adds what its nodes listen to.
    pub(crate) fn want(&self, wanted: &mut Wanted) {
        self.slots.iter().filter_map(|slot| slot.node.sidechain()).for_each(|side| wanted.add(side));
    }

    /// Processes a block in place, with the `stems` of the same frames. `false` when something that is not a number
    /// had to be silenced.
    pub(crate) fn process(&mut self, block: &mut [Stereo], stems: &Stems) -> bool {
        let mut due = Tier::ALL.map(|tier| stems.is_beside(tier));
        let last = self.slots.iter().rposition(|slot| slot.adds().is_some());
        if last.is_none() {
            // As while this chain gives way to one that adds them.
            stems.add(&mut due, None, 0, block);
        }
        let meant_db = self.meant_gain_db();
        // Silence is exact where nobody speaks.
        let voice = Tier::ALL.iter().filter(|tier| *tier.of(&due)).filter_map(|tier| stems.of(*tier));
        let voice = self.held.is_some() && voice.flatten().any(|frame| *frame != SILENCE);
        for (n, slot) in self.slots.iter_mut().enumerate() {
            self.at_work = n;
            if let Some(held) = &mut self.held {
                if held.from() == Some(n) {
                    held.make_up.hear(block, meant_db, voice);
                }
                if n == held.at {
                    held.make_up.process(block, held.from().is_some());
                }
            }
            slot.process(block, stems, &mut due, last == Some(n));
        }
        self.pad.process(block);
        // All of them, without a look after each, which is done many at a time.
        if block.as_flattened().iter().fold(true, |finite, sample| finite & sample.is_finite()) {
            return true;
        }
        block.fill(SILENCE);
        for slot in &mut self.slots {
            slot.node.reset();
        }
        if let Some(held) = &mut self.held {
            held.make_up.reset();
        }
        if let Some(programme) = self.programme {
            self.programme(programme);
        }
        false
    }

    /// The gain that nodes have on purpose between where the programme is as loud as it should be and where that is made
    /// up for.
    fn meant_gain_db(&self) -> f32 {
        let Some(held) = &self.held else { return 0.0 };
        let Some(from) = held.from() else { return 0.0 };
        self.slots.get(from..held.at).unwrap_or_default().iter().map(|slot| slot.node.meant_gain_db()).sum()
    }

    /// Says what the next frames are of.
    pub(crate) fn programme(&mut self, programme: Programme) {
        self.programme = Some(Programme { rise: 0, ..programme });
        self.slots.iter_mut().for_each(|slot| slot.node.programme(programme));
        if let Some(held) = &mut self.held {
            held.make_up.programme(programme);
        }
    }

    /// What the chain's silence detector hears: whether it has been silent for long enough, for how
    /// long it has, and what is to be done.
    pub fn silence(&self) -> Option<(bool, Frames, SilenceAction)> {
        self.slots.iter().find_map(|slot| match slot.node.status() {
            Some(NodeStatus::Silence { silent, quiet_frames, action }) => {
                Some((silent, quiet_frames, action))
            }
            _ => None,
        })
    }

    /// Ramps a parameter to `value`.
    pub fn set(&mut self, node: usize, param: usize, value: f32) -> Result<(), Failure> {
        let slot = self.slots.get_mut(node).ok_or(Failure::NoSuchParam)?;
        let adds = slot.adds().is_some();
        let node = &mut slot.node;
        let info = node.info().params.get(param).ok_or(Failure::NoSuchParam)?;
        if !info.accepts(value) {
            return Err(Failure::NoSuchParam);
        }
        // A voice would jump from behind the nodes before this one to in front of them.
        if adds && info.name == "sidechain" {
            return Err(Failure::SideChainFixed);
        }
        if let Some((least, most)) = node.refuses(param, value) {
            return Err(Failure::Unfit { least, most });
        }
        node.set(param, value);
        Ok(())
    }
}

fn prepare(specs: &[NodeSpec], format: Format) -> Result<Vec<Box<dyn Node>>, ChainError> {
    let mut nodes = refusal::make(specs)?;
    nodes.iter_mut().for_each(|node| node.prepare(format));
    Ok(nodes)
}

impl std::fmt::Display for ParamKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number { unit: "", min, max } => write!(f, "{min} to {max}"),
            Self::Number { unit, min, max } => write!(f, "{min} to {max} {unit}"),
            Self::Switch => f.write_str("true or false"),
            Self::Choice(words) => f.write_str(&words.join(", ")),
        }
    }
}
