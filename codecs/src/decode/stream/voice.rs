//! Packets to frames that can be handed out: the codec, and what is done where packets are missing.

use std::ops::Range;

use airchain_core::Stereo;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

use super::super::codec::Codec;
use super::super::track::RATES;
use super::StreamFormat;
use crate::extrapolate;

/// Frames handed out in one go.
const MOST_FRAMES: usize = 8192;
/// Frames over which what was heard before a hole goes over into what comes after it: 5 ms.
const SEAM: usize = 256;
/// Frames from which it is told how what was heard would have gone on.
const RECENT: usize = 1024;

/// A codec and what came out of it last.
#[derive(Default)]
pub(super) struct Voice {
    codec: Option<Codec>,
    container: &'static str,
    info: Option<StreamFormat>,
    /// Bytes are missing before the next packet.
    broken: bool,
    /// The next frames do not follow the last.
    seam: bool,
    /// What the last packet decoded to, and which of it is still to be handed out.
    block: Vec<Stereo>,
    left: Range<usize>,
    /// The frames before it, and their rate.
    last: Vec<Stereo>,
    last_rate: u32,
}

impl Voice {
    /// Takes up a stream. When there is no decoder for it, its packets are lost.
    pub(super) fn open(&mut self, params: &AudioCodecParameters, container: &'static str) {
        self.codec = Codec::new(params);
        self.container = container;
        self.broken = false;
    }

    /// What is not as it should be with the decoder, once.
    pub(super) fn take_caveat(&mut self) -> Option<String> {
        self.codec.as_mut()?.caveat.take()
    }

    /// What comes next does not follow what came last.
    pub(super) fn breaks(&mut self) {
        (self.broken, self.seam) = (true, true);
    }

    /// Whether bytes are missing before the next packet.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Frames to drop at the start of a stream, and where it is joined in its middle.
    pub(super) fn pre_skip(&self) -> (u64, u64) {
        let codec = self.codec.as_ref();
        let skip = |frames: Option<i64>| u64::try_from(frames.unwrap_or(0)).unwrap_or(0);
        (skip(codec.map(|codec| codec.pre_skip)), skip(codec.map(|codec| codec.preroll)))
    }

    /// The codec and rate of the last packet.
    pub(super) fn info(&self) -> Option<&StreamFormat> {
        self.info.as_ref()
    }

    /// What is wrong with packets that cannot be decoded.
    pub(super) fn trouble(&self) -> String {
        match &self.codec {
            Some(codec) => {
                format!("what looks like {} ({}), but cannot be decoded", codec.name, self.container)
            }
            None => format!("a codec in {} that there is no decoder for", self.container),
        }
    }

    /// Whether there are frames to hand out.
    pub(super) fn is_ready(&self) -> bool {
        !self.left.is_empty()
    }

    /// Decodes a packet; says how many frames came of it, or nothing when it is lost. [`keep`](Self::keep) follows.
    pub(super) fn decode(&mut self, packet: &[u8]) -> Option<usize> {
        let codec = self.codec.as_mut()?;
        if std::mem::take(&mut self.broken) && forgets(codec.name) {
            codec.reset();
        }
        std::mem::swap(&mut self.block, &mut self.last);
        self.block.clear();
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, packet);
        let rate = codec.decode(&packet, &mut self.block).filter(|rate| RATES.contains(rate));
        let Some(rate) = rate else {
            std::mem::swap(&mut self.block, &mut self.last);
            self.breaks();
            return None;
        };
        if self.block.is_empty() {
            return Some(0);
        }
        let (codec, container, channels) = (codec.name, self.container, codec.channels());
        self.info = Some(StreamFormat { codec, container, sample_rate_hz: rate, channels });
        if std::mem::replace(&mut self.last_rate, rate) != rate {
            self.last.clear();
        }
        Some(self.block.len())
    }

    /// Which frames of the decoded packet are to be heard.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        self.block.truncate(range.end);
        self.left = range.start.min(self.block.len())..self.block.len();
        if self.left.is_empty() {
            // What is not heard is followed by nothing.
            std::mem::swap(&mut self.block, &mut self.last);
            self.left = 0..0;
        } else if std::mem::take(&mut self.seam) {
            self.mend();
        }
    }

    /// Lets what was heard last go over into the frames to come.
    fn mend(&mut self) {
        let Self { block, last, left, .. } = self;
        let fresh = &mut block[left.clone()];
        let count = fresh.len().min(SEAM);
        let mut old = Vec::with_capacity(count);
        extrapolate::forwards(&last[last.len().saturating_sub(RECENT)..], count, &mut old);
        for (index, (new, old)) in fresh.iter_mut().zip(&old).enumerate() {
            let share = (index as f32 + 0.5) / count as f32;
            *new = [0, 1].map(|side| old[side] + share * (new[side] - old[side]));
        }
    }

    /// Moves what is ready, or as much as may go at once, to `out`; says its rate.
    pub(super) fn give(&mut self, out: &mut Vec<Stereo>) -> Option<u32> {
        if self.left.is_empty() {
            return None;
        }
        let end = self.left.end.min(self.left.start + MOST_FRAMES);
        out.extend_from_slice(&self.block[self.left.start..end]);
        self.left.start = end;
        Some(self.last_rate)
    }
}

/// Whether a decoder is better off without what came before a hole. libopus and FDK find their way by themselves; FDK
/// would be without SBR until its next header.
fn forgets(codec: &str) -> bool {
    !matches!(codec, "opus" | "he-aac" | "he-aac-v2")
}
