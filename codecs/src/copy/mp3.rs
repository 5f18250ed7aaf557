//! Frames of MP3 and the bit reservoir between them (ISO 11172-3, 2.4.1.7 and 2.4.3.4.2).
//!
//! The audio of a frame, its main data, may begin up to 511 bytes before the frame: in what the frames before it have
//! left over. Cut off from them it cannot be decoded. [`lend`] puts the bytes that it wants into a frame that goes
//! before it instead, of whichever origin that is.

use bytes::Bytes;

use super::bits::Bits;
use crate::container::mp3::{KBPS_MPEG1, KBPS_MPEG2, frame_bytes};
use crate::format::{Bitrate, Format};

/// The most bytes that a frame borrows.
pub const MOST_BORROWED: usize = 511;

/// Whether a frame is of the rate, channels and, where that is constant, bit rate of `format`.
pub fn fits(frame: &[u8], format: &Format) -> bool {
    let Some(head) = Head::read(frame) else { return false };
    let channels = if head.mono { 1 } else { 2 };
    let kbps = format.bitrate.kbps().filter(|_| matches!(format.bitrate, Bitrate::Cbr(_)));
    let rate = [44_100, 48_000, 32_000].get(head.rate).map(|rate| rate >> head.shift);
    frame_bytes(frame) == Some(frame.len())
        && rate == Some(format.sample_rate_hz)
        && channels == format.channels
        && kbps.is_none_or(|kbps| head.kbps() == Some(kbps))
}

/// How many bytes before the frame its main data begins; `None` of what is no frame.
pub fn borrowed(frame: &[u8]) -> Option<usize> {
    let head = Head::read(frame)?;
    let side = frame.get(head.side_at()..)?;
    let bits = if head.mpeg1 { 9 } else { 8 };
    Some(Bits { bytes: side, at: 0 }.take(bits)? as usize)
}

/// The windows of a frame's first and last granule, by their numbers in the standard, of each channel.
pub(super) fn windows(frame: &[u8]) -> Option<(Vec<u32>, Vec<u32>)> {
    let head = Head::read(frame)?;
    let window = |mut granule: Bits<'_>| {
        // part2_3_length, big_values, global_gain, scalefac_compress.
        granule.at += 12 + 9 + 8 + if head.mpeg1 { 4 } else { 9 };
        let is_switched = granule.take(1)? == 1;
        if is_switched { granule.take(2) } else { Some(0) }
    };
    let channels = if head.mono { 1 } else { 2 };
    let mut first = head.granules(frame)?.map(window).collect::<Option<Vec<_>>>()?;
    let last = first.split_off(first.len().checked_sub(channels)?);
    first.truncate(channels);
    // MPEG-2 has one granule.
    Some(if first.is_empty() { (last.clone(), last) } else { (first, last) })
}

/// The bytes of a frame in which main data lies: its own, and what it lends.
pub fn main_data(frame: &[u8]) -> &[u8] {
    let from = Head::read(frame).map_or(frame.len(), |head| head.main_at());
    frame.get(from..).unwrap_or_default()
}

/// `frame` with `lent` as the last of its bytes: in what it leaves unused if that suffices, else in a frame of a
/// higher bit rate. It must borrow nothing itself. `None` where no frame is large enough.
pub fn lend(frame: &[u8], lent: &[u8]) -> Option<Bytes> {
    let head = Head::read(frame)?;
    let used = head.main_at() + head.main_bytes(frame)?;
    if borrowed(frame)? > 0 || used > frame.len() {
        return None;
    }
    if lent.is_empty() {
        return Some(Bytes::copy_from_slice(frame));
    }
    let mut grown = frame.get(..used)?.to_vec();
    let size = (frame.get(2)? >> 4..15).find_map(|index| {
        grown[2] = (index << 4) | (grown[2] & 0x0F);
        frame_bytes(&grown).filter(|size| *size >= used + lent.len())
    })?;
    grown.resize(size - lent.len(), 0);
    grown.extend_from_slice(lent);
    // A checksum would no longer hold, for it covers the bit rate; it is better left out by whoever made the frame.
    head.unprotected.then(|| grown.into())
}

/// The header.
struct Head {
    mpeg1: bool,
    /// By how many bits the rates of MPEG-1 are shifted.
    shift: u32,
    rate: usize,
    kbps_index: usize,
    mono: bool,
    unprotected: bool,
}

impl Head {
    fn read(frame: &[u8]) -> Option<Self> {
        frame_bytes(frame)?;
        let &[_, b1, b2, b3, ..] = frame else { return None };
        let shift = match (b1 >> 3) & 3 {
            3 => 0,
            2 => 1,
            _ => 2,
        };
        Some(Self {
            mpeg1: shift == 0,
            shift,
            rate: usize::from((b2 >> 2) & 3),
            kbps_index: usize::from(b2 >> 4),
            mono: b3 >> 6 == 3,
            unprotected: b1 & 1 == 1,
        })
    }

    fn kbps(&self) -> Option<u32> {
        let steps = if self.mpeg1 { &KBPS_MPEG1 } else { &KBPS_MPEG2 };
        steps.get(self.kbps_index).copied()
    }

    /// Where the side information begins.
    fn side_at(&self) -> usize {
        if self.unprotected { 4 } else { 6 }
    }

    /// Where the main data begins, as far as it is in the frame.
    fn main_at(&self) -> usize {
        self.side_at()
            + match (self.mpeg1, self.mono) {
                (true, false) => 32,
                (true, true) | (false, false) => 17,
                (false, true) => 9,
            }
    }

    /// Bytes of main data, by the side information.
    fn main_bytes(&self, frame: &[u8]) -> Option<usize> {
        let bits: u32 = self.granules(frame)?.map(|mut granule| granule.take(12)).sum::<Option<u32>>()?;
        Some((bits as usize).div_ceil(8))
    }

    /// What the side information says of each granule and channel, the channels of a granule one after the other.
    fn granules<'a>(&self, frame: &'a [u8]) -> Option<impl Iterator<Item = Bits<'a>> + use<'a>> {
        let side = frame.get(self.side_at()..self.main_at())?;
        let channels = if self.mono { 1 } else { 2 };
        // After main_data_begin and the private bits, and the scale factor selection that MPEG-1 has.
        let (begin, granules, each) = match (self.mpeg1, self.mono) {
            (true, true) => (9 + 5 + 4, 2, 59),
            (true, false) => (9 + 3 + 8, 2, 59),
            (false, true) => (8 + 1, 1, 63),
            (false, false) => (8 + 2, 1, 63),
        };
        Some((0..granules * channels).map(move |n| Bits { bytes: side, at: begin + n * each }))
    }
}
