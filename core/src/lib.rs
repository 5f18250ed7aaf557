//! The pure engine of airchain: audio from decks through the mixer, the priority ladder and the DSP chain onto
//! the bus, counted in frames.
//!
//! Nothing in this crate reads a clock, sleeps, spawns a thread or does I/O (`clippy.toml` enforces it). A driver
//! outside decides when a block is rendered: paced by the wall clock on air, as fast as the processor goes
//! offline. The same commands at the same frames therefore give the same bits, every time.
//!
//! What the air thread runs has no way to panic (docs/real-time.md): the lints below see to what they can see.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing
)]

mod border;
pub mod bus;
mod bypass;
pub mod chain;
pub mod control;
pub mod curve;
pub mod deck;
mod delay;
#[allow(clippy::indexing_slicing, reason = "arrays of constant length, and rings with a mask or a remainder")]
pub mod dsp;
pub mod engine;
pub mod feed;
pub mod item;
pub mod ladder;
pub mod level;
#[allow(clippy::indexing_slicing, reason = "arrays of constant length; meters run beside the air thread")]
pub mod measure;
#[cfg(all(test, airchain_loom))]
mod models;
pub mod playout;
#[allow(clippy::indexing_slicing, reason = "not on the air thread")]
pub mod presets;
mod processor;
pub mod program;
#[allow(clippy::indexing_slicing, reason = "not on the air thread")]
pub mod refusal;
mod ring;
mod rung;
mod slot;
pub mod source;
mod stems;
mod sync;
mod tails;
pub mod tap;
pub mod tier;
pub mod units;
mod waiting;

pub use units::{Frames, Stereo};
