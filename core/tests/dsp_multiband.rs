//! The multiband compressor: flat at rest, and each band by the equations of the compressor.

use airchain_core::Stereo;
use airchain_core::dsp::Node;
use testkit::node::{Step, gain_db, level_out, node, run, set};
use testkit::{measure, signal};

const RATE: u32 = 48_000;

/// A middle of each of the four bands that there are by default.
const MIDDLES_HZ: [f64; 4] = [40.0, 290.0, 1_700.0, 12_000.0];

fn multiband(rate: u32, settings: &[(&str, f32)]) -> Box<dyn Node> {
    node("multiband_compressor", rate, settings)
}

/// The same setting for each of the five bands.
fn bands(name: &str, value: f32) -> Vec<(String, f32)> {
    (1..=5).map(|n| (format!("band{n}_{name}"), value)).collect()
}

fn with(rate: u32, settings: &[(&str, f32)], bands: &[Vec<(String, f32)>]) -> Box<dyn Node> {
    let all: Vec<(&str, f32)> = bands.iter().flatten().map(|(name, value)| (name.as_str(), *value)).collect();
    multiband(rate, &[&all[..], settings].concat())
}

#[test]
fn at_rest_the_sum_is_flat() {
    let mut worst = 0.0_f64;
    for rate in [44_100, 48_000, 96_000] {
        for count in [3.0, 4.0, 5.0] {
            for crossovers in [[120.0, 700.0, 4_000.0, 10_000.0], [20.0, 30.0, 15_000.0, 19_500.0]] {
                let mut node = multiband(rate, &[("bands", count)]);
                for (n, hz) in crossovers.into_iter().enumerate() {
                    set(&mut *node, &[(&format!("crossover{}_hz", n + 1), hz)]);
                }
                node.reset();
                for hz in [20.0, 45.0, 120.0, 400.0, 700.0, 1_700.0, 4_000.0, 7_000.0, 12_000.0, 20_000.0] {
                    worst = worst.max((level_out(&mut *node, rate, hz, -40.0, 1.0) + 40.0).abs());
                }
            }
        }
    }
    assert!(worst < 0.001, "{worst:.4} dB off");
}

#[test]
fn at_rest_the_spectrum_of_a_programme_stays() {
    // The energy of noise is kept as a whole and, since its neighbours are unlike it, in each channel.
    let noise = signal::noise(3, -40.0, 96_000);
    let output = run(&mut *multiband(RATE, &[]), &noise);
    for side in 0..2 {
        let energy = |frames: &[Stereo]| measure::channel(frames, side).iter().map(|s| s * s).sum::<f64>();
        let change = 10.0 * (energy(&output[4_800..]) / energy(&noise[4_800..])).log10();
        assert!(change.abs() < 0.01, "{change:.4} dB");
    }
}

#[test]
fn each_band_has_its_own_curve() {
    // The tone is alone in its band: four octaves and more from either end.
    let crossovers = [[16_000.0; 3], [60.0, 16_000.0, 16_000.0], [40.0, 60.0, 16_000.0], [30.0, 40.0, 60.0]];
    for (n, crossovers) in crossovers.into_iter().enumerate() {
        for ratio in [1.5, 3.0, 10.0] {
            let mut node = with(
                RATE,
                &[],
                &[
                    (1..4).map(|n| (format!("crossover{n}_hz"), crossovers[n - 1])).collect(),
                    bands("threshold_db", -60.0),
                    bands("ratio", 1.0),
                    vec![
                        (format!("band{}_threshold_db", n + 1), -30.0),
                        (format!("band{}_ratio", n + 1), ratio),
                    ],
                ],
            );
            let levels =
                [-50.0, -34.0, -20.0, -10.0, -1.0].map(|l| level_out(&mut *node, RATE, 1_000.0, l, 1.0));
            assert!((levels[0] + 50.0).abs() < 0.01 && (levels[1] + 34.0).abs() < 0.01, "{levels:?}");
            let expected = 1.0 / f64::from(ratio);
            for slope in [(levels[3] - levels[2]) / 10.0, (levels[4] - levels[3]) / 9.0] {
                assert!((slope - expected).abs() < 0.02, "band {n}, {ratio}:1: slope {slope:.4}");
            }
            let expected = -30.0 + 20.0 * expected;
            assert!((levels[3] - expected).abs() < 0.15, "band {n}: {:.2} dB, not {expected:.2}", levels[3]);
        }
    }
}

#[test]
fn what_is_loud_in_one_band_is_turned_down_there_only() {
    let settings = [bands("threshold_db", -30.0), bands("ratio", 3.0)];
    for (loud, loud_hz) in MIDDLES_HZ.into_iter().enumerate() {
        let mut node = with(RATE, &[], &settings);
        let mut programme = signal::silence(2 * RATE as usize);
        for (n, hz) in MIDDLES_HZ.into_iter().enumerate() {
            let level = if n == loud { -10.0 } else { -40.0 };
            let tone = signal::sine(RATE, hz, level, programme.len());
            programme.iter_mut().zip(tone).for_each(|(sum, tone)| {
                *sum = [sum[0] + tone[0], sum[1] + tone[1]];
            });
        }
        let output = run(&mut *node, &programme);
        let last = measure::channel(&output[RATE as usize..], 0);
        for (n, hz) in MIDDLES_HZ.into_iter().enumerate() {
            let level = measure::tone(&last, RATE, hz).level_db();
            if n == loud {
                // What of it is in the bands beside its own stays as it is.
                assert!((-23.4..-21.0).contains(&level), "{hz} Hz: {level:.2} dB");
            } else {
                assert!((level + 40.0).abs() < 0.3, "{hz} Hz beside {loud_hz} Hz: {level:.2} dB");
            }
        }
        assert!((gain_db(&*node) + 13.33).abs() < 0.5, "{}", gain_db(&*node));
    }
}

