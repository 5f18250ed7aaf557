//! Writing a programme to one file.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
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

/// A file being written, readable up to its last packet at any time.
pub struct FileWriter {
    path: PathBuf,
    file: BufWriter<File>,
    encoder: Box<dyn Encoder>,
    muxer: Box<dyn Muxer>,
    packets: Vec<Packet>,
    bytes: Vec<u8>,
}

impl FileWriter {
    /// Creates (or replaces) `path`; the container goes by its extension. Frames come at `rate_hz`.
    pub fn create(
        path: &Path,
        format: &Format,
        rate_hz: u32,
        metadata: &Metadata,
    ) -> Result<Self, FileError> {
        let encoder = encode::open(format, rate_hz)?;
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
        let mut muxer = container::for_file(encoder.info(), &extension.unwrap_or_default())?;
        let file = File::create(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        let mut bytes = Vec::new();
        muxer.start(metadata, &mut bytes);
        let (path, file) = (path.to_owned(), BufWriter::with_capacity(1 << 16, file));
        let mut writer = Self { path, file, encoder, muxer, packets: Vec::new(), bytes };
        writer.flush_bytes()?;
        Ok(writer)
    }

    /// Appends frames.
    pub fn write(&mut self, frames: &[Stereo]) -> Result<(), FileError> {
        self.encoder.encode(frames, &mut self.packets)?;
        self.mux()
    }

    /// Ends the file: every frame that went in is in it.
    pub fn finish(mut self) -> Result<(), FileError> {
        self.encoder.finish(&mut self.packets)?;
        self.mux()?;
        let patches = self.muxer.finish(&mut self.bytes);
        self.flush_bytes()?;
        let patch = || {
            self.file.flush()?;
            for patch in patches {
                self.file.seek(SeekFrom::Start(patch.offset))?;
                self.file.write_all(&patch.data)?;
            }
            self.file.flush()
        };
        let patched = patch();
        patched.map_err(|source| self.failed(source))
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
