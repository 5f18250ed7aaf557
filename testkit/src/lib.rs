//! Signals, measurements and simulated peers for the tests.

pub mod alloc;
pub mod browser;
pub mod cmaf;
pub mod contract;
pub mod encoder;
pub mod file;
pub mod hls;
pub mod http;
pub mod icecast;
pub mod lossy;
pub mod measure;
pub mod network;
pub mod nginx;
pub mod node;
pub mod object_store;
pub mod packed;
pub mod proxy;
pub mod rig;
pub mod signal;
pub mod srt;
pub mod studio;
pub mod ts;
