//! The packets of an item, read ahead by a decode worker for the encode worker that copies them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airchain_codecs::Format;
use airchain_codecs::copy::{CopiedPacket, PacketReader};
use airchain_core::source::Origin;

use crate::decode_pool::{Errand, Feed};
use crate::faults::FaultLog;

/// Packets kept ready, about two seconds of them.
const STOCK: usize = 96;
/// It is filled up again once it holds fewer.
const LOW: usize = 48;
/// Packets read in one turn.
const PER_TURN: usize = 32;

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
        faults: &Arc<FaultLog>,
    ) -> (Arc<Self>, Stocker) {
        let shelf = Arc::<Self>::default();
        let errand = Arc::new(Errand::new(faults, &origin.path.display().to_string()));
        let stocker = Stocker { shelf: Arc::clone(&shelf), origin, from, format, reader: None, errand };
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
    reader: Option<PacketReader>,
    errand: Arc<Errand>,
}

impl Stocker {
    /// The reader, opened where it is not yet.
    fn reader(&mut self) -> Option<&mut PacketReader> {
        if self.reader.is_none() {
            let path = &self.origin.path;
            match PacketReader::open(path, &self.format) {
                Ok(mut reader) => {
                    reader.seek(self.from);
                    self.reader = Some(reader);
                }
                Err(error) => tracing::debug!(path = %path.display(), "not copied: {error}"),
            }
        }
        self.reader.as_mut()
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
        if self.is_abandoned() {
            return false;
        }
        let wanted = STOCK.saturating_sub(self.shelf.lock().len()).min(PER_TURN);
        let Some(reader) = self.reader() else { return false };
        let packets: Vec<_> = std::iter::from_fn(|| reader.next_packet()).take(wanted).collect();
        let goes_on = packets.len() == wanted;
        self.shelf.lock().extend(packets);
        goes_on
    }

    /// What is there is copied; the rest of the item is encoded.
    fn panicked(&mut self) -> bool {
        self.errand.panicked();
        false
    }
}
