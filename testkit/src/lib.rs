//! Signals, measurements and simulated peers for the tests.

pub mod icecast;
