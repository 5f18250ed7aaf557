//! Requests: the commands as a manager gives them, in items, seconds and decibels.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Frames;
use crate::chain::{NodeSpec, ParamValue};
use crate::control::When;
use crate::curve::Curve;
use crate::item::{Invalid, Item, Metadata};
use crate::playout::queue::QueueRequest;
use crate::tier::Tier;

/// When a request is carried out. One whose time has passed is carried out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At the next block.
    Now,
    /// At this frame of the programme.
    Frame(Frames),
    /// At this UTC time, in nanoseconds since 1970; the frame follows from the station's clock.
    Utc(i64),
}

impl From<When> for Moment {
    fn from(when: When) -> Self {
        match when {
            When::Now => Self::Now,
            When::At(frame) => Self::Frame(frame),
        }
    }
}

/// Names a request in its answer; counts from 1 in each station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// What a station is asked to do. The field names are those of scripts and of every binding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// Plays an item: on `automation` it starts now; on another tier it starts when those before it are over.
    Play {
        /// The tier.
        #[serde(default = "automation")]
        tier: Tier,
        /// The item.
        item: Item,
    },
    /// Changes, or lists, what comes after the item on air.
    Queue(QueueRequest),
    /// Goes on with the next item.
    Skip {
        /// The tier; the one on air when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Tier>,
        /// Length of the crossfade; the station's when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fade_s: Option<f64>,
        /// Its shape.
        #[serde(default)]
        curve: Curve,
        /// Whether the item on air stays until there is one to follow it; when absent, it does as long as the
        /// automation has more to come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<bool>,
    },
    /// Takes a tier off the air.
    Stop {
        /// The tier.
        tier: Tier,
        /// Length of the fade.
        #[serde(default)]
        fade_s: f64,
        /// Its shape.
        #[serde(default)]
        curve: Curve,
    },
    /// Fades the programme, or one tier, to a level and leaves it there. An emergency is heard all the same.
    Fade {
        /// The tier; the programme when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Tier>,
        /// The level in dB; -120 and less is silence.
        gain_db: f64,
        /// Length of the fade.
        #[serde(default)]
        duration_s: f64,
        /// Its shape.
        #[serde(default)]
        curve: Curve,
    },
    /// Plays an item on the emergency tier.
    InsertEmergency {
        /// The item.
        item: Item,
    },
    /// Lets a live source be heard on a tier as soon as its pre-roll is there, until it signs off, is stopped or is given
    /// up. One that is on another tier moves; one that was lost is trusted anew.
    RouteLive {
        /// `live_override`, `live_scheduled` or `emergency`.
        #[serde(default = "live_override")]
        tier: Tier,
        /// The source's name.
        source: String,
        /// Length of a fade in of its own, beside that by which its tier takes over; none when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fade_in_s: Option<f64>,
    },
    /// Crossfades to another chain.
    SetChain {
        /// Its nodes, as in a station file. In JSON `preset` may give the name of one of
        /// [`PRESETS`](crate::presets::PRESETS) instead.
        #[serde(alias = "preset", deserialize_with = "crate::presets::nodes_or_name")]
        nodes: Vec<NodeSpec>,
    },
    /// Changes a parameter of a node on air.
    SetParam {
        /// The node: its type, or its place in the chain (`"0"` is the first).
        node: String,
        /// The parameter.
        param: String,
        /// Its value.
        value: ParamValue,
    },
    /// Tells listeners something else about the item on air.
    SetMetadata {
        /// What to tell.
        metadata: Metadata,
    },
    /// Adds an output, from this frame on.
    AddOutput {
        /// The output, as in a station file, with an `id` of its own.
        output: Map<String, Value>,
    },
    /// Closes an output and takes it off.
    RemoveOutput {
        /// Its id.
        id: String,
    },
    /// Changes an output: from this frame on another takes its place, under the same id.
    ChangeOutput {
        /// Its id.
        id: String,
        /// The fields that change, as in a station file; those of null go back to their defaults. With a `type`, the whole
        /// of another declaration.
        output: Map<String, Value>,
    },
    /// Gives an output another id; nothing else becomes of it.
    RenameOutput {
        /// Its id until now.
        id: String,
        /// Its id from now on.
        new_id: String,
        /// What listeners are told from now on as the name, where they can be told without a new connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// From here on the automation airs what `load` says, and nothing else. A command log begins with it.
    Replay,
    /// Puts an item among those that wait on a tier, at exactly this frame: what a command log says of every item that
    /// was aired, whoever asked for it.
    Load {
        /// The tier.
        tier: Tier,
        /// The item.
        item: Item,
        /// Where among those waiting.
        #[serde(default)]
        place: Position,
        /// The id of the item that it goes on from, where the two join without a gap.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Takes a waiting item off again.
    Unload {
        /// The tier.
        tier: Tier,
        /// The item's id.
        id: String,
    },
    /// Gives a waiting item another gain: what a command log says of an item whose loudness was found out while it waited.
    Level {
        /// The tier.
        tier: Tier,
        /// The item's id.
        id: String,
        /// Its gain, all in all.
        gain_db: f64,
        /// The loudness to which that brings it as a whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        levelled_lufs: Option<f32>,
    },
    /// Gives a waiting item another place.
    Move {
        /// The tier.
        tier: Tier,
        /// The item's id.
        id: String,
        /// Where it goes.
        place: Position,
    },
}

/// Where an item goes among those that wait on its tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Position {
    /// Behind them all.
    #[default]
    Back,
    /// Before them all.
    Front,
    /// Before the item of this id; before them all if it has started.
    Before(String),
    /// Before them all, and it starts at once, crossfaded.
    Now {
        /// Length of the crossfade; the station's when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fade_s: Option<f64>,
        /// Its shape.
        #[serde(default)]
        curve: Curve,
    },
}

