//! A process full of stations.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use airchain::config::{self, StationConfig};
use airchain::pull::Pull;
use airchain::{HostConfig, from_config};
use pyo3::prelude::*;

use crate::error::{closed, failed, misdeclared, raise, same_process};
use crate::questions::{Questions, questions};
use crate::station::{Station, to_json};

/// The host; `None` once it is closed.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct Host {
    host: Mutex<Option<airchain::Host>>,
    /// The process that it was made in.
    process: u32,
}

/// Seconds as people give them, as a duration: nothing for what is negative or no number.
pub(crate) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, 86_400.0)).unwrap_or_default()
}

/// A station's declaration: a file, or its JSON.
pub(crate) fn declared(path: Option<&str>, json: Option<&str>) -> PyResult<StationConfig> {
    match (path, json) {
        (Some(path), _) => config::load(Path::new(path)).map_err(misdeclared),
        (None, json) => {
            let value =
                serde_json::from_str(json.unwrap_or("{}")).map_err(|error| raise("ConfigError", error))?;
            config::from_value(&value, "config").map_err(misdeclared)
        }
    }
}

impl Host {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&airchain::Host) -> Result<T, airchain::Error> + Send,
    ) -> PyResult<T> {
        same_process(self.process)?;
        py.detach(|| {
            let host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
            host.as_ref().map(act)
        })
        .ok_or_else(|| closed("the host"))?
        .map_err(failed)
    }
}

#[pymethods]
impl Host {
    #[new]
    fn new(
        py: Python<'_>,
        air_threads: Option<usize>,
        decode_threads: Option<usize>,
        encode_threads: Option<usize>,
        io_threads: Option<usize>,
    ) -> PyResult<Self> {
        let default = HostConfig::default();
        let config = HostConfig {
            air_threads: air_threads.unwrap_or(default.air_threads),
            decode_threads: decode_threads.unwrap_or(default.decode_threads),
            encode_threads: encode_threads.unwrap_or(default.encode_threads),
            io_threads: io_threads.unwrap_or(default.io_threads),
            ..default
        };
        let host = py.detach(|| airchain::Host::new(config)).map_err(failed)?;
        Ok(Self { host: Mutex::new(Some(host)), process: std::process::id() })
    }

    /// Puts a station on air, from a file or from the JSON of one. With `pull`, its automation is what the questions that
    /// come back are answered.
    #[pyo3(signature = (path, json, pull, lead_s=None))]
    fn add_station(
        &self,
        py: Python<'_>,
        path: Option<&str>,
        json: Option<&str>,
        pull: bool,
        lead_s: Option<f64>,
    ) -> PyResult<(Station, Option<Questions>)> {
        same_process(self.process)?;
        let config = py.detach(|| declared(path, json))?;
        let (mut spec, outputs) = py.detach(|| from_config::station(&config)).map_err(failed)?;
        let mut asked = None;
        if pull {
            let (questions, manager) = questions();
            let mut pull = Pull::new(&spec.id, Box::new(manager)).map_err(failed)?;
            if let Some(lead_s) = lead_s {
                pull = pull.with_lead_s(lead_s);
            }
            spec.programme = Box::new(pull);
            asked = Some(questions);
        }
        let station = self.with(py, |host| host.add_station(spec, outputs))?;
        Ok((Station::new(station, self.process), asked))
    }

    /// The built-in listener at an address, bound if it is not yet; the address with its real port.
    fn listen(&self, py: Python<'_>, address: &str) -> PyResult<String> {
        let address: SocketAddr = py.detach(|| from_config::resolve(address)).map_err(failed)?;
        let listener = self.with(py, |host| host.listener(address))?;
        Ok(listener.local_addr().to_string())
    }

    /// The figures of all stations and of the process, as JSON.
    fn telemetry(&self, py: Python<'_>) -> PyResult<String> {
        to_json(&self.with(py, |host| Ok(host.telemetry()))?)
    }

    /// The same as text for Prometheus.
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |host| Ok(host.metrics()))
    }

    /// Has the listener at an address serve that to everybody; the address with its real port.
    fn serve_metrics(&self, py: Python<'_>, address: &str) -> PyResult<String> {
        let address: SocketAddr = py.detach(|| from_config::resolve(address)).map_err(failed)?;
        Ok(self.with(py, |host| host.serve_metrics(address))?.to_string())
    }

    /// Takes every station off and ends the threads.
    fn close(&self, py: Python<'_>, drain_s: f64) {
        if self.process != std::process::id() {
            // The threads are the parent's; there is nothing here to be ended.
            return;
        }
        py.detach(|| {
            let host = self.host.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(host) = host {
                host.shutdown(duration(drain_s));
            }
        });
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.host.try_lock().is_ok_and(|host| host.is_none())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let host = self.host.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if self.process != std::process::id() {
            // Its threads did not come along with the fork: joining them would wait for ever.
            std::mem::forget(host);
        }
    }
}
