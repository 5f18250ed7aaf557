//! What is in a file, packet by packet and as it is, for those who hand it on instead of decoding and encoding it.
//!
//! [`PacketReader`] gives the packets, each with its place on the very timeline that the file's
//! [`Decoder`](crate::decode::Decoder) has. [`mp3`] knows what a frame of MP3 borrows from those before it.

mod bits;
pub mod mp3;
pub mod window;

use std::path::Path;

use bytes::Bytes;

use crate::decode::{DecodeError, Packets};
use crate::format::{Bitrate, Codec, Format};

/// A packet of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedPacket {
    /// Its bytes, without any container: an MP3 frame, a raw AAC access unit.
    pub data: Bytes,
    /// The frame of the file, after gapless trimming, that the first sample it decodes to is; below zero in the encoder's
    /// delay.
    pub position: i64,
}

/// Why a file is not copied. It can be encoded like any other.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// It cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What is in it is not in the format asked for.
    #[error("{what} is {found}, {wanted} is wanted")]
    Unfit {
        /// What differs.
        what: &'static str,
        /// What the file has.
        found: String,
        /// What the format has.
        wanted: String,
    },
}

fn unfit(what: &'static str, found: impl ToString, wanted: impl ToString) -> CopyError {
    CopyError::Unfit { what, found: found.to_string(), wanted: wanted.to_string() }
}

/// Whether packets of `codec` can be copied at all.
pub fn is_possible(codec: Codec) -> bool {
    matches!(codec, Codec::Mp3 | Codec::AacLc)
}

/// AAC at this rate in Hz or less may hold SBR that nothing tells of (ISO/IEC 14496-3, 1.6.6), and is not copied.
pub const AAC_ABOVE_HZ: u32 = 24_000;

/// By how much the average bit rate of an AAC file may differ from the constant one that is asked for: no encoder keeps
/// to it in every packet, and tags and cover pictures are counted in.
const AAC_TOLERANCE: f64 = 0.15;

/// The packets of a file, as long as they are in the format asked for and follow one another without a gap.
pub struct PacketReader {
    packets: Packets,
    format: Format,
    frames: i64,
    /// Position of the next one.
    next: Option<i64>,
}

impl PacketReader {
    /// Opens a file whose packets are as `format` says: of its codec, rate and channels; and of its bit rate where that
    /// is constant: each frame of MP3, the whole of an AAC file to about 15 %.
    pub fn open(path: &Path, format: &Format) -> Result<Self, CopyError> {
        let packets = Packets::open(path)?;
        let info = packets.info();
        let wanted = if format.codec == Codec::AacLc { "aac" } else { format.codec.name() };
        if !is_possible(format.codec) || info.codec != wanted {
            return Err(unfit("codec", &info.codec, format.codec));
        }
        if info.sample_rate_hz != format.sample_rate_hz {
            return Err(unfit("sample rate", info.sample_rate_hz, format.sample_rate_hz));
        }
        if info.channels != u16::from(format.channels) {
            return Err(unfit("number of channels", info.channels, format.channels));
        }
        if format.codec == Codec::AacLc {
            check_aac(&packets, path, format)?;
        }
        let frames = match format.codec {
            Codec::Mp3 if format.sample_rate_hz < 32_000 => 576,
            Codec::Mp3 => 1152,
            _ => 1024,
        };
        Ok(Self { packets, format: *format, frames, next: None })
    }

    /// Goes to a packet far enough before `frame` that what the packet there borrows comes first.
    pub fn seek(&mut self, frame: i64) {
        // An MP3 frame reaches back 511 bytes: five frames at 32 kbit/s.
        self.packets.seek(frame - 12 * self.frames);
        self.next = None;
    }

    /// The next packet; `None` at the end, and where the file is damaged or goes on in another format.
    pub fn next_packet(&mut self) -> Option<CopiedPacket> {
        let (data, position) = self.packets.next_packet()?;
        let follows = self.next.is_none_or(|next| next == position);
        let fits = self.format.codec != Codec::Mp3 || mp3::fits(&data, &self.format);
        self.next = Some(position + self.frames);
        (follows && fits).then(|| CopiedPacket { data: data.into(), position })
    }
}

/// Refuses what a player that was told of plain AAC-LC would not understand, and other bit rates.
fn check_aac(packets: &Packets, path: &Path, format: &Format) -> Result<(), CopyError> {
    let info = packets.info();
    if info.sample_rate_hz <= AAC_ABOVE_HZ {
        return Err(unfit("sample rate", info.sample_rate_hz, format!("more than {AAC_ABOVE_HZ}")));
    }
    // Object type, rate, channels, and then: 1024 frames to a packet, no dependence, no extension; or one by FFmpeg, that
    // there is no SBR.
    let plain = |config: &[u8]| match config {
        [b0, b1, rest @ ..] => b0 >> 3 == 2 && b1 & 7 == 0 && matches!(rest, [] | [0x56, 0xE5, 0x00]),
        _ => false,
    };
    if packets.config().is_some_and(|config| !plain(config)) {
        return Err(unfit("configuration", "an extended one", "that of plain AAC-LC"));
    }
    let (Bitrate::Cbr(kbps), Some(frames)) = (format.bitrate, info.frames) else { return Ok(()) };
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    let seconds = frames as f64 / f64::from(info.sample_rate_hz);
    let found = bytes as f64 * 8.0 / 1000.0 / seconds.max(0.1);
    if (found / f64::from(kbps) - 1.0).abs() > AAC_TOLERANCE {
        return Err(unfit("bit rate", format!("{found:.0} kbit/s"), format!("about {kbps}")));
    }
    Ok(())
}
