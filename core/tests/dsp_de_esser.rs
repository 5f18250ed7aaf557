//! The de-esser: sibilants, and nothing else, by what is asked.

use airchain_core::Stereo;
use airchain_core::dsp::{Node, NodeStatus};
use testkit::node::{Step, level_out, node, run};
use testkit::{measure, signal};

const RATE: u32 = 48_000;

fn de_esser(rate: u32, settings: &[(&str, f32)]) -> Box<dyn Node> {
    node("de_esser", rate, settings)
}

#[test]
fn at_rest_the_spectrum_is_flat() {
    for rate in [44_100, 48_000, 96_000] {
        for frequency in [1_000.0, 5_500.0, 16_000.0] {
            let mut node = de_esser(rate, &[("frequency_hz", frequency)]);
            for hz in [20.0, 100.0, 1_000.0, 3_000.0, 5_500.0, 8_000.0, 12_000.0, 16_000.0, 20_000.0] {
                let change = level_out(&mut *node, rate, hz, -40.0, 1.0) + 40.0;
                assert!(change.abs() < 0.001, "{rate}, {frequency} Hz: {change:.4} dB at {hz} Hz");
            }
        }
    }
}

#[test]
fn the_band_is_turned_down_by_the_ratio_as_far_as_the_range() {
    for ratio in [2.0, 4.0, 100.0] {
        let settings = [("frequency", 2_000.0), ("threshold", -30.0), ("ratio", ratio), ("range", 12.0)];
        // Two octaves above the crossover, nothing of the tone is below it.
        let mut node = de_esser(RATE, &settings);
        for (level, over) in [(-31.0, 0.0), (-26.0, 4.0), (-18.0, 12.0), (-2.0, 28.0)] {
            let expected = level - f64::min(12.0, over * (1.0 - 1.0 / f64::from(ratio)));
            let measured = level_out(&mut *node, RATE, 12_000.0, level, 1.0);
            assert!((measured - expected).abs() < 0.1, "{ratio}:1: {measured:.2} dB, not {expected:.2}");
        }
        let levels = [-28.0, -24.0].map(|level| level_out(&mut *node, RATE, 12_000.0, level, 1.0));
        let slope = (levels[1] - levels[0]) / 4.0;
        assert!((slope - 1.0 / f64::from(ratio)).abs() < 0.02, "{ratio}:1: slope {slope:.4}");
    }
}

/// A voice of harmonics below 1.1 kHz, and what is said over it: hisses of an s, 70 ms long, three each second.
fn voice_and_hiss(hiss_db: f64, frames: usize) -> (Vec<Stereo>, Vec<Stereo>) {
    let voice = signal::mono(frames, |n| {
        let angle = std::f64::consts::TAU * 110.0 * n as f64 / f64::from(RATE);
        (1..=10).map(|h| (angle * f64::from(h)).sin() / f64::from(h)).sum::<f64>() * 0.15
    });
    let mut high = node("high_pass", RATE, &[("frequency_hz", 9_000.0)]);
    let mut hiss = run(&mut *high, &signal::noise(5, hiss_db, frames));
    for (n, frame) in hiss.iter_mut().enumerate() {
        let within = n % 16_000;
        let edge = within.min(3_360_usize.saturating_sub(within)) as f32 / 240.0;
        *frame = frame.map(|sample| sample * edge.clamp(0.0, 1.0));
    }
    (voice, hiss)
}

fn sum(a: &[Stereo], b: &[Stereo]) -> Vec<Stereo> {
    a.iter().zip(b).map(|(a, b)| [a[0] + b[0], a[1] + b[1]]).collect()
}

