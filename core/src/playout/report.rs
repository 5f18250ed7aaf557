//! Reports: what happened, in the words that logs, scripts and bindings share.

use serde::Serialize;

use crate::Frames;
use crate::control::Ending;
use crate::item::Item;
use crate::playout::request::RequestId;
use crate::tier::Tier;

/// An event of a station, placed on its programme.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The first frame it is true of.
    pub frame: Frames,
    /// The same in seconds.
    pub at: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: StationEvent,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StationEvent {
    /// An item became audible, or what is said about it changed.
    NowPlaying {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: Item,
        /// `true` at its own start, `false` when it is announced again.
        started: bool,
        /// `true` where it is heard over the programme, whose titles stay.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        over: bool,
        /// Its length from cue in to cue out, where known.
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_s: Option<f64>,
    },
    /// An item is over.
    ItemEnded {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: Item,
        /// How it ended.
        ending: Ending,
        /// How much of it was heard.
        played_s: f64,
    },
    /// An item was made ready and never heard.
    ItemUnused {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: Item,
    },
    /// Another tier has the air; `null` is dead air.
    PriorityChanged {
        /// The tier that had it.
        from: Option<Tier>,
        /// The tier that has it.
        to: Option<Tier>,
        /// Where the tier that had it keeps an item that is not over: the frames over which that falls silent.
        #[serde(skip_serializing_if = "Option::is_none")]
        held: Option<Frames>,
    },
    /// An item could not be played, or not whole.
    SourceFailed {
        /// Its tier.
        tier: Tier,
        /// The item.
        item: Item,
        /// What is wrong with it.
        error: String,
        /// Whether it is not played at all.
        skipped: bool,
    },
    /// Frames that should have been heard were not there in time.
    Dropout {
        /// The tier.
        tier: Tier,
        /// How many.
        frames: Frames,
    },
    /// Frames were never rendered: the station goes on behind them, at the right time.
    Missed {
        /// How many.
        frames: Frames,
        /// The same in milliseconds.
        ms: u64,
        /// Why.
        reason: &'static str,
    },
    /// The programme, or a live source that was routed, has been silent for the set time.
    SilenceDetected {
        /// The live source; the programme when `None`.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// It no longer is.
    SilenceEnded {
        /// The live source; the programme when `None`.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// An output changed its health.
    OutputHealth {
        /// Its id.
        output: String,
        /// How it is.
        health: Health,
        /// Why, and what to do, when it is not up.
        reason: Option<String>,
    },
    /// What the source on air holds ahead became enough, little or nothing.
    BufferHealth {
        /// How it is from now on.
        health: BufferHealth,
        /// The tier on air; `null` is dead air.
        tier: Option<Tier>,
        /// Frames that it holds; `null` where they never end.
        frames: Option<Frames>,
        /// The same in milliseconds.
        ms: Option<f64>,
    },
    /// How loud the programme is, each second, for those who ask for it.
    Loudness {
        /// Over the last 400 ms, LUFS; `null` in silence, as the others.
        momentary_lufs: Option<f32>,
        /// Over the last 3 s, LUFS.
        short_term_lufs: Option<f32>,
        /// Since the start or the last reset, LUFS.
        integrated_lufs: Option<f32>,
        /// Loudness range since then, LU.
        loudness_range_lu: Option<f32>,
        /// True peak of left and right over the last 100 ms, dBTP.
        true_peak_dbtp: [Option<f32>; 2],
    },
    /// A part of the station failed inside. It goes on, as `docs/isolation.md` says of each part.
    Fault {
        /// What failed.
        part: Part,
        /// How, and on what.
        error: String,
    },
    /// An entry of the schedule was passed over.
    ScheduleDropped {
        /// Its item.
        item: Item,
        /// Its time: UTC in seconds since 1970.
        due_s: f64,
        /// Why.
        reason: &'static str,
    },
    /// A request was carried out.
    CommandDone {
        /// Its name.
        command: &'static str,
        /// Its number.
        request: RequestId,
        /// The id of the item that it brought.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The line-up, where that was asked for: as much of it as [`LISTED`] says.
        #[serde(skip_serializing_if = "Option::is_none")]
        queue: Option<Vec<Item>>,
        /// Items in the whole line-up.
        #[serde(skip_serializing_if = "Option::is_none")]
        length: Option<usize>,
    },
    /// A request was not carried out; nothing has changed.
    CommandFailed {
        /// Its name.
        command: &'static str,
        /// Its number.
        request: RequestId,
        /// Why, and what would do.
        error: String,
    },
}

/// The most items of a line-up that one answer lists.
pub const LISTED: usize = 1000;

/// How much a source holds ahead of the air.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BufferHealth {
    /// Enough, or all there is of the item.
    Good,
    /// Less than a tenth of a second, and until it is two tenths again.
    Low,
    /// Nothing: there is silence for want of a source that has audio.
    #[default]
    Dry,
}

impl BufferHealth {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Good, Self::Low, Self::Dry];

    /// The name it has everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Low => "low",
            Self::Dry => "dry",
        }
    }
}

/// What of a station can fail by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A node of its chain.
    Chain,
    /// The audio of an item, on the air thread.
    Source,
    /// What else renders its blocks.
    Engine,
    /// Whoever gives its items: a manager's programme.
    Programme,
    /// What thinks for it.
    Director,
    /// What decodes an item or an input.
    Decoder,
    /// What an item is read from, which does not answer.
    Disk,
    /// One of its encoders.
    Encoder,
}

impl Part {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Chain,
        Self::Source,
        Self::Engine,
        Self::Programme,
        Self::Director,
        Self::Decoder,
        Self::Disk,
        Self::Encoder,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name, as events and metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Source => "source",
            Self::Engine => "engine",
            Self::Programme => "programme",
            Self::Director => "director",
            Self::Decoder => "decoder",
            Self::Disk => "disk",
            Self::Encoder => "encoder",
        }
    }
}

/// How an output is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It delivers.
    Up,
    /// It delivers, but has lost something or lags.
    Degraded,
    /// It delivers nothing.
    Down,
}

impl Health {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Up, Self::Degraded, Self::Down];

    /// The name it has everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}
