//! The airchain command.

mod analyze;
mod bench_stations;
mod check;
mod display;
mod duration;
mod events;
mod log;
mod memory;
mod output;
mod play;
mod programme;
mod question;
mod render;
mod run;
mod signals;
mod threads;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Puts radio on air: decodes, mixes, processes, encodes and delivers.
#[derive(Parser, Debug)]
#[command(name = "airchain", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Plays files, folders and playlists to listeners, Icecast, HLS and recordings
    Play(play::PlayArgs),
    /// Renders a programme to a file, as fast as the processor goes
    Render(render::RenderArgs),
    /// Measures audio files: length, loudness, peaks, cue points and tags
    Analyze(analyze::AnalyzeArgs),
    /// Checks station files: valid, or every error with line, field, value and what would do
    Check(check::CheckArgs),
    /// Puts the stations that files declare on air
    Run(run::RunArgs),
    /// Finds how many stations this machine carries, and what each costs
    BenchStations(bench_stations::BenchArgs),
}

/// Why a command failed, for the person who gave it.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// An error that is about a file.
    pub(crate) fn about(path: &Path, error: impl std::fmt::Display) -> Self {
        Self(format!("{}: {error}", path.display()))
    }
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let last_words = log::start();
    log_to_stderr();
    be_brief_on_air();
    if matches!(cli.command, Command::Play(_) | Command::Run(_) | Command::BenchStations(_)) {
        memory::return_large_blocks();
    }
    let success = |()| ExitCode::SUCCESS;
    let result = match &cli.command {
        Command::Play(args) => play::run(args).map(success),
        Command::Render(args) => render::run(args).map(success),
        Command::Analyze(args) => analyze::run(args),
        Command::Check(args) => return check::run(args),
        Command::Run(args) => run::run(args).map(success),
        Command::BenchStations(args) => bench_stations::run(args).map(success),
    };
    let status = match result {
        Ok(status) => status,
        Err(Failed(message)) => {
            use std::io::Write;
            let _ = log::LogWriter.write_all(format!("airchain: {message}\n").as_bytes());
            ExitCode::FAILURE
        }
    };
    drop(last_words);
    status
}

/// What panics on an air thread is caught there and said in a line, without the backtrace that others leave: to find the
/// names for that takes longer than all the stations of the thread have.
fn be_brief_on_air() {
    let in_full = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        use std::io::Write;
        if std::thread::current().name().is_some_and(|name| name.starts_with("air-")) {
            let _ = log::LogWriter.write_all(format!("airchain: {panic}\n").as_bytes());
        } else {
            in_full(panic);
        }
    }));
}

fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let filter = EnvFilter::try_from_env("AIRCHAIN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(|| log::LogWriter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .log_internal_errors(false);
    tracing_subscriber::registry().with(filter).with(layer).init();
    // A panic is told of like everything else: by default its thread would write to standard error, and may wait there.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}
