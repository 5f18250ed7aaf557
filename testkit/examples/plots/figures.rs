//! The figures of `docs/processing.md`, measured from the nodes themselves.

use airchain_core::Stereo;
use airchain_core::dsp::loudness::KWeighting;
use testkit::node::{Step, gain_db, level_out, node, run};
use testkit::{measure, signal};

use crate::svg::{Axis, Curve, Plot};

const RATE: u32 = 48_000;
const SECOND: usize = RATE as usize;

/// Each figure by the name of its file.
pub(crate) fn all() -> Vec<(&'static str, Plot)> {
    vec![
        ("compressor-curve", compressor_curve()),
        ("compressor-step", compressor_step()),
        ("expander-curve", expander_curve()),
        ("gate-step", gate_step()),
        ("filters", filters()),
        ("equalizer", equalizer()),
        ("multiband", multiband()),
        ("de-esser", de_esser()),
        ("limiter", limiter()),
        ("k-weighting", k_weighting()),
        ("agc-step", agc_step()),
        ("loudness-step", loudness_step()),
        ("ducking", ducking()),
    ]
}

/// Level out over level in, of a tone of 1 kHz.
fn static_curve(label: &str, axis: &Axis, name: &str, settings: &[(&str, f32)]) -> Curve {
    let level = |level_db: f64| level_out(&mut *node(name, RATE, settings), RATE, 1_000.0, level_db, 0.8);
    Curve::new(label, axis.spread(61).into_iter().map(|x| (x, level(x))).collect())
}

fn compressor_curve() -> Plot {
    let x = Axis::linear("level in (dB)", -60.0, 0.0, 10.0);
    let curve = |label: &str, ratio: f32, knee: f32| {
        let settings = [("threshold_db", -30.0), ("ratio", ratio), ("knee_db", knee)];
        static_curve(label, &x, "compressor", &settings)
    };
    let curves = vec![
        curve("2:1, knee 12 dB", 2.0, 12.0),
        curve("4:1, knee 12 dB", 4.0, 12.0),
        curve("10:1, knee 12 dB", 10.0, 12.0),
        curve("4:1, hard knee", 4.0, 0.0).dashed(),
    ];
    let y = Axis::linear("level out (dB)", -60.0, 0.0, 10.0);
    Plot { title: "compressor: static curve, threshold -30 dB", x, y, curves }
}

fn expander_curve() -> Plot {
    let x = Axis::linear("level in (dB)", -80.0, 0.0, 10.0);
    let common = [("threshold_db", -30.0), ("hysteresis_db", 0.0), ("attack_ms", 1.0), ("release_ms", 20.0)];
    let curve = |label: &str, name: &str, ratio: f32, range: f32| {
        static_curve(label, &x, name, &[&common[..], &[("ratio", ratio), ("range_db", range)]].concat())
    };
    let curves = vec![
        curve("expander 1:1.5, 20 dB", "expander", 1.5, 20.0),
        curve("expander 1:2, 20 dB", "expander", 2.0, 20.0),
        curve("gate 1:10, 40 dB", "gate", 10.0, 40.0),
    ];
    let y = Axis::linear("level out (dB)", -120.0, 0.0, 20.0);
    Plot { title: "expander and gate: static curve, threshold -30 dB", x, y, curves }
}

/// Gain over time of a tone of 1 kHz, in steps of `every` frames, from `lead` frames before its level rises.
fn step_curve(
    label: &str,
    name: &str,
    settings: &[(&str, f32)],
    levels: [f64; 2],
    part_s: f64,
    every: usize,
) -> Curve {
    let step = Step::through(&mut *node(name, RATE, settings), None, (RATE, 1_000.0), levels, part_s);
    let (part, lead) = ((part_s * f64::from(RATE)) as usize, step_lead(part_s));
    let points = (part - lead..step.gains_db.len()).step_by(every);
    let ms = |frame: usize| (frame as f64 - part as f64) * 1e3 / f64::from(RATE);
    Curve::new(label, points.map(|frame| (ms(frame), step.gains_db[frame])).collect())
}

/// What is shown of the time before the step.
fn step_lead(part_s: f64) -> usize {
    (part_s * f64::from(RATE) / 4.0) as usize
}

