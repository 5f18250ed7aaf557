//! Passthrough: an encoder that copies packets of an item's file wherever encoding would only make them worse.
//!
//! Where one item alone is on the bus, as it is (the engine says so, see [`Stretch`]), and its file is in the output's
//! format, its packets are sent; everywhere else what is on the bus is encoded ([`bridge`]). Both go into the same slots,
//! a packet's length each, one after the other for as long as the station is on air.
//!
//! Packets of a file lie where they do in the file. What is sent therefore lags behind the bus by less than a packet, by
//! another lag in each item ([`past`]). It changes while the beginning of an item is encoded: there the programme is
//! crossfaded into itself, so much later or earlier, over 20 ms. Then the encoder's packets lie where those of the file
//! do, of the same audio, and one can take the other's place: the overlap that each packet has with the next fits. So an
//! item's first packets are encoded, and its last few. The packets with the file's own encoder delay and padding are not sent.

mod bridge;
mod item;
mod past;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use airchain_codecs::copy::{self, window};
use airchain_codecs::encode::{EncodeError, Encoder};
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_codecs::{Codec, Format};
use airchain_core::Stereo;
use airchain_core::tap::Stretch;
use crossbeam_channel::Receiver;

use self::bridge::Bridge;
use self::item::Copied;
use self::past::{Lag, Past};
pub(crate) use self::shelf::{Client, Stocker};

/// Packets by which what is sent is behind the bus: up to four that an encoder needs, and one to decide by. An encoder
/// alone is two or three behind.
const BEHIND: i64 = 5;
/// Packets for which an item must be alone on the bus before and after a place at which copying begins.
const MARGIN: i64 = 2;

/// Why packets of a format cannot be copied.
#[derive(Debug, thiserror::Error)]
#[error("passthrough: {problem}; give {accepted}")]
pub(crate) struct NotCopied {
    /// Why.
    pub(crate) problem: String,
    /// What could be.
    pub(crate) accepted: String,
}

/// Whether packets of a format can be copied at a station of this rate.
pub(crate) fn check(format: &Format, station_rate_hz: u32) -> Result<(), NotCopied> {
    let not = |problem, accepted| Err(NotCopied { problem, accepted });
    if !copy::is_possible(format.codec) {
        return not(
            format!("it is only for mp3 and aac, this is {}", format.codec),
            "mp3 or aac, or false".into(),
        );
    }
    if format.sample_rate_hz != station_rate_hz {
        let problem =
            format!("the output is at {} Hz, the station at {station_rate_hz}", format.sample_rate_hz);
        return not(problem, "both the rate of the items, or false".into());
    }
    if format.codec == Codec::AacLc && station_rate_hz <= copy::AAC_ABOVE_HZ {
        let problem = format!("of aac it is only for rates above {} Hz", copy::AAC_ABOVE_HZ);
        return not(problem, "false".into());
    }
    Ok(())
}

/// A stretch of the bus, with the file that it may be copied from.
struct Known {
    at: i64,
    copied: Option<Copied>,
}

/// What has decode workers fetch the packets of an item.
pub(crate) type Keep = Box<dyn FnMut(Stocker) + Send>;

/// The encoder of a rendition that copies what it can.
pub(crate) struct Passthrough {
    format: Format,
    info: SharedInfo,
    /// Frames in a packet, and by which decoded audio is late.
    packet: i64,
    delay: i64,
    keep: Keep,
    client: Client,
    told: Receiver<Stretch>,
    stretches: VecDeque<Known>,
    past: Past,
    lag: Lag,
    /// The slot that is filled next.
    slot: i64,
    /// The shape of the long window with which the encoder last handed over: it goes on with the same.
    shape: Option<u32>,
    /// The last copied packet can be followed by an encoded one.
    may_part: bool,
    /// What encodes; `None` while packets are copied.
    bridge: Option<Bridge>,
}

impl Passthrough {
    /// For frames at the format's rate. `keep` has decode workers fetch packets; `told` are the stretches of these, each before
    /// the first frame that it is of. Decode workers do it for `client`.
    pub(crate) fn open(
        format: &Format,
        keep: Keep,
        told: Receiver<Stretch>,
        client: Client,
    ) -> Result<Self, EncodeError> {
        let bridge = Bridge::open(format, 0)?;
        let info = bridge.info();
        let packet = i64::from(info.packet_frames.unwrap_or(1152));
        let crossfade = i64::from(format.sample_rate_hz) / 50;
        Ok(Self {
            format: *format,
            packet,
            delay: info.delay.into(),
            info,
            keep,
            client,
            told,
            stretches: VecDeque::new(),
            past: Past::default(),
            lag: Lag::new(crossfade),
            slot: 0,
            shape: None,
            may_part: false,
            bridge: Some(bridge),
        })
    }

    /// Where a slot lies in what is sent.
    fn time_of(&self, slot: i64) -> i64 {
        slot * self.packet - self.delay
    }

