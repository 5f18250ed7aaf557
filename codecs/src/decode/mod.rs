//! Decoders: files in, stereo frames at the file's own rate out.
//!
//! symphonia parses the containers and decodes most codecs; libopus decodes Opus, and FDK (feature `aac`) decodes
//! HE-AAC and multichannel AAC. `track` lays their packets on one gapless timeline.

mod codec;
mod cover;
mod downmix;
#[cfg(feature = "aac")]
mod fdk;
mod mp4;
mod packets;
mod reader;
mod replaygain;
pub mod stream;
mod tags;
mod track;
mod wave;

use std::path::Path;

use airchain_core::item::Metadata;
use airchain_core::{Frames, Stereo};

pub(crate) use packets::Packets;

pub use cover::{Cover, cover};
pub use replaygain::ReplayGain;

/// What is known of a file once it is open.
#[derive(Clone, Debug, Default)]
pub struct TrackInfo {
    /// Codec, in the words of section "analyze" of the README (`mp3`, `aac`, `he-aac`, `flac`, ...).
    pub codec: String,
    /// Container (`mp3`, `adts`, `mp4`, `ogg`, `flac`, `wav`, `aiff`, ...).
    pub container: String,
    /// Sample rate in Hz of the frames that come out.
    pub sample_rate_hz: u32,
    /// Channels in the file; what comes out is always stereo.
    pub channels: u16,
    /// Frames declared by the file after gapless trimming. A hint: it can be wrong.
    pub frames: Option<Frames>,
    /// Whether that is a guess from the bit rate, or a count of packets: the file has no exact length.
    pub estimated: bool,
    /// Tags.
    pub metadata: Metadata,
    /// What tags say of its loudness.
    pub replaygain: ReplayGain,
}

/// A file being decoded.
pub trait Decoder: Send {
    /// What is known of it.
    fn info(&self) -> &TrackInfo;

    /// Appends the next frames to `out` (usually one packet's worth). Trimmed for gapless playing.
    fn decode(&mut self, out: &mut Vec<Stereo>) -> Result<Progress, DecodeError>;

    /// Makes `frame` (after gapless trimming) the next one to come out, exactly.
    fn seek(&mut self, frame: Frames) -> Result<(), DecodeError>;

    /// What was wrong with the file so far and was got over (lost packets, a cut end), for the log; taken once.
    fn take_damage(&mut self) -> Option<String>;
}

/// What one [`Decoder::decode`] achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more.
    More,
    /// That was the end.
    End,
}

/// Why a file cannot be played, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It cannot be opened or read; the caller checks path and permissions.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// It is empty.
    #[error("{path}: the file is empty")]
    Empty {
        /// The file.
        path: String,
    },
    /// It is not audio that airchain knows; the caller skips or converts it.
    #[error("{path}: not a known audio format ({message})")]
    Unknown {
        /// The file.
        path: String,
        /// What was found.
        message: String,
    },
    /// It is damaged beyond playing on.
    #[error("{path}: {message}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// A stream is no audio that can be decoded, or none any more; the caller takes another.
    #[error("the stream cannot be decoded: expected {}, found {found}", stream::EXPECTED)]
    Stream {
        /// What came instead.
        found: String,
    },
    /// More was pushed into a [`StreamDecoder`](stream::StreamDecoder) than it holds; the caller decodes in between.
    #[error(
        "the stream decoder was given more than the {capacity_bytes} bytes it holds: decode before pushing more"
    )]
    Flooded {
        /// What it holds, in bytes.
        capacity_bytes: usize,
    },
}

/// A kind of file that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderInfo {
    /// Codec, as in [`TrackInfo::codec`].
    pub codec: &'static str,
    /// Container, as in [`TrackInfo::container`].
    pub container: &'static str,
    /// File extensions it usually has.
    pub extensions: &'static [&'static str],
    /// What tells its true start and end, to the frame.
    pub gapless: &'static str,
}

const fn kind(
    codec: &'static str,
    container: &'static str,
    extensions: &'static [&'static str],
    gapless: &'static str,
) -> DecoderInfo {
    DecoderInfo { codec, container, extensions, gapless }
}

/// Every kind of file that can be decoded.
pub const DECODERS: &[DecoderInfo] = &[
    kind("mp3", "mp3", &["mp3"], "LAME tag; without one, encoder delay and padding are heard"),
    kind("mp2", "mp2", &["mp2", "mpa"], "nothing: encoder delay and padding are heard"),
    kind("aac", "adts", &["aac", "adts"], "nothing: encoder delay and padding are heard"),
    kind("he-aac", "adts", &["aac", "adts"], "nothing: encoder delay and padding are heard"),
    kind("he-aac-v2", "adts", &["aac", "adts"], "nothing: encoder delay and padding are heard"),
    kind("aac", "mp4", &["m4a", "mp4", "m4b"], "iTunSMPB tag or edit list"),
    kind("he-aac", "mp4", &["m4a", "mp4", "m4b"], "iTunSMPB tag or edit list, and the delay of SBR"),
    kind("he-aac-v2", "mp4", &["m4a", "mp4", "m4b"], "iTunSMPB tag or edit list, and the delay of SBR"),
    kind("alac", "mp4", &["m4a", "mp4"], "exact by nature"),
    kind("flac", "flac", &["flac"], "exact by nature"),
    kind("flac", "ogg", &["oga", "ogg"], "exact by nature"),
    kind("vorbis", "ogg", &["ogg", "oga"], "granule positions"),
    kind("opus", "ogg", &["opus", "ogg"], "pre-skip and granule positions"),
    kind("pcm", "wav", &["wav", "wave"], "exact by nature"),
    kind("pcm", "aiff", &["aiff", "aif", "aifc"], "exact by nature"),
    kind("pcm", "caf", &["caf"], "exact by nature"),
];

/// Whether a file extension (any case) is one of [`DECODERS`].
pub fn is_audio_extension(extension: &str) -> bool {
    DECODERS.iter().flat_map(|kind| kind.extensions).any(|known| known.eq_ignore_ascii_case(extension))
}

/// Opens an audio file, whatever its name says it is.
pub fn open(path: &Path) -> Result<Box<dyn Decoder>, DecodeError> {
    Ok(Box::new(track::Track::open(path)?))
}
