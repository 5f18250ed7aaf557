//! MPEG audio Layer III: the frames one after the other. Files open with an ID3v2 tag and a "LAME tag", a silent
//! frame that holds the length, a seek table and how much to trim (LAME's `VbrTag.c`; "Mp3 Info Tag rev 1").

use std::sync::Arc;

use airchain_core::item::Metadata;

use super::{Muxer, Patch, id3};
use crate::format::{Bitrate, Format};
use crate::packet::{Packet, SharedInfo};

/// Bit rates of MPEG-1 Layer III by index, in kbit/s (ISO 11172-3, 2.4.2.3).
pub(crate) const KBPS_MPEG1: [u32; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
/// Bit rates of MPEG-2 and 2.5 Layer III by index, in kbit/s (ISO 13818-3, 2.4.2.3).
pub(crate) const KBPS_MPEG2: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// Sample rates of MPEG-1 by index; MPEG-2 has half, 2.5 a quarter.
const RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// Length in bytes of the Layer III frame that begins with these four bytes; `None` if none does.
pub fn frame_bytes(head: &[u8]) -> Option<usize> {
    let &[0xFF, b1, b2, _, ..] = head else { return None };
    // The rest of the sync word, then layer III.
    if b1 & 0xE0 != 0xE0 || (b1 >> 1) & 3 != 1 {
        return None;
    }
    let (steps, slots, shift) = match (b1 >> 3) & 3 {
        3 => (&KBPS_MPEG1, 144_000, 0),
        2 => (&KBPS_MPEG2, 72_000, 1),
        0 => (&KBPS_MPEG2, 72_000, 2),
        _ => return None,
    };
    let kbps = steps.get(usize::from(b2 >> 4)).copied().filter(|kbps| *kbps > 0)?;
    let rate = RATES.get(usize::from((b2 >> 2) & 3))? >> shift;
    Some((slots * kbps / rate) as usize + usize::from((b2 >> 1) & 1))
}

/// Frames alone: what a stream is.
pub(super) struct Mp3Stream;

impl Muxer for Mp3Stream {
    fn mime(&self) -> &'static str {
        "audio/mpeg"
    }

    fn extension(&self) -> &'static str {
        "mp3"
    }

    fn start(&mut self, _: &Metadata, _: &mut Vec<u8>) {}

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        out.extend_from_slice(&packet.data);
    }

    fn retitle(&mut self, _: &Metadata, _: &mut Vec<u8>) -> bool {
        false
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Vec<Patch> {
        Vec::new()
    }
}

/// A file.
pub(super) struct Mp3File {
    info: SharedInfo,
    /// Where the audio is to begin; at 0 unless said.
    begin: i64,
    tag_offset: u64,
    first: Option<i64>,
    end: i64,
    frames: u64,
    bytes: u64,
    crc: Crc16,
    seek: SeekTable,
}

impl Mp3File {
    /// A file of packets of this kind.
    pub(super) fn new(info: &SharedInfo) -> Self {
        let (begin, end) = (0, 0);
        let (crc, seek) = (Crc16::default(), SeekTable::new());
        Self {
            info: Arc::clone(info),
            begin,
            tag_offset: 0,
            first: None,
            end,
            frames: 0,
            bytes: 0,
            crc,
            seek,
        }
    }
}

