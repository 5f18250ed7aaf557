//! The DSP nodes: what one is, and the table of all of them.
//!
//! A new node is one file here and one line in [`NODES`]; station files, documentation, bindings and the shared
//! contract tests read the table.

pub mod agc;
mod cascade;
pub mod compressor;
mod crossover;
pub mod dc_blocker;
pub mod de_esser;
mod decibel;
pub mod ducking;
mod envelope;
pub mod equalizer;
#[cfg(feature = "fault-injection")]
mod fault;
pub mod gain;
pub mod gate;
mod glide;
pub mod limiter;
pub mod loudness;
pub mod loudness_normalize;
pub(crate) mod make_up;
pub mod multiband_compressor;
pub mod pass_filter;
mod reducer;
pub mod shelf;
mod sidechain;
pub mod silence_detector;
mod smooth;
pub mod stereo;
mod svf;
mod trigger;
pub(crate) mod true_peak;

use crate::level::Programme;

/// The rate and block size that a node is prepared for; fixed for a station's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Sample rate in Hz.
    pub sample_rate_hz: u32,
    /// The most frames that one [`Node::process`] is given.
    pub max_block: usize,
}

/// What values a parameter takes. All are carried as `f32`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamKind {
    /// A number from `min` to `max` in `unit` (`dB`, `ms`, `Hz`, `:1`, `LUFS`, `s`, or empty).
    Number {
        /// Unit as written after the value.
        unit: &'static str,
        /// Least value accepted.
        min: f32,
        /// Greatest value accepted.
        max: f32,
    },
    /// Off (`0.0`) or on (`1.0`).
    Switch,
    /// One of several words, carried as its index.
    Choice(&'static [&'static str]),
}

impl ParamKind {
    /// The same with no more than `least` to `most` of a number's range.
    pub(crate) fn within(self, (least, most): (f32, f32)) -> Self {
        match self {
            Self::Number { unit, .. } => Self::Number { unit, min: least, max: most },
            other => other,
        }
    }

    /// The nearest value that is accepted, or `None` for one that is not finite.
    pub fn clamp(&self, value: f32) -> Option<f32> {
        if !value.is_finite() {
            return None;
        }
        Some(match *self {
            Self::Number { min, max, .. } => value.clamp(min, max),
            Self::Switch => f32::from(value >= 0.5),
            Self::Choice(words) => value.round().clamp(0.0, words.len().saturating_sub(1) as f32),
        })
    }
}

/// One parameter of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamInfo {
    /// Its name in station files, with the unit (`threshold_db`).
    pub name: &'static str,
    /// Other spellings that are accepted.
    pub aliases: &'static [&'static str],
    /// The values it takes.
    pub kind: ParamKind,
    /// Its value when nobody sets it.
    pub default: f32,
    /// What it does, in one sentence.
    pub help: &'static str,
}

impl ParamInfo {
    /// Whether `value` is one it takes.
    pub fn accepts(&self, value: f32) -> bool {
        match self.kind {
            ParamKind::Number { min, max, .. } => (min..=max).contains(&value),
            ParamKind::Switch => value == 0.0 || value == 1.0,
            ParamKind::Choice(words) => {
                value.fract() == 0.0 && value >= 0.0 && (value as usize) < words.len()
            }
        }
    }

    /// A parameter that is a number from `min` to `max`.
    pub const fn number(
        name: &'static str,
        aliases: &'static [&'static str],
        unit: &'static str,
        (min, max): (f32, f32),
        default: f32,
        help: &'static str,
    ) -> Self {
        Self { name, aliases, kind: ParamKind::Number { unit, min, max }, default, help }
    }
}

/// What a node is, for people and for programs.
#[derive(Debug, PartialEq)]
pub struct NodeInfo {
    /// Its name in station files.
    pub name: &'static str,
    /// Other names that are accepted.
    pub aliases: &'static [&'static str],
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Its parameters; a [`ParamId`] is an index into this list.
    pub params: &'static [ParamInfo],
}

impl NodeInfo {
    /// Whether it goes by `name`: its own or an alias.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// The parameter called `name`, by its own name or an alias.
    pub fn param(&self, name: &str) -> Option<ParamId> {
        self.params.iter().position(|p| p.name == name || p.aliases.contains(&name))
    }

    /// The value that a node takes when `param` is set to `value`: the nearest in range. `None` when there is no
    /// such parameter or the value is not finite.
    pub fn accept(&self, param: ParamId, value: f32) -> Option<f32> {
        self.params.get(param)?.kind.clamp(value)
    }
}

/// Index of a parameter in [`NodeInfo::params`].
pub type ParamId = usize;

/// What a node has to say after a block, beside its audio.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum NodeStatus {
    /// The gain, in dB, that a dynamics processor applied to the last frame (negative: it turns down).
    Gain {
        /// In dB.
        db: f32,
    },
    /// What a silence detector hears.
    Silence {
        /// Whether the programme has been silent for as long as the node was told to wait.
        silent: bool,
        /// For how many frames, up to the end of the last block, the programme has been below the threshold; so
        /// the silence began that many frames before the end of the block.
        quiet_frames: crate::Frames,
        /// What is to be done about a silence.
        action: SilenceAction,
    },
}

/// What a station does when a silence detector reports a silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SilenceAction {
    /// Nothing; the meter shows it.
    None,
    /// Put the fallback programme on air until the silence has ended.
    FailoverToFallback,
    /// Send an event.
    #[default]
    Event,
}

