//! What a URL gives: audio with its titles, or a playlist of other URLs.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::config::stream_url;
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
const LIST: Duration = Duration::from_secs(10);

/// What was found at a URL.
pub(crate) enum Found {
    Upstream(Box<Upstream>),
    /// What a playlist names, in its order.
    List(Vec<Url>),
}

/// A connection that brings audio.
pub(crate) struct Upstream {
    pub(crate) content_type: Option<String>,
    pub(crate) station: IcyHeaders,
    body: Body,
    demux: Demux,
    pace: Pace,
    /// Bytes read and not yet passed on.
    raw: Vec<u8>,
}

/// Asks for `url`; a server that says nothing for `patience` has failed.
pub(crate) async fn open(client: &Client, url: &Url, patience: Duration) -> Result<Found, Trouble> {
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
            let demux = Demux::new(head.metaint);
            let (content_type, station) = (head.content_type, head.station);
            return Ok(Found::Upstream(Box::new(Upstream {
                content_type,
                station,
                body,
                demux,
                pace,
                raw: start,
            })));
        }
        Kind::WebPage => return Err(Trouble::WebPage),
        Kind::OtherText => {
            return Err(Trouble::NotAudio(head.content_type.unwrap_or_else(|| "text".to_owned())));
        }
        Kind::M3u | Kind::Pls | Kind::Xspf | Kind::Asx => {
            let rest = timeout(LIST, read_list(&mut body, &mut start, whole)).await;
            rest.map_err(|_| Trouble::SlowList(LIST))??;
            let text = text::decode(&start);
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

async fn read_list(body: &mut Body, text: &mut Vec<u8>, whole: bool) -> Result<(), Trouble> {
    let mut more = !whole;
    while more && text.len() <= LONGEST_LIST {
        more = body.read(text).await?;
    }
    if text.len() > LONGEST_LIST { Err(Trouble::LongList(LONGEST_LIST / 1024)) } else { Ok(()) }
}

/// What a playlist at `base` means by an entry; `None` if nothing that can be fetched.
fn resolve(base: &Url, target: &str) -> Option<Url> {
    if target.contains("://") {
        return stream_url(target);
    }
    base.join(target).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// Reads on, as fast as `pace` wants it; `false` when the body is over. Cancel safe.
async fn read(body: &mut Body, bytes: &mut Vec<u8>, pace: &mut Pace) -> Result<bool, Trouble> {
    let before = bytes.len();
    let more =
        timeout_at(pace.wait(Instant::now()), body.read(bytes)).await.map_err(|_| pace.stalled())??;
    pace.came(bytes.len() - before, Instant::now());
    Ok(more)
}

impl Upstream {
    /// Appends what comes next; `false` when it is over. Cancel safe.
    pub(crate) async fn next(&mut self, out: &mut Vec<Arrival>) -> Result<bool, Trouble> {
        let more = !self.raw.is_empty() || read(&mut self.body, &mut self.raw, &mut self.pace).await?;
        let taken = self.demux.push(&self.raw, |piece| {
            out.push(match piece {
                Piece::Audio(audio) => Arrival::Bytes(Bytes::copy_from_slice(audio)),
                Piece::Title(metadata) => Arrival::Title(metadata),
            });
        });
        self.raw.clear();
        taken.map(|()| more)
    }
}
