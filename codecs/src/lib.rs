//! Bytes to frames and frames to bytes: decoders, encoders, containers, resampling and file analysis.
//!
//! Everything here may allocate and take its time; none of it runs on the air thread.

pub mod analyze;
pub mod container;
pub mod copy;
pub mod decode;
pub mod drift;
pub mod encode;
mod extrapolate;
#[cfg(feature = "fault-injection")]
pub mod fault;
pub mod format;
pub mod grid;
pub mod packet;
pub mod resample;

pub use format::{Bitrate, Codec, Format};
pub use packet::{Packet, StreamInfo};
