//! The pure engine of airchain: audio from decks through the mixer, the priority ladder and the DSP chain onto
//! the bus, counted in frames.
//!
//! Nothing in this crate reads a clock, sleeps, spawns a thread or does I/O (`clippy.toml` enforces it). A driver
//! outside decides when a block is rendered: paced by the wall clock on air, as fast as the processor goes
//! offline. The same commands at the same frames therefore give the same bits, every time.

pub mod bus;
pub mod chain;
pub mod control;
pub mod curve;
pub mod deck;
mod delay;
pub mod dsp;
pub mod engine;
pub mod feed;
pub mod item;
pub mod ladder;
pub mod level;
pub mod measure;
pub mod playout;
pub mod presets;
pub mod program;
pub mod refusal;
mod rung;
mod slot;
pub mod source;
mod stems;
mod tails;
pub mod tap;
pub mod tier;
pub mod units;
mod waiting;

pub use units::{Frames, Stereo};
