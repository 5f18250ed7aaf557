//! Streams: a programme that comes piece by piece, without end, and from its middle.
//!
//! [`StreamDecoder`] gets bytes as the network has them and gives frames. It finds out by itself what they are and where
//! they begin: MPEG audio and ADTS frames are believed when another follows, Ogg pages when their checksum is right.
//! Their packets go through the same decoders as those of files. Where bytes are missing or wrong it looks for the next
//! frame or page; the time that is lost is lost, and what was heard before goes over into what comes after in 5 ms.
//!
//! Frames that lack what went before them (the bit reservoir of MP3, the overlap of AAC and Vorbis, the memory of Opus)
//! are not heard, so a stream that is joined in its middle begins some 25 to 250 ms after its first byte.

mod frames;
mod head;
mod input;
mod link;
mod ogg;
mod page;
mod search;
mod unknown;
mod voice;

use airchain_core::Stereo;
use airchain_core::item::Metadata;

use self::frames::Frames;
use self::head::Kind;
use self::input::Input;
use self::ogg::Ogg;
use self::search::Look;
use self::voice::Voice;
use super::DecodeError;

/// What is understood.
pub(super) const EXPECTED: &str = "MP3, AAC in ADTS, or Ogg with Vorbis, Opus or FLAC";

/// What the packets of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamFormat {
    /// Codec, as in [`DecoderInfo::codec`](super::DecoderInfo::codec).
    pub codec: &'static str,
    /// Container (`mp3`, `mp2`, `mp1`, `adts`, `ogg`).
    pub container: &'static str,
    /// Sample rate in Hz of the frames that come out.
    pub sample_rate_hz: u32,
    /// Channels in the stream; what comes out is always stereo.
    pub channels: u16,
}

/// What one [`StreamDecoder::decode`] achieved.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing: it wants more bytes.
    Hungry,
    /// Frames were appended.
    Audio {
        /// Their sample rate in Hz. It can change from one to the next.
        rate_hz: u32,
    },
    /// The frames from here on belong to this.
    Title(Metadata),
    /// There is no more, and no more can come.
    End,
}

/// Decodes a stream of which it knows nothing but the bytes that it is given.
///
/// It does no I/O and never waits. Whatever it is fed, it holds a few megabytes at most and does not panic.
pub struct StreamDecoder {
    input: Input,
    framing: Framing,
    /// The frames for which there is a decoder.
    kind: Option<Kind>,
    ogg: Ogg,
    voice: Voice,
    title: Option<Metadata>,
    damage: Damage,
}

/// What the bytes at the front of the input are.
enum Framing {
    /// Not known.
    Searching,
    Frames(Frames),
    Ogg,
}

/// How things go on.
enum Flow {
    /// On to the next.
    More,
    /// Bytes are needed first.
    Hungry,
    /// What is at the front of the input is not what it should be.
    Lost,
}

/// What was lost, for the log.
#[derive(Default)]
struct Damage {
    lost_packets: u64,
    lost_pages: u64,
}

impl StreamDecoder {
    /// A decoder for a stream. `content_type` is what the server says of it; it is mentioned when the stream turns out to
    /// be nothing that is known, and not relied on.
    pub fn new(content_type: Option<&str>) -> Self {
        Self {
            input: Input::new(content_type),
            framing: Framing::Searching,
            kind: None,
            ogg: Ogg::default(),
            voice: Voice::default(),
            title: None,
            damage: Damage::default(),
        }
    }

    /// Appends bytes. Up to 1 MiB is held; what goes beyond is lost and an error of the next [`decode`](Self::decode). After
    /// [`finish`](Self::finish) nothing is taken.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.push(bytes);
    }

    /// Whether the next [`decode`](Self::decode) needs more bytes before it can give anything.
    pub fn wants(&self) -> bool {
        self.title.is_none() && !self.voice.is_ready() && self.input.hungry()
    }

    /// Appends the next frames to `out`: one packet's worth, 8192 at most.
    ///
    /// The error is [`DecodeError::Stream`] when 128 KiB in a row (2 MiB of Ogg pages) led to no audio, or the stream is
    /// over without any, and [`DecodeError::Flooded`] when too much was pushed. It comes again with every further call:
    /// the caller makes a new decoder for a new connection.
    pub fn decode(&mut self, out: &mut Vec<Stereo>) -> Result<Step, DecodeError> {
        loop {
            // A title comes up with the first frames that it is for, or before.
            if let Some(title) = self.title.take() {
                return Ok(Step::Title(title));
            }
            if let Some(rate_hz) = self.voice.give(out) {
                return Ok(Step::Audio { rate_hz });
            }
            self.input.check()?;
            if self.input.hungry() {
                return Ok(Step::Hungry);
            }
            if self.input.bytes().is_empty() {
                return Ok(Step::End);
            }
            let Self { input, voice, damage, title, .. } = self;
            let flow = match &mut self.framing {
                Framing::Searching => self.search(),
                Framing::Frames(frames) => frames.next(input, voice, damage),
                Framing::Ogg => self.ogg.next(input, voice, damage, title),
            };
            match flow {
                Flow::More => {}
                // With nothing to come, what is there is all there is.
                Flow::Hungry if self.input.ended() => self.input.discard(self.input.bytes().len()),
                Flow::Hungry => {}
                Flow::Lost => self.framing = Framing::Searching,
            }
        }
    }

    /// Says that no more bytes come: the next calls of [`decode`](Self::decode) give what is left, then [`Step::End`].
    pub fn finish(&mut self) {
        self.input.end();
    }

    /// What the latest packet was; none before the first.
    pub fn info(&self) -> Option<&StreamFormat> {
        self.voice.info()
    }

    /// What was wrong with the stream so far and was got over, for the log; taken once.
    pub fn take_damage(&mut self) -> Option<String> {
        let damage = std::mem::take(&mut self.damage);
        let counts = [
            (self.input.take_skipped(), "bytes that are no audio were skipped"),
            (damage.lost_pages, "Ogg pages are missing"),
            (damage.lost_packets, "packets could not be decoded"),
        ];
        let counts =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let words: Vec<String> = self.voice.take_caveat().into_iter().chain(counts).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Looks for the next place where a stream begins.
    fn search(&mut self) -> Flow {
        let (bytes, ended) = (self.input.bytes(), self.input.ended());
        match search::look(bytes, ended) {
            Look::No(work) => {
                let rest = bytes.get(1..).unwrap_or_default();
                self.input.discard(1 + search::uninteresting(rest));
                self.input.in_vain(work - 1);
            }
            Look::Later(count) => {
                self.input.need(count);
                return Flow::Hungry;
            }
            Look::Tag(count) => self.input.skip_tag(count),
            Look::Frames(kind) => {
                if self.kind != Some(kind) {
                    self.voice.open(&kind.params(), kind.container());
                    self.kind = Some(kind);
                }
                // What goes before the first frame is not there.
                self.voice.breaks();
                self.framing = Framing::Frames(Frames::new(kind));
            }
            Look::Ogg => {
                // Its own page numbers tell whether something is missing.
                self.kind = None;
                self.framing = Framing::Ogg;
            }
        }
        Flow::More
    }
}
