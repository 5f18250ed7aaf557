//! The meter against the test signals of EBU Tech 3341 and Tech 3342 (both 2023), and against `ebur128` and definitions.
//!
//! Of Tech 3341, cases 7 and 8 are recordings, and of Tech 3342, cases 5 and 6. Signals go through the whole meter in blocks
//! of odd sizes. Case 6 of Tech 3341 has five channels, of which only the loudness is measured: a bus is stereo.

#![allow(clippy::unwrap_used)]

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use airchain::meter::{Levels, Loudness, Meter};
use airchain_core::Stereo;
use airchain_core::item::Metadata;
use airchain_core::tap::{Mark, tap};
use ebur128::{EbuR128, Mode};
use testkit::{measure, signal};

const RATES: [u32; 2] = [48_000, 44_100];
/// No level, as it is written in a list of tones.
const SILENCE: f64 = f64::NEG_INFINITY;

/// 1 kHz, alike in both channels, for so many seconds at so many dBFS, one after the other.
fn tones(rate: u32, tones: &[(f64, f64)]) -> Vec<Stereo> {
    let mut frames = Vec::new();
    for (seconds, level_db) in tones {
        let amplitude = 10.0_f64.powf(level_db / 20.0);
        for _ in 0..(seconds * f64::from(rate)).round() as usize {
            let angle = TAU * 1_000.0 * frames.len() as f64 / f64::from(rate);
            frames.push([(amplitude * angle.sin()) as f32; 2]);
        }
    }
    frames
}

/// Feeds `frames` in blocks of odd sizes, and hands over the levels after each.
fn feed_watched(meter: &mut Meter, frames: &[Stereo], mut watch: impl FnMut(usize, Levels)) {
    let mut sizes = [1, 480, 37, 1_021, 441, 4_801, 7, 2_048].iter().cycle();
    let mut at = 0;
    while at < frames.len() {
        let end = frames.len().min(at + sizes.next().unwrap());
        meter.feed(&frames[at..end]);
        at = end;
        watch(at, meter.read());
    }
}

fn feed(meter: &mut Meter, frames: &[Stereo]) -> Levels {
    let mut last = Levels::default();
    feed_watched(meter, frames, |_, levels| last = levels);
    last
}

/// The levels at the end of a programme.
fn levels(rate: u32, frames: &[Stereo]) -> Levels {
    feed(&mut Meter::new(rate).unwrap(), frames)
}

#[track_caller]
fn near(value: Option<f32>, expected: f64, tolerance: f64, what: &str) {
    let value = f64::from(value.unwrap_or_else(|| panic!("{what}: none")));
    assert!((value - expected).abs() <= tolerance, "{what}: {value}, expected {expected} +-{tolerance}");
}

#[test]
fn tech_3341_cases_1_to_5_integrated_loudness() {
    let cases: [&[(f64, f64)]; 5] = [
        &[(20.0, -23.0)],
        &[(20.0, -33.0)],
        &[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)],
        &[(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)],
        &[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)],
    ];
    for rate in RATES {
        for (case, stretches) in (1..).zip(cases) {
            let what = format!("case {case} at {rate} Hz");
            let expected = if case == 2 { -33.0 } else { -23.0 };
            let levels = levels(rate, &tones(rate, stretches));
            near(levels.integrated_lufs, expected, 0.1, &what);
            if case <= 2 {
                near(levels.momentary_lufs, expected, 0.1, &what);
                near(levels.short_term_lufs, expected, 0.1, &what);
            }
        }
    }
}

#[test]
fn tech_3341_case_6_five_channels() {
    for rate in RATES {
        // In the order of BS.1770: left, right, centre, and the two at the sides.
        let amplitudes = [-28.0, -28.0, -24.0, -30.0, -30.0].map(|db: f64| 10.0_f64.powf(db / 20.0));
        let mut meter = Loudness::weighted(rate, [1.0, 1.0, 1.0, 1.41, 1.41]);
        for block in tones(rate, &[(20.0, 0.0)]).chunks(1_021) {
            let frames = block.iter().map(|[tone, _]| amplitudes.map(|a| (a * f64::from(*tone)) as f32));
            meter.feed(&frames.collect::<Vec<_>>());
        }
        near(meter.integrated_lufs().map(|lufs| lufs as f32), -23.0, 0.1, "integrated");
    }
}

