//! What is encoded between copied packets.

use std::collections::VecDeque;
use std::sync::Arc;

use airchain_codecs::Format;
use airchain_codecs::encode::{self, EncodeError, Encoder};
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::Stereo;

use super::past::{Lag, Past};

/// Packets that an encoder makes, and nobody gets, before the first that is sent: by then it is as if it had been there
/// all the time.
pub(super) const LEAD: i64 = 4;

/// An encoder whose packets fill slots from one on.
pub(super) struct Bridge {
    encoder: Box<dyn Encoder>,
    /// Where in what is sent it began.
    start: i64,
    /// Up to where it has been fed.
    fed: i64,
    /// The slot of the first of its packets that are ready.
    slot: i64,
    ready: VecDeque<Packet>,
    made: Vec<Packet>,
    block: Vec<Stereo>,
}

impl Bridge {
    /// An encoder that can fill `slot` and those after it.
    pub(super) fn open(format: &Format, slot: i64) -> Result<Self, EncodeError> {
        let encoder = encode::open_apart(format, format.sample_rate_hz)?;
        let slot = (slot - LEAD).max(0);
        let start = slot * i64::from(encoder.info().packet_frames.unwrap_or(1152));
        let (ready, made, block) = (VecDeque::new(), Vec::new(), Vec::new());
        Ok(Self { encoder, start, fed: start, slot, ready, made, block })
    }

    pub(super) fn info(&self) -> SharedInfo {
        Arc::clone(self.encoder.info())
    }

    pub(super) fn fed(&self) -> i64 {
        self.fed
    }

    /// The packet for `slot`, if it is ready.
    pub(super) fn take(&mut self, slot: i64) -> Option<Packet> {
        while let Some(packet) = self.ready.pop_front() {
            self.slot += 1;
            if self.slot > slot {
                return Some(packet);
            }
        }
        None
    }

    /// Gives it the next `frames`.
    pub(super) fn feed(&mut self, past: &Past, lag: &Lag, frames: i64) -> Result<(), EncodeError> {
        self.block.resize(usize::try_from(frames).unwrap_or(0), [0.0; 2]);
        lag.read(past, self.fed, &mut self.block);
        self.fed += frames;
        self.encoder.encode(&self.block, &mut self.made)?;
        self.collect();
        Ok(())
    }

    fn collect(&mut self) {
        let start = self.start;
        self.ready.extend(self.made.drain(..).map(|packet| Packet { pts: packet.pts + start, ..packet }));
    }

    /// Gives it what is left up to `end`, and adds its packets from `slot` on to `out`.
    pub(super) fn finish(
        mut self,
        past: &Past,
        lag: &Lag,
        end: i64,
        slot: i64,
        out: &mut Vec<Packet>,
    ) -> Result<(), EncodeError> {
        self.feed(past, lag, (end - self.fed).max(0))?;
        self.encoder.finish(&mut self.made)?;
        self.collect();
        let passed = usize::try_from(slot - self.slot).unwrap_or(0);
        out.extend(self.ready.into_iter().skip(passed));
        Ok(())
    }
}
