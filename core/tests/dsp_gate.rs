//! Gate and expander: the static curve below the threshold, its times, and what they leave alone.

use airchain_core::Stereo;
use airchain_core::dsp::{Node, NodeStatus};
use testkit::node::{Step, gain_db, level_out, node, run};
use testkit::{measure, signal};

const RATE: u32 = 48_000;
const SECOND: usize = RATE as usize;

fn gate(name: &str, settings: &[(&str, f32)]) -> Box<dyn Node> {
    node(name, RATE, settings)
}

#[test]
fn below_the_threshold_the_curve_has_the_ratio_down_to_the_range() {
    for (name, ratio) in [("expander", 1.5), ("expander", 2.0), ("expander", 4.0), ("gate", 20.0)] {
        for hz in [100.0, 997.0, 8_000.0] {
            let settings = [
                ("threshold_db", -30.0),
                ("ratio", ratio),
                ("range_db", 40.0),
                ("hysteresis_db", 0.0),
                ("hold_ms", 0.0),
            ];
            let mut node = gate(name, &settings);
            let ratio = f64::from(ratio);
            let depth = f64::min(10.0, 30.0 / (ratio - 1.0));
            let levels =
                [-30.5 - depth, -30.5 - depth / 2.0, -30.5].map(|l| level_out(&mut *node, RATE, hz, l, 3.0));
            for slope in [levels[1] - levels[0], levels[2] - levels[1]].map(|rise| rise / (depth / 2.0)) {
                assert!((slope / ratio - 1.0).abs() < 0.01, "{hz} Hz, 1:{ratio}: slope {slope:.4}");
            }
            let expected = -30.5 - 0.5 * (ratio - 1.0);
            assert!((levels[2] - expected).abs() < 0.11 * ratio, "{hz} Hz, 1:{ratio}: {:.2} dB", levels[2]);
            let deep = level_out(&mut *node, RATE, hz, -80.0, 3.0);
            let expected = -80.0 - f64::min(40.0, 50.0 * (ratio - 1.0));
            assert!((deep - expected).abs() < 0.1, "{hz} Hz: {deep:.2} dB, not {expected:.2}");
        }
    }
}

#[test]
fn open_it_passes_every_bit() {
    let mut node = gate("gate", &[("threshold_db", -40.0)]);
    let programme = signal::sweep(RATE, 60.0, 18_000.0, -38.0, 4 * SECOND);
    let output = run(&mut *node, &programme);
    // The opening itself is done when the reduction has fallen from 40 dB to nothing.
    assert!(output[SECOND..] == programme[SECOND..], "open, it touches the programme");
    assert_eq!(node.status(), Some(NodeStatus::Gain { db: 0.0 }));
}

/// Attack and release of a gate at -30 dB, by a step of a tone from 10 dB under to 10 dB over it.
fn assert_times(rate: u32, hz: f64, attack_ms: f32, release_ms: f32) {
    for (ratio, range_db, depth) in [(2.0, 40.0, 10.0), (100.0, 60.0, 60.0)] {
        let settings = [
            ("threshold_db", -30.0),
            ("ratio", ratio),
            ("range_db", range_db),
            ("attack_ms", attack_ms),
            ("release_ms", release_ms),
            ("hold_ms", 0.0),
        ];
        let step = Step::through(&mut *node("gate", rate, &settings), None, (rate, hz), [-40.0, -20.0], 2.0);
        let [closed, open, _] = step.settled_db();
        assert!((closed + depth).abs() < 0.15 && open.abs() < 0.01, "{closed:.2} dB to {open:.2} dB");
        let [attack, release] = step.times_ms();
        for (what, measured, set) in [("attack", attack, attack_ms), ("release", release, release_ms)] {
            assert!(
                (measured / f64::from(set) - 1.0).abs() < 0.1,
                "{rate}, {hz} Hz, 1:{ratio}: {what} {measured:.2} ms, not {set}"
            );
        }
    }
}

#[test]
fn attack_and_release_are_the_time_for_63_percent() {
    for rate in [44_100, 48_000, 96_000] {
        for (attack_ms, release_ms) in [(1.0, 50.0), (5.0, 200.0), (20.0, 20.0)] {
            assert_times(rate, 6_000.0, attack_ms, release_ms);
        }
        // The lower the tone, the later its end is seen.
        assert_times(rate, 1_000.0, 1.0, 50.0);
        assert_times(rate, 250.0, 5.0, 150.0);
    }
}

#[test]
fn it_holds_before_it_closes() {
    for hold_ms in [20.0, 100.0, 500.0] {
        let settings =
            [("threshold_db", -30.0), ("range_db", 40.0), ("hold_ms", hold_ms), ("release_ms", 20.0)];
        let step = Step::through(&mut *gate("gate", &settings), None, (RATE, 6_000.0), [-50.0, -20.0], 2.0);
        let fall = 4 * SECOND;
        let open = &step.gains_db[fall - 480..fall + (hold_ms * 48.0) as usize - 48];
        assert!(open.iter().all(|gain| *gain == 0.0), "it closes within {hold_ms} ms");
        let release = step.times_ms()[1] - f64::from(hold_ms);
        assert!((release - 20.0).abs() < 2.0, "{release:.1} ms after the hold of {hold_ms} ms");
    }
}