fn compressor_step() -> Plot {
    let curve = |attack: f32, release: f32| {
        let settings = [("threshold_db", -20.0), ("ratio", 4.0), ("knee_db", 0.0)];
        let settings = [&settings[..], &[("attack_ms", attack), ("release_ms", release)]].concat();
        let label = format!("{attack} ms, {release} ms");
        step_curve(&label, "compressor", &settings, [-30.0, -10.0], 0.2, 48)
    };
    Plot {
        title: "compressor: attack and release, -30 to -10 dB and back, threshold -20 dB, 4:1",
        x: Axis::linear("time (ms)", -50.0, 400.0, 50.0),
        y: Axis::linear("gain (dB)", -8.0, 1.0, 1.0),
        curves: vec![curve(5.0, 20.0), curve(20.0, 50.0), curve(50.0, 100.0)],
    }
}

fn gate_step() -> Plot {
    let curve = |attack: f32, hold: f32, release: f32| {
        let settings =
            [("threshold_db", -30.0), ("attack_ms", attack), ("hold_ms", hold), ("release_ms", release)];
        let label = format!("{attack}, {hold}, {release} ms");
        step_curve(&label, "gate", &settings, [-50.0, -20.0], 1.0, 480)
    };
    Plot {
        title: "gate: attack, hold and release, -50 to -20 dB and back, threshold -30 dB",
        x: Axis::linear("time (ms)", -250.0, 2_000.0, 250.0),
        y: Axis::linear("gain (dB)", -45.0, 5.0, 5.0),
        curves: vec![curve(1.0, 50.0, 150.0), curve(20.0, 50.0, 50.0), curve(100.0, 500.0, 150.0)],
    }
}

/// The response to an impulse, soft enough that no threshold is reached.
fn impulse_response(name: &str, settings: &[(&str, f32)]) -> Vec<f64> {
    let output = run(&mut *node(name, RATE, settings), &signal::impulse(-60.0, 0, 32_768));
    measure::channel(&output, 0).into_iter().map(|sample| sample / signal::amplitude(-60.0)).collect()
}

/// The magnitude of an impulse response over frequency.
fn response(label: impl Into<String>, impulse: &[f64]) -> Curve {
    let magnitude = |hz: f64| {
        let (sine, cosine) = (std::f64::consts::TAU * hz / f64::from(RATE)).sin_cos();
        let turn = |(x, y): (f64, f64)| (x * cosine - y * sine, x * sine + y * cosine);
        // Horner's scheme, from the last sample back.
        let sum = impulse.iter().rev().fold((0.0, 0.0), |sum, sample| {
            let (x, y) = turn(sum);
            (x + sample, y)
        });
        measure::db(sum.0.hypot(sum.1).max(1e-6))
    };
    Curve::new(label, Axis::frequency().spread(181).into_iter().map(|hz| (hz, magnitude(hz))).collect())
}

fn filters() -> Plot {
    let curve =
        |label: &str, name: &str, hz: f32| response(label, &impulse_response(name, &[("frequency_hz", hz)]));
    Plot {
        title: "pass filters and DC blocker: response",
        x: Axis::frequency(),
        y: Axis::linear("gain (dB)", -48.0, 6.0, 6.0),
        curves: vec![
            curve("dc_blocker 40 Hz", "dc_blocker", 40.0),
            curve("high_pass 30 Hz", "high_pass", 30.0),
            curve("high_pass 200 Hz", "high_pass", 200.0),
            curve("low_pass 2 kHz", "low_pass", 2_000.0),
            curve("low_pass 15 kHz", "low_pass", 15_000.0),
        ],
    }
}

fn equalizer() -> Plot {
    let curve =
        |label: &str, settings: &[(&str, f32)]| response(label, &impulse_response("equalizer", settings));
    let bell = |gain: f32, q: f32| [("band2_gain_db", gain), ("band2_q", q)];
    Plot {
        title: "equalizer: response of each kind of band",
        x: Axis::frequency(),
        y: Axis::linear("gain (dB)", -15.0, 15.0, 5.0),
        curves: vec![
            curve("low shelf, +9 dB", &[("low_gain_db", 9.0)]),
            curve("high shelf, -9 dB", &[("high_gain_db", -9.0)]),
            curve("bell, +12 dB, Q 1", &bell(12.0, 1.0)),
            curve("bell, +6 dB, Q 4", &bell(6.0, 4.0)),
            curve("bell, -12 dB, Q 4", &bell(-12.0, 4.0)),
        ],
    }
}

