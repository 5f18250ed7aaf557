//! `airchain play`: files on air, from one command.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::output::{HttpOptions, mount_path};
use airchain::outputs::hls::{self, HlsConfig};
use airchain::outputs::http::{MountMeta, ServedDir};
use airchain::outputs::icecast::IcecastConfig;
use airchain::outputs::recording::RecordingConfig;
use airchain::{Host, OutputSpec, Station, StationSpec, Target, from_config};
use clap::Args;

use crate::Failed;
use crate::display;
use crate::events::{Events, LiveLines};
use crate::programme::Programme;
use crate::render::script;
use crate::signals::Signals;
use crate::threads::ThreadArgs;

/// The flags of `airchain play`.
#[derive(Args, Debug)]
pub(crate) struct PlayArgs {
    #[command(flatten)]
    programme: Programme,
    /// Address of the built-in listener: a page at /, the audio at /live.mp3 and the like
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: Vec<String>,
    /// Icecast mount to feed: icecast://source:PASSWORD@HOST:PORT/MOUNT
    #[arg(long, value_name = "URL")]
    icecast: Vec<String>,
    /// Folder for HLS: AAC, 128 kbit/s unless --format names an AAC; the listener serves it at /hls/
    #[arg(long, value_name = "DIR")]
    hls: Vec<PathBuf>,
    /// Folder for recordings
    #[arg(long, value_name = "DIR")]
    record: Vec<PathBuf>,
    /// mp3:128k, aac:96k, he-aac:48k, opus:96k, flac and the like; each is a mount of the listener, and the first
    /// that fits is what the other outputs get
    #[arg(long, value_name = "FORMAT", value_parser = Format::parse)]
    format: Vec<Format>,
    /// Name of the station
    #[arg(long, default_value = "airchain")]
    name: String,
    /// Stop after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::duration::parse)]
    duration: Option<Duration>,
    /// Where to write what happens, as JSON lines; - is standard output
    #[arg(long, value_name = "FILE")]
    events: Option<String>,
    /// Timed commands, as JSON lines
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Where to write every command that is carried out, with its frame: render --script FILE makes the same programme
    #[arg(long, value_name = "FILE")]
    command_log: Option<String>,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// How long outputs have to close.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);
/// How often the display is redrawn and signals are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Runs the command.
pub(crate) fn run(args: &PlayArgs) -> Result<(), Failed> {
    if args.programme.paths.is_empty() {
        return Err(Failed::new("nothing to play: give files, folders, playlists or the URL of a stream"));
    }
    let signals = Signals::install()?;
    let mut spec = StationSpec { id: "play".into(), name: args.name.clone(), ..StationSpec::default() };
    args.programme.apply(&mut spec, true)?;
    let script = script(args.script.as_deref(), spec.sample_rate_hz)?;
    let events = args.events.as_deref().map(Events::create).transpose()?;
    let commands = args.command_log.as_deref().map(Events::create_anew).transpose()?;
    spec.command_log = commands.is_some();
    let host = Host::new(args.threads.host())?;
    let (station, events, _served) = match start(args, spec, events, &host) {
        Ok(started) => started,
        Err(error) => {
            host.shutdown(DRAIN);
            return Err(error);
        }
    };
    for (moment, request) in script {
        station.request(moment, request)?;
    }
    let commands = commands.map(|commands| LiveLines::commands(commands, &station)).transpose();
    let ended = watch(&station, args.duration, &signals);
    host.shutdown(DRAIN);
    for lines in [events, commands?].into_iter().flatten() {
        lines.finish();
    }
    if ended == Ended::ByItself && station.on_air().is_none() {
        return Err(Failed::new("no item could be played; nothing was on air"));
    }
    Ok(())
}

fn start(
    args: &PlayArgs,
    spec: StationSpec,
    events: Option<Events>,
    host: &Host,
) -> Result<(Station, Option<LiveLines>, Vec<ServedDir>), Failed> {
    let (outputs, served) = outputs(args, host)?;
    let station = host.add_station(spec, outputs)?;
    let events =
        events.map(|events| LiveLines::events(events, std::slice::from_ref(&station), false)).transpose()?;
    Ok((station, events, served))
}

/// Why a station is no longer watched.
#[derive(PartialEq)]
enum Ended {
    /// The programme or the time is over.
    ByItself,
    /// A signal asked for it.
    Asked,
}

/// Shows what happens until it is over.
fn watch(station: &Station, duration: Option<Duration>, signals: &Signals) -> Ended {
    let display = std::io::stderr().is_terminal();
    let end = duration.map(|duration| Instant::now() + duration);
    loop {
        if signals.is_set() {
            return Ended::Asked;
        }
        if station.is_finished() || end.is_some_and(|end| Instant::now() >= end) {
            return Ended::ByItself;
        }
        if display {
            display::draw(station);
        }
        std::thread::sleep(TICK.min(end.map_or(TICK, |end| end.saturating_duration_since(Instant::now()))));
    }
}

/// The outputs that the flags ask for, and what listeners serve of them. One that cannot be (a port in use) is named; when none is left, that is the
/// error.
fn outputs(args: &PlayArgs, host: &Host) -> Result<(Vec<OutputSpec>, Vec<ServedDir>), Failed> {
    let formats = if args.format.is_empty() { vec![Format::parse("mp3:128k")?] } else { args.format.clone() };
    let first = formats.first().copied().unwrap_or_else(|| Format::of(Codec::Mp3));
    let is_aac = |format: &&Format| matches!(format.codec, Codec::AacLc | Codec::HeAacV1 | Codec::HeAacV2);
    let hls_format = formats.iter().find(is_aac).copied().unwrap_or_else(|| Format::of(Codec::AacLc));
    let (mut outputs, mut served) = (Vec::new(), Vec::new());
    let mut problems = Vec::new();
    let mut listeners = Vec::new();
    for text in &args.listen {
        let listen = from_config::resolve(text)?;
        match host.listener(listen) {
            Ok(listener) => {
                tracing::info!("listening on http://{}/", listener.local_addr());
                listeners.push(listener);
                let mounts = mounts(&formats, listen, &args.name, outputs.len());
                outputs.extend(mounts);
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    for (index, url) in args.icecast.iter().enumerate() {
        let config =
            IcecastConfig { url: url.clone(), name: Some(args.name.clone()), ..IcecastConfig::default() };
        outputs.push(OutputSpec {
            id: format!("icecast-{index}"),
            format: first,
            target: Target::Icecast(config),
            passthrough: false,
        });
    }
    for (index, path) in args.hls.iter().enumerate() {
        let target = Target::Hls(HlsConfig::new(path));
        outputs.push(OutputSpec {
            id: format!("hls-{index}"),
            format: hls_format,
            target,
            passthrough: false,
        });
        let prefix = if index == 0 { "/hls".to_owned() } else { format!("/hls-{index}") };
        for listener in &listeners {
            let dir = listener.serve_dir(&prefix, path, Some(hls::INDEX), false, None);
            served.push(dir.map_err(|error| Failed::new(error.to_string()))?);
        }
    }
    for (index, path) in args.record.iter().enumerate() {
        let config = RecordingConfig { station: args.name.clone(), ..RecordingConfig::new(path) };
        let target = Target::Recording(config);
        outputs.push(OutputSpec { id: format!("record-{index}"), format: first, target, passthrough: false });
    }
    if outputs.is_empty() {
        return Err(Failed::new(problems.join("; ")));
    }
    for problem in problems {
        tracing::error!("{problem}");
    }
    Ok((outputs, served))
}

/// A mount for each format; a second format of the same extension gets a number.
fn mounts(formats: &[Format], listen: std::net::SocketAddr, name: &str, before: usize) -> Vec<OutputSpec> {
    let mut taken: Vec<String> = Vec::new();
    let mut specs = Vec::new();
    for format in formats {
        let first = mount_path(format.codec);
        let mut path = first.clone();
        for number in 2.. {
            if !taken.contains(&path) {
                break;
            }
            path = first.replacen('.', &format!("-{number}."), 1);
        }
        taken.push(path.clone());
        let meta = MountMeta { name: name.to_owned(), ..MountMeta::default() };
        let id = format!("http-{}", before + specs.len());
        let target = Target::Http { listen, path, meta, options: HttpOptions::default() };
        specs.push(OutputSpec { id, format: *format, target, passthrough: false });
    }
    specs
}
