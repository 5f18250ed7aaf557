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
    // Too loud is as loud as can be.
    let samples = audio.as_flattened().iter().map(|sample| (sample * 32_768.0).round() as i16);
    write_wav(path, rate, PCM, samples.flat_map(i16::to_le_bytes).collect())
}

/// An item of `audio` at `rate` Hz, written to `path` as WAV of 32-bit floats, whose values come through unchanged.
pub fn float_wav(path: &Path, rate: u32, audio: &[Stereo]) -> Item {
    write_wav(
        path,
        rate,
        FLOAT,
        audio.as_flattened().iter().flat_map(|sample| sample.to_le_bytes()).collect(),
    )
}

/// How samples are coded in WAV: the format's number, and the bytes of a sample.
type Coding = (u16, u16);

const PCM: Coding = (1, 2);
const FLOAT: Coding = (3, 4);

/// Writes stereo `data`, byte by byte as the format's definition has it.
fn write_wav(path: &Path, rate: u32, (format, bytes): Coding, data: Vec<u8>) -> Item {
    let size = u32::try_from(data.len()).expect("WAV holds 4 GiB");
    let (channels, frame) = (2_u16, 2 * bytes);
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend(b"RIFF");
    file.extend((36 + size).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0");
    file.extend([format, channels].into_iter().flat_map(u16::to_le_bytes));
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(frame)).to_le_bytes());
    file.extend([frame, 8 * bytes].into_iter().flat_map(u16::to_le_bytes));
    file.extend(b"data");
    file.extend(size.to_le_bytes());
    file.extend(data);
    std::fs::write(path, file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Item::file(path.display().to_string())
}
