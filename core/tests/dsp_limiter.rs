//! The limiter against the standards it names.
#![allow(clippy::unwrap_used)]

use airchain_core::Stereo;
use airchain_core::dsp::Node;
use testkit::node::{node, run};
use testkit::{measure, signal};

/// Rates on which the ceiling is checked.
const RATES: [u32; 3] = [44_100, 48_000, 96_000];

fn limiter(rate: u32, settings: &[(&str, f32)]) -> Box<dyn Node> {
    node("limiter", rate, settings)
}

/// What breaks limiters, by name, up to 12 dB over full scale.
fn torture(rate: u32) -> Vec<(&'static str, Vec<Stereo>)> {
    let (long, short) = (18_000, 5_000);
    let clipped =
        |programme: Vec<Stereo>| programme.into_iter().map(|f| f.map(|s| s.clamp(-1.0, 1.0))).collect();
    let mut steps = signal::sine(rate, 997.0, -30.0, long);
    for (n, frame) in steps.iter_mut().enumerate() {
        if (n / (rate as usize / 40)) % 2 == 1 {
            *frame = frame.map(|s| s * 60.0);
        }
    }
    vec![
        ("sine at a quarter of the rate", signal::quarter_rate_sine(9.0, long)),
        ("sine at 0.45 of the rate", signal::sine(rate, 0.45 * f64::from(rate), 9.0, short)),
        ("sine at 0.33 of the rate", signal::sine(rate, 0.3331 * f64::from(rate), 9.0, short)),
        ("50 Hz", signal::sine(rate, 50.0, 12.0, long)),
        ("sweep", signal::sweep(rate, 20.0, 20_000.0, 9.0, long)),
        ("full-scale square", signal::square(rate, 997.0, 0.0, long)),
        ("square at 12 dB", signal::square(rate, 3_301.0, 12.0, short)),
        ("white noise", signal::noise(3, 9.0, short)),
        ("clipped noise", clipped(signal::noise(4, 20.0, short))),
        ("clipped speech", clipped(signal::speech(rate, 24.0, 5, rate as usize / 3))),
        ("clipped music", clipped(signal::music(rate, 12.0, 6, rate as usize / 3))),
        ("random signs", signal::signs(7, 0.0, long)),
        ("random signs at 12 dB", signal::signs(8, 12.0, short)),
        ("signs of a sinc, 4", signal::sinc_signs(0.0, 4, 300, short)),
        ("signs of a sinc, 8", signal::sinc_signs(0.0, 8, 500, short)),
        ("signs of a sinc, 16", signal::sinc_signs(0.0, 16, 700, short)),
        ("signs of a sinc, 32", signal::sinc_signs(0.0, 32, 900, short)),
        ("signs of a sinc, 64", signal::sinc_signs(0.0, 64, 1_100, short)),
        ("impulses", signal::sinc_signs(12.0, 1, 300, short)),
        ("steps of a sine", steps),
    ]
}

#[test]
fn the_ceiling_holds_in_true_peak() {
    for rate in RATES {
        for (name, mut programme) in torture(rate) {
            // Cut off, what is still in the look-ahead would end in a jump that the limiter never saw.
            programme.extend(signal::silence(rate as usize / 50));
            for (ceiling, release) in [(-1.0, 50.0), (-3.0, 1.0)] {
                let mut node = limiter(rate, &[("threshold_db", ceiling), ("release_ms", release)]);
                let output = run(&mut *node, &programme);
                let over = measure::true_peak_db(&output) - f64::from(ceiling);
                assert!(over <= 0.1, "{rate} Hz: {name} is {over:.3} dB over {ceiling} dBTP");
                assert!(measure::peak(&output) <= signal::amplitude(f64::from(ceiling)) * 1.000_001);
                assert!(over > -3.0, "{rate} Hz: {name} is turned down needlessly, {over:.2} dB");
            }
        }
    }
}

