//! `--events` and `--command-log`: what happened and what was done, as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use airchain::Station;
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

    /// The same for a log that says how things came about: one that is there already is kept, as `FILE.old`.
    pub(crate) fn create_anew(target: &str) -> Result<Self, Failed> {
        let path = Path::new(target);
        if path.is_file() {
            let failed = |error: std::io::Error| Failed::new(format!("{target}: {error}"));
            std::fs::rename(path, format!("{target}.old")).map_err(failed)?;
        }
        Self::create(target)
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

/// How often reports are looked for.
const TICK: Duration = Duration::from_millis(50);
/// How long the last events may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Lines of stations on air, written by a thread of their own: neither a full disk nor a pipe that nobody reads
/// concerns the stations, or keeps the command from ending.
pub(crate) struct LiveLines {
    over: Sender<()>,
    written: Receiver<()>,
}

impl LiveLines {
    /// Writes what happens on `stations` from now on. With `tagged`, each event says on which.
    pub(crate) fn events(events: Events, stations: &[Station], tagged: bool) -> Result<Self, Failed> {
        let reports = |station: &Station| (tagged.then(|| station.id().to_owned()), station.reports());
        Self::start("events", events, stations.iter().map(reports).collect())
    }

    /// Writes the commands that a station carries out.
    pub(crate) fn commands(events: Events, station: &Station) -> Result<Self, Failed> {
        Self::start("commands", events, vec![(None, station.commands())])
    }

    fn start<T: Serialize + Send + 'static>(
        what: &'static str,
        mut events: Events,
        stations: Vec<(Option<String>, crossbeam_channel::Receiver<T>)>,
    ) -> Result<Self, Failed> {
        let (over, is_over) = channel();
        let (done, written) = channel();
        let mut write = move || {
            loop {
                // Looked at before the reports are: what was reported before the end is written.
                let last = is_over.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout);
                for (station, lines) in &stations {
                    let station = station.as_deref();
                    for line in lines.try_iter() {
                        events.write(&Tagged { station, line })?;
                    }
                }
                events.flush()?;
                if last {
                    return Ok(());
                }
            }
        };
        let thread = move || {
            if let Err(Failed(error)) = write() {
                tracing::error!("{what} are no longer written: {error}");
            }
            let _ = done.send(());
        };
        std::thread::Builder::new().name(what.into()).spawn(thread)?;
        Ok(Self { over, written })
    }

    /// Writes what was reported until now, and ends.
    pub(crate) fn finish(self) {
        let _ = self.over.send(());
        if self.written.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the last lines are lost: nobody reads them");
        }
    }
}

/// A line that may say which station it is of.
#[derive(Serialize)]
struct Tagged<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    station: Option<&'a str>,
    #[serde(flatten)]
    line: T,
}