#[test]
fn it_opens_at_the_threshold_and_closes_below_the_hysteresis() {
    let settings = [("threshold_db", -30.0), ("hysteresis_db", 6.0), ("range_db", 40.0), ("ratio", 20.0)];
    let mut node = gate("gate", &settings);
    let reduced = |node: &mut dyn Node, level_db: f64| {
        run(node, &signal::sine(RATE, 997.0, level_db, SECOND));
        -gain_db(node)
    };
    // Up: closed until the threshold. Down: open until six dB under it.
    assert!(reduced(&mut *node, -33.0) > 39.0 && reduced(&mut *node, -30.5) > 8.0);
    assert!(reduced(&mut *node, -29.5) < 0.001);
    assert!(reduced(&mut *node, -35.5) < 0.001, "it closes above the hysteresis");
    assert!(reduced(&mut *node, -36.5) > 39.0, "it stays open below the hysteresis");
    assert!(reduced(&mut *node, -33.0) > 39.0, "it opens below the threshold");
}

#[test]
fn it_does_not_chatter() {
    // A level that wanders 5 dB around the threshold, three times a second.
    let mut programme = signal::sine(RATE, 997.0, -30.0, 4 * SECOND);
    for (n, frame) in programme.iter_mut().enumerate() {
        let swing_db = 2.5 * (std::f64::consts::TAU * 3.0 * n as f64 / f64::from(RATE)).sin();
        *frame = frame.map(|sample| sample * signal::amplitude(swing_db) as f32);
    }
    let settings = [("threshold_db", -30.0), ("hysteresis_db", 4.0), ("hold_ms", 0.0)];
    let output = run(&mut *gate("gate", &settings), &programme);
    assert!(output[SECOND..] == programme[SECOND..], "it closes and opens again");
}

#[test]
fn the_noise_of_a_room_goes_and_speech_stays() {
    // Syllables with pauses over noise at -60 dB.
    let noise = signal::noise(2, -60.0, 8 * SECOND);
    let speech = signal::speech(RATE, -6.0, 3, 8 * SECOND);
    let programme: Vec<Stereo> = noise.iter().zip(&speech).map(|(n, s)| [n[0] + s[0], n[1] + s[1]]).collect();
    let mut node = gate("gate", &[("threshold_db", -45.0), ("range_db", 20.0)]);
    let output = run(&mut *node, &programme);
    let loss = measure::db(measure::rms(&output) / measure::rms(&programme));
    assert!(loss.abs() < 0.01, "speech lost {loss:.3} dB");
    let after = run(&mut *node, &noise);
    let quiet = measure::db(measure::rms(&after[4 * SECOND..]) / measure::rms(&noise[4 * SECOND..]));
    assert!((quiet + 20.0).abs() < 0.01, "room noise is {quiet:.2} dB down, not 20");
}

#[test]
fn opening_and_closing_make_no_splatter() {
    let settings = [("threshold_db", -30.0), ("range_db", 40.0), ("attack_ms", 5.0), ("release_ms", 50.0)];
    let mut node = gate("gate", &settings);
    // The tone fades in and out; the gate opens and closes on its way.
    let mut programme = signal::sine(RATE, 1_000.0, -12.0, 4 * SECOND);
    let frames = programme.len() as f64;
    for (n, frame) in programme.iter_mut().enumerate() {
        let gain = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / frames).cos();
        *frame = frame.map(|sample| sample * gain as f32);
    }
    let output = run(&mut *node, &programme);
    assert!(output != programme, "it never closes");
    let samples = measure::channel(&output, 0);
    let splatter = measure::splatter_db(&samples, RATE, &[1_000.0], 1_000.0);
    assert!(splatter < -100.0, "{splatter:.1} dB");
    assert!(measure::click_db(&samples, RATE) < -100.0, "{:.1} dB", measure::click_db(&samples, RATE));
}

#[test]
fn channels_are_linked() {
    let mut programme = signal::sine(RATE, 300.0, -20.0, SECOND);
    programme.extend(signal::sine(RATE, 300.0, -45.0, SECOND));
    programme.iter_mut().for_each(|frame| frame[1] *= 0.1);
    let output = run(&mut *gate("expander", &[("threshold_db", -30.0)]), &programme);
    assert!(output.iter().all(|f| f[0].abs() < 1e-5 || (f[1] / f[0] - 0.1).abs() < 1e-4), "the image moved");
}

#[test]
fn a_sidechain_opens_it() {
    let mut node = gate("gate", &[("threshold_db", -30.0), ("range_db", 60.0)]);
    let tone = signal::sine(RATE, 440.0, -50.0, SECOND);
    let mut shut = tone.clone();
    node.process(&mut shut, Some(&signal::silence(SECOND)));
    let last = measure::tone(&measure::channel(&shut[SECOND / 2..], 0), RATE, 440.0).level_db();
    assert!((last + 110.0).abs() < 0.1, "{last:.2} dB");
    let mut open = tone.clone();
    node.process(&mut open, Some(&signal::sine(RATE, 997.0, -10.0, SECOND)));
    assert!(open[SECOND / 2..] == tone[SECOND / 2..], "it stays shut");
}