#[test]
fn tech_3341_cases_9_and_12_windows_as_long_as_the_period() {
    for rate in RATES {
        let short_term = [(1.34, -20.0), (1.66, -30.0)].repeat(5);
        feed_watched(&mut Meter::new(rate).unwrap(), &tones(rate, &short_term), |at, levels| {
            if at >= 3 * rate as usize {
                near(levels.short_term_lufs, -23.0, 0.1, &format!("case 9 at {rate} Hz, frame {at}"));
            }
        });
        let momentary = [(0.18, -20.0), (0.22, -30.0)].repeat(25);
        feed_watched(&mut Meter::new(rate).unwrap(), &tones(rate, &momentary), |at, levels| {
            if at >= rate as usize {
                near(levels.momentary_lufs, -23.0, 0.1, &format!("case 12 at {rate} Hz, frame {at}"));
            }
        });
    }
}

/// The two maxima and how long their windows are.
type Maximum = (fn(&Levels) -> Option<f32>, f64);
const MAX_SHORT_TERM: Maximum = (|levels| levels.max_short_term_lufs, 3.0);
const MAX_MOMENTARY: Maximum = (|levels| levels.max_momentary_lufs, 0.4);

#[test]
fn tech_3341_cases_10_and_13_maxima_of_files() {
    for rate in RATES {
        for (case, (maximum, window_s)) in [(10, MAX_SHORT_TERM), (13, MAX_MOMENTARY)] {
            for i in 0..20 {
                let before_s = f64::from(i) * window_s / 20.0;
                let segment = tones(rate, &[(before_s, SILENCE), (window_s, -23.0), (1.0, SILENCE)]);
                let what = format!("case {case}, segment {i} at {rate} Hz");
                near(maximum(&levels(rate, &segment)), -23.0, 0.1, &what);
            }
        }
    }
}

#[test]
fn tech_3341_cases_11_and_14_maxima_of_a_running_programme() {
    for rate in RATES {
        for (case, (maximum, window_s)) in [(11, MAX_SHORT_TERM), (14, MAX_MOMENTARY)] {
            let mut meter = Meter::new(rate).unwrap();
            for i in 0..20 {
                let (before_s, level_db) = (f64::from(i) * window_s / 20.0, f64::from(i) - 38.0);
                let segment = [(before_s, SILENCE), (window_s, level_db), (window_s - before_s, SILENCE)];
                let levels = feed(&mut meter, &tones(rate, &segment));
                near(maximum(&levels), level_db, 0.1, &format!("case {case}, tone {i} at {rate} Hz"));
            }
        }
    }
}

/// Fades 10 ms in and out.
fn tapered(rate: u32, mut frames: Vec<Stereo>) -> Vec<Stereo> {
    let (fade, count) = (rate as usize / 100, frames.len());
    for n in 0..fade {
        let gain = n as f32 / fade as f32;
        frames[n] = frames[n].map(|sample| sample * gain);
        frames[count - 1 - n] = frames[count - 1 - n].map(|sample| sample * gain);
    }
    frames
}

/// That the greatest true peak of both channels is `expected` +0.2/-0.4 dBTP, and that of the signal, as 32 points per
/// sample see it, too.
#[track_caller]
fn assert_true_peak(rate: u32, frames: &[Stereo], expected: f64, what: &str) {
    let levels = levels(rate, frames);
    let signal = measure::true_peak_db(frames);
    for peak in levels.max_true_peak_dbtp.map(|peak| f64::from(peak.unwrap())).into_iter().chain([signal]) {
        assert!((expected - 0.4..=expected + 0.2).contains(&peak), "{what}: {peak}, expected {expected}");
    }
}

#[test]
fn tech_3341_cases_15_to_19_true_peaks_between_samples() {
    let cases = [
        (15, 4.0, 0.50, 0.0, -6.0),
        (16, 4.0, 0.50, 45.0, -6.0),
        (17, 6.0, 0.50, 60.0, -6.0),
        (18, 8.0, 0.50, 67.5, -6.0),
        (19, 4.0, 1.41, 45.0, 3.0),
    ];
    for rate in RATES {
        for (case, period, amplitude, degrees, expected) in cases {
            let phase = f64::to_radians(degrees);
            let tone =
                signal::mono(rate as usize / 5, |n| amplitude * (TAU * n as f64 / period + phase).sin());
            assert_true_peak(rate, &tapered(rate, tone), expected, &format!("case {case} at {rate} Hz"));
        }
    }
}

