//! Music for measurements: chords and noise, which encoders find neither easy nor hard.

use std::io::{Error, Result};
use std::path::Path;
use std::process::Command;

/// Writes `seconds` of it to `path`: MP3, 128 kbit/s, 44.1 kHz stereo, made by ffmpeg.
///
/// # Errors
///
/// When ffmpeg cannot do it.
pub fn write(path: &Path, seconds: u32) -> Result<()> {
    let tone = |hz: f64| format!("sine=f={hz}:d={seconds}:r=44100");
    let chord = format!(
        "{}[a];{}[b];{}[c];anoisesrc=c=pink:a=0.15:d={seconds}:r=44100:s=1[n];\
         [a][b][c][n]amix=inputs=4,tremolo=f=3:d=0.6,volume=3[out]",
        tone(220.0),
        tone(277.2),
        tone(329.6)
    );
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-filter_complex", &chord, "-map", "[out]", "-ac", "2"])
        .args(["-b:a", "128k"])
        .arg(path)
        .status()?;
    if made.success() { Ok(()) } else { Err(Error::other("ffmpeg could not make the programme")) }
}
