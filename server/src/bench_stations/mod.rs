//! `airchain bench-stations`: how many stations this machine carries, and what each costs beside the bare codecs.
//!
//! Each number of stations runs in a process of its own, so that its memory and threads are its own: MP3 in, crossfades,
//! the chain `broadcast`, MP3 to Icecast and AAC-LC as HLS. What takes the MP3 is a process of its own too, which answers
//! as an Icecast server does and throws the audio away.

mod floor;
mod process;
mod receiver;
mod worker;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::Failed;
use floor::Floor;

/// The flags of `airchain bench-stations`.
#[derive(Args, Clone, Debug)]
pub(crate) struct BenchArgs {
    /// Files, folders and playlists (m3u, pls) that the stations play, each in an order of its own; MP3, for the figures to
    /// be those of the documentation
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Numbers of stations to try, each in a process of its own
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,32")]
    stations: Vec<usize>,
    /// Then find the greatest number that runs without a dropout
    #[arg(long)]
    max: bool,
    /// Seconds that each is measured for
    #[arg(long, value_name = "S", default_value_t = 60)]
    seconds: u64,
    /// Seconds before that for all to be on air
    #[arg(long, value_name = "S", default_value_t = 10)]
    settle: u64,
    /// Crossfade, in seconds
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    crossfade: f64,
    /// Chain: none or a preset
    #[arg(long, value_name = "none|PRESET", default_value = "broadcast")]
    chain: String,
    /// Audio that encoders take at a time, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 200)]
    batch: u64,
    /// Folder for HLS; a new one among the temporary files unless given
    #[arg(long, value_name = "DIR")]
    hls: Option<PathBuf>,
    /// What this process is for: the command starts itself again for each part
    #[arg(long, hide = true, value_name = "PART")]
    part: Option<String>,
    /// Where the receiver listens
    #[arg(long, hide = true, value_name = "ADDR")]
    receiver: Option<String>,
}

/// What a number of stations came to.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Outcome {
    stations: usize,
    seconds: f64,
    /// Processor seconds of the process, with those of threads that have ended.
    cpu_s: f64,
    /// The same by thread, of those there are at the end: `air`, `decode`, `encode`, `io`, `control`.
    threads_cpu_s: Vec<(String, f64)>,
    /// Of `encode`, that of meters.
    meter_s: f64,
    resident_mib: f64,
    threads: u64,
    /// What went wrong: nothing, if it is to count.
    troubles: Troubles,
}

/// Frames that listeners did not hear as they should have, and why.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Troubles {
    /// Not rendered: the air thread came too late.
    missed: u64,
    /// Not decoded in time.
    underrun: u64,
    /// Not encoded in time.
    unencoded: u64,
    /// Not delivered in time.
    undelivered: u64,
    /// Not measured; nobody hears that.
    unmeasured: u64,
    /// Outputs that were not up at the end.
    down: usize,
}

impl Troubles {
    fn are_none(&self) -> bool {
        self.missed + self.underrun + self.unencoded + self.undelivered == 0 && self.down == 0
    }
}

