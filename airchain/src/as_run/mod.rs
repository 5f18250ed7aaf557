//! The as-run log: what was on air, from when to when, how it ended, and how loud it was as aired.
//!
//! There is one [`Record`] for every uninterrupted stretch of an item. One that a higher tier interrupts and that goes on
//! later (tiers whose policy is to resume, the fallback above all) has several, told apart by their
//! [`part`](Record::part): each is written when it ends, so that a process that is killed loses what is on air and
//! nothing else.
//!
//! [`AsRun`] is the pure part, the same on air and offline: it is told the station's reports, hears its bus, and gives
//! records. On air a job of the encode workers feeds it from a tap of its own (`job.rs`), and the records are written by
//! the I/O workers (`writer.rs`): a disk that is full or hangs concerns nobody else.

mod airing;
mod job;
mod jsonl;
mod log;
mod place;
#[cfg(feature = "sqlite")]
mod sqlite;
mod writer;

use airchain_core::Frames;
use airchain_core::control::Ending;
use airchain_core::item::Item;
use airchain_core::tier::Tier;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use job::{Started, Teller, start};
pub use log::AsRun;
pub use place::{AsRunLog, InvalidLog};

/// One stretch of an item on air. Frames are those of the station's reports; a station that starts anew counts from 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// The station's id.
    pub station: String,
    /// The tier it was heard on.
    pub tier: Tier,
    /// The item, with the metadata it ended with.
    pub item: Item,
    /// Which stretch of the item this is, from 1.
    pub part: u32,
    /// The first frame at which it was heard.
    pub start_frame: Frames,
    /// The frame after the last.
    pub end_frame: Frames,
    /// When that first frame left the bus; `None` offline, where nothing does.
    pub start_utc: Option<Timestamp>,
    /// The same of the end.
    pub end_utc: Option<Timestamp>,
    /// From start to end, in seconds.
    pub duration_s: f64,
    /// How it ended. [`Ending::Preempted`] is also a stretch that another follows.
    pub ending: Ending,
    /// Gated loudness (ITU-R BS.1770-5) of the finished programme over these frames, in LUFS, to a thousandth; `None` when
    /// they are silent or fewer than 400 ms.
    pub integrated_lufs: Option<f64>,
    /// True peak (ITU-R BS.1770-5 annex 2) of the same, in dBTP, to a thousandth; `None` when they are silent.
    pub true_peak_dbtp: Option<f64>,
}

/// How records are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Jsonl,
    /// A table `as_run` in an SQLite database; cargo feature `sqlite`.
    Sqlite,
}
