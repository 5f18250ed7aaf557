//! Cost of analysing a file beside its decoding and `ebur128` with loudness, range and true peak, in one run.
//!
//! `cargo bench -p airchain-benches --bench analysis [-- FILE...]` prints a table: CPU seconds per hour of audio by the
//! system's accounting of this thread, medians of several runs taken in turn, so that a noisy machine disturbs all alike.
//! Without files it makes some of speech over noise.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::{Path, PathBuf};

use airchain::codecs::Format;
use airchain::codecs::analyze::{Options, Zoom, analyze};
use airchain::codecs::decode::{self, Progress};
use airchain::core::Stereo;
use airchain::core::item::Metadata;
use airchain::file::FileWriter;
use ebur128::{EbuR128, Mode};
use testkit::signal;

const RUNS: usize = 9;
const LENGTH_S: usize = 120;
const RATE_HZ: u32 = 48_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    // Cargo adds flags of its own.
    let mut files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(PathBuf::from).collect();
    if files.is_empty() {
        files = make_files(folder.path())?;
    }
    println!(
        "| file | decoding | with ebur128 | analysis | ratio | with a waveform |\n|---|---|---|---|---|---|"
    );
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let with_waveform = Options { waveform: Some(Zoom::Overview), ..Options::default() };
        let hours = analyze(file, &Options::default()).duration_s.unwrap_or(0.0) / 3600.0;
        let jobs: [&dyn Fn() -> Outcome<()>; 4] = [
            &|| run(file, &mut |_| Ok(())),
            &|| beside_ebur128(file),
            &|| analyse(file, &Options::default()),
            &|| analyse(file, &with_waveform),
        ];
        let mut runs = [const { Vec::new() }; 4];
        for _ in 0..RUNS {
            for (job, runs) in jobs.iter().zip(&mut runs) {
                let before = cpu_s()?;
                job()?;
                runs.push((cpu_s()? - before) / hours);
            }
        }
        let [decoding, peer, ours, waveform] = runs.map(median);
        let ratio = ours / peer;
        println!("| {name} | {decoding:.2} | {peer:.2} | {ours:.2} | {ratio:.2} | {waveform:.2} |");
    }
    Ok(())
}

/// Files of every kind of decoder.
fn make_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let frames = LENGTH_S * RATE_HZ as usize;
    let (speech, noise) = (signal::speech(RATE_HZ, -3.0, 1, frames), signal::noise(2, -30.0, frames));
    let programme: Vec<Stereo> =
        speech.iter().zip(&noise).map(|(s, n)| [s[0] + n[0], 0.8 * s[1] + n[1]]).collect();
    let kinds =
        [("mp3", "mp3:192k"), ("flac", "flac"), ("aac", "aac:160k"), ("opus", "opus:128k"), ("wav", "wav")];
    kinds
        .iter()
        .map(|(extension, format)| {
            let path = folder.join(format!("programme.{extension}"));
            let format = Format::parse(format)?;
            let mut file = FileWriter::create(&path, &format, RATE_HZ, &Metadata::default())?;
            file.write(&programme)?;
            file.finish()?;
            Ok(path)
        })
        .collect()
}

/// Decodes a file, and hands over what comes.
fn run(file: &Path, hear: &mut dyn FnMut(&[Stereo]) -> Result<(), ebur128::Error>) -> Outcome<()> {
    let mut decoder = decode::open(file)?;
    let mut frames = Vec::new();
    loop {
        frames.clear();
        let progress = decoder.decode(&mut frames)?;
        hear(&frames)?;
        if progress == Progress::End {
            return Ok(());
        }
    }
}

fn analyse(file: &Path, options: &Options) -> Outcome<()> {
    analyze(file, options).error.map_or(Ok(()), |error| Err(error.into()))
}

fn beside_ebur128(file: &Path) -> Outcome<()> {
    let rate = decode::open(file)?.info().sample_rate_hz;
    let mut meter = EbuR128::new(2, rate, Mode::I | Mode::LRA | Mode::TRUE_PEAK)?;
    run(file, &mut |frames| meter.add_frames_f32(frames.as_flattened()))?;
    std::hint::black_box((meter.loudness_global()?, meter.loudness_range()?, meter.true_peak(0)?));
    Ok(())
}

/// CPU seconds of this thread so far.
fn cpu_s() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split_whitespace().next().ok_or("no figures")?.parse()?;
    Ok(nanoseconds / 1e9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