fn multiband() -> Plot {
    let with = |settings: &[(&str, f32)]| impulse_response("multiband_compressor", settings);
    let sum = with(&[]);
    // At rest it is linear: what one band adds when it is turned up is that band.
    let rise = f64::from(airchain_core::units::db_to_gain(6.0)) - 1.0;
    let mut curves: Vec<Curve> = (1..=4)
        .map(|band| {
            let louder = with(&[(&format!("band{band}_gain_db"), 6.0)]);
            let alone: Vec<f64> =
                louder.iter().zip(&sum).map(|(louder, sum)| (louder - sum) / rise).collect();
            response(format!("band {band}"), &alone)
        })
        .collect();
    curves.push(response("sum", &sum).dashed());
    Plot {
        title: "multiband_compressor: its four bands at rest, and their sum",
        x: Axis::frequency(),
        y: Axis::linear("gain (dB)", -60.0, 6.0, 6.0),
        curves,
    }
}

fn de_esser() -> Plot {
    let x = Axis::frequency();
    // A tone at each frequency: what of it is above the crossover is turned down by its own level.
    let curve = |level_db: f64| {
        let gain = |hz: f64| {
            let mut node = node("de_esser", RATE, &[("threshold_db", -30.0)]);
            level_out(&mut *node, RATE, hz, level_db, 0.4) - level_db
        };
        Curve::new(
            format!("tone at {level_db} dB"),
            x.spread(91).into_iter().map(|hz| (hz, gain(hz))).collect(),
        )
    };
    let curves = vec![curve(-40.0), curve(-24.0), curve(-18.0), curve(-6.0)];
    let y = Axis::linear("gain (dB)", -14.0, 2.0, 2.0);
    Plot { title: "de_esser: gain of a tone, threshold -30 dB, 4:1, range 12 dB", x, y, curves }
}

/// The waveform through the samples of the left channel around `middle`, at 16 points per sample.
fn waveform(label: &str, frames: &[Stereo], middle: usize) -> Curve {
    let samples = measure::channel(frames, 0);
    let value = |at: f64| -> f64 {
        samples
            .iter()
            .enumerate()
            .map(|(n, sample)| {
                let x = std::f64::consts::PI * (at - n as f64);
                if x == 0.0 { *sample } else { sample * x.sin() / x }
            })
            .sum()
    };
    let offsets = (-12 * 16..=12 * 16).map(|n| f64::from(n) / 16.0);
    Curve::new(label, offsets.map(|offset| (offset, value(middle as f64 + offset))).collect())
}

fn limiter() -> Plot {
    let burst = signal::sinc_signs(0.0, 8, 2_000, 2_000);
    let mut node = node("limiter", RATE, &[("threshold_db", -1.0)]);
    let mut padded = burst.clone();
    padded.extend(signal::silence(node.latency()));
    let output = run(&mut *node, &padded).split_off(node.latency());
    let ceiling = signal::amplitude(-1.0);
    let line = |label: &str, level: f64| Curve::new(label, vec![(-12.0, level), (12.0, level)]).dashed();
    Plot {
        title: "limiter: samples of full scale whose waveform peaks at +8.2 dBTP",
        x: Axis::linear("time (samples)", -12.0, 12.0, 2.0),
        y: Axis::linear("amplitude", -3.0, 3.0, 0.5),
        curves: vec![
            waveform("waveform in", &burst, 1_000),
            waveform("waveform out", &output, 1_000),
            line("ceiling, -1 dBTP", ceiling),
            line("and below", -ceiling),
        ],
    }
}

