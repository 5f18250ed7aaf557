//! Where the audio of an MP4 file begins and ends: the edit list and iTunes' own note, both of which symphonia
//! leaves aside.

use std::io::{Read, Seek, SeekFrom};

/// The edit of one track (ISO/IEC 14496-12, 8.6.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edit {
    /// Where the presentation begins in the track, in units of its timescale.
    pub(super) media_time: u64,
    /// The track's units per second.
    pub(super) timescale: u32,
    /// Length of the presentation in the movie's units; 0 when unknown.
    pub(super) duration: u64,
    /// The movie's units per second.
    pub(super) movie_timescale: u32,
}

/// Boxes looked at before giving up; no real file comes near it.
const MAX_BOXES: usize = 4096;

/// Reads the edit of track `id`, when there is one edit and no more.
pub(super) fn edit_of(file: &mut (impl Read + Seek), id: u32) -> Option<Edit> {
    let end = file.seek(SeekFrom::End(0)).ok()?;
    let mut walk = Walk { file, boxes: 0 };
    let moov = walk.find(0, end, b"moov")?;
    let movie_timescale = {
        let (start, end) = walk.find(moov.0, moov.1, b"mvhd")?;
        walk.timescale(start, end)?
    };
    let mut from = moov.0;
    loop {
        let trak = walk.find(from, moov.1, b"trak")?;
        from = trak.1;
        let tkhd = walk.find(trak.0, trak.1, b"tkhd")?;
        let version = walk.bytes::<1>(tkhd.0, tkhd.1)?[0];
        let track_id = u32::from_be_bytes(walk.bytes(tkhd.0 + if version == 1 { 20 } else { 12 }, tkhd.1)?);
        if track_id != id {
            continue;
        }
        let edts = walk.find(trak.0, trak.1, b"edts")?;
        let elst = walk.find(edts.0, edts.1, b"elst")?;
        let mdia = walk.find(trak.0, trak.1, b"mdia")?;
        let mdhd = walk.find(mdia.0, mdia.1, b"mdhd")?;
        let timescale = walk.timescale(mdhd.0, mdhd.1)?;
        let (media_time, duration) = walk.single_edit(elst.0, elst.1)?;
        return Some(Edit { media_time, timescale, duration, movie_timescale });
    }
}

struct Walk<'a, F> {
    file: &'a mut F,
    boxes: usize,
}

impl<F: Read + Seek> Walk<'_, F> {
    fn bytes<const N: usize>(&mut self, at: u64, end: u64) -> Option<[u8; N]> {
        if at.checked_add(N as u64)? > end {
            return None;
        }
        self.file.seek(SeekFrom::Start(at)).ok()?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The inside of the first box of a kind between two offsets.
    fn find(&mut self, mut at: u64, end: u64, kind: &[u8; 4]) -> Option<(u64, u64)> {
        loop {
            self.boxes += 1;
            let header: [u8; 8] = self.bytes(at, end).filter(|_| self.boxes < MAX_BOXES)?;
            let [s0, s1, s2, s3, found @ ..] = header;
            let (inside, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
                0 => (at + 8, end - at),
                1 => (at + 16, u64::from_be_bytes(self.bytes(at + 8, end)?)),
                size => (at + 8, u64::from(size)),
            };
            let next = at.checked_add(size).filter(|next| *next >= inside && *next <= end)?;
            if found == *kind {
                return Some((inside, next));
            }
            at = next;
        }
    }

    /// Units per second of an `mvhd` or `mdhd`, which begin alike.
    fn timescale(&mut self, start: u64, end: u64) -> Option<u32> {
        let version = self.bytes::<1>(start, end)?[0];
        let timescale = u32::from_be_bytes(self.bytes(start + if version == 1 { 20 } else { 12 }, end)?);
        (timescale > 0).then_some(timescale)
    }

    /// Media time and duration of the only edit that shows anything.
    fn single_edit(&mut self, start: u64, end: u64) -> Option<(u64, u64)> {
        let [version, _, _, _, c0, c1, c2, c3] = self.bytes(start, end)?;
        let mut found = None;
        for index in 0..u64::from(u32::from_be_bytes([c0, c1, c2, c3]).min(16)) {
            let (duration, media_time) = if version == 1 {
                let at = start + 8 + 20 * index;
                (u64::from_be_bytes(self.bytes(at, end)?), i64::from_be_bytes(self.bytes(at + 8, end)?))
            } else {
                let at = start + 8 + 12 * index;
                let media_time = i32::from_be_bytes(self.bytes(at + 4, end)?);
                (u64::from(u32::from_be_bytes(self.bytes(at, end)?)), i64::from(media_time))
            };
            // A negative media time is an empty edit: a pause before the first.
            if let Ok(media_time) = u64::try_from(media_time)
                && found.replace((media_time, duration)).is_some()
            {
                return None;
            }
        }
        found
    }
}

/// What the `iTunSMPB` tag says: frames of encoder delay, of padding at the end, and of audio between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Smpb {
    pub(super) delay: u64,
    pub(super) padding: u64,
    pub(super) frames: u64,
}

impl Smpb {
    /// Reads the tag: hexadecimal fields, of which the second to fourth count.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut fields =
            text.split_ascii_whitespace().skip(1).map(|field| u64::from_str_radix(field, 16).ok());
        let (delay, padding, frames) = (fields.next()??, fields.next()??, fields.next()??);
        // The counts are of one file: anything near overflow is nonsense.
        let sane = delay < 1 << 20 && padding < 1 << 20 && frames > 0 && frames < 1 << 40;
        sane.then_some(Self { delay, padding, frames })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_itunes_note_is_read() {
        let text = " 00000000 00000840 000001CA 00000000003F31F6 00000000 00000000";
        assert_eq!(Smpb::parse(text), Some(Smpb { delay: 0x840, padding: 0x1ca, frames: 0x3f_31f6 }));
        assert_eq!(Smpb::parse("00000000 FFFFFFFFFFFFFFFF 0 1"), None);
        assert_eq!(Smpb::parse("nonsense"), None);
    }
}
