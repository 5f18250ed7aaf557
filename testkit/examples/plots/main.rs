//! Measures the nodes and draws the figures of `docs/processing.md` into a folder: `make plots`.

mod figures;
mod svg;

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give the folder to write to, such as docs/plots")?;
    for (name, plot) in figures::all() {
        std::fs::write(PathBuf::from(&folder).join(format!("{name}.svg")), plot.svg())?;
    }
    Ok(())
}
