//! Packets out of a container, by symphonia, with its traps fenced in: failures become words, panics too.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::errors::{Error, Result};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatReader, SeekMode, SeekTo, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataRevision;
use symphonia::core::packet::Packet;
use symphonia::core::units::Timestamp;

use super::DecodeError;
use super::mp4::{self, Edit};
use super::tags::Tags;
use super::wave::{self, Wave};

/// An open container and the audio track that is played of it.
pub(super) struct Reader {
    format: Box<dyn FormatReader>,
    track: u32,
    /// The codec's set-up.
    pub(super) params: AudioCodecParameters,
    /// Units per second of packet times, as a fraction.
    pub(super) units: (u32, u32),
    /// Encoder delay, where the container says so.
    pub(super) delay: Option<u32>,
    /// Length in frames as the container declares or guesses it; for MP4 in units.
    pub(super) declared: Option<u64>,
}

/// What came instead of a packet.
pub(super) enum Fault {
    /// The end.
    End,
    /// The end, where there should have been more.
    Cut,
    /// A packet was lost; the next may be good.
    Lost,
    /// A new chained stream begins.
    Chained,
    /// Nothing more can be had.
    Fatal(String),
}

impl Reader {
    /// Opens the container at `path`.
    pub(super) fn open(path: &Path) -> std::result::Result<Self, DecodeError> {
        let shown = path.display().to_string();
        let io = |source| DecodeError::Io { path: shown.clone(), source };
        let meta = std::fs::metadata(path).map_err(io)?;
        if meta.is_dir() {
            return Err(io(std::io::Error::from(ErrorKind::IsADirectory)));
        }
        if !meta.is_file() {
            // A pipe or device could hold up a worker for ever.
            return Err(DecodeError::Unknown { path: shown, message: "it is not a regular file".into() });
        }
        if meta.len() == 0 {
            return Err(DecodeError::Empty { path: shown });
        }
        let file = || File::open(path).map_err(|source| DecodeError::Io { path: shown.clone(), source });
        let source = || -> std::result::Result<Box<dyn MediaSource>, DecodeError> {
            let mending = Wave::mend(file()?);
            Ok(match mending.map_err(|source| DecodeError::Io { path: shown.clone(), source })? {
                Ok(wave) => Box::new(wave),
                Err(file) => Box::new(file),
            })
        };
        let found = guard(|| probe(source()?, path))
            // A cut file can fail where symphonia looks for its end; read straight through, it plays.
            .or_else(|first| {
                let source = Box::new(ReadOnlySource::new(BufReader::new(file()?)));
                guard(|| probe(source, path)).map_err(|_| first)
            });
        let mut format = found.map_err(|trouble| match trouble {
            Trouble::Open(error) => error,
            Trouble::Symphonia(Error::IoError(source)) if source.kind() != ErrorKind::UnexpectedEof => {
                DecodeError::Io { path: shown.clone(), source }
            }
            Trouble::Symphonia(error) => DecodeError::Unknown { path: shown.clone(), message: words(&error) },
            Trouble::Panic => {
                DecodeError::Damaged { path: shown.clone(), message: "it makes the decoder fail".into() }
            }
        })?;
        let unknown = |message: &str| DecodeError::Unknown { path: shown.clone(), message: message.into() };
        let (track, params, units, delay, declared) =
            track_of(&mut *format).ok_or_else(|| unknown("it holds no audio that can be decoded"))?;
        Ok(Self { format, track, params, units, delay, declared })
    }

