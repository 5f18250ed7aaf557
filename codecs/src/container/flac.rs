//! FLAC: its own file format, and what Ogg needs of it (RFC 9639).

use airchain_core::item::Metadata;

use super::{Muxer, Patch, comments};
use crate::packet::{Packet, SharedInfo};

/// The file's first bytes.
const MAGIC: &[u8; 4] = b"fLaC";
/// Length of `STREAMINFO`.
const STREAM_INFO_BYTES: usize = 34;

/// A `.flac` file.
pub(super) struct FlacFile {
    stream_info: Vec<u8>,
    begin: i64,
    frames: u64,
    number: u64,
    smallest: usize,
    largest: usize,
}

impl FlacFile {
    /// A file of packets of this kind.
    pub(super) fn new(info: &SharedInfo) -> Self {
        let stream_info = info.headers.first().map(|header| header.to_vec()).unwrap_or_default();
        Self { stream_info, begin: i64::MIN, frames: 0, number: 0, smallest: usize::MAX, largest: 0 }
    }
}

impl Muxer for FlacFile {
    fn mime(&self) -> &'static str {
        "audio/flac"
    }

    fn extension(&self) -> &'static str {
        "flac"
    }

    fn begin_at(&mut self, frame: i64) {
        self.begin = frame;
    }

    fn start(&mut self, metadata: &Metadata, out: &mut Vec<u8>) {
        out.extend(MAGIC);
        block(0, &self.stream_info, out);
        block(LAST | COMMENTS, &comments::write(metadata), out);
    }

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        // A frame stands alone: nothing before the beginning is needed.
        if packet.end() <= self.begin {
            return;
        }
        let start = out.len();
        renumber(&packet.data, self.number, out);
        self.number += 1;
        self.frames += u64::from(packet.duration);
        self.smallest = self.smallest.min(out.len() - start);
        self.largest = self.largest.max(out.len() - start);
    }

    fn retitle(&mut self, _: &Metadata, _: &mut Vec<u8>) -> bool {
        false
    }

    fn checkpoint(&self) -> Vec<Patch> {
        if self.number == 0 {
            return Vec::new();
        }
        let mut data = self.stream_info.clone();
        let size = |bytes: usize| (bytes as u32).to_be_bytes();
        for (at, bytes) in [(4, self.smallest), (7, self.largest)] {
            if let (Some(place), Some(size)) = (data.get_mut(at..at + 3), size(bytes).get(1..)) {
                place.copy_from_slice(size);
            }
        }
        // The low 36 bits of these 8 bytes; 0 is "unknown".
        if let Some(place) = data.get_mut(10..18) {
            let total = if self.frames < 1 << 36 { self.frames } else { 0 };
            for (byte, bits) in place.iter_mut().zip(total.to_be_bytes()) {
                *byte |= bits;
            }
        }
        vec![Patch { offset: (MAGIC.len() + 4) as u64, data }]
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Vec<Patch> {
        self.checkpoint()
    }
}

/// The packets that open FLAC in Ogg (RFC 9639, 10.1).
pub(super) fn ogg_headers(stream_info: &[u8], metadata: &Metadata) -> [Vec<u8>; 2] {
    // Version 1.0, one more header packet.
    let mut first = b"\x7FFLAC\x01\x00\x00\x01".to_vec();
    first.extend(MAGIC);
    block(0, stream_info, &mut first);
    let mut second = Vec::new();
    block(LAST | COMMENTS, &comments::write(metadata), &mut second);
    [first, second]
}

const LAST: u8 = 0x80;
const COMMENTS: u8 = 4;

/// A metadata block.
fn block(kind: u8, data: &[u8], out: &mut Vec<u8>) {
    debug_assert!(kind & COMMENTS != 0 || data.len() == STREAM_INFO_BYTES);
    // 24 bits; the text of all tags together is far shorter.
    out.extend((u32::from(kind) << 24 | data.len() as u32 & 0x00FF_FFFF).to_be_bytes());
    out.extend_from_slice(data);
}

/// Appends a frame with another frame number: a file, or a chained stream, that begins within a programme counts from
/// zero.
pub(super) fn renumber(frame: &[u8], number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let parts = || {
        // Sync, codes of block size and rate, channels; the number, coded as UTF-8 codes characters; what the codes of
        // block size and rate announce; a CRC-8.
        let (fixed, rest) = frame.split_at_checked(4)?;
        let coded = match rest.first()?.leading_ones() {
            0 => 1,
            ones => ones as usize,
        };
        let code = *fixed.get(2)?;
        let sizes = match code >> 4 {
            6 => 1,
            7 => 2,
            _ => 0,
        } + match code & 15 {
            12 => 1,
            13 | 14 => 2,
            _ => 0,
        };
        let sizes_at = 4 + coded;
        let body_at = sizes_at + sizes + 1;
        let body_end = frame.len().checked_sub(2)?;
        Some((fixed, frame.get(sizes_at..sizes_at + sizes)?, frame.get(body_at..body_end)?))
    };
    let Some((fixed, sizes, body)) = parts() else {
        out.extend_from_slice(frame);
        return;
    };
    out.extend_from_slice(fixed);
    utf8_number(number, out);
    out.extend_from_slice(sizes);
    out.push(crc8(out.get(start..).unwrap_or_default()));
    out.extend_from_slice(body);
    let crc = crc16(out.get(start..).unwrap_or_default());
    out.extend(crc.to_be_bytes());
}

/// A number of up to 36 bits in the extended UTF-8 of RFC 9639, 9.1.5.
fn utf8_number(number: u64, out: &mut Vec<u8>) {
    if number < 0x80 {
        out.push(number as u8);
        return;
    }
    // Each byte after the first carries 6 bits; the first, what fits beside the length in ones.
    let more = (1..=6).find(|more| number < 1 << (5 * more + 6)).unwrap_or(6);
    out.push(!(0xFF_u8 >> (more + 1)) | (number >> (6 * more)) as u8);
    for index in (0..more).rev() {
        out.push(0x80 | ((number >> (6 * index)) as u8 & 0x3F));
    }
}

/// CRC-8 of a frame header: polynomial 0x07.
fn crc8(bytes: &[u8]) -> u8 {
    let step = |crc: u8| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| step(crc)))
}

/// CRC-16 of a frame: polynomial 0x8005.
fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = (index as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                value = if value >> 15 == 1 { value << 1 ^ 0x8005 } else { value << 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    bytes.iter().fold(0, |crc, byte| crc << 8 ^ TABLE[((crc >> 8) as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_coded_as_utf8_codes_characters() {
        for character in
            ['\x00', '\x7F', '\u{80}', '\u{7FF}', '\u{800}', '\u{FFFF}', '\u{10000}', '\u{10FFFF}']
        {
            let mut out = Vec::new();
            utf8_number(u32::from(character).into(), &mut out);
            assert_eq!(out, character.to_string().into_bytes());
        }
        let mut out = Vec::new();
        utf8_number((1 << 36) - 1, &mut out);
        assert_eq!(out, [0xFE, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF]);
    }
}
