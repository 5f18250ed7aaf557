//! Loudness normalisation, automatic gain and silence detection, by what a listener's meter reads.

use airchain_core::Stereo;
use airchain_core::dsp::{Node, NodeStatus, SilenceAction};
use testkit::node::{Step, gain_db, node, run};
use testkit::{measure, signal};

const RATE: u32 = 48_000;
const SECOND: usize = 48_000;

/// Level of the tone of 1 kHz in the last half second.
fn last_level_db(output: &[Stereo], rate: u32) -> f64 {
    let last = measure::channel(&output[output.len() - rate as usize / 2..], 0);
    measure::tone(&last, rate, 1_000.0).level_db()
}

#[test]
fn a_tone_comes_to_the_target_loudness() {
    // EBU Tech 3341, case 1: a sine of 1 kHz in both channels at -23 dBFS is -23 LUFS. So the level is the
    // loudness.
    for rate in [44_100, 48_000, 96_000] {
        for (from, target) in [(-23.0, -16.0), (-10.0, -16.0), (-33.0, -23.0)] {
            let mut node = node("loudness_normalize", rate, &[("target_lufs", target)]);
            let output = run(&mut *node, &signal::sine(rate, 1_000.0, from, 20 * rate as usize));
            let level = last_level_db(&output, rate);
            assert!(
                // The trim still makes up for how it began.
                (level - f64::from(target)).abs() < 0.15,
                "{rate} Hz, {from} LUFS: {level:.2}, not {target}"
            );
        }
    }
}

#[test]
fn it_turns_up_only_so_far_and_waits_in_silence() {
    let mut node = node("loudness_normalize", RATE, &[("max_gain_db", 6.0)]);
    let output = run(&mut *node, &signal::sine(RATE, 1_000.0, -30.0, 10 * SECOND));
    assert!((last_level_db(&output, RATE) + 24.0).abs() < 0.1);
    let before = gain_db(&*node);
    // Silence, and then the noise of an empty room.
    run(&mut *node, &signal::silence(30 * SECOND));
    run(&mut *node, &signal::noise(1, -60.0, 30 * SECOND));
    assert!((gain_db(&*node) - before).abs() < 0.05, "{before} dB became {}", gain_db(&*node));
}

#[test]
fn it_does_not_pump() {
    let mut node = node("loudness_normalize", RATE, &[]);
    run(&mut *node, &signal::speech(RATE, -12.0, 1, 20 * SECOND));
    let programme = signal::speech(RATE, -12.0, 2, 20 * SECOND);
    let mut gains: Vec<f32> = Vec::new();
    for block in programme.chunks(480) {
        node.process(&mut block.to_vec(), None);
        gains.push(gain_db(&*node));
    }
    let (least, most) = gains.iter().fold((f32::MAX, f32::MIN), |(a, b), &g| (a.min(g), b.max(g)));
    assert!(most - least < 1.0, "the gain wanders from {least:.1} to {most:.1} dB in even speech");
    assert!(gains.windows(10).all(|w| (w[9] - w[0]).abs() < 0.05), "it moves faster than 0.5 dB per second");
}

#[test]
fn a_quiet_passage_stays_quiet_and_what_remains_quiet_is_raised() {
    let mut node = node("loudness_normalize", RATE, &[]);
    run(&mut *node, &signal::noise(1, -12.0, 30 * SECOND));
    let before = gain_db(&*node);
    // A bridge of 12 s, 14 LU below the rest, and the rest again.
    run(&mut *node, &signal::noise(2, -26.0, 12 * SECOND));
    assert!((gain_db(&*node) - before).abs() < 0.5, "{before} dB became {}", gain_db(&*node));
    run(&mut *node, &signal::noise(3, -12.0, 10 * SECOND));
    assert!((gain_db(&*node) - before).abs() < 0.5);
    // Somebody else, who stays as quiet.
    run(&mut *node, &signal::noise(4, -26.0, 40 * SECOND));
    assert!((gain_db(&*node) - before - 14.0).abs() < 1.5, "{before} dB became {}", gain_db(&*node));
}

#[test]
fn its_true_peaks_stay_below_the_limit() {
    let mut node = node("loudness_normalize", RATE, &[("target_lufs", -8.0), ("max_gain_db", 20.0)]);
    let mut output = run(&mut *node, &signal::speech(RATE, -12.0, 3, 20 * SECOND));
    let last = output.split_off(19 * SECOND);
    assert!(measure::peak(&last) > signal::amplitude(-3.0), "the limiter has nothing to do");
    assert!(measure::true_peak_db(&last) < -1.0 + 0.1);
}

