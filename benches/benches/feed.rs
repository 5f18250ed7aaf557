//! The feed ring: a block from the decode worker's end to the deck's, on one thread.

use std::hint::black_box;

use airchain_benches::{BLOCK, RATE};
use airchain_core::feed::feed;
use airchain_core::source::Source;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("feed ring");
    group.throughput(Throughput::Elements(BLOCK as u64));
    let audio = testkit::signal::noise(1, -12.0, BLOCK);
    let mut block = [[0.0; 2]; BLOCK];
    // Of 1.5 s, as an item without a fade has it: what is read went in that long ago.
    let (mut writer, mut reader) = feed(RATE as usize * 3 / 2);
    while writer.vacant() >= BLOCK {
        writer.push(&audio);
    }
    group.bench_function("a block of 10 ms in and out", |bencher| {
        bencher.iter(|| {
            black_box(reader.fill(black_box(&mut block)));
            black_box(writer.push(black_box(&audio)))
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