fn automation() -> Tier {
    Tier::Automation
}

fn live_override() -> Tier {
    Tier::LiveOverride
}

/// The longest fade, in seconds.
const LONGEST_FADE_S: f64 = 3600.0;

impl Request {
    /// The name it has everywhere.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Play { .. } => "play",
            Self::Queue(_) => "queue",
            Self::Skip { .. } => "skip",
            Self::Stop { .. } => "stop",
            Self::Fade { .. } => "fade",
            Self::InsertEmergency { .. } => "insert_emergency",
            Self::RouteLive { .. } => "route_live",
            Self::SetChain { .. } => "set_chain",
            Self::SetParam { .. } => "set_param",
            Self::SetMetadata { .. } => "set_metadata",
            Self::AddOutput { .. } => "add_output",
            Self::RemoveOutput { .. } => "remove_output",
            Self::ChangeOutput { .. } => "change_output",
            Self::RenameOutput { .. } => "rename_output",
            Self::Replay => "replay",
            Self::Load { .. } => "load",
            Self::Unload { .. } => "unload",
            Self::Level { .. } => "level",
            Self::Move { .. } => "move",
        }
    }

    /// The item it brings.
    pub fn item(&self) -> Option<&Item> {
        match self {
            Self::Play { item, .. } | Self::InsertEmergency { item } | Self::Load { item, .. } => Some(item),
            Self::Queue(queue) => queue.item.as_deref(),
            _ => None,
        }
    }

    /// Refuses what cannot be meant, naming the field, its value and what would do.
    pub fn validate(&self) -> Result<(), Invalid> {
        if let Some(item) = self.item() {
            item.validate()?;
        }
        if let Self::Play { tier: Tier::Fallback, .. }
        | Self::Load { tier: Tier::Fallback, .. }
        | Self::Stop { tier: Tier::Fallback, .. }
        | Self::Skip { tier: Some(Tier::Fallback), .. } = self
        {
            let accepted =
                "emergency, live_override, live_scheduled or automation: the fallback is always there";
            return Err(Invalid::new("tier", "fallback", accepted));
        }
        match self {
            Self::Queue(queue) => queue.validate(),
            Self::Skip { fade_s: Some(fade_s), .. }
            | Self::Stop { fade_s, .. }
            | Self::Load { place: Position::Now { fade_s: Some(fade_s), .. }, .. } => fade("fade_s", *fade_s),
            Self::RouteLive { fade_in_s: Some(fade_in_s), .. } => fade("fade_in_s", *fade_in_s),
            Self::Fade { gain_db, duration_s, .. } => {
                if gain_db.is_nan() || *gain_db > 40.0 {
                    return Err(Invalid::new("gain_db", gain_db, "dB up to 40"));
                }
                fade("duration_s", *duration_s)
            }
            Self::RenameOutput { new_id, name, .. } => {
                one_line("new_id", new_id, 1, 64, "1 to 64 characters on one line")?;
                name.iter().try_for_each(|name| {
                    one_line("name", name, 0, 200, "text of at most 200 characters on one line")
                })
            }
            Self::Level { gain_db, .. } if !(-200.0..=100.0).contains(gain_db) => {
                Err(Invalid::new("gain_db", gain_db, "dB from -200 to 100"))
            }
            Self::Level { levelled_lufs: Some(lufs), .. } if !(-70.0..=10.0).contains(lufs) => {
                Err(Invalid::new("levelled_lufs", lufs, "LUFS from -70 to 10"))
            }
            _ => Ok(()),
        }
    }
}

fn one_line(
    field: &'static str,
    text: &str,
    least: usize,
    most: usize,
    accepted: &'static str,
) -> Result<(), Invalid> {
    let fits = (least..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Invalid::new(field, format!("{text:?}"), accepted)) }
}

fn fade(field: &'static str, seconds: f64) -> Result<(), Invalid> {
    if (0.0..=LONGEST_FADE_S).contains(&seconds) {
        return Ok(());
    }
    Err(Invalid::new(field, seconds, "seconds from 0 to 3600"))
}
