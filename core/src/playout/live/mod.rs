//! Live sources: a studio, a phone line, another station, put on air over the programme and off again by themselves.
//!
//! ```text
//!   input ─► LiveWriter ─► tape (ring of the newest audio) ─► LiveReader on a deck of the tier
//!                                 │
//!                            LiveSlot: routed, pre-roll, on air, lost, silent, back
//! ```
//!
//! * An input pushes frames at the station's rate into a [`LiveWriter`], from any thread but the air thread.
//! * The air thread reads them through a [`LiveReader`], which never runs into silence: when too little is left it
//!   declares its end, falls over the last 10 ms, and the ladder hands the air to the tier below at the very frame.
//! * [`LiveSlots`] decides, at each tick of the director, which source is on which tier. Its only time is the engine's
//!   position.
//!
//! A source is on the air, or waits for it, from [`LiveSlots::route`] until it signs off ([`LiveWriter::close`]), is
//! stopped, is skipped, or is given up. In between it may come and go:
//!
//! ```text
//!   idle ─route─► buffering ─pre-roll full─► cued ─first frame─► on_air ─close─► draining ─► idle
//!                     ▲                                            │
//!                     └── lost, silent: good for the hold time ◄───┘ ran dry, or silent
//! ```
//!
//! **First in time wins** on a tier, as everywhere on the ladder: a source routed to a tier that another has waits
//! behind it and starts at the frame at which that one ends. One that was lost comes back behind those that have the
//! tier meanwhile.

mod action;
mod config;
mod damping;
mod pulse;
mod reader;
mod slot;
mod slots;
mod spell;
mod tape;
mod writer;

pub use action::{LiveAction, LiveState, LiveStatus};
pub use config::{LiveConfig, LiveReturn};
pub use reader::LiveReader;
pub use slots::{LiveError, LiveSlots};
pub use writer::LiveWriter;
