//! Measures the nodes and draws the figures of `docs/processing.md`: `make plots`.

mod figures;
mod svg;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1).map(PathBuf::from) else {
        eprintln!("give the folder to write to, such as docs/plots");
        return ExitCode::from(2);
    };
    for (name, plot) in figures::all() {
        let path = folder.join(format!("{name}.svg"));
        if let Err(error) = std::fs::write(&path, plot.svg()) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
