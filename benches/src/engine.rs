//! The block path: programmes, stations without a host, their items and nodes.

use std::f64::consts::TAU;
use std::sync::Arc;

use airchain_core::Stereo;
use airchain_core::chain::{Chain, NodeSpec, ParamValue};
use airchain_core::control::{Command, Control, Place, Ramp, When};
use airchain_core::curve::Curve;
use airchain_core::deck::{ItemId, Prepared};
use airchain_core::dsp::{Format, Node, find};
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::program::Joins;
use airchain_core::source::{MemorySource, Source};
use airchain_core::tier::Tier;
use testkit::signal::{self, Random};

/// Sample rate of all programmes, in Hz.
pub const RATE: u32 = 48_000;
/// Frames of a block, 10 ms.
pub const BLOCK: usize = 480;

/// Radio, `seconds` long: half of it speech over room noise with peaks at -1 dBFS, half of it dense music that was mastered
/// loud: chords with their harmonics up to 12 kHz, a bass drum and cymbals, clipped at full scale.
pub fn programme(seconds: usize) -> Vec<Stereo> {
    let frames = seconds * RATE as usize / 2;
    let (speech, noise) = (signal::speech(RATE, -1.0, 1, frames), signal::noise(2, -50.0, frames));
    let talk = speech.iter().zip(&noise).map(|(s, n)| [s[0] + n[0], 0.9 * s[1] + n[1]]);
    talk.chain(music(frames)).collect()
}

fn music(frames: usize) -> Vec<Stereo> {
    let mut random = Random::new(3);
    let rate = f64::from(RATE);
    let chords = [[220.0, 277.2, 329.6], [196.0, 246.9, 293.7], [174.6, 220.0, 261.6], [196.0, 233.1, 293.7]];
    let frame = |n: usize| {
        let time = n as f64 / rate;
        let beat = time % 0.5;
        let drum = 0.9 * (-beat * 14.0).exp() * (TAU * (50.0 * beat - 4.0 * (-beat * 30.0).exp())).sin();
        let cymbals = 0.25 * (-(time % 0.25) * 25.0).exp();
        let mut sides = [drum, drum];
        for (voice, hz) in chords[(time / 2.0) as usize % chords.len()].into_iter().enumerate() {
            let harmonics = 1..=(12_000.0 / hz) as u32;
            let tone: f64 =
                harmonics.map(|h| (TAU * (hz * f64::from(h) * time).fract()).sin() / f64::from(h)).sum();
            let pan = 0.2 + 0.3 * voice as f64;
            sides[0] += 0.35 * (1.0 - pan) * tone;
            sides[1] += 0.35 * pan * tone;
        }
        sides.map(|side| (1.3 * (side + cymbals * random.next())).clamp(-1.0, 1.0) as f32)
    };
    (0..frames).map(frame).collect()
}

/// A station with a chain, and crossfades of so many frames.
///
/// # Panics
///
/// When the chain cannot be built.
pub fn station(chain: &[NodeSpec], crossfade: u64) -> (Control, Engine) {
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    let chain = Chain::build(chain, format, BLOCK).expect("the chain builds");
    let ramp = |length| Ramp { length, curve: Curve::EqualPower };
    let joins = Joins { crossfade: ramp(crossfade), rate: RATE };
    let ladder =
        LadderConfig { joins, takeover: [ramp(240); Tier::COUNT], returns: [Return::Next; Tier::COUNT] };
    engine(&EngineConfig { max_block: BLOCK, ladder }, chain)
}

/// An item of a source.
pub fn item(id: u64, source: Box<dyn Source>) -> Box<Prepared> {
    Box::new(Prepared {
        id: ItemId(id),
        source,
        gain: 0.9,
        levelled_lufs: None,
        fade_in: None,
        fade_out: None,
        curve: None,
        start_next: None,
        metadata: Arc::default(),
    })
}

/// Puts audio, over and over, behind what waits on a tier.
///
/// # Panics
///
/// When the station takes no more commands.
pub fn load(control: &mut Control, tier: Tier, id: u64, audio: &Arc<[Stereo]>) {
    let source = Box::new(MemorySource::new(Arc::clone(audio), true));
    let loaded = control.send(When::Now, Command::Load { tier, item: item(id, source), place: Place::Back });
    assert!(loaded.is_ok());
}

/// The nodes of a chain, each prepared for blocks of [`BLOCK`] at [`RATE`].
pub fn nodes(specs: &[NodeSpec]) -> Vec<Box<dyn Node>> {
    let node = |spec: &NodeSpec| {
        let entry = find(&spec.node)?;
        let mut node = (entry.make)();
        for (name, value) in &spec.config {
            if let (Some(param), ParamValue::Number(value)) = (entry.info.param(name), value) {
                node.set(param, *value as f32);
            }
        }
        node.prepare(Format { sample_rate_hz: RATE, max_block: BLOCK });
        Some(node)
    };
    specs.iter().filter_map(node).collect()
}