#[test]
fn the_hisses_of_a_voice_are_turned_down_and_the_voice_is_not() {
    // Well above the crossover, where nothing of the hiss is left alone.
    let settings = [("frequency_hz", 3_000.0), ("threshold_db", -60.0), ("ratio", 100.0), ("range_db", 8.0)];
    let (voice, hiss) = voice_and_hiss(-6.0, 96_000);
    let programme = sum(&voice, &hiss);
    let output = run(&mut *de_esser(RATE, &settings), &programme);
    let at_rest = run(&mut *de_esser(RATE, &[("frequency_hz", 3_000.0), ("range_db", 0.0)]), &programme);
    // What it took away is all that differs from the same filter at rest, which is flat.
    let rms = |frames: &[Stereo], high: bool| {
        let (name, hz) = if high { ("high_pass", 7_000.0) } else { ("low_pass", 1_500.0) };
        measure::rms(&run(&mut *node(name, RATE, &[("frequency_hz", hz)]), frames)[48_480..51_000])
    };
    let change = |high: bool| measure::db(rms(&output, high) / rms(&at_rest, high));
    assert!((change(true) + 8.0).abs() < 0.2, "the hiss by {:.2} dB, not 8", change(true));
    assert!(change(false).abs() < 0.05, "the voice by {:.3} dB", change(false));
    // Between the hisses nothing is left of it.
    let between = measure::max_difference(&output[58_000..63_000], &at_rest[58_000..63_000]);
    assert!(between < 1e-3, "{between:e}");
}

#[test]
fn a_voice_alone_passes() {
    let (voice, _) = voice_and_hiss(-6.0, 96_000);
    let node = &mut *de_esser(RATE, &[]);
    run(node, &voice);
    assert_eq!(node.status(), Some(NodeStatus::Gain { db: 0.0 }));
}

#[test]
fn attack_and_release_are_the_time_for_63_percent() {
    for (attack_ms, release_ms) in [(2.0, 50.0), (5.0, 20.0), (20.0, 200.0)] {
        let settings =
            [("frequency_hz", 1_000.0), ("threshold_db", -20.0), ("ratio", 4.0), ("range_db", 40.0)];
        let times = [("attack_ms", attack_ms), ("release_ms", release_ms)];
        // The same node at rest, whose filters do the same to the steps.
        let mut rest = de_esser(RATE, &[("frequency_hz", 1_000.0), ("range_db", 0.0)]);
        let mut node = de_esser(RATE, &[&settings[..], &times].concat());
        let step = Step::through(&mut *node, Some(&mut *rest), (RATE, 8_000.0), [-30.0, -10.0], 1.0);
        let [open, closed, _] = step.settled_db();
        assert!(open.abs() < 0.01 && (closed + 7.5).abs() < 0.1, "{open:.2} dB to {closed:.2} dB");
        let [attack, release] = step.times_ms();
        for (what, measured, set) in [("attack", attack, attack_ms), ("release", release, release_ms)] {
            assert!((measured / f64::from(set) - 1.0).abs() < 0.1, "{what} {measured:.2} ms, not {set}");
        }
    }
}

#[test]
fn the_stereo_image_stays_and_tones_are_pure() {
    let mut programme = signal::sine(RATE, 9_000.0, -3.0, 96_000);
    programme.iter_mut().for_each(|frame| frame[1] *= 0.1);
    let output = &run(&mut *de_esser(RATE, &[("threshold_db", -40.0)]), &programme)[48_000..];
    let [left, right] = [0, 1].map(|side| measure::tone(&measure::channel(output, side), RATE, 9_000.0));
    let image = right.level_db() - left.level_db() + 20.0;
    assert!(image.abs() < 0.01, "the image moved by {image:.3} dB");
    assert!(left.residual_db() < -80.0, "{:.1} dB of distortion", left.residual_db());
}

#[test]
fn a_hiss_makes_no_splatter() {
    // A tone in the band that comes and goes softly, as fast as an s does.
    let mut burst = signal::sine(RATE, 8_000.0, -6.0, 4_800);
    for (n, frame) in burst.iter_mut().enumerate() {
        let gain = (0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / 4_800.0).cos()) as f32;
        *frame = frame.map(|sample| sample * gain);
    }
    burst.extend(signal::silence(4_800));
    let output = measure::channel(&run(&mut *de_esser(RATE, &[]), &burst), 0);
    let splatter = measure::splatter_db(&output, RATE, &[8_000.0], 3_000.0);
    assert!(splatter < -70.0, "{splatter:.1} dB");
}
