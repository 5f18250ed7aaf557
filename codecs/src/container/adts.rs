//! ADTS: every AAC access unit with a header of its own (ISO 13818-7, 6.2).

use airchain_core::item::Metadata;

use super::Muxer;
use super::Patch;
use crate::format::Codec;
use crate::packet::{Packet, StreamInfo};

/// AAC in ADTS, streamed or in a file. It has no place for a length, a delay or a title.
pub struct Adts {
    header: [u8; 7],
    begin: i64,
}

/// Bytes of an ADTS header.
pub const HEADER_BYTES: usize = 7;

/// Bytes of the longest access unit that a header can tell.
pub const MOST_BYTES: usize = 0x1FFF - HEADER_BYTES;

/// Sample rates by index (ISO 14496-3, table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

impl Adts {
    /// Headers for the access units of an AAC encoder.
    pub fn new(info: &StreamInfo) -> Self {
        // ADTS shows the core coder: half the rate under band replication, mono under parametric stereo. Decoders
        // find both extensions in the access units ("implicit signalling").
        let (rate, channels) = match info.format.codec {
            Codec::HeAacV1 => (info.format.sample_rate_hz / 2, info.format.channels),
            Codec::HeAacV2 => (info.format.sample_rate_hz / 2, 1),
            _ => (info.format.sample_rate_hz, info.format.channels),
        };
        let index = RATES.iter().position(|known| *known == rate).unwrap_or(3) as u8;
        // Sync, MPEG-4, no CRC; profile LC; buffer fullness "variable"; one access unit.
        let header = [0xFF, 0xF1, 1 << 6 | index << 2 | channels >> 2, (channels & 3) << 6, 0, 0x1F, 0xFC];
        Self { header, begin: i64::MIN }
    }

    /// The header of an access unit of `bytes` bytes.
    pub fn header(&self, bytes: usize) -> [u8; HEADER_BYTES] {
        // 13 bits; the longest access unit of two channels has 1536 bytes.
        let length = (bytes + HEADER_BYTES).min(0x1FFF);
        let mut header = self.header;
        header[3] |= (length >> 11) as u8;
        header[4] = (length >> 3) as u8;
        header[5] |= (length << 5) as u8;
        header
    }
}

impl Muxer for Adts {
    fn mime(&self) -> &'static str {
        "audio/aac"
    }

    fn extension(&self) -> &'static str {
        "aac"
    }

    fn begin_at(&mut self, frame: i64) {
        self.begin = frame;
    }

    fn start(&mut self, _: &Metadata, _: &mut Vec<u8>) {}

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        if packet.end() <= self.begin {
            return;
        }
        out.extend(self.header(packet.data.len()));
        out.extend_from_slice(&packet.data);
    }

    fn retitle(&mut self, _: &Metadata, _: &mut Vec<u8>) -> bool {
        false
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Vec<Patch> {
        Vec::new()
    }
}
