//! ICY metadata: titles interleaved with audio for players that ask by `Icy-MetaData: 1`.
//!
//! After every so many bytes of audio ([`metaint`]) comes one byte `n` and then `16 n` bytes of `StreamTitle='...';` padded
//! with zeros; `n` is 0 when the title has not changed since the listener was last told.
//!
//! A title can only stand where a block is due, so it is late by up to the distance of two blocks. Icecast has 16 000 bytes
//! there, a second at 128 kbit/s. Here it is a packet: for one byte more in each, a title stands within the very packet of
//! audio that first belongs to it.

use airchain_codecs::Bitrate;
use airchain_codecs::packet::StreamInfo;
use airchain_core::item::Metadata;
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes between two blocks at most, as Icecast has it; uncompressed audio has them (83 ms at 16 bits and 48 kHz).
const MAX_METAINT: usize = 16_000;
/// What a packet of variable bit rate has at the least, in kbit/s: the smallest frame of MPEG-1 layer III.
const LEAST_KBPS: u32 = 32;

/// Bytes of audio between two metadata blocks: a packet of constant bit rate (MP3: at the least, so that one block or more
/// lies in each; AAC: on average), the smallest one of a variable rate.
pub(crate) fn metaint(info: &StreamInfo) -> usize {
    let format = &info.format;
    let kbps = match format.bitrate {
        Bitrate::Lossless => return MAX_METAINT,
        bitrate => bitrate.kbps().unwrap_or(LEAST_KBPS),
    };
    let bits = u64::from(kbps) * 1000 * u64::from(info.packet_frames.unwrap_or(1024));
    let bytes = bits / 8 / u64::from(format.sample_rate_hz.max(1));
    usize::try_from(bytes).unwrap_or(MAX_METAINT).clamp(1, MAX_METAINT)
}

/// Longest payload that the length byte can express.
const MAX_PAYLOAD: usize = 255 * 16;
const OPENING: &str = "StreamTitle='";
const CLOSING: &str = "';";
const UNCHANGED: Bytes = Bytes::from_static(&[0]);

/// What listeners are told from some byte on.
#[derive(Debug, Default)]
pub(crate) struct Title {
    /// `Artist - Title`.
    pub(crate) line: String,
    pub(crate) artist: Option<String>,
    pub(crate) title: Option<String>,
    block: Bytes,
}

impl Title {
    /// The title and its ICY block, made once for all listeners.
    pub(crate) fn new(metadata: &Metadata) -> Self {
        let line = metadata.one_line();
        let (artist, title) = (metadata.artist.clone(), metadata.title.clone());
        Self { block: block(&line), line, artist, title }
    }
}

/// A whole block, length byte included. Players end the title at the first `';`, so an apostrophe before a semicolon
/// becomes a typographic one; control characters become spaces; what is too long is cut between characters.
pub(super) fn block(title: &str) -> Bytes {
    let clean: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.replace(CLOSING, "\u{2019};");
    let title = truncate(&clean, MAX_PAYLOAD - OPENING.len() - CLOSING.len());
    let length = OPENING.len() + title.len() + CLOSING.len();
    let units = length.div_ceil(16);
    let mut block = BytesMut::with_capacity(1 + units * 16);
    // At most 255, because the title was cut to fit.
    block.put_u8(u8::try_from(units).unwrap_or(u8::MAX));
    block.put_slice(OPENING.as_bytes());
    block.put_slice(title.as_bytes());
    block.put_slice(CLOSING.as_bytes());
    block.put_bytes(0, units * 16 - length);
    block.freeze()
}

/// The longest start of `text` that fits into `bytes` and does not cut a character.
pub(crate) fn truncate(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

/// Puts metadata blocks into one listener's bytes; shares the audio, copies nothing.
#[derive(Debug)]
pub(crate) struct Interleaver {
    metaint: usize,
    until_block: usize,
    told: Option<Bytes>,
}

impl Interleaver {
    /// With a block after every `metaint` bytes, which is more than none.
    pub(crate) fn new(metaint: usize) -> Self {
        Self { metaint, until_block: metaint, told: None }
    }

    /// Passes on `audio`, all of which belongs to `title`. A block is written only when audio follows it, so it
    /// always speaks of the byte right behind it.
    pub(crate) fn push(&mut self, mut audio: Bytes, title: &Title, mut emit: impl FnMut(Bytes)) {
        while !audio.is_empty() {
            if self.until_block == 0 {
                emit(self.tell(title));
                self.until_block = self.metaint;
            }
            let part = audio.split_to(audio.len().min(self.until_block));
            self.until_block -= part.len();
            emit(part);
        }
    }

    fn tell(&mut self, title: &Title) -> Bytes {
        if self.told.as_ref() == Some(&title.block) {
            return UNCHANGED;
        }
        self.told = Some(title.block.clone());
        title.block.clone()
    }
}

#[cfg(test)]
mod tests {
    use airchain_codecs::Format;

    use super::*;

    fn text(block: &[u8]) -> String {
        assert_eq!(block.len(), 1 + usize::from(block[0]) * 16);
        String::from_utf8(block[1..].iter().copied().take_while(|b| *b != 0).collect()).unwrap()
    }

    #[test]
    fn quotes_and_newlines_do_not_end_the_title() {
        assert_eq!(text(&block("Don't Stop")), "StreamTitle='Don't Stop';");
        assert_eq!(text(&block("a';StreamUrl='x")), "StreamTitle='a\u{2019};StreamUrl='x';");
        assert_eq!(text(&block("a\r\nb\0c")), "StreamTitle='a  b c';");
        assert_eq!(text(&block("")), "StreamTitle='';");
    }

    #[test]
    fn long_titles_are_cut_between_characters() {
        for fill in ["é", "日", "🎵", "a"] {
            let block = block(&fill.repeat(5000));
            assert_eq!(block.len(), 4081);
            let text = text(&block);
            assert!(text.ends_with("';") && text.len() > 4076, "{}", text.len());
        }
    }

    #[test]
    fn blocks_come_at_their_bytes_and_only_say_what_is_new() {
        const METAINT: usize = 417;
        let one = Title::new(&Metadata { title: Some("one".into()), ..Metadata::default() });
        let two = Title::new(&Metadata { title: Some("two".into()), ..Metadata::default() });
        let mut out = Vec::new();
        let mut icy = Interleaver::new(METAINT);
        for (len, title) in [(METAINT, &one), (METAINT + 5, &one), (METAINT - 5, &two), (1, &two)] {
            icy.push(Bytes::from(vec![b'.'; len]), title, |b| out.extend_from_slice(&b));
        }
        let first = METAINT;
        assert_eq!(&out[first + 1..first + 17], b"StreamTitle='one");
        let second = first + 1 + 32 + METAINT;
        assert_eq!(out[second], 0);
        let third = second + 1 + METAINT;
        assert_eq!(&out[third + 1..third + 17], b"StreamTitle='two");
        assert_eq!(out.len(), third + 33 + 1);
    }

    #[test]
    fn a_block_is_due_in_every_packet() {
        for (text, frames, bytes) in [
            ("mp3:128k@44100", 1152, 417),
            ("mp3:320k", 1152, 960),
            ("mp3:v2@44100", 1152, 104),
            ("mp3:8k@8000/mono", 576, 72),
            ("aac:96k", 1024, 256),
            ("wav", 960, 16_000),
        ] {
            let format = Format::parse(text).unwrap();
            let info = StreamInfo { format, delay: 0, packet_frames: Some(frames), headers: Vec::new() };
            assert_eq!(metaint(&info), bytes, "{text}");
        }
    }
}
