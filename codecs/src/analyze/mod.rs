//! What is to be known of a file before it airs: length, loudness, peaks, cue points and tags, in one decode.

mod blocks;
mod intro;
mod meters;
mod points;
mod waveform;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use airchain_core::Frames;
use serde::{Deserialize, Serialize};

use crate::decode::{self, Decoder, Progress, TrackInfo};
use meters::Meters;
pub use waveform::{SAMPLES_PER_PIXEL, Waveform};

/// Raised whenever the same file and options give another [`Analysis`]: results that were kept are then out of date.
pub const VERSION: u32 = 1;

/// Told now and then how many frames are done, of how many where that is known; may break the analysis off.
pub type Watch<'a> = dyn FnMut(Frames, Option<Frames>) -> ControlFlow<()> + 'a;

/// What to measure, and where a programme begins and ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Whether to keep the momentary and short-term series.
    pub series: bool,
    /// Whether to make a waveform.
    pub waveform: Option<Zoom>,
    /// Level that counts as silence at either end, in LU relative to the loudest 400 ms of the file. It is taken
    /// as no higher than -40 LUFS and no lower than -70 LUFS.
    pub cue_lu: f64,
    /// Level below which the ending has faded enough for the next item, in LU relative to the integrated loudness.
    pub start_next_lu: f64,
    /// The same for endings that are long or do not fade: what is above it may be music, only soft.
    pub tail_lu: f64,
    /// Endings longer than this, in seconds from [`start_next_lu`](Self::start_next_lu) to cue out, are long.
    pub long_ending_s: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            series: false,
            waveform: None,
            cue_lu: -45.0,
            start_next_lu: -12.0,
            tail_lu: -24.0,
            long_ending_s: 15.0,
        }
    }
}

/// How fine a waveform is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zoom {
    /// From 1024 to 2048 pixels, whatever the length (fewer only where each is of 64 frames).
    Overview,
    /// So many frames per pixel, within [`SAMPLES_PER_PIXEL`].
    SamplesPerPixel(u32),
}

/// What is known of a file. What cannot be known (the loudness of silence, the tags of a file without) is `None`.
/// Times are seconds after gapless trimming; levels are rounded to thousandths.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Analysis {
    /// The file, as it was asked for.
    pub path: String,
    /// Codec.
    pub codec: Option<String>,
    /// Container.
    pub container: Option<String>,
    /// Length in seconds.
    pub duration_s: Option<f64>,
    /// Decoded frames after gapless trimming, at the file's own rate.
    pub frames: Option<Frames>,
    /// The file's own rate in Hz.
    pub sample_rate_hz: Option<u32>,
    /// Channels in the file. Files of more than two are measured as the stereo they air as.
    pub channels: Option<u16>,
    /// Integrated loudness (ITU-R BS.1770-5, gated), in LUFS. Mono counts as one channel.
    pub integrated_lufs: Option<f64>,
    /// Loudness range (EBU Tech 3342), in LU.
    pub loudness_range_lu: Option<f64>,
    /// Greatest true peak of any channel (BS.1770-5 annex 2), in dBTP.
    pub true_peak_dbtp: Option<f64>,
    /// Greatest sample of any channel, in dBFS.
    pub sample_peak_dbfs: Option<f64>,
    /// Greatest momentary loudness (EBU Tech 3341, 400 ms), in LUFS; `None` under 400 ms.
    pub max_momentary_lufs: Option<f64>,
    /// Greatest short-term loudness (EBU Tech 3341, 3 s), in LUFS; `None` under 3 s.
    pub max_short_term_lufs: Option<f64>,
    /// Where sound begins: the start of the first 10 ms above [`Options::cue_lu`].
    pub cue_in_s: Option<f64>,
    /// Where sound ends: the end of the last 10 ms above [`Options::cue_lu`].
    pub cue_out_s: Option<f64>,
    /// Where the next item may start: from here on the ending is below [`Options::start_next_lu`], or, where it is long
    /// or does not fade, below [`Options::tail_lu`] and lifeless. Cue out of one that stops dead.
    pub start_next_s: Option<f64>,
    /// Where the intro ends: by a tag, or else where the programme comes in much louder than before. `None` where neither
    /// tells.
    pub intro_end_s: Option<f64>,
    /// Replay gain by the file's own tags, in dB relative to -18 LUFS.
    pub replaygain_db: Option<f64>,
    /// That of its album.
    pub replaygain_album_db: Option<f64>,
    /// Greatest sample by the file's own tags, 1 for full scale.
    pub replaygain_peak: Option<f64>,
    /// That of its album.
    pub replaygain_album_peak: Option<f64>,
    /// Title, by the file's tags.
    pub title: Option<String>,
    /// Artist, by the file's tags.
    pub artist: Option<String>,
    /// Album, by the file's tags.
    pub album: Option<String>,
    /// All its other tags.
    pub tags: BTreeMap<String, String>,
    /// Why the file could not be read, or not to its end; what was measured before is there all the same.
    pub error: Option<String>,
    /// Momentary loudness every 10 ms: end of the window in seconds, LUFS (`None` for silence).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentary: Option<Vec<(f64, Option<f64>)>>,
    /// Short-term loudness every 10 ms, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_term: Option<Vec<(f64, Option<f64>)>>,
    /// The waveform, where it was asked for.
    #[serde(skip)]
    pub waveform: Option<Waveform>,
}

