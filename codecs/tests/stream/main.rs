//! Streams pushed in pieces: what comes out is what files give, wherever one joins and however the bytes are cut.
#![allow(clippy::unwrap_used)]

#[path = "../encode_support/mod.rs"]
mod encode_support;
#[cfg(all(feature = "mp3", feature = "aac"))]
mod frames;
#[cfg(all(feature = "mp3", feature = "aac"))]
mod hostile;
mod kit;
mod ogg;
