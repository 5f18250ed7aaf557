//! What is to be known of a file before it airs.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use airchain::analysis::{self, Cache, Options};
use pyo3::prelude::*;

use crate::error::raise;
use crate::station::to_json;

/// Measures files, and remembers.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct Analyser {
    analyser: analysis::Analyser,
}

#[pymethods]
impl Analyser {
    /// With the cache at a path, or none.
    #[new]
    fn new(
        py: Python<'_>,
        series: bool,
        cue_lu: Option<f64>,
        start_next_lu: Option<f64>,
        cache: Option<PathBuf>,
    ) -> PyResult<Self> {
        for (name, given) in [("cue_lu", cue_lu), ("start_next_lu", start_next_lu)] {
            if let Some(level) = given.filter(|level| !(-100.0..=0.0).contains(level)) {
                let refused = format!("{name}: {level} is not accepted, give LU from -100 to 0");
                return Err(raise("ConfigError", refused));
            }
        }
        let default = Options::default();
        let options = Options {
            series,
            cue_lu: cue_lu.unwrap_or(default.cue_lu),
            start_next_lu: start_next_lu.unwrap_or(default.start_next_lu),
            ..default
        };
        let analyser = analysis::Analyser::new(options);
        let Some(path) = cache else { return Ok(Self { analyser }) };
        let cache = py.detach(|| Cache::open(&path)).map_err(|error| raise("CacheError", error))?;
        Ok(Self { analyser: analyser.with_cache(cache) })
    }

    /// Measures a file: its JSON. `progress(frames, total or None)` is called now and then, on the thread that asked; what
    /// it raises breaks the analysis off and is raised here.
    fn analyze(&self, py: Python<'_>, path: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<String> {
        let mut raised = None;
        let analysis = py.detach(|| {
            self.analyser.analyse_with(&path, &mut |frames, total| {
                let called = Python::attach(|py| {
                    // So that an interrupt from the keyboard is heeded, too.
                    py.check_signals()?;
                    progress
                        .as_ref()
                        .map_or(Ok(()), |progress| progress.call1(py, (frames, total)).map(|_| ()))
                });
                match called {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        raised = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })
        });
        raised.map_or_else(|| to_json(&analysis.unwrap_or_default()), Err)
    }
}

/// The files that paths stand for, those in folders and playlists; and what is wrong with folders and playlists.
#[pyfunction]
pub(crate) fn files(py: Python<'_>, paths: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<String>) {
    py.detach(|| {
        let (files, problems) = analysis::files(&paths);
        (files, problems.iter().map(ToString::to_string).collect())
    })
}

/// Where the command line keeps its cache, if this build has one.
#[pyfunction]
pub(crate) fn default_cache() -> Option<PathBuf> {
    Cache::default_path().filter(|path| path != Path::new(""))
}
