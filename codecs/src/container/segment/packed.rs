//! Segments of packed audio (RFC 8216, 3.4): nothing but packets behind a tag with their time stamp.
//!
//! A title has its place in that tag: one that comes later stands in the next segment's.

use airchain_core::item::Metadata;

use super::{Container, SegmentError, SegmentMuxer};
use crate::container::adts::{self, Adts};
use crate::container::{id3, ts};
use crate::format::Codec;
use crate::packet::{Packet, StreamInfo};

pub(super) struct PackedSegments {
    /// Heads every access unit where it does not frame itself.
    adts: Option<Adts>,
    rate: i64,
}

impl PackedSegments {
    pub(super) fn new(info: &StreamInfo) -> Result<Self, SegmentError> {
        let adts = match info.format.codec {
            Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2 => Some(Adts::new(info)),
            Codec::Mp3 => None,
            codec => return Err(SegmentError::Codec { container: Container::Packed, codec }),
        };
        Ok(Self { adts, rate: info.format.sample_rate_hz.max(1).into() })
    }
}

impl SegmentMuxer for PackedSegments {
    fn begin(&mut self, start: i64, title: &Metadata, out: &mut Vec<u8>) {
        let ticks = ts::ticks(start, self.rate).rem_euclid(ts::WRAP);
        out.extend(id3::stamped(ticks.unsigned_abs(), title));
    }

    fn title(&mut self, _: i64, _: &Metadata, _: &mut Vec<u8>) {}

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) -> Result<(), SegmentError> {
        let size = packet.data.len();
        let most = if self.adts.is_some() { adts::MOST_BYTES } else { usize::MAX };
        if size == 0 || size > most {
            return Err(SegmentError::PacketSize(size));
        }
        out.extend(self.adts.iter().flat_map(|adts| adts.header(size)));
        out.extend_from_slice(&packet.data);
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<u8>) {}

    fn abandon(&mut self) {}
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::format::Format;

    fn muxer(format: &str) -> Result<PackedSegments, SegmentError> {
        let format = Format::parse(format).unwrap();
        PackedSegments::new(&StreamInfo { format, delay: 0, packet_frames: None, headers: Vec::new() })
    }

    #[test]
    fn a_segment_to_the_byte() {
        let mut out = Vec::new();
        let mut muxer = muxer("aac@48000").unwrap();
        let title = Metadata { title: Some("T".into()), ..Metadata::default() };
        // A tick before the stamps begin anew.
        muxer.begin(4_580_818_449, &title, &mut out);
        let packet = Packet { data: Bytes::from_static(b"abc"), pts: 4_580_818_449, duration: 1024 };
        muxer.packet(&packet, &mut out).unwrap();
        muxer.title(4_580_819_473, &Metadata::default(), &mut out);
        muxer.end(&mut out);
        let expected = [
            b"ID3\x04\0\0\0\0\0\x4BPRIV\0\0\0\x35\0\0".as_slice(),
            b"com.apple.streaming.transportStreamTimestamp\0\0\0\0\x01\xFF\xFF\xFF\xFF",
            b"TIT2\0\0\0\x02\0\0\x03T",
            b"\xFF\xF1\x4C\x80\x01\x5F\xFCabc",
        ];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        for codec in ["opus", "flac", "vorbis"] {
            let error = muxer(codec).err().unwrap().to_string();
            assert!(error.contains(codec) && error.contains("packed"), "{error}");
        }
        for (codec, size) in [("mp3", 0), ("aac", 0), ("aac", 8185)] {
            let packet = Packet { data: Bytes::from(vec![0; size]), pts: 0, duration: 1024 };
            assert!(muxer(codec).unwrap().packet(&packet, &mut Vec::new()).is_err(), "{codec} {size}");
        }
    }
}
