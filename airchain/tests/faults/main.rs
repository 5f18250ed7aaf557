//! A station with an output of every kind, one of which has trouble: it is back when the trouble is over, and the others have
//! lost nothing.
//!
//! | | server killed | black hole | slow | refused | disk full | read-only | clock set |
//! |---|---|---|---|---|---|---|---|
//! | Icecast | `network` | `network` | `network` | `network` | | | `clock` |
//! | HLS in a folder | | | | | `disk` | `disk` | `clock` |
//! | recording | | | | | `disk` | `disk` | `clock` |
//! | listener | | `listener` | `listener` | | | | `clock` |
//!
//! What has no place in it cannot happen: the listener is the server, and refuses nobody but by its limits. When an output is
//! back depends on how long it pauses between attempts: from 0.25 s up to 15 s where the cause may pass by itself, from 5 s up to
//! 60 s where a person has to do something (`outputs/src/worker.rs`), each by up to a quarter more. The tests print what it was.

#![allow(clippy::unwrap_used)]

mod air;
mod clock;
mod disk;
mod listener;
mod network;
#[allow(dead_code)] // Of which this uses a part.
#[path = "../isolation/rig.rs"]
mod rig;
