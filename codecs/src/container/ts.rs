//! MPEG transport stream muxer for one audio programme (ISO/IEC 13818-1), pure: packets in, 188-byte packets out.
//!
//! AAC travels as ADTS (stream type 0x0F; HE-AAC is signalled implicitly, the header names the core), MP3 as it is
//! (0x03, or 0x04 at the low sampling rates). Several access units share a PES packet of up to 100 ms, which is
//! also the longest pause between clock references that the standard allows. Everything that must be continuous
//! is: time stamps come from absolute frame positions by integer arithmetic and wrap at 33 bits, continuity
//! counters run on through every [`TsMuxer::tables`] and [`TsMuxer::flush`].
//!
//! Titles are ID3v2.4 tags in a stream of their own (Apple, "Timed Metadata for HTTP Live Streaming"), each with the time
//! stamp of the packet of audio that first belongs to it.
//!
//! An HLS segment is `tables`, then `title`, then `packet` for each of its packets, then `flush`: it opens with PAT and PMT,
//! and no PES packet crosses its end. A continuous transport (SRT, UDP) calls `tables` at its own cadence.

use airchain_core::item::Metadata;

use super::adts::{self, Adts};
use super::id3;
use super::segment::{Container, EPOCH_S, SegmentError};
use crate::format::Codec;
use crate::packet::{Packet, StreamInfo};

/// Length of a transport packet in bytes.
pub const PACKET_BYTES: usize = 188;

const PAT_PID: u16 = 0x0000;
const PMT_PID: u16 = 0x1000;
const AUDIO_PID: u16 = 0x0100;
const TITLE_PID: u16 = 0x0101;
const PROGRAM: u16 = 1;

/// MPEG audio stream 0, and private stream 1 (ISO/IEC 13818-1, table 2-22).
const AUDIO_STREAM: u8 = 0xC0;
const TITLE_STREAM: u8 = 0xBD;

/// `metadata_pointer_descriptor` (2.6.58) of the programme: its metadata is ID3 in this very transport, as service 0 of
/// this programme.
const METADATA_POINTER: [u8; 17] =
    [0x25, 15, 0xFF, 0xFF, b'I', b'D', b'3', b' ', 0xFF, b'I', b'D', b'3', b' ', 0, 0x1F, 0, PROGRAM as u8];
/// `metadata_descriptor` (2.6.60) of the titles: ID3, service 0, no configuration.
const METADATA: [u8; 15] =
    [0x26, 13, 0xFF, 0xFF, b'I', b'D', b'3', b' ', 0xFF, b'I', b'D', b'3', b' ', 0, 0x0F];

/// By how much a clock reference lies before the time stamp it comes with: the time a PES packet of the longest
/// kind takes to arrive, so that it is complete when it is due.
const ARRIVAL_TICKS: i64 = 9_000;
/// Half of what the 16-bit length field of a PES packet can say.
const MAX_PES_BYTES: usize = 32_768;
/// Time stamps and clock references have 33 bits.
pub(super) const WRAP: i64 = 1 << 33;

/// The time stamp of a frame in 90 kHz ticks, before it is cut to 33 bits. Encoder delay never makes one negative.
pub(super) fn ticks(frame: i64, rate: i64) -> i64 {
    (frame * 90_000).div_euclid(rate) + EPOCH_S * 90_000
}

/// The muxer. See the module for the order of calls.
pub struct TsMuxer {
    /// Heads every access unit where it does not frame itself.
    adts: Option<Adts>,
    stream_type: u8,
    rate: i64,
    pes: Vec<u8>,
    pes_start: i64,
    pes_end: i64,
    counters: Counters,
}

/// Continuity counters (2.4.3.3), one for each PID.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pat: u8,
    pmt: u8,
    audio: u8,
    title: u8,
}

impl TsMuxer {
    /// A muxer for packets of an encoder.
    pub fn new(info: &StreamInfo) -> Result<Self, SegmentError> {
        let format = &info.format;
        let (adts, stream_type) = match format.codec {
            Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2 => (Some(Adts::new(info)), 0x0F),
            Codec::Mp3 if format.sample_rate_hz >= 32_000 => (None, 0x03),
            Codec::Mp3 => (None, 0x04),
            other => return Err(SegmentError::Codec { container: Container::Ts, codec: other }),
        };
        Ok(Self {
            adts,
            stream_type,
            rate: i64::from(format.sample_rate_hz.max(1)),
            pes: Vec::new(),
            pes_start: 0,
            pes_end: 0,
            counters: Counters::default(),
        })
    }

