//! The packets of an item, read ahead by a decode worker for the encode worker that copies them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airchain_codecs::Format;
use airchain_codecs::copy::{CopiedPacket, PacketReader};
use airchain_core::source::Origin;
use airchain_inputs::file::identity;

use crate::decode_pool::{Account, Errand, Feed};
use crate::station::Shared;

/// Packets kept ready, about two seconds of them.
const STOCK: usize = 96;
/// It is filled up again once it holds fewer.
const LOW: usize = 48;
/// Packets read in one turn.
const PER_TURN: usize = 32;
/// Files that an output remembers not to have copied.
const REMEMBERED: usize = 256;

/// The output that packets are fetched for. Clones are the same.
#[derive(Clone)]
pub(crate) struct Client {
    /// Of its station.
    account: Account,
    /// The latest files of which it was said that they are not copied: once of each, however often the item comes back.
    refused: Arc<Mutex<VecDeque<(PathBuf, u64)>>>,
}

impl Client {
    /// An output of a station.
    pub(crate) fn of(station: &Shared) -> Self {
        Self { account: Account::of(station), refused: Arc::default() }
    }

    /// One of no station.
    #[cfg(test)]
    pub(super) fn alone() -> Self {
        Self { account: Account::alone(), refused: Arc::default() }
    }

    /// Says that a file is not copied, unless that was said; whether it has.
    fn refuse(&self, origin: &Origin, why: &dyn std::fmt::Display) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(path, identity): &(PathBuf, u64)| (path, identity) == (&origin.path, &origin.identity);
        if refused.iter().any(is_it) {
            return false;
        }
        tracing::info!(path = %origin.path.display(), "not copied: {why}");
        if refused.len() >= REMEMBERED {
            refused.pop_front();
        }
        refused.push_back((origin.path.clone(), origin.identity));
        true
    }
}

/// Packets on their way from the one worker to the other.
#[derive(Default)]
pub(super) struct Shelf {
    packets: Mutex<VecDeque<CopiedPacket>>,
}

impl Shelf {
    /// A shelf, and what keeps it stocked with the packets of a file from before frame `from` of it on.
    pub(super) fn new(
        origin: Arc<Origin>,
        from: i64,
        format: Format,
        client: &Client,
    ) -> (Arc<Self>, Stocker) {
        let shelf = Arc::<Self>::default();
        let errand = Arc::new(Errand::new(&client.account, &origin.path.display().to_string()));
        let (client, reader) = (client.clone(), None);
        let stocker = Stocker { shelf: Arc::clone(&shelf), origin, from, format, client, reader, errand };
        (shelf, stocker)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<CopiedPacket>> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next packet, if there is one.
    pub(super) fn take(&self) -> Option<CopiedPacket> {
        self.lock().pop_front()
    }
}

/// Reads a file onto a shelf, in the hands of the decode workers.
pub(crate) struct Stocker {
    shelf: Arc<Shelf>,
    origin: Arc<Origin>,
    from: i64,
    format: Format,
    client: Client,
    reader: Option<PacketReader>,
    errand: Arc<Errand>,
}

impl Stocker {
    /// The reader, opened where it is not yet.
    fn reader(&mut self) -> Option<&mut PacketReader> {
        if self.reader.is_none() {
            let Origin { path, identity: known, .. } = &*self.origin;
            match PacketReader::open(path, &self.format) {
                // After it is opened: what is replaced in between is refused, too.
                Ok(_) if identity(path) != Some(*known) => {
                    self.client.refuse(&self.origin, &"it is another file by now");
                }
                Ok(mut reader) => {
                    reader.seek(self.from);
                    self.reader = Some(reader);
                }
                Err(error) => {
                    self.client.refuse(&self.origin, &error);
                }
            }
        }
        self.reader.as_mut()
    }

    /// Puts what is missing on the shelf; `false` when that was the last.
    fn stock(&mut self) -> bool {
        let wanted = STOCK.saturating_sub(self.shelf.lock().len()).min(PER_TURN);
        let Some(reader) = self.reader() else { return false };
        let packets: Vec<_> = std::iter::from_fn(|| reader.next_packet()).take(wanted).collect();
        let goes_on = packets.len() == wanted;
        self.shelf.lock().extend(packets);
        goes_on
    }

    fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.shelf) == 1
    }
}

impl Feed for Stocker {
    fn errand(&self) -> &Arc<Errand> {
        &self.errand
    }

    /// Packets count as the frames of MP3; what waits for them can be encoded, so decks go before them.
    fn level(&self) -> usize {
        if self.is_abandoned() { 0 } else { (self.shelf.lock().len() + 1) * 1152 }
    }

    fn is_low(&self) -> bool {
        self.is_abandoned() || self.shelf.lock().len() < LOW
    }

    fn is_urgent(&self) -> bool {
        false
    }

    fn turn(&mut self) -> bool {
        !self.is_abandoned() && self.stock()
    }

    /// What is there is copied; the rest of the item is encoded.
    fn panicked(&mut self) -> bool {
        self.errand.panicked();
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_items_that_alternate_it_is_said_once_of_each_that_it_is_not_copied() {
        let client = Client::alone();
        let origin = |name: &str, identity, first| Origin { path: name.into(), identity, first };
        let [a, b] = [origin("a.wav", 1, 0), origin("b.wav", 2, 0)];
        let said = [&a, &b, &a, &b].map(|origin| client.refuse(origin, &"it is PCM"));
        assert_eq!(said, [true, true, false, false]);
        assert!(!client.clone().refuse(&origin("a.wav", 1, 480), &"it is PCM"), "from another cue");
        assert!(client.refuse(&origin("a.wav", 3, 0), &"it is PCM"), "another file of that name");
    }
}
