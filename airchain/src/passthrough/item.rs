//! An item whose packets are copied, one after the other.

use std::sync::Arc;

use airchain_codecs::copy::{CopiedPacket, mp3, window};
use airchain_codecs::{Codec, Format};
use airchain_core::source::Origin;
use bytes::Bytes;

use super::shelf::{Client, Shelf, Stocker};

/// A file on the bus.
pub(super) struct Copied {
    shelf: Arc<Shelf>,
    /// Where on the bus the file's frame 0 is, or would be.
    zero: i64,
    codec: Codec,
    next: Option<CopiedPacket>,
    /// The last bytes of main data before the next packet, which it may borrow (MP3).
    before: Vec<u8>,
}

impl Copied {
    /// A file whose frame 0 lies at `zero` of the bus, of which packets from frame `from` on are wanted; and what has to be
    /// kept by the decode workers for them to come.
    pub(super) fn new(
        origin: Arc<Origin>,
        zero: i64,
        from: i64,
        format: Format,
        client: &Client,
    ) -> (Self, Stocker) {
        let (shelf, stocker) = Shelf::new(origin, from, format, client);
        (Self { shelf, zero, codec: format.codec, next: None, before: Vec::new() }, stocker)
    }

    fn next(&mut self) -> Option<&CopiedPacket> {
        if self.next.is_none() {
            self.next = self.shelf.take();
        }
        self.next.as_ref()
    }

    /// Where on the bus one of its packets begins; all others lie whole packets from there. `None` before one has come.
    pub(super) fn position(&mut self) -> Option<i64> {
        let zero = self.zero;
        self.next().map(|packet| zero + packet.position)
    }

    /// Goes on to the packet that begins at `at` on the bus, if it is there.
    fn go_to(&mut self, at: i64) -> Option<&CopiedPacket> {
        let wanted = at - self.zero;
        while self.next()?.position < wanted {
            self.pass();
        }
        self.next.as_ref().filter(|packet| packet.position == wanted)
    }

    /// Goes past the next packet.
    fn pass(&mut self) -> Option<Bytes> {
        let packet = self.next.take()?;
        if self.codec == Codec::Mp3 {
            self.before.extend_from_slice(mp3::main_data(&packet.data));
            let old = self.before.len().saturating_sub(mp3::MOST_BORROWED);
            self.before.drain(..old);
        }
        Some(packet.data)
    }

    /// The packet that begins at `at` on the bus.
    pub(super) fn take(&mut self, at: i64) -> Option<Bytes> {
        self.go_to(at)?;
        self.pass()
    }

    /// `encoded` so that the packet that begins at `at` on the bus can follow it; `None` where it cannot.
    pub(super) fn follow(&mut self, encoded: &Bytes, at: i64) -> Option<Bytes> {
        let codec = self.codec;
        let packet = self.go_to(at).filter(|packet| window::meet(codec, encoded, &packet.data))?;
        if codec != Codec::Mp3 {
            return Some(encoded.clone());
        }
        let borrowed = mp3::borrowed(&packet.data)?;
        let from = self.before.len().checked_sub(borrowed)?;
        mp3::lend(encoded, self.before.get(from..)?)
    }
}
