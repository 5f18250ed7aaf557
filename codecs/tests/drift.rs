//! Ratios near 1: clean, exact in length, and without a click on any change.

use airchain_codecs::drift::Drift;
use airchain_core::Stereo;
use testkit::measure::{self, channel, click_db, tone};
use testkit::signal;

const RATE: u32 = 48_000;

/// What becomes of `input` at `ratio` from the start.
fn drifted(input: &[Stereo], ratio: f64) -> Vec<Stereo> {
    let (mut drift, mut out) = (Drift::new(), Vec::new());
    drift.set_ratio(ratio);
    drift.process(input, &mut out);
    out
}

fn bits(frames: &[Stereo]) -> Vec<[u32; 2]> {
    frames.iter().map(|frame| frame.map(f32::to_bits)).collect()
}

#[test]
fn a_ratio_of_one_passes_every_bit_at_once() {
    let mut drift = Drift::new();
    let input = [[0.1, f32::NAN], [f32::INFINITY, -0.0], [1e-40, 3.0]];
    for _ in 0..100 {
        let mut out = Vec::new();
        drift.set_ratio(1.0);
        drift.process(&input, &mut out);
        assert_eq!(bits(&out), bits(&input));
    }
}

#[test]
fn tones_pass_flat_and_clean() {
    for (rate, tones) in [
        (48_000, &[100.0, 1_000.0, 5_000.0, 10_000.0, 15_000.0, 18_000.0, 20_000.0][..]),
        (44_100, &[100.0, 1_000.0, 5_000.0, 10_000.0, 15_000.0, 18_000.0]),
    ] {
        for ratio in [0.997, 0.9999, 1.0003, 1.003, 1.005] {
            for &hz in tones {
                let out = drifted(&signal::sine(rate, hz, -1.0, 40_000), ratio);
                let fit = tone(&channel(&out[200..out.len() - 200], 0), rate, hz / ratio);
                let (gain, residual) = (fit.level_db() + 1.0, fit.residual_db());
                assert!(gain.abs() < 0.001, "{hz} Hz at {rate} Hz, {ratio}: {gain} dB");
                assert!(residual < -98.0, "{hz} Hz at {rate} Hz, {ratio}: {residual} dB is left");
            }
        }
    }
}

#[test]
fn what_it_cannot_do_stays_beside_the_tone() {
    // Close to half the rate an image is let through, which lies as far from the tone as the ratio moves the rate.
    let out = drifted(&signal::sine(48_000, 22_000.0, -1.0, 40_000), 1.003);
    let hz = 22_000.0 / 1.003;
    let samples = channel(&out[200..out.len() - 200], 0);
    let fit = tone(&samples, 48_000, hz);
    assert!((-0.5..0.01).contains(&(fit.level_db() + 1.0)), "{} dB", fit.level_db() + 1.0);
    assert!(measure::splatter_db(&samples, 48_000, &[hz], 200.0) < -90.0);
}

#[test]
fn the_length_is_exact_to_a_frame_over_a_minute() {
    let input = vec![[0.25; 2]; 60 * RATE as usize];
    for ratio in [0.995, 0.997, 0.999_9, 0.999_999, 1.000_001, 1.0003, 1.003, 1.005] {
        let out = drifted(&input, ratio);
        let expected = (input.len() - 20) as f64 * ratio;
        let off = out.len() as f64 - expected;
        assert!(off.abs() <= 1.0, "{ratio}: {off} frames");
        // A constant stays what it is, wherever between the frames it is taken.
        let worst = out[40..].iter().fold(0.0, |worst, frame| f32::max(worst, (frame[0] - 0.25).abs()));
        assert!(worst < 1e-6, "{ratio}: {worst}");
    }
}

#[test]
fn how_the_input_is_cut_makes_no_difference() {
    let input = signal::vector(RATE, 997.0, -6.0, 0, 30_011);
    let whole = drifted(&input, 1.0003);
    for cut in [1, 7, 480, 1152, 4096, 10_000] {
        let (mut drift, mut out) = (Drift::new(), Vec::new());
        drift.set_ratio(1.0003);
        input.chunks(cut).for_each(|part| drift.process(part, &mut out));
        assert!(bits(&out) == bits(&whole), "cut into {cut}");
    }
}

