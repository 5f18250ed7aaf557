//! Tones, files of tones, and what is needed to look at what comes back.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;

use airchain_codecs::decode::{self, Decoder, Progress, TrackInfo};
use airchain_core::Stereo;

/// A tone at half scale: sine left, cosine right.
pub(crate) fn tone(hz: f64, rate: u32, frames: std::ops::Range<usize>) -> Vec<Stereo> {
    let step = TAU * hz / f64::from(rate);
    frames.map(|i| (step * i as f64).sin_cos()).map(|(s, c)| [0.5 * s as f32, 0.5 * c as f32]).collect()
}

/// Writes a WAVE file of 16-bit samples, rounded.
pub(crate) fn write_wav(path: &Path, rate: u32, frames: &[Stereo]) {
    let samples: Vec<u8> = frames
        .iter()
        .flatten()
        .flat_map(|s| ((s * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).to_le_bytes())
        .collect();
    std::fs::write(path, wav(rate, 2, 1, 16, &samples)).expect("the file can be written");
}

/// A WAVE file around `data` (`format` 1 is integer, 3 is float).
pub(crate) fn wav(rate: u32, channels: u16, format: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(format.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(frame)).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// Runs a program that the tests need; its absence is a failure.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Encodes a WAVE file into one of the formats of [`FORMATS`].
pub(crate) fn encode(format: &str, wav: &Path) -> PathBuf {
    let extension = format.split('-').next().unwrap_or(format);
    let out = wav.with_extension(extension);
    let (from, to) = (wav.to_str().expect("utf-8"), out.to_str().expect("utf-8"));
    let ffmpeg = |codec: &[&str]| {
        let common = ["-nostdin", "-loglevel", "error", "-y", "-i", from];
        run("ffmpeg", &[&common, codec, &[to]].concat());
    };
    match format {
        "wav" => return wav.to_owned(),
        "mp3" => run("lame", &["--quiet", "-b", "192", from, to]),
        "mp3-vbr" => run("lame", &["--quiet", "-V", "2", from, to]),
        "mp3-ffmpeg" => ffmpeg(&["-c:a", "libmp3lame", "-b:a", "160k"]),
        "flac" => run("flac", &["--silent", "-f", "-o", to, from]),
        "ogg-vorbis" => run("oggenc", &["--quiet", "-q", "5", "-o", to, from]),
        "ogg-flac" => ffmpeg(&["-c:a", "flac", "-f", "ogg"]),
        "opus" => run("opusenc", &["--quiet", "--bitrate", "128", from, to]),
        "opus-ffmpeg" => ffmpeg(&["-c:a", "libopus", "-b:a", "128k"]),
        "m4a-aac" => ffmpeg(&["-c:a", "aac", "-b:a", "192k"]),
        "m4a-alac" => ffmpeg(&["-c:a", "alac"]),
        "aac" => ffmpeg(&["-c:a", "aac", "-b:a", "192k", "-f", "adts"]),
        "aiff" => ffmpeg(&["-c:a", "pcm_s16be"]),
        "caf" => ffmpeg(&["-c:a", "pcm_s16le"]),
        other => panic!("no such format: {other}"),
    }
    out
}

/// Formats whose files tell exactly where the audio begins and ends: name, rate that comes out (0: as it went
/// in), whether every sample comes back.
pub(crate) const FORMATS: [(&str, u32, bool); 13] = [
    ("wav", 0, true),
    ("aiff", 0, true),
    ("caf", 0, true),
    ("flac", 0, true),
    ("ogg-flac", 0, true),
    ("m4a-alac", 0, true),
    ("mp3", 0, false),
    ("mp3-vbr", 0, false),
    ("mp3-ffmpeg", 0, false),
    ("ogg-vorbis", 0, false),
    ("m4a-aac", 0, false),
    ("opus", 48_000, false),
    ("opus-ffmpeg", 48_000, false),
];

/// Everything that comes out of a file.
pub(crate) struct Decoded {
    pub(crate) info: TrackInfo,
    pub(crate) frames: Vec<Stereo>,
    pub(crate) damage: Option<String>,
}

pub(crate) fn decode(path: &Path) -> Decoded {
    let mut decoder = decode::open(path).unwrap_or_else(|error| panic!("{error}"));
    let frames = rest(&mut *decoder);
    Decoded { info: decoder.info().clone(), frames, damage: decoder.take_damage() }
}

/// What a decoder has left.
pub(crate) fn rest(decoder: &mut dyn Decoder) -> Vec<Stereo> {
    let mut frames = Vec::new();
    while decoder.decode(&mut frames).expect("it can be decoded") == Progress::More {}
    frames
}

/// The best sine of a known frequency in the left channel, whose first frame is number `first`.
pub(crate) struct Fit {
    pub(crate) amplitude: f64,
    /// Frames by which it is ahead of a sine that began at frame 0.
    pub(crate) early: f64,
    /// RMS of what is left.
    pub(crate) rest: f64,
}

pub(crate) fn fit(frames: &[Stereo], first: usize, hz: f64, rate: u32) -> Fit {
    let step = TAU * hz / f64::from(rate);
    let waves = |i: usize| (step * (first + i) as f64).sin_cos();
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (i, frame) in frames.iter().enumerate() {
        let ((s, c), x) = (waves(i), f64::from(frame[0]));
        (ss, cc, sc) = (ss + s * s, cc + c * c, sc + s * c);
        (xs, xc) = (xs + x * s, xc + x * c);
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let error = |(i, frame): (usize, &Stereo)| {
        let (s, c) = waves(i);
        (f64::from(frame[0]) - a * s - b * c).powi(2)
    };
    let rest: f64 = frames.iter().enumerate().map(error).sum();
    Fit { amplitude: a.hypot(b), early: b.atan2(a) / step, rest: (rest / frames.len().max(1) as f64).sqrt() }
}

/// Largest difference between two runs of frames.
pub(crate) fn difference(a: &[Stereo], b: &[Stereo]) -> f32 {
    a.iter().flatten().zip(b.iter().flatten()).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}
