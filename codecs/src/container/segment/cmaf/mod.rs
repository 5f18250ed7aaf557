//! CMAF segments of one audio track (ISO/IEC 23000-19): fragmented MP4 (ISO/IEC 14496-12), for HLS and DASH alike.
//!
//! A segment is `styp` and a fragment: the titles that lie in it (`emsg`), what its packets are (`moof`), the packets (`mdat`).
//! Every packet is a sample that decoding can begin with, and every fragment says all of its samples that the header does not.
//! Times are frames at the track's rate; the encoder's delay is taken off them already, so there is no edit list.

mod header;

use airchain_core::item::Metadata;
use bytes::Bytes;

use super::{EPOCH_S, SegmentError, SegmentMuxer};
use crate::container::id3;
use crate::packet::{Packet, StreamInfo};

/// What ID3 tags in event messages are known by, and no value (AOM, "Carriage of ID3 Timed Metadata in CMAF", 2.2).
const ID3_SCHEME: &[u8] = b"https://aomedia.org/emsg/ID3\0\0";
/// The only track.
const TRACK: u32 = 1;
/// Flags of samples that need no other (14496-12, 8.8.3.1): `sample_depends_on` 2, and a sync sample.
const SYNC: u32 = 0x0200_0000;

/// A box (14496-12, 4.2) around its parts.
fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let size = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(size);
    out.extend((size as u32).to_be_bytes());
    out.extend(kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// A box that begins with its version and 24 flags.
fn full(kind: &[u8; 4], version: u8, flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    boxed(kind, &[&head, &parts.concat()])
}

pub(super) struct CmafSegments {
    header: Bytes,
    rate: u32,
    /// Frames in a packet, but for the last of a programme.
    packet: u32,
    /// Whether its samples are of the header's group of those that need earlier ones.
    rolls: bool,
    /// Number of the last fragment, and what it was before the segment under way.
    number: u32,
    before: u32,
    // What has come together of a fragment.
    start: i64,
    end: i64,
    /// Frames and bytes of each packet.
    samples: Vec<(u32, u32)>,
    data: Vec<u8>,
    titles: Vec<(i64, Vec<u8>)>,
}

impl CmafSegments {
    pub(super) fn new(info: &StreamInfo) -> Result<Self, SegmentError> {
        Ok(Self {
            header: header::of(info)?.into(),
            rate: info.format.sample_rate_hz,
            packet: info.packet_frames.unwrap_or(0),
            rolls: header::roll(info).is_some(),
            number: 0,
            before: 0,
            start: 0,
            end: 0,
            samples: Vec::new(),
            data: Vec::new(),
            titles: Vec::new(),
        })
    }

    /// A position as players are told it.
    fn time(&self, at: i64) -> u64 {
        u64::try_from(at.saturating_add(EPOCH_S * i64::from(self.rate))).unwrap_or(0)
    }

    /// Appends what has come together as a fragment, if that is anything.
    fn fragment(&mut self, out: &mut Vec<u8>) {
        if self.samples.is_empty() {
            return;
        }
        for (at, tag) in std::mem::take(&mut self.titles) {
            out.extend(self.event(at, &tag));
        }
        self.number = self.number.wrapping_add(1);
        out.extend(self.head());
        out.extend((8 + self.data.len() as u32).to_be_bytes());
        out.extend(b"mdat");
        out.append(&mut self.data);
        self.samples.clear();
    }

    /// An event message (23009-1, 5.10.3.3) for a title that is true until the next, however long that is. Where it lies
    /// is its id: players that meet the same twice know it.
    fn event(&self, at: i64, tag: &[u8]) -> Vec<u8> {
        let (rate, time) = (self.rate.to_be_bytes(), self.time(at));
        let id = (time as u32).to_be_bytes();
        let lasts = u32::MAX.to_be_bytes();
        full(b"emsg", 1, 0, &[&rate, &time.to_be_bytes(), &lasts, &id, ID3_SCHEME, tag])
    }

    /// The `moof` of the fragment.
    fn head(&self) -> Vec<u8> {
        let usual = self.samples.iter().all(|(frames, _)| *frames == self.packet);
        let mut table = Vec::with_capacity(8 * self.samples.len());
        for (frames, bytes) in &self.samples {
            if !usual {
                table.extend(frames.to_be_bytes());
            }
            table.extend(bytes.to_be_bytes());
        }
        let number = full(b"mfhd", 0, 0, &[&self.number.to_be_bytes()]);
        // The base is the `moof`; length and flags of samples.
        let defaults = [TRACK, self.packet, SYNC].map(u32::to_be_bytes);
        let defaults = full(b"tfhd", 0, 0x02_0028, &[defaults.as_flattened()]);
        let time = full(b"tfdt", 1, 0, &[&self.time(self.start).to_be_bytes()]);
        let count = (self.samples.len() as u32).to_be_bytes();
        let group = if self.rolls {
            let [entries, index] = [1_u32; 2].map(u32::to_be_bytes);
            full(b"sbgp", 0, 0, &[b"roll", &entries, &count, &index])
        } else {
            Vec::new()
        };
        let size = 8 + number.len() + 8 + defaults.len() + time.len() + RUN_BYTES + table.len() + group.len();
        // The samples begin behind the header of the `mdat`.
        let offset = (size as u32 + 8).to_be_bytes();
        // The offset and sizes, and lengths where they differ.
        let flags = if usual { 0x0201 } else { 0x0301 };
        let run = full(b"trun", 0, flags, &[&count, &offset, &table]);
        boxed(b"moof", &[&number, &boxed(b"traf", &[&defaults, &time, &run, &group])])
    }
}

/// Bytes of a `trun` before its table.
const RUN_BYTES: usize = 8 + 4 + 4 + 4;

impl SegmentMuxer for CmafSegments {
    fn init(&self) -> Option<Bytes> {
        Some(self.header.clone())
    }

    fn begin(&mut self, start: i64, title: &Metadata, out: &mut Vec<u8>) {
        self.before = self.number;
        // A media segment of DASH and of CMAF.
        out.extend(boxed(b"styp", &[b"msdh", &[0; 4], b"msdh", b"cmfs"]));
        self.title(start, title, out);
    }

    fn title(&mut self, at: i64, title: &Metadata, _: &mut Vec<u8>) {
        self.titles.push((at, id3::timed(title)));
    }

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) -> Result<(), SegmentError> {
        let size = packet.data.len();
        let bytes = u32::try_from(size).ok().filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or(SegmentError::PacketSize(size))?;
        // Samples of a fragment follow each other; where they do not, another begins.
        if packet.pts != self.end {
            self.fragment(out);
        }
        if self.samples.is_empty() {
            self.start = packet.pts;
        }
        self.end = packet.end();
        self.samples.push((packet.duration, bytes));
        self.data.extend_from_slice(&packet.data);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.fragment(out);
    }

    fn abandon(&mut self) {
        self.samples.clear();
        self.data.clear();
        self.titles.clear();
        self.number = self.before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;

    fn muxer() -> CmafSegments {
        let format = Format::parse("opus").unwrap();
        let info = StreamInfo { format, delay: 312, packet_frames: Some(960), headers: Vec::new() };
        CmafSegments::new(&info).unwrap()
    }

    fn segment(muxer: &mut CmafSegments, packets: &[(i64, u32)]) -> Vec<u8> {
        let mut out = Vec::new();
        muxer.begin(packets[0].0, &Metadata::default(), &mut out);
        for &(pts, duration) in packets {
            let data = Bytes::from_static(b"abc");
            muxer.packet(&Packet { data, pts, duration }, &mut out).unwrap();
        }
        out
    }

    #[test]
    fn a_fragment_to_the_byte() {
        let mut muxer = muxer();
        muxer.number = 6;
        let mut out = segment(&mut muxer, &[(-312, 960), (648, 960)]);
        muxer.end(&mut out);
        let expected = [
            b"\0\0\0\x18stypmsdh\0\0\0\0msdhcmfs".as_slice(),
            // 479 688 is ten seconds less 312 frames.
            b"\0\0\0\x53emsg\x01\0\0\0\0\0\xBB\x80\0\0\0\0\0\x07\x51\xC8\xFF\xFF\xFF\xFF\0\x07\x51\xC8",
            b"https://aomedia.org/emsg/ID3\0\0ID3\x04\0\0\0\0\0\x0BTIT2\0\0\0\x01\0\0\x03",
            b"\0\0\0\x84moof\0\0\0\x10mfhd\0\0\0\0\0\0\0\x07\0\0\0\x6Ctraf",
            b"\0\0\0\x18tfhd\0\x02\0\x28\0\0\0\x01\0\0\x03\xC0\x02\0\0\0",
            b"\0\0\0\x14tfdt\x01\0\0\0\0\0\0\0\0\x07\x51\xC8",
            b"\0\0\0\x1Ctrun\0\0\x02\x01\0\0\0\x02\0\0\0\x8C\0\0\0\x03\0\0\0\x03",
            b"\0\0\0\x1Csbgp\0\0\0\0roll\0\0\0\x01\0\0\0\x02\0\0\0\x01",
            b"\0\0\0\x0Emdatabcabc",
        ];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn what_is_given_up_leaves_no_trace() {
        let [mut one, mut other] = [(); 2].map(|()| muxer());
        for first in [0, 4800, 9600] {
            let packets: Vec<_> = (0..5).map(|n| (first + n * 960, 960)).collect();
            let (mut a, mut b) = (segment(&mut one, &packets), segment(&mut other, &packets));
            one.end(&mut a);
            other.end(&mut b);
            assert!(a == b, "the same bytes from {first} on");
            // With a hole: one fragment of it was written already.
            segment(&mut other, &[(first + 4800, 960), (first + 7000, 960)]);
            other.abandon();
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused_by_name() {
        let format = Format::parse("mp3").unwrap();
        let info = StreamInfo { format, delay: 0, packet_frames: Some(1152), headers: Vec::new() };
        let error = CmafSegments::new(&info).err().unwrap().to_string();
        assert!(error.contains("mp3 ") && error.contains("fmp4"), "{error}");
        let empty = Packet { data: Bytes::new(), pts: 0, duration: 960 };
        assert!(muxer().packet(&empty, &mut Vec::new()).is_err());
    }
}
