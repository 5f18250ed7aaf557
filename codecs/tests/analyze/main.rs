//! File analysis against signals of known loudness, and against ffmpeg as an independent peer.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use airchain_codecs::analyze::{Analysis, Options, analyze};
use ebur128::{EbuR128, Mode};

mod cover;
mod points;
mod waveform;

/// Writes a WAV of 32-bit floats.
fn wav(path: &Path, rate: u32, channels: u16, samples: &[f32]) {
    let mut file = Vec::new();
    let bytes = samples.len() as u32 * 4;
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(3_u16.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(channels) * 4).to_le_bytes());
    file.extend((channels * 4).to_le_bytes());
    file.extend(32_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    samples.iter().for_each(|sample| file.extend(sample.to_le_bytes()));
    fs::write(path, file).expect("the file can be written");
}

/// A folder and the signals in it.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder for files") }
    }

    /// A stereo file of 1 kHz, alike in both channels, in stretches of so many seconds at so many dBFS.
    fn tones(&self, rate: u32, stretches: &[(f64, f64)]) -> PathBuf {
        let mut samples = Vec::new();
        for (seconds, level_db) in stretches {
            let gain = 10.0_f64.powf(level_db / 20.0);
            for _ in 0..(seconds * f64::from(rate)).round() as usize {
                let n = samples.len() / 2;
                let sample = (gain * (TAU * 1000.0 * n as f64 / f64::from(rate)).sin()) as f32;
                samples.extend([sample, sample]);
            }
        }
        self.file("tones.wav", rate, 2, &samples)
    }

    fn file(&self, name: &str, rate: u32, channels: u16, samples: &[f32]) -> PathBuf {
        let path = self.folder.path().join(name);
        wav(&path, rate, channels, samples);
        path
    }
}

fn close(value: Option<f64>, expected: f64, tolerance: f64, what: &str) {
    let value = value.unwrap_or_else(|| panic!("{what} is not known"));
    assert!((value - expected).abs() <= tolerance, "{what}: {value}, expected {expected}");
}

fn measured(path: &Path) -> Analysis {
    let analysis = analyze(path, &Options { series: true, ..Options::default() });
    assert_eq!(analysis.error, None);
    analysis
}

/// No level: silence, as it is written in a list of stretches.
const SILENCE: f64 = f64::NEG_INFINITY;

#[test]
fn ebu_tech_3341_tones_read_as_the_standard_says() {
    let bench = Bench::new();
    let cases: &[(&[(f64, f64)], f64)] = &[
        (&[(20.0, -23.0)], -23.0),
        (&[(20.0, -33.0)], -33.0),
        (&[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)], -23.0),
        (&[(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)], -23.0),
        (&[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)], -23.0),
    ];
    for (case, (stretches, expected)) in cases.iter().enumerate() {
        let analysis = measured(&bench.tones(48_000, stretches));
        close(analysis.integrated_lufs, *expected, 0.1, &format!("case {}", case + 1));
    }
}

#[test]
fn ebu_tech_3342_ranges_read_as_the_standard_says() {
    let bench = Bench::new();
    let cases: &[(&[f64], f64)] = &[
        (&[-20.0, -30.0], 10.0),
        (&[-20.0, -15.0], 5.0),
        (&[-40.0, -20.0], 20.0),
        (&[-50.0, -35.0, -20.0, -35.0, -50.0], 15.0),
    ];
    for (levels, expected) in cases {
        let stretches: Vec<(f64, f64)> = levels.iter().map(|level| (20.0, *level)).collect();
        close(measured(&bench.tones(48_000, &stretches)).loudness_range_lu, *expected, 1.0, "range");
    }
}

/// Bursts of two tones, unlike in the two channels.
fn bursts(rate: u32, channels: u16, seconds: u32) -> Vec<f32> {
    let sample = |n: u32, channel: u16| {
        let t = f64::from(n) / f64::from(rate);
        let tone = |hz: f64| (t * 0.7).sin().powi(2) * 0.5 * (t * hz * TAU).sin();
        (if channel == 0 { tone(200.0) } else { tone(3000.0) * 0.5 }) as f32
    };
    (0..rate * seconds).flat_map(|n| (0..channels).map(move |channel| sample(n, channel))).collect()
}

