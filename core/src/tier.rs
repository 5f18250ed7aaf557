//! The five tiers of the priority ladder.

use serde::{Deserialize, Serialize};

/// A rung of the ladder. A lower number wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Cuts in at the next block.
    Emergency,
    /// A live source put on air by hand; fades over the running programme.
    LiveOverride,
    /// A live source put on air by the schedule; fades over the running programme.
    LiveScheduled,
    /// The playlist.
    Automation,
    /// What is heard when every other tier is dry.
    Fallback,
}

impl Tier {
    /// Number of tiers.
    pub const COUNT: usize = 5;

    /// All tiers, the winner first.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Emergency, Self::LiveOverride, Self::LiveScheduled, Self::Automation, Self::Fallback];

    /// Priority, 0 to 4.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The name it has everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::LiveOverride => "live_override",
            Self::LiveScheduled => "live_scheduled",
            Self::Automation => "automation",
            Self::Fallback => "fallback",
        }
    }

    /// What is this tier's of something that each tier has.
    #[allow(clippy::indexing_slicing, reason = "there are as many as tiers")]
    pub(crate) fn of<T>(self, each: &[T; Self::COUNT]) -> &T {
        &each[self.index()]
    }

    /// The same, to be changed.
    #[allow(clippy::indexing_slicing, reason = "there are as many as tiers")]
    pub(crate) fn of_mut<T>(self, each: &mut [T; Self::COUNT]) -> &mut T {
        &mut each[self.index()]
    }

    /// Whether live sources can be routed to it.
    pub fn takes_live(self) -> bool {
        self <= Self::LiveScheduled
    }

    /// The tier called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
