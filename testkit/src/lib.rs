//! Signals, measurements and simulated peers for the tests.
