//! The journal: what a station needs to go on after a restart where it was, be it killed or stopped.
//!
//! It holds the items on air with their positions, the line-up and where the playlist stands. The positions are at most
//! half a second old. After a restart the items on air are taken up from there: what would have been heard while
//! nothing ran is not skipped. A playlist that had come to its end begins again.
//!
//! The desk keeps it and never waits for it: writing is done on threads that may block, one write at a time, and a disk
//! that hangs costs nothing but the journal. It outlives a kill of the process; a power failure may take it back to an
//! older state, or damage it. What HLS needs for its numbers to go on stands in its own playlist.

mod airing;
mod record;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airchain_core::Frames;
use airchain_core::playout::playlist::Bookmark;
use airchain_core::playout::{Director, Report, StationEvent};
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tracing::Span;

use crate::from_config::{self, Home};
use crate::output::OutputSpec;
use crate::station::lock;
use airing::OnAir;
use record::{Outputs, Record, Writer};

/// How often positions are written down.
const PERIOD: Duration = Duration::from_millis(500);
/// What each item of the line-up adds to the pause after it was written down: a long one is not written over and over
/// while it is being changed.
const PER_ITEM: Duration = Duration::from_micros(50);
/// The pause after a write that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Positions written behind one record: an hour of them.
const POSITIONS: u32 = 7200;

/// The journal of a station on air.
pub(crate) struct Journal {
    station: String,
    writing: Arc<Writing>,
    on_air: OnAir,
    /// What the file's first line says is no longer so.
    stale: bool,
    /// Items in line, and where the programme stands after them, as the first line has it.
    place: (usize, Option<Bookmark>),
    positions: u32,
    due: Instant,
    outputs: Outputs,
    /// What another run left.
    left: Option<Record>,
}

/// What the threads that write share with the desk.
struct Writing {
    path: PathBuf,
    writer: Mutex<Writer>,
    busy: AtomicBool,
    /// The last write failed.
    failing: AtomicBool,
}

/// What a request has done to the outputs.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Id of one that is no longer there.
    pub(crate) gone: Option<String>,
    /// Declaration of one that was not there before.
    pub(crate) new: Option<Map<String, Value>>,
}

/// What is written.
enum Entry {
    Record(Box<Record>),
    Positions(Vec<f64>),
}

impl Journal {
    /// The journal at `path`. A file that is not a journal of this station is kept beside it, as `.old`.
    pub(crate) fn open(path: &Path, station: &str, rate_hz: u32) -> Self {
        let left = record::read(path, station).unwrap_or_else(|error| {
            tracing::warn!("journal: {} {error}; the station begins afresh", path.display());
            set_aside(path);
            None
        });
        let writing = Writing {
            path: path.to_owned(),
            writer: Mutex::new(Writer::new(path)),
            busy: AtomicBool::new(false),
            failing: AtomicBool::new(false),
        };
        Self {
            station: station.to_owned(),
            writing: Arc::new(writing),
            on_air: OnAir::new(rate_hz),
            stale: true,
            place: (0, None),
            positions: 0,
            // What was left stays until something is on air.
            due: Instant::now() + PERIOD,
            outputs: left.as_ref().map(|left| left.outputs.clone()).unwrap_or_default(),
            left,
        }
    }

    /// Lets the station go on where another run left it. Gives the declarations of the outputs that it adds.
    pub(crate) fn resume(
        &mut self,
        director: &mut Director,
        outputs: &mut Vec<OutputSpec>,
        home: &Home<'_>,
    ) -> Vec<Map<String, Value>> {
        let Some(left) = self.left.take() else { return Vec::new() };
        let mut added = Vec::new();
        outputs.retain(|output| !left.outputs.removed.contains(&output.id));
        for declared in &left.outputs.added {
            match from_config::output(home, declared) {
                Ok(spec) if !outputs.iter().any(|output| output.id == spec.id) => {
                    outputs.push(spec);
                    added.push(declared.clone());
                }
                Ok(_) => {}
                Err(error) => tracing::warn!("journal: {error}"),
            }
        }
        if !left.is_over() {
            let on_air = left.resumed();
            tracing::info!(on_air = on_air.len(), "the station goes on where it was");
            director.resume(on_air, left.line_up);
        }
        added
    }

    /// Takes down what a request has done to the outputs.
    pub(crate) fn note_outputs(&mut self, change: &Changed) {
        change.gone.iter().for_each(|id| self.outputs.remove(id));
        change.new.iter().for_each(|declared| self.outputs.add(declared));
        self.stale = true;
    }

    /// Takes down what happened.
    pub(crate) fn note(&mut self, report: &Report) {
        let on_air = self.on_air.note(report);
        if on_air {
            self.due = Instant::now();
        }
        let line_up = matches!(
            report.event,
            StationEvent::ItemUnused { .. }
                | StationEvent::SourceFailed { .. }
                | StationEvent::CommandDone { .. }
        );
        self.stale |= on_air || line_up;
    }

    /// Writes down what there is to write, if it is time. `audible` is the frame that is being heard.
    pub(crate) fn keep(&mut self, audible: Frames, director: &Director, runtime: &Handle) {
        if Instant::now() >= self.due {
            self.write(audible, director, runtime);
        }
    }

    /// Writes at once, unless the last write is still under way.
    pub(crate) fn write(&mut self, audible: Frames, director: &Director, runtime: &Handle) {
        if self.writing.busy.load(Ordering::Acquire) {
            return;
        }
        let failing = self.writing.failing.load(Ordering::Acquire);
        let place = (director.line_len(), director.bookmark());
        let on_air: Vec<_> = self.on_air.at(audible).collect();
        self.due = Instant::now() + if failing { AFTER_FAILURE } else { PERIOD };
        let entry = if failing || self.stale || self.place != place || self.positions >= POSITIONS {
            let line_up = director.to_air();
            self.due += PER_ITEM * u32::try_from(director.line_len()).unwrap_or(u32::MAX);
            (self.stale, self.place, self.positions) = (false, place, 0);
            Entry::Record(Box::new(Record::new(&self.station, on_air, line_up, self.outputs.clone())))
        } else {
            self.positions += 1;
            Entry::Positions(on_air.iter().map(|airing| airing.position_s).collect())
        };
        let writing = Arc::clone(&self.writing);
        writing.busy.store(true, Ordering::Release);
        let span = Span::current();
        runtime.spawn_blocking(move || span.in_scope(|| writing.write(entry)));
    }
}

impl Writing {
    fn write(&self, entry: Entry) {
        let mut writer = lock(&self.writer);
        let written = match entry {
            Entry::Record(record) => writer.record(&record),
            Entry::Positions(positions_s) => writer.positions(positions_s),
        };
        let before = self.failing.swap(written.is_err(), Ordering::AcqRel);
        if let Err(error) = written
            && !before
        {
            let path = self.path.display();
            tracing::warn!("journal: {path}: {error}; until it can be written, a restart loses the place");
        }
        self.busy.store(false, Ordering::Release);
    }
}

/// Moves away what is not ours, so that it is not lost. A folder stays: the journal cannot be written then, which is said
/// again.
fn set_aside(path: &Path) {
    let mut aside = path.to_owned().into_os_string();
    aside.push(".old");
    let moved = match std::fs::metadata(path) {
        Ok(found) if found.is_file() => std::fs::rename(path, aside),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    if let Err(error) = moved {
        tracing::warn!("journal: {}: cannot be set aside: {error}", path.display());
    }
}
