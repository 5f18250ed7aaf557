//! A station with an output of every kind, one of which has trouble: it is back when the trouble is over, and the others have
//! lost nothing.
//!
//! | | server killed | black hole | slow | refused | full | read-only | clock set |
//! |---|---|---|---|---|---|---|---|
//! | Icecast | `network` | `network` | `network` | `network` | | | `clock` |
//! | HLS in a folder | | `slow_disk` | `slow_disk` | | `disk` | `disk` | `clock` |
//! | HLS in S3 | `stores` | `stores` | `stores` | `stores` | `stores` | `stores` | `clock` |
//! | HLS by PUT | `stores` | `stores` | `stores` | `stores` | `stores` | `stores` | `clock` |
//! | recording | | `slow_disk` | `slow_disk` | | `disk` | `disk` | `clock` |
//! | listener | | `listener` | `listener` | | | | `clock` |
//! | SRT | `srt` | `srt` | `srt` | `srt` | | | `clock` |
//!
//! What has no place in it cannot happen. Icecast and SRT receivers have no disk that the audio waits for, and a peer that does not
//! take it is slow. A folder has no server: where one is behind it, as with NFS, and is gone, writing hangs, which is the black hole of
//! a disk, or fails as on one that is read-only. The listener is the server, has no disk, and refuses nobody but by its limits.
//! SRT is there in builds with the feature `srt`.
//!
//! In `stores`, `slow_disk` and `srt` a station has several outputs of the kind, each with a trouble of its own at the same time, so
//! that all of it takes as long as the longest.
//!
//! When an output is back depends on how long it pauses between attempts: from 0.25 s up to 15 s where the cause may pass by itself,
//! from 5 s up to 60 s where a person has to do something (`outputs/src/worker.rs`), each by up to a quarter more. The tests print
//! what it was.

#![allow(clippy::unwrap_used)]

mod air;
mod clock;
mod disk;
mod listener;
mod network;
mod preload;
#[allow(dead_code)] // Of which this uses a part.
#[path = "../isolation/rig.rs"]
mod rig;
mod slow_disk;
#[cfg(feature = "srt")]
mod srt;
mod stores;
