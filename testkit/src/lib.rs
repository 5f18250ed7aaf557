//! Signals, measurements and simulated peers for the tests.

pub mod alloc;
pub mod contract;
pub mod icecast;
pub mod measure;
pub mod signal;
