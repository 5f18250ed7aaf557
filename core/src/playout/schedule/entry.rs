//! What stands in a schedule, and what it asks of the director.

use std::sync::Arc;

use crate::Frames;
use crate::control::Ramp;
use crate::item::Item;

/// One time of a schedule and what happens then.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// UTC in nanoseconds since 1970.
    pub at_ns: i64,
    /// The row of the list that it comes from: of entries at the same time, the lower row comes first.
    pub row: usize,
    /// What happens.
    pub plan: Plan,
}

/// What happens at an entry's time.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// The item is cut in, at the frame, in place of what runs.
    CutIn {
        /// The item.
        item: Item,
        /// The fall of what runs; the station's crossfade when `None`.
        fade: Option<Ramp>,
        /// What of the item lies at the entry's time.
        edge: Edge,
    },
    /// The item starts at the first boundary from then on.
    Soft {
        /// The item.
        item: Item,
        /// UTC in nanoseconds after which it is no longer wanted. When `None`, it is not wanted late, and once in line it
        /// waits until its row comes again, for an hour at most.
        latest_ns: Option<i64>,
    },
    /// From the first boundary from then on until `until_ns`, items of the pool play that end together as close before
    /// `until_ns` as they can.
    Fill {
        /// What to choose from.
        pool: Arc<[Item]>,
        /// UTC in nanoseconds.
        until_ns: i64,
    },
}

impl Plan {
    /// Whether it comes in place of what runs.
    pub(super) fn cuts_in(&self) -> bool {
        matches!(self, Self::CutIn { .. })
    }

    /// Whether its item starts before its time, by its length.
    pub(super) fn is_back_timed(&self) -> bool {
        matches!(self, Self::CutIn { edge: Edge::End, .. })
    }
}

/// Which end of an item lies at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It starts then.
    Start,
    /// It ends then: it starts as long before as it lasts between its cue points, and what follows starts at its end.
    End,
}

/// Names one item that a schedule has sent on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64);

/// What a director is to do for its schedule, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open the item now, and put it on air at the frame in place of what runs.
    CutIn {
        /// By this the director says that it has [`settled`](super::Schedule::settled).
        entry: EntryId,
        /// The item.
        item: Item,
        /// The frame at which it is on air.
        frame: Frames,
        /// The fall of what runs; the station's crossfade when `None`.
        fade: Option<Ramp>,
    },
    /// Open the item now, and put it in line at the frame: behind the scheduled items that wait there, and before
    /// everything else.
    PutInLine {
        /// By this the director says that it has [`settled`](super::Schedule::settled).
        entry: EntryId,
        /// The item.
        item: Item,
        /// The first frame at which it may start.
        frame: Frames,
    },
    /// Take an item back if it has not started by the frame. It is unused then; no answer is due.
    Withdraw {
        /// Which.
        entry: EntryId,
        /// The first frame at which it may no longer start.
        frame: Frames,
    },
    /// Say that an entry is passed over: nothing of it was sent on its way.
    Drop {
        /// Its item.
        item: Item,
        /// Its time, UTC in nanoseconds since 1970.
        at_ns: i64,
        /// Why, for people.
        reason: &'static str,
    },
}

/// Where the entries of a schedule come from: a list of rows, some of which come again and again.
pub trait Timetable: Send {
    /// The entries due from `from_ns` until before `to_ns` (UTC in nanoseconds since 1970), in any order.
    fn between(&self, from_ns: i64, to_ns: i64) -> Vec<Entry>;
}

/// How long an item is, from cue in to cue out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many frames at the station's rate.
    Known(Frames),
    /// It is being found out; ask again.
    Later,
    /// It has none, or it cannot be read as things are.
    Never,
}

/// Whoever knows how long items are, or finds it out.
pub trait Lengths: Send {
    /// The length of `item`. The first time it is asked, it is found out.
    fn length(&mut self, item: &Item) -> Length;
}

/// How things stand on the automation, as the schedule must know it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Automation<'a> {
    /// What plays, if anything does.
    pub on_air: Option<OnAir<'a>>,
    /// The first in line after it.
    pub next: Option<&'a Item>,
    /// It was stopped by a command and plays nothing that is put in line.
    pub held: bool,
    /// A higher tier has the air.
    pub beneath: bool,
}

impl Automation<'_> {
    /// Whether the airing of `item` that is due goes on already: another run of the station began it, and this one has
    /// taken it up.
    pub(super) fn has(&self, item: &Item) -> bool {
        let mut coming = self.on_air.iter().map(|on_air| on_air.item).chain(self.next);
        coming.any(|other| other.path == item.path && other.cue_out_s == item.cue_out_s)
    }
}

/// What plays on the automation.
#[derive(Clone, Copy, Debug)]
pub struct OnAir<'a> {
    /// The item.
    pub item: &'a Item,
    /// The frame at which it began.
    pub started: Frames,
    /// Its length in frames, where that is known.
    pub length: Option<Frames>,
}
