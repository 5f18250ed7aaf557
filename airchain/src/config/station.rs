//! A station as declared: the shape that YAML, Rust and the bindings share. The tables beside it describe every field
//! to people; these are the same fields for programs, with defaults filled in.

use std::path::PathBuf;

use airchain_core::curve::Curve;
use airchain_core::ladder::Return;
use airchain_core::presets;
use airchain_core::tier::Tier;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::nodes::NodeConfig;
use super::outputs::OutputConfig;
use crate::ItemLoudness;
use crate::as_run::{AsRunLog, InvalidLog, LogFormat};

/// One station: who it is, what it plays and where it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationConfig {
    /// Who it is.
    pub station: Identity,
    /// Groups of outputs.
    pub mounts: Vec<Mount>,
    /// Programmes that come from elsewhere.
    pub inputs: Vec<InputConfig>,
    /// What is done to the sound.
    pub dsp_graph: DspGraph,
    /// What happens when a source fails.
    pub failover: Failover,
    /// The ladder; always the five tiers in their order.
    pub priorities: Priorities,
    /// What plays when nobody says otherwise.
    pub automation: Automation,
    /// What starts, or ends, at a time.
    pub schedule: Vec<ScheduleRow>,
    /// Where what aired is written down; nowhere where absent.
    pub as_run: Option<AsRunConfig>,
}

/// Who a station is, and the format it runs at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Short name for logs, paths and metrics.
    pub id: String,
    /// Name for listeners.
    pub name: String,
    /// IANA time zone of its schedule and file names.
    pub timezone: String,
    /// Rate of the engine, in Hz.
    pub sample_rate: u32,
    /// Length of a block, in ms.
    pub block_ms: u32,
    /// File by which a restart goes on where the station was.
    pub journal: Option<PathBuf>,
}

/// A named group of outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mount {
    /// Short name.
    pub id: String,
    /// Name for listeners; the station's where empty.
    pub name: String,
    /// Where the programme goes.
    pub outputs: Vec<OutputConfig>,
}

/// A programme that comes from elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum InputConfig {
    /// What an HTTP server sends.
    Webstream(WebstreamConfig),
}

impl InputConfig {
    /// Its name as a live source.
    pub fn id(&self) -> &str {
        match self {
            Self::Webstream(webstream) => &webstream.id,
        }
    }
}

/// A programme that an HTTP server sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebstreamConfig {
    /// Its name as a live source.
    pub id: String,
    /// Where it is. May hold a password: never log it.
    pub url: String,
    /// Where else it is, best first.
    pub fallback_urls: Vec<String>,
    /// The tier it is heard on from the start.
    pub tier: InputTier,
    /// How it begins, each time, in seconds.
    pub fade_in_sec: f64,
    /// Audio that waits between server and air, in seconds.
    pub buffer_sec: f64,
    /// A connection that brings nothing for so long is given up, in seconds.
    pub stall_timeout_sec: f64,
    /// The longest pause between tries, in seconds.
    pub retry_max_sec: f64,
    /// How often a better URL is tried, in seconds.
    pub return_after_sec: f64,
    /// Silent for so long it leaves the air, in seconds; 0 is never.
    pub silence_sec: f64,
    /// Level below which it is silent, in dB.
    pub silence_threshold_db: f64,
    /// Whether its titles are passed on.
    pub titles: bool,
    /// Who the server is told is asking.
    pub user_agent: Option<String>,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// The tier that an input is heard on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputTier {
    /// The emergency tier.
    Emergency,
    /// A live source that goes over everything but an emergency.
    LiveOverride,
    /// A live source over the automation.
    LiveScheduled,
    /// None until it is routed.
    None,
}

impl InputTier {
    /// The tier, where there is one.
    pub fn tier(self) -> Option<Tier> {
        match self {
            Self::Emergency => Some(Tier::Emergency),
            Self::LiveOverride => Some(Tier::LiveOverride),
            Self::LiveScheduled => Some(Tier::LiveScheduled),
            Self::None => None,
        }
    }
}

/// What is done to the sound, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DspGraph {
    /// A preset of [`presets::PRESETS`]; then there are no `nodes`.
    pub preset: Option<String>,
    /// The chain.
    pub nodes: Vec<NodeConfig>,
}

