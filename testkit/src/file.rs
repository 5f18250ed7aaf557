//! Files of audio, for what plays files.

use std::path::Path;

use airchain_core::Stereo;
use airchain_core::item::Item;

use crate::signal;

/// The rate of a [`tone`] in Hz.
pub const RATE: u32 = 48_000;

/// An item of `seconds` of a tone at -12 dB, in a file of its own in `folder`: `440.wav`.
pub fn tone(folder: &Path, hz: f64, seconds: impl Into<f64>) -> Item {
    let frames = (seconds.into() * f64::from(RATE)).round() as usize;
    wav(&folder.join(format!("{hz}.wav")), RATE, &signal::sine(RATE, hz, -12.0, frames))
}

/// An item of `audio` at `rate` Hz, written to `path` as WAV of 16 bits.
pub fn wav(path: &Path, rate: u32, audio: &[Stereo]) -> Item {
    let size = u32::try_from(audio.len() * 4).expect("WAV holds 4 GiB");
    let mut bytes = Vec::with_capacity(44 + audio.len() * 4);
    bytes.extend(b"RIFF");
    bytes.extend((36 + size).to_le_bytes());
    // PCM, stereo.
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * 4).to_le_bytes());
    bytes.extend(b"\x04\0\x10\0data");
    bytes.extend(size.to_le_bytes());
    // Too loud is as loud as can be.
    let samples = audio.as_flattened().iter().map(|sample| (sample * 32_768.0).round() as i16);
    bytes.extend(samples.flat_map(i16::to_le_bytes));
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Item::file(path.display().to_string())
}
