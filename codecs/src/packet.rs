//! What encoders produce: packets on an exact sample grid.

use std::sync::Arc;

use bytes::Bytes;

use crate::format::Format;

/// One access unit of a codec, without any container around it: an MP3 frame, a raw AAC access unit, an Opus or
/// Vorbis packet, a FLAC frame, a run of PCM bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The bytes; shared by every output that carries them.
    pub data: Bytes,
    /// Position of the first sample it decodes to, in frames at the format's rate since the encoder began. The
    /// codec's own delay is already taken off, so the first packets lie before zero.
    pub pts: i64,
    /// Frames it decodes to. The last packet of a programme may say less: it ends where the programme does, and
    /// what a decoder gives beyond is padding.
    pub duration: u32,
}

impl Packet {
    /// Position just after its last sample.
    pub fn end(&self) -> i64 {
        self.pts + i64::from(self.duration)
    }
}

/// What a container or player must know before the first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// The format.
    pub format: Format,
    /// Frames by which decoded audio is late: what a decoder outputs before sample 0 of the programme. MP3 1105, AAC-LC
    /// 2048, HE-AAC 5058, HE-AAC v2 7106, Opus 312, the others 0.
    pub delay: u32,
    /// Frames that every packet decodes to, where that is constant; in Vorbis it varies.
    pub packet_frames: Option<u32>,
    /// Codec set-up data: `AudioSpecificConfig`; `OpusHead`; Vorbis identification and set-up (the comment header
    /// is the container's to write); FLAC `STREAMINFO` (34 bytes); none for MP3 and PCM.
    pub headers: Vec<Bytes>,
}

impl StreamInfo {
    /// Frames of silence that an encoder is to be given first when its first frame is that at `position` of a programme,
    /// so that its packets begin at whole multiples of their length: encoders that were started at any time can then be
    /// cut at the same frames. Less than a packet; 0 where packets vary in length.
    pub fn lead(&self, position: i64) -> u32 {
        let Some(packet) = self.packet_frames.filter(|packet| *packet > 0) else { return 0 };
        (position - i64::from(self.delay)).rem_euclid(packet.into()) as u32
    }
}

/// A shared [`StreamInfo`].
pub type SharedInfo = Arc<StreamInfo>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn led_in_packets_lie_on_multiples_of_their_length() {
        for (codec, delay, packet) in
            [("mp3", 1105, 1152), ("aac", 2048, 1024), ("opus", 312, 960), ("flac", 0, 4096)]
        {
            let format = Format::parse(codec).unwrap();
            let info = StreamInfo { format, delay, packet_frames: Some(packet), headers: Vec::new() };
            for position in [0, 1, 311, 312, 313, 1_000_003, 3 * 86_400 * 48_000 + 7] {
                let lead = info.lead(position);
                assert!(lead < packet, "{codec}");
                let first = position - i64::from(lead) - i64::from(delay);
                assert_eq!(first.rem_euclid(packet.into()), 0, "{codec} from {position} on");
            }
            assert_eq!(StreamInfo { packet_frames: None, ..info }.lead(7), 0);
        }
    }
}
