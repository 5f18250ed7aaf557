//! Segments of MPEG transport stream: each opens with its tables, and no PES packet crosses its end.

use airchain_core::item::Metadata;

use super::{SegmentError, SegmentMuxer};
use crate::container::ts::{Counters, TsMuxer};
use crate::packet::{Packet, StreamInfo};

pub(super) struct TsSegments {
    muxer: TsMuxer,
    /// Continuity counters before the segment under way.
    before: Counters,
}

impl TsSegments {
    pub(super) fn new(info: &StreamInfo) -> Result<Self, SegmentError> {
        let muxer = TsMuxer::new(info)?;
        Ok(Self { before: muxer.counters(), muxer })
    }
}

impl SegmentMuxer for TsSegments {
    fn begin(&mut self, start: i64, title: &Metadata, out: &mut Vec<u8>) {
        self.before = self.muxer.counters();
        self.muxer.tables(out);
        self.muxer.title(title, start, out);
    }

    fn title(&mut self, at: i64, title: &Metadata, out: &mut Vec<u8>) {
        self.muxer.title(title, at, out);
    }

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) -> Result<(), SegmentError> {
        self.muxer.packet(packet, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.muxer.flush(out);
    }

    fn begin_part(&mut self, out: &mut Vec<u8>) {
        self.muxer.tables(out);
    }

    fn abandon(&mut self) {
        self.muxer.flush(&mut Vec::new());
        self.muxer.set_counters(self.before);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::format::{Bitrate, Codec, Format};

    #[test]
    fn what_is_given_up_leaves_no_trace() {
        let format =
            Format { codec: Codec::AacLc, bitrate: Bitrate::Cbr(128), sample_rate_hz: 48_000, channels: 2 };
        let info = StreamInfo { format, delay: 2048, packet_frames: Some(1024), headers: Vec::new() };
        let segment = |muxer: &mut TsSegments, first: i64, ends: bool| {
            let mut out = Vec::new();
            muxer.begin(first, &Metadata::default(), &mut out);
            for n in 0..9 {
                let packet =
                    Packet { data: Bytes::from(vec![7; 300]), pts: first + n * 1024, duration: 1024 };
                muxer.packet(&packet, &mut out).unwrap();
            }
            if ends {
                muxer.end(&mut out)
            } else {
                muxer.abandon()
            }
            out
        };
        let [mut one, mut other] = [(); 2].map(|()| TsSegments::new(&info).unwrap());
        assert_eq!(segment(&mut one, 0, true), segment(&mut other, 0, true));
        segment(&mut other, 9216, false);
        let (one, other) = (segment(&mut one, 18_432, true), segment(&mut other, 18_432, true));
        assert!(one == other, "the same bytes as without it");
    }
}