/// Decodes a file once and measures it. Never fails as a whole: see [`Analysis::error`].
pub fn analyze(path: &Path, options: &Options) -> Analysis {
    analyze_with(path, options, &mut |_, _| ControlFlow::Continue(())).unwrap_or_default()
}

/// Like [`analyze`], with a watch on it; `None` when that broke it off.
pub fn analyze_with(path: &Path, options: &Options, watch: &mut Watch<'_>) -> Option<Analysis> {
    let mut analysis = Analysis { path: path.display().to_string(), ..Analysis::default() };
    // A decoder that panics over one file must not end the analysis of all the others.
    let measured = catch_unwind(AssertUnwindSafe(|| measure(path, options, watch, &mut analysis)));
    analysis.error = match measured {
        Ok(Ok(())) => None,
        Ok(Err(Stop::Failed(error))) => Some(error),
        Ok(Err(Stop::BrokenOff)) => return None,
        Err(_) => Some(format!("{}: the decoder failed on it; convert the file", path.display())),
    };
    Some(analysis)
}

/// Why a file was not measured to its end.
enum Stop {
    Failed(String),
    BrokenOff,
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

fn measure(
    path: &Path,
    options: &Options,
    watch: &mut Watch<'_>,
    analysis: &mut Analysis,
) -> Result<(), Stop> {
    let mut decoder = decode::open(path)?;
    analysis.describe(decoder.info());
    let (rate, mono) = (decoder.info().sample_rate_hz, decoder.info().channels == 1);
    let mut meters = Meters::new(rate, mono, options)
        .ok_or_else(|| Stop::Failed(format!("{}: impossible sample rate {rate}", path.display())))?;
    let end = run(decoder.as_mut(), &mut meters, watch);
    meters.report(options, &decoder.info().metadata, analysis);
    end
}

/// Decodes to the end, or as far as it goes.
fn run(decoder: &mut dyn Decoder, meters: &mut Meters, watch: &mut Watch<'_>) -> Result<(), Stop> {
    let total = decoder.info().frames;
    let mut frames = Vec::new();
    loop {
        frames.clear();
        let outcome = decoder.decode(&mut frames);
        meters.add(&mut frames);
        if watch(meters.frames(), total).is_break() {
            return Err(Stop::BrokenOff);
        }
        if outcome? == Progress::End {
            return Ok(());
        }
    }
}

impl Analysis {
    /// Whether it is one that a file can have: for results that come from somewhere else than a measurement.
    pub fn is_plausible(&self) -> bool {
        let levels = [
            self.integrated_lufs,
            self.loudness_range_lu,
            self.true_peak_dbtp,
            self.sample_peak_dbfs,
            self.max_momentary_lufs,
            self.max_short_term_lufs,
            self.replaygain_db,
            self.replaygain_album_db,
        ];
        let Some(end) = self.duration_s.filter(|_| self.frames.is_some()) else { return false };
        let times = [self.cue_in_s, self.intro_end_s, self.start_next_s, self.cue_out_s, self.duration_s];
        // Samples are f32, so no level is beyond a thousand decibels.
        levels.into_iter().flatten().all(|level| level.abs() <= 1_000.0)
            && times.into_iter().flatten().all(|time| (0.0..=end).contains(&time))
    }

    fn describe(&mut self, info: &TrackInfo) {
        self.codec = Some(info.codec.clone());
        self.container = Some(info.container.clone());
        self.sample_rate_hz = Some(info.sample_rate_hz);
        self.channels = Some(info.channels);
        let gain = info.replaygain;
        (self.replaygain_db, self.replaygain_album_db) = (gain.track_db, gain.album_db);
        (self.replaygain_peak, self.replaygain_album_peak) = (gain.track_peak, gain.album_peak);
        self.title = info.metadata.title.clone();
        self.artist = info.metadata.artist.clone();
        self.album = info.metadata.album.clone();
        self.tags = info.metadata.extra.clone();
    }
}
