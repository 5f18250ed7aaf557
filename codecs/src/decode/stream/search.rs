//! Where in a run of bytes a stream begins: the first place that is vouched for by what follows it.

use super::head::{HEAD_BYTES, Head, Kind};
use super::page::{self, Page};

/// The largest tag in front of a stream that is believed, in bytes: covers are large.
const MOST_TAG_BYTES: usize = 4 << 20;
/// Length of an ID3v1 tag.
const ID3V1_BYTES: usize = 128;
/// Bytes that tell a tag.
const TAG_HEAD_BYTES: usize = 10;

/// What a place in the stream is.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing that is known. It cost as much work as reading so many bytes.
    No(usize),
    /// That many bytes will tell.
    Later(usize),
    /// A tag of that many bytes.
    Tag(usize),
    /// A frame of that kind, with another behind it.
    Frames(Kind),
    /// An Ogg page.
    Ogg,
}

/// What `bytes` begin with. When `ended`, nothing follows them.
pub(super) fn look(bytes: &[u8], ended: bool) -> Look {
    let later = |count| if ended { Look::No(1) } else { Look::Later(count) };
    match bytes {
        [0xFF, ..] => {
            if bytes.len() < HEAD_BYTES {
                return later(HEAD_BYTES);
            }
            let Some(head) = Head::parse(bytes) else { return Look::No(1) };
            match bytes.get(head.bytes..head.bytes + HEAD_BYTES) {
                None => later(head.bytes + HEAD_BYTES),
                Some(next) if is_kind(next, head.kind) => Look::Frames(head.kind),
                Some(_) => Look::No(1),
            }
        }
        [b'O', ..] => match Page::look(bytes) {
            page::Look::No(work) => Look::No(work),
            page::Look::Later(count) => later(count),
            page::Look::Page(_) => Look::Ogg,
        },
        [b'I' | b'T', ..] => tag(bytes).map_or(Look::No(1), |count| match count {
            Ok(bytes) => Look::Tag(bytes),
            Err(count) => later(count),
        }),
        [] => later(1),
        _ => Look::No(1),
    }
}

/// Bytes until the next place that is worth a look.
pub(super) fn uninteresting(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| matches!(byte, 0xFF | b'O' | b'I' | b'T')).unwrap_or(bytes.len())
}

/// What becomes of a frame when seen with what follows it.
pub(super) enum Verdict {
    Good,
    /// What follows is not what should: bytes are missing, or this is no frame.
    Bad,
    /// That many bytes will tell.
    Later(usize),
}

/// Judges the frame that `bytes` begin with by what follows it: its like, a tag, or the beginning of something else.
pub(super) fn follows(head: &Head, bytes: &[u8], ended: bool) -> Verdict {
    let Some(next) = bytes.get(head.bytes..) else {
        return if ended { Verdict::Bad } else { Verdict::Later(head.bytes) };
    };
    if is_kind(next, head.kind) {
        return Verdict::Good;
    }
    if next.len() < TAG_HEAD_BYTES {
        return if ended { Verdict::Good } else { Verdict::Later(head.bytes + TAG_HEAD_BYTES) };
    }
    match look(next, ended) {
        Look::No(_) => Verdict::Bad,
        Look::Later(count) => Verdict::Later(head.bytes + count),
        Look::Tag(_) | Look::Frames(_) | Look::Ogg => Verdict::Good,
    }
}

fn is_kind(bytes: &[u8], kind: Kind) -> bool {
    Head::parse(bytes).is_some_and(|head| head.kind == kind)
}

/// The length of the tag that `bytes` begin with, or how many of them are needed to tell.
fn tag(bytes: &[u8]) -> Option<Result<usize, usize>> {
    let start = bytes.get(..3.min(bytes.len()))?;
    if start == b"TAG" {
        return Some(Ok(ID3V1_BYTES));
    }
    if !b"ID3".starts_with(start) {
        return b"TAG".starts_with(start).then_some(Err(TAG_HEAD_BYTES));
    }
    let Some(&[_, _, _, version, revision, flags, a, b, c, d]) = bytes.get(..TAG_HEAD_BYTES) else {
        return Some(Err(TAG_HEAD_BYTES));
    };
    let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
    let legal =
        (2..=4).contains(&version) && revision != 0xFF && [a, b, c, d].iter().all(|byte| *byte < 0x80);
    let footer = if flags & 0x10 == 0 { 0 } else { TAG_HEAD_BYTES };
    (legal && size <= MOST_TAG_BYTES).then_some(Ok(TAG_HEAD_BYTES + size + footer))
}
