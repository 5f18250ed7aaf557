//! Titles in band: after every `icy-metaint` bytes of audio comes one byte `n`, then `16 n` bytes of text such as
//! `StreamTitle='Artist - Title';StreamUrl='http://…';`, padded with zeros. `n` is 0 when there is nothing new. No I/O.

use airchain_core::item::Metadata;

use super::trouble::Trouble;
use crate::text;

/// Characters of a title that are kept; all that a block holds.
const LONGEST_TITLE: usize = 4080;

/// What a stream consists of.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece<'a> {
    Audio(&'a [u8]),
    /// A title that is not the one before. Empty when it was taken away.
    Title(Metadata),
}

/// Takes titles out of a stream.
#[derive(Debug)]
pub(crate) struct Demux {
    /// Bytes between titles; 0 when there are none.
    metaint: usize,
    at: At,
    /// The title as it is now; `None` before the first.
    line: Option<String>,
}

#[derive(Debug)]
enum At {
    /// In the audio, so many bytes before the next block.
    Audio(usize),
    /// In a block with so many bytes left.
    Block(usize, Vec<u8>),
}

impl Demux {
    pub(crate) fn new(metaint: Option<usize>) -> Self {
        let metaint = metaint.unwrap_or(0);
        Self { metaint, at: At::Audio(metaint), line: None }
    }

