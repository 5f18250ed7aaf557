//! The compiled half of the Python package: thin handles on airchain's own types.
//!
//! What is structured (stations, commands, events, figures) crosses as JSON, in the words that station files, scripts
//! and logs use; audio crosses as numpy arrays. The Python half (`python/airchain/`) gives both their types.
//!
//! The interpreter lock is released in every call that can wait, and no Python runs on a thread of airchain.

mod analysis;
mod error;
mod events;
mod frames;
mod host;
mod log;
mod pcm;
mod questions;
mod render;
mod station;

use pyo3::prelude::*;

/// airchain's compiled half.
#[pymodule]
mod _airchain {
    #[pymodule_export]
    use super::analysis::{Analyser, default_cache, files};
    #[pymodule_export]
    use super::events::Events;
    #[pymodule_export]
    use super::host::Host;
    #[pymodule_export]
    use super::log::{Log, capture_log};
    #[pymodule_export]
    use super::pcm::{PcmSource, PcmTap};
    #[pymodule_export]
    use super::questions::Questions;
    #[pymodule_export]
    use super::render::Render;
    #[pymodule_export]
    use super::station::Station;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "its name in Python")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
