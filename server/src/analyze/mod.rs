//! `airchain analyze`: what is to be known of audio files before they air.

mod names;
mod pictures;
mod progress;
mod table;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;

use airchain::analysis::{self, Analyser, Analysis, Cache, CacheError, Options, Outcome};
use serde::Serialize;

use crate::Failed;
use crate::output;
use crate::signals::Signals;
use pictures::Pictures;
use progress::Progress;

/// What `airchain analyze` is asked.
#[derive(clap::Args, Debug)]
pub(crate) struct AnalyzeArgs {
    /// Audio files, folders with all below them, and playlists (m3u, pls).
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// One JSON object per file and line; what cannot be known is null.
    #[arg(long)]
    json: bool,

    /// With --json: momentary and short-term loudness every 10 ms.
    #[arg(long, requires = "json")]
    series: bool,

    /// Level that counts as silence at either end, in LU relative to the loudest 400 ms.
    #[arg(long, value_name = "LU", default_value = "-45", value_parser = level, allow_negative_numbers = true)]
    cue_level: f64,

    /// Level that an ending has faded below when the next item may start, in LU relative to the whole.
    #[arg(long, value_name = "LU", default_value = "-12", value_parser = level, allow_negative_numbers = true)]
    start_next_level: f64,

    /// The same for endings that are long or do not fade.
    #[arg(long, value_name = "LU", default_value = "-24", value_parser = level, allow_negative_numbers = true)]
    tail_level: f64,

    /// Length from which an ending is long.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = crate::duration::parse)]
    long_ending: std::time::Duration,

    #[command(flatten)]
    pictures: pictures::PictureArgs,

    /// Files measured at a time; as many as there are processors unless told otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,

    /// Where results are kept, or none; in the user's cache folder unless told otherwise.
    #[arg(long, value_name = "FILE|none")]
    cache: Option<PathBuf>,

    /// Tell of the progress even where nobody seems to watch.
    #[arg(long)]
    progress: bool,
}

/// Exit status after SIGINT or SIGTERM, as shells have it.
const INTERRUPTED: u8 = 130;

/// One line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    analysis: &'a Analysis,
    #[serde(flatten)]
    pictures: pictures::Written,
}

pub(crate) fn run(args: &AnalyzeArgs) -> Result<ExitCode, Failed> {
    let (files, problems) = analysis::files(&args.paths);
    let mut good = problems.is_empty();
    for problem in &problems {
        tracing::error!("{problem}");
    }
    let several = args.paths.len() > 1 || args.paths.iter().any(|path| path.is_dir()) || files.len() > 1;
    let mut pictures = Pictures::new(&args.pictures, several)?;
    let options = Options {
        series: args.series,
        waveform: pictures.zoom(),
        cue_lu: args.cue_level,
        start_next_lu: args.start_next_level,
        tail_lu: args.tail_level,
        long_ending_s: args.long_ending.as_secs_f64(),
    };
    let analyser = Analyser::new(options);
    let analyser = match cache(args) {
        Some(cache) => analyser.with_cache(cache),
        None => analyser,
    };
    let signals = Signals::install()?;
    let progress = Progress::new(files.len(), args.progress);
    if !args.json {
        progress.beside(|| output::out(table::HEADING));
    }
    let mut shown = 0;
    let mut show = |Outcome { path, analysis, .. }: Outcome<'_>| {
        let pictures = pictures.write(path, &analysis);
        shown += 1;
        good &= analysis.error.is_none() && pictures.good;
        let text = if args.json { json(&analysis, pictures.written) } else { table::row(&analysis) };
        progress.beside(|| output::out(&text));
    };
    analyser.analyse_all(&files, jobs(args), signals.flag(), &mut |done| progress.set(done), &mut show);
    progress.finish();
    if signals.is_set() {
        tracing::warn!("interrupted: {shown} of {} files were analysed", files.len());
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(output::status(good))
}

/// The cache that is asked for. One that cannot be used is told of, and done without.
fn cache(args: &AnalyzeArgs) -> Option<Cache> {
    let path = match &args.cache {
        Some(path) if path.as_os_str() == "none" => return None,
        Some(path) => path.clone(),
        None => Cache::default_path()?,
    };
    let without = |error: CacheError| tracing::warn!("on without an analysis cache: {error}");
    Cache::open(&path).map_err(without).ok()
}

fn jobs(args: &AnalyzeArgs) -> NonZeroUsize {
    let asked = args.jobs.and_then(|jobs| NonZeroUsize::new(jobs.into()));
    asked.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

fn json(analysis: &Analysis, pictures: pictures::Written) -> String {
    // The type holds nothing that JSON lacks.
    serde_json::to_string(&Line { analysis, pictures }).map(|line| line + "\n").unwrap_or_default()
}

/// A level below the programme's.
fn level(text: &str) -> Result<f64, String> {
    let level = text.parse().ok().filter(|level| (-100.0..=0.0).contains(level));
    level.ok_or_else(|| "give a level from -100 to 0 LU".into())
}
