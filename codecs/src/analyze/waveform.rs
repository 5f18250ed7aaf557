//! A picture of a file in numbers: lowest and highest sample and RMS of every so many frames, for players and editors.

use airchain_core::Stereo;
use serde::{Deserialize, Serialize};

/// Pixels of an overview at most; it has at least half as many, of files that long.
const OVERVIEW: usize = 2048;
/// Samples per pixel that an overview begins with.
const FINEST: u32 = 64;
/// Samples per pixel that can be asked for.
pub const SAMPLES_PER_PIXEL: std::ops::RangeInclusive<u32> = 16..=1 << 20;
/// Pixels at most, however few samples each was to have: 100 hours at 512.
const MAX_PIXELS: usize = 40_000_000;

/// A waveform as `audiowaveform` writes it (its JSON format, version 2), which players such as peaks.js read; and `rms`
/// beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waveform {
    /// Version of the format, 2.
    pub version: u32,
    /// Channels, 1 or 2.
    pub channels: u32,
    /// Sample rate of the file in Hz.
    pub sample_rate: u32,
    /// Frames that a pixel stands for; the last may be of fewer.
    pub samples_per_pixel: u32,
    /// Bits of the values, 8: full scale is -128 to 127.
    pub bits: u32,
    /// Number of pixels.
    pub length: usize,
    /// Lowest and highest sample of every channel of every pixel, in that order.
    pub data: Vec<i8>,
    /// Root mean square of every channel of every pixel.
    pub rms: Vec<i8>,
}

impl Waveform {
    /// Whether it holds what it says: for one that comes from somewhere else than a file.
    pub fn is_plausible(&self) -> bool {
        let values = self.length.checked_mul(self.channels as usize);
        (1..=2).contains(&self.channels)
            && self.sample_rate > 0
            && self.samples_per_pixel > 0
            && values == Some(self.rms.len())
            && values.and_then(|values| values.checked_mul(2)) == Some(self.data.len())
    }
}

/// Makes a waveform of frames as they come.
pub(super) struct Scan {
    channels: usize,
    sample_rate: u32,
    /// Samples per pixel now, and whether they double when there are too many pixels.
    per_pixel: u32,
    grows: bool,
    pixels: Vec<Pixel>,
    /// Frames in the last pixel.
    filled: u32,
}

/// Of left and right.
#[derive(Clone, Copy, Default)]
struct Pixel {
    lowest: Stereo,
    highest: Stereo,
    squares: [f64; 2],
}

impl Pixel {
    const NEW: Self = Self { lowest: [f32::MAX; 2], highest: [f32::MIN; 2], squares: [0.0; 2] };

    fn add(&mut self, frames: &[Stereo]) {
        // On copies: registers do not alias.
        let Self { mut lowest, mut highest, mut squares } = *self;
        for frame in frames {
            for channel in 0..2 {
                lowest[channel] = lowest[channel].min(frame[channel]);
                highest[channel] = highest[channel].max(frame[channel]);
                squares[channel] += f64::from(frame[channel]) * f64::from(frame[channel]);
            }
        }
        *self = Self { lowest, highest, squares };
    }

    fn and(self, other: Self) -> Self {
        Self {
            lowest: [0, 1].map(|c| self.lowest[c].min(other.lowest[c])),
            highest: [0, 1].map(|c| self.highest[c].max(other.highest[c])),
            squares: [0, 1].map(|c| self.squares[c] + other.squares[c]),
        }
    }
}

impl Scan {
    /// A scan of so many samples per pixel, or an overview of a file of any length.
    pub(super) fn new(sample_rate: u32, mono: bool, samples_per_pixel: Option<u32>) -> Self {
        let [least, most] = [*SAMPLES_PER_PIXEL.start(), *SAMPLES_PER_PIXEL.end()];
        Self {
            channels: if mono { 1 } else { 2 },
            sample_rate,
            per_pixel: samples_per_pixel.map_or(FINEST, |count| count.clamp(least, most)),
            grows: samples_per_pixel.is_none(),
            pixels: Vec::new(),
            filled: 0,
        }
    }

    /// Takes the next frames.
    pub(super) fn add(&mut self, mut frames: &[Stereo]) {
        while !frames.is_empty() {
            if self.filled == self.per_pixel || self.pixels.is_empty() {
                self.next_pixel();
            }
            let room = (self.per_pixel - self.filled) as usize;
            let (now, rest) = frames.split_at(room.min(frames.len()));
            if let Some(pixel) = self.pixels.last_mut() {
                pixel.add(now);
            }
            self.filled += now.len() as u32;
            frames = rest;
        }
    }

    fn next_pixel(&mut self) {
        let most = if self.grows { OVERVIEW } else { MAX_PIXELS };
        if self.pixels.len() >= most {
            self.pixels =
                self.pixels.chunks(2).map(|pair| pair.iter().copied().fold(Pixel::NEW, Pixel::and)).collect();
            self.per_pixel *= 2;
        }
        self.pixels.push(Pixel::NEW);
        self.filled = 0;
    }

    /// What came of it.
    pub(super) fn finish(self) -> Waveform {
        let channels = self.channels;
        let mut waveform = Waveform {
            version: 2,
            channels: channels as u32,
            sample_rate: self.sample_rate,
            samples_per_pixel: self.per_pixel,
            bits: 8,
            length: self.pixels.len(),
            ..Waveform::default()
        };
        let last = self.pixels.len().saturating_sub(1);
        for (index, pixel) in self.pixels.iter().enumerate() {
            let frames = if index == last { self.filled } else { self.per_pixel };
            for channel in 0..channels {
                let rms = (pixel.squares[channel] / f64::from(frames.max(1))).sqrt() as f32;
                waveform.data.extend([pixel.lowest[channel], pixel.highest[channel]].map(eight_bits));
                waveform.rms.push(eight_bits(rms));
            }
        }
        waveform
    }
}

fn eight_bits(sample: f32) -> i8 {
    // A cast holds what is beyond full scale at full scale.
    (sample * 128.0).round() as i8
}
