//! A station rendered as fast as the processor goes.

use std::sync::{Mutex, PoisonError};

use airchain::core::Stereo;
use airchain::core::units::seconds_to_frames;
use airchain::{from_config, offline, script};
use numpy::PyArray2;
use pyo3::prelude::*;

use crate::error::{failed, raise};
use crate::frames::to_array;
use crate::host::declared;
use crate::station::to_json;

/// A render under way.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct Render {
    render: Mutex<offline::Render>,
    #[pyo3(get)]
    sample_rate_hz: u32,
}

#[pymethods]
impl Render {
    /// Of a station file or the JSON of one; `script` is JSON lines.
    #[new]
    fn new(
        py: Python<'_>,
        path: Option<&str>,
        json: Option<&str>,
        script: &str,
        duration_s: Option<f64>,
        start_utc_ns: Option<i64>,
    ) -> PyResult<Self> {
        py.detach(|| {
            let config = declared(path, json)?;
            if duration_s.is_none() && config.automation.repeat && !config.automation.playlist.is_empty() {
                let advice = "duration_s: the playlist never ends; give how long to render, or set automation.loop to false";
                return Err(raise("ConfigError", advice));
            }
            let spec = from_config::programme_at(&config, start_utc_ns).map_err(failed)?;
            let sample_rate_hz = spec.sample_rate_hz;
            let script =
                script::parse(script, sample_rate_hz).map_err(|error| raise("CommandError", error))?;
            let duration = duration_s.map(|seconds| seconds_to_frames(seconds, sample_rate_hz));
            let render =
                offline::Render::new(spec, script, duration).map_err(|error| raise("ConfigError", error))?;
            Ok(Self { render: Mutex::new(render), sample_rate_hz })
        })
    }

    /// The next frames, at least `frames` of them but for the last, as an array of shape (2, n); None when it is over.
    fn read<'py>(&self, py: Python<'py>, frames: usize) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let audio = py.detach(|| {
            let mut render = self.render.lock().unwrap_or_else(PoisonError::into_inner);
            let mut audio: Vec<Stereo> = Vec::new();
            while audio.len() < frames {
                match render.next_block().map_err(|error| raise("RenderError", error))? {
                    Some(block) => audio.extend_from_slice(block),
                    None => break,
                }
            }
            Ok::<_, PyErr>(audio)
        })?;
        Ok((!audio.is_empty()).then(|| to_array(py, &audio)))
    }

    /// What has happened since the last call, as JSON.
    fn events(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| {
            let mut render = self.render.lock().unwrap_or_else(PoisonError::into_inner);
            std::iter::from_fn(|| render.poll()).map(|report| to_json(&report)).collect()
        })
    }
}
