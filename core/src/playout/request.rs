//! Requests: the commands as a manager gives them, in items, seconds and decibels.

use serde::{Deserialize, Serialize};

use crate::chain::{NodeSpec, ParamValue};
use crate::curve::Curve;
use crate::item::{InvalidItem, Item, Metadata};
use crate::tier::Tier;

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
    /// Plays an item after the one on air and those queued before it.
    Queue {
        /// The item.
        item: Item,
    },
    /// Goes on with the next item.
    Skip {
        /// The tier; the one on air when absent.
        #[serde(default)]
        tier: Option<Tier>,
        /// Length of the crossfade; the station's when absent.
        #[serde(default)]
        fade_s: Option<f64>,
        /// Its shape.
        #[serde(default)]
        curve: Curve,
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
        #[serde(default)]
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
    /// Crossfades to another chain.
    SetChain {
        /// Its nodes, as in a station file.
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
}

fn automation() -> Tier {
    Tier::Automation
}

impl Request {
    /// The name it has everywhere.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Play { .. } => "play",
            Self::Queue { .. } => "queue",
            Self::Skip { .. } => "skip",
            Self::Stop { .. } => "stop",
            Self::Fade { .. } => "fade",
            Self::InsertEmergency { .. } => "insert_emergency",
            Self::SetChain { .. } => "set_chain",
            Self::SetParam { .. } => "set_param",
            Self::SetMetadata { .. } => "set_metadata",
        }
    }

    /// The item it brings, and its tier.
    pub fn item(&self) -> Option<(Tier, &Item)> {
        match self {
            Self::Play { tier, item } => Some((*tier, item)),
            Self::Queue { item } => Some((Tier::Automation, item)),
            Self::InsertEmergency { item } => Some((Tier::Emergency, item)),
            _ => None,
        }
    }

    /// Refuses numbers that cannot be meant.
    pub fn validate(&self) -> Result<(), InvalidItem> {
        if let Some((_, item)) = self.item() {
            item.validate()?;
        }
        let seconds = |field, value: f64| match value {
            v if (0.0..=3600.0).contains(&v) => Ok(()),
            value => Err(InvalidItem { field, value, accepted: "seconds from 0 to 3600" }),
        };
        match self {
            Self::Skip { fade_s: Some(fade_s), .. } | Self::Stop { fade_s, .. } => seconds("fade_s", *fade_s),
            Self::Fade { gain_db, duration_s, .. } => {
                if gain_db.is_nan() || *gain_db > 40.0 {
                    let accepted = "dB up to 40";
                    return Err(InvalidItem { field: "gain_db", value: *gain_db, accepted });
                }
                seconds("duration_s", *duration_s)
            }
            _ => Ok(()),
        }
    }
}