/// A sine of a sixth of the sample rate and half of full scale, with one period of a quarter of the rate and full scale in
/// the middle, made at four times the rate.
fn burst(frames: usize) -> Vec<f64> {
    // Periods of 24 and 16 samples, both from zero.
    let start = frames / 48 * 24;
    let sample = |n: usize| match n.checked_sub(start) {
        Some(n) if n < 16 => (TAU * n as f64 / 16.0).sin(),
        Some(n) => 0.5 * (TAU * (n - 16) as f64 / 24.0).sin(),
        None => 0.5 * (TAU * n as f64 / 24.0).sin(),
    };
    (0..frames).map(sample).collect()
}

/// Every fourth sample from `offset` on of `samples`, low-passed at half the rate that is left (a sinc under a Hann window).
fn decimated(samples: &[f64], offset: usize) -> Vec<Stereo> {
    const REACH: i64 = 256;
    let tap = |k: i64| {
        let (x, window) = (PI * k as f64 / 4.0, (PI * k as f64 / (2 * REACH) as f64).cos().powi(2));
        window * if k == 0 { 0.25 } else { 0.25 * x.sin() / x }
    };
    let taps: Vec<f64> = (-REACH..=REACH).map(tap).collect();
    let at = |n: i64| usize::try_from(n).ok().and_then(|n| samples.get(n)).copied().unwrap_or(0.0);
    signal::mono(samples.len() / 4, |n| {
        let middle = (4 * n + offset) as i64;
        (-REACH..=REACH).zip(&taps).map(|(k, tap)| tap * at(middle - k)).sum()
    })
}

#[test]
fn tech_3341_cases_20_to_23_true_peak_of_one_period() {
    for offset in 0..4 {
        let signal = tapered(48_000, decimated(&burst(4 * 9_600), offset));
        assert_true_peak(48_000, &signal, 0.0, &format!("case {}", 20 + offset));
    }
}

#[test]
fn tech_3342_cases_1_to_4_loudness_range() {
    let cases: [(&[f64], f64); 4] = [
        (&[-20.0, -30.0], 10.0),
        (&[-20.0, -15.0], 5.0),
        (&[-40.0, -20.0], 20.0),
        (&[-50.0, -35.0, -20.0, -35.0, -50.0], 15.0),
    ];
    for rate in RATES {
        for (case, (steps, expected)) in (1..).zip(cases) {
            let signal = tones(rate, &steps.iter().map(|level| (20.0, *level)).collect::<Vec<_>>());
            // The signal repeated reads the same.
            let mut meter = Meter::new(rate).unwrap();
            let mut peer = EbuR128::new(2, rate, Mode::LRA).unwrap();
            for times in 1..=2 {
                let what = format!("case {case}, {times} times at {rate} Hz");
                let range = feed(&mut meter, &signal).loudness_range_lu;
                near(range, expected, 1.0, &what);
                peer.add_frames_f32(signal.as_flattened()).unwrap();
                near(range, peer.loudness_range().unwrap(), 0.1, &what);
            }
        }
    }
}

/// Half a minute of unlike channels: swells over 30 dB, a pause, the bottom and the top of the band.
fn programme(rate: u32) -> Vec<Stereo> {
    let frames = (0..30 * rate).map(|n| f64::from(n) / f64::from(rate));
    let noise = signal::noise(5, -30.0, 30 * rate as usize);
    let sample = |(t, noise): (f64, &Stereo)| {
        let swell =
            if (12.0..16.0).contains(&t) { 0.0 } else { 10.0_f64.powf(1.5 * ((t * 0.7).sin() - 1.0)) };
        let tone = |hz: f64| (TAU * hz * t).sin();
        let high = f64::from(rate) * 0.4;
        let left = tone(55.0) + tone(910.0) + 0.3 * tone(high);
        let right = 0.5 * tone(55.5) + 0.8 * tone(1_530.0);
        [
            (swell * (0.3 * left + f64::from(noise[0]))) as f32,
            (swell * (0.3 * right + f64::from(noise[1]))) as f32,
        ]
    };
    frames.zip(&noise).map(sample).collect()
}

/// Tech 3342, section 5.
fn loudness_range(short_term_lufs: &[f64]) -> f64 {
    let gated = |lufs: &[f64], gate: f64| lufs.iter().copied().filter(|l| *l >= gate).collect::<Vec<_>>();
    let above = gated(short_term_lufs, -70.0);
    let mean = above.iter().map(|lufs| 10.0_f64.powf(lufs / 10.0)).sum::<f64>() / above.len() as f64;
    let mut sorted = gated(&above, 10.0 * mean.log10() - 20.0);
    sorted.sort_by(f64::total_cmp);
    let percentile = |p: f64| sorted[((sorted.len() - 1) as f64 * p / 100.0).round() as usize];
    percentile(95.0) - percentile(10.0)
}

