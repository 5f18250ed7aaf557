//! What a URL gives: audio with its titles, or a playlist of other URLs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::config::stream_url;
use super::hls::{self, Hls};
use super::http::{Answer, Body, Client};
use super::icy::{Demux, Piece};
use super::kind::{Kind, kind};
use super::pace::Pace;
use super::queue::Arrival;
use super::status::IcyHeaders;
use super::trouble::Trouble;
use crate::{lists, text};

/// Longest playlist.
const LONGEST_LIST: usize = 64 * 1024;
/// Longest time that one may take.
pub(crate) const LIST: Duration = Duration::from_secs(10);

/// Longest URL in one.
const LONGEST_URL: usize = 4096;

/// What was found at a URL.
pub(crate) enum Found {
    Upstream(Box<Upstream>),
    /// What a playlist names, in its order.
    List(Vec<Url>),
}

/// What brings audio.
pub(crate) struct Upstream {
    pub(crate) content_type: Option<String>,
    pub(crate) station: IcyHeaders,
    carrier: Carrier,
}

#[expect(clippy::large_enum_variant, reason = "it is in a box anyway")]
enum Carrier {
    /// One answer without end.
    Body {
        body: Body,
        demux: Demux,
        pace: Pace,
        /// Bytes read and not yet passed on.
        raw: Vec<u8>,
    },
    /// One answer after the other.
    Segments(Hls),
}

/// Asks for `url`; a server that says nothing for `patience` has failed.
pub(crate) async fn open(client: &Arc<Client>, url: &Url, patience: Duration) -> Result<Found, Trouble> {
    let Answer { url, head, mut body } = client.get(url).await?;
    let mut pace = Pace::new(patience, Instant::now());
    let (mut start, mut whole) = (Vec::new(), false);
    let kind = loop {
        match kind(head.content_type.as_deref(), &url, &start, whole) {
            Some(kind) if whole || !start.is_empty() => break kind,
            _ => whole = !read(&mut body, &mut start, &mut pace).await?,
        }
    };
    let entries = match kind {
        Kind::Audio => {
            let carrier = Carrier::Body { body, demux: Demux::new(head.metaint), pace, raw: start };
            let (content_type, station) = (head.content_type, head.station);
            return Ok(Found::Upstream(Box::new(Upstream { content_type, station, carrier })));
        }
        Kind::WebPage => return Err(Trouble::WebPage),
        Kind::OtherText => {
            return Err(Trouble::NotAudio(head.content_type.unwrap_or_else(|| "text".to_owned())));
        }
        Kind::M3u | Kind::Pls | Kind::Xspf | Kind::Asx => {
            let rest = timeout(LIST, read_list(&mut body, &mut start, LONGEST_LIST)).await;
            rest.map_err(|_| Trouble::SlowList(LIST))??;
            let text = text::decode(&start);
            if kind == Kind::M3u && hls::is_hls(&text) {
                let hls = Hls::open(client, url, text, patience).await?;
                let carrier = Carrier::Segments(hls);
                let upstream = Upstream { content_type: None, station: head.station, carrier };
                return Ok(Found::Upstream(Box::new(upstream)));
            }
            match kind {
                Kind::Pls => lists::pls(&text),
                Kind::Xspf => lists::xspf(&text),
                Kind::Asx => lists::asx(&text),
                _ => lists::m3u(&text),
            }
        }
    };
    Ok(Found::List(entries.iter().filter_map(|entry| resolve(&url, &entry.target)).collect()))
}

/// Reads a playlist to its end. One of HLS may be longer than `longest`.
pub(crate) async fn read_list(
    body: &mut Body,
    text: &mut Vec<u8>,
    mut longest: usize,
) -> Result<(), Trouble> {
    loop {
        if text.len() > longest {
            if longest >= hls::LONGEST || !hls::is_hls(&text::decode(text)) {
                return Err(Trouble::LongList(longest / 1024));
            }
            longest = hls::LONGEST;
        }
        if !body.read(text).await? {
            return Ok(());
        }
    }
}

/// What a playlist at `base` means by an entry; `None` if nothing that can be fetched.
pub(super) fn resolve(base: &Url, target: &str) -> Option<Url> {
    if target.len() > LONGEST_URL {
        return None;
    }
    if target.contains("://") {
        return stream_url(target);
    }
    base.join(target).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// Reads on, as fast as `pace` wants it; `false` when the body is over. Cancel safe.
pub(crate) async fn read(body: &mut Body, bytes: &mut Vec<u8>, pace: &mut Pace) -> Result<bool, Trouble> {
    let before = bytes.len();
    let more =
        timeout_at(pace.wait(Instant::now()), body.read(bytes)).await.map_err(|_| pace.stalled())??;
    pace.came(bytes.len() - before, Instant::now());
    Ok(more)
}

impl Upstream {
    /// Whether audio comes in pieces with pauses between them, which are no stall.
    pub(crate) fn pauses(&self) -> bool {
        matches!(self.carrier, Carrier::Segments(_))
    }

    /// Appends what comes next; `false` when it is over.
    pub(crate) async fn next(&mut self, out: &mut Vec<Arrival>) -> Result<bool, Trouble> {
        match &mut self.carrier {
            Carrier::Segments(hls) => {
                let more = hls.next(out).await;
                self.content_type = hls.content_type().map(str::to_owned);
                more
            }
            Carrier::Body { body, demux, pace, raw } => {
                let more = !raw.is_empty() || read(body, raw, pace).await?;
                let taken = demux.push(raw, |piece| {
                    out.push(match piece {
                        Piece::Audio(audio) => Arrival::Bytes(Bytes::copy_from_slice(audio)),
                        Piece::Title(metadata) => Arrival::Title(metadata),
                    });
                });
                raw.clear();
                taken.map(|()| more)
            }
        }
    }
}
