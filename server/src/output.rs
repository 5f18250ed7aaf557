//! Writing to standard output and error without ever failing because nobody reads.

use std::io::{self, Write};
use std::process::ExitCode;

/// Writes text to standard output. A reader that has gone away (`| head`) ends the command, quietly.
pub(crate) fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Success, or the exit status 1 that says that something was wrong.
pub(crate) fn status(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
