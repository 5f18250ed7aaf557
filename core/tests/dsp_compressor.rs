//! The compressor against the equations it names.
#![allow(clippy::unwrap_used)]

use airchain_core::dsp::{Format, Node, find};
use testkit::contract::run;
use testkit::{measure, signal};

const RATE: u32 = 48_000;

fn compressor(settings: &[(&str, f32)]) -> Box<dyn Node> {
    let entry = find("compressor").unwrap();
    let mut node = (entry.make)();
    for (name, value) in settings {
        node.set(entry.info.param(name).unwrap(), *value);
    }
    node.prepare(Format { sample_rate_hz: RATE, max_block: 1024 });
    node
}

/// Level that a sine of `hz` at `level_db` comes out at once settled.
fn level_out(node: &mut dyn Node, hz: f64, level_db: f64) -> f64 {
    let output = run(node, &signal::sine(RATE, hz, level_db, 48_000));
    measure::tone(&measure::channel(&output[38_400..], 0), RATE, hz).level_db()
}

#[test]
fn the_static_curve_has_the_ratio() {
    for ratio in [1.5, 3.0, 10.0] {
        for hz in [100.0, 997.0, 8_000.0] {
            let mut node = compressor(&[("threshold", -30.0), ("ratio", ratio), ("knee_db", 6.0)]);
            let levels: Vec<f64> =
                [-20.0, -10.0, -1.0].iter().map(|&l| level_out(&mut *node, hz, l)).collect();
            let slopes = [(levels[1] - levels[0]) / 10.0, (levels[2] - levels[1]) / 9.0];
            for slope in slopes {
                let expected = 1.0 / f64::from(ratio);
                assert!((slope - expected).abs() < 0.02, "{hz} Hz, {ratio}:1: slope {slope:.4}");
            }
            let expected = -30.0 + 20.0 / f64::from(ratio);
            assert!(
                (levels[1] - expected).abs() < 0.15,
                "{hz} Hz, {ratio}:1: {:.2} dB, not {expected:.2}",
                levels[1]
            );
        }
    }
}

#[test]
fn the_knee_follows_its_formula() {
    let (threshold, ratio, knee) = (-20.0, 4.0, 12.0);
    let mut node = compressor(&[("threshold_db", -20.0), ("ratio", 4.0), ("knee_db", 12.0)]);
    for level in [-25.0, -22.0, -20.0, -18.0, -15.0] {
        let formula =
            level + (1.0 / ratio - 1.0) * f64::powi(level - threshold + knee / 2.0, 2) / (2.0 * knee);
        let measured = level_out(&mut *node, 997.0, level);
        assert!((measured - formula).abs() < 0.05, "{level} dB: {measured:.3} dB, not {formula:.3}");
    }
}

#[test]
fn below_the_threshold_it_passes_every_bit() {
    let mut node = compressor(&[("threshold_db", -20.0), ("knee_db", 6.0)]);
    let mut programme = signal::sweep(RATE, 60.0, 18_000.0, -23.5, 96_000);
    // A bass note that begins at once has a higher envelope at first.
    for (n, frame) in programme[..9_600].iter_mut().enumerate() {
        *frame = frame.map(|s| s * n as f32 / 9_600.0);
    }
    let output = run(&mut *node, &programme);
    let touched: Vec<usize> = (0..output.len()).filter(|&n| output[n] != programme[n]).collect();
    assert!(
        touched.is_empty(),
        "touched {} frames, {:?} to {:?}",
        touched.len(),
        touched.first(),
        touched.last()
    );
    let mut louder = compressor(&[("makeup_gain_db", 2.0)]);
    assert!((level_out(&mut *louder, 997.0, -30.0) + 28.0).abs() < 0.001);
}

#[test]
fn attack_and_release_are_the_time_for_63_percent() {
    for (attack_ms, release_ms) in [(5.0, 50.0), (1.0, 200.0), (20.0, 20.0)] {
        let settings = [("threshold_db", -20.0), ("ratio", 4.0), ("knee_db", 0.0)];
        let mut node =
            compressor(&[&settings[..], &[("attack", attack_ms), ("release", release_ms)]].concat());
        let hz = 6_000.0;
        let (second, mut programme) = (48_000, signal::sine(RATE, hz, -30.0, 48_000));
        programme.extend(signal::sine(RATE, hz, -10.0, second));
        programme.extend(signal::sine(RATE, hz, -30.0, second));
        let output = run(&mut *node, &programme);
        // Gain at each eight samples, a whole cycle: the ratio of energies.
        let gain_db = |frame: usize| {
            let energy = |frames: &[[f32; 2]]| frames.iter().map(|f| f64::from(f[0]).powi(2)).sum::<f64>();
            10.0 * (energy(&output[frame..frame + 8]) / energy(&programme[frame..frame + 8])).log10()
        };
        let (open, closed) = (gain_db(47_000), gain_db(95_000));
        assert!(open.abs() < 0.01 && (closed + 7.5).abs() < 0.1, "{open} dB to {closed} dB");
        let time = |from: usize, start: f64, end: f64| {
            let crossing = start + 0.632 * (end - start);
            let done = |frame: &usize| (gain_db(*frame) - crossing) * (end - start) >= 0.0;
            // The middle of the cycle that has crossed.
            ((from..).step_by(8).find(done).unwrap() + 4 - from) as f64 / 48.0
        };
        let attack = time(second, open, closed);
        let release = time(2 * second, closed, open);
        assert!((attack / f64::from(attack_ms) - 1.0).abs() < 0.1, "attack {attack:.2} ms, not {attack_ms}");
        assert!(
            (release / f64::from(release_ms) - 1.0).abs() < 0.1,
            "release {release:.2} ms, not {release_ms}"
        );
    }
}

#[test]
fn channels_are_linked_and_tones_stay_pure() {
    let mut node = compressor(&[("threshold_db", -30.0), ("ratio", 10.0)]);
    let mut programme = signal::sine(RATE, 100.0, -3.0, 96_000);
    programme.iter_mut().for_each(|frame| frame[1] *= 0.1);
    let output = run(&mut *node, &programme);
    assert!(
        output[48_000..].iter().all(|f| f[0].abs() < 1e-3 || (f[1] / f[0] - 0.1).abs() < 1e-5),
        "image moved"
    );
    let tone = measure::tone(&measure::channel(&output[48_000..], 0), RATE, 100.0);
    assert!(tone.residual_db() < -60.0, "THD {:.1} dB", tone.residual_db());
}

#[test]
fn a_sidechain_is_heard_instead() {
    let mut node = compressor(&[("threshold_db", -30.0), ("ratio", 100.0), ("knee_db", 0.0)]);
    let mut block = signal::sine(RATE, 440.0, -40.0, 48_000);
    let voice = signal::sine(RATE, 997.0, -10.0, 48_000);
    node.process(&mut block, Some(&voice));
    let tone = measure::tone(&measure::channel(&block[24_000..], 0), RATE, 440.0);
    assert!((tone.level_db() + 40.0 + 19.8).abs() < 0.1, "ducked to {:.2} dB", tone.level_db());
}