fn k_weighting() -> Plot {
    let curve = |rate: u32| {
        let gain = |hz: f64| {
            let mut filter = KWeighting::<1>::new(rate);
            let step = std::f64::consts::TAU * hz / f64::from(rate);
            let powers: Vec<f64> =
                (0..rate / 2).map(|n| filter.power([(step * f64::from(n)).sin() as f32])).collect();
            let settled = &powers[powers.len() / 2..];
            10.0 * (2.0 * settled.iter().sum::<f64>() / settled.len() as f64).log10()
        };
        let points = Axis::frequency().spread(91).into_iter().map(|hz| (hz, gain(hz))).collect();
        Curve::new(format!("at {} kHz", f64::from(rate) / 1e3), points)
    };
    Plot {
        title: "K-weighting: response",
        x: Axis::frequency(),
        y: Axis::linear("gain (dB)", -15.0, 6.0, 3.0),
        curves: vec![curve(48_000), curve(44_100).dashed()],
    }
}

fn agc_step() -> Plot {
    let curve = |attack: f32, release: f32| {
        let settings = [("target_level_db", -20.0), ("attack_ms", attack), ("release_ms", release)];
        let label = format!("{attack} ms, {release} ms");
        step_curve(&label, "agc", &settings, [-30.0, -10.0], 2.0, 960)
    };
    Plot {
        title: "agc: attack and release, -30 to -10 dB and back, target -20 dB",
        x: Axis::linear("time (ms)", -500.0, 4_000.0, 500.0),
        y: Axis::linear("gain (dB)", -12.0, 12.0, 4.0),
        curves: vec![curve(10.0, 100.0), curve(100.0, 400.0), curve(200.0, 1_000.0)],
    }
}

fn loudness_step() -> Plot {
    // In stereo, a tone of 1 kHz has the loudness of its level (EBU Tech 3341, case 1).
    let levels = [-23.0, -12.0, -30.0];
    let programme: Vec<Stereo> =
        levels.iter().flat_map(|level_db| signal::sine(RATE, 1_000.0, *level_db, 20 * SECOND)).collect();
    let curve = |window_sec: f32| {
        let mut node = node("loudness_normalize", RATE, &[("integrated_window_sec", window_sec)]);
        let tenths = programme.chunks(SECOND / 10).enumerate().map(|(n, tenth)| {
            run(&mut *node, tenth);
            ((n + 1) as f64 / 10.0, f64::from(gain_db(&*node)))
        });
        Curve::new(format!("window {window_sec} s"), tenths.collect())
    };
    Plot {
        title: "loudness_normalize: -23, -12 and -30 LUFS, target -16 LUFS, most gain 12 dB",
        x: Axis::linear("time (s)", 0.0, 60.0, 10.0),
        y: Axis::linear("gain (dB)", -8.0, 16.0, 4.0),
        curves: vec![curve(3.0), curve(10.0)],
    }
}

fn ducking() -> Plot {
    let word = || signal::sine(RATE, 300.0, -20.0, 3 * SECOND / 10);
    let pause = || signal::silence(2 * SECOND / 10);
    let speaker = [pause(), word(), pause(), word(), pause(), word(), signal::silence(2 * SECOND)].concat();
    let curve = |reduction: f32, attack: f32, hold: f32, release: f32| {
        let settings =
            [("reduction_db", reduction), ("attack_ms", attack), ("hold_ms", hold), ("release_ms", release)];
        let mut node = node("ducking", RATE, &settings);
        let points = speaker.chunks(480).enumerate().map(|(n, key)| {
            node.process(&mut vec![[0.0; 2]; key.len()], Some(key));
            ((n + 1) as f64 * 10.0, f64::from(gain_db(&*node)))
        });
        Curve::new(format!("{attack}, {hold}, {release} ms"), points.collect())
    };
    Plot {
        title: "ducking: three words of 0.3 s with pauses of 0.2 s; attack, hold and release",
        x: Axis::linear("time (ms)", 0.0, 3_500.0, 500.0),
        y: Axis::linear("gain (dB)", -16.0, 2.0, 2.0),
        curves: vec![
            curve(-12.0, 50.0, 500.0, 600.0),
            curve(-12.0, 20.0, 50.0, 100.0),
            curve(-6.0, 100.0, 300.0, 300.0),
        ],
    }
}
