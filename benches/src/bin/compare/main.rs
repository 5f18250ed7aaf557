//! `make compare`: airchain beside ffmpeg, gstreamer and liquidsoap, as Debian has them, on one job in one run.
//!
//! `compare AIRCHAIN [--seconds N] [--emergencies N] [--starts N] [--write DIR]`. Prints Markdown; with `--write` it also puts
//! it between the markers of `DIR/benchmarks.md`, and a picture beside it.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod floor;
mod liquidsoap;
mod load;
mod picture;
mod tools;

use std::fmt::Write;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use airchain_benches::process::machine;
use airchain_benches::table::{SPREAD, median, quantile, spread, today, write_between};
use airchain_benches::{emergency, music, start};
use testkit::icecast::Icecast;

use crate::floor::Floor;
use crate::load::Load;
use crate::picture::{Panel, figure, svg};
use crate::tools::{Job, TOOLS};

/// Stations at once, in turn.
const STATIONS: [usize; 2] = [1, 8];
/// Lengths of the songs, in seconds.
const SONGS_S: [u32; 3] = [37, 41, 43];

struct Options {
    airchain: String,
    seconds: f64,
    emergencies: usize,
    starts: usize,
    write: Option<PathBuf>,
}

impl Options {
    fn parse() -> Result<Self> {
        let mut arguments = std::env::args().skip(1);
        let mut options = Self {
            airchain: "target/release/airchain".into(),
            seconds: 30.0,
            emergencies: 100,
            starts: 5,
            write: None,
        };
        while let Some(argument) = arguments.next() {
            if !argument.starts_with("--") {
                options.airchain = argument;
                continue;
            }
            let value = arguments.next().unwrap_or_default();
            let wrong = || Error::other(format!("{argument} {value:?}: give a number"));
            match argument.as_str() {
                "--seconds" => options.seconds = value.parse().map_err(|_| wrong())?,
                "--emergencies" => options.emergencies = value.parse().map_err(|_| wrong())?,
                "--starts" => options.starts = value.parse().map_err(|_| wrong())?,
                "--write" => options.write = Some(value.into()),
                _ => {
                    return Err(Error::other(format!(
                        "{argument}: give --seconds, --emergencies, --starts or --write"
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// Everything that was measured.
struct Measured {
    floor: Floor,
    /// For each number of stations, the loads in the order of [`TOOLS`].
    loads: Vec<(usize, Vec<Load>)>,
    ours: Vec<f64>,
    liquidsoap: Vec<f64>,
    /// In the order of [`TOOLS`]: to the first PCM, and to the first byte at an Icecast server.
    starts: Vec<(Vec<f64>, Vec<f64>)>,
}

fn main() -> Result<()> {
    let options = Options::parse()?;
    let folder = tempfile::tempdir()?;
    let measured = measure(&options, folder.path())?;
    let text = report(&options, &measured);
    println!("{text}");
    if let Some(to) = &options.write {
        write(to, &text, &measured)?;
    }
    Ok(())
}

fn measure(options: &Options, folder: &Path) -> Result<Measured> {
    let mut songs = Vec::new();
    for (number, seconds) in SONGS_S.into_iter().enumerate() {
        let song = folder.join(format!("song{number}.mp3"));
        music::write(&song, seconds)?;
        songs.push(song);
    }
    let [first, ..] = songs.as_slice() else { return Err(Error::other("no songs")) };
    let icecast = Icecast::start(20);
    let airchain = options.airchain.as_str();
    // Before, between and after the others: a machine that is slower for a while is so for all.
    let mut floors = vec![floor::measure(first)?];
    let mut loads = Vec::new();
    for stations in STATIONS {
        let job = Job { airchain, folder, songs: &songs, server: icecast.address(), stations };
        let mut row = Vec::new();
        for tool in TOOLS {
            eprintln!("{} x {stations}", tool.name());
            row.push(load::measure(tool, &job, &icecast, options.seconds)?);
            floors.push(floor::measure(first)?);
        }
        loads.push((stations, row));
    }
    floors.sort_by(|a, b| a.total_s().total_cmp(&b.total_s()));
    let floor = floors.swap_remove(floors.len() / 2);
    eprintln!("emergencies");
    let ours = emergency::measure(folder, options.emergencies, 0)?.listeners;
    let ours = ours.into_iter().find(|(name, _)| name.starts_with("icecast2") && name.contains("48"));
    let liquidsoap = liquidsoap::emergencies(folder, &icecast, options.emergencies)?;
    let mut starts: Vec<_> = TOOLS.iter().map(|_| (Vec::new(), Vec::new())).collect();
    for round in 0..options.starts {
        eprintln!("starts, round {}", round + 1);
        for (tool, (pcm, audio)) in TOOLS.into_iter().zip(&mut starts) {
            pcm.push(match tools::pcm(tool, folder, first)? {
                Some(mut command) => start::output(&mut command)?,
                None => start::pcm(airchain, first)?,
            });
            audio.push(start::icecast_server(|server| {
                let job = Job { airchain, folder, songs: &songs, server, stations: 1 };
                tool.commands(&job)?.pop().ok_or_else(|| Error::other("no command"))
            })?);
            // The next begins as this one did.
            std::fs::remove_dir_all(folder.join("hls0"))?;
        }
    }
    Ok(Measured {
        floor,
        loads,
        ours: ours.map(|(_, delays)| delays).unwrap_or_default(),
        liquidsoap,
        starts,
    })
}

/// The tables.
fn report(options: &Options, measured: &Measured) -> String {
    let mut out = String::new();
    let versions: Vec<String> = TOOLS.iter().map(|tool| tool.version(&options.airchain)).collect();
    let (today, versions) = (today(), versions.join(", "));
    let _ = writeln!(out, "{today}; {versions}; {}; {} s each.\n", machine(), options.seconds);
    let Floor { decode_s, resample_s, mp3_s, aac_s } = &measured.floor;
    let floor = measured.floor.total_s();
    let _ = writeln!(
        out,
        "The bare codecs in the same run: {floor:.2} CPU s per station-minute (MP3 decoder {decode_s:.3}, resampler {resample_s:.3}, \
         LAME {mp3_s:.3}, FDK-AAC {aac_s:.3}).\n"
    );
    out += "| stations | tool | CPU s per station-minute | beside airchain | beside the bare codecs | MiB per station (PSS) | beside airchain | threads |\n\
            |---|---|---|---|---|---|---|---|\n";
    for (stations, loads) in &measured.loads {
        let Some(ours) = loads.first() else { continue };
        for (tool, load) in TOOLS.iter().zip(loads) {
            let each = load.pss_mib / *stations as f64;
            let _ = writeln!(
                out,
                "| {stations} | {} | {:.2} | {:.2} | {:.2} | {each:.1} | {:.2} | {} |",
                tool.name(),
                load.cpu_s,
                load.cpu_s / ours.cpu_s,
                load.cpu_s / floor,
                load.pss_mib / ours.pss_mib,
                load.threads
            );
        }
    }
    let _ = writeln!(
        out,
        "\nEmergency, from the command to its first sample at a listener of icecast2, MP3 128k at 48 kHz, ms:\n\n{SPREAD}"
    );
    for (name, delays) in [("airchain", &measured.ours), ("liquidsoap", &measured.liquidsoap)] {
        let _ = writeln!(out, "{}", spread(name, delays));
    }
    let ratio = |share| quantile(&measured.liquidsoap, share) / quantile(&measured.ours, share);
    let _ = writeln!(
        out,
        "\nLiquidsoap takes {:.1} times as long in the median and {:.1} times at the 99th percentile.",
        ratio(0.5),
        ratio(0.99)
    );
    let _ = writeln!(
        out,
        "\nFrom the start of the process, ms, medians of {}:\n\n| tool | first PCM | beside airchain | first byte at an Icecast server | beside airchain |\n|---|---|---|---|---|",
        options.starts
    );
    let medians = |(pcm, audio): &(Vec<f64>, Vec<f64>)| (median(pcm), median(audio));
    let ours = measured.starts.first().map_or((f64::NAN, f64::NAN), medians);
    for (tool, (pcm, audio)) in TOOLS.iter().zip(measured.starts.iter().map(medians)) {
        let (name, beside) = (tool.name(), (pcm / ours.0, audio / ours.1));
        let _ = writeln!(out, "| {name} | {pcm:.0} | {:.2} | {audio:.0} | {:.2} |", beside.0, beside.1);
    }
    out
}

/// The figures that a picture says at a glance.
fn panels(measured: &Measured) -> Vec<Panel> {
    let bars = |values: &mut dyn Iterator<Item = f64>| {
        TOOLS.iter().map(|tool| tool.name().to_owned()).zip(values).collect::<Vec<_>>()
    };
    let mut panels = Vec::new();
    if let Some((stations, loads)) = measured.loads.last() {
        panels.push(Panel {
            title: format!("CPU seconds per station-minute, {stations} stations"),
            bars: bars(&mut loads.iter().map(|load| load.cpu_s)),
            unit: "s",
            floor: Some((
                format!("bare codecs {}", figure(measured.floor.total_s())),
                measured.floor.total_s(),
            )),
        });
        panels.push(Panel {
            title: format!("Memory per station (PSS), {stations} stations"),
            bars: bars(&mut loads.iter().map(|load| load.pss_mib / *stations as f64)),
            unit: "MiB",
            floor: None,
        });
    }
    let both = [("airchain", &measured.ours), ("liquidsoap", &measured.liquidsoap)];
    panels.push(Panel {
        title: "Emergency to a listener of icecast2, median".into(),
        bars: both.map(|(name, delays)| (name.to_owned(), median(delays))).into(),
        unit: "ms",
        floor: None,
    });
    panels.push(Panel {
        title: "Start of the process to the first byte at an Icecast server, median".into(),
        bars: bars(&mut measured.starts.iter().map(|(_, audio)| median(audio))),
        unit: "ms",
        floor: None,
    });
    panels
}

fn write(to: &Path, text: &str, measured: &Measured) -> Result<()> {
    write_between(&to.join("benchmarks.md"), "make compare", text)?;
    std::fs::write(to.join("benchmarks.svg"), svg(&panels(measured)))
}