    /// Takes the stream's next bytes apart.
    pub(crate) fn push<'a>(
        &mut self,
        mut raw: &'a [u8],
        mut emit: impl FnMut(Piece<'a>),
    ) -> Result<(), Trouble> {
        if self.metaint == 0 && !raw.is_empty() {
            emit(Piece::Audio(raw));
            return Ok(());
        }
        while let Some(&first) = raw.first() {
            match &mut self.at {
                At::Audio(0) => {
                    self.at = match first {
                        0 => At::Audio(self.metaint),
                        units => At::Block(usize::from(units) * 16, Vec::new()),
                    };
                    raw = raw.get(1..).unwrap_or_default();
                }
                At::Audio(left) => {
                    let (audio, rest) = raw.split_at(raw.len().min(*left));
                    *left -= audio.len();
                    emit(Piece::Audio(audio));
                    raw = rest;
                }
                At::Block(left, block) => {
                    let (part, rest) = raw.split_at(raw.len().min(*left));
                    *left -= part.len();
                    block.extend_from_slice(part);
                    raw = rest;
                    if *left == 0 {
                        let block = std::mem::take(block);
                        self.at = At::Audio(self.metaint);
                        if let Some(title) = self.title(&block)? {
                            emit(Piece::Title(title));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What a block says that is new.
    fn title(&mut self, block: &[u8]) -> Result<Option<Metadata>, Trouble> {
        let fields = Fields::read(block).ok_or(Trouble::OutOfStep(self.metaint))?;
        let Some(title) = fields.title else { return Ok(None) };
        let line = text::line(&text::decode(title), LONGEST_TITLE).unwrap_or_default();
        if self.line.as_ref() == Some(&line) {
            return Ok(None);
        }
        let mut metadata = metadata(&line);
        if let Some(url) = fields.url.and_then(|url| text::line(&text::decode(url), LONGEST_TITLE)) {
            metadata.extra.insert("url".into(), url);
        }
        self.line = Some(line);
        Ok(Some(metadata))
    }
}

/// `Artist - Title` comes apart. Some managers send a whole JSON document as the title, for their own players: it stays whole.
fn metadata(line: &str) -> Metadata {
    if line.starts_with('{') {
        return Metadata { title: Some(line.to_owned()), ..Metadata::default() };
    }
    Metadata::from_line(line)
}

/// The fields of a block.
struct Fields<'a> {
    title: Option<&'a [u8]>,
    url: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// `None` when this is no text, so no block at all.
    fn read(block: &'a [u8]) -> Option<Self> {
        // Servers that reuse their memory leave the rest of an older title behind the first zero.
        let text = block.split(|&byte| byte == 0).next().unwrap_or_default();
        let mut fields = Self { title: None, url: None };
        if block.iter().all(|&byte| byte == 0 || byte.is_ascii_whitespace()) {
            return Some(fields);
        }
        let (first, _) = key(text)?;
        let is_known =
            [&b"StreamTitle"[..], b"StreamUrl"].iter().any(|name| first.eq_ignore_ascii_case(name));
        // A station's own titles may hold anything; audio does not begin like one.
        if !is_known && text.iter().any(|byte| byte.is_ascii_control() && !b"\t\r\n".contains(byte)) {
            return None;
        }
        let mut rest = text;
        while let Some((name, after)) = key(rest) {
            let (value, after) = value(after);
            if name.eq_ignore_ascii_case(b"StreamTitle") {
                fields.title = fields.title.or(Some(value));
            } else if name.eq_ignore_ascii_case(b"StreamUrl") {
                fields.url = fields.url.or(Some(value));
            }
            rest = after;
        }
        Some(fields)
    }
}

/// `Name=` at the start, and what follows it.
fn key(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let length = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte))?;
    let after = text.get(length..)?.strip_prefix(b"=")?;
    (length > 0).then_some((text.get(..length)?, after))
}

/// The value at the start, and what follows its `;`. Nothing in it is escaped: it ends at the first `';` with only another
/// `Name='` or nothing behind it, for titles hold apostrophes and semicolons too; at the end of the text, if a long one was cut.
fn value(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(quoted) = text.strip_prefix(b"'") else {
        let end = text.iter().position(|&byte| byte == b';').unwrap_or(text.len());
        return (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default());
    };
    let mut ends = quoted.windows(2).enumerate().filter(|(_, pair)| *pair == b"';").map(|(at, _)| at);
    let found = ends.find_map(|at| {
        let after = quoted.get(at + 2..)?.trim_ascii_start();
        let ends = after.is_empty() || key(after).is_some_and(|(_, value)| value.starts_with(b"'"));
        ends.then_some((quoted.get(..at)?, after))
    });
    // Without its semicolon, or without even its quote.
    found.unwrap_or_else(|| {
        let value = quoted.trim_ascii_end();
        (value.strip_suffix(b"'").unwrap_or(value), &[])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &[u8]) -> Vec<u8> {
        let units = text.len().div_ceil(16);
        let mut block = vec![units as u8];
        block.extend_from_slice(text);
        block.resize(1 + units * 16, 0);
        block
    }

    /// Titles, each with the number of bytes before it.
    type Titles = Vec<(usize, Metadata)>;

    /// What a stream with a title every 10 bytes comes to, read in pieces.
    fn read(blocks: &[&[u8]], piece: usize) -> Result<(Vec<u8>, Titles), Trouble> {
        let mut raw = Vec::new();
        for (number, text) in blocks.iter().enumerate() {
            raw.extend([number as u8; 10]);
            raw.extend(if text.is_empty() { vec![0] } else { block(text) });
        }
        let (mut demux, mut audio, mut titles) = (Demux::new(Some(10)), Vec::new(), Vec::new());
        for part in raw.chunks(piece) {
            demux.push(part, |piece| match piece {
                Piece::Audio(bytes) => audio.extend_from_slice(bytes),
                Piece::Title(metadata) => titles.push((audio.len(), metadata)),
            })?;
        }
        Ok((audio, titles))
    }

    fn one(text: &[u8]) -> Metadata {
        read(&[text], 1000).unwrap().1.pop().map(|(_, metadata)| metadata).unwrap_or_default()
    }

    fn title(text: &str) -> String {
        one(text.as_bytes()).one_line()
    }

    #[test]
    fn titles_come_at_their_bytes_whatever_the_cuts() {
        let blocks: [&[u8]; 6] = [
            b"",
            b"StreamTitle='One - First';",
            b"StreamTitle='One - First';",
            b"StreamTitle='Two';StreamUrl='http://x/';",
            b"StreamUrl='http://y/';",
            b"StreamTitle='';",
        ];
        for piece in 1..200 {
            let (audio, titles) = read(&blocks, piece).unwrap();
            assert_eq!(audio, [[0; 10], [1; 10], [2; 10], [3; 10], [4; 10], [5; 10]].concat());
            let said: Vec<_> = titles.iter().map(|(at, metadata)| (*at, metadata.one_line())).collect();
            let expected = [(20, "One - First".into()), (40, "Two".into()), (60, String::new())];
            assert_eq!(said, expected, "{piece}");
            assert_eq!(titles[0].1.artist.as_deref(), Some("One"));
            assert_eq!(titles[1].1.extra["url"], "http://x/");
            assert_eq!(titles[2].1, Metadata::default());
        }
    }

    #[test]
    fn quotes_and_semicolons_belong_to_the_title() {
        for text in
            ["Don't Stop", "'Heroes'", "a'; b", "It's; 'quoted'; yes", "x='y'", "", "';", "a\"b\\c", "1; 2"]
        {
            assert_eq!(title(&format!("StreamTitle='{text}';")), text.trim(), "{text}");
            assert_eq!(title(&format!("StreamTitle='{text}';StreamUrl='http://x/';")), text.trim(), "{text}");
        }
        assert_eq!(title("StreamTitle='no semicolon'"), "no semicolon");
        assert_eq!(title("StreamTitle='cut of"), "cut of");
        assert_eq!(title("StreamTitle=bare;StreamUrl='';"), "bare");
        assert_eq!(title("streamtitle='small';"), "small");
        assert_eq!(title("StreamUrl='u';StreamTitle='behind';"), "behind");
        assert_eq!(title("StreamTitle='a\r\nb';"), "a  b");
        assert_eq!(one(b"StreamTitle='new';\0';StreamTitle='older';").one_line(), "new");
    }

    #[test]
    fn json_stays_whole() {
        let json = r#"{"artist":{"name":"Guns N' Roses"},"song":{"title":"a - b"},"x":"';"}"#;
        let metadata = one(format!("StreamTitle='{json}';").as_bytes());
        assert_eq!((metadata.artist, metadata.title.as_deref()), (None, Some(json)));
        // One that does not fit is cut by the sender, closing quote and all.
        let long = format!("StreamTitle='{{\"x\":\"{}", "y - ".repeat(2000));
        let metadata = one(&long.as_bytes()[..4080]);
        assert_eq!(metadata.title.map(|title| title.len()), Some(4080 - "StreamTitle='".len()));
    }

    #[test]
    fn latin_1_and_utf_8() {
        assert_eq!(one(b"StreamTitle='Mot\xF6rhead \x96 \x80';").one_line(), "Motörhead – €");
        assert_eq!(title("StreamTitle='Motörhead – 東京';"), "Motörhead – 東京");
    }

    #[test]
    fn what_is_no_text_is_out_of_step() {
        let noise: Vec<u8> = (0..4080).map(|n| (n * 7919 % 251) as u8).collect();
        for text in [
            &noise[..],
            b"\xFF\xFB\x90\x64audio",
            b"Title='a\x01';",
            b"just words",
            b"\0\0\0x",
            b"  \0x",
            b"=",
        ] {
            assert!(matches!(read(&[text], 7), Err(Trouble::OutOfStep(10))), "{text:?}");
        }
        for nothing in [&[0; 16][..], b" ", b"  \r\n\0 "] {
            assert_eq!(read(&[nothing], 7).unwrap().1, [], "{nothing:?}");
        }
    }

    #[test]
    fn controls_in_a_title_become_blanks() {
        assert_eq!(one(b"StreamTitle='a\x01b\x1b\x7f';").one_line(), "a b");
        assert_eq!(one(b"StreamUrl='\x02';StreamTitle='x\x03y';").one_line(), "x y");
    }

    #[test]
    fn without_titles_all_is_audio() {
        let mut out = Vec::new();
        let bytes = [1, 0, 2];
        Demux::new(None).push(&bytes, |piece| out.push(piece)).unwrap();
        assert_eq!(out, [Piece::Audio(&bytes)]);
    }
}
