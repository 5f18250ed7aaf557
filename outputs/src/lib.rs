//! Where encoded audio goes: Icecast, HLS, recordings and the built-in HTTP listener.
//!
//! Every output has its own bounded queue, worker and health. None can hold up another, and none holds up the
//! encoder it shares.

pub mod sink;
