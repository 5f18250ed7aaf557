//! `make figures-latency`: from an operator's command, and from the start of the process, to what is heard.
//!
//! `latency AIRCHAIN [COMMANDS] [STARTS] [--write DIR]`: the program, how many emergencies, how many starts of each kind. Prints
//! Markdown tables: emergencies to the bus and to real listeners, a skip into a crossfade, and starts; with `--write` it also
//! puts them between the markers of `DIR/benchmarks.md`.

#![allow(clippy::print_stdout)]

use std::fmt::Write;
use std::io::Result;
use std::path::Path;

use airchain_benches::arguments::Arguments;
use airchain_benches::process::machine;
use airchain_benches::table::{SPREAD, spread, today, write_between};
use airchain_benches::{emergency, start};
use testkit::icecast::{Icecast, PASSWORD};

fn main() -> Result<()> {
    let asked = Arguments::of_process("latency AIRCHAIN [COMMANDS] [STARTS] [--write DIR]");
    let text = report(asked.airchain(), asked.number(1, 300)?, asked.number(2, 20)?)?;
    println!("{text}");
    asked.write.map_or(Ok(()), |to| write_between(&to.join("benchmarks.md"), "latency", &text))
}

/// Measures; the tables.
fn report(airchain: &str, commands: usize, starts: usize) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let mut out = format!("{}; {}.\n", today(), machine());
    let emergencies = emergency::measure(folder.path(), commands, commands / 6)?;
    let mut rows = vec![
        ("first sample on the bus, blocks".to_owned(), emergencies.blocks),
        ("rendered, ms".to_owned(), emergencies.taken_ms),
        ("on the bus, behind the chain's look-ahead, ms".to_owned(), emergencies.bus_ms),
    ];
    rows.extend(emergencies.listeners.into_iter().map(|(name, delays)| (format!("{name}, ms"), delays)));
    table(&mut out, "Emergency, from the command, ms but for the first row:", &rows);
    let skips = [
        ("first sample, blocks".to_owned(), emergencies.skip_blocks),
        ("rendered, ms".to_owned(), emergencies.skip_ms),
    ];
    table(&mut out, "Skip into a crossfade of 5 s:", &skips);
    let music = folder.path().join("music.mp3");
    airchain_benches::music::write(&music, 30)?;
    let icecast = Icecast::start(20);
    let mut rows = Vec::new();
    let mut row = |name: &str, once: &mut dyn FnMut() -> Result<f64>| -> Result<()> {
        let times = (0..starts).map(|_| once()).collect::<Result<Vec<_>>>()?;
        rows.push((name.to_owned(), times));
        Ok(())
    };
    row("PCM (WAV) at a listener of the HTTP output, ms", &mut || start::pcm(airchain, &music))?;
    row("MP3 at a listener of the HTTP output, ms", &mut || start::http(airchain, &music))?;
    row("MP3 at the Icecast server, ms", &mut || to_server(airchain, &music))?;
    row("MP3 at a listener of icecast2, ms", &mut || to_listener(airchain, &music, &icecast))?;
    table(&mut out, "Start of the process:", &rows);
    Ok(out)
}

/// Appends a table with what it is about.
fn table(out: &mut String, about: &str, rows: &[(String, Vec<f64>)]) {
    // Writing to a string never fails.
    let _ = writeln!(out, "\n{about}\n\n{SPREAD}");
    for (name, values) in rows {
        let _ = writeln!(out, "{}", spread(name, values));
    }
}

fn to_server(airchain: &str, music: &Path) -> Result<f64> {
    start::icecast_server(|server| {
        start::into_icecast(airchain, music, &format!("icecast://source:{PASSWORD}@{server}/live.mp3"))
    })
}

fn to_listener(airchain: &str, music: &Path, icecast: &Icecast) -> Result<f64> {
    let url = icecast.url("/live.mp3");
    start::icecast_listener(icecast, &mut start::into_icecast(airchain, music, &url)?)
}
