//! An engine on the test bench: commands at frames in, audio and events out, in simulated time.

use std::sync::Arc;

use airchain_core::chain::{Chain, NodeSpec, ParamValue};
use airchain_core::control::{Command, CommandId, Control, Ending, Event, EventKind, Place, Ramp, When};
use airchain_core::curve::Curve;
use airchain_core::deck::{ItemId, Prepared};
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::item::Metadata;
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::program::Joins;
use airchain_core::source::{MemorySource, Source};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};

/// Sample rate of the bench in Hz.
pub const RATE: u32 = 48_000;
/// Frames in one of its blocks.
pub const BLOCK: usize = 480;
/// The shortest fade there is, in frames: 5 ms.
pub const DECLICK: Frames = 240;

/// An engine, what it has played and what it has said.
pub struct Rig {
    control: Control,
    engine: Engine,
    /// Everything rendered since frame 0.
    pub out: Vec<Stereo>,
    /// Every event, in the order in which they came.
    pub events: Vec<Event>,
}

impl Rig {
    /// A bench at frame 0.
    pub fn new(ladder: LadderConfig) -> Self {
        Self::with_chain(ladder, &[])
    }

    /// A bench at frame 0 with a chain that is not late.
    pub fn with_chain(ladder: LadderConfig, nodes: &[NodeSpec]) -> Self {
        Self::with_chain_late(ladder, nodes, 0)
    }

    /// A bench at frame 0 with a chain that is as late as it has to be.
    pub fn late(ladder: LadderConfig, nodes: &[NodeSpec]) -> Self {
        let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
        let latency = Chain::latency_of(nodes, format).expect("the chain builds");
        Self::with_chain_late(ladder, nodes, latency)
    }

    /// A bench at frame 0 with a chain that is `latency` frames late.
    pub fn with_chain_late(ladder: LadderConfig, nodes: &[NodeSpec], latency: usize) -> Self {
        let (control, engine) = engine(&EngineConfig { max_block: BLOCK, ladder }, chain(nodes, latency));
        Self { control, engine, out: Vec::new(), events: Vec::new() }
    }

    /// Sends a command for frame `at`; one of the past is for the next block.
    pub fn send(&mut self, at: Frames, command: Command) -> CommandId {
        self.control.send(When::At(at), command).unwrap_or_else(|_| panic!("the ring of commands is full"))
    }

    /// Puts an item behind those waiting on a tier.
    pub fn load(&mut self, at: Frames, tier: Tier, item: Box<Prepared>) -> CommandId {
        self.send(at, Command::Load { tier, item, place: Place::Back })
    }

    /// Renders up to frame `end`, in blocks as long as `blocks` says over and over.
    pub fn run(&mut self, end: Frames, blocks: &[usize]) {
        let (mut done, end) = (self.out.len(), end as usize);
        self.out.resize(end.max(done), [0.0; 2]);
        for block in blocks.iter().cycle() {
            if done >= end {
                break;
            }
            let next = (done + block).min(end);
            self.engine.render(&mut self.out[done..next]);
            done = next;
            self.events.extend(std::iter::from_fn(|| self.control.poll()));
        }
    }
}

impl Rig {
    /// One channel of what was rendered.
    pub fn channel(&self, channel: usize) -> Vec<f32> {
        self.out.iter().map(|frame| frame[channel]).collect()
    }

    /// Which tier had the air from which frame on.
    pub fn on_air(&self) -> Vec<(Frames, Option<Tier>)> {
        self.select(|kind| match kind {
            EventKind::PriorityChanged { to, .. } => Some(*to),
            _ => None,
        })
    }

    /// Which items were told from which frame on, those told again included.
    pub fn told(&self) -> Vec<(Frames, u64)> {
        self.select(|kind| match kind {
            EventKind::NowPlaying { item, .. } => Some(item.0),
            _ => None,
        })
    }

    /// Which items ended, how, and after how many frames of them.
    pub fn ended(&self) -> Vec<(Frames, (u64, Ending, Frames))> {
        self.select(|kind| match kind {
            EventKind::ItemEnded { item, ending, played, .. } => Some((item.0, *ending, *played)),
            _ => None,
        })
    }

    /// Which items were over unheard.
    pub fn unused(&self) -> Vec<(Frames, u64)> {
        self.select(|kind| match kind {
            EventKind::ItemUnused { item, .. } => Some(item.0),
            _ => None,
        })
    }

    /// Where the source of which item was short, and of how many frames.
    pub fn short(&self) -> Vec<(Frames, (u64, Frames))> {
        self.select(|kind| match kind {
            EventKind::Underrun { item, frames, .. } => Some((item.0, *frames)),
            _ => None,
        })
    }

    fn select<T>(&self, pick: impl Fn(&EventKind) -> Option<T>) -> Vec<(Frames, T)> {
        self.events.iter().filter_map(|event| Some((event.frame, pick(&event.kind)?))).collect()
    }
}

/// A ladder without crossfade on which every tier takes over in 5 ms and goes on with its next item.
pub fn ladder() -> LadderConfig {
    LadderConfig {
        joins: Joins { crossfade: Ramp { length: 0, curve: Curve::EqualPower }, rate: RATE },
        takeover: [Ramp { length: DECLICK, curve: Curve::SCurve }; Tier::COUNT],
        returns: [Return::Next; Tier::COUNT],
    }
}

/// A chain for the bench that is `latency` frames late.
pub fn chain(nodes: &[NodeSpec], latency: usize) -> Chain {
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    Chain::build(nodes, format, latency).expect("the chain builds")
}

/// A node of a chain, its settings by name.
pub fn node(name: &str, settings: &[(&str, f64)]) -> NodeSpec {
    let config = settings.iter().map(|(name, value)| ((*name).to_owned(), ParamValue::Number(*value)));
    NodeSpec { node: name.into(), config: config.collect() }
}

/// An item with nothing special about it.
pub fn item(id: u64, source: Box<dyn Source>) -> Box<Prepared> {
    Box::new(Prepared {
        id: ItemId(id),
        source,
        gain: 1.0,
        levelled_lufs: None,
        fade_in: None,
        fade_out: None,
        curve: None,
        start_next: None,
        metadata: Arc::new(Metadata { title: Some(format!("item {id}")), ..Metadata::default() }),
    })
}

/// The greatest step of a channel between two frames.
pub fn steepest(channel: &[f32]) -> f32 {
    channel.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

/// A source of `frames` frames of a constant `level`. An item that is nothing but ones in a channel of its own shows
/// the gain that it is played with.
pub fn constant(level: Stereo, frames: usize) -> Box<dyn Source> {
    Box::new(MemorySource::new(vec![level; frames].into(), false))
}
