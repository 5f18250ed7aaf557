//! The CMAF header of an audio track (ISO/IEC 23000-19, 7.3.1): `ftyp` and a `moov` without samples.

use super::{TRACK, boxed, full};
use crate::container::segment::{Container, SegmentError};
use crate::format::{Bitrate, Codec};
use crate::packet::StreamInfo;

/// The matrix that leaves pictures as they are.
const UNITY: [[u8; 4]; 9] =
    [[0, 1, 0, 0], [0; 4], [0; 4], [0; 4], [0, 1, 0, 0], [0; 4], [0; 4], [0; 4], [0x40, 0, 0, 0]];

/// The header of an encoding.
pub(super) fn of(info: &StreamInfo) -> Result<Vec<u8>, SegmentError> {
    let entry = sample_entry(info)?;
    let brands = boxed(b"ftyp", &[b"iso6", &[0; 4], b"iso6", b"cmfc", b"mp41"]);
    let rate = info.format.sample_rate_hz.to_be_bytes();
    let (one, next) = (TRACK.to_be_bytes(), (TRACK + 1).to_be_bytes());

    // Made at no time, as long as what follows; normal speed and volume. (14496-12, 8.2.2, 8.3.2, 8.4.2, 8.4.3.)
    let normal = [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let movie =
        full(b"mvhd", 0, 0, &[&[0; 8], &rate, &[0; 4], &normal, UNITY.as_flattened(), &[0; 24], &next]);
    // Enabled, in the movie, in its preview.
    let track = full(b"tkhd", 0, 7, &[&[0; 8], &one, &[0; 20], &[1, 0, 0, 0], UNITY.as_flattened(), &[0; 8]]);
    // Of no language.
    let media = full(b"mdhd", 0, 0, &[&[0; 8], &rate, &[0; 4], &[0x55, 0xC4, 0, 0]]);
    let handler = full(b"hdlr", 0, 0, &[&[0; 4], b"soun", &[0; 12], b"audio\0"]);

    // Samples are in the same file; none of them are told here.
    let here = full(b"url ", 0, 1, &[]);
    let data = boxed(b"dinf", &[&full(b"dref", 0, 0, &[&1_u32.to_be_bytes(), &here])]);
    let entries = full(b"stsd", 0, 0, &[&1_u32.to_be_bytes(), &entry]);
    let none = [full(b"stts", 0, 0, &[&[0; 4]]), full(b"stsc", 0, 0, &[&[0; 4]])];
    let none = [none.concat(), full(b"stsz", 0, 0, &[&[0; 8]]), full(b"stco", 0, 0, &[&[0; 4]])].concat();
    let samples = boxed(b"stbl", &[&entries, &none, &groups(info)]);
    let information = boxed(b"minf", &[&full(b"smhd", 0, 0, &[&[0; 4]]), &data, &samples]);
    let media = boxed(b"mdia", &[&media, &handler, &information]);
    // Fragments say what their samples are like.
    let fragments = full(b"trex", 0, 0, &[&one, &1_u32.to_be_bytes(), &[0; 12]]);
    let track = boxed(b"trak", &[&track, &media]);
    let movie = boxed(b"moov", &[&movie, &track, &boxed(b"mvex", &[&fragments])]);
    Ok([brands, movie].concat())
}

/// Says what an encoding is (14496-12, 12.2.3) and how its decoder is set up.
fn sample_entry(info: &StreamInfo) -> Result<Vec<u8>, SegmentError> {
    let format = &info.format;
    let (kind, bits, setup) = match format.codec {
        Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2 => (b"mp4a", 16_u16, aac(info)),
        Codec::Opus => (b"Opus", 16, opus(info)),
        Codec::Flac => (b"fLaC", 16, flac(info)),
        Codec::Flac24 => (b"fLaC", 24, flac(info)),
        codec => return Err(SegmentError::Codec { container: Container::Fmp4, codec }),
    };
    // Rates that do not fit are halved until they do (FLAC in ISOBMFF, 3.3.1); `STREAMINFO` has the true one.
    let mut rate = format.sample_rate_hz;
    while rate > u16::MAX.into() {
        rate /= 2;
    }
    let channels = u16::from(format.channels).to_be_bytes();
    let rate = (rate << 16).to_be_bytes();
    // Its data is what the first `dref` entry says.
    Ok(boxed(
        kind,
        &[&[0, 0, 0, 0, 0, 0, 0, 1], &[0; 8], &channels, &bits.to_be_bytes(), &[0; 4], &rate, &setup],
    ))
}

/// The encoder's own set-up data.
fn setup(info: &StreamInfo) -> &[u8] {
    info.headers.first().map_or(&[], |setup| &setup[..])
}

/// `esds` (ISO/IEC 14496-14, 5.6.1; the descriptors are those of 14496-1, 7.2.6).
fn aac(info: &StreamInfo) -> Vec<u8> {
    let bits_per_second = match info.format.bitrate {
        Bitrate::Cbr(kbps) => kbps * 1000,
        _ => 0,
    };
    let bits_per_second = bits_per_second.to_be_bytes();
    // 6144 bits for each channel (14496-3, 4.5.3.1).
    let buffer = (u32::from(info.format.channels) * 6144 / 8).to_be_bytes();
    let config = descriptor(5, setup(info));
    // MPEG-4 audio.
    let decoder = [&[0x40, 0x15][..], &buffer[1..], &bits_per_second, &bits_per_second, &config].concat();
    // Its packets are as MP4 files have them.
    let stream = [&[0; 3][..], &descriptor(4, &decoder), &descriptor(6, &[2])].concat();
    full(b"esds", 0, 0, &[&descriptor(3, &stream)])
}

/// A descriptor of less than 128 bytes.
fn descriptor(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag, body.len() as u8], body].concat()
}

/// `dOps` (Opus in ISOBMFF, 4.3.2): what `OpusHead` says, in the other byte order.
fn opus(info: &StreamInfo) -> Vec<u8> {
    let delay = u16::try_from(info.delay).unwrap_or(u16::MAX).to_be_bytes();
    let rate = info.format.sample_rate_hz.to_be_bytes();
    // Version 0; no gain; mono or stereo.
    boxed(b"dOps", &[&[0, info.format.channels], &delay, &rate, &[0; 3]])
}

/// `dfLa` (FLAC in ISOBMFF, 3.3.2): `STREAMINFO` as the last metadata block.
fn flac(info: &StreamInfo) -> Vec<u8> {
    let setup = setup(info);
    let head = 0x8000_0000 | setup.len() as u32;
    full(b"dfLa", 0, 0, &[&head.to_be_bytes(), setup])
}

/// Packets that a decoder needs before a sample to be right there: of Opus those of 80 ms (Opus in ISOBMFF, 4.3.6.2).
pub(super) fn roll(info: &StreamInfo) -> Option<u16> {
    let packet = info.packet_frames.filter(|packet| *packet > 0 && info.format.codec == Codec::Opus)?;
    u16::try_from((info.format.sample_rate_hz * 8 / 100).div_ceil(packet)).ok()
}

/// The sample group of what needs such packets (14496-12, 8.9.3 and 10.1), which fragments put their samples into.
fn groups(info: &StreamInfo) -> Vec<u8> {
    let Some(packets) = roll(info) else { return Vec::new() };
    // Descriptions of two bytes, of which there is one.
    let [length, count] = [2_u32, 1].map(u32::to_be_bytes);
    full(b"sgpd", 1, 0, &[b"roll", &length, &count, &packets.wrapping_neg().to_be_bytes()])
}
