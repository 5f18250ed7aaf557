//! The block path: what one block of a station costs, without its codecs.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use airchain_benches::{BLOCK, RATE, item, load, station};
use airchain_core::Stereo;
use airchain_core::control::{Command, Place, Ramp, When};
use airchain_core::curve::Curve;
use airchain_core::presets;
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn programme() -> Arc<[Stereo]> {
    testkit::signal::noise(1, -12.0, RATE as usize * 5).into()
}

fn blocks(c: &mut Criterion) {
    let audio = programme();
    let mut group = c.benchmark_group("block of 10 ms");
    group.throughput(Throughput::Elements(BLOCK as u64));
    let preset = |name| presets::find(name).map(presets::Preset::nodes).unwrap_or_default();
    let chains =
        [("empty chain", Vec::new()), ("limiter", preset("safe")), ("full chain", preset("broadcast"))];
    for (name, nodes) in chains {
        let (mut control, mut engine) = station(&nodes, 0);
        load(&mut control, Tier::Automation, 1, &audio);
        let mut block = [[0.0; 2]; BLOCK];
        group.bench_function(name, |b| b.iter(|| engine.render(black_box(&mut block))));
    }
    // A fade that never ends: a live source rising over the automation for a thousand hours.
    let (mut control, mut engine) = station(&[], 0);
    load(&mut control, Tier::Automation, 1, &audio);
    load(&mut control, Tier::Automation, 2, &audio);
    let ramp = Ramp { length: u64::from(RATE) * 3_600_000, curve: Curve::EqualPower };
    let mut block = [[0.0; 2]; BLOCK];
    engine.render(&mut block);
    assert!(control.send(When::Now, Command::Skip { tier: None, ramp: Some(ramp), wait: true }).is_ok());
    group.bench_function("crossfade", |b| b.iter(|| engine.render(black_box(&mut block))));
    group.finish();
}

/// From a command's sending to the block that carries it out, rendered.
fn command_to_sample(c: &mut Criterion) {
    let audio = programme();
    let (mut control, mut engine) =
        station(&presets::find("safe").map(presets::Preset::nodes).unwrap_or_default(), 0);
    load(&mut control, Tier::Automation, 1, &audio);
    let mut block = [[0.0; 2]; BLOCK];
    engine.render(&mut block);
    let mut id = 2;
    c.bench_function("emergency: command to rendered block", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                id += 1;
                while control.poll().is_some() {}
                let source = Box::new(MemorySource::new(Arc::from(&audio[..240]), false));
                let command =
                    Command::Load { tier: Tier::Emergency, item: item(id, source), place: Place::Back };
                let start = Instant::now();
                let sent = control.send(When::Now, command);
                engine.render(black_box(&mut block));
                spent += start.elapsed();
                assert!(sent.is_ok());
                // The emergency ends, and the programme is back, before the next.
                engine.render(&mut block);
            }
            spent
        });
    });
}

criterion_group!(benches, blocks, command_to_sample);
criterion_main!(benches);
