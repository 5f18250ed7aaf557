//! The built-in HTTP listener: one command needs no other server.
//!
//! | path | what |
//! |---|---|
//! | `/` | a page: player, what is on air, level meters, health of the outputs |
//! | `/live.mp3` and the like | a [mount](Listener::mount): the programme for as long as one listens |
//! | `/hls/...` | the [directory](Listener::serve_dir) of an HLS output, with listener sessions where wanted |
//! | `/status.json`, `/events` | what the page shows: snapshot and server-sent events ([`state`]) |
//! | `/metrics` | [text for Prometheus](Listener::metrics), where the owner makes it and the peer is one of those it is for |
//! | `/status-json.xsl` | the mounts as Icecast tells of them |
//!
//! Every request can be [logged](AccessLog) as nginx does.
//!
//! ```text
//! Sink ─► Muxer ─► Ring of chunks (shared bytes, ~15 s) ─┬► Reader ─► connection
//!                   one per mount                        └► Reader + ICY titles ─► connection
//! ```

mod access;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod icy;
mod listener;
mod metrics;
mod mount;
mod ogg;
mod proxies;
mod ring;
mod route;
mod session;
pub mod state;
mod status;

use std::time::Duration;

pub use access::AccessLog;
pub use listener::{ListenError, Listener, MountError, ServedDir};
pub use metrics::{Audience, MakeText};
pub use mount::{MountHandle, MountMeta, MountOutput};
pub use proxies::{InvalidNetwork, NetworkOfProxies};
pub use state::StateHandle;

use crate::info::{Field, SinkInfo};

/// Its line in the table of sinks.
pub const INFO: SinkInfo = SinkInfo {
    name: "http",
    summary: "a mount of the built-in HTTP listener: players connect straight to airchain",
    fields: &[
        Field::optional("path", "path of the mount, /live.mp3 and the like by default"),
        Field::optional("name", "name of the station; the station's own by default"),
        Field::optional("description", "what listeners read about it"),
        Field::optional("genre", "genre"),
        Field::optional("homepage", "address of the station's web page"),
    ],
};

/// Limits and times of a listener.
#[derive(Clone, Debug)]
pub struct Options {
    /// Audio that a new listener is given at once, so that its player starts without waiting. Default 2 s.
    pub burst: Duration,
    /// How far a listener may fall behind before it is disconnected. Default 15 s; never less than `burst`.
    pub ring: Duration,
    /// Connections at once; further ones are answered 503. Default 4096.
    pub max_connections: usize,
    /// Connections at once from one address (IPv6: one /64 network); further ones are answered 429. Proxies that are
    /// [trusted](Listener::trust) are not counted, and a mount that admits more lifts it. Default 256.
    pub max_connections_per_address: usize,
    /// Time a client has to send its request, and to send the next one. Default 10 s.
    pub header_timeout: Duration,
    /// What the kernel may hold per connection, in bytes; it adds to how late a slow listener gets. Default 256 KiB.
    pub send_buffer: usize,
    /// Time that connections have to end by themselves on shutdown. Default 2 s.
    pub grace: Duration,
}

/// How a mount treats its listeners, where not as the listener's [`Options`] say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// Audio that a new listener is given at once.
    pub burst: Option<Duration>,
    /// Listeners at once; further ones are answered 503.
    pub max_listeners: Option<usize>,
    /// Listeners at once from one address (IPv6: one /64 network), by what [trusted](Listener::trust) proxies say of it;
    /// further ones are answered 429.
    pub max_per_address: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            burst: Duration::from_secs(2),
            ring: Duration::from_secs(15),
            max_connections: 4096,
            max_connections_per_address: 256,
            header_timeout: Duration::from_secs(10),
            send_buffer: 256 * 1024,
            grace: Duration::from_secs(2),
        }
    }
}
