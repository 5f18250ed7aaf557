//! `airchain render`: the engine offline, to one file.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use airchain::StationSpec;
use airchain::as_run::AsRun;
use airchain::codecs::encode::ENCODERS;
use airchain::codecs::{Codec, Format};
use airchain::core::playout::{Moment, Request};
use airchain::core::units::{frames_to_seconds, seconds_to_frames};
use airchain::file::FileWriter;
use airchain::offline::Render;
use airchain::schedule::{self, At};
use airchain::{config, from_config, script};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Failed;
use crate::events::Events;
use crate::log;
use crate::programme::Programme;
use crate::question::{Clock, Question};

/// The flags of `airchain render`.
#[derive(Args, Debug)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    programme: Programme,
    /// File to write; the format goes by its extension. /dev/null measures and reports only
    #[arg(long, value_name = "FILE", required_unless_present = "quick")]
    out: Option<PathBuf>,
    /// Format of the file, such as mp3:128k, where it is not the extension's usual one
    #[arg(long, value_parser = Format::parse)]
    format: Option<Format>,
    /// Station file whose programme and chain are rendered
    #[arg(long, value_name = "STATION.yaml")]
    config: Option<PathBuf>,
    /// Length of the output; the programme's own when absent
    #[arg(long, value_parser = crate::duration::parse)]
    duration: Option<Duration>,
    /// Timed commands, as JSON lines
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Where to write what happened, as JSON lines; - is standard output
    #[arg(long, value_name = "FILE")]
    events: Option<String>,
    /// UTC of the first frame, for what is scheduled; without it, midnight of the first date in the schedule, or of
    /// 1970-01-01, by the station's clocks
    #[arg(long, value_name = "UTC")]
    start: Option<Timestamp>,
    /// Only plan: report what would play and when, by the lengths that files declare, in seconds for a day
    #[arg(long)]
    quick: bool,
    /// Print what plays at this time, as a line of JSON: 14:30:00 by the station's clocks, or a date and time
    #[arg(long, value_name = "TIME", requires = "quick", value_parser = At::from_str)]
    at: Option<At>,
    /// Where to write the as-run log, as JSON lines; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "quick")]
    as_run: Option<String>,
    /// Samples of a WAV file
    #[arg(long, value_name = "s16|s24|f32", default_value = "s24")]
    wav_format: WavFormat,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum WavFormat {
    S16,
    S24,
    F32,
}

/// Runs the command.
pub(crate) fn run(args: &RenderArgs) -> Result<(), Failed> {
    let mut clock = Clock { start: args.start.unwrap_or(Timestamp::UNIX_EPOCH), zone: TimeZone::UTC };
    let mut spec = match &args.config {
        Some(path) => {
            let config = config::load(path).map_err(|errors| Failed::new(errors.to_string()))?;
            let automation = &config.automation;
            let endless =
                automation.repeat && !automation.playlist.is_empty() && args.programme.paths.is_empty();
            if endless && args.duration.is_none() && args.at.is_none() {
                let what = "automation repeats its playlist and never ends";
                let advice = "give --duration as well, or set automation.loop to false";
                return Err(Failed::about(path, format!("{what}: {advice}")));
            }
            let start = args.start.map_or_else(|| schedule::first_day(&config), Ok)?;
            clock = Clock { start, zone: schedule::zone(&config)? };
            from_config::programme_at(&config, Some(clock.start_ns()))?
        }
        None => StationSpec { start_ns: clock.start_ns(), ..StationSpec::default() },
    };
    if args.programme.paths.is_empty() && args.config.is_none() {
        return Err(Failed::new("nothing to render: give files, folders or playlists, or --config"));
    }
    args.programme.apply(&mut spec, args.config.is_none())?;
    if !args.programme.urls().is_empty() {
        return Err(Failed::new("a stream is live and cannot be rendered: give files, folders or playlists"));
    }
    for input in &spec.inputs {
        tracing::warn!("input {}: left out, it is live and not part of a render", input.id);
    }
    let rate = spec.sample_rate_hz;
    let duration = args.duration.map(|duration| seconds_to_frames(duration.as_secs_f64(), rate));
    let mut asked = args.at.map(|at| clock.question(&at, rate)).transpose()?;
    let duration = duration.or(asked.as_ref().map(Question::end));
    if duration.is_none() && args.programme.repeat {
        return Err(Failed::new("--loop never ends: give --duration as well"));
    }
    let script = script(args.script.as_deref(), rate)?;
    let out = args.out.as_deref().filter(|_| !args.quick);
    let format = out.map(|out| format(args, out, rate)).transpose()?.flatten();
    let mut events = args.events.as_deref().map(Events::create).transpose()?;
    let mut as_run = args.as_run.as_deref().map(Events::create).transpose()?;
    let log = as_run.is_some().then(|| AsRun::new(&spec));
    let prepare = if args.quick { Render::quick } else { Render::new };
    let mut render = prepare(spec, script, duration)?;
    if let Some(log) = log {
        render.keep_as_run(log);
    }
    let mut writer = match (out, format) {
        (Some(out), Some(format)) => Some(FileWriter::create(out, &format, rate, &args.programme.tags())?),
        _ => None,
    };
    let bar = progress(duration.map(|frames| frames_to_seconds(frames, rate)));
    while let Some(block) = render.next_block()? {
        if let Some(writer) = &mut writer {
            writer.write(block)?;
        }
        report(&mut render, asked.as_mut(), events.as_mut(), &bar)?;
        keep_as_run(&mut render, as_run.as_mut())?;
        bar.set_position(frames_to_seconds(render.position(), rate) as u64);
    }
    report(&mut render, asked.as_mut(), events.as_mut(), &bar)?;
    keep_as_run(&mut render, as_run.as_mut())?;
    bar.finish_and_clear();
    for file in [&mut events, &mut as_run].into_iter().flatten() {
        file.flush()?;
    }
    // Before the file is finished: one that was there before stays.
    if render.position() == 0 {
        return Err(Failed::new("no item could be played; nothing is written"));
    }
    if let Some(writer) = writer {
        writer.finish()?;
    }
    let seconds = frames_to_seconds(render.position(), rate);
    match out {
        Some(out) => tracing::info!("rendered {seconds:.3} s to {}", out.display()),
        None => tracing::info!("planned {seconds:.3} s"),
    }
    asked.map_or(Ok(()), |asked| asked.answer())
}

