//! Playout: what is to be heard, and when. The thinking half of a station, off the air thread.
//!
//! A [`Director`] asks the programme for items, has them opened, hands them to the engine and
//! carries out requests. Like the engine it has no clock: it is told the position.

pub mod clock;
#[allow(clippy::indexing_slicing, reason = "not on the air thread")]
pub mod director;
pub mod live;
pub mod loader;
pub mod playlist;
pub mod queue;
pub mod report;
pub mod request;
#[allow(clippy::indexing_slicing, reason = "not on the air thread")]
pub mod schedule;

pub use clock::StationClock;
pub use director::{Director, DirectorConfig, LineUp, Lined};
pub use live::{LiveConfig, LiveSlots, LiveWriter};
pub use loader::{Loaded, Loader, Ticket};
pub use playlist::{Bookmark, NextItem, NextTrack, Playlist};
pub use queue::{QueueOp, QueueRequest};
pub use report::{Report, StationEvent};
pub use request::{Moment, Position, Request, RequestId};
pub use schedule::Schedule;
