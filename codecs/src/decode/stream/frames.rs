//! Streams that are frames one after the other: MPEG audio and ADTS.

use symphonia::core::codecs::audio::well_known as id;

use super::head::{HEAD_BYTES, Head, Kind};
use super::input::Input;
use super::search::{self, Look, Verdict};
use super::voice::Voice;
use super::{Damage, Flow};

/// Bytes of earlier frames that an MP3 frame can go on from.
const MOST_RESERVOIR: usize = 511;

/// A stream of frames of one kind, the next at the front of the input.
pub(super) struct Frames {
    kind: Kind,
    /// Frames that are not right because nothing went before them: they overlap, and the filter behind them remembers.
    cold: u8,
    /// Bytes of earlier frames that the decoder knows.
    reservoir: usize,
}

impl Frames {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, cold: warm_up(&kind), reservoir: 0 }
    }

    /// Decodes the frame at the front of the input, or finds out why there is none.
    pub(super) fn next(&mut self, input: &mut Input, voice: &mut Voice, damage: &mut Damage) -> Flow {
        let (bytes, ended) = (input.bytes(), input.ended());
        if bytes.len() < HEAD_BYTES && !ended {
            input.need(HEAD_BYTES);
            return Flow::Hungry;
        }
        let Some(head) = Head::parse(bytes) else {
            return match search::look(bytes, ended) {
                Look::Tag(count) => {
                    input.skip_tag(count);
                    Flow::More
                }
                Look::Later(count) => {
                    input.need(count);
                    Flow::Hungry
                }
                _ => Flow::Lost,
            };
        };
        if head.kind != self.kind {
            return Flow::Lost;
        }
        if ended && bytes.len() < head.bytes {
            // The stream was cut off in the middle of its last frame.
            input.skip(bytes.len());
            return Flow::More;
        }
        match search::follows(&head, bytes, ended) {
            Verdict::Later(count) => {
                input.need(count);
                Flow::Hungry
            }
            Verdict::Bad => {
                // Part of it is missing, or it never was one; the next may begin within what it takes up.
                input.discard(1);
                Flow::Lost
            }
            Verdict::Good => {
                let frame = bytes.get(..head.bytes).unwrap_or_default();
                if !head.is_tag(frame) {
                    if self.decode(&head, frame, voice, damage) {
                        input.bears_fruit();
                    } else {
                        input.in_vain(head.bytes);
                        input.trouble = Some(voice.trouble());
                    }
                }
                input.skip(head.bytes);
                Flow::More
            }
        }
    }

    /// Decodes a frame; says whether that is possible.
    fn decode(&mut self, head: &Head, frame: &[u8], voice: &mut Voice, damage: &mut Damage) -> bool {
        if voice.is_broken() {
            (self.cold, self.reservoir) = (warm_up(&self.kind), 0);
        }
        let (back, adds) = match head.kind.codec {
            id::CODEC_ID_MP3 => head.reservoir(frame),
            _ => (0, 0),
        };
        // What is not there cannot be decoded, but the frame brings what later ones go on from.
        let whole = back <= self.reservoir;
        self.reservoir = (self.reservoir + adds).min(MOST_RESERVOIR);
        match voice.decode(frame.get(head.data_at..).unwrap_or_default()) {
            Some(frames) if whole && self.cold == 0 => voice.keep(0..frames),
            Some(_) => {
                voice.keep(0..0);
                self.cold = if whole { self.cold - 1 } else { warm_up(&self.kind) };
            }
            None => {
                damage.lost_packets += 1;
                return false;
            }
        }
        true
    }
}

/// Frames that it takes until one is right: a granule for the overlap and another for the filter bank. MPEG-2 has one granule to
/// a frame, Layer I even less.
fn warm_up(kind: &Kind) -> u8 {
    match kind.codec {
        id::CODEC_ID_MP3 if kind.rate_hz < 32_000 => 2,
        id::CODEC_ID_MP1 => 2,
        _ => 1,
    }
}
