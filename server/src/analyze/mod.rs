//! `airchain analyze`: what is to be known of audio files before they air.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use airchain::codecs::analyze::{Analysis, Options, analyze};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// What `airchain analyze` is asked.
#[derive(clap::Args, Debug)]
pub(crate) struct AnalyzeArgs {
    /// Audio files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// One JSON object per file and line; what cannot be known is null.
    #[arg(long)]
    json: bool,

    /// With --json: momentary and short-term loudness every 10 ms.
    #[arg(long, requires = "json")]
    series: bool,

    /// Files measured at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

pub(crate) fn run(args: &AnalyzeArgs) -> ExitCode {
    let options = Options { series: args.series, ..Options::default() };
    let bar = progress_bar(args.files.len());
    let (next, (results, done)) = (AtomicUsize::new(0), mpsc::channel());
    let mut good = true;
    if !args.json {
        bar.suspend(|| output::out(HEADING));
    }
    thread::scope(|scope| {
        for _ in 0..usize::from(args.jobs).min(args.files.len()) {
            let (results, next) = (results.clone(), &next);
            scope.spawn(move || {
                while let Some((index, file)) = claim(next, &args.files) {
                    if results.send((index, analyze(file, &options))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(results);
        // Results are shown in the order of the command line, each as soon as those before it are.
        let mut waiting: Vec<Option<Analysis>> = args.files.iter().map(|_| None).collect();
        let mut shown = 0;
        for (index, analysis) in done {
            bar.inc(1);
            good &= analysis.error.is_none();
            if let Some(slot) = waiting.get_mut(index) {
                *slot = Some(analysis);
            }
            while let Some(analysis) = waiting.get_mut(shown).and_then(Option::take) {
                let text = if args.json { as_json(&analysis) } else { as_row(&analysis) };
                bar.suspend(|| output::out(&text));
                shown += 1;
            }
        }
    });
    bar.finish_and_clear();
    output::status(good)
}

/// The next file that nobody has taken.
fn claim<'a>(next: &AtomicUsize, files: &'a [PathBuf]) -> Option<(usize, &'a PathBuf)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, files.get(index)?))
}

fn progress_bar(files: usize) -> ProgressBar {
    // A bar is for people who wait, and for more than a moment.
    if files < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files, {eta} left");
    ProgressBar::new(files as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn as_json(analysis: &Analysis) -> String {
    // The type holds nothing that JSON lacks.
    serde_json::to_string(analysis).map(|line| line + "\n").unwrap_or_default()
}

const HEADING: &str =
    " length    LUFS    LRA   dBTP   cue in  cue out     next  format                 title\n";

fn as_row(analysis: &Analysis) -> String {
    let path = printable(&analysis.path);
    if let (Some(error), None) = (&analysis.error, analysis.frames) {
        return format!("{}\n", printable(error));
    }
    let number = |value: Option<f64>, decimals: usize| match value {
        Some(value) => format!("{value:.decimals$}"),
        None => "-".to_owned(),
    };
    let seconds = analysis.duration_s.unwrap_or(0.0);
    let length = format!("{}:{:04.1}", (seconds / 60.0) as u64, seconds % 60.0);
    let rate = analysis.sample_rate_hz.unwrap_or(0);
    let channels = match analysis.channels {
        Some(1) => "mono".to_owned(),
        Some(2) | None => "stereo".to_owned(),
        Some(more) => format!("{more} ch"),
    };
    let format = format!("{} {rate} {channels}", analysis.codec.as_deref().unwrap_or("-"));
    let title = match (&analysis.artist, &analysis.title) {
        (Some(artist), Some(title)) => printable(&format!("{artist} - {title}")),
        (_, Some(title)) => printable(title),
        _ => path.clone(),
    };
    let row = format!(
        "{length:>7} {:>7} {:>6} {:>6} {:>8} {:>8} {:>8}  {format:<21}  {title}\n",
        number(analysis.integrated_lufs, 1),
        number(analysis.loudness_range_lu, 1),
        number(analysis.true_peak_dbtp, 1),
        number(analysis.cue_in_s, 2),
        number(analysis.cue_out_s, 2),
        number(analysis.start_next_s, 2),
    );
    match &analysis.error {
        Some(error) => format!("{row}        {}\n", printable(error)),
        None => row,
    }
}

/// Text without what could move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
