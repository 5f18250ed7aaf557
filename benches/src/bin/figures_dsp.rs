//! `make figures-dsp`: what the presets and their nodes cost, beside `ebur128` measuring the same programme in the same run.
//!
//! Prints Markdown tables. Times are of the thread's own processor clock, block by block, so that what else runs on the machine
//! counts for as little as it can; every job runs in turn with the others, and figures are medians of the runs.

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;

use airchain_benches::{BLOCK, RATE, load, nodes, programme, station};
use airchain_core::Stereo;
use airchain_core::chain::{NodeSpec, ParamValue};
use airchain_core::presets::{self, PRESETS};
use airchain_core::tier::Tier;
use ebur128::{EbuR128, Mode};
use rustix::time::{ClockId, clock_gettime};

/// Runs of each job.
const RUNS: usize = 7;
/// Length of the programme.
const PROGRAMME_S: usize = 60;

/// Processor time of this thread.
fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Does something with each block in turn, and says when each part of it is done.
type Work = Box<dyn FnMut(&mut [Stereo], &mut dyn FnMut())>;

/// Work on a programme.
struct Job {
    name: String,
    /// Begins it.
    start: Box<dyn Fn() -> Work>,
    /// Times of all blocks of each run, by part.
    runs: Vec<Vec<Vec<Duration>>>,
}

impl Job {
    fn new(name: &str, start: impl Fn() -> Work + 'static) -> Self {
        Self { name: name.to_owned(), start: Box::new(start), runs: Vec::new() }
    }

    /// The engine of a station with this chain, from the deck to the bus.
    fn station(name: &str, chain: Vec<NodeSpec>, programme: &Arc<[Stereo]>) -> Self {
        let programme = Arc::clone(programme);
        Self::new(name, move || {
            let (mut control, mut engine) = station(&chain, 0);
            load(&mut control, Tier::Automation, 1, &programme);
            Box::new(move |block, tell| {
                engine.render(block);
                tell();
                while control.poll().is_some() {}
            })
        })
    }

    /// The nodes of a chain one by one, without an engine.
    fn nodes(name: &str, chain: Vec<NodeSpec>) -> Self {
        Self::new(name, move || {
            let mut nodes = nodes(&chain);
            Box::new(move |block, tell| {
                for node in &mut nodes {
                    node.process(block, None);
                    tell();
                }
            })
        })
    }

    fn run(&mut self, programme: &[Stereo]) {
        let mut work = (self.start)();
        let mut times: Vec<Vec<Duration>> = Vec::new();
        let mut block = [[0.0; 2]; BLOCK];
        for input in programme.chunks_exact(BLOCK) {
            block.copy_from_slice(input);
            let (mut part, mut before) = (0, now());
            work(&mut block, &mut || {
                let after = now();
                times.resize_with(times.len().max(part + 1), Vec::new);
                times[part].push(after.saturating_sub(before));
                (part, before) = (part + 1, now());
            });
        }
        self.runs.push(times);
    }

    /// The median of a figure of the runs.
    fn median(&self, figure: impl Fn(&[Vec<Duration>]) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.runs.iter().map(|run| figure(run)).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    /// Processor seconds per hour of audio, of one part.
    fn cost(&self, part: usize) -> f64 {
        self.median(|run| run[part].iter().sum::<Duration>().as_secs_f64() * 3600.0 / PROGRAMME_S as f64)
    }

    /// What the first part takes of a block's period, in percent, at the block that so great a share of all exceed.
    fn block(&self, share_above: f64) -> f64 {
        self.median(|run| {
            let mut blocks = run[0].clone();
            blocks.sort();
            let at = blocks.len().saturating_sub(1 + (share_above * blocks.len() as f64) as usize);
            100.0 * blocks[at].as_secs_f64() * f64::from(RATE) / BLOCK as f64
        })
    }
}

/// All bands of the equaliser on the way somewhere, always.
fn gliding() -> Job {
    Job::new("equalizer alone, every setting gliding", || {
        let mut equalizer = nodes(&[NodeSpec { node: "equalizer".into(), ..NodeSpec::default() }]);
        let mut count = 0_u32;
        Box::new(move |block, tell| {
            for node in &mut equalizer {
                if count.is_multiple_of(2) {
                    let far = f32::from(u8::from(count.is_multiple_of(4)));
                    for band in 0..5 {
                        node.set(3 * band, 200.0 + 4_000.0 * far);
                        node.set(3 * band + 1, 6.0 - 12.0 * far);
                        node.set(3 * band + 2, 0.5 + far);
                    }
                }
                node.process(block, None);
            }
            count += 1;
            tell();
        })
    })
}

fn peer() -> Job {
    Job::new("`ebur128`: I, S, M, LRA, true peak", || {
        let modes = Mode::I | Mode::S | Mode::M | Mode::LRA | Mode::TRUE_PEAK;
        let mut meter = EbuR128::new(2, RATE, modes).ok();
        Box::new(move |block, tell| {
            let fed = meter.as_mut().map(|meter| meter.add_frames_f32(block.as_flattened()));
            assert!(matches!(fed, Some(Ok(()))), "whole frames at a usual rate");
            tell();
        })
    })
}

fn broadcast() -> Vec<NodeSpec> {
    presets::find("broadcast").map(|preset| preset.nodes()).unwrap_or_default()
}

/// The broadcast chain with nothing left to be spared: all bands in use, the limiter always at work.
fn hard() -> Vec<NodeSpec> {
    let mut specs = broadcast();
    for spec in &mut specs {
        let settings: &[(&str, f64)] = match spec.node.as_str() {
            "equalizer" => &[("band1_gain_db", -2.0), ("band2_gain_db", 1.0), ("band3_gain_db", 2.0)],
            "limiter" => &[("threshold_db", -12.0)],
            _ => &[],
        };
        let settings = settings.iter();
        spec.config.extend(settings.map(|(name, value)| ((*name).to_owned(), ParamValue::Number(*value))));
    }
    specs
}

fn main() {
    let programme: Arc<[Stereo]> = programme(PROGRAMME_S).into();
    let mut jobs = vec![peer(), Job::station("none", Vec::new(), &programme)];
    jobs.extend(PRESETS.iter().map(|preset| Job::station(preset.name, preset.nodes(), &programme)));
    jobs.push(Job::station("broadcast, all five bands, limiter at -12 dBTP", hard(), &programme));
    jobs.push(gliding());
    let mut parts = Job::nodes("broadcast", broadcast());
    for _ in 0..RUNS {
        jobs.iter_mut().chain([&mut parts]).for_each(|job| job.run(&programme));
    }
    let reference = jobs[0].cost(0);
    println!(
        "| chain | CPU s per audio hour | beside `ebur128` | median block | 99.9 % of blocks | worst block |"
    );
    println!("|---|---|---|---|---|---|");
    for job in &jobs {
        let (name, cost) = (&job.name, job.cost(0));
        let [median, most, worst] = [0.5, 0.001, 0.0].map(|share| job.block(share));
        println!(
            "| {name} | {cost:.2} | {:.2} | {median:.2} % | {most:.2} % | {worst:.2} % |",
            cost / reference
        );
    }
    println!(
        "\n| node of `broadcast`, in its place | CPU s per audio hour | beside `ebur128` |\n|---|---|---|"
    );
    for (part, spec) in broadcast().iter().enumerate() {
        let cost = parts.cost(part);
        println!("| {} | {cost:.2} | {:.2} |", spec.node, cost / reference);
    }
}
