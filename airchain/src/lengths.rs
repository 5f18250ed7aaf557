//! How long items are, for the schedule: read from their files, or decoded where those do not say, and kept as long as
//! the files stay as they are.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use airchain_codecs::decode::TrackInfo;
use airchain_codecs::grid::Grid;
use airchain_core::item::Item;
use airchain_core::playout::schedule::{Length, Lengths};
use airchain_inputs::file;

use crate::crew::{Crew, Signs};
use crate::station::lock;

/// After this a known file is looked at again.
const FRESH: Duration = Duration::from_secs(60);

/// What is known of files, by path.
#[derive(Default)]
pub(crate) struct Catalogue(HashMap<String, Measured>);

/// What is known of one file.
struct Measured {
    changed: Option<SystemTime>,
    info: Result<TrackInfo, String>,
}

impl Catalogue {
    /// What the file at `path` says of itself, measured if it is not known or has changed.
    pub(crate) fn info(&mut self, path: &str) -> Result<&TrackInfo, &str> {
        let changed = changed(path);
        let known = self.0.remove(path).filter(|known| known.changed == changed);
        let measured = known.unwrap_or_else(|| Measured { changed, info: measure(path) });
        self.0.entry(path.to_owned()).or_insert(measured).info.as_ref().map_err(String::as_str)
    }

    /// The length of `item` at `rate_hz`.
    pub(crate) fn length(&mut self, item: &Item, rate_hz: u32) -> Length {
        self.info(&item.path).map_or(Length::Never, |info| cued(item, info, rate_hz))
    }
}

fn changed(path: &str) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn measure(path: &str) -> Result<TrackInfo, String> {
    let measured = catch_unwind(AssertUnwindSafe(|| file::measure(path).map_err(|error| error.to_string())));
    measured.unwrap_or_else(|_| Err(format!("{path}: the decoder failed on it")))
}

/// The length of `item` when it goes on from nothing, in frames at `rate_hz`.
fn cued(item: &Item, info: &TrackInfo, rate_hz: u32) -> Length {
    let length = |frames| Length::Known(Grid::new(info.sample_rate_hz, rate_hz).length(frames));
    file::cued(item, info).map_or(Length::Never, length)
}

/// Lengths that are found out at once: for offline rendering.
pub(crate) struct Inline {
    catalogue: Catalogue,
    rate_hz: u32,
}

impl Inline {
    /// Lengths in frames at `rate_hz`.
    pub(crate) fn new(rate_hz: u32) -> Self {
        Self { catalogue: Catalogue::default(), rate_hz }
    }
}

impl Lengths for Inline {
    fn length(&mut self, item: &Item) -> Length {
        self.catalogue.length(item, self.rate_hz)
    }
}

/// Measures files for all stations on a thread of its own, which may wait for disks.
#[derive(Clone)]
pub(crate) struct Surveyor {
    crew: Arc<Crew<String>>,
    known: Known,
}

/// What was measured, and when; `None` while it is being measured for the first time.
type Known = Arc<Mutex<HashMap<String, (Instant, Option<Result<TrackInfo, String>>)>>>;

/// A file that says nothing of its length is decoded to its end, without a sign meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

impl Surveyor {
    /// Starts the thread. It ends with the last station that asks.
    pub(crate) fn start() -> std::io::Result<Self> {
        let known = Known::default();
        let (answers, catalogue) = (Arc::clone(&known), Mutex::<Catalogue>::default());
        let survey = move |path: String, _: &Signs| {
            // Nothing is held while the file is read, which may take for ever.
            let mut own = Catalogue(lock(&catalogue).0.remove_entry(&path).into_iter().collect());
            let info = own.info(&path).cloned().map_err(str::to_owned);
            lock(&catalogue).0.extend(own.0);
            lock(&answers).insert(path, (Instant::now(), Some(info)));
        };
        Ok(Self { crew: Arc::new(Crew::start("measure", PATIENCE, survey)?), known })
    }

    /// Lengths in frames at `rate_hz`.
    pub(crate) fn lengths(&self, rate_hz: u32) -> Box<dyn Lengths> {
        Box::new(Surveyed { surveyor: self.clone(), rate_hz })
    }
}

/// Lengths as far as they are known; the others are being found out.
struct Surveyed {
    surveyor: Surveyor,
    rate_hz: u32,
}

impl Lengths for Surveyed {
    fn length(&mut self, item: &Item) -> Length {
        let mut known = lock(&self.surveyor.known);
        let (asked, info) = match known.get_mut(&item.path) {
            Some((since, info)) if since.elapsed() < FRESH || info.is_none() => (true, info),
            Some((since, info)) => {
                *since = Instant::now();
                (false, info)
            }
            None => (false, &mut known.entry(item.path.clone()).or_insert((Instant::now(), None)).1),
        };
        let length = match info {
            Some(Ok(info)) => cued(item, info, self.rate_hz),
            Some(Err(_)) => Length::Never,
            None => Length::Later,
        };
        if !asked {
            self.surveyor.crew.ask(item.path.clone());
        } else if length == Length::Later {
            self.surveyor.crew.look();
        }
        length
    }
}
