//! How the body of an answer is told from what follows it: by its length, in chunks (RFC 9112, section 7.1), or by the
//! end of the connection. No I/O, and no size that is declared is ever allocated.

use super::trouble::Trouble;

/// Longest line before a chunk, and longest trailer.
const LONGEST_LINE: usize = 4096;

/// How much of a body is still to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Everything until the connection closes.
    #[default]
    UntilClose,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// In the line with the size, so much of which is here.
    Size(Vec<u8>),
    /// In a chunk with so many bytes left.
    Data(u64),
    /// In the line end after a chunk.
    AfterData,
    /// After the last chunk: in a line of the trailer of so many bytes, after so many bytes of trailer.
    Trailer {
        line: usize,
        all: usize,
    },
    Done,
}

impl Framing {
    pub(crate) fn chunked() -> Self {
        Self::Chunked(Chunks::Size(Vec::new()))
    }

    pub(crate) fn is_chunked(&self) -> bool {
        matches!(self, Self::Chunked(_))
    }

    /// Whether the body is whole.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::Done))
    }

    /// Whether a connection that closes now has cut the body off.
    pub(crate) fn is_cut_by_close(&self) -> bool {
        !self.is_done() && *self != Self::UntilClose
    }

    /// Appends to `body` what of it is in `raw`. What follows the body is dropped.
    pub(crate) fn take(&mut self, raw: &[u8], body: &mut Vec<u8>) -> Result<(), Trouble> {
        match self {
            Self::UntilClose => body.extend_from_slice(raw),
            Self::Length(left) => {
                let part = start(raw, *left);
                *left -= part.len() as u64;
                body.extend_from_slice(part);
            }
            Self::Chunked(chunks) => {
                let mut rest = raw;
                while !rest.is_empty() && *chunks != Chunks::Done {
                    rest = chunks.step(rest, body)?;
                }
            }
        }
        Ok(())
    }
}

/// At most `count` bytes from the start.
fn start(bytes: &[u8], count: u64) -> &[u8] {
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(..count).unwrap_or_default()
}

impl Chunks {
    /// Takes what belongs together; returns the rest. `raw` is not empty.
    fn step<'a>(&mut self, raw: &'a [u8], body: &mut Vec<u8>) -> Result<&'a [u8], Trouble> {
        match self {
            Self::Data(left) => {
                let part = start(raw, *left);
                *left -= part.len() as u64;
                body.extend_from_slice(part);
                if *left == 0 {
                    *self = Self::AfterData;
                }
                return Ok(raw.get(part.len()..).unwrap_or_default());
            }
            Self::Done => return Ok(&[]),
            _ => {}
        }
        let Some((&byte, rest)) = raw.split_first() else { return Ok(&[]) };
        match self {
            Self::Size(line) if byte == b'\n' => {
                *self = match size(line)? {
                    0 => Self::Trailer { line: 0, all: 0 },
                    size => Self::Data(size),
                }
            }
            Self::Size(line) if line.len() >= LONGEST_LINE => return Err(Trouble::Chunks("an endless size")),
            Self::Size(line) => line.push(byte),
            Self::AfterData if byte == b'\n' => *self = Self::Size(Vec::new()),
            Self::AfterData if byte == b'\r' => {}
            Self::AfterData => return Err(Trouble::Chunks("a chunk longer than its size")),
            Self::Trailer { line: 0, .. } if byte == b'\n' => *self = Self::Done,
            Self::Trailer { all, .. } if *all >= LONGEST_LINE => {
                return Err(Trouble::Chunks("an endless trailer"));
            }
            Self::Trailer { line, all } => {
                *all += 1;
                *line = match byte {
                    b'\n' => 0,
                    b'\r' => *line,
                    _ => *line + 1,
                };
            }
            Self::Data(_) | Self::Done => {}
        }
        Ok(rest)
    }
}

fn size(line: &[u8]) -> Result<u64, Trouble> {
    let wrong = Trouble::Chunks("a size that is no number");
    let text = line.split(|&byte| byte == b';').next().and_then(|digits| std::str::from_utf8(digits).ok());
    match text.map(str::trim) {
        // The standard parser would also take a sign.
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).map_err(|_| wrong)
        }
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unchunk(raw: &[u8], piece: usize) -> Result<(Vec<u8>, bool), Trouble> {
        let (mut framing, mut body) = (Framing::chunked(), Vec::new());
        for part in raw.chunks(piece) {
            framing.take(part, &mut body)?;
        }
        Ok((body, framing.is_done()))
    }

    #[test]
    fn chunks_are_joined_whatever_the_cuts() {
        let raw = b"5;name=\"x\"\r\nhello\r\n00A\r\n, chunked \r\n1\nx\n0\r\nTrailer: y\r\n\r\nbehind";
        for piece in 1..raw.len() {
            assert_eq!(unchunk(raw, piece).unwrap(), (b"hello, chunked x".to_vec(), true), "{piece}");
        }
        assert_eq!(unchunk(b"5\r\nhel", 9).unwrap(), (b"hel".to_vec(), false));
        assert_eq!(unchunk(b"0\r\n\r\n", 1).unwrap(), (Vec::new(), true));
    }

    #[test]
    fn sizes_are_limits_and_never_allocated() {
        assert_eq!(unchunk(b"FFFFFFFFFFFFFFFF\r\nabc", 4).unwrap(), (b"abc".to_vec(), false));
        for raw in [
            &b"10000000000000000\r\n"[..],
            b"-1\r\n",
            b"+5\r\n",
            b"x\r\n",
            b"\r\n",
            b"2\r\nabc\r\n",
            b"\0\r\n",
        ] {
            assert!(unchunk(raw, 3).is_err(), "{raw:?}");
        }
        assert!(unchunk(&[b'0'; 5000], 100).is_err());
        assert!(unchunk(&[b"0\r\n", &b"a: b\r\n".repeat(1000)[..]].concat(), 100).is_err());
    }

    #[test]
    fn a_length_is_kept_to() {
        let (mut framing, mut body) = (Framing::Length(5), Vec::new());
        framing.take(b"hel", &mut body).unwrap();
        assert!(framing.is_cut_by_close() && !framing.is_done());
        framing.take(b"lo and more", &mut body).unwrap();
        assert_eq!((body.as_slice(), framing.is_done()), (&b"hello"[..], true));
        assert!(!Framing::UntilClose.is_cut_by_close());
    }
}