impl Muxer for Mp3File {
    fn mime(&self) -> &'static str {
        "audio/mpeg"
    }

    fn extension(&self) -> &'static str {
        "mp3"
    }

    fn begin_at(&mut self, frame: i64) {
        self.begin = frame;
    }

    fn start(&mut self, metadata: &Metadata, out: &mut Vec<u8>) {
        let before = out.len();
        id3::write(metadata, out);
        self.tag_offset = (out.len() - before) as u64;
        // Until the file is complete the tag says no length, only what to trim at the start.
        let delay = i64::from(self.info.delay) - DECODER_DELAY;
        out.extend(tag(&self.info.format, &Totals { delay, ..Totals::default() }));
    }

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        if packet.pts < self.begin - (MOST_TRIM + DECODER_DELAY) {
            return;
        }
        self.first.get_or_insert(packet.pts);
        self.end = packet.end();
        self.seek.note(self.bytes);
        self.frames += 1;
        self.bytes += packet.data.len() as u64;
        self.crc.add(&packet.data);
        out.extend_from_slice(&packet.data);
    }

    fn retitle(&mut self, _: &Metadata, _: &mut Vec<u8>) -> bool {
        false
    }

    fn checkpoint(&self) -> Vec<Patch> {
        let Some(first) = self.first else {
            return Vec::new();
        };
        let decoded = self.frames as i64 * i64::from(self.info.packet_frames.unwrap_or(1152));
        let totals = Totals {
            delay: self.begin - first - DECODER_DELAY,
            padding: first + decoded - self.end + DECODER_DELAY,
            length: Some((self.frames, self.bytes)),
            seek: self.seek.percents(self.bytes),
            crc: self.crc.0,
        };
        vec![Patch { offset: self.tag_offset, data: tag(&self.info.format, &totals) }]
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Vec<Patch> {
        self.checkpoint()
    }
}

/// Frames by which every decoder is late; the tag's delay and padding leave them out.
const DECODER_DELAY: i64 = 528 + 1;

/// The longest delay or padding that the tag can say.
const MOST_TRIM: i64 = 4095;

/// What is known of a file.
#[derive(Default)]
struct Totals {
    /// Frames to trim at the start and at the end, the decoder's delay moved from the first to the second.
    delay: i64,
    padding: i64,
    /// Frames and bytes after the tag, once known.
    length: Option<(u64, u64)>,
    seek: Vec<u8>,
    crc: u16,
}

/// The frame that holds the tag.
fn tag(format: &Format, totals: &Totals) -> Vec<u8> {
    let mono = format.channels == 1;
    let (version, shift) = match format.sample_rate_hz {
        32_000.. => (3, 0),
        16_000.. => (2, 1),
        _ => (0, 2),
    };
    let mpeg1 = shift == 0;
    let side_info = match (mpeg1, mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    // The programme's own bit rate if the tag fits into such a frame, or the next that does.
    let rate_index = RATES.iter().position(|rate| rate >> shift == format.sample_rate_hz).unwrap_or(0) as u8;
    let steps = if mpeg1 { &KBPS_MPEG1 } else { &KBPS_MPEG2 };
    let usual = format.bitrate.kbps().unwrap_or(128);
    let needed = 4 + side_info + XING_BYTES + LAME_BYTES;
    let header =
        |index: usize| [0xFF, 0xE3 | (version << 3), (index as u8) << 4 | rate_index << 2, mode(mono)];
    let header = (1..steps.len())
        .filter(|&index| steps.get(index).is_some_and(|kbps| *kbps >= usual.min(160)))
        .map(header)
        .find(|header| frame_bytes(header).is_some_and(|bytes| bytes >= needed))
        .unwrap_or_else(|| header(steps.len() - 1));
    let size = frame_bytes(&header).unwrap_or(needed).max(needed);

    let mut tag = Vec::with_capacity(size);
    tag.extend(header);
    tag.resize(4 + side_info, 0);
    tag.extend(if matches!(format.bitrate, Bitrate::Cbr(_)) { b"Info" } else { b"Xing" });
    let length = totals.length.and_then(|(frames, bytes)| {
        // The tag's own frame counts among the bytes, not among the frames.
        Some((u32::try_from(frames).ok()?, u32::try_from(bytes + size as u64).ok()?))
    });
    match length {
        Some((frames, bytes)) => {
            tag.extend(7_u32.to_be_bytes());
            tag.extend(frames.to_be_bytes());
            tag.extend(bytes.to_be_bytes());
            tag.extend_from_slice(&totals.seek);
        }
        // Of the length it is certain that there is this frame: decoders then know it for a tag and do not play it.
        None => {
            tag.extend(2_u32.to_be_bytes());
            tag.extend((size as u32).to_be_bytes());
        }
    }
    lame(format, totals, length.map_or(0, |(_, bytes)| bytes), &mut tag);
    let mut crc = Crc16::default();
    crc.add(&tag);
    tag.extend(crc.0.to_be_bytes());
    tag.resize(size, 0);
    tag
}

/// `Xing`, flags, frames, bytes, seek table.
const XING_BYTES: usize = 4 + 4 + 4 + 4 + 100;
const LAME_BYTES: usize = 36;

fn mode(mono: bool) -> u8 {
    // Joint stereo as LAME has it, or mono; "original".
    if mono { 0xC4 } else { 0x44 }
}

/// The part of the tag that LAME added, up to its CRC.
fn lame(format: &Format, totals: &Totals, bytes: u32, tag: &mut Vec<u8>) {
    let (method, kbps) = match format.bitrate {
        Bitrate::Cbr(kbps) => (1, kbps),
        Bitrate::Abr(kbps) => (2, kbps),
        _ => (4, 32),
    };
    tag.extend(b"LAME3.100");
    tag.push(method);
    // Low-pass, gains, flags: not known here.
    tag.extend([0; 1 + 8 + 1]);
    tag.push(kbps.min(255) as u8);
    let field = |frames: i64| frames.clamp(0, MOST_TRIM) as u32;
    let trim = field(totals.delay) << 12 | field(totals.padding);
    tag.extend(trim.to_be_bytes().iter().skip(1));
    tag.extend([0; 1 + 1 + 2]);
    tag.extend(bytes.to_be_bytes());
    tag.extend(totals.crc.to_be_bytes());
}

/// CRC-16 of the tag and of the audio: polynomial 0x8005, reflected, from 0.
#[derive(Default)]
struct Crc16(u16);

impl Crc16 {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u16::from(*byte);
            for _ in 0..8 {
                self.0 = if self.0 & 1 == 1 { (self.0 >> 1) ^ 0xA001 } else { self.0 >> 1 };
            }
        }
    }
}