    /// Ends the PES packet under way and appends PAT and PMT.
    pub fn tables(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        let [program_high, program_low] = PROGRAM.to_be_bytes();
        let [pmt_high, pmt_low] = (0xE000 | PMT_PID).to_be_bytes();
        let pat = section(0x00, PROGRAM, &[program_high, program_low, pmt_high, pmt_low]);
        transport(PAT_PID, &mut self.counters.pat, &pat, None, out);

        let [audio_high, audio_low] = (0xE000 | AUDIO_PID).to_be_bytes();
        let [title_high, title_low] = (0xE000 | TITLE_PID).to_be_bytes();
        // Clock PID and programme descriptors; then one entry per elementary stream with its descriptors.
        let mut entries = vec![audio_high, audio_low, 0xF0, METADATA_POINTER.len() as u8];
        entries.extend_from_slice(&METADATA_POINTER);
        entries.extend_from_slice(&[self.stream_type, audio_high, audio_low, 0xF0, 0x00]);
        entries.extend_from_slice(&[0x15, title_high, title_low, 0xF0, METADATA.len() as u8]);
        entries.extend_from_slice(&METADATA);
        transport(PMT_PID, &mut self.counters.pmt, &section(0x02, PROGRAM, &entries), None, out);
    }

    /// Says what the audio belongs to from the next packet on, which begins at `pts`. Ends the PES packet under way, so
    /// that one of both kinds begins there.
    pub fn title(&mut self, metadata: &Metadata, pts: i64, out: &mut Vec<u8>) {
        self.flush(out);
        let tag = id3::timed(metadata);
        let mut pes = Vec::with_capacity(PES_HEADER_BYTES + tag.len());
        pes.extend_from_slice(&pes_header(TITLE_STREAM, tag.len(), ticks(pts, self.rate)));
        pes.extend_from_slice(&tag);
        transport(TITLE_PID, &mut self.counters.title, &pes, None, out);
    }

    /// Takes a packet; transport packets come out whenever a PES packet is complete.
    pub fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) -> Result<(), SegmentError> {
        let size = packet.data.len();
        let header = self.adts.as_ref().map(|adts| adts.header(size));
        let header = header.as_ref().map_or(&[][..], |header| header);
        let most = if header.is_empty() { MAX_PES_BYTES } else { adts::MOST_BYTES };
        if size == 0 || size > most {
            return Err(SegmentError::PacketSize(size));
        }
        let too_long = packet.end() - self.pes_start > self.rate / 10;
        let too_big = self.pes.len() + header.len() + size > MAX_PES_BYTES;
        if too_long || too_big || packet.pts != self.pes_end {
            self.flush(out);
        }
        if self.pes.is_empty() {
            self.pes_start = packet.pts;
        }
        self.pes.extend_from_slice(header);
        self.pes.extend_from_slice(&packet.data);
        self.pes_end = packet.end();
        Ok(())
    }

    /// Ends the PES packet under way, if there is one.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        if self.pes.is_empty() {
            return;
        }
        let pts = ticks(self.pes_start, self.rate);
        let mut pes = Vec::with_capacity(PES_HEADER_BYTES + self.pes.len());
        pes.extend_from_slice(&pes_header(AUDIO_STREAM, self.pes.len(), pts));
        pes.append(&mut self.pes);
        let clock = (pts - ARRIVAL_TICKS).rem_euclid(WRAP) as u64;
        transport(AUDIO_PID, &mut self.counters.audio, &pes, Some(clock), out);
    }

    /// Where the continuity counters stand.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Goes on from where the continuity counters once stood.
    pub(crate) fn set_counters(&mut self, counters: Counters) {
        self.counters = counters;
    }
}

const PES_HEADER_BYTES: usize = 14;

/// PES header with a presentation time stamp (ISO/IEC 13818-1, 2.4.3.6), aligned.
fn pes_header(stream: u8, payload: usize, pts: i64) -> [u8; PES_HEADER_BYTES] {
    let pts = pts.rem_euclid(WRAP) as u64;
    // What the length counts begins after the length field itself.
    let [length_high, length_low] = ((payload + PES_HEADER_BYTES - 6) as u16).to_be_bytes();
    [
        0x00,
        0x00,
        0x01,
        stream,
        length_high,
        length_low,
        0x84,
        0x80,
        0x05,
        0x21 | (pts >> 29) as u8 & 0x0E,
        (pts >> 22) as u8,
        0x01 | (pts >> 14) as u8 & 0xFE,
        (pts >> 7) as u8,
        0x01 | (pts << 1) as u8 & 0xFE,
    ]
}

/// A PSI section with its pointer field and CRC (2.4.4): version 0, current, the only one.
fn section(table: u8, id: u16, body: &[u8]) -> Vec<u8> {
    let [id_high, id_low] = id.to_be_bytes();
    let [length_high, length_low] = (0xB000 | (body.len() + 9) as u16).to_be_bytes();
    let mut out = vec![0x00, table, length_high, length_low, id_high, id_low, 0xC1, 0x00, 0x00];
    out.extend_from_slice(body);
    let crc = crc32(&out[1..]);
    out.extend_from_slice(&crc.to_be_bytes());
    // The rest of the transport packet is filled behind the section, as PSI has no stuffing in front.
    out.resize(PACKET_BYTES - 4, 0xFF);
    out
}

/// CRC-32 of PSI sections (Annex A): polynomial 0x04C11DB7, not reflected.
fn crc32(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 }
        })
    })
}