#[test]
fn loudness_equals_ebur128_at_every_rate() {
    let bench = Bench::new();
    for (rate, channels) in
        [(8_000, 1), (22_050, 2), (44_100, 1), (44_100, 2), (48_000, 2), (96_000, 2), (192_000, 1)]
    {
        let samples = bursts(rate, channels, 12);
        let ours = measured(&bench.file("bursts.wav", rate, channels, &samples));
        let mode = Mode::I | Mode::M | Mode::S | Mode::TRUE_PEAK;
        let mut peer = EbuR128::new(channels.into(), rate, mode).unwrap();
        let (momentary, short_term) = (ours.momentary.unwrap(), ours.short_term.unwrap());
        let lufs = |series: &[(f64, Option<f64>)], end: usize, window: usize| {
            let entry = end.checked_sub(window).map(|at| series[at])?;
            assert!((entry.0 - end as f64 / 100.0).abs() < 1e-4, "{rate}: {entry:?} at {end}");
            entry.1
        };
        // The grids fall together at whole 100 ms.
        for (n, tenth) in samples.chunks((rate * u32::from(channels)) as usize / 10).enumerate() {
            peer.add_frames_f32(tenth).unwrap();
            let end = 10 * (n + 1);
            if let Some(ours) = lufs(&momentary, end, 40) {
                assert!((ours - peer.loudness_momentary().unwrap()).abs() < 0.002, "{rate} {channels} {end}");
            }
            if let Some(ours) = lufs(&short_term, end, 300) {
                assert!((ours - peer.loudness_shortterm().unwrap()).abs() < 0.002, "{rate} {channels} {end}");
            }
        }
        let what = format!("{rate} Hz, {channels}");
        close(ours.integrated_lufs, peer.loudness_global().unwrap(), 0.02, &what);
        let peak = (0..u32::from(channels)).map(|c| peer.true_peak(c).unwrap()).fold(0.0, f64::max);
        close(ours.true_peak_dbtp, 20.0 * peak.log10(), 0.001, &what);
    }
}

#[test]
fn momentary_and_short_term_maxima_are_of_their_series() {
    let bench = Bench::new();
    let analysis = measured(&bench.tones(48_000, &[(4.0, -30.0), (0.4, -20.0), (4.0, -30.0)]));
    close(analysis.max_momentary_lufs, -20.0, 0.1, "momentary");
    let short_term = -30.0 + 10.0 * ((2.6 + 0.4 * 10.0_f64) / 3.0).log10();
    close(analysis.max_short_term_lufs, short_term, 0.1, "short-term");
    let momentary = analysis.momentary.unwrap();
    assert_eq!(momentary.len(), 801);
    assert_eq!((momentary[0].0, momentary[800].0), (0.4, 8.4));
    let maximum = momentary.iter().filter_map(|entry| entry.1).reduce(f64::max);
    assert_eq!(maximum, analysis.max_momentary_lufs);
    assert_eq!(analysis.short_term.unwrap().len(), 541);
}

#[test]
fn peaks_between_samples_are_seen() {
    let bench = Bench::new();
    // A quarter of the rate at 45 degrees: every sample 3 dB below the wave's peak.
    for rate in [44_100, 48_000, 96_000] {
        let sample = |n: usize| (0.5 * (TAU * n as f64 / 4.0 + TAU / 8.0).sin()) as f32;
        let samples: Vec<f32> = (0..rate as usize).flat_map(|n| [sample(n), 0.0]).collect();
        let analysis = measured(&bench.file("fs4.wav", rate, 2, &samples));
        close(analysis.sample_peak_dbfs, -9.03, 0.02, "sample peak");
        close(analysis.true_peak_dbtp, -6.02, 0.3, "true peak");
    }
}

#[test]
fn mono_is_one_channel() {
    let bench = Bench::new();
    let tone: Vec<f32> =
        (0..480_000).map(|n| (0.1 * (TAU * 1000.0 * f64::from(n) / 48_000.0).sin()) as f32).collect();
    let analysis = measured(&bench.file("mono.wav", 48_000, 1, &tone));
    assert_eq!(analysis.channels, Some(1));
    // A 1 kHz sine of 0 dBFS in one channel is -3.01 LUFS (BS.1770-5, annex 1).
    close(analysis.integrated_lufs, -23.01, 0.1, "integrated");
    close(analysis.max_momentary_lufs, -23.01, 0.1, "momentary");
}