impl DspGraph {
    /// The nodes: the preset's, where one is named.
    pub fn chain(&self) -> Vec<NodeConfig> {
        match self.preset.as_deref().and_then(presets::find) {
            Some(preset) => preset.nodes().into_iter().map(NodeConfig::from).collect(),
            None => self.nodes.clone(),
        }
    }
}

/// What happens when a source fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failover {
    /// How long a silent live source is waited for, in seconds.
    pub live_timeout_sec: f64,
    /// Whether automation takes over from a live source that is lost: it always does.
    pub automation_fallback_enabled: bool,
    /// Audio for when nothing else plays.
    pub fallback_audio_path: Option<PathBuf>,
    /// Whether a gentle tone plays where that is absent; silence if not.
    pub fallback_tone: bool,
    /// Whether it repeats.
    pub fallback_audio_loop: bool,
}

/// The ladder, least number first on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // The fields are the tiers' names.
pub struct Priorities {
    pub emergency: u8,
    pub live_override: u8,
    pub live_scheduled: u8,
    pub automation: u8,
    pub fallback: u8,
}

/// What plays when nobody says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Automation {
    /// Files, folders, playlists and URLs.
    pub playlist: Vec<String>,
    /// In which order.
    pub order: Order,
    /// Seed of the shuffle; a new order at every start where absent.
    pub seed: Option<u64>,
    /// Whether it begins again at its end.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// When the playlist began, as a date and time with its offset; when the station starts where absent.
    pub start: Option<String>,
    /// Overlap of consecutive items, in seconds; 0 is gapless.
    pub crossfade_sec: f64,
    /// Shape of the fades.
    pub curve: Curve,
    /// How it is found out how loud items are, for a chain that levels them.
    pub item_loudness: ItemLoudness,
    /// Database of analyses; the user's own where absent.
    pub analysis_cache: Option<PathBuf>,
    /// How it goes on after a higher tier had the air.
    pub after_interruption: Return,
}

/// Where what aired is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AsRunConfig {
    /// The file. `strftime` fields in its name are those of the time, in the station's zone, at which an item began.
    pub path: PathBuf,
    /// How it is written.
    pub format: LogFormat,
}

impl AsRunConfig {
    /// The log, with its days in `timezone` (an IANA name).
    pub fn resolve(&self, timezone: &str) -> Result<AsRunLog, InvalidLog> {
        AsRunLog::new(&self.path, self.format, TimeZone::get(timezone).unwrap_or(TimeZone::UTC))
    }
}

/// Order of a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As listed; folders by name.
    Sequential,
    /// Shuffled, every item once per round.
    Shuffle,
}

/// A row of the schedule. Its times are as they stand in the file ([`At`](crate::schedule::At) reads them).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRow {
    /// When it starts; this or `ends_at` is given.
    pub at: Option<String>,
    /// When it ends.
    pub ends_at: Option<String>,
    /// How often, where that is said beside the time.
    pub every: Option<Every>,
    /// On which days only; every day where empty.
    pub days: Vec<Day>,
    /// How it comes on air; hard where absent.
    pub mode: Option<ScheduleMode>,
    /// The time to fill to, or from when on it is no longer wanted.
    pub until: Option<String>,
    /// The audio file; absent with fill.
    pub path: Option<PathBuf>,
    /// What to fill with: files, folders and playlists.
    pub pool: Vec<String>,
    /// How long what runs takes to fall, in seconds; the crossfade where absent.
    pub fade_sec: Option<f64>,
    /// Where the item begins, in seconds of its own time.
    pub cue_in_sec: Option<f64>,
    /// Where it ends, in seconds of its own time.
    pub cue_out_sec: Option<f64>,
    /// Its gain in dB.
    pub gain_db: Option<f64>,
    /// Its title; by its tags where absent.
    pub title: Option<String>,
    /// Its artist; by its tags where absent.
    pub artist: Option<String>,
}

/// How often a row of the schedule comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// At a time of day.
    Day,
    /// At a minute and second of each hour.
    Hour,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // They are what they are called.
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// How a scheduled item comes on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleMode {
    /// Cut in at the frame.
    Hard,
    /// After what runs.
    Soft,
    /// Items of a pool up to a time.
    Fill,
}
