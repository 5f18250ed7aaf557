//! Analysis of files with a memory: what is to be known of an item before it airs, measured once.
//!
//! An [`Analyser`] measures files ([`airchain_codecs::analyze`]) and keeps what it found in a [`Cache`], by the files'
//! content: a file that was moved, renamed or copied is not measured again. Everything here may wait for the disk, and
//! measuring takes as long as decoding; call it from a thread that may. `docs/analysis.md` says what the values mean.

#[cfg(not(feature = "sqlite"))]
#[path = "absent.rs"]
mod cache;
#[cfg(feature = "sqlite")]
mod cache;
mod content;
#[cfg(feature = "sqlite")]
mod hash;
mod many;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use airchain_codecs::analyze;
pub use airchain_codecs::analyze::{Analysis, Options, Watch, Waveform, Zoom};

pub use cache::Cache;
use content::{Content, Stamp};
pub use many::{Outcome, files};

/// Why a cache cannot be used. The caller goes on without one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// It cannot be opened or read: permissions, a disk that is full, a file that is damaged or no database.
    #[error("{path}: {message}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// It is a database of something else, and is left alone.
    #[error("{path}: not an analysis cache, give another file")]
    NotACache {
        /// The file.
        path: PathBuf,
    },
    /// A newer airchain wrote it.
    #[error("{path}: of a newer airchain, give another file or delete it")]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// This build has no cache.
    #[error("this build keeps no analysis cache, build it with the feature sqlite")]
    NotBuilt,
}

/// Measures files, and remembers. Threads may share it.
pub struct Analyser {
    options: Options,
    cache: Option<Cache>,
}

impl Analyser {
    /// An analyser without a memory.
    pub fn new(options: Options) -> Self {
        Self { options, cache: None }
    }

    /// Gives it a cache. Options with series are answered by measuring all the same: a cache keeps none.
    pub fn with_cache(self, cache: Cache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// Its cache, if it has one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// What is measured.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What the cache knows of the file at `path`, from its size and times: a question to the database, and nothing is
    /// read or decoded. `None` is a file that is not known, or was changed since.
    pub fn lookup(&self, path: &Path) -> Option<Analysis> {
        let cache = self.cache.as_ref()?;
        let content = cache.content_of(path, &Stamp::of(path)?)?;
        self.known(cache, &content, path)
    }

    /// Everything about the file at `path`, from the cache or by measuring it. Never fails as a whole: see
    /// [`Analysis::error`].
    pub fn analyse(&self, path: &Path) -> Analysis {
        self.analyse_with(path, &mut |_, _| ControlFlow::Continue(())).unwrap_or_default()
    }

    /// Like [`analyse`](Self::analyse), with a watch on it: told how many frames are done, of how many where that is
    /// known; `None` when it broke the analysis off.
    pub fn analyse_with(&self, path: &Path, watch: &mut Watch<'_>) -> Option<Analysis> {
        let Some((cache, stamp)) = self.cache.as_ref().zip(Stamp::of(path)) else {
            return analyze::analyze_with(path, &self.options, watch);
        };
        let content = match cache.content_of(path, &stamp) {
            Some(content) => Some(content),
            None => cache.hash(path, &mut || watch(0, None)).ok()?,
        };
        if let Some(content) = &content
            && let Some(analysis) = self.known(cache, content, path)
        {
            cache.remember(path, &stamp, content);
            return Some(analysis);
        }
        let analysis = analyze::analyze_with(path, &self.options, watch)?;
        // What was written to meanwhile is not what was hashed; and what failed may fare better next time.
        if analysis.error.is_none()
            && let Some(content) = content
            && Stamp::of(path) == Some(stamp)
        {
            self.keep(cache, &content, &analysis);
            cache.remember(path, &stamp, &content);
        }
        Some(analysis)
    }

    /// What the cache has of a content, if that is all that is asked for.
    fn known(&self, cache: &Cache, content: &Content, path: &Path) -> Option<Analysis> {
        // Series are as large as the files that they are of, and are never kept.
        if self.options.series {
            return None;
        }
        let kept = cache.get(content, &self.question())?;
        // What makes no sense is measured anew, and replaced.
        let mut analysis: Analysis = serde_json::from_str(&kept).ok().filter(Analysis::is_plausible)?;
        analysis.path = path.display().to_string();
        if let Some(zoom) = self.options.waveform {
            let kept = cache.get(content, &waveform_question(zoom))?;
            let waveform = serde_json::from_str(&kept).ok().filter(Waveform::is_plausible)?;
            analysis.waveform = Some(waveform);
        }
        Some(analysis)
    }

    fn keep(&self, cache: &Cache, content: &Content, analysis: &Analysis) {
        if let (Some(zoom), Some(waveform)) = (self.options.waveform, &analysis.waveform)
            && let Ok(answer) = serde_json::to_string(waveform)
        {
            cache.put(content, &waveform_question(zoom), &answer);
        }
        let bare = Analysis {
            path: String::new(),
            momentary: None,
            short_term: None,
            waveform: None,
            ..analysis.clone()
        };
        if let Ok(answer) = serde_json::to_string(&bare) {
            cache.put(content, &self.question(), &answer);
        }
    }

    /// What an analysis in the cache is the answer to.
    fn question(&self) -> String {
        format!(
            "analysis {} {:?}",
            analyze::VERSION,
            Options { series: false, waveform: None, ..self.options }
        )
    }
}

/// What a waveform in the cache is the answer to.
fn waveform_question(zoom: Zoom) -> String {
    format!("waveform {} {zoom:?}", analyze::VERSION)
}