#[test]
fn ebur128_measures_the_same() {
    for rate in [8_000, 44_100, 48_000, 96_000, 192_000] {
        let audio = programme(rate);
        let mut meter = Meter::new(rate).unwrap();
        let modes = Mode::I | Mode::LRA | Mode::TRUE_PEAK;
        let mut peer = EbuR128::new(2, rate, modes).unwrap();
        let mut short_term = Vec::new();
        for (window, frames) in (1..).zip(audio.chunks(rate as usize / 10)) {
            let levels = feed(&mut meter, frames);
            peer.add_frames_f32(frames.as_flattened()).unwrap();
            let what = format!("window {window} at {rate} Hz");
            for (ours, theirs) in [
                (levels.momentary_lufs, peer.loudness_momentary().unwrap()),
                (levels.short_term_lufs, peer.loudness_shortterm().unwrap()),
            ] {
                // Where there is silence, filters of one and the other ring out at -200 dB.
                if theirs > -120.0 {
                    near(ours, theirs, 0.001, &what);
                }
            }
            for channel in 0..2 {
                let [peak, so_far] = [peer.prev_true_peak(channel), peer.true_peak(channel)]
                    .map(|peak| measure::db(peak.unwrap()));
                if peak.is_finite() {
                    near(levels.true_peak_dbtp[channel as usize], peak, 0.001, &what);
                }
                near(levels.max_true_peak_dbtp[channel as usize], so_far, 0.001, &what);
            }
            if window >= 30 {
                short_term.push(peer.loudness_shortterm().unwrap());
            }
        }
        let levels = meter.read();
        near(levels.integrated_lufs, peer.loudness_global().unwrap(), 0.01, "integrated");
        near(levels.loudness_range_lu, loudness_range(&short_term), 0.05, "range of windows of ebur128");
        // It looks once a second only, as Tech 3342 had it before 2016.
        let once_a_second: Vec<f64> = short_term.into_iter().step_by(10).collect();
        let theirs = peer.loudness_range().unwrap();
        assert!((loudness_range(&once_a_second) - theirs).abs() < 0.001, "range: {theirs}");
    }
}

#[test]
fn levels_are_of_their_channel_and_window() {
    const RATE: u32 = 48_000;
    let tone = signal::sine(RATE, 1_000.0, -12.0, RATE as usize);
    let mut meter = Meter::new(RATE).unwrap();
    let levels = feed(&mut meter, &tone.iter().map(|[left, _]| [*left, left / 4.0]).collect::<Vec<_>>());
    for (channel, level) in [-12.0, -24.04].into_iter().enumerate() {
        near(levels.peak_dbfs[channel], level, 0.01, "peak");
        near(levels.rms_dbfs[channel], level - 3.01, 0.01, "RMS");
        near(levels.true_peak_dbtp[channel], level, 0.05, "true peak");
    }
    // Windows of 100 ms, of 400 ms, of 3 s, and what is kept.
    let silent = |meter: &mut Meter, ms: usize| feed(meter, &signal::silence(RATE as usize / 1_000 * ms));
    let levels = silent(&mut meter, 110);
    assert_eq!((levels.peak_dbfs, levels.rms_dbfs, levels.true_peak_dbtp), ([None; 2], [None; 2], [None; 2]));
    near(levels.correlation, 1.0, 1e-6, "correlation");
    near(levels.momentary_lufs, -14.75 + 10.0 * 0.725_f64.log10(), 0.1, "momentary");
    let levels = silent(&mut meter, 310);
    assert_eq!(levels.correlation, None);
    assert!(levels.momentary_lufs.is_none_or(|lufs| lufs < -60.0), "{:?}", levels.momentary_lufs);
    near(levels.short_term_lufs, -14.75 - 4.77, 0.1, "short-term");
    near(levels.max_true_peak_dbtp[1], -24.04, 0.05, "greatest true peak");
    near(levels.max_momentary_lufs, -14.75, 0.1, "greatest momentary");
}

