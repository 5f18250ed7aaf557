//! Audio between numpy's `(channels, frames)` and airchain's frames.

use airchain::core::Stereo;
use numpy::ndarray::ArrayView2;
use numpy::{PyArray2, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Frames as an array of shape `(2, frames)`.
pub(crate) fn to_array<'py>(py: Python<'py>, frames: &[Stereo]) -> Bound<'py, PyArray2<f32>> {
    let array = PyArray2::zeros(py, [2, frames.len()], false);
    {
        let mut writable = array.readwrite();
        let mut view = writable.as_array_mut();
        for channel in 0..2 {
            let row = view.row_mut(channel);
            row.into_iter().zip(frames).for_each(|(sample, frame)| *sample = frame[channel]);
        }
    }
    array
}

/// An array of shape `(channels, frames)` as frames: one channel is heard on both sides.
pub(crate) fn from_array(array: ArrayView2<'_, f32>) -> PyResult<Vec<Stereo>> {
    let channels = array.nrows();
    if !(1..=2).contains(&channels) {
        return Err(PyValueError::new_err(format!(
            "array: its shape is {:?}, give (channels, frames) with 1 or 2 channels",
            array.shape()
        )));
    }
    let (left, right) = (array.row(0), array.row(channels - 1));
    let frames: Vec<Stereo> = left.iter().zip(right).map(|(left, right)| [*left, *right]).collect();
    if !frames.iter().flatten().all(|sample| sample.is_finite()) {
        return Err(PyValueError::new_err(
            "array: it holds values that are not finite, give samples around ±1.0",
        ));
    }
    Ok(frames)
}
