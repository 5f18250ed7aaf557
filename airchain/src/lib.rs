//! airchain: the engine that puts radio on air.
//!
//! A [`Host`] holds a fixed handful of threads and any number of [`Station`]s; each station decodes, mixes and
//! processes a programme once and delivers it to Icecast, HLS, files and listeners. [`offline`] renders the very
//! same programme as fast as the processor goes.

mod air;
pub mod analysis;
pub mod as_run;
pub mod config;
pub mod cost;
mod crew;
mod decode_pool;
mod desk;
mod encode_pool;
pub mod error;
mod fallback;
pub mod faults;
pub mod file;
pub mod from_config;
pub mod host;
pub mod input;
mod journal;
mod lengths;
mod levels;
mod listeners;
mod loader;
pub mod meter;
pub mod offline;
mod os;
pub mod output;
mod passthrough;
mod pcm_tap;
pub mod pull;
mod rendition;
pub mod schedule;
pub mod script;
pub mod spec;
pub mod station;
pub mod telemetry;
mod unheard;
mod wall_clock;

pub use airchain_codecs as codecs;
pub use airchain_core as core;
pub use airchain_inputs as inputs;
pub use airchain_outputs as outputs;

pub use error::Error;
pub use host::{Host, HostConfig};
pub use input::{InputSource, InputSpec, InputStatus};
pub use levels::ItemLoudness;
pub use output::{OutputSpec, Target};
pub use pcm_tap::PcmTap;
pub use spec::StationSpec;
pub use station::Station;
pub use telemetry::{HostTelemetry, Telemetry};
