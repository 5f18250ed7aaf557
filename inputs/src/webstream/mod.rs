//! A radio station as an input: a stream of HTTP or ICY.

mod config;
mod queue;
mod status;

pub use config::{InvalidWebstream, WebstreamConfig};
pub use queue::{Arrival, Arrivals};
pub use status::{IcyHeaders, LinkState, WebstreamStatus};
