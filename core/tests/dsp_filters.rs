//! Filters and the stereo image, by their responses.

use airchain_core::Stereo;
use testkit::node::{level_out, node, run};
use testkit::{measure, signal};

/// Response to a sine of `hz`, in dB.
fn response(name: &str, rate: u32, settings: &[(&str, f32)], hz: f64) -> f64 {
    level_out(&mut *node(name, rate, settings), rate, hz, -12.0, 1.0) + 12.0
}

#[test]
fn pass_filters_are_butterworth() {
    for rate in [44_100, 48_000, 96_000] {
        for (name, corner, sign) in [("high_pass", 200.0, -1.0), ("low_pass", 1_000.0, 1.0)] {
            let settings = [("frequency_hz", corner as f32)];
            for octave in [-2.0, -1.0, 0.0, 1.0, 2.0] {
                let hz = corner * 2.0_f64.powf(octave);
                // The analogue prototype at the frequency that the bilinear transform maps here.
                let warp = |hz: f64| (std::f64::consts::PI * hz / f64::from(rate)).tan();
                let ratio = (warp(hz) / warp(corner)).powf(sign);
                let expected = -10.0 * (1.0 + ratio.powi(4)).log10();
                let measured = response(name, rate, &settings, hz);
                assert!(
                    (measured - expected).abs() < 0.01,
                    "{name}, {rate}, {hz} Hz: {measured:.3}, not {expected:.3}"
                );
            }
        }
    }
}

#[test]
fn bands_have_their_gain() {
    for gain in [-12.0, 6.0, 24.0] {
        let at = |settings: &[(&str, f32)], hz: f64| response("equalizer", 48_000, settings, hz);
        let gain_db = f64::from(gain);
        let bell = [("band2_hz", 1_000.0), ("band2_gain_db", gain), ("band2_q", 2.0)];
        assert!((at(&bell, 1_000.0) - gain_db).abs() < 0.01 && at(&bell, 50.0).abs() < 0.2);
        // The width of a bell is where half of its dB are left (RBJ cookbook): Q 2 is 0.71 octaves.
        let edge = 1_000.0 * 2.0_f64.powf(-0.7136 / 2.0);
        assert!((at(&bell, edge) - gain_db / 2.0).abs() < 0.1 * gain_db.abs() / 6.0, "{}", at(&bell, edge));
        let low = [("low_hz", 200.0), ("low_gain_db", gain)];
        assert!((at(&low, 20.0) - gain_db).abs() < 0.1 && (at(&low, 200.0) - gain_db / 2.0).abs() < 0.01);
        assert!(at(&low, 5_000.0).abs() < 0.1);
        let high = [("high_hz", 4_000.0), ("high_db", gain)];
        assert!(
            (at(&high, 20_000.0) - gain_db).abs() < 0.1 && (at(&high, 4_000.0) - gain_db / 2.0).abs() < 0.01
        );
        assert!(at(&high, 200.0).abs() < 0.1);
    }
}

#[test]
fn shelves_are_those_of_the_equalizer() {
    for (gain, hz) in [(-12.0, 50.0), (6.0, 400.0), (24.0, 9_000.0)] {
        for (name, band) in [("low_shelf", "low"), ("high_shelf", "high")] {
            let settings = [("frequency_hz", 400.0), ("gain_db", gain), ("q", 1.2)];
            let by_band = ["_hz", "_gain_db", "_q"].map(|setting| format!("{band}{setting}"));
            let by_band = [0, 1, 2].map(|n| (by_band[n].as_str(), settings[n].1));
            let (shelf, band) =
                (response(name, 48_000, &settings, hz), response("equalizer", 48_000, &by_band, hz));
            assert!((shelf - band).abs() < 1e-6, "{name} of {gain} dB at {hz} Hz: {shelf}, not {band}");
        }
        let corner = response("low_shelf", 48_000, &[("frequency_hz", 400.0), ("gain_db", gain)], 400.0);
        assert!((corner - f64::from(gain) / 2.0).abs() < 0.01, "{corner} dB at the corner");
    }
}

#[test]
fn at_rest_they_change_no_bit() {
    let programme = signal::noise(1, 0.0, 10_000);
    for name in ["equalizer", "low_shelf", "high_shelf", "stereo", "gain"] {
        assert!(run(&mut *node(name, 48_000, &[]), &programme) == programme, "{name}");
    }
}

#[test]
fn an_offset_goes_and_the_bass_stays() {
    let mut programme = signal::sine(48_000, 40.0, -12.0, 96_000);
    programme.iter_mut().for_each(|frame| *frame = frame.map(|s| s + 0.3));
    let output = run(&mut *node("dc_blocker", 48_000, &[]), &programme);
    let last = measure::channel(&output[48_000..], 0);
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    assert!(mean.abs() < 1e-5, "an offset of {mean} is left");
    let level = measure::tone(&last, 48_000, 40.0).level_db();
    assert!(
        (level + 12.0 + 10.0 * (1.0 + (5.0_f64 / 40.0).powi(2)).log10()).abs() < 0.01,
        "40 Hz at {level:.3} dB"
    );
}

#[test]
fn the_image_is_as_told() {
    let frame: Stereo = [0.6, 0.2];
    let one = |settings: &[(&str, f32)]| {
        let mut block = [frame];
        node("stereo", 48_000, settings).process(&mut block, None);
        block[0]
    };
    let near = |a: Stereo, b: Stereo| (a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6;
    assert!(near(one(&[("mono", 1.0)]), [0.4, 0.4]) && near(one(&[("width", 0.0)]), [0.4, 0.4]));
    assert!(near(one(&[("width", 2.0)]), [0.8, 0.0]));
    assert!(near(one(&[("balance", -1.0)]), [0.6, 0.0]) && near(one(&[("balance", 0.5)]), [0.3, 0.2]));
}
