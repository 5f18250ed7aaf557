//! Headers of the frames that make up a stream by themselves: MPEG audio (ISO 11172-3, 2.4.1.3) and ADTS (ISO 13818-7,
//! 6.2).

use symphonia::core::codecs::audio::well_known as id;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};

use super::super::codec::AAC_RATES;
use super::super::downmix::wave_layout;
use crate::container::mp3::{KBPS_MPEG1, KBPS_MPEG2};

/// Bytes that tell everything about a frame.
pub(super) const HEAD_BYTES: usize = 7;

/// Bit rates of MPEG-1 Layers I and II, and of MPEG-2 Layer I, by index, in kbit/s.
const KBPS_MPEG1_LAYER1: [u32; 15] = [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
const KBPS_MPEG1_LAYER2: [u32; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const KBPS_MPEG2_LAYER1: [u32; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
/// Sample rates of MPEG-1 by index; MPEG-2 has half, 2.5 a quarter.
const MPEG_RATES: [u32; 3] = [44_100, 48_000, 32_000];

/// What frames of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) codec: AudioCodecId,
    /// Of ADTS the rate of the core.
    pub(super) rate_hz: u32,
    /// 0 where the header does not say.
    pub(super) channels: u8,
    /// Profile of AAC.
    profile: u8,
}

impl Kind {
    pub(super) fn container(&self) -> &'static str {
        match self.codec {
            id::CODEC_ID_AAC => "adts",
            id::CODEC_ID_MP2 => "mp2",
            id::CODEC_ID_MP1 => "mp1",
            _ => "mp3",
        }
    }

    /// What its decoder has to know.
    pub(super) fn params(&self) -> AudioCodecParameters {
        let mut params = AudioCodecParameters::new();
        params.for_codec(self.codec).with_sample_rate(self.rate_hz);
        if self.channels > 0 {
            params.with_channels(wave_layout(self.channels.into()));
        }
        params
    }
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Its length with the header.
    pub(super) bytes: usize,
    /// Where what the decoder wants begins.
    pub(super) data_at: usize,
    /// Whether the header is followed by a checksum.
    crc: bool,
}

impl Head {
    /// The header that `bytes` begin with. Less than [`HEAD_BYTES`] of them may not be enough.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [0xFF, b1, ..] if b1 & 0xF6 == 0xF0 => adts(bytes.get(..HEAD_BYTES)?),
            [0xFF, b1, b2, b3, ..] if b1 & 0xE0 == 0xE0 => mpeg(b1, b2, b3),
            _ => None,
        }
    }

    /// Where in an MP3 frame the side information is, and how long it is.
    fn side_info(&self) -> (usize, usize) {
        let bytes = match (self.is_mpeg1(), self.kind.channels) {
            (true, 1) => 17,
            (true, _) => 32,
            (false, 1) => 9,
            (false, _) => 17,
        };
        (if self.crc { 6 } else { 4 }, bytes)
    }

    fn is_mpeg1(&self) -> bool {
        self.kind.rate_hz >= 32_000
    }

    /// Bytes of earlier MP3 frames that `frame` goes on from, and bytes that it adds for later ones.
    pub(super) fn reservoir(&self, frame: &[u8]) -> (usize, usize) {
        let (at, bytes) = self.side_info();
        let [first, second] = [at, at + 1].map(|at| usize::from(frame.get(at).copied().unwrap_or(0)));
        let back = if self.is_mpeg1() { first << 1 | second >> 7 } else { first };
        (back, self.bytes.saturating_sub(at + bytes))
    }

    /// Whether `frame` is no audio but the tag that files open with.
    pub(super) fn is_tag(&self, frame: &[u8]) -> bool {
        // A tag takes no notice of checksums, and Fraunhofer's none of the mode either.
        let at =
            |at: usize, words: &[&[u8]]| frame.get(at..at + 4).is_some_and(|found| words.contains(&found));
        let xing = 4 + self.side_info().1;
        self.kind.codec == id::CODEC_ID_MP3 && (at(xing, &[b"Xing", b"Info"]) || at(36, &[b"VBRI"]))
    }
}