#[test]
fn the_agc_rides_to_its_target() {
    for (from, expected) in [(-20.0, -14.0), (-6.0, -14.0), (-14.0, -14.0), (-40.0, -28.0)] {
        let mut node = node("agc", RATE, &[("attack_ms", 10.0), ("release_ms", 100.0)]);
        let output = run(&mut *node, &signal::sine(RATE, 1_000.0, from, 4 * SECOND));
        let level = last_level_db(&output, RATE);
        assert!((level - expected).abs() < 0.1, "{from} dB became {level:.2}, not {expected}");
    }
}

#[test]
fn the_agc_waits_in_pauses() {
    let mut node = node("agc", RATE, &[("release_ms", 100.0)]);
    run(&mut *node, &signal::sine(RATE, 1_000.0, -14.0, 4 * SECOND));
    let output = run(&mut *node, &signal::noise(1, -60.0, 10 * SECOND));
    let rise =
        measure::db(measure::rms(&output[9 * SECOND..]) / measure::rms(&signal::noise(1, -60.0, SECOND)));
    assert!(rise < 0.5, "room noise rose by {rise:.1} dB");
}

#[test]
fn the_agcs_attack_and_release_are_the_time_for_63_percent() {
    for (rate, hz) in [(44_100, 1_000.0), (48_000, 250.0), (48_000, 1_000.0), (96_000, 6_000.0)] {
        for (attack_ms, release_ms) in [(10.0, 100.0), (8.0, 8.0), (50.0, 1_000.0), (200.0, 3_000.0)] {
            let settings = [("target", -20.0), ("attack", attack_ms), ("release", release_ms)];
            let seconds = 0.5 + 7.0 * f64::from(release_ms) / 1e3;
            let step =
                Step::through(&mut *node("agc", rate, &settings), None, (rate, hz), [-30.0, -10.0], seconds);
            let [up, down, again] = step.settled_db();
            assert!(
                (up - 10.0).abs() < 0.1 && (down + 10.0).abs() < 0.1 && (again - 10.0).abs() < 0.1,
                "{rate}, {hz} Hz: {up:.2}, {down:.2} and {again:.2} dB"
            );
            let [attack, release] = step.times_ms();
            for (what, measured, set) in [("attack", attack, attack_ms), ("release", release, release_ms)] {
                assert!(
                    (measured / f64::from(set) - 1.0).abs() < 0.1,
                    "{rate}, {hz} Hz: {what} {measured:.1} ms, not {set}"
                );
            }
        }
    }
}

#[test]
fn switched_off_the_agc_passes_every_bit() {
    let mut node = node("agc", RATE, &[("enabled", 0.0)]);
    let programme = signal::speech(RATE, 0.0, 1, SECOND);
    assert!(run(&mut *node, &programme) == programme);
}

/// The status after `programme`.
fn silence(node: &mut dyn Node, programme: &[Stereo]) -> (bool, u64) {
    assert!(run(node, programme) == programme, "it changes the programme");
    match node.status() {
        Some(NodeStatus::Silence { silent, quiet_frames, action: SilenceAction::FailoverToFallback }) => {
            (silent, quiet_frames)
        }
        other => panic!("{other:?} is not a silence"),
    }
}

#[test]
fn dead_air_is_noticed_after_its_time() {
    let settings = [("threshold_db", -40.0), ("duration_sec", 5.0), ("action", 1.0)];
    let tone = signal::sine(RATE, 1_000.0, -30.0, SECOND);
    for quiet in [
        signal::silence(6 * SECOND),
        signal::noise(1, -45.0, 6 * SECOND),
        signal::sine(RATE, 50.0, -41.0, 6 * SECOND),
        signal::dc(0.3, 6 * SECOND),
    ] {
        let mut node = node("silence_detector", RATE, &settings);
        assert_eq!(silence(&mut *node, &tone), (false, 0));
        let (silent, frames) = silence(&mut *node, &quiet[..5 * SECOND - 960]);
        assert!(!silent && frames.abs_diff(5 * 48_000 - 960) <= 960, "{frames}");
        let (silent, frames) = silence(&mut *node, &quiet[..3 * 960]);
        assert!(silent && frames.abs_diff(5 * 48_000 + 1_920) <= 960, "{frames}");
        assert_eq!(silence(&mut *node, &tone), (false, 0), "the silence does not end");
    }
    for sound in [signal::sine(RATE, 1_000.0, -39.0, 6 * SECOND), signal::sine(RATE, 50.0, -38.0, 6 * SECOND)]
    {
        let mut node = node("silence_detector", RATE, &settings);
        assert_eq!(silence(&mut *node, &sound), (false, 0), "a soft programme is taken for silence");
    }
}
