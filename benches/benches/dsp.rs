//! Cost of each node and each preset, beside `ebur128` measuring the same programme: the time for four seconds of 48 kHz
//! stereo in blocks of 10 ms.
//!
//! Milliseconds, times 0.9, are CPU seconds per audio hour. `make figures-dsp` tells the same by the processor's clock,
//! and the worst block.

use airchain_benches::{BLOCK, RATE, nodes, programme};
use airchain_core::dsp::{Format, NODES, Node, NodeEntry, find};
use airchain_core::presets::PRESETS;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ebur128::{EbuR128, Mode};

/// Length of the programme, half of it speech, half of it dense music.
const SECONDS: usize = 4;

fn prepared(entry: &NodeEntry) -> Box<dyn Node> {
    let mut node = (entry.make)();
    node.prepare(Format { sample_rate_hz: RATE, max_block: BLOCK });
    node
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dsp");
    group.throughput(Throughput::Elements(u64::from(RATE) * SECONDS as u64));
    group.sample_size(20);
    let programme = programme(SECONDS);
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
    for preset in PRESETS {
        run(&format!("preset {}", preset.name), &mut nodes(&preset.nodes()));
    }
    let modes = Mode::I | Mode::S | Mode::M | Mode::LRA | Mode::HISTOGRAM | Mode::TRUE_PEAK;
    let mut peer = EbuR128::new(2, RATE, modes).expect("it is a usual rate");
    group.bench_function("ebur128: I, S, M, LRA, true peak", |bencher| {
        bencher.iter(|| {
            for block in programme.chunks(BLOCK) {
                peer.add_frames_f32(block.as_flattened()).expect("whole frames");
            }
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
