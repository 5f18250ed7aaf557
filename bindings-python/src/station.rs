//! A station on air.

use airchain::core::playout::live::LiveConfig;
use airchain::core::playout::{Moment, Request};
use airchain::core::tier::Tier;
use airchain::core::units::seconds_to_frames;
use airchain::{from_config, script};
use pyo3::prelude::*;
use serde::Serialize;

use crate::error::{failed, raise, same_process};
use crate::events::Events;
use crate::host::duration;
use crate::pcm::{PcmSource, PcmTap};

/// A station's handle; the station itself belongs to its host.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct Station {
    station: airchain::Station,
    process: u32,
}

pub(crate) fn to_json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| raise("Error", error))
}

impl Station {
    pub(crate) fn new(station: airchain::Station, process: u32) -> Self {
        Self { station, process }
    }
}

#[pymethods]
impl Station {
    #[getter]
    fn id(&self) -> &str {
        self.station.id()
    }

    #[getter]
    fn sample_rate_hz(&self) -> u32 {
        self.station.sample_rate_hz()
    }

    #[getter]
    fn latency(&self) -> u64 {
        self.station.latency()
    }

    #[getter]
    fn position(&self) -> u64 {
        self.station.position()
    }

    #[getter]
    fn missed(&self) -> u64 {
        self.station.missed()
    }

    #[getter]
    fn is_finished(&self) -> bool {
        self.station.is_finished()
    }

    #[getter]
    fn is_off(&self) -> bool {
        self.station.is_off()
    }

    /// Sends a command, given as a line of a script; at once where it says no time.
    fn request(&self, py: Python<'_>, line: &str) -> PyResult<()> {
        same_process(self.process)?;
        let rate = self.station.sample_rate_hz();
        let (moment, request) = script::command(line, rate).map_err(|error| raise("CommandError", error))?;
        py.detach(|| self.station.request(moment, request)).map_err(failed)
    }

    /// Adds an output, given as JSON.
    fn add_output(&self, py: Python<'_>, json: &str) -> PyResult<()> {
        same_process(self.process)?;
        let declared = serde_json::from_str(json).map_err(|error| raise("ConfigError", error))?;
        py.detach(|| self.station.add_declared_output(declared)).map_err(failed)
    }

    /// Changes an output by the fields of its declaration, given as JSON.
    fn change_output(&self, py: Python<'_>, id: &str, json: &str) -> PyResult<()> {
        same_process(self.process)?;
        let changes = serde_json::from_str(json).map_err(|error| raise("ConfigError", error))?;
        py.detach(|| self.station.change_declared_output(id, changes)).map_err(failed)
    }

    #[pyo3(signature = (id, new_id, name=None))]
    fn rename_output(&self, py: Python<'_>, id: &str, new_id: &str, name: Option<&str>) -> PyResult<()> {
        same_process(self.process)?;
        py.detach(|| self.station.rename_output(id, new_id, name)).map_err(failed)
    }

    fn remove_output(&self, py: Python<'_>, id: &str) -> PyResult<()> {
        same_process(self.process)?;
        py.detach(|| self.station.remove_output(id)).map_err(failed)
    }

    /// Adds an input, given as JSON.
    fn add_input(&self, py: Python<'_>, json: &str) -> PyResult<()> {
        same_process(self.process)?;
        let declared = serde_json::from_str(json).map_err(|error| raise("ConfigError", error))?;
        py.detach(|| self.station.add_input(from_config::input(&declared)?)).map_err(failed)
    }

    fn set_input_urls(&self, py: Python<'_>, id: &str, urls: Vec<String>) -> PyResult<()> {
        same_process(self.process)?;
        py.detach(|| self.station.set_input_urls(id, &urls)).map_err(failed)
    }

    fn remove_input(&self, py: Python<'_>, id: &str) -> PyResult<()> {
        same_process(self.process)?;
        py.detach(|| self.station.remove_input(id)).map_err(failed)
    }

    /// Subscribes to what happens from now on; the first who does also gets what has happened since the start.
    /// With `loudness`, each second also how loud it is.
    fn events(&self, loudness: bool) -> PyResult<Events> {
        same_process(self.process)?;
        Ok(Events::new(self.station.clone(), loudness, self.process))
    }

    /// All figures, as JSON.
    fn telemetry(&self, py: Python<'_>) -> PyResult<String> {
        same_process(self.process)?;
        py.detach(|| to_json(&self.station.telemetry()))
    }

    /// What was on air before, the latest first, as JSON.
    fn recent(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| to_json(&self.station.recent()))
    }

    fn reset_loudness(&self) {
        self.station.reset_loudness();
    }

    /// The live sources and where they stand, as JSON.
    fn live_status(&self, py: Python<'_>) -> PyResult<String> {
        same_process(self.process)?;
        let status = py.detach(|| self.station.live_status()).map_err(failed)?;
        to_json(&status)
    }

    /// Opens a live source that PCM is written to, and routes it where a tier is given.
    fn pcm_source(
        &self,
        py: Python<'_>,
        name: &str,
        sample_rate_hz: u32,
        tier: Option<&str>,
        config: &str,
    ) -> PyResult<PcmSource> {
        same_process(self.process)?;
        let mut fields =
            serde_json::to_value(self.station.live_config()).map_err(|error| raise("Error", error))?;
        let given: serde_json::Value =
            serde_json::from_str(config).map_err(|error| raise("ConfigError", error))?;
        if let (Some(fields), Some(given)) = (fields.as_object_mut(), given.as_object()) {
            fields.extend(given.clone());
        }
        let config: LiveConfig =
            serde_json::from_value(fields).map_err(|error| raise("ConfigError", error))?;
        let tier = tier
            .map(|name| {
                let known = Tier::ALL.map(Tier::name).join(", ");
                let refused =
                    || raise("CommandError", format!("tier: {name} is not accepted, give one of {known}"));
                Tier::from_name(name).ok_or_else(refused)
            })
            .transpose()?;
        let writer = py.detach(|| {
            let writer = self.station.live_source(name, config)?;
            if let Some(tier) = tier {
                let request = Request::RouteLive { tier, source: name.to_owned(), fade_in_s: None };
                self.station.request(Moment::Now, request)?;
            }
            Ok(writer)
        });
        Ok(PcmSource::new(
            writer.map_err(failed)?,
            sample_rate_hz,
            self.station.sample_rate_hz(),
            self.process,
        ))
    }

    /// Taps the programme as PCM.
    fn pcm_tap(&self, py: Python<'_>, buffer_s: f64) -> PyResult<PcmTap> {
        same_process(self.process)?;
        let tap = py.detach(|| self.station.tap(buffer_s)).map_err(failed)?;
        let most = seconds_to_frames(buffer_s, self.station.sample_rate_hz());
        Ok(PcmTap::new(tap, most as usize, self.process))
    }

    /// Takes the station off the air and closes its outputs.
    fn close(&self, py: Python<'_>, drain_s: f64) -> PyResult<()> {
        same_process(self.process)?;
        py.detach(|| self.station.stop(duration(drain_s)));
        Ok(())
    }
}