#[test]
fn correlation_tells_mono_from_wide_and_from_opposite() {
    const RATE: u32 = 48_000;
    let (tone, noise) = (signal::sine(RATE, 1_000.0, -12.0, 48_000), signal::noise(3, -12.0, 48_000));
    let correlation = |frames: Vec<Stereo>| levels(RATE, &frames).correlation;
    let of = |frames: &[Stereo], matrix: fn(&Stereo) -> Stereo| frames.iter().map(matrix).collect();
    near(correlation(tone.clone()), 1.0, 1e-6, "mono");
    near(correlation(of(&tone, |[l, _]| [*l, -0.25 * l])), -1.0, 1e-6, "opposite");
    near(
        correlation(signal::vector(RATE, 1_000.0, -12.0, 0, 48_000)),
        0.0,
        1e-4,
        "a quarter of a period apart",
    );
    near(correlation(noise.clone()), 0.0, 0.03, "unrelated");
    // With as much again of what is only on the right, half of the power there is common.
    near(correlation(of(&noise, |[l, r]| [*l, l + r])), 0.5_f64.sqrt(), 0.03, "half");
    assert_eq!(correlation(of(&tone, |[l, _]| [*l, 0.0])), None);
    assert_eq!(correlation(of(&tone, |[l, _]| [*l, l * 1e-5])), None);
}

#[test]
fn any_cutting_reads_the_same_to_the_bit() {
    for rate in [11_025, 48_000] {
        let audio = &programme(rate)[..5 * rate as usize + 123];
        let mut at_once = Meter::new(rate).unwrap();
        at_once.feed(audio);
        assert_eq!(levels(rate, audio), at_once.read());
        assert!(at_once.read().loudness_range_lu.is_some());
    }
}

#[test]
fn samples_that_are_no_numbers_count_as_silence_and_do_not_stay() {
    const RATE: u32 = 48_000;
    let mut audio = tones(RATE, &[(8.0, -20.0)]);
    let (mut clean, mut meter) = (audio.clone(), Meter::new(RATE).unwrap());
    for (at, nonsense) in
        [(0, f32::NAN), (100_000, f32::INFINITY), (100_001, f32::NEG_INFINITY), (200_000, f32::NAN)]
    {
        audio[at][at % 2] = nonsense;
        clean[at][at % 2] = 0.0;
    }
    assert_eq!(feed(&mut meter, &audio), levels(RATE, &clean));
    // Numbers so great that nothing else counts beside them are measured, and gone with a reset.
    let absurd = feed(&mut meter, &[[f32::MAX, -f32::MAX]; 5_000]);
    let json = serde_json::to_value(absurd).unwrap();
    for field in ["true_peak_dbtp", "max_true_peak_dbtp"] {
        assert!(json[field][0].as_f64().is_some_and(|level| level > 700.0), "{json}");
    }
    assert!(json["integrated_lufs"].as_f64().is_some_and(|level| level > 700.0), "{json}");
    feed(&mut meter, &tones(RATE, &[(4.0, -20.0)]));
    meter.reset();
    let levels = feed(&mut meter, &tones(RATE, &[(4.0, -20.0)]));
    near(levels.integrated_lufs, -20.0, 0.1, "integrated");
    near(levels.max_short_term_lufs, -20.0, 0.1, "greatest short-term");
    near(levels.max_true_peak_dbtp[0], -20.0, 0.05, "greatest true peak");
}

#[test]
fn what_is_not_there_is_null() {
    let mut meter = Meter::new(48_000).unwrap();
    assert_eq!(meter.read(), Levels::default());
    assert_eq!(feed(&mut meter, &signal::silence(5 * 48_000)), Levels::default());
    let json = serde_json::to_value(Levels::default()).unwrap();
    assert!(json["integrated_lufs"].is_null() && json["peak_dbfs"][0].is_null(), "{json}");
    for rate in [0, 3_999, 768_001] {
        let error = Meter::new(rate).err().expect("it is no rate").to_string();
        assert!(error.contains(&format!("{rate} Hz")) && error.contains("from 4000 to 768000 Hz"), "{error}");
    }
}

#[test]
fn a_tap_is_followed_over_its_titles_and_gaps() {
    let audio = tones(48_000, &[(1.0, -20.0)]);
    let (mut writer, mut reader) = tap(36_000);
    writer.begin(7);
    for at in (7..24_007).step_by(480) {
        writer.mark(&Mark { at, metadata: Arc::new(Metadata::default()) });
    }
    let (heard, lost) = audio.split_at(36_000);
    writer.push(heard);
    writer.push(lost);
    let mut meter = Meter::new(48_000).unwrap();
    assert_eq!(meter.follow(&mut reader), 36_000);
    near(meter.read().peak_dbfs[0], -20.0, 0.01, "peak");
    // What found no room is left out, and is no silence.
    writer.push(&audio[..480]);
    assert_eq!((meter.follow(&mut reader), reader.lost()), (480, 12_000));
    near(meter.read().peak_dbfs[0], -20.0, 0.01, "peak");
}
