//! The DSP nodes: what one is, and the table of all of them.
//!
//! A new node is one file here and one line in [`NODES`]; station files, documentation, bindings and the shared
//! contract tests read the table.

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
}

/// What a node is, for people and for programs.
#[derive(Debug, PartialEq)]
pub struct NodeInfo {
    /// Its name in station files.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Its parameters; a [`ParamId`] is an index into this list.
    pub params: &'static [ParamInfo],
}

/// Index of a parameter in [`NodeInfo::params`].
pub type ParamId = usize;

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
    /// The chain has checked that `value` is finite and in range; an unknown `param` is ignored.
    fn set(&mut self, param: ParamId, value: f32);

    /// Processes `block` in place. `sidechain`, where one is wired, has the same length.
    fn process(&mut self, block: &mut [crate::Stereo], sidechain: Option<&[crate::Stereo]>);

    /// Returns to the state after `prepare`, with the parameters kept.
    fn reset(&mut self);

    /// Frames by which the output is late; fixed after `prepare`.
    fn latency(&self) -> usize {
        0
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
pub const NODES: &[NodeEntry] = &[];

/// The node called `name`.
pub fn find(name: &str) -> Option<&'static NodeEntry> {
    NODES.iter().find(|entry| entry.info.name == name)
}