/// Where frames begin, thinned out as the file grows so that its size is bounded.
struct SeekTable {
    offsets: Vec<u64>,
    every: u64,
    seen: u64,
}

impl SeekTable {
    const MOST: usize = 1024;

    fn new() -> Self {
        Self { offsets: Vec::new(), every: 1, seen: 0 }
    }

    fn note(&mut self, offset: u64) {
        if self.seen.is_multiple_of(self.every) {
            if self.offsets.len() == Self::MOST {
                let mut index = 0;
                self.offsets.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.every *= 2;
            }
            if self.seen.is_multiple_of(self.every) {
                self.offsets.push(offset);
            }
        }
        self.seen += 1;
    }

    /// For each percent of the time, the place in 256ths of the bytes.
    fn percents(&self, bytes: u64) -> Vec<u8> {
        let at = |percent: u64| {
            let index = percent * self.seen / 100 / self.every;
            let offset = self.offsets.get(index as usize).copied().unwrap_or(bytes);
            (offset * 256 / bytes.max(1)).min(255) as u8
        };
        (0..100).map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_lengths() {
        // 128 kbit/s, 44.1 kHz, padded and not; 48 kHz; MPEG-2 at 64 kbit/s and 24 kHz; MPEG-2.5 at 8 kHz.
        assert_eq!(frame_bytes(&[0xFF, 0xFB, 0x90, 0x00]), Some(417));
        assert_eq!(frame_bytes(&[0xFF, 0xFB, 0x92, 0x00]), Some(418));
        assert_eq!(frame_bytes(&[0xFF, 0xFB, 0x94, 0x00]), Some(384));
        assert_eq!(frame_bytes(&[0xFF, 0xF3, 0x84, 0x00]), Some(192));
        assert_eq!(frame_bytes(&[0xFF, 0xE3, 0x18, 0x00]), Some(72));
        for other in [[0xFF, 0xFD, 0x90, 0x00], [0xFF, 0xFB, 0xF0, 0x00], [0xFF, 0xFB, 0x9C, 0x00], [0; 4]] {
            assert_eq!(frame_bytes(&other), None);
        }
    }

    #[test]
    fn the_seek_table_stays_small_and_true() {
        let mut table = SeekTable::new();
        for frame in 0..1_000_000_u64 {
            table.note(frame * 400);
        }
        assert!(table.offsets.len() <= SeekTable::MOST);
        let percents = table.percents(400_000_000);
        assert!(
            (0..100).all(|p| (i32::from(percents[p]) - (p as i32 * 256 / 100)).abs() <= 1),
            "{percents:?}"
        );
    }
}
