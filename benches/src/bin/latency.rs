//! `make figures-latency`: from an operator's command, and from the start of the process, to what is heard.
//!
//! Prints Markdown tables: emergencies to the bus and to real listeners, a skip into a crossfade, and starts.
//! `latency AIRCHAIN [COMMANDS] [STARTS]`: the program, how many emergencies, how many starts of each kind.

#![allow(clippy::print_stdout)]

use std::io::Result;
use std::path::Path;

use airchain_benches::process::machine;
use airchain_benches::table::{SPREAD, spread};
use airchain_benches::{emergency, start};
use testkit::icecast::{Icecast, PASSWORD};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let airchain = arguments.next().unwrap_or_else(|| "target/release/airchain".into());
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (commands, starts) = (number(300), number(20));
    let folder = tempfile::tempdir()?;
    println!("{}\n", machine());
    println!("## Emergency: command to what is heard\n\n{SPREAD}");
    let measured = emergency::measure(folder.path(), commands, commands / 6)?;
    println!("{}", spread("first sample on the bus, blocks", &measured.blocks));
    println!("{}", spread("rendered, ms", &measured.taken_ms));
    println!("{}", spread("on the bus, behind the chain's look-ahead, ms", &measured.bus_ms));
    for (name, delays) in &measured.listeners {
        println!("{}", spread(&format!("{name}, ms"), delays));
    }
    println!("\n## Skip into a crossfade of 5 s: command to its first sample\n\n{SPREAD}");
    println!("{}", spread("first sample, blocks", &measured.skip_blocks));
    println!("{}", spread("rendered, ms", &measured.skip_ms));
    println!("\n## Start of the process\n\n{SPREAD}");
    let music = folder.path().join("music.mp3");
    airchain_benches::music::write(&music, 30)?;
    let icecast = Icecast::start(20);
    let times =
        |once: &mut dyn FnMut() -> Result<f64>| (0..starts).map(|_| once()).collect::<Result<Vec<_>>>();
    let row =
        |name: &str, values: Result<Vec<f64>>| values.map(|values| println!("{}", spread(name, &values)));
    row("PCM (WAV) at a listener of the HTTP output, ms", times(&mut || start::pcm(&airchain, &music)))?;
    row("MP3 at a listener of the HTTP output, ms", times(&mut || start::http(&airchain, &music)))?;
    row("MP3 at the Icecast server, ms", times(&mut || to_server(&airchain, &music)))?;
    row("MP3 at a listener of icecast2, ms", times(&mut || to_listener(&airchain, &music, &icecast)))
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
