//! Ogg pages out of bytes (RFC 3533, section 6), each proved by its checksum.

use crate::container::ogg_crc;

const CAPTURE: &[u8; 4] = b"OggS";
/// Length of a header without its table of segments.
const HEAD_BYTES: usize = 27;

/// A whole page, as it lies in the bytes it was found at the front of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// It goes on with the last packet of the page before.
    pub(super) continued: bool,
    /// It is the first of its stream.
    pub(super) first: bool,
    /// It is the last.
    pub(super) last: bool,
    /// Position after the last packet that ends on it; none if none does.
    pub(super) granule: Option<u64>,
    pub(super) serial: u32,
    pub(super) sequence: u32,
    pub(super) segments: usize,
    /// Its length.
    pub(super) bytes: usize,
}

/// What bytes begin with.
#[derive(Debug)]
pub(super) enum Look {
    /// No page; finding that out cost as much as reading so many bytes.
    No(usize),
    /// That many bytes will tell.
    Later(usize),
    Page(Page),
}

impl Page {
    pub(super) fn look(bytes: &[u8]) -> Look {
        let known = bytes.len().min(CAPTURE.len());
        if !bytes.starts_with(&CAPTURE[..known]) {
            return Look::No(1);
        }
        let Some(head) = bytes.get(..HEAD_BYTES) else { return Look::Later(HEAD_BYTES) };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (version, flags, segments) = (head[4], head[5], usize::from(head[26]));
        if version != 0 || flags > 7 {
            return Look::No(1);
        }
        let Some(table) = bytes.get(HEAD_BYTES..HEAD_BYTES + segments) else {
            return Look::Later(HEAD_BYTES + segments);
        };
        let length = HEAD_BYTES + segments + table.iter().map(|lacing| usize::from(*lacing)).sum::<usize>();
        let Some(body) = bytes.get(HEAD_BYTES - 1..length) else { return Look::Later(length) };
        let crc = ogg_crc(ogg_crc(ogg_crc(0, &head[..22]), &[0; 4]), body);
        if crc != word(22) {
            return Look::No(length);
        }
        let granule = u64::from(word(6)) | u64::from(word(10)) << 32;
        Look::Page(Self {
            continued: flags & 1 != 0,
            first: flags & 2 != 0,
            last: flags & 4 != 0,
            granule: (granule != u64::MAX).then_some(granule),
            serial: word(14),
            sequence: word(18),
            segments,
            bytes: length,
        })
    }

    /// Where its packets begin.
    pub(super) fn body_at(&self) -> usize {
        HEAD_BYTES + self.segments
    }

    /// Of the packet that begins with segment `segment`: its length on this page, the segment after it, and whether it
    /// ends here. `bytes` begin with the page.
    pub(super) fn packet(&self, bytes: &[u8], segment: usize) -> (usize, usize, bool) {
        let table = bytes.get(HEAD_BYTES + segment..self.body_at()).unwrap_or_default();
        let whole = table.iter().position(|lacing| *lacing < 255);
        let count = whole.map_or(table.len(), |last| last + 1);
        let length = table.iter().take(count).map(|lacing| usize::from(*lacing)).sum();
        (length, segment + count, whole.is_some())
    }
}
