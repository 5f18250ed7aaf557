//! Waveforms, in the numbers that players read.

use super::*;
use airchain_codecs::analyze::{Waveform, Zoom};

fn scan(path: &Path, zoom: Zoom) -> Waveform {
    analyze(path, &Options { waveform: Some(zoom), ..Options::default() }).waveform.expect("a waveform")
}

#[test]
fn every_pixel_has_its_own_frames() {
    let bench = Bench::new();
    // 100 frames at a time: left from -0.5 to its number's part, right constant.
    let samples: Vec<f32> = (0..1_050)
        .flat_map(|n: u32| {
            let pixel = (n / 100) as f32;
            [if n.is_multiple_of(2) { -0.5 } else { pixel / 16.0 }, 0.25]
        })
        .collect();
    let path = bench.file("steps.wav", 48_000, 2, &samples);
    let waveform = scan(&path, Zoom::SamplesPerPixel(100));
    assert_eq!((waveform.version, waveform.channels, waveform.bits), (2, 2, 8));
    assert_eq!((waveform.sample_rate, waveform.samples_per_pixel, waveform.length), (48_000, 100, 11));
    for (pixel, data) in waveform.data.chunks(4).enumerate() {
        assert_eq!(data, [-64, 8 * pixel as i8, 32, 32], "{pixel}");
        // The last has 50 frames, and is not the quieter for it.
        let square = |x: f64| x * x;
        let left = ((square(0.5) + square(pixel as f64 / 16.0)) / 2.0).sqrt();
        assert_eq!(waveform.rms[2 * pixel..2 * pixel + 2], [(left * 128.0).round() as i8, 32], "{pixel}");
    }
    let json = serde_json::to_value(&waveform).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for key in ["version", "channels", "sample_rate", "samples_per_pixel", "bits", "length", "data"] {
        assert!(keys.contains(&key), "{key} is missing");
    }
}

#[test]
fn an_overview_is_of_a_thousand_pixels_and_more_whatever_the_length() {
    let bench = Bench::new();
    for seconds in [0.001, 0.5, 3.0, 60.0, 200.0] {
        // Loudest at the end: what is there must be in the last pixels.
        let frames = (seconds * 8_000.0) as usize;
        let samples: Vec<f32> = (0..frames).map(|n| if n + 1 == frames { -0.75 } else { 0.125 }).collect();
        let waveform = scan(&bench.file("ramp.wav", 8_000, 1, &samples), Zoom::Overview);
        assert_eq!(waveform.channels, 1);
        assert_eq!(waveform.length, frames.div_ceil(waveform.samples_per_pixel as usize), "{seconds}");
        assert_eq!((waveform.data.len(), waveform.rms.len()), (2 * waveform.length, waveform.length));
        assert!(waveform.length <= 2048, "{seconds}");
        assert!(waveform.length >= 1024 || waveform.samples_per_pixel == 64, "{seconds}");
        let (rest, last) = waveform.data.split_at(waveform.data.len() - 2);
        assert_eq!(last[0], -96, "{seconds}");
        assert!(rest.chunks(2).all(|pixel| pixel == [16, 16]), "{seconds}");
        assert!(waveform.is_plausible());
    }
}

#[test]
fn what_is_beyond_full_scale_stays_at_full_scale() {
    let bench = Bench::new();
    let path = bench.file("loud.wav", 8_000, 1, &[-3.0, 3.0, 1.0, f32::NAN]);
    let waveform = scan(&path, Zoom::SamplesPerPixel(16));
    assert_eq!((waveform.data, waveform.rms), (vec![-128, 127], vec![127]));
}
