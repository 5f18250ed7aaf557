//! How far an analysis of many files is, for whoever waits.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::log::{self, LogWriter};

/// Where there is no terminal, a line is written this often.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// A bar on a terminal, or lines where they are asked for.
pub(super) struct Progress {
    files: usize,
    bar: ProgressBar,
    /// When the next line is due, where there are lines.
    next_line: Option<Cell<Instant>>,
}

impl Progress {
    /// Of so many files. A bar is for people who wait, and for more than a moment; `forced` is for the others.
    pub(super) fn new(files: usize, forced: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files, {eta} left");
        let bar = if terminal && (files > 1 || forced) {
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            log::add_bar(ProgressBar::new(files as u64).with_style(style))
        } else {
            ProgressBar::hidden()
        };
        let next_line = (forced && !terminal).then(|| Cell::new(Instant::now()));
        Self { files, bar, next_line }
    }

    /// So many files are done.
    pub(super) fn set(&self, done: usize) {
        self.bar.set_position(done as u64);
        if let Some(due) = &self.next_line
            && (Instant::now() >= due.get() || done == self.files)
        {
            due.set(Instant::now() + LINE_EVERY);
            // Nobody may be reading.
            let _ = LogWriter.write_all(format!("{done}/{} files\n", self.files).as_bytes());
        }
    }

    /// Writes something where the bar is.
    pub(super) fn beside(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
