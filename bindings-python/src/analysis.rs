//! What is to be known of a file before it airs.

use std::path::Path;

use airchain::codecs::analyze::{Options, analyze_with};
use pyo3::prelude::*;

use crate::station::to_json;

/// Measures a file: its JSON. `progress(frames, total or None)` is called now and then, on the thread that asked; what it
/// raises is raised here, once the file is done.
#[pyfunction]
#[pyo3(signature = (path, series, progress))]
pub(crate) fn analyze(
    py: Python<'_>,
    path: &str,
    series: bool,
    progress: Option<Py<PyAny>>,
) -> PyResult<String> {
    let options = Options { series, ..Options::default() };
    let mut raised = None;
    let analysis = py.detach(|| {
        analyze_with(Path::new(path), &options, &mut |frames, total| {
            let (Some(progress), None) = (&progress, &raised) else { return };
            raised = Python::attach(|py| progress.call1(py, (frames, total)).err());
        })
    });
    raised.map_or_else(|| to_json(&analysis), Err)
}
