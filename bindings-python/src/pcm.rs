//! PCM into a station and out of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use airchain::codecs::resample::Resampler;
use airchain::core::Stereo;
use airchain::core::item::Metadata;
use airchain::core::playout::LiveWriter;
use numpy::{PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::error::{closed, raise};
use crate::frames::{from_array, to_array};

/// How often room, or audio, is looked for.
const LOOK: Duration = Duration::from_millis(5);

/// A live source that is written to.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct PcmSource {
    inner: Mutex<Option<Inner>>,
    is_closed: AtomicBool,
}

struct Inner {
    writer: LiveWriter,
    resampler: Resampler,
    /// Frames at the station's rate that have found no room yet.
    waiting: Vec<Stereo>,
}

/// What came of a write.
enum Wrote {
    All,
    Late,
    Closed,
    Abandoned,
}

impl PcmSource {
    pub(crate) fn new(writer: LiveWriter, from_hz: u32, to_hz: u32) -> Self {
        let inner = Inner { writer, resampler: Resampler::new(from_hz, to_hz), waiting: Vec::new() };
        Self { inner: Mutex::new(Some(inner)), is_closed: AtomicBool::new(false) }
    }

    /// Hands over what waits as there is room for it, until `deadline`.
    fn drain(&self, inner: &mut Inner, deadline: Option<Instant>) -> Wrote {
        loop {
            if inner.writer.is_abandoned() {
                return Wrote::Abandoned;
            }
            let room = inner.writer.room().min(inner.waiting.len());
            inner.writer.push(&inner.waiting[..room]);
            inner.waiting.drain(..room);
            if inner.waiting.is_empty() {
                return Wrote::All;
            }
            if self.is_closed.load(Ordering::Acquire) {
                return Wrote::Closed;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Wrote::Late;
            }
            sleep(LOOK);
        }
    }

    fn with(
        &self,
        py: Python<'_>,
        timeout_s: Option<f64>,
        act: impl FnOnce(&mut Inner) + Send,
    ) -> PyResult<()> {
        let deadline = timeout_s.map(|seconds| Instant::now() + crate::host::duration(seconds));
        let wrote = py.detach(|| {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(inner) = inner.as_mut() else { return Wrote::Closed };
            act(inner);
            self.drain(inner, deadline)
        });
        match wrote {
            Wrote::All => Ok(()),
            Wrote::Late => Err(raise(
                "WriteTimeout",
                "timeout_s: it passed before there was room for all of it; what is left goes first with the next write",
            )),
            Wrote::Closed => Err(closed("the source")),
            Wrote::Abandoned => Err(raise(
                "StoppedError",
                "the station has no more use for the source: it was taken away, or the station is off",
            )),
        }
    }
}

#[pymethods]
impl PcmSource {
    /// Takes frames; waits for room.
    #[pyo3(signature = (array, timeout_s=None))]
    fn write(
        &self,
        py: Python<'_>,
        array: PyReadonlyArray2<'_, f32>,
        timeout_s: Option<f64>,
    ) -> PyResult<()> {
        let frames = from_array(array.as_array())?;
        self.with(py, timeout_s, move |inner| inner.resampler.process(&frames, &mut inner.waiting))
    }

    /// Hands over the last frames, which the resampler still holds; waits for room.
    fn flush(&self, py: Python<'_>, timeout_s: Option<f64>) -> PyResult<()> {
        self.with(py, timeout_s, |inner| inner.resampler.finish(&mut inner.waiting))
    }

    /// Tells listeners something else, from the next frame on; given as JSON.
    fn set_metadata(&self, py: Python<'_>, json: &str) -> PyResult<()> {
        let metadata: Metadata = serde_json::from_str(json).map_err(|error| raise("ItemError", error))?;
        self.with(py, None, move |inner| inner.writer.set_metadata(metadata))
    }

    /// Seconds that wait to be heard, and that could be written now without waiting, in frames of the station.
    #[getter]
    fn buffered(&self, py: Python<'_>) -> usize {
        py.detach(|| {
            let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.as_ref().map_or(0, |inner| inner.writer.buffered() + inner.waiting.len())
        })
    }

    /// Signs off: what was written is played to its end.
    fn close(&self, py: Python<'_>) {
        self.is_closed.store(true, Ordering::Release);
        py.detach(|| drop(self.inner.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

/// The programme as PCM; `None` once it is closed.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct PcmTap {
    tap: Mutex<Option<airchain::PcmTap>>,
}

impl PcmTap {
    pub(crate) fn new(tap: airchain::PcmTap) -> Self {
        Self { tap: Mutex::new(Some(tap)) }
    }
}

/// What came of a read.
enum Read {
    Frames(u64, Vec<Stereo>),
    Over,
}

#[pymethods]
impl PcmTap {
    /// Waits until `frames` are there, at most timeout_s, and reads as many as there are of them: their position on the
    /// bus and an array of shape (2, frames). None when the station is off and all has been read.
    fn read<'py>(
        &self,
        py: Python<'py>,
        frames: usize,
        timeout_s: f64,
    ) -> PyResult<Option<(u64, Bound<'py, PyArray2<f32>>)>> {
        let deadline = Instant::now() + crate::host::duration(timeout_s);
        let read = py.detach(|| {
            let mut tap = self.tap.lock().unwrap_or_else(PoisonError::into_inner);
            let tap = tap.as_mut()?;
            while tap.available() < frames && Instant::now() < deadline && !tap.is_finished() {
                sleep(LOOK);
            }
            let mut out = vec![[0.0; 2]; frames];
            let (position, count) = tap.read(&mut out);
            out.truncate(count);
            Some(if count == 0 && tap.is_finished() { Read::Over } else { Read::Frames(position, out) })
        });
        match read.ok_or_else(|| closed("the tap"))? {
            Read::Over => Ok(None),
            Read::Frames(position, out) => Ok(Some((position, to_array(py, &out)))),
        }
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.tap.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
}