/// Cuts a PES packet or section into transport packets (2.4.3.2). The first carries `clock`, a programme clock
/// reference in 90 kHz ticks, and the last is filled by its adaptation field.
fn transport(pid: u16, counter: &mut u8, payload: &[u8], clock: Option<u64>, out: &mut Vec<u8>) {
    let mut rest = payload;
    let mut clock = clock;
    let mut start = 0x40;
    while !rest.is_empty() {
        let reserved = if clock.is_some() { 8 } else { 0 };
        let (now, later) = rest.split_at(rest.len().min(PACKET_BYTES - 4 - reserved));
        let adaptation = PACKET_BYTES - 4 - now.len();
        let has_adaptation = if adaptation > 0 { 0x20 } else { 0 };
        out.extend_from_slice(&[0x47, start | (pid >> 8) as u8, pid as u8, 0x10 | has_adaptation | *counter]);
        *counter = (*counter + 1) & 0x0F;
        let end = out.len() + adaptation;
        if adaptation > 0 {
            out.push((adaptation - 1) as u8);
        }
        if adaptation > 1 {
            // Random access and a clock reference, or nothing but filling.
            out.push(if clock.is_some() { 0x50 } else { 0x00 });
        }
        if let Some(clock) = clock.take() {
            let field = clock << 15 | 0x7E00;
            out.extend_from_slice(&field.to_be_bytes()[2..]);
        }
        out.resize(end, 0xFF);
        out.extend_from_slice(now);
        (rest, start) = (later, 0);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::format::{Bitrate, Format};

    fn info(codec: Codec) -> StreamInfo {
        StreamInfo {
            format: Format { codec, bitrate: Bitrate::Cbr(128), sample_rate_hz: 48_000, channels: 2 },
            delay: 2048,
            packet_frames: Some(1024),
            headers: Vec::new(),
        }
    }

    #[test]
    fn the_table_of_contents_is_the_well_known_one() {
        // PAT of programme 1 at PID 0x1000, as every other muxer writes it, CRC included.
        let expected = [
            0x00, 0x00, 0xB0, 0x0D, 0x00, 0x01, 0xC1, 0x00, 0x00, 0x00, 0x01, 0xF0, 0x00, 0x2A, 0xB1, 0x04,
            0xB2,
        ];
        let mut out = Vec::new();
        TsMuxer::new(&info(Codec::AacLc)).unwrap().tables(&mut out);
        assert_eq!(out[4..4 + expected.len()], expected);
        assert_eq!(out.len(), 2 * PACKET_BYTES);
    }

    #[test]
    fn every_payload_length_fills_whole_packets_and_comes_back() {
        for length in 1..800_usize {
            for clock in [None, Some(0x1_2345_6789)] {
                let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
                let (mut counter, mut out, mut back) = (14, Vec::new(), Vec::new());
                transport(AUDIO_PID, &mut counter, &payload, clock, &mut out);
                assert_eq!(out.len() % PACKET_BYTES, 0);
                for packet in out.chunks(PACKET_BYTES) {
                    let adaptation = if packet[3] & 0x20 == 0 { 0 } else { 1 + usize::from(packet[4]) };
                    back.extend_from_slice(&packet[4 + adaptation..]);
                }
                assert_eq!(back, payload);
                assert_eq!(usize::from(counter), (14 + out.len() / PACKET_BYTES) % 16);
            }
        }
    }

    #[test]
    fn time_stamps_wrap_and_start_before_zero() {
        let pts_of = |out: &[u8]| {
            // Behind the transport header, the adaptation field and the fixed part of the PES header.
            let at = 5 + usize::from(out[4]) + 9;
            let [a, b, c, d, e] = *<&[u8; 5]>::try_from(&out[at..at + 5]).unwrap();
            i64::from(a >> 1 & 7) << 30
                | i64::from(b) << 22
                | i64::from(c >> 1) << 15
                | i64::from(d) << 7
                | i64::from(e >> 1)
        };
        let mut ts = TsMuxer::new(&info(Codec::AacLc)).unwrap();
        // 2^33 ticks are 4 581 298 449 + 1/15 frames of 48 kHz.
        for (pts, expected) in [(-2048, 900_000 - 3840), (4_581_298_450, 900_001), (4_580_818_449, WRAP - 1)]
        {
            let mut out = Vec::new();
            let packet = Packet { data: Bytes::from_static(&[1, 2, 3]), pts, duration: 1024 };
            ts.packet(&packet, &mut out).unwrap();
            ts.flush(&mut out);
            assert_eq!(pts_of(&out), expected, "pts {pts}");
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        let error = TsMuxer::new(&info(Codec::Opus)).err().unwrap().to_string();
        assert!(error.contains("opus"), "{error}");
        let mut ts = TsMuxer::new(&info(Codec::AacLc)).unwrap();
        for size in [0, 8185] {
            let packet = Packet { data: Bytes::from(vec![0; size]), pts: 0, duration: 1024 };
            assert!(ts.packet(&packet, &mut Vec::new()).is_err());
        }
    }
}
