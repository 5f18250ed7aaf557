//! `make bench-instructions`: instructions of one block of 10 ms, counted by valgrind. Unlike times they are the same on a
//! busy machine, so a regression shows. What is set up before a block does not count.

#![allow(missing_docs, reason = "what the macros make has none")]

use std::hint::black_box;
use std::sync::Arc;

use airchain_benches::{BLOCK, RATE, item, load};
use airchain_core::Stereo;
use airchain_core::control::{Command, Control, Place, Ramp, When};
use airchain_core::curve::Curve;
use airchain_core::engine::Engine;
use airchain_core::presets;
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use gungraun::{library_benchmark, library_benchmark_group, main};

/// A station in the middle of its programme, and room for a block.
struct Running {
    control: Control,
    engine: Engine,
    block: [Stereo; BLOCK],
}

impl Running {
    /// With the chain of a preset, a second into loud music, or with none.
    fn with(preset: Option<&str>) -> Self {
        let chain = preset.and_then(presets::find).map(presets::Preset::nodes).unwrap_or_default();
        let (mut control, engine) = airchain_benches::station(&chain, 0);
        let audio: Arc<[Stereo]> = testkit::signal::noise(1, -6.0, RATE as usize / 2).into();
        load(&mut control, Tier::Automation, 1, &audio);
        load(&mut control, Tier::Automation, 2, &audio);
        let mut running = Self { control, engine, block: [[0.0; 2]; BLOCK] };
        running.render(100);
        running
    }

    fn render(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.engine.render(black_box(&mut self.block));
        }
    }

    fn send(&mut self, command: Command) {
        assert!(self.control.send(When::Now, command).is_ok());
    }
}

fn chain(preset: &str) -> Running {
    Running::with(Some(preset).filter(|name| !name.is_empty()))
}

/// In the middle of a crossfade of 5 s.
fn crossfading() -> Running {
    let mut running = Running::with(None);
    let ramp = Ramp { length: u64::from(RATE) * 5, curve: Curve::EqualPower };
    running.send(Command::Skip { tier: None, ramp: Some(ramp), wait: true });
    running.render(100);
    running
}

/// With the limiter and an emergency that has been sent and not yet taken.
fn alarmed() -> Running {
    let mut running = Running::with(Some("safe"));
    let source = Box::new(MemorySource::new(testkit::signal::noise(2, -6.0, RATE as usize).into(), false));
    running.send(Command::Load { tier: Tier::Emergency, item: item(3, source), place: Place::Back });
    running
}

#[library_benchmark]
#[bench::empty(chain(""))]
#[bench::limiter(chain("safe"))]
#[bench::broadcast(chain("broadcast"))]
#[bench::crossfade(crossfading())]
#[bench::emergency(alarmed())]
fn block(mut running: Running) -> Running {
    running.render(1);
    // Given back, so that freeing it is not counted.
    running
}

library_benchmark_group!(name = block_path, benchmarks = [block]);
main!(library_benchmark_groups = block_path);
