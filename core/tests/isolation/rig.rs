//! An engine and what is put into it.

use airchain_core::chain::{Chain, NodeSpec, ParamValue};
use airchain_core::control::{Command, Control, Event, Place, Ramp, When};
use airchain_core::curve::Curve;
use airchain_core::deck::Prepared;
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::program::Joins;
use airchain_core::source::{Fill, MemorySource, Source};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
pub(crate) use testkit::rig::item;

pub(crate) const RATE: u32 = 48_000;
pub(crate) const BLOCK: usize = 480;
pub(crate) const FORMAT: Format = Format { sample_rate_hz: RATE, max_block: BLOCK };

pub(crate) fn config() -> EngineConfig {
    let ramp = |length| Ramp { length, curve: Curve::SCurve };
    let joins = Joins { crossfade: ramp(0), rate: RATE };
    let ladder =
        LadderConfig { joins, takeover: [ramp(240); Tier::COUNT], returns: [Return::Resume; Tier::COUNT] };
    EngineConfig { max_block: BLOCK, ladder }
}

pub(crate) fn start(nodes: &[NodeSpec], latency: usize) -> (Control, Engine) {
    engine(&config(), chain(nodes, latency))
}

pub(crate) fn chain(nodes: &[NodeSpec], latency: usize) -> Chain {
    Chain::build(nodes, FORMAT, latency).unwrap()
}

pub(crate) fn node(name: &str, config: &[(&str, ParamValue)]) -> NodeSpec {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    NodeSpec { node: name.to_owned(), config }
}

/// A node that makes all 6 dB quieter.
pub(crate) fn quieter() -> NodeSpec {
    node("gain", &[("gain_db", ParamValue::Number(-6.0))])
}

/// A node that panics after so many seconds, in its `process` or in its `status`.
pub(crate) fn fault(after_s: f64, place: &str) -> NodeSpec {
    node("fault", &[("after_s", ParamValue::Number(after_s)), ("in", ParamValue::Word(place.to_owned()))])
}

pub(crate) fn memory(audio: &[Stereo]) -> Box<dyn Source> {
    Box::new(MemorySource::new(audio.into(), false))
}

/// Plays its audio and panics where that ends.
pub(crate) struct Panicking(pub(crate) Box<dyn Source>);

impl Source for Panicking {
    fn fill(&mut self, out: &mut [Stereo]) -> Fill {
        match self.0.fill(out) {
            Fill::End { .. } => panic!("a source that was asked to panic"),
            fill => fill,
        }
    }

    fn remaining(&self) -> Option<Frames> {
        None
    }

    fn available(&self) -> Frames {
        Frames::MAX
    }
}

pub(crate) fn load(control: &mut Control, item: Box<Prepared>) {
    send(control, Command::Load { tier: Tier::Automation, item, place: Place::Back });
}

pub(crate) fn send(control: &mut Control, command: Command) {
    assert!(control.send(When::Now, command).is_ok());
}

pub(crate) fn render(engine: &mut Engine, blocks: usize) -> Vec<Stereo> {
    let mut out = vec![[0.0; 2]; blocks * BLOCK];
    for block in out.chunks_mut(BLOCK) {
        engine.render(block);
    }
    out
}

pub(crate) fn events(control: &mut Control) -> Vec<Event> {
    std::iter::from_fn(|| control.poll()).collect()
}
