//! A radio station elsewhere as an input: a stream by HTTP or ICY, listened to without end.
//!
//! ```text
//! url, fallback_urls ─► route ─► http ─► kind ─┬─► playlist: its entries are tried next, in order
//!                       (which, when)          └─► body ─► ICY titles taken out ─► Arrivals ─► decoder
//!                                               (length, chunks)       (bounded: a full one stops the socket)
//! ```
//!
//! One task does it all on the I/O runtime; it waits for the socket, a timer or room in [`Arrivals`], and polls nothing.
//!
//! **Which URL.** `url` first, then each of `fallback_urls`. One that turns out to be a playlist (M3U, PLS, XSPF, ASX, by
//! content type, by look or by name) stands for what it names: up to 64 URLs, up to three playlists deep, tried in
//! order; after eight the next of `fallback_urls` has its turn, and the others come behind those. One of HLS is followed
//! itself. Whatever fails, the next is tried at once. When all have failed, there is a pause: half a second, doubled each
//! round up to `retry_max_s`, less up to a quarter by chance. A connection that brought audio for 10 s and breaks is made
//! again at once, and pauses start small again; one that broke earlier counts as failed.
//!
//! **Back again.** On a fallback, `url` is tried beside it every `return_after_s`, and taken when it has brought audio that
//! can be decoded; only then the fallback is left. Each time in a row that it does not hold for a minute, or is given up,
//! the wait is doubled, up to 10 minutes.
//!
//! **Other URLs** ([`Link::set_urls`]) are tried at once in their order, beside what is listened to; that is left when one of
//! them has brought audio, or when it breaks. What is only being tried then is dropped for them.
//!
//! **What has failed.** Not connected within 10 s, or no answer within another 10 s; no byte of audio within
//! `stall_timeout_s`, or fewer than 64 a second over that time (of HLS: nothing new for three segments' durations more, or
//! three segments in a row missing, unanswered for that time, or without audio); an answer that is no audio; a body that
//! ends (unless `finite`, when a whole body is the end); titles that are no text, as the stream is then out of step with its
//! `icy-metaint` and cuts pieces out of the audio; and what [`Link::move_on`] says has.
//!
//! **Redirects** are followed up to 10 times. User and password of a URL go with them only within the same server, and
//! never from TLS into the open.
//!
//! **Titles** are `Artist - Title`, or a title alone; UTF-8, else windows-1252. One that is empty takes the title away. Each
//! connection begins without one, and says its own even if it was the last one's as well.
//!
//! The log says once that audio fails, with the reason, and once that it is back; what happens between is in
//! [`WebstreamStatus`], and in the log at debug level.

mod body;
mod config;
mod feed;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod hls;
mod http;
mod icy;
mod kind;
mod link;
mod pace;
mod queue;
mod route;
mod status;
mod task;
mod trouble;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use airchain_net::{Dialler, Network};
pub use config::{InvalidWebstream, MOST_FALLBACK_URLS, WebstreamConfig};
pub use feed::{FeedBoard, FeedConfig, FeedStatus, WebstreamFeed};
pub use link::Link;
pub use queue::{Arrival, Arrivals};
pub use status::{IcyHeaders, LinkState, WebstreamStatus};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::Instrument;

use self::http::Client;
use self::route::Route;
use self::status::Board;
use self::task::Task;

const USER_AGENT: &str = concat!("airchain/", env!("CARGO_PKG_VERSION"));

/// Starts listening, on a task of `runtime`, which needs its timer and I/O enabled. It ends when either of the two
/// is dropped.
pub fn open(config: WebstreamConfig, runtime: &Handle) -> Result<(Link, Arrivals), InvalidWebstream> {
    let network = Network::new(config.ca_file.clone());
    open_over(config, runtime, Arc::new(network))
}

/// As [`open`], over connections of another making.
pub fn open_over(
    config: WebstreamConfig,
    runtime: &Handle,
    dialler: Arc<dyn Dialler>,
) -> Result<(Link, Arrivals), InvalidWebstream> {
    config.validate()?;
    let seconds = Duration::from_secs_f64;
    let (intake, arrivals) = queue::queue(config.capacity_bytes);
    let (moves, moved) = watch::channel(0);
    let urls = config.urls()?;
    let (route, route_told) = watch::channel(urls.clone());
    let user_agent = config.user_agent.clone().unwrap_or_else(|| USER_AGENT.to_owned());
    let patience = seconds(config.stall_timeout_s);
    let board = Arc::new(Board::new(patience));
    let task = Task {
        client: Arc::new(Client { dialler, user_agent }),
        route: Route::new(urls, seconds(config.retry_max_s), seconds(config.return_after_s)),
        id: config.id,
        patience,
        finite: config.finite,
        intake: Arc::new(intake),
        board: board.clone(),
        moves: moved,
        urls: route_told,
        outage: None,
        connection: 0,
    };
    // What it logs is logged for whoever opened it.
    runtime.spawn(task.run().in_current_span());
    Ok((Link { board, moves, urls: route }, arrivals))
}
