//! A host with a station in which something goes wrong, and one in which nothing does: what the healthy one sends is, bit
//! for bit, what it sends alone, and the other one comes back by itself.

#![allow(clippy::unwrap_used)]

mod chain;
mod decoder;
mod delivery;
mod load;
mod manager;
mod rig;
