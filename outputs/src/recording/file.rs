//! One recording while it grows. At every moment the file is what a player can read up to its end.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use airchain_codecs::container::{Muxer, Patch};
use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;

use super::cue::{self, CueSheet};
use super::reserve::reserve;

/// Space claimed at a time.
pub(super) const AHEAD_BYTES: u64 = 1 << 20;
/// Room for what the container adds to packets and at the end.
const MARGIN_BYTES: u64 = 64 << 10;

/// The file.
pub(super) struct Recording {
    file: File,
    path: PathBuf,
    muxer: Box<dyn Muxer>,
    bytes: u64,
    reserved: u64,
    empty: bool,
    cue: Option<CueSheet>,
}

impl Recording {
    /// Creates the file, by the first of its names (counted from 1) that is free; one that exists is never touched, nor
    /// is a cue sheet.
    pub(super) fn create(
        dir: &Path,
        name: impl Fn(u32) -> String,
        muxer: Box<dyn Muxer>,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let mut n = 1;
        loop {
            let path = dir.join(name(n));
            if n < 10_000 && cue::beside(&path).symlink_metadata().is_ok() {
                n += 1;
                continue;
            }
            match File::options().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    return Ok(Self { file, path, muxer, bytes: 0, reserved: 0, empty: true, cue: None });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists && n < 10_000 => n += 1,
                Err(error) => return Err((path, error)),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Has a cue sheet kept beside the file.
    pub(super) fn keep_cue(&mut self, cue: CueSheet) {
        self.cue = Some(cue);
    }

    /// Notes for the cue sheet what is true from a frame on.
    pub(super) fn note(&mut self, at: i64, metadata: &Metadata) {
        if let Some(cue) = &mut self.cue {
            cue.note(at, metadata);
        }
    }

    /// Writes the cue sheet, where it says something new. The recording does not depend on it.
    pub(super) fn write_cue(&mut self) {
        if let Some(Err(error)) = self.cue.as_mut().filter(|_| !self.empty).map(CueSheet::write) {
            tracing::warn!(path = %self.path.display(), %error, "cannot write the cue sheet");
        }
    }

    /// Opens the stream. Where it takes over from another, what players hear begins at `begin` and `lead` only warms
    /// their decoders up.
    pub(super) fn start(
        &mut self,
        begin: Option<i64>,
        metadata: &Metadata,
        lead: &[Packet],
    ) -> io::Result<()> {
        self.claim(lead)?;
        let mut out = Vec::new();
        if let Some(begin) = begin {
            self.muxer.begin_at(begin);
        }
        self.muxer.start(metadata, &mut out);
        lead.iter().for_each(|packet| self.muxer.packet(packet, &mut out));
        self.write(&out)
    }

    /// Appends packets: all of them, or with an error none.
    pub(super) fn append(&mut self, packets: &[Packet]) -> io::Result<()> {
        self.claim(packets)?;
        let mut out = Vec::new();
        packets.iter().for_each(|packet| self.muxer.packet(packet, &mut out));
        self.write(&out)?;
        self.empty = false;
        self.patch(&self.muxer.checkpoint())
    }

    /// Completes the file; one that holds no audio is taken away again.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.empty {
            return fs::remove_file(&self.path);
        }
        self.write_cue();
        let mut out = Vec::new();
        let patches = self.muxer.finish(&mut out);
        self.write(&out)?;
        self.patch(&patches)?;
        // Gives back what was claimed beyond the end.
        self.file.set_len(self.bytes)?;
        self.file.sync_data()
    }

    fn patch(&mut self, patches: &[Patch]) -> io::Result<()> {
        for patch in patches {
            self.file.seek(SeekFrom::Start(patch.offset))?;
            self.file.write_all(&patch.data)?;
        }
        self.file.seek(SeekFrom::Start(self.bytes)).map(drop)
    }

    fn claim(&mut self, packets: &[Packet]) -> io::Result<()> {
        let audio: u64 = packets.iter().map(|packet| packet.data.len() as u64).sum();
        let needed = self.bytes + audio + audio / 8 + MARGIN_BYTES;
        if needed > self.reserved {
            self.reserved = match reserve(&self.file, needed + AHEAD_BYTES) {
                Ok(()) => needed + AHEAD_BYTES,
                Err(_) => reserve(&self.file, needed).map(|()| needed)?,
            };
        }
        Ok(())
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(data);
        match &written {
            Ok(()) => self.bytes += data.len() as u64,
            // Half a packet helps nobody.
            Err(_) => {
                let _ =
                    self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            }
        }
        written
    }
}
