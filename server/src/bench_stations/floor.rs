//! The floor: what the codecs cost by themselves on the same material, each alone and as fast as it goes, on all cores
//! at once as the stations have them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use airchain::codecs::decode::{self, Progress};
use airchain::codecs::encode::{self, Encoder};
use airchain::codecs::resample::Resampler;
use airchain::codecs::{Codec, Format};
use airchain::core::Stereo;
use airchain::cost::thread_time;
use airchain::from_config;

use crate::Failed;

/// Sample rate of the stations, in Hz.
const RATE: u32 = 48_000;
/// The most audio that each core measures with, in seconds: enough for its share of the music of `make bench-stations`, all
/// of which the stations play. What music costs an encoder differs from piece to piece.
const AUDIO_S: usize = 900;
/// Frames handed to an encoder at a time: as many as suit it best.
const PIECE: usize = 48_000;

/// Processor seconds per hour of audio.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Floor {
    pub(super) decode: f64,
    pub(super) resample: f64,
    pub(super) mp3: f64,
    pub(super) aac: f64,
}

impl Floor {
    /// Each figure's mean; zero of none.
    pub(super) fn mean(floors: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| floors.iter().map(of).sum::<f64>() / floors.len().max(1) as f64;
        Self {
            decode: mean(|floor| floor.decode),
            resample: mean(|floor| floor.resample),
            mp3: mean(|floor| floor.mp3),
            aac: mean(|floor| floor.aac),
        }
    }

    /// Processor seconds per minute of a station.
    pub(super) fn per_station_minute(&self) -> f64 {
        (self.decode + self.resample + self.mp3 + self.aac) / 60.0
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decode, resample, mp3, aac } = self;
        write!(f, "decode {decode:.1}, resample {resample:.1}, MP3 {mp3:.1}, AAC {aac:.1}; ")?;
        write!(f, "per station-minute {:.2}", self.per_station_minute())
    }
}

/// Measures on every core; the mean.
pub(super) fn measure(paths: &[PathBuf]) -> Result<Floor, Failed> {
    let expand = |path: &PathBuf| from_config::expand(&path.display().to_string()).map_err(Failed::new);
    let files: Vec<_> = paths.iter().map(expand).collect::<Result<Vec<_>, _>>()?.concat();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let floors = std::thread::scope(|scope| {
        let files = &files;
        // Each begins with another file.
        let thread = |core: usize| {
            scope.spawn(move || {
                let at = core * files.len() / cores;
                alone(files.iter().cycle().skip(at).map(|item| Path::new(&item.path)))
            })
        };
        let threads: Vec<_> = (0..cores).map(thread).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Failed::new("a panic"))))
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Floor::mean(&floors))
}

/// One file after the other, each first decoded and then encoded, so that each codec has the caches to itself for a while.
fn alone<'a>(files: impl Iterator<Item = &'a Path>) -> Result<Floor, Failed> {
    let mut spent = [Duration::ZERO; 4];
    let [decode, resample, mp3, aac] = &mut spent;
    let mut encoders = [encoder(Codec::Mp3)?, encoder(Codec::AacLc)?];
    let (mut frames, most) = (0, AUDIO_S * RATE as usize);
    let mut audio: Vec<Stereo> = Vec::new();
    for path in files {
        if frames >= most {
            break;
        }
        audio.clear();
        let mut decoder = decode::open(path)?;
        let rate = decoder.info().sample_rate_hz;
        let mut resampler = (rate != RATE).then(|| Resampler::new(rate, RATE));
        let mut decoded = Vec::new();
        while audio.len() < most - frames {
            decoded.clear();
            let mut progress = Progress::End;
            timed(decode, || decoder.decode(&mut decoded).map(|made| progress = made))?;
            timed(resample, || match &mut resampler {
                Some(resampler) => resampler.process(&decoded, &mut audio),
                None => audio.extend_from_slice(&decoded),
            });
            if progress == Progress::End {
                break;
            }
        }
        frames += audio.len();
        let [first, second] = &mut encoders;
        timed(mp3, || encode_all(first.as_mut(), &audio))?;
        timed(aac, || encode_all(second.as_mut(), &audio))?;
    }
    let [decode, resample, mp3, aac] =
        spent.map(|time| time.as_secs_f64() * 3600.0 * f64::from(RATE) / frames.max(1) as f64);
    Ok(Floor { decode, resample, mp3, aac })
}

fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let before = thread_time();
    let result = work();
    *spent += thread_time() - before;
    result
}

fn encoder(codec: Codec) -> Result<Box<dyn Encoder>, Failed> {
    Ok(encode::open(&Format { sample_rate_hz: RATE, ..Format::of(codec) }, RATE)?)
}

fn encode_all(encoder: &mut dyn Encoder, audio: &[Stereo]) -> Result<(), Failed> {
    let mut packets = Vec::new();
    for piece in audio.chunks(PIECE) {
        encoder.encode(piece, &mut packets)?;
        packets.clear();
    }
    Ok(())
}
