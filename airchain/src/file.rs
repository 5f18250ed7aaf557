//! Writing a programme to one file.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use airchain_codecs::container::{self, ContainerError, Muxer};
use airchain_codecs::encode::{self, EncodeError, Encoder};
use airchain_codecs::{Format, Packet};
use airchain_core::Stereo;
use airchain_core::item::Metadata;

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refused; the caller checks path, permission and space.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The extension does not fit the format.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The encoder cannot do what the format asks, or failed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A file being written, under its name with `.part` behind it: readable up to its last packet at any time, and
/// thrown away unless it is finished. What has the name until then, such as an item of the programme, stays whole.
///
/// What is not a regular file (a pipe, a device, anything below `/dev` and `/proc`) is written directly.
pub struct FileWriter {
    path: PathBuf,
    /// Where it is until it is finished.
    part: Option<PathBuf>,
    file: BufWriter<File>,
    encoder: Box<dyn Encoder>,
    muxer: Box<dyn Muxer>,
    packets: Vec<Packet>,
    bytes: Vec<u8>,
}

impl FileWriter {
    /// Prepares to create (or replace) `path`; the container goes by its extension. Frames come at `rate_hz`.
    pub fn create(
        path: &Path,
        format: &Format,
        rate_hz: u32,
        metadata: &Metadata,
    ) -> Result<Self, FileError> {
        let encoder = encode::open(format, rate_hz)?;
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
        let mut muxer = container::for_file(encoder.info(), &extension.unwrap_or_default())?;
        let failed = |source| FileError::Io { path: path.to_owned(), source };
        let (path, part, file) = create(path).map_err(failed)?;
        let mut bytes = Vec::new();
        muxer.start(metadata, &mut bytes);
        let file = BufWriter::with_capacity(1 << 16, file);
        let mut writer = Self { path, part, file, encoder, muxer, packets: Vec::new(), bytes };
        writer.flush_bytes()?;
        Ok(writer)
    }

    /// Appends frames.
    pub fn write(&mut self, frames: &[Stereo]) -> Result<(), FileError> {
        self.encoder.encode(frames, &mut self.packets)?;
        self.mux()
    }

    /// Ends the file: every frame that went in is in it, and it has its name.
    pub fn finish(mut self) -> Result<(), FileError> {
        self.encoder.finish(&mut self.packets)?;
        self.mux()?;
        let patches = self.muxer.finish(&mut self.bytes);
        self.flush_bytes()?;
        let patch = || {
            self.file.flush()?;
            // A pipe cannot be gone back in; its reader has to do with what a header said at first.
            let seekable = self.file.stream_position().is_ok();
            for patch in patches.into_iter().filter(|_| seekable) {
                self.file.seek(SeekFrom::Start(patch.offset))?;
                self.file.write_all(&patch.data)?;
            }
            self.file.flush()?;
            match &self.part {
                Some(part) => std::fs::rename(part, &self.path),
                None => Ok(()),
            }
        };
        let finished = patch();
        finished.map_err(|source| self.failed(source))?;
        self.part = None;
        Ok(())
    }

    fn mux(&mut self) -> Result<(), FileError> {
        for packet in self.packets.drain(..) {
            self.muxer.packet(&packet, &mut self.bytes);
        }
        self.flush_bytes()
    }

    fn flush_bytes(&mut self) -> Result<(), FileError> {
        let written = self.file.write_all(&self.bytes);
        self.bytes.clear();
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), source }
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = std::fs::remove_file(part);
        }
    }
}

/// The file that `path` means, the name that it is written under, if another, and that file.
fn create(path: &Path) -> io::Result<(PathBuf, Option<PathBuf>, File)> {
    let before = match std::fs::metadata(path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let is_special = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    if is_special || before.as_ref().is_some_and(|before| !before.is_file()) {
        return Ok((path.to_owned(), None, File::create(path)?));
    }
    // A link goes on to point to the file; a file that must not be written to is not replaced either.
    let path = match before {
        Some(_) => {
            File::options().write(true).open(path)?;
            path.canonicalize()?
        }
        None => path.to_owned(),
    };
    let mut part = path.clone().into_os_string();
    part.push(".part");
    let file = File::create(&part)?;
    if let Some(before) = before {
        file.set_permissions(before.permissions())?;
    }
    Ok((path, Some(part.into()), file))
}
