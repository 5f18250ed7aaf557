//! Cost of following a live source's clock: the time for ten seconds of 48 kHz stereo in blocks of 10 ms.
//!
//! Milliseconds, times 0.36, are CPU seconds per audio hour.

use std::hint::black_box;

use airchain_benches::{BLOCK, RATE, programme};
use airchain_codecs::drift::Drift;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Length of the programme.
const SECONDS: usize = 10;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drift");
    group.throughput(Throughput::Elements(u64::from(RATE) * SECONDS as u64));
    group.sample_size(20);
    let programme = programme(SECONDS);
    let mut out = Vec::with_capacity(2 * BLOCK);
    for ratio in [1.0, 1.0001, 0.997] {
        let mut drift = Drift::new();
        drift.set_ratio(ratio);
        group.bench_function(format!("at a ratio of {ratio}"), |bencher| {
            bencher.iter(|| {
                for block in programme.chunks(BLOCK) {
                    out.clear();
                    drift.process(block, &mut out);
                    black_box(&out);
                }
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
