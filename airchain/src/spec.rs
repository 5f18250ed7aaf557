//! What a station is, as a program declares it: the parts that offline rendering and a host on air share.

use std::path::PathBuf;

use airchain_core::chain::{Chain, ChainError, NodeSpec};
use airchain_core::control::{Control, Ramp};
use airchain_core::curve::Curve;
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::playout::schedule::{Joining, Timetable};
use airchain_core::playout::{DirectorConfig, LiveConfig, NextTrack, Playlist};
use airchain_core::program::Joins;
use airchain_core::tier::Tier;
use airchain_core::units::seconds_to_frames;
use airchain_core::{Frames, units};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::as_run::AsRunLog;
use crate::from_config::Home;
use crate::input::InputSpec;
use crate::levels::{ItemLoudness, Levels};
use crate::loader::LoadConfig;

/// A station's programme and processing. Times in seconds.
pub struct StationSpec {
    /// Its id in logs, metrics and file names.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its time zone: that of what its outputs name by the time.
    pub zone: TimeZone,
    /// Sample rate in Hz, 8000 to 192 000.
    pub sample_rate_hz: u32,
    /// Length of a block in milliseconds.
    pub block_ms: u32,
    /// Crossfade between items that bring none; 0 is gapless.
    pub crossfade_s: f64,
    /// Its shape.
    pub curve: Curve,
    /// Fade of a live tier over the running programme.
    pub live_fade_s: f64,
    /// What the automation does after a higher tier had the air.
    pub after_interruption: Return,
    /// The DSP chain.
    pub chain: Vec<NodeSpec>,
    /// How it finds out how loud its items are, so that a chain with a `loudness_normalize` has them at its target from
    /// their first frame.
    pub item_loudness: ItemLoudness,
    /// Database of analyses, which stations and programs may share; they are not kept when `None`.
    pub analysis_cache: Option<PathBuf>,
    /// Look-ahead reserved for chains in milliseconds, where more than the first chain's is wanted.
    pub latency_ms: f64,
    /// Audio for when every other tier is dry; held in memory.
    pub fallback: Fallback,
    /// Whether a fallback file is played over and over.
    pub fallback_loop: bool,
    /// How its live sources are treated that are not told otherwise.
    pub live: LiveConfig,
    /// Programmes that come from elsewhere. A render has none: they are live.
    pub inputs: Vec<InputSpec>,
    /// Whether a command log is kept, for [`Station::commands`](crate::Station::commands).
    pub command_log: bool,
    /// File by which a station on air goes on where another run of it was; none when `None`.
    pub journal: Option<PathBuf>,
    /// Where the automation's items come from.
    pub programme: Box<dyn NextTrack>,
    /// What starts, or ends, at a time.
    pub schedule: Option<Box<dyn Timetable>>,
    /// UTC of frame 0 of an offline render, in nanoseconds since 1970. On air it is when the station begins.
    pub start_ns: i64,
    /// Where what aired is written down on air.
    pub as_run: Option<AsRunLog>,
    /// Its outputs in the words of a station file, each with its `id`: commands can change single fields of those that are
    /// among them.
    pub declared: Vec<Map<String, Value>>,
}

/// What is heard when every other tier is dry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Silence.
    #[default]
    None,
    /// A gentle tone.
    Tone,
    /// A file; the tone when it cannot be read.
    File(PathBuf),
}

impl Default for StationSpec {
    fn default() -> Self {
        Self {
            id: "station".into(),
            name: "airchain".into(),
            zone: TimeZone::UTC,
            sample_rate_hz: 48_000,
            block_ms: 10,
            crossfade_s: 0.0,
            curve: Curve::EqualPower,
            live_fade_s: 1.0,
            after_interruption: Return::Next,
            chain: Vec::new(),
            item_loudness: ItemLoudness::default(),
            analysis_cache: None,
            latency_ms: 10.0,
            fallback: Fallback::None,
            fallback_loop: true,
            live: LiveConfig::default(),
            inputs: Vec::new(),
            command_log: false,
            journal: None,
            programme: Box::new(Playlist::new(Vec::new(), Default::default(), false, 0)),
            schedule: None,
            start_ns: 0,
            as_run: None,
            declared: Vec::new(),
        }
    }
}

/// The fade of an emergency: short enough to count as at once, long enough not to click.
const EMERGENCY_FADE_S: f64 = 0.005;
/// The fade of a programme that comes back over the fallback.
const RETURN_FADE_S: f64 = 0.1;

impl StationSpec {
    /// What the declarations of its outputs take from it.
    pub fn home(&self) -> Home<'_> {
        Home { id: &self.id, name: &self.name, zone: &self.zone, rate_hz: self.sample_rate_hz }
    }

    /// Frames in a block.
    pub fn block(&self) -> usize {
        (self.sample_rate_hz as usize * self.block_ms as usize / 1000).max(1)
    }

    fn frames(&self, seconds: f64) -> Frames {
        seconds_to_frames(seconds, self.sample_rate_hz)
    }

    /// Decoded audio that an item's ring must hold for its end to be in sight before its fade begins.
    pub fn lookahead(&self, fade_out_s: Option<f64>) -> Frames {
        self.frames(self.crossfade_s.max(fade_out_s.unwrap_or(0.0)) + LOOKAHEAD_S)
    }

    /// How its items are opened.
    pub(crate) fn load_config(&self) -> LoadConfig {
        LoadConfig {
            rate_hz: self.sample_rate_hz,
            lookahead: self.lookahead(None),
            levels: Levels::new(self),
            head: None,
        }
    }

    /// How its items are joined, for who works out when they start.
    pub fn joining(&self) -> Joining {
        Joining { crossfade: self.frames(self.crossfade_s), sight: self.lookahead(None) }
    }

    /// The fade of each tier over a lower one that is on air, by [`Tier::index`].
    pub(crate) fn takeover(&self) -> [Ramp; Tier::COUNT] {
        let ramp = |seconds, curve| Ramp { length: self.frames(seconds), curve };
        let live = ramp(self.live_fade_s, Curve::EqualPower);
        let back = ramp(RETURN_FADE_S, Curve::EqualPower);
        [ramp(EMERGENCY_FADE_S, Curve::SCurve), live, live, back, back]
    }

    /// Makes the engine, and what a director must know of it.
    pub(crate) fn engine(&self) -> Result<(Control, Engine, DirectorConfig), ChainError> {
        let format = Format { sample_rate_hz: self.sample_rate_hz, max_block: self.block() };
        let reserved = self.frames(self.latency_ms / 1000.0) as usize;
        let latency = Chain::latency_of(&self.chain, format)?.max(reserved);
        let chain = Chain::build(&self.chain, format, latency)?;
        let crossfade = Ramp { length: self.frames(self.crossfade_s), curve: self.curve };
        let mut returns = [Return::Resume; Tier::COUNT];
        returns[Tier::Automation.index()] = self.after_interruption;
        let ladder = LadderConfig {
            joins: Joins { crossfade, rate: self.sample_rate_hz },
            takeover: self.takeover(),
            returns,
        };
        let (control, engine) = engine(&EngineConfig { max_block: format.max_block, ladder }, chain);
        Ok((control, engine, DirectorConfig { format, latency, chain: self.chain.clone(), returns }))
    }
}

/// How far beyond its longest fade an item is decoded ahead: what a decode worker may be late by.
const LOOKAHEAD_S: f64 = 1.5;

/// Seconds in `frames` at the station's rate.
pub(crate) fn seconds(frames: Frames, rate: u32) -> f64 {
    units::frames_to_seconds(frames, rate)
}