fn mpeg(b1: u8, b2: u8, b3: u8) -> Option<Head> {
    let shift = match (b1 >> 3) & 3 {
        3 => 0,
        2 => 1,
        0 => 2,
        _ => return None,
    };
    let mpeg1 = shift == 0;
    let (codec, steps, slots, slot_bytes) = match ((b1 >> 1) & 3, mpeg1) {
        (3, true) => (id::CODEC_ID_MP1, &KBPS_MPEG1_LAYER1, 12_000, 4),
        (3, false) => (id::CODEC_ID_MP1, &KBPS_MPEG2_LAYER1, 12_000, 4),
        (2, true) => (id::CODEC_ID_MP2, &KBPS_MPEG1_LAYER2, 144_000, 1),
        (2, false) => (id::CODEC_ID_MP2, &KBPS_MPEG2, 144_000, 1),
        (1, true) => (id::CODEC_ID_MP3, &KBPS_MPEG1, 144_000, 1),
        (1, false) => (id::CODEC_ID_MP3, &KBPS_MPEG2, 72_000, 1),
        _ => return None,
    };
    let kbps = steps.get(usize::from(b2 >> 4)).copied().filter(|kbps| *kbps > 0)?;
    let rate_hz = MPEG_RATES.get(usize::from((b2 >> 2) & 3))? >> shift;
    let mono = b3 >> 6 == 3;
    // The second layer leaves out the slow stereo and the fast mono (ISO 11172-3, 2.4.2.3); emphasis 2 is reserved.
    let slow = matches!(kbps, 32 | 48 | 56 | 80);
    let left_out = if mono { kbps >= 224 } else { slow };
    if b3 & 3 == 2 || (codec == id::CODEC_ID_MP2 && mpeg1 && left_out) {
        return None;
    }
    let bytes = (slots * kbps / rate_hz + u32::from((b2 >> 1) & 1)) as usize * slot_bytes;
    let kind = Kind { codec, rate_hz, channels: if mono { 1 } else { 2 }, profile: 0 };
    Some(Head { kind, bytes, data_at: 0, crc: b1 & 1 == 0 })
}

fn adts(head: &[u8]) -> Option<Head> {
    let &[_, b1, b2, b3, b4, b5, b6] = head else { return None };
    let rate_hz = AAC_RATES.get(usize::from((b2 >> 2) & 15)).copied()?;
    let channels = match (b2 & 1) << 2 | b3 >> 6 {
        7 => 8,
        count => count,
    };
    let bytes = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5 >> 5);
    let crc = b1 & 1 == 0;
    let data_at = if crc { 9 } else { 7 };
    // Of several access units in a frame only the first could be found.
    if bytes <= data_at || b6 & 3 != 0 {
        return None;
    }
    let kind = Kind { codec: id::CODEC_ID_AAC, rate_hz, channels, profile: b2 >> 6 };
    Some(Head { kind, bytes, data_at, crc })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_kind_are_read() {
        for (bytes, codec, rate_hz, channels, length) in [
            ([0xFF, 0xFB, 0x92, 0x00, 0, 0, 0], id::CODEC_ID_MP3, 44_100, 2, 418),
            ([0xFF, 0xF3, 0x84, 0xC0, 0, 0, 0], id::CODEC_ID_MP3, 24_000, 1, 192),
            ([0xFF, 0xE3, 0x18, 0x00, 0, 0, 0], id::CODEC_ID_MP3, 8_000, 2, 72),
            ([0xFF, 0xFD, 0xA4, 0x00, 0, 0, 0], id::CODEC_ID_MP2, 48_000, 2, 576),
            ([0xFF, 0xFF, 0xC4, 0x00, 0, 0, 0], id::CODEC_ID_MP1, 48_000, 2, 384),
            ([0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC], id::CODEC_ID_AAC, 44_100, 2, 371),
        ] {
            let head = Head::parse(&bytes).unwrap_or_else(|| panic!("{bytes:02x?} is a header"));
            let found = (head.kind.codec, head.kind.rate_hz, head.kind.channels, head.bytes);
            assert_eq!(found, (codec, rate_hz, channels, length), "{bytes:02x?}");
        }
        for bytes in
            [[0xFF; 7], [0; 7], [0xFF, 0xFB, 0xF0, 0, 0, 0, 0], [0xFF, 0xF1, 0x50, 0x80, 0, 0x1F, 0xFC]]
        {
            assert_eq!(Head::parse(&bytes), None, "{bytes:02x?}");
        }
    }
}
