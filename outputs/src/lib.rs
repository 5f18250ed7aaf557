//! Where encoded audio goes: Icecast, HLS, recordings, the built-in HTTP listener and, by the feature `srt`, SRT receivers.
//!
//! Every output has its own bounded queue, worker and health. None can hold up another, and none holds up the
//! encoder it shares.

pub mod dash;
mod disk;
pub mod health;
pub mod hls;
pub mod http;
pub mod icecast;
pub mod info;
pub mod joint;
pub mod leaps;
mod queue;
pub mod recording;
pub mod segments;
pub mod sink;
#[cfg(feature = "srt")]
pub mod srt;
pub mod tenure;
mod upcoming;
pub mod worker;

/// Every kind of output: a sink is one file or folder and one line here.
pub const SINKS: &[info::SinkInfo] = &[
    icecast::INFO,
    hls::INFO,
    http::INFO,
    recording::INFO,
    #[cfg(feature = "srt")]
    srt::INFO,
];
