//! Benchmarks: what they have in common.

pub mod arguments;
pub mod emergency;
pub mod engine;
pub mod listen;
pub mod music;
pub mod process;
pub mod start;
pub mod table;

pub use engine::{BLOCK, RATE, item, load, nodes, programme, station};