#[test]
fn it_sets_in_without_a_click_or_a_jump() {
    for (cut, ratio) in [(10_007, 1.003), (48_000, 0.997), (5, 1.0003), (1, 0.9999)] {
        let input = signal::vector(RATE, 997.0, -6.0, 0, 5 * RATE as usize);
        let (mut drift, mut out) = (Drift::new(), Vec::new());
        drift.process(&input[..cut], &mut out);
        assert_eq!(bits(&out), bits(&input[..cut]));
        drift.set_ratio(ratio);
        assert_eq!(drift.ratio(), 1.0);
        input[cut..].chunks(333).for_each(|part| drift.process(part, &mut out));
        assert_eq!(drift.ratio(), ratio);
        // The very next frame is the next frame.
        assert_eq!(bits(&out[..=cut]), bits(&input[..=cut]));
        check_smooth(&out, 997.0, &format!("from {cut} to {ratio}"));
    }
}

#[test]
fn a_new_ratio_makes_no_click_and_no_wow() {
    let input = signal::vector(RATE, 997.0, -6.0, 0, 20 * RATE as usize);
    let (mut drift, mut out) = (Drift::new(), Vec::new());
    drift.set_ratio(1.003);
    let ratios = [0.997, 1.003, 1.0, 1.0001, 0.995, 1.0];
    for (part, ratio) in input.chunks(RATE as usize).zip(ratios.iter().cycle()) {
        part.chunks(480).for_each(|part| drift.process(part, &mut out));
        drift.set_ratio(*ratio);
    }
    check_smooth(&out[40..], 997.0, "ratio after ratio");
    // It follows at 0.001 a second.
    let mut drift = Drift::new();
    drift.process(&input[..100], &mut out);
    drift.set_ratio(1.005);
    drift.process(&input[..RATE as usize], &mut out);
    assert!((drift.ratio() - 1.001).abs() < 1e-5, "{}", drift.ratio());
}

/// Checks that a vector of a tone turns evenly: its length never changes, nor does its speed from frame to frame.
fn check_smooth(frames: &[Stereo], hz: f64, context: &str) {
    let level = 10_f64.powf(-6.0 / 20.0);
    for (at, length) in measure::envelope(frames).iter().enumerate() {
        assert!((length / level - 1.0).abs() < 2e-5, "{context}: level {} at {at}", length / level);
    }
    let turns = measure::turn_hz(frames, RATE);
    for (at, turn) in turns.iter().enumerate() {
        assert!((turn / hz - 1.0).abs() < 0.005 + 1e-4, "{context}: {turn} Hz at {at}");
    }
    // Over 10 ms a change of 0.001 a second is 0.00001, and rounding more than that.
    for pair in turns.chunks_exact(480).collect::<Vec<_>>().windows(2) {
        let [before, after] = [pair[0], pair[1]].map(|turns| turns.iter().sum::<f64>() / 480.0 / hz);
        assert!((after - before).abs() < 2e-5, "{context}: from {before} to {after} of its pitch in 10 ms");
    }
    let click = click_db(&channel(&frames[1..], 0), RATE);
    assert!(click < -95.0, "{context}: a click of {click} dB");
}

#[test]
fn nonsense_is_survived_and_forgotten() {
    let mut input = signal::sine(RATE, 997.0, -6.0, 10_000);
    let clean = drifted(&input, 1.0003);
    input[5000] = [f32::NAN, f32::INFINITY];
    let spoilt = drifted(&input, 1.0003);
    let apart: Vec<usize> =
        (0..clean.len()).filter(|at| bits(&clean[*at..=*at]) != bits(&spoilt[*at..=*at])).collect();
    assert!(apart.len() <= 41 && apart.iter().all(|at| at.abs_diff(5000) < 25), "{apart:?}");
    let mut drift = Drift::new();
    for (ratio, kept) in [(2.0, 1.005), (f64::NAN, 1.005), (-1.0, 0.995), (f64::INFINITY, 1.005), (1.0, 1.0)]
    {
        drift.set_ratio(ratio);
        assert_eq!(drift.ratio(), kept);
    }
}
