//! What the tests of encoders and containers share: a signal, an encoder run, ffmpeg as a peer, and alignment.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use airchain_codecs::container::Muxer;
use airchain_codecs::encode;
use airchain_codecs::format::Format;
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::Stereo;
use airchain_core::item::Metadata;

/// Two sweeps against each other, 200 Hz to 5 kHz and back, at -6 dBFS: correlates with itself at one lag only.
pub fn sweep(rate: u32, frames: usize) -> Vec<Stereo> {
    let seconds = frames as f64 / f64::from(rate);
    let phase = |t: f64, from: f64, to: f64| {
        std::f64::consts::TAU * (from * t + (to - from) * t * t / (2.0 * seconds))
    };
    (0..frames)
        .map(|i| {
            let t = i as f64 / f64::from(rate);
            [(0.5 * phase(t, 200.0, 5_000.0).sin()) as f32, (0.5 * phase(t, 5_000.0, 200.0).sin()) as f32]
        })
        .collect()
}

/// Encodes all of `frames`, in calls of `step` frames.
pub fn encode(format: &Format, rate: u32, frames: &[Stereo], step: usize) -> (SharedInfo, Vec<Packet>) {
    let mut encoder = encode::open(format, rate).unwrap_or_else(|error| panic!("{format}: {error}"));
    let mut packets = Vec::new();
    for part in frames.chunks(step) {
        encoder.encode(part, &mut packets).unwrap();
    }
    encoder.finish(&mut packets).unwrap();
    check_grid(format, &packets);
    (encoder.info().clone(), packets)
}

/// Packets follow one another without a hole.
fn check_grid(format: &Format, packets: &[Packet]) {
    for pair in packets.windows(2) {
        assert_eq!(pair[0].end(), pair[1].pts, "{format}: packets leave no hole");
    }
}

/// Puts packets into a container, whole: patches applied.
pub fn mux(mut muxer: Box<dyn Muxer>, metadata: &Metadata, packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    muxer.start(metadata, &mut out);
    for packet in packets {
        muxer.packet(packet, &mut out);
    }
    for patch in muxer.finish(&mut out) {
        let at = patch.offset as usize;
        out[at..at + patch.data.len()].copy_from_slice(&patch.data);
    }
    out
}

/// Writes `bytes` to a file and has ffmpeg decode it; any word of ffmpeg's is a failure.
pub fn ffmpeg(bytes: &[u8], extension: &str) -> Vec<Stereo> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("audio.{extension}"));
    std::fs::write(&path, bytes).unwrap();
    ffmpeg_file(&path)
}

/// Has ffmpeg decode a file; any word of ffmpeg's is a failure.
pub fn ffmpeg_file(path: &Path) -> Vec<Stereo> {
    ffmpeg_run(Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-i"]).arg(path))
}

/// Has ffmpeg decode a stream, which it cannot seek in; any word of ffmpeg's is a failure.
pub fn ffmpeg_piped(path: &Path) -> Vec<Stereo> {
    let file = std::fs::File::open(path).unwrap();
    ffmpeg_run(Command::new("ffmpeg").args(["-v", "error", "-i", "-"]).stdin(file))
}

fn ffmpeg_run(command: &mut Command) -> Vec<Stereo> {
    // Timestamps counted afresh: those of chained streams begin again and again.
    let output = ["-af", "asetpts=N", "-f", "f32le", "-c:a", "pcm_f32le", "-ac", "2", "-"];
    let run = command.args(output).output().expect("ffmpeg is installed");
    let words = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && words.is_empty(), "ffmpeg: {words}");
    let sample = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    run.stdout.chunks_exact(8).map(|frame| [sample(&frame[..4]), sample(&frame[4..])]).collect()
}

/// Runs a tool on a file and answers what it printed; fails if it fails.
pub fn tool(program: &str, arguments: &[&str], path: &Path) -> String {
    let run =
        Command::new(program).args(arguments).arg(path).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{program}: {text}");
    text
}

/// How decoded audio lies against what it was made from.
#[derive(Debug)]
pub struct Fit {
    /// Frames by which it is late.
    pub lag: i64,
    /// Correlation at that lag: 1 is the same shape.
    pub correlation: f64,
    /// Its level against the original's in dB.
    pub gain_db: f64,
}

/// Finds the lag near `expected` (within 3000 frames) at which `decoded` fits `original` best, over the middle of it.
pub fn fit(original: &[Stereo], decoded: &[Stereo], expected: i64) -> Fit {
    let middle = original.len() / 4..original.len() * 3 / 4;
    let products = |lag: i64, step: usize| {
        let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for i in middle.clone().step_by(step) {
            let j = i as i64 + lag;
            let other = usize::try_from(j).ok().and_then(|j| decoded.get(j)).copied().unwrap_or([0.0; 2]);
            for (x, y) in original[i].iter().zip(other) {
                let (x, y) = (f64::from(*x), f64::from(y));
                (xy, xx, yy) = (xy + x * y, xx + x * x, yy + y * y);
            }
        }
        (xy, xx, yy)
    };
    let lag = (expected - 3000..=expected + 3000)
        .map(|lag| (products(lag, 29).0, lag))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0, |best| best.1);
    let lag = (lag - 20..=lag + 20)
        .map(|lag| (products(lag, 1).0, lag))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0, |best| best.1);
    let (xy, xx, yy) = products(lag, 1);
    Fit { lag, correlation: xy / (xx * yy).sqrt(), gain_db: 10.0 * (yy / xx).log10() }
}
