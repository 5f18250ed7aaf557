//! `make figures-dsp`: what the presets and their nodes cost, beside `ebur128` measuring the same programme in the same run.
//!
//! Prints Markdown tables. Times are of the thread's own processor clock, block by block, so that what else runs on the machine
//! counts for as little as it can; every job runs in turn with the others, and figures are medians of the runs.

#![allow(clippy::print_stdout)]

use std::time::Duration;

use airchain_benches::{BLOCK, RATE, nodes, programme};
use airchain_core::Stereo;
use airchain_core::chain::NodeSpec;
use airchain_core::presets::{self, PRESETS};
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

/// Something that is done to each block, in parts: by its name.
struct Job {
    name: String,
    parts: Vec<String>,
    start: Box<dyn Fn() -> Work>,
    /// Times of all blocks of each run, by part.
    runs: Vec<Vec<Vec<Duration>>>,
}

/// Does its parts to a block, and tells the time after each.
type Work = Box<dyn FnMut(&mut [Stereo], &mut dyn FnMut())>;

impl Job {
    fn new(name: &str, parts: Vec<String>, start: impl Fn() -> Work + 'static) -> Self {
        Self { name: name.to_owned(), parts, start: Box::new(start), runs: Vec::new() }
    }

    fn chain(name: &str, specs: Vec<NodeSpec>) -> Self {
        let parts = specs.iter().map(|spec| spec.node.clone()).collect();
        Self::new(name, parts, move || {
            let mut nodes = nodes(&specs);
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
        let mut times: Vec<Vec<Duration>> =
            vec![Vec::with_capacity(programme.len() / BLOCK); self.parts.len()];
        let mut block = [[0.0; 2]; BLOCK];
        for input in programme.chunks_exact(BLOCK) {
            block.copy_from_slice(input);
            let (mut part, mut before) = (0, now());
            work(&mut block, &mut || {
                let after = now();
                times[part].push(after.saturating_sub(before));
                (part, before) = (part + 1, after);
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

    /// Processor seconds per hour of audio.
    fn cost(&self) -> f64 {
        self.median(|run| run.iter().map(|part| per_hour(part)).sum())
    }

    /// Share of a block's period that the costliest but so many of all blocks take, in percent.
    fn block(&self, share_above: f64) -> f64 {
        self.median(|run| {
            let blocks = run.first().map_or(0, Vec::len);
            let mut sums: Vec<Duration> =
                (0..blocks).map(|n| run.iter().filter_map(|part| part.get(n)).sum()).collect();
            sums.sort();
            let at = blocks.saturating_sub(1 + (share_above * blocks as f64) as usize);
            let period = BLOCK as f64 / f64::from(RATE);
            100.0 * sums.get(at).map_or(0.0, Duration::as_secs_f64) / period
        })
    }
}

fn per_hour(times: &[Duration]) -> f64 {
    times.iter().sum::<Duration>().as_secs_f64() * 3600.0 / PROGRAMME_S as f64
}

/// All bands of the equaliser on the way somewhere, always.
fn gliding() -> Job {
    Job::new("equalizer, every setting gliding", vec!["equalizer".into()], || {
        let mut equalizer = nodes(&[NodeSpec { node: "equalizer".into(), ..NodeSpec::default() }]);
        let mut count = 0_u32;
        Box::new(move |block, tell| {
            for node in &mut equalizer {
                if count.is_multiple_of(2) {
                    let far = f32::from(count.is_multiple_of(4));
                    (0..5).for_each(|band| {
                        node.set(3 * band, 200.0 + 4_000.0 * far);
                        node.set(3 * band + 1, 6.0 - 12.0 * far);
                        node.set(3 * band + 2, 0.5 + far);
                    });
                }
                node.process(block, None);
            }
            count += 1;
            tell();
        })
    })
}

fn peer() -> Job {
    Job::new("`ebur128`: I, S, M, LRA, true peak", vec!["ebur128".into()], || {
        let modes = Mode::I | Mode::S | Mode::M | Mode::LRA | Mode::TRUE_PEAK;
        let mut meter = EbuR128::new(2, RATE, modes).ok();
        Box::new(move |block, tell| {
            let fed = meter.as_mut().map(|meter| meter.add_frames_f32(block.as_flattened()));
            assert!(matches!(fed, Some(Ok(()))), "whole frames at a usual rate");
            tell();
        })
    })
}

/// The nodes of the broadcast chain with nothing left to be spared: all bands in use, the limiter always at work.
fn hard() -> Job {
    let mut specs = presets::find("broadcast").map(|preset| preset.nodes()).unwrap_or_default();
    for spec in &mut specs {
        let settings: &[(&str, f64)] = match spec.node.as_str() {
            "equalizer" => &[("band1_gain_db", -2.0), ("band2_gain_db", 1.0), ("band3_gain_db", 2.0)],
            "limiter" => &[("threshold_db", -12.0)],
            _ => &[],
        };
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), airchain_core::chain::ParamValue::Number(*value)));
        spec.config.extend(settings);
    }
    Job::chain("broadcast, all five bands, limiter at -12 dBTP", specs)
}

fn main() {
    let programme = programme(PROGRAMME_S);
    let mut jobs = vec![peer()];
    jobs.extend(PRESETS.iter().map(|preset| Job::chain(preset.name, preset.nodes())));
    jobs.extend([hard(), gliding()]);
    for _ in 0..RUNS {
        jobs.iter_mut().for_each(|job| job.run(&programme));
    }
    let reference = jobs[0].cost();
    println!(
        "| chain | CPU s per audio hour | beside `ebur128` | median block | 99.9 % of blocks | worst block |"
    );
    println!("|---|---|---|---|---|---|");
    for job in &jobs {
        let (name, cost) = (&job.name, job.cost());
        let [median, most, worst] = [0.5, 0.001, 0.0].map(|share| job.block(share));
        println!(
            "| {name} | {cost:.2} | {:.2} | {median:.2} % | {most:.2} % | {worst:.2} % |",
            cost / reference
        );
    }
    println!(
        "\n| node of `broadcast`, in its place | CPU s per audio hour | beside `ebur128` |\n|---|---|---|"
    );
    for job in jobs.iter().filter(|job| job.name == "broadcast") {
        for (part, name) in job.parts.iter().enumerate() {
            let cost = job.median(|run| per_hour(&run[part]));
            println!("| {name} | {cost:.2} | {:.2} |", cost / reference);
        }
    }
}
