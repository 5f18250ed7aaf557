//! The compressor against the equations it names.

use airchain_core::dsp::Node;
use testkit::node::{Step, level_out, node, run};
use testkit::{measure, signal};

const RATE: u32 = 48_000;

fn compressor(settings: &[(&str, f32)]) -> Box<dyn Node> {
    node("compressor", RATE, settings)
}

#[test]
fn the_static_curve_has_the_ratio() {
    for (rate, ratio) in
        [(48_000, 1.5), (44_100, 2.0), (48_000, 3.0), (96_000, 4.0), (48_000, 10.0), (48_000, 100.0)]
    {
        for hz in [100.0, 997.0, 8_000.0] {
            let settings = [("threshold", -30.0), ("ratio", ratio), ("knee_db", 6.0)];
            let mut node = node("compressor", rate, &settings);
            let levels = [-20.0, -10.0, -1.0].map(|level| level_out(&mut *node, rate, hz, level, 1.0));
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
    for level in [-25.9, -25.0, -22.0, -20.0, -18.0, -15.0, -14.1] {
        let formula =
            level + (1.0 / ratio - 1.0) * f64::powi(level - threshold + knee / 2.0, 2) / (2.0 * knee);
        let measured = level_out(&mut *node, RATE, 997.0, level, 1.0);
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
    assert!((level_out(&mut *louder, RATE, 997.0, -30.0, 1.0) + 28.0).abs() < 0.001);
}

#[test]
fn up_to_a_hard_knee_it_is_flat() {
    for rate in [44_100, 48_000, 96_000] {
        let settings = [("threshold_db", -20.0), ("ratio", 10.0), ("knee_db", 0.0)];
        let mut node = node("compressor", rate, &settings);
        // Below a thousandth of the rate the envelope is not that of the tone: bass near the threshold is reduced.
        for hz in [f64::from(rate) / 1_000.0, 100.0, 997.0, 10_000.0, 20_000.0] {
            for level in [-40.0, -25.0, -20.2] {
                let change = level_out(&mut *node, rate, hz, level, 1.0) - level;
                assert!(change.abs() < 0.1, "{rate} Hz: {hz} Hz at {level} dB by {change:.3} dB");
            }
        }
    }
}

#[test]
fn attack_and_release_are_the_time_for_63_percent() {
    let times = [(1.0, 200.0), (5.0, 50.0), (20.0, 20.0), (100.0, 400.0)];
    for rate in [44_100, 48_000, 96_000] {
        for hz in [250.0, 1_000.0, 6_000.0] {
            // What happens within a cycle or two of the tone, no envelope can tell.
            for (attack_ms, release_ms) in times.into_iter().filter(|times| times.0 * hz as f32 > 1_100.0) {
                let seconds = 0.2 + 5.0 * f64::from(release_ms) / 1e3;
                let settings = [("threshold_db", -20.0), ("ratio", 4.0), ("knee_db", 0.0)];
                let settings = [&settings[..], &[("attack", attack_ms), ("release", release_ms)]].concat();
                let mut node = node("compressor", rate, &settings);
                let step = Step::through(&mut *node, None, (rate, hz), [-30.0, -10.0], seconds);
                let [open, closed, again] = step.settled_db();
                assert!(open.abs() < 0.01 && (closed + 7.5).abs() < 0.1 && again.abs() < 0.05);
                let [attack, release] = step.times_ms();
                for (what, measured, set) in [("attack", attack, attack_ms), ("release", release, release_ms)]
                {
                    assert!(
                        (measured / f64::from(set) - 1.0).abs() < 0.1,
                        "{rate}, {hz} Hz: {what} {measured:.2} ms, not {set}"
                    );
                }
            }
        }
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
