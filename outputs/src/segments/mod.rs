//! Segmented delivery: what HLS outputs are made of, whatever their manifests, containers and stores.
//!
//! ```text
//! packets ─► `cutter` (where, by one `timeline`) ─► `builder` (bytes) ─► `outbox` ─► `publisher` ─► `store`
//!            └──────────── `track`: an output's sink ───────────────┘    └ a task: order, retries, manifests ┘
//! ```
//!
//! An output is a presentation of one or more tracks, each an encoding: one number is one stretch of the programme in
//! all of them. What is published of a track is its `window`; playlists are made from it. Only a track that is alone differs:
//! it numbers its segments one by one, so that nothing is given up where packets are missing.

mod bandwidth;
mod builder;
mod cutter;
pub mod name;
mod outbox;
mod presentation;
mod publisher;
mod songs;
pub mod store;
mod timeline;
mod track;
pub(crate) mod window;

pub(crate) use presentation::{BEHIND, Layout, Presentation, Shown};
#[cfg(feature = "s3")]
pub use store::S3Config;
pub use store::{InvalidStore, PutConfig, StoreConfig};
pub(crate) use timeline::nanos;
pub(crate) use track::Track;