    /// The container's name.
    pub(super) fn container(&self) -> &'static str {
        match self.format.format_info().short_name {
            "aac" => "adts",
            "isomp4" => "mp4",
            "wave" => "wav",
            other => other,
        }
    }

    /// The next packet of the track.
    pub(super) fn next(&mut self) -> std::result::Result<Packet, Fault> {
        loop {
            match guard(|| Ok(self.format.next_packet()?)) {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(packet),
                Ok(Some(_)) => {}
                Ok(None) => return Err(Fault::End),
                Err(Trouble::Symphonia(error)) => return Err(fault(&error)),
                Err(_) => return Err(Fault::Fatal("it makes the decoder fail".into())),
            }
        }
    }

    /// Goes to a packet at or before `units`; says where that is.
    pub(super) fn seek(&mut self, units: i64) -> Option<i64> {
        let to = SeekTo::Timestamp { ts: Timestamp::new(units), track_id: self.track };
        let seeked = guard(|| Ok(self.format.seek(SeekMode::Accurate, to)?)).ok()?;
        (seeked.actual_ts.get() <= units).then_some(seeked.actual_ts.get())
    }

    /// Follows a chained stream to its next link.
    pub(super) fn next_link(&mut self) -> bool {
        let Some((track, params, units, delay, declared)) = track_of(&mut *self.format) else {
            return false;
        };
        (self.track, self.params, self.units) = (track, params, units);
        (self.delay, self.declared) = (delay, declared);
        true
    }

    /// Everything that the tags say.
    pub(super) fn tags(&mut self) -> Tags {
        let mut tags = Tags::default();
        self.revisions().iter().for_each(|revision| tags.add(revision));
        tags
    }

    /// The file's sets of tags, best first.
    pub(super) fn revisions(&mut self) -> Vec<MetadataRevision> {
        let mut revisions = Vec::new();
        let mut metadata = self.format.metadata();
        while let Some(revision) = metadata.pop() {
            revisions.push(revision);
        }
        revisions.extend(metadata.current().cloned());
        // Within a file the container's own tags know best, ID3v1 with its 30 characters least.
        revisions.sort_by_key(|revision| revision.info.short_name == "id3v1");
        revisions
    }

    /// What a WAVE file says of itself; nothing for the others.
    pub(super) fn wave_info(&self, path: &Path) -> Vec<([u8; 4], String)> {
        let file = File::open(path).ok().filter(|_| self.container() == "wav");
        file.map(|file| wave::info(&mut BufReader::new(file))).unwrap_or_default()
    }

    /// The edit list of the track, in MP4.
    pub(super) fn edit(&self, path: &Path) -> Option<Edit> {
        mp4::edit_of(&mut BufReader::new(File::open(path).ok()?), self.track)
    }

    /// Frames at `rate` in `units`, to the nearest.
    pub(super) fn to_frames(&self, units: i64, rate: u32) -> i64 {
        let (numer, denom) = self.units;
        scale(units, u64::from(rate) * u64::from(numer), u64::from(denom))
    }

    /// The unit in which frame `frames` at `rate` lies.
    pub(super) fn to_units(&self, frames: i64, rate: u32) -> i64 {
        let (numer, denom) = self.units;
        let (frames, by) = (i128::from(frames), i128::from(rate) * i128::from(numer));
        (frames * i128::from(denom)).div_euclid(by.max(1)).clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

/// `value * by / over`, to the nearest.
pub(super) fn scale(value: i64, by: u64, over: u64) -> i64 {
    let (by, over) = (i128::from(by), i128::from(over.max(1)));
    let scaled = (2 * i128::from(value) * by + over).div_euclid(2 * over);
    scaled.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

type Found = (u32, AudioCodecParameters, (u32, u32), Option<u32>, Option<u64>);

fn track_of(format: &mut dyn FormatReader) -> Option<Found> {
    let track = format.default_track(TrackType::Audio)?;
    let params = track.codec_params.as_ref()?.audio()?.clone();
    let rate = params.sample_rate.unwrap_or(0);
    let units = match track.time_base {
        Some(base) => (base.numer.get(), base.denom.get()),
        None => (1, rate.max(1)),
    };
    Some((track.id, params, units, track.delay, track.num_frames))
}

fn probe(source: Box<dyn MediaSource>, path: &Path) -> std::result::Result<Box<dyn FormatReader>, Trouble> {
    let stream = MediaSourceStream::new(source, Default::default());
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let probe = symphonia::default::get_probe();
    Ok(probe.probe(&hint, stream, Default::default(), Default::default())?)
}

/// Why a guarded call did not succeed.
enum Trouble {
    Symphonia(Error),
    Open(DecodeError),
    Panic,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Symphonia(error)
    }
}

impl From<DecodeError> for Trouble {
    fn from(error: DecodeError) -> Self {
        Self::Open(error)
    }
}

/// Runs a call into symphonia. A panic there is a damaged file, not the end of the process.
fn guard<T>(call: impl FnOnce() -> std::result::Result<T, Trouble>) -> std::result::Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Trouble::Panic))
}

/// As [`guard`], for decoders: `None` when nothing came of it.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Option<T> {
    guard(|| Ok(call()?)).ok()
}

fn fault(error: &Error) -> Fault {
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Fault::Cut,
        Error::DecodeError(_) => Fault::Lost,
        Error::ResetRequired => Fault::Chained,
        other => Fault::Fatal(words(other)),
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => "it ends too soon".into(),
        Error::Unsupported(what) if what.starts_with("core (probe)") => {
            "nothing in it looks like audio".into()
        }
        other => other.to_string(),
    }
}
