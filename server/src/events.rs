//! `--events`: what happened, as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::Failed;

/// Where events are written.
pub(crate) struct Events {
    out: Box<dyn Write + Send>,
    name: String,
}

impl Events {
    /// A file, or standard output for `-`.
    pub(crate) fn create(target: &str) -> Result<Self, Failed> {
        let out: Box<dyn Write + Send> = if target == "-" {
            Box::new(std::io::stdout())
        } else {
            let file =
                File::create(Path::new(target)).map_err(|error| Failed::new(format!("{target}: {error}")))?;
            Box::new(BufWriter::new(file))
        };
        Ok(Self { out, name: target.to_owned() })
    }

    /// Writes one line.
    pub(crate) fn write(&mut self, event: &impl Serialize) -> Result<(), Failed> {
        let failed = |error: std::io::Error| Failed::new(format!("{}: {error}", self.name));
        let mut line = serde_json::to_vec(event).map_err(|error| Failed::new(error.to_string()))?;
        line.push(b'\n');
        self.out.write_all(&line).map_err(failed)
    }

    /// Makes sure that everything written is there to be read.
    pub(crate) fn flush(&mut self) -> Result<(), Failed> {
        self.out.flush().map_err(|error| Failed::new(format!("{}: {error}", self.name)))
    }
}
