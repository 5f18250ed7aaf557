//! Cost of each node, and of a broadcast chain: the time for one second of 48 kHz stereo in blocks of 10 ms.
//!
//! Milliseconds per second of audio, times 3.6, are CPU seconds per audio hour.

use airchain_core::Stereo;
use airchain_core::dsp::{Format, NODES, Node, NodeEntry, find};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use testkit::signal;

const RATE: u32 = 48_000;
const BLOCK: usize = 480;

/// Nodes of the broadcast chain, in order.
const CHAIN: [&str; 5] = ["loudness_normalize", "agc", "compressor", "limiter", "silence_detector"];

fn programme() -> Vec<Stereo> {
    let speech = signal::speech(RATE, -1.0, 1, RATE as usize);
    let noise = signal::noise(2, -18.0, RATE as usize);
    speech.iter().zip(&noise).map(|(s, n)| [s[0] + n[0], 0.8 * s[1] + n[1]]).collect()
}

fn prepared(entry: &NodeEntry) -> Box<dyn Node> {
    let mut node = (entry.make)();
    node.prepare(Format { sample_rate_hz: RATE, max_block: BLOCK });
    node
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dsp");
    group.throughput(Throughput::Elements(u64::from(RATE)));
    group.sample_size(20);
    let programme = programme();
    let mut work = programme.clone();
    let mut run = |name: &str, nodes: &mut [Box<dyn Node>]| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                work.copy_from_slice(&programme);
                for block in work.chunks_mut(BLOCK) {
                    nodes.iter_mut().for_each(|node| node.process(block, None));
                }
            });
        });
    };
    for entry in NODES {
        run(entry.info.name, &mut [prepared(entry)]);
    }
    let mut hot = prepared(find("limiter").expect("it is in the table"));
    hot.set(0, -12.0);
    run("limiter at work", &mut [hot]);
    let mut five = prepared(find("multiband_compressor").expect("it is in the table"));
    five.set(0, 5.0);
    run("multiband_compressor of five bands", &mut [five]);
    let mut chain: Vec<_> = CHAIN.iter().filter_map(|name| find(name)).map(prepared).collect();
    run("broadcast chain", &mut chain);
}

criterion_group!(benches, bench);
criterion_main!(benches);