#[test]
fn attack_and_release_are_the_time_for_63_percent() {
    // A band follows a step no faster than its filters do, a few tenths of a millisecond in the third of four.
    for (hz, band, fastest_ms) in [(2_000.0, 3, 5.0), (6_000.0, 4, 2.0), (12_000.0, 4, 2.0)] {
        for (attack_ms, release_ms) in [(10.0, 50.0), (fastest_ms, 200.0), (20.0, 20.0)] {
            let settings = [
                (format!("band{band}_threshold_db"), -20.0),
                (format!("band{band}_ratio"), 4.0),
                (format!("band{band}_attack_ms"), attack_ms),
                (format!("band{band}_release_ms"), release_ms),
            ];
            let crossovers = [("knee_db", 0.0), ("crossover2_hz", 500.0), ("crossover3_hz", 4_000.0)];
            let rest = [bands("threshold_db", 0.0), bands("ratio", 1.0)];
            // The same node at rest, whose filters do the same to the steps.
            let mut at_rest = with(RATE, &crossovers, &rest);
            let [thresholds, ratios] = rest;
            let mut node = with(RATE, &crossovers, &[thresholds, ratios, settings.to_vec()]);
            let step = Step::through(&mut *node, Some(&mut *at_rest), (RATE, hz), [-30.0, -10.0], 1.0);
            let [open, closed, _] = step.settled_db();
            assert!(open.abs() < 0.05 && closed < -5.0, "{hz} Hz: {open:.2} dB to {closed:.2} dB");
            let [attack, release] = step.times_ms();
            for (what, measured, set) in [("attack", attack, attack_ms), ("release", release, release_ms)] {
                assert!(
                    (measured / f64::from(set) - 1.0).abs() < 0.1,
                    "{hz} Hz: {what} {measured:.2} ms, not {set}"
                );
            }
        }
    }
}

#[test]
fn the_stereo_image_stays_and_tones_are_pure() {
    for hz in MIDDLES_HZ {
        let mut node = with(RATE, &[], &[bands("threshold_db", -40.0), bands("ratio", 10.0)]);
        let mut programme = signal::sine(RATE, hz, -3.0, 96_000);
        programme.iter_mut().for_each(|frame| frame[1] *= 0.1);
        let output = &run(&mut *node, &programme)[48_000..];
        let [left, right] = [0, 1].map(|side| measure::tone(&measure::channel(output, side), RATE, hz));
        let image = right.level_db() - left.level_db() + 20.0;
        assert!(image.abs() < 0.01, "{hz} Hz: the image moved by {image:.3} dB");
        assert!(left.residual_db() < -60.0, "{hz} Hz: {:.1} dB of distortion", left.residual_db());
    }
}

#[test]
fn a_burst_makes_no_splatter() {
    // Onset and end of the burst are soft, so what is found away from it is the compressor's.
    let mut node = with(RATE, &[], &[bands("threshold_db", -40.0), bands("ratio", 4.0)]);
    let mut burst = signal::sine(RATE, 1_000.0, -6.0, 48_000);
    for (n, frame) in burst.iter_mut().enumerate() {
        let gain = (0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / 48_000.0).cos()) as f32;
        *frame = frame.map(|sample| sample * gain);
    }
    let output = measure::channel(&run(&mut *node, &burst), 0);
    let splatter = measure::splatter_db(&output, RATE, &[1_000.0], 400.0);
    assert!(splatter < -80.0, "{splatter:.1} dB");
}

#[test]
fn crossovers_keep_their_order() {
    // Set the wrong way round, they are a third of an octave apart, from the lowest up, and the sum is flat.
    let node = &mut *multiband(RATE, &[("crossover1_hz", 2_000.0), ("crossover2_hz", 300.0)]);
    let ordered = &mut *multiband(RATE, &[("crossover1_hz", 2_000.0), ("crossover2_hz", 2_500.0)]);
    let noise = signal::noise(1, -6.0, 24_000);
    assert!(run(node, &noise) == run(ordered, &noise), "not in order");
    // They go back to where they were set once there is room.
    set(node, &[("crossover1_hz", 100.0)]);
    node.reset();
    let back = &mut *multiband(RATE, &[("crossover1_hz", 100.0), ("crossover2_hz", 300.0)]);
    assert!(run(node, &noise) == run(back, &noise), "not where it was set");
}

#[test]
fn bands_come_and_go_without_a_gap() {
    let tone = signal::sine(RATE, 6_000.0, -40.0, 48_000);
    let mut node = multiband(RATE, &[]);
    let mut output = Vec::new();
    for (n, count) in [4.0, 3.0, 5.0, 3.0].into_iter().enumerate() {
        set(&mut *node, &[("bands", count)]);
        output.extend(run(&mut *node, &tone[12_000 * n..12_000 * (n + 1)]));
    }
    let samples = measure::channel(&output[4_800..], 0);
    assert!(measure::click_db(&samples, RATE) < -80.0);
    // Ends are as flat as a node that has always had as many bands.
    let level = measure::tone(&samples[samples.len() - 4_800..], RATE, 6_000.0).level_db();
    assert!((level + 40.0).abs() < 0.001, "{level:.4} dB");
    // In between, a crossfade of two phases: never silence.
    let quietest = samples.chunks(48).map(|c| c.iter().map(|s| s * s).sum::<f64>()).fold(f64::MAX, f64::min);
    let usual = 48.0 * 0.5 * signal::amplitude(-40.0).powi(2);
    assert!(quietest > 0.1 * usual, "{:.1} dB", 10.0 * (quietest / usual).log10());
}
