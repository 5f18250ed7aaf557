//! The bus meter: levels and loudness of the programme, measured off the air thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airchain_core::Stereo;
use airchain_core::tap::TapReader;
use airchain_core::units::gain_to_db;
use ebur128::{EbuR128, Mode};
use serde::Serialize;

use crate::encode_pool::Job;

/// Levels of the programme. Silence is `null`, as JSON has no minus infinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Levels {
    /// Sample peak of left and right over the last 100 ms, dBFS.
    pub peak_dbfs: [Option<f32>; 2],
    /// RMS of left and right over the last 100 ms, dBFS (a full-scale sine is -3.01).
    pub rms_dbfs: [Option<f32>; 2],
    /// Momentary loudness (400 ms), LUFS.
    pub momentary_lufs: Option<f32>,
    /// Short-term loudness (3 s), LUFS.
    pub short_term_lufs: Option<f32>,
    /// Gated loudness since the station started, LUFS.
    pub integrated_lufs: Option<f32>,
}

/// The latest [`Levels`], for whoever asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct LevelBoard(Arc<Mutex<Levels>>);

impl LevelBoard {
    pub(crate) fn read(&self) -> Levels {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, levels: Levels) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = levels;
    }
}

/// How often the tap is emptied: twice per window, so that a window is never late by more than half of itself.
const PAUSE: Duration = Duration::from_millis(50);

/// Measures a tap.
pub(crate) struct Meter {
    tap: TapReader,
    loudness: EbuR128,
    board: LevelBoard,
    window: Vec<Stereo>,
    filled: usize,
    /// Windows measured so far.
    windows: u64,
}

/// Short-term and integrated loudness change slowly and cost much: they are worked out every so many windows.
const SLOW: u64 = 5;

impl Meter {
    pub(crate) fn new(tap: TapReader, rate_hz: u32, board: LevelBoard) -> Result<Self, ebur128::Error> {
        // A histogram keeps the memory of a station that runs for years bounded.
        let loudness = EbuR128::new(2, rate_hz, Mode::M | Mode::S | Mode::I | Mode::HISTOGRAM)?;
        Ok(Self {
            tap,
            loudness,
            board,
            window: vec![[0.0; 2]; rate_hz as usize / 10],
            filled: 0,
            windows: 0,
        })
    }

    fn publish(&mut self) {
        let mut levels = self.board.read();
        for channel in 0..2 {
            let peak = self.window.iter().map(|frame| frame[channel].abs()).fold(0.0, f32::max);
            let power = self.window.iter().map(|frame| f64::from(frame[channel]).powi(2)).sum::<f64>();
            let rms = (power / self.window.len() as f64).sqrt() as f32;
            levels.peak_dbfs[channel] = finite(gain_to_db(peak));
            levels.rms_dbfs[channel] = finite(gain_to_db(rms));
        }
        if self.loudness.add_frames_f32(self.window.as_flattened()).is_ok() {
            let loudness =
                |value: Result<f64, ebur128::Error>| value.ok().and_then(|lufs| finite(lufs as f32));
            levels.momentary_lufs = loudness(self.loudness.loudness_momentary());
            if self.windows.is_multiple_of(SLOW) {
                levels.short_term_lufs = loudness(self.loudness.loudness_shortterm());
                levels.integrated_lufs = loudness(self.loudness.loudness_global());
            }
        }
        self.windows += 1;
        self.board.write(levels);
    }
}

fn finite(value: f32) -> Option<f32> {
    Some(value).filter(|value| value.is_finite())
}

impl Job for Meter {
    fn step(&mut self) -> Option<Duration> {
        // Titles are none of a meter's business, but their ring must not fill.
        loop {
            while self.tap.next_mark().is_some() {}
            let rest = self.window.get_mut(self.filled..).unwrap_or_default();
            let (_, frames) = self.tap.read(rest);
            if frames == 0 {
                break;
            }
            self.filled += frames;
            if self.filled == self.window.len() {
                self.publish();
                self.filled = 0;
            }
        }
        (!self.tap.is_finished()).then_some(PAUSE)
    }
}
