//! Segments: what players of HLS and DASH fetch one after the other. Pure: packets in, bytes out; where segments begin and
//! end is the caller's to say.
//!
//! All positions are frames at the format's rate on one line, that of the run: packets of one encoding follow each other on
//! it without a break, and 0 is told to players as [`EPOCH_S`], so that what lies before it (an encoder's delay) has a time too.

mod cmaf;
mod packed;
mod ts;

use airchain_core::item::Metadata;
use bytes::Bytes;

use crate::format::Codec;
use crate::packet::{Packet, StreamInfo};

/// What players are told of the time of position 0, in seconds.
pub const EPOCH_S: i64 = 10;

/// Makes the segments of one encoding, each by [`begin`](Self::begin), its packets and titles, and [`end`](Self::end).
pub trait SegmentMuxer: Send {
    /// What decoders need before the first segment (`EXT-X-MAP`, `initialization`), where the container keeps it apart.
    fn init(&self) -> Option<Bytes> {
        None
    }

    /// Begins a segment whose first packet lies at `start`; `title` is what is true there.
    fn begin(&mut self, start: i64, title: &Metadata, out: &mut Vec<u8>);

    /// The audio belongs to `title` from the next packet on, which lies at `at`.
    fn title(&mut self, at: i64, title: &Metadata, out: &mut Vec<u8>);

    /// Adds a packet, at its place on the line.
    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) -> Result<(), SegmentError>;

    /// Ends the segment, or a part of it: afterwards all of it is in `out`.
    fn end(&mut self, out: &mut Vec<u8>);

    /// Begins another part of the segment, behind one that was [ended](Self::end), so that players can begin with it.
    fn begin_part(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Forgets the segment that was begun, as if it had never been: what follows continues the one before (continuity counters,
    /// fragment numbers).
    fn abandon(&mut self);
}

/// Kind of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// MPEG transport stream (ISO/IEC 13818-1; RFC 8216, 3.2).
    Ts,
    /// Fragmented MP4 (CMAF, ISO/IEC 23000-19; RFC 8216, 3.3).
    Fmp4,
    /// Packed audio: ADTS or MP3 frames behind their time stamp (RFC 8216, 3.4).
    Packed,
}

impl Container {
    /// Whether it has a place for a codec.
    pub fn carries(self, codec: Codec) -> bool {
        use Codec::{AacLc, Flac, Flac24, HeAacV1, HeAacV2, Mp3, Opus};
        match self {
            Self::Ts | Self::Packed => matches!(codec, AacLc | HeAacV1 | HeAacV2 | Mp3),
            Self::Fmp4 => matches!(codec, AacLc | HeAacV1 | HeAacV2 | Opus | Flac | Flac24),
        }
    }

    /// What segments' names end with, without the dot.
    pub fn extension(self, codec: Codec) -> &'static str {
        match self {
            Self::Ts => "ts",
            Self::Fmp4 => "m4s",
            Self::Packed => codec.extension(),
        }
    }

    /// Its name in station files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ts => "ts",
            Self::Fmp4 => "fmp4",
            Self::Packed => "packed",
        }
    }

    /// Codecs that it carries, as station files call them, for messages.
    pub fn accepted(self) -> &'static str {
        match self {
            Self::Ts | Self::Packed => "mp3, aac, he-aac or he-aac-v2",
            Self::Fmp4 => "aac, he-aac, he-aac-v2, opus or flac",
        }
    }
}

/// Whether each segment of a codec can be decoded without the one before (`EXT-X-INDEPENDENT-SEGMENTS`). The main data of MP3
/// frames begins in earlier ones.
pub fn is_independent(codec: Codec) -> bool {
    codec != Codec::Mp3
}

/// The muxer of an encoding.
pub fn segment_muxer(container: Container, info: &StreamInfo) -> Result<Box<dyn SegmentMuxer>, SegmentError> {
    match container {
        Container::Ts => Ok(Box::new(ts::TsSegments::new(info)?)),
        Container::Fmp4 => Ok(Box::new(cmaf::CmafSegments::new(info)?)),
        Container::Packed => Ok(Box::new(packed::PackedSegments::new(info)?)),
    }
}

/// Why packets cannot travel in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The codec has no place in this container; the caller picks another.
    #[error("{codec} cannot be carried in segments of container {}, give {}", container.name(), container.accepted())]
    Codec {
        /// The container.
        container: Container,
        /// The codec.
        codec: Codec,
    },
    /// An empty packet, or one too long for its framing; the encoder is at fault.
    #[error("an access unit of {0} bytes cannot be framed")]
    PacketSize(usize),
}
