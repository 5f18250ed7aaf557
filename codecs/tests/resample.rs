//! The resampler measured with tones: response, residue, aliases, delay, length, and independence of the cut.

use std::f64::consts::TAU;

use airchain_codecs::grid::Grid;
use airchain_codecs::resample::Resampler;
use airchain_core::Stereo;
use airchain_core::units::convert_frames;

const RATES: [u32; 11] =
    [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];

fn tone(hz: f64, rate: u32, frames: usize) -> Vec<Stereo> {
    let step = TAU * hz / f64::from(rate);
    (0..frames)
        .map(|i| [(0.89 * (step * i as f64).sin()) as f32, (0.89 * (step * i as f64).cos()) as f32])
        .collect()
}

fn resample(input: &[Stereo], from: u32, to: u32) -> Vec<Stereo> {
    let mut out = Vec::new();
    let mut resampler = Resampler::new(from, to);
    resampler.process(input, &mut out);
    resampler.finish(&mut out);
    out
}

/// The best sine of a known frequency: amplitude, phase in radians, and RMS of what is left.
struct Fit {
    amplitude: f64,
    phase: f64,
    rest: f64,
}

fn fit(frames: &[Stereo], first: usize, hz: f64, rate: u32) -> Fit {
    let step = TAU * hz / f64::from(rate);
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (i, frame) in frames.iter().enumerate() {
        let (s, c) = (step * (first + i) as f64).sin_cos();
        let x = f64::from(frame[0]);
        ss += s * s;
        cc += c * c;
        sc += s * c;
        xs += x * s;
        xc += x * c;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let rest: f64 = frames
        .iter()
        .enumerate()
        .map(|(i, frame)| {
            let (s, c) = (step * (first + i) as f64).sin_cos();
            (f64::from(frame[0]) - a * s - b * c).powi(2)
        })
        .sum();
    Fit { amplitude: a.hypot(b), phase: b.atan2(a), rest: (rest / frames.len() as f64).sqrt() }
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-30).log10()
}

/// What came out once the filter has settled, and where it begins.
fn middle(frames: &[Stereo]) -> (&[Stereo], usize) {
    let margin = frames.len() / 5;
    (&frames[margin..frames.len() - margin], margin)
}

#[test]
fn tones_pass_flat_and_clean() {
    for (from, to) in [(44_100, 48_000), (48_000, 44_100)] {
        for hz in [20.0, 440.0, 1_000.0, 5_000.0, 10_000.0, 15_000.0, 19_000.0, 20_000.0] {
            let out = resample(&tone(hz, from, from as usize), from, to);
            let (settled, first) = middle(&out);
            let fit = fit(settled, first, hz, to);
            let gain = db(fit.amplitude / 0.89);
            let residue = db(fit.rest / (0.89 / 2f64.sqrt()));
            assert!(gain.abs() <= 0.01, "{from} -> {to}, {hz} Hz: {gain} dB");
            assert!(residue <= -130.0, "{from} -> {to}, {hz} Hz: residue {residue} dB");
        }
    }
}

#[test]
fn every_rate_is_clean_and_on_time() {
    for station in [44_100, 48_000] {
        for rate in RATES {
            for (from, to) in [(rate, station), (station, rate)] {
                let lower = f64::from(from.min(to));
                for hz in [0.02 * lower, 0.25 * lower, 0.44 * lower] {
                    let out = resample(&tone(hz, from, from as usize / 2), from, to);
                    let (settled, first) = middle(&out);
                    let fit = fit(settled, first, hz, to);
                    let residue = db(fit.rest / (0.89 / 2f64.sqrt()));
                    let late = fit.phase / (TAU * hz / f64::from(to));
                    assert!(db(fit.amplitude / 0.89).abs() <= 0.01, "{from} -> {to}, {hz} Hz");
                    assert!(residue <= -130.0, "{from} -> {to}, {hz} Hz: residue {residue} dB");
                    assert!(late.abs() <= 0.1, "{from} -> {to}, {hz} Hz: {late} frames off");
                }
            }
        }
    }
}

#[test]
fn what_the_new_rate_cannot_hold_is_gone() {
    for (from, to) in
        [(48_000, 44_100), (96_000, 48_000), (96_000, 44_100), (192_000, 48_000), (48_000, 8_000)]
    {
        let nyquist = f64::from(to) / 2.0;
        for hz in [nyquist * 1.003, nyquist * 1.05, f64::from(from) * 0.49] {
            let out = resample(&tone(hz, from, from as usize / 2), from, to);
            let (settled, _) = middle(&out);
            let energy: f64 = settled.iter().map(|f| f64::from(f[0]).powi(2)).sum();
            let level = db((energy / settled.len() as f64).sqrt() / (0.89 / 2f64.sqrt()));
            assert!(level <= -130.0, "{from} -> {to}: {hz} Hz leaves {level} dB");
        }
    }
}

#[test]
fn the_edges_do_not_ring() {
    // A whole number of output frames, so that both pieces lie on the grid of the whole.
    let cut = 147 * 120;
    for hz in [50.0, 440.0, 997.0, 5_000.0, 12_000.0] {
        let whole = tone(hz, 44_100, 2 * cut);
        let mut back = resample(&whole[..cut], 44_100, 48_000);
        back.extend(resample(&whole[cut..], 44_100, 48_000));
        let step = TAU * hz / 48_000.0;
        let error =
            |(i, frame): (usize, &Stereo)| (f64::from(frame[0]) - 0.89 * (step * i as f64).sin()).abs();
        let worst = db(back.iter().enumerate().map(error).fold(0.0, f64::max) / 0.89);
        assert!(worst <= -110.0, "{hz} Hz: {worst} dB at the edges");
    }
}