pub use sidechain::SideChain;

/// A processor of stereo audio in the air thread.
///
/// [`prepare`](Self::prepare) is the only method that may allocate. The others never allocate, free, lock, panic
/// or make a system call; whatever they are given, what they return is finite; and a run of frames processed in
/// any partition into blocks gives identical bits.
pub trait Node: Send {
    /// Name and parameters.
    fn info(&self) -> &'static NodeInfo;

    /// Allocates for `format` and takes the initial state.
    fn prepare(&mut self, format: Format);

    /// Sets a parameter: before [`prepare`](Self::prepare) at once, after it along a ramp that does not click.
    /// A value out of range counts as the nearest in range; an unknown `param` and a value that is not finite are
    /// ignored. A parameter that decides the latency takes effect with the next `prepare`.
    fn set(&mut self, param: ParamId, value: f32);

    /// The tier that it listens to beside the programme, if any.
    fn sidechain(&self) -> Option<SideChain> {
        None
    }

    /// Whether all that goes in comes out as it was, and at once: it only listens.
    fn is_clear(&self) -> bool {
        false
    }

    /// Whether a chain can hold it only once.
    fn is_single(&self) -> bool {
        false
    }

    /// The range, least and greatest, that its other settings leave to `param`, if `value` is outside of it. A value that
    /// is set all the same counts as the nearest that fits.
    fn refuses(&self, _param: ParamId, _value: f32) -> Option<(f32, f32)> {
        None
    }

    /// Processes `block` in place. `sidechain` is what the tier of [`sidechain`](Self::sidechain) adds to the
    /// programme at the same frames; it has the same length.
    fn process(&mut self, block: &mut [crate::Stereo], sidechain: Option<&[crate::Stereo]>);

    /// Says what the next frames are of, whenever another item comes to be heard.
    fn programme(&mut self, _programme: Programme) {}

    /// The gain in dB that it has on purpose, so that nothing is to make up for it.
    fn meant_gain_db(&self) -> f32 {
        0.0
    }

    /// Returns to the state after `prepare`, with the parameters kept.
    fn reset(&mut self);

    /// Frames by which the output is late; fixed after `prepare`.
    fn latency(&self) -> usize {
        0
    }

    /// What the node has to say after the last block; the engine asks once per block.
    fn status(&self) -> Option<NodeStatus> {
        None
    }
}

/// A line of [`NODES`].
#[derive(Clone, Copy)]
pub struct NodeEntry {
    /// Name and parameters.
    pub info: &'static NodeInfo,
    /// Makes one with default parameters.
    pub make: fn() -> Box<dyn Node>,
}

/// Every node there is.
pub const NODES: &[NodeEntry] = &[
    gain::ENTRY,
    dc_blocker::ENTRY,
    pass_filter::HIGH_PASS,
    pass_filter::LOW_PASS,
    shelf::LOW_SHELF,
    shelf::HIGH_SHELF,
    equalizer::ENTRY,
    stereo::ENTRY,
    loudness_normalize::ENTRY,
    agc::ENTRY,
    compressor::ENTRY,
    multiband_compressor::ENTRY,
    de_esser::ENTRY,
    gate::GATE,
    gate::EXPANDER,
    ducking::ENTRY,
    limiter::ENTRY,
    silence_detector::ENTRY,
];

/// The node called `name`, by its own name or an alias.
pub fn find(name: &str) -> Option<&'static NodeEntry> {
    #[cfg(feature = "fault-injection")]
    if name == fault::ENTRY.info.name {
        return Some(&fault::ENTRY);
    }
    NODES.iter().find(|entry| entry.info.is_called(name))
}

/// The loudest sample that nodes work with, +60 dBFS; what is louder is not audio.
const LOUDEST: f32 = 1000.0;

/// Below this, -400 dBFS and under, a sample or a filter state is zero: denormal numbers cost a hundred times the
/// time of others.
const FAINTEST: f32 = 1e-20;

/// A sample that any arithmetic can be done with: NaN, infinities and denormals become 0, and what is louder than
/// [`LOUDEST`] becomes that. Every other sample is returned as it is.
#[inline]
fn clean(sample: f32) -> f32 {
    let magnitude = sample.abs();
    if (FAINTEST..=f32::MAX).contains(&magnitude) { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 }
}

/// [`clean`] for both channels of a frame.
#[inline]
fn clean_frame([left, right]: crate::Stereo) -> crate::Stereo {
    [clean(left), clean(right)]
}

/// Factor by which a one-pole smoother closes in on its target per frame, so that `time_ms` after a step 63 %
/// of it is done. A time of 0 is a factor of 1.
fn one_pole(time_ms: f64, rate: u32) -> f64 {
    let frames = time_ms * 1e-3 * f64::from(rate);
    if frames > 0.0 { 1.0 - (-1.0 / frames).exp() } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_nodes_go_by_one_name() {
        for (n, entry) in NODES.iter().enumerate() {
            let names = || std::iter::once(&entry.info.name).chain(entry.info.aliases);
            for name in names() {
                assert!(find(name).is_some_and(|found| found.info == entry.info), "{name} is another's too");
                assert_eq!(names().filter(|other| *other == name).count(), 1, "{name} twice in node {n}");
            }
        }
    }
}