    /// Takes in what it has been told, and has decode workers fetch the packets of items to come.
    fn learn(&mut self) {
        while let Ok(stretch) = self.told.try_recv() {
            let at = stretch.at as i64;
            let copied = stretch.of.map(|part| {
                let frame = part.frame as i64;
                let (copied, stocker) =
                    Copied::new(part.origin, at - frame, frame, self.format, &self.client);
                (self.keep)(stocker);
                copied
            });
            self.stretches.push_back(Known { at, copied });
        }
        let over = self.time_of(self.slot) - (MARGIN + 2) * self.packet;
        while self.stretches.get(1).is_some_and(|second| second.at <= over) {
            self.stretches.pop_front();
        }
    }

    /// The file that all frames of the bus from `from` to `to` are of.
    fn file_of(&mut self, from: i64, to: i64) -> Option<&mut Copied> {
        let index = self.stretches.iter().rposition(|known| known.at <= from)?;
        if self.stretches.get(index + 1).is_some_and(|next| next.at < to) {
            return None;
        }
        self.stretches.get_mut(index)?.copied.as_mut()
    }

    /// The packet of a file that fills the next slot, if the item is alone on the bus for as long as that sounds. Copying
    /// ends where an encoded packet can follow, up to two before the last that could be copied.
    fn copy(&mut self) -> Option<Packet> {
        let (pts, packet) = (self.time_of(self.slot), self.packet);
        let at = pts - self.lag.frames();
        let is_ending = self.file_of(at, at + 4 * packet).is_none();
        if is_ending && std::mem::take(&mut self.may_part) {
            return None;
        }
        let data = self.file_of(at, at + 2 * packet)?.take(at)?;
        let shape = window::sides(self.format.codec, &data).after;
        self.may_part = shape.is_some() && shape == self.shape;
        Some(Packet { data, pts, duration: packet as u32 })
    }

    /// While it encodes: lets the lag become that of the item that is on the bus.
    fn steer(&mut self, fed: i64) {
        let (pts, packet) = (self.time_of(self.slot), self.packet);
        self.lag.pass(pts - MARGIN * packet);
        // What was copied before the next slot, and is given to the encoder to begin with, keeps its lag.
        if fed < pts + packet || self.lag.is_changing() {
            return;
        }
        let Some(position) = self.file_of(fed - packet, fed + MARGIN * packet).and_then(Copied::position)
        else {
            return;
        };
        let wanted = (pts - position).rem_euclid(packet);
        if wanted != self.lag.frames() {
            self.lag.change(fed, wanted);
        }
    }

    /// Whether the packet after an encoded one is to be copied; if so, the encoded one with what the other borrows of it.
    fn hand_over(&mut self, encoded: &Packet) -> Option<bytes::Bytes> {
        let (pts, margin) = (self.time_of(self.slot + 1), MARGIN * self.packet);
        if !self.lag.is_steady(pts - margin) {
            return None;
        }
        let at = pts - self.lag.frames();
        self.file_of(at - margin, at + margin + self.packet)?.follow(&encoded.data, at)
    }

    /// Fills a slot.
    fn step(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if self.bridge.is_none() {
            if let Some(packet) = self.copy() {
                out.push(packet);
                self.slot += 1;
                return Ok(());
            }
            self.bridge = Some(Bridge::open(&self.format, self.slot)?);
        }
        while let Some(bridge) = &mut self.bridge {
            if let Some(mut packet) = bridge.take(self.slot) {
                if let Some(data) = self.hand_over(&packet) {
                    self.shape = window::sides(self.format.codec, &packet.data).after;
                    packet.data = data;
                    self.lag.pass(packet.pts);
                    self.bridge = None;
                }
                out.push(packet);
                self.slot += 1;
                return Ok(());
            }
            let fed = bridge.fed();
            self.steer(fed);
            if let Some(bridge) = &mut self.bridge {
                bridge.feed(&self.past, &self.lag, self.packet)?;
            }
        }
        Ok(())
    }
}

impl Encoder for Passthrough {
    fn info(&self) -> &SharedInfo {
        &self.info
    }

    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.past.push(frames);
        self.learn();
        while self.past.end() >= self.time_of(self.slot) + BEHIND * self.packet {
            self.step(out)?;
        }
        let behind = (bridge::LEAD + 4) * self.packet;
        self.past.forget_before(self.time_of(self.slot) - behind);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.learn();
        let end = self.past.end() + self.lag.frames();
        while self.bridge.is_none() && self.time_of(self.slot) < end {
            match self.copy() {
                Some(mut packet) => {
                    packet.duration = self.packet.min(end - packet.pts) as u32;
                    out.push(packet);
                    self.slot += 1;
                }
                None => self.bridge = Some(Bridge::open(&self.format, self.slot)?),
            }
        }
        match self.bridge.take() {
            Some(bridge) => bridge.finish(&self.past, &self.lag, end, self.slot, out),
            None => Ok(()),
        }
    }
}