/// The timed commands of a script, if there is one.
pub(crate) fn script(path: Option<&Path>, rate_hz: u32) -> Result<Vec<(Moment, Request)>, Failed> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).map_err(|error| Failed::about(path, error))?;
    script::parse(&text, rate_hz).map_err(|error| Failed::about(path, error))
}

fn report(
    render: &mut Render,
    mut asked: Option<&mut Question>,
    mut events: Option<&mut Events>,
    bar: &ProgressBar,
) -> Result<(), Failed> {
    use airchain::core::playout::StationEvent;
    while let Some(report) = render.poll() {
        if let Some(asked) = &mut asked {
            asked.hear(&report);
        }
        match &report.event {
            StationEvent::NowPlaying { item, .. } => {
                let title = item.metadata.one_line();
                bar.set_message(if title.is_empty() { item.path.clone() } else { title });
            }
            StationEvent::SourceFailed { item, error, skipped, .. } => {
                let what = if *skipped { "left out" } else { "damaged" };
                tracing::warn!(path = %item.path, "{what}: {error}");
            }
            StationEvent::ScheduleDropped { item, reason, .. } => {
                tracing::warn!(at = report.at, path = %item.path, "dropped from the schedule: {reason}");
            }
            StationEvent::CommandFailed { command, error, .. } => {
                tracing::warn!(at = report.at, command, "not done: {error}");
            }
            _ => {}
        }
        if let Some(events) = events.as_deref_mut() {
            events.write(&report)?;
        }
    }
    Ok(())
}

fn keep_as_run(render: &mut Render, file: Option<&mut Events>) -> Result<(), Failed> {
    let Some(file) = file else { return Ok(()) };
    while let Some(record) = render.poll_record() {
        file.write(&record)?;
    }
    Ok(())
}

/// The format of the output file; `None` for one that is thrown away.
fn format(args: &RenderArgs, out: &Path, rate: u32) -> Result<Option<Format>, Failed> {
    if out == Path::new("/dev/null") {
        return Ok(None);
    }
    if let Some(format) = args.format {
        return Ok(Some(format));
    }
    let extension = out.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let codec = match extension.as_str() {
        "wav" => match args.wav_format {
            WavFormat::S16 => Codec::PcmS16,
            WavFormat::S24 => Codec::PcmS24,
            WavFormat::F32 => Codec::PcmF32,
        },
        "mp3" => Codec::Mp3,
        "aac" | "adts" => Codec::AacLc,
        "opus" => Codec::Opus,
        "ogg" | "oga" => Codec::Vorbis,
        "flac" => Codec::Flac24,
        _ => {
            let accepted = "give a name that ends in .wav, .flac, .mp3, .aac, .opus or .ogg";
            return Err(Failed::new(format!("--out {}: {accepted}", out.display())));
        }
    };
    Ok(Some(nearest(Format { sample_rate_hz: rate, ..Format::of(codec) })))
}

/// The format at its own sample rate, or at the nearest that its codec can do.
fn nearest(format: Format) -> Format {
    const RATES: [u32; 12] =
        [192_000, 96_000, 88_200, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];
    let at = |sample_rate_hz| Format { sample_rate_hz, ..format };
    let Some(entry) = ENCODERS.iter().find(|entry| entry.codec == format.codec) else { return format };
    if (entry.check)(&format).is_ok() {
        return format;
    }
    let possible = RATES.into_iter().filter(|rate| (entry.check)(&at(*rate)).is_ok());
    match possible.min_by_key(|rate| rate.abs_diff(format.sample_rate_hz)) {
        Some(rate) => {
            tracing::info!(
                "{} does not go at {} Hz: the file is at {rate} Hz",
                format.codec,
                format.sample_rate_hz
            );
            at(rate)
        }
        // Not in this build: the encoder says so.
        None => format,
    }
}

fn progress(seconds: Option<f64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match seconds {
        Some(seconds) => (ProgressBar::new(seconds as u64), "{bar:30} {pos}/{len} s  {msg}"),
        None => (ProgressBar::no_length(), "{spinner} {pos} s  {msg}"),
    };
    log::add_bar(match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    })
}
