//! How items are opened: elsewhere, by whoever may read files and take time.

use crate::Frames;
use crate::item::{Item, Metadata};
use crate::level::Loudness;
use crate::source::Source;

/// Names one opening under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// An opened item.
pub struct Loaded {
    /// Its audio from cue in to cue out, at the station's rate, some of it decoded ahead.
    pub source: Box<dyn Source>,
    /// What its tags say.
    pub metadata: Metadata,
    /// Its length as declared; can be wrong.
    pub length: Option<Frames>,
    /// How loud it is, as the item itself says, or else as far as it is known by now.
    pub loudness: Option<Loudness>,
}

/// Opens items. On air the work is done by decode workers and takes its time; offline it is done at once.
pub trait Loader: Send {
    /// Begins to open `item`. `after` is the item that it directly follows, and joins without a gap unless something
    /// comes between; `None` where nothing is known to come before it. One that is `urgent` comes before others.
    fn open(&mut self, ticket: Ticket, item: &Item, after: Option<Ticket>, urgent: bool);

    /// The next opening that is done, one way or the other.
    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)>;

    /// How loud an opened item turned out to be, where that was not known when it was opened.
    fn poll_loudness(&mut self) -> Option<(Ticket, Loudness)> {
        None
    }

    /// What was wrong with an opened item and was got over, as it is found out.
    fn poll_damage(&mut self) -> Option<(Ticket, String)> {
        None
    }
}
