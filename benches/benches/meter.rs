//! Cost of a meter beside `ebur128`: the time for ten seconds of 48 kHz stereo in blocks of 10 ms.
//!
//! Milliseconds, times 0.36, are CPU seconds per audio hour.

use std::hint::black_box;

use airchain::meter::{Loudness, Meter};
use airchain_core::Stereo;
use airchain_core::measure::TruePeak;
use criterion::{Criterion, criterion_group, criterion_main};
use ebur128::{EbuR128, Mode};
use testkit::signal;

const RATE: u32 = 48_000;
const BLOCK: usize = 480;

fn programme() -> Vec<Stereo> {
    let frames = 10 * RATE as usize;
    let (speech, noise) = (signal::speech(RATE, -1.0, 1, frames), signal::noise(2, -18.0, frames));
    speech.iter().zip(&noise).map(|(s, n)| [s[0] + n[0], 0.8 * s[1] + n[1]]).collect()
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("meter");
    group.sample_size(20);
    let programme = programme();
    let mut meter = Meter::new(RATE).expect("it is a usual rate");
    group.bench_function("all, read 20 times a second", |bencher| {
        bencher.iter(|| {
            for blocks in programme.chunks(5 * BLOCK) {
                blocks.chunks(BLOCK).for_each(|block| meter.feed(block));
                black_box(meter.read());
            }
        });
    });
    let mut loudness = Loudness::new(RATE);
    group.bench_function("loudness alone", |bencher| {
        bencher.iter(|| programme.chunks(BLOCK).for_each(|block| loudness.feed(block)));
    });
    let mut true_peak = TruePeak::new(RATE);
    group.bench_function("true peak alone, per block", |bencher| {
        bencher.iter(|| {
            for block in programme.chunks(BLOCK) {
                let mut peaks = [0.0; 2];
                true_peak.feed(block, &mut peaks);
                black_box(peaks);
            }
        });
    });
    let loudness_modes = Mode::I | Mode::LRA | Mode::HISTOGRAM;
    for (name, modes) in [
        ("ebur128: loudness, never read", loudness_modes),
        ("ebur128: true peak", Mode::TRUE_PEAK),
        ("ebur128: loudness and true peak, never read", loudness_modes | Mode::TRUE_PEAK),
    ] {
        let mut peer = EbuR128::new(2, RATE, modes).expect("it is a usual rate");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for block in programme.chunks(BLOCK) {
                    peer.add_frames_f32(block.as_flattened()).expect("whole frames");
                }
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