/// Pieces of one recording, cut at `cuts`, resampled each by itself on the grid that the one before left.
fn resample_cut(whole: &[Stereo], cuts: &[usize], from: u32, to: u32) -> Vec<Stereo> {
    let (mut out, mut grid, mut first) = (Vec::new(), Grid::new(from, to), 0);
    for &cut in cuts.iter().chain([&whole.len()]) {
        let mut resampler = Resampler::on(grid);
        let before = out.len();
        resampler.process(&whole[first..cut], &mut out);
        assert_eq!(resampler.grid_after(), grid.after((cut - first) as u64));
        resampler.finish(&mut out);
        assert_eq!((out.len() - before) as u64, grid.length((cut - first) as u64));
        (grid, first) = (grid.after((cut - first) as u64), cut);
    }
    out
}

#[test]
fn a_tone_cut_anywhere_joins_up_again() {
    for (from, to) in
        [(44_100, 48_000), (48_000, 44_100), (32_000, 48_000), (22_050, 44_100), (11_025, 48_000)]
    {
        let lower = f64::from(from.min(to));
        for hz in [50.0, 997.0, 0.11 * lower, 0.27 * lower] {
            let whole = tone(hz, from, 30_011);
            for cuts in [&[10_001][..], &[9_999, 20_020], &[14_700 + 73], &[5_000, 9_000, 14_001, 21_113]] {
                let back = resample_cut(&whole, cuts, from, to);
                assert_eq!(back.len(), resample(&whole, from, to).len());
                let step = TAU * hz / f64::from(to);
                let error = |(i, frame): (usize, &Stereo)| {
                    (f64::from(frame[0]) - 0.89 * (step * i as f64).sin()).abs()
                };
                let worst = db(back.iter().enumerate().map(error).fold(0.0, f64::max) / 0.89);
                assert!(worst <= -110.0, "{from} -> {to}, {hz} Hz cut at {cuts:?}: {worst} dB");
            }
        }
    }
}

#[test]
fn a_piece_on_the_grid_is_the_whole_from_there_on() {
    let whole = tone(997.0, 44_100, 30_000);
    let reference = resample(&whole, 44_100, 48_000);
    for phase in [1, 73, 146] {
        let grid = Grid::new(44_100, 48_000).after(phase);
        let first = grid.after(0).phase() as usize;
        let mut reference_part = Vec::new();
        for chunk in [30_000, 1, 588, 4_096] {
            let mut out = Vec::new();
            let mut resampler = Resampler::on(grid);
            for again in 0..2 {
                out.clear();
                whole[first..].chunks(chunk).for_each(|part| resampler.process(part, &mut out));
                resampler.finish(&mut out);
                let skipped = reference.len() - out.len();
                assert_eq!(skipped as u64, convert_frames(phase, 44_100, 48_000), "phase {phase}");
                // Where the filter no longer reaches the edge the two are alike but for rounding.
                let pairs = out.iter().zip(&reference[skipped..]).skip(1_000);
                let worst = pairs.map(|(a, b)| f64::from((a[0] - b[0]).abs())).fold(0.0, f64::max);
                assert!(db(worst) <= -130.0, "phase {phase}: {} dB", db(worst));
                if reference_part.is_empty() {
                    reference_part.clone_from(&out);
                }
                assert!(out == reference_part, "phase {phase}, cut into {chunk}, round {again}");
            }
        }
    }
}

#[test]
fn the_length_is_the_nearest_whole_frame() {
    for station in [44_100, 48_000] {
        for rate in RATES {
            for frames in [0, 1, 2, 587, 588, 589, 1_000, 44_100, 50_001] {
                let out = resample(&vec![[0.5; 2]; frames], rate, station);
                let wanted = convert_frames(frames as u64, rate, station);
                assert_eq!(out.len() as u64, wanted, "{rate} -> {station}: {frames} frames");
            }
        }
    }
}

#[test]
fn how_the_input_is_cut_makes_no_difference() {
    let input = tone(997.0, 44_100, 20_011);
    let whole = resample(&input, 44_100, 48_000);
    for cut in [1, 7, 147, 588, 1_152, 4_096] {
        let mut out = Vec::new();
        let mut resampler = Resampler::new(44_100, 48_000);
        input.chunks(cut).for_each(|part| resampler.process(part, &mut out));
        resampler.finish(&mut out);
        assert!(out == whole, "cut into {cut}");
    }
}

#[test]
fn equal_rates_pass_every_bit() {
    let input = [[0.1, f32::NAN], [f32::INFINITY, -0.0], [1e-40, 3.0]];
    let out = resample(&input, 44_100, 44_100);
    let bits = |frames: &[Stereo]| frames.iter().map(|f| f.map(f32::to_bits)).collect::<Vec<_>>();
    assert_eq!(bits(&out), bits(&input));
}

#[test]
fn nonsense_is_survived_and_forgotten() {
    let mut resampler = Resampler::new(44_100, 48_000);
    let mut out = Vec::new();
    let nonsense = [[f32::NAN, f32::INFINITY], [f32::NEG_INFINITY, f32::MAX], [f32::MIN, 1e30]];
    resampler.process(&nonsense.repeat(5_000), &mut out);
    resampler.finish(&mut out);
    assert!(out.iter().flatten().all(|sample| sample.is_finite()));
    let input = tone(440.0, 44_100, 10_000);
    let mut again = Vec::new();
    resampler.process(&input, &mut again);
    resampler.finish(&mut again);
    assert!(again == resample(&input, 44_100, 48_000), "a finished resampler is as good as new");
}
