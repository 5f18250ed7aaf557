//! PCM into a station and out of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use airchain::codecs::resample::Resampler;
use airchain::core::Stereo;
use airchain::core::item::Metadata;
use airchain::core::playout::LiveWriter;
use numpy::{PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::error::{closed, raise, same_process};
use crate::frames::{from_array, to_array};

/// How often room, or audio, is looked for.
const LOOK: Duration = Duration::from_millis(5);

/// How long a wait goes on before Python is asked whether it has been interrupted.
const STRETCH: Duration = Duration::from_millis(100);

/// A live source that is written to.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct PcmSource {
    inner: Mutex<Option<Inner>>,
    process: u32,
}

struct Inner {
    writer: LiveWriter,
    resampler: Resampler,
    /// Frames at the station's rate that have found no room yet.
    waiting: Vec<Stereo>,
    /// Frames that have.
    handed: u64,
}

/// Where a write stands.
enum Wrote {
    All,
    Part,
    Closed,
    Abandoned,
}

impl Inner {
    /// Hands over what there is room for.
    fn hand_over(&mut self) {
        let room = self.writer.room().min(self.waiting.len());
        self.writer.push(&self.waiting[..room]);
        self.waiting.drain(..room);
        self.handed += room as u64;
    }

    /// Frames handed over once all that is here now has been.
    fn mark(&self) -> u64 {
        self.handed + self.waiting.len() as u64
    }
}

impl PcmSource {
    pub(crate) fn new(writer: LiveWriter, from_hz: u32, to_hz: u32, process: u32) -> Self {
        let resampler = Resampler::new(from_hz, to_hz);
        let inner = Inner { writer, resampler, waiting: Vec::new(), handed: 0 };
        Self { inner: Mutex::new(Some(inner)), process }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Inner>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a while for everything up to `mark` to have found room. Others may use the source meanwhile.
    fn wait(&self, mark: u64, deadline: Option<Instant>) -> Wrote {
        let stretch = Instant::now() + STRETCH;
        let end = deadline.map_or(stretch, |deadline| deadline.min(stretch));
        loop {
            match self.lock().as_mut() {
                None => return Wrote::Closed,
                Some(inner) if inner.writer.is_abandoned() => return Wrote::Abandoned,
                Some(inner) => {
                    inner.hand_over();
                    if inner.handed >= mark {
                        return Wrote::All;
                    }
                }
            }
            if Instant::now() >= end {
                return Wrote::Part;
            }
            sleep(LOOK);
        }
    }

    /// Lets `put` add frames, and waits for room for them.
    fn put(
        &self,
        py: Python<'_>,
        timeout_s: Option<f64>,
        put: impl FnOnce(&mut Inner) + Send,
    ) -> PyResult<()> {
        same_process(self.process)?;
        let deadline = timeout_s.map(|seconds| Instant::now() + crate::host::duration(seconds));
        let mark = py.detach(|| {
            let mut inner = self.lock();
            let inner = inner.as_mut()?;
            put(inner);
            Some(inner.mark())
        });
        let mark = mark.ok_or_else(|| closed("the source"))?;
        loop {
            match py.detach(|| self.wait(mark, deadline)) {
                Wrote::All => return Ok(()),
                Wrote::Part if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    let late = "timeout_s: it passed before there was room for all of it; what is left goes first with the \
                        next write";
                    return Err(raise("WriteTimeout", late));
                }
                Wrote::Part => py.check_signals()?,
                Wrote::Closed => return Err(closed("the source")),
                Wrote::Abandoned => {
                    let gone = "the station has no more use for the source: it was taken away, or the station is off";
                    return Err(raise("StoppedError", gone));
                }
            }
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
        self.put(py, timeout_s, move |inner| inner.resampler.process(&frames, &mut inner.waiting))
    }

    /// Hands over the last frames, which the resampler still holds; waits for room.
    fn flush(&self, py: Python<'_>, timeout_s: Option<f64>) -> PyResult<()> {
        self.put(py, timeout_s, |inner| inner.resampler.finish(&mut inner.waiting))
    }

    /// Tells listeners something else, from the next frame on; given as JSON.
    fn set_metadata(&self, py: Python<'_>, json: &str) -> PyResult<()> {
        same_process(self.process)?;
        let metadata: Metadata = serde_json::from_str(json).map_err(|error| raise("ItemError", error))?;
        let told = py.detach(|| self.lock().as_mut().map(|inner| inner.writer.set_metadata(metadata)));
        told.ok_or_else(|| closed("the source"))
    }

    /// Frames, at the station's rate, that wait to be heard.
    #[getter]
    fn buffered(&self, py: Python<'_>) -> usize {
        py.detach(|| self.lock().as_ref().map_or(0, |inner| inner.writer.buffered() + inner.waiting.len()))
    }

    /// Signs off: what was written is played to its end.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.lock().take()));
    }

    #[getter]
    fn is_closed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().is_none())
    }
}

/// The programme as PCM; `None` once it is closed.
#[pyclass(frozen, module = "airchain._airchain")]
pub(crate) struct PcmTap {
    tap: Mutex<Option<airchain::PcmTap>>,
    /// Frames that it can hold.
    most: usize,
    process: u32,
}

impl PcmTap {
    pub(crate) fn new(tap: airchain::PcmTap, most: usize, process: u32) -> Self {
        Self { tap: Mutex::new(Some(tap)), most, process }
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
        same_process(self.process)?;
        // More than it holds never comes together.
        let frames = frames.min(self.most);
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