#[test]
fn what_cannot_be_known_is_null() {
    let bench = Bench::new();
    let silence = measured(&bench.tones(48_000, &[(5.0, SILENCE)]));
    let json = serde_json::to_value(&silence).unwrap();
    for field in [
        "integrated_lufs",
        "loudness_range_lu",
        "true_peak_dbtp",
        "sample_peak_dbfs",
        "max_momentary_lufs",
        "cue_in_s",
        "cue_out_s",
        "start_next_s",
        "replaygain_db",
        "title",
        "error",
    ] {
        assert!(json[field].is_null(), "{field}: {}", json[field]);
    }
    assert_eq!(json["frames"], 240_000);
    let blip = measured(&bench.tones(48_000, &[(0.1, -10.0)]));
    assert_eq!((blip.max_momentary_lufs, blip.max_short_term_lufs, blip.integrated_lufs), (None, None, None));
    close(blip.cue_out_s, 0.1, 0.001, "cue out of a blip");
    assert!(blip.true_peak_dbtp.is_some());
}

#[test]
fn samples_that_are_no_numbers_do_no_harm() {
    let bench = Bench::new();
    let mut samples: Vec<f32> =
        (0..480_000).map(|n| (0.1 * (TAU * 1000.0 * f64::from(n / 2) / 48_000.0).sin()) as f32).collect();
    samples[1000] = f32::NAN;
    samples[200_000] = f32::INFINITY;
    let analysis = measured(&bench.file("nan.wav", 48_000, 2, &samples));
    close(analysis.integrated_lufs, -20.0, 0.1, "integrated");
    assert!(analysis.true_peak_dbtp.unwrap() < -15.0);
}

#[test]
fn what_is_no_audio_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("empty.mp3", &b""[..]), ("text.mp3", &b"this is no music at all\n"[..])] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let analysis = analyze(&path, &Options::default());
        let error = analysis.error.unwrap_or_else(|| panic!("{name} was read"));
        assert!(error.contains(name), "{error}");
        assert_eq!((analysis.frames, analysis.integrated_lufs), (None, None));
    }
    assert!(analyze(&folder.path().join("none.wav"), &Options::default()).error.is_some());
}

/// What ffmpeg's `ebur128` filter reads: integrated loudness, range, true peak.
fn ffmpeg(path: &Path) -> [f64; 3] {
    let run = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-hide_banner",
            "-i",
            path.to_str().expect("utf-8"),
            "-af",
            "ebur128=peak=true",
            "-f",
            "null",
            "-",
        ])
        .output()
        .expect("ffmpeg is needed by this test");
    let log = String::from_utf8_lossy(&run.stderr).into_owned();
    let summary = log.rsplit_once("Summary:").unwrap_or_else(|| panic!("{log}")).1.to_owned();
    ["I:", "LRA:", "Peak:"].map(|name| {
        let line = summary.lines().map(str::trim).find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {summary}"))
    })
}

#[test]
fn ffmpeg_measures_the_same() {
    let bench = Bench::new();
    // Bursts of chords that differ between the channels, with an inaudible low and a loud high part.
    let sample = |t: f64, detune: f64| {
        let swell = 0.15 + 0.85 * (t * 0.9).sin().powi(4);
        let chord: f64 = [55.0, 220.0, 1310.0, 7900.0].iter().map(|hz| (TAU * hz * detune * t).sin()).sum();
        (0.2 * swell * chord) as f32
    };
    for (rate, extension, codec) in [
        (44_100, "wav", &[][..]),
        (48_000, "flac", &["-c:a", "flac"][..]),
        (44_100, "mp3", &["-c:a", "libmp3lame", "-b:a", "128k"][..]),
    ] {
        let frames = (0..rate * 20).map(|n| f64::from(n) / f64::from(rate));
        let samples: Vec<f32> = frames.flat_map(|t| [sample(t, 1.0), sample(t, 1.02)]).collect();
        let original = bench.file("chords.wav", rate, 2, &samples);
        let path = original.with_extension(extension);
        if extension != "wav" {
            let mut encode = Command::new("ffmpeg");
            encode.args(["-nostdin", "-loglevel", "error", "-y", "-i"]).arg(&original).args(codec);
            encode.args(["-metadata", "title=Chords", "-metadata", "artist=Nobody"]).arg(&path);
            assert!(encode.status().expect("ffmpeg is needed by this test").success());
        }
        let analysis = measured(&path);
        let [integrated, range, peak] = ffmpeg(&path);
        close(analysis.integrated_lufs, integrated, 0.1, extension);
        close(analysis.loudness_range_lu, range, 0.5, extension);
        close(analysis.true_peak_dbtp, peak, 0.3, extension);
        assert_eq!(analysis.frames, Some(u64::from(rate) * 20), "{extension}");
        if extension != "wav" {
            assert_eq!(
                (analysis.title.as_deref(), analysis.artist.as_deref()),
                (Some("Chords"), Some("Nobody"))
            );
        }
    }
}