#[test]
fn a_programme_below_the_ceiling_passes_unchanged() {
    for rate in RATES {
        let mut node = limiter(rate, &[]);
        assert_eq!(node.latency() as u32, (rate * 5 + 500) / 1000, "5 ms at {rate} Hz");
        let mut programme = signal::sweep(rate, 20.0, 18_000.0, -1.1, rate as usize);
        // Broken off at once it would ring above the ceiling.
        let end = programme.len();
        for (n, frame) in programme[end - 1000..].iter_mut().enumerate() {
            let gain = 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / 1000.0).cos();
            *frame = frame.map(|s| s * gain);
        }
        programme.extend(signal::speech(rate, -6.0, 1, rate as usize));
        let mut output = run(&mut *node, &programme);
        output.drain(..node.latency());
        assert!(output == programme[..output.len()], "{rate} Hz: not bit-exact");
    }
}

#[test]
fn after_a_peak_the_gain_comes_all_the_way_back() {
    let mut node = limiter(48_000, &[("release_ms", 10.0)]);
    run(&mut *node, &signal::noise(1, 12.0, 4_800));
    let programme = signal::speech(48_000, -6.0, 1, 96_000);
    let mut output = run(&mut *node, &programme);
    output.drain(..node.latency());
    assert!(output[48_000..] == programme[48_000..output.len()]);
}

#[test]
fn release_takes_its_time() {
    for release_ms in [50.0, 200.0] {
        let mut node = limiter(48_000, &[("release_ms", release_ms)]);
        let mut programme = signal::sine(48_000, 1_000.0, 11.0, 48_000);
        programme.extend(signal::sine(48_000, 1_000.0, -20.0, 96_000));
        let output = run(&mut *node, &programme);
        let late = node.latency();
        let gain_at = |frame: usize| {
            let piece = measure::channel(&output[frame + late - 48..frame + late + 48], 0);
            measure::tone(&piece, 48_000, 1_000.0).amplitude / signal::amplitude(-20.0)
        };
        // The hold and the smoothing end about 12 ms after the peak; from 12 dB down 63 % of the gain comes back.
        let reduced = signal::amplitude(-12.05);
        let done = |frame: usize| (gain_at(frame) - reduced) / (1.0 - reduced);
        let time = (48_048..140_000).step_by(24).find(|&frame| done(frame) >= 0.632).unwrap() - 48_000;
        let expected = f64::from(release_ms) + 12.0;
        let measured = time as f64 / 48.0;
        assert!((measured - expected).abs() < 3.0, "{release_ms} ms: {measured:.1} ms instead of {expected}");
    }
}

#[test]
fn bass_is_turned_down_and_not_bent() {
    for rate in RATES {
        for hz in [50.0, 100.0, 1_000.0] {
            for release_ms in [1.0, 10.0, 50.0] {
                let mut node = limiter(rate, &[("release_ms", release_ms)]);
                let output = run(&mut *node, &signal::sine(rate, hz, 6.0, rate as usize));
                let settled = measure::channel(&output[rate as usize / 2..], 0);
                let tone = measure::tone(&settled, rate, hz);
                assert!(
                    tone.residual_db() < -80.0,
                    "{rate} Hz: {hz} Hz is distorted, {:.1} dB",
                    tone.residual_db()
                );
                assert!((tone.level_db() + 1.05).abs() < 0.05, "{hz} Hz at {:.3} dB", tone.level_db());
            }
        }
    }
}

#[test]
fn the_stereo_image_stays() {
    for rate in RATES {
        let (loud, soft) = (signal::signs(1, 12.0, 24_000), signal::sine(rate, 997.0, -20.0, 24_000));
        let programme: Vec<Stereo> = loud.iter().zip(&soft).map(|(l, s)| [l[0], s[0]]).collect();
        let mut node = limiter(rate, &[]);
        let late = node.latency();
        let output = run(&mut *node, &programme);
        for (n, frame) in output[late..].iter().enumerate() {
            let [left, right] = [0, 1].map(|c| f64::from(frame[c]) / f64::from(programme[n][c]));
            if programme[n].iter().all(|s| s.abs() > 1e-4) {
                let moved = measure::db(left / right);
                assert!(moved.abs() < 0.001, "{rate} Hz: the image moved by {moved} dB at {n}");
            }
        }
    }
}
