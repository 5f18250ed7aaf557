//! A subscription to a station's events.

use std::time::Duration;

use airchain::Station;
use airchain::station::TimedReport;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use pyo3::prelude::*;

use crate::error::{raise, same_process};

/// Events of one station, each given once.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct Events {
    reports: Receiver<TimedReport>,
    station: Station,
    process: u32,
}

impl Events {
    pub(crate) fn new(station: Station, loudness: bool, process: u32) -> Self {
        let reports = if loudness { station.reports_and_loudness() } else { station.reports() };
        Self { reports, station, process }
    }
}

/// What waiting for an event came to.
enum Got {
    Event(Box<TimedReport>),
    Nothing,
    Over,
}

#[pymethods]
impl Events {
    /// Waits up to timeout_s for the next event: its JSON, or "" when none came. None when there will be no more.
    fn get(&self, py: Python<'_>, timeout_s: f64) -> PyResult<Option<String>> {
        same_process(self.process)?;
        let timeout = Duration::try_from_secs_f64(timeout_s.clamp(0.0, 86_400.0)).unwrap_or_default();
        let got = py.detach(|| match self.reports.recv_timeout(timeout) {
            Ok(report) => Got::Event(Box::new(report)),
            // What a station says last, it says while it goes off.
            Err(RecvTimeoutError::Timeout) if !self.station.is_off() => Got::Nothing,
            Err(_) => Got::Over,
        });
        match got {
            Got::Event(report) => {
                Ok(Some(serde_json::to_string(&report).map_err(|error| raise("Error", error))?))
            }
            Got::Nothing => Ok(Some(String::new())),
            Got::Over => Ok(None),
        }
    }

    /// How many events wait to be taken.
    fn __len__(&self) -> usize {
        self.reports.len()
    }
}
