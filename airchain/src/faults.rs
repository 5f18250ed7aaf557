//! What failed inside a station and was got over: told as events and counted, each where it failed.
//!
//! [docs/isolation.md](../../docs/isolation.md) says what each part's failure costs and what follows it.

use std::sync::atomic::{AtomicU64, Ordering};

use airchain_core::playout::report::Part;
use crossbeam_channel::{Receiver, Sender};
use serde::{Serialize, Serializer};

/// Faults that may wait to be told. A part that fails more often than that between two looks has said enough.
const WAITING: usize = 256;

/// How often each part of a station has failed since it began: the number of its `fault` events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults([u64; Part::COUNT]);

impl Serialize for Faults {
    /// An object: each part's name, and how often it has failed.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(part, count)| (part.name(), count)))
    }
}

impl Faults {
    /// How often `part` has failed.
    pub fn of(&self, part: Part) -> u64 {
        self.0[part.index()]
    }

    /// Every part, and how often it has failed.
    pub fn iter(&self) -> impl Iterator<Item = (Part, u64)> {
        Part::ALL.into_iter().zip(self.0)
    }
}

/// What failed, and how.
type Note = (Part, String);

/// Where the threads that work for a station leave its faults, and where they are counted.
pub(crate) struct FaultLog {
    counts: [AtomicU64; Part::COUNT],
    notes: (Sender<Note>, Receiver<Note>),
    /// Notes that were left, and those that were taken: the desk asks a hundred times a second, and an empty channel is
    /// dear to ask.
    left: AtomicU64,
    taken: AtomicU64,
}

impl Default for FaultLog {
    fn default() -> Self {
        let notes = crossbeam_channel::bounded(WAITING);
        Self { counts: Default::default(), notes, left: AtomicU64::new(0), taken: AtomicU64::new(0) }
    }
}

impl FaultLog {
    /// Leaves a fault to be told by the desk. From any thread but the air's; waits for nothing.
    pub(crate) fn note(&self, part: Part, error: String) {
        if self.notes.0.try_send((part, error)).is_ok() {
            self.left.fetch_add(1, Ordering::Release);
        }
    }

    /// The next fault to be told. For one thread, the desk's.
    pub(crate) fn next(&self) -> Option<Note> {
        if self.left.load(Ordering::Acquire) == self.taken.load(Ordering::Relaxed) {
            return None;
        }
        let note = self.notes.1.try_recv().ok()?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(note)
    }

    /// Counts a fault that is told.
    pub(crate) fn count(&self, part: Part) {
        self.counts[part.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Faults {
        Faults(std::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed)))
    }
}
