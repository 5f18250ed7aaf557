//! What the slots say: what is to be done, and where each source stands.

use std::sync::Arc;

use serde::Serialize;

use crate::Frames;
use crate::deck::{ItemId, Prepared};
use crate::item::{Item, Metadata};
use crate::playout::report::StationEvent;
use crate::tier::Tier;

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    /// It is not routed.
    Idle,
    /// Routed; its pre-roll fills.
    Buffering,
    /// It waits on its tier: for the next block, or for others to leave the tier.
    Cued,
    /// It has its tier.
    OnAir,
    /// It has signed off, and its last seconds are played.
    Draining,
    /// It sent too little and left the air; it comes back when it has been good for long enough.
    Lost,
    /// It was silent and left the air; it comes back when it has been heard for long enough.
    Silent,
}

/// A source as telemetry shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveStatus {
    /// Its name.
    pub source: String,
    /// The tier it is routed to.
    pub tier: Option<Tier>,
    /// Where it stands.
    pub state: LiveState,
    /// Audio that waits to be heard, in seconds.
    pub buffered_s: f64,
    /// Frames passed over because the sender is fast, or because a higher tier had the air meanwhile.
    pub skipped_frames: Frames,
    /// How often it was lost or silent on air.
    pub failures: u32,
    /// How long it must be good before it comes back, in seconds.
    pub hold_s: f64,
}

/// What the director is to do for a live source.
pub enum LiveAction {
    /// Send `Command::Load` with `Place::Back`, at `at`; tell [`LiveSlots::on_refused`](super::LiveSlots::on_refused) if
    /// it fails.
    Load {
        /// The tier.
        tier: Tier,
        /// What it is, for reports.
        item: Item,
        /// What the engine gets.
        prepared: Box<Prepared>,
        /// The frame at which it may start.
        at: Frames,
    },
    /// Send `Command::Unload`.
    Unload {
        /// The tier.
        tier: Tier,
        /// The item, which waits.
        item: ItemId,
    },
    /// Send `Command::Skip` for this tier with `wait: false`, at `at`: the source goes on on a lower tier.
    TakeOff {
        /// The tier.
        tier: Tier,
        /// The item, which is on it.
        item: ItemId,
        /// Length of the fade.
        fade: Frames,
        /// When.
        at: Frames,
    },
    /// Send `Command::Retitle` at `at`.
    Title {
        /// The tier.
        tier: Tier,
        /// The item.
        item: ItemId,
        /// The frame it belongs to.
        at: Frames,
        /// The title.
        metadata: Arc<Metadata>,
    },
    /// Report this.
    Report {
        /// The first frame it is true of.
        frame: Frames,
        /// What happened.
        event: StationEvent,
    },
}
