//! WAVE files whose headers lie: recorders that died, pipes that could not go back, downloads that stopped.
//!
//! The lengths in the header are limits that the file cannot keep; symphonia takes them at their word. So a length
//! that reaches past the end of the file, or was never filled in, is read as "to the end of the file".

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// What a length that is not known looks like.
const UNKNOWN: [u8; 4] = [0xff; 4];
/// Chunks looked at before giving up.
const MAX_CHUNKS: usize = 64;
/// Bytes of a text that are read.
const MAX_VALUE: u64 = 4096;

/// What a WAVE file says of itself: the chunks of its `LIST` of type `INFO` (RIFF MCI 1991, 2-14), each by its name. symphonia
/// 0.6.1 reads them and throws them away.
pub(super) fn info(file: &mut (impl Read + Seek)) -> Vec<([u8; 4], String)> {
    let mut found = Vec::new();
    // What cannot be read ends the search: a title is no reason to refuse a file.
    let _ = read_info(file, &mut found);
    found
}

fn read_info(file: &mut (impl Read + Seek), found: &mut Vec<([u8; 4], String)>) -> Result<()> {
    let mut at = 12;
    for _ in 0..MAX_CHUNKS {
        file.seek(SeekFrom::Start(at))?;
        let (kind, size) = chunk(file)?;
        let end = at + 8 + u64::from(size);
        at += 8;
        if kind == *b"LIST" && size >= 4 {
            let mut of = [0; 4];
            file.read_exact(&mut of)?;
            at += 4;
            while of == *b"INFO" && at + 8 <= end && found.len() < MAX_CHUNKS {
                file.seek(SeekFrom::Start(at))?;
                let (name, size) = chunk(file)?;
                let mut value = Vec::new();
                file.take(u64::from(size).min(MAX_VALUE)).read_to_end(&mut value)?;
                let latin1 = |value: Vec<u8>| value.iter().map(|&byte| byte as char).collect();
                let text = String::from_utf8(value).unwrap_or_else(|error| latin1(error.into_bytes()));
                found.push((name, text));
                at += 8 + u64::from(size) + u64::from(size % 2);
            }
        }
        at = end + end % 2;
    }
    Ok(())
}

/// Name and size of the chunk that is next.
fn chunk(file: &mut impl Read) -> Result<([u8; 4], u32)> {
    let (mut name, mut size) = ([0; 4], [0; 4]);
    file.read_exact(&mut name)?;
    file.read_exact(&mut size)?;
    Ok((name, u32::from_le_bytes(size)))
}

/// A WAVE file with its wrong lengths replaced on reading.
pub(super) struct Wave {
    file: File,
    length: u64,
    position: u64,
    /// Offsets of lengths to replace.
    wrong: Vec<u64>,
}

impl Wave {
    /// Wraps `file` when it is a WAVE file with wrong lengths; gives it back from its start otherwise.
    pub(super) fn mend(mut file: File) -> Result<std::result::Result<Self, File>> {
        let length = file.metadata()?.len();
        let wrong = wrong_lengths(&mut file, length).unwrap_or_default();
        file.seek(SeekFrom::Start(0))?;
        Ok(if wrong.is_empty() { Err(file) } else { Ok(Self { file, length, position: 0, wrong }) })
    }
}

fn wrong_lengths(file: &mut File, length: u64) -> Option<Vec<u64>> {
    let mut header = [0; 12];
    file.read_exact(&mut header).ok()?;
    if &header[..4] != b"RIFF" || &header[8..] != b"WAVE" {
        return None;
    }
    let mut at = 12;
    for _ in 0..MAX_CHUNKS {
        let mut chunk = [0; 8];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut chunk).ok()?;
        let [kind @ .., s0, s1, s2, s3] = chunk;
        let size = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        if kind == *b"data" {
            let unfilled = size == 0 && length > at + 8;
            let whole = at + 8 + size <= length && !unfilled;
            return Some(if whole { Vec::new() } else { vec![4, at + 4] });
        }
        at += 8 + size + size % 2;
    }
    None
}

impl Read for Wave {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let read = self.file.read(out)?;
        for &wrong in &self.wrong {
            for (offset, byte) in (wrong..).zip(UNKNOWN) {
                if let Some(place) = offset.checked_sub(self.position)
                    && let Some(place) = usize::try_from(place).ok().filter(|place| *place < read)
                {
                    out[place] = byte;
                }
            }
        }
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Wave {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

impl MediaSource for Wave {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}
