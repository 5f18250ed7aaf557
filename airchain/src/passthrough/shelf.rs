//! The packets of an item, read ahead by a decode worker for the encode worker that copies them.

use std::collections::VecDeque;
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

/// The output that packets are fetched for. Clones are the same.
#[derive(Clone)]
pub(crate) struct Client {
    /// Of its station.
    account: Account,
    /// The last file of which it was said that it is not copied: once, however often the item comes back.
    refused: Arc<Mutex<Option<Arc<Origin>>>>,
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

    fn refuse(&self, origin: &Arc<Origin>, why: &dyn std::fmt::Display) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.as_ref() != Some(origin) {
            tracing::info!(path = %origin.path.display(), "not copied: {why}");
            *refused = Some(Arc::clone(origin));
        }
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
                Err(error) => self.client.refuse(&self.origin, &error),
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