impl Outcome {
    fn per_station_minute(&self) -> f64 {
        self.cpu_s / (self.stations as f64 * self.seconds / 60.0)
    }
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failed> {
    match args.part.as_deref() {
        None => measure(args),
        Some("receiver") => receiver::run(),
        Some(_) => worker::run(args),
    }
}

fn measure(args: &BenchArgs) -> Result<(), Failed> {
    if args.paths.is_empty() {
        return Err(Failed::new("nothing to play: give MP3 files or folders of them"));
    }
    let (receiver, address) = start_receiver()?;
    let result = table(args, &address);
    drop(receiver);
    result
}

fn table(args: &BenchArgs, receiver: &str) -> Result<(), Failed> {
    let before = floor::measure(&args.paths)?;
    say(&format!("Bare codecs before, processor seconds per hour of audio: {before}\n"));
    say(
        "| stations | CPU s per station-minute | times these | air | decode | encode | of it meters | io | control \
         | resident MiB | per further station | threads | dropouts |",
    );
    say("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut first: Option<(usize, f64)> = None;
    let mut spent = Vec::new();
    let mut row = |outcome: &Outcome| {
        let further = first.filter(|(stations, _)| outcome.stations > *stations).map(|(stations, mib)| {
            format!("{:.2}", (outcome.resident_mib - mib) / (outcome.stations - stations) as f64)
        });
        first = first.or(Some((outcome.stations, outcome.resident_mib)));
        spent.push((outcome.stations, outcome.per_station_minute()));
        say(&line(outcome, before.per_station_minute(), &further.unwrap_or_default()));
    };
    let mut last = None;
    for stations in &args.stations {
        let outcome = one(args, receiver, *stations)?;
        row(&outcome);
        last = Some(outcome);
    }
    let most = match last.filter(|_| args.max) {
        Some(last) => Some(search(args, receiver, &last, &mut row)?),
        None => None,
    };
    // The machine may be another by now: what else runs there, how hot it is.
    let after = floor::measure(&args.paths)?;
    let mean = Floor::mean(&[before, after]);
    say(&format!("\nBare codecs after: {after}\nBare codecs, mean of both: {mean}"));
    let times = |(stations, cpu_s): &(usize, f64)| {
        format!("{stations} stations {:.2}", cpu_s / mean.per_station_minute())
    };
    say(&format!("Times the mean: {}", spent.iter().map(times).collect::<Vec<_>>().join(", ")));
    if let Some(most) = most {
        say(&format!("\nThe greatest number without a dropout: {most}"));
    }
    Ok(())
}

/// Looks for the greatest number of stations that runs well.
fn search(
    args: &BenchArgs,
    receiver: &str,
    last: &Outcome,
    row: &mut impl FnMut(&Outcome),
) -> Result<usize, Failed> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let mut good = if last.troubles.are_none() { last.stations } else { 0 };
    let mut bad = if last.troubles.are_none() { usize::MAX } else { last.stations };
    let mut next = (0.92 * cores * 60.0 / last.per_station_minute()) as usize;
    while bad - good > (good / 32).max(1) {
        next = next.clamp(good + 1, bad - 1);
        let outcome = one(args, receiver, next)?;
        row(&outcome);
        if outcome.troubles.are_none() {
            good = next;
        } else {
            bad = next;
        }
        next = if bad == usize::MAX { good + (good / 12).max(1) } else { good.midpoint(bad) };
    }
    Ok(good)
}

fn line(outcome: &Outcome, bare: f64, further: &str) -> String {
    let station_minutes = outcome.stations as f64 * outcome.seconds / 60.0;
    let of = |name: &str| {
        let seconds = outcome.threads_cpu_s.iter().filter(|(thread, _)| thread == name).map(|(_, s)| s);
        seconds.sum::<f64>() / station_minutes
    };
    let troubles = &outcome.troubles;
    let dropouts = if troubles.are_none() && troubles.unmeasured == 0 {
        "none".to_owned()
    } else {
        let Troubles { missed, underrun, unencoded, undelivered, unmeasured, down } = troubles;
        format!(
            "frames not rendered {missed}, decoded {underrun}, encoded {unencoded}, delivered {undelivered}, measured \
             {unmeasured}; outputs down {down}"
        )
    };
    let cpu = outcome.per_station_minute();
    format!(
        "| {} | {cpu:.2} | {:.2} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.1} | {further} | {} | {dropouts} |",
        outcome.stations,
        cpu / bare,
        of("air"),
        of("decode"),
        of("encode"),
        outcome.meter_s / station_minutes,
        of("io"),
        of("control"),
        outcome.resident_mib,
        outcome.threads,
    )
}

/// Runs so many stations in a process of their own.
fn one(args: &BenchArgs, receiver: &str, stations: usize) -> Result<Outcome, Failed> {
    let mut command = itself("worker")?;
    command.args(&args.paths).args(["--stations", &stations.to_string(), "--receiver", receiver]);
    command.args(["--seconds", &args.seconds.to_string(), "--settle", &args.settle.to_string()]);
    command.args(["--crossfade", &args.crossfade.to_string(), "--chain", &args.chain]);
    command.args(["--batch", &args.batch.to_string()]);
    if let Some(folder) = &args.hls {
        command.arg("--hls").arg(folder);
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said)?;
    }
    if !child.wait()?.success() {
        return Err(Failed::new(format!("the process of {stations} stations failed")));
    }
    Ok(serde_json::from_str(&said)?)
}

/// A child that ends with this process: when this is dropped, and because it holds the other end of the child's standard
/// input, see [`end_with_parent`].
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_receiver() -> Result<(Running, String), Failed> {
    let mut child = itself("receiver")?.stdout(Stdio::piped()).spawn()?;
    let mut address = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut address)?;
    }
    Ok((Running(child), address.trim().to_owned()))
}

fn itself(part: &str) -> Result<Command, Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench-stations", "--part", part]).stdin(Stdio::piped());
    // What a station says while it starts is not what is asked for; troubles are.
    command.env("AIRCHAIN_LOG", "error");
    Ok(command)
}

/// Has this process, which the command started, do `end` once the command is gone, however that went: its standard input,
/// to which nobody writes, ends then.
fn end_with_parent(end: impl FnOnce() + Send + 'static) {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end();
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
