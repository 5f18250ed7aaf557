//! How loud items are: said by the manager, known from an analysis before, read from tags, or measured now.
//!
//! Nothing waits for it. On air an item that nobody knows is measured while it waits for its turn, one at a time for
//! all stations of a host and at half speed, so that what plays never goes short; offline it is measured when it is
//! opened.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use airchain_codecs::decode::TrackInfo;
use airchain_core::item::Item;
use airchain_core::level::{Levelling, Loudness};
use airchain_core::playout::Ticket;
use airchain_inputs::file::local_path;
use crossbeam_channel::Sender;
use serde::{Deserialize, Serialize};

use crate::analysis::{Analyser, Cache, CacheError, Options};
use crate::crew::{Crew, Signs};
use crate::desk::Waker;
use crate::spec::StationSpec;
use crate::station::lock;

/// How a station finds out how loud its items are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemLoudness {
    /// By analysis, before or while they wait; by their tags until that is done.
    #[default]
    Analysis,
    /// By their ReplayGain or R128 tags.
    Tags,
    /// Only from what the manager says of them.
    Off,
}

/// What ReplayGain brings a file to, in LUFS.
const REPLAYGAIN_LUFS: f64 = -18.0;

/// How loud a station's items are. Clones share what is known.
#[derive(Clone, Default)]
pub(crate) struct Levels {
    tags: bool,
    analyser: Option<Arc<Analyser>>,
}

impl Levels {
    /// As `spec` asks for. A chain that does not level is no reason to measure anything.
    pub(crate) fn new(spec: &StationSpec) -> Self {
        if Levelling::of(&spec.chain).is_none() || spec.item_loudness == ItemLoudness::Off {
            return Self::default();
        }
        let analyser = (spec.item_loudness == ItemLoudness::Analysis).then(|| {
            let remembering = spec.analysis_cache.as_deref().and_then(|path| {
                let warn = |error: &CacheError| tracing::warn!("analysis cache: {error}; on without it");
                remembering(path).inspect_err(warn).ok()
            });
            remembering.unwrap_or_else(|| Arc::new(Analyser::new(Options::default())))
        });
        Self { tags: true, analyser }
    }

    /// Whether items are measured.
    pub(crate) fn is_measuring(&self) -> bool {
        self.analyser.is_some()
    }

    /// What is known of an item, `info` being what its file says; and what is to be measured.
    pub(crate) fn known(&self, item: &Item, info: &TrackInfo) -> (Option<Loudness>, Option<Question>) {
        let mono = info.channels == 1;
        if let Some(said) = item.loudness(mono) {
            return (Some(said), None);
        }
        let tags = Some(info.replaygain).filter(|_| self.tags);
        let tagged = tags.and_then(|tags| {
            let peak_db = tags.track_peak.map(|peak| 20.0 * peak.log10());
            loudness(tags.track_db.map(|gain_db| REPLAYGAIN_LUFS - gain_db), peak_db, mono)
        });
        let path = local_path(&item.path).ok();
        let Some((analyser, path)) = self.analyser.as_ref().zip(path) else { return (tagged, None) };
        match analyser.lookup(&path) {
            Some(analysis) => (loudness(analysis.integrated_lufs, analysis.true_peak_dbtp, mono), None),
            None => (tagged, Some(Question { analyser: Arc::clone(analyser), path, mono })),
        }
    }
}

/// The analyser with the cache at `path`, one for all stations that name it: each would have a database's memory of its own.
fn remembering(path: &Path) -> Result<Arc<Analyser>, CacheError> {
    static SHARED: Mutex<Vec<Weak<Analyser>>> = Mutex::new(Vec::new());
    let is_of = |analyser: &Arc<Analyser>| analyser.cache().is_some_and(|cache| cache.path() == path);
    if let Some(analyser) = lock(&SHARED).iter().filter_map(Weak::upgrade).find(is_of) {
        return Ok(analyser);
    }
    // Unlocked: a disk may hang, and that is the trouble of those who name this file.
    let analyser = Arc::new(Analyser::new(Options::default()).with_cache(Cache::open(path)?));
    let mut shared = lock(&SHARED);
    shared.retain(|analyser| analyser.strong_count() > 0);
    shared.push(Arc::downgrade(&analyser));
    Ok(analyser)
}

/// A loudness that makes sense; a peak that does not is not known.
fn loudness(integrated_lufs: Option<f64>, true_peak_dbtp: Option<f64>, mono: bool) -> Option<Loudness> {
    let integrated_lufs = integrated_lufs.filter(|lufs| (-70.0..=10.0).contains(lufs))?;
    let true_peak_dbtp = true_peak_dbtp.filter(|peak| (-120.0..=40.0).contains(peak));
    Some(Loudness { integrated_lufs, true_peak_dbtp, mono })
}

/// How loud is this file?
pub(crate) struct Question {
    analyser: Arc<Analyser>,
    path: PathBuf,
    mono: bool,
}

impl Question {
    /// Measures the file, for as long as `go_on` says so. `None` of silence, and of what cannot be decoded.
    pub(crate) fn answer(&self, go_on: &mut dyn FnMut() -> bool) -> Option<Loudness> {
        let watch = &mut |_, _| if go_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        let analysed =
            catch_unwind(AssertUnwindSafe(|| self.analyser.analyse_with(&self.path, watch))).ok().flatten();
        let analysis = analysed.filter(|analysis| analysis.error.is_none())?;
        loudness(analysis.integrated_lufs, analysis.true_peak_dbtp, self.mono)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A question, and who wants to know.
pub(crate) struct Asked {
    pub(crate) ticket: Ticket,
    pub(crate) question: Question,
    pub(crate) reply: Sender<(Ticket, Loudness)>,
    pub(crate) waker: Waker,
}

/// The thread that measures for all stations of a host. It ends with the last who may ask.
#[derive(Clone)]
pub(crate) struct Analyst(Arc<Line>);

struct Line {
    crew: Crew<Asked>,
    closing: Arc<AtomicBool>,
}

impl Drop for Line {
    fn drop(&mut self) {
        // Also what is being measured is broken off.
        self.closing.store(true, Ordering::Relaxed);
    }
}

/// It gives a sign with each piece that it has measured.
const PATIENCE: Duration = Duration::from_secs(5);

impl Analyst {
    /// Starts the thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let closing = Arc::<AtomicBool>::default();
        let closed = Arc::clone(&closing);
        let crew =
            Crew::start("analyse", PATIENCE, move |asked, signs: &Signs| measure(asked, signs, &closed))?;
        Ok(Self(Arc::new(Line { crew, closing })))
    }

    /// Sees to it that what waits does not wait behind a file that hangs. Cheap.
    pub(crate) fn look(&self) {
        self.0.crew.look();
    }

    /// Has a file measured.
    pub(crate) fn ask(&self, asked: Asked) {
        self.0.crew.ask(asked);
    }
}

fn measure(Asked { ticket, question, reply, waker }: Asked, signs: &Signs, closing: &AtomicBool) {
    let mut since = Instant::now();
    let mut go_on = || {
        // What is on air comes first: as much rest as work.
        let worked = since.elapsed();
        if worked > Duration::from_millis(5) {
            std::thread::sleep(worked);
            since = Instant::now();
            signs.sign();
        }
        !closing.load(Ordering::Relaxed)
    };
    match question.answer(&mut go_on) {
        Some(loudness) => {
            let _ = reply.send((ticket, loudness));
            waker.wake();
        }
        None => tracing::debug!(path = %question.path().display(), "no loudness"),
    }
}
