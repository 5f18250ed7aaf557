//! Serves the directory of an HLS output: playlists and segments, nothing else.
//!
//! Where listener sessions are on ([`session`]), playlists are answered to those only who bring an id, and carry it on.
//!
//! A name is served only if it is plain (letters, digits, `-`, `_`, `.`; no leading dot), has a known extension and,
//! with every link followed, still lies in the directory.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_EXPOSE_HEADERS,
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom, Take};

use super::session;
use crate::dash::MANIFEST;
use crate::hls::{Live, Refused};
use crate::segments::name;

/// Bytes read at a time.
const BLOCK: u64 = 64 * 1024;
/// How playlists are told.
const PLAYLIST: &str = ".m3u8";
/// A playlist that is longer is none of airchain's, and cut short.
const LONGEST_PLAYLIST: u64 = 4 << 20;
/// How long caches between the listener and players may keep segments where sessions are counted: three hours, as these
/// are rarely asked for again.
const SEGMENT_OF_SESSIONS: &str = "public, s-maxage=10800, max-age=10800, no-transform, immutable";

/// A directory under a path of the listener.
#[derive(Clone, Debug)]
pub(crate) struct Dir {
    /// Path without a trailing slash.
    pub(crate) prefix: String,
    pub(crate) root: PathBuf,
    /// Name of the playlist to begin with, where known.
    pub(crate) playlist: Option<String>,
    /// Whether players are given session ids.
    pub(crate) sessions: bool,
    /// What answers low-latency players of it.
    pub(crate) live: Option<Live>,
}

/// The rest of `path` below `prefix`.
pub(crate) fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix)?.strip_prefix('/')
}

struct Kind {
    mime: &'static str,
    cache: &'static str,
}

fn kind(name: &str) -> Option<Kind> {
    let cache = match name::Kind::of(name)? {
        // From here they come as quickly as an answer that they are the same.
        name::Kind::Manifest => "no-cache",
        segment => segment.cache(),
    };
    Some(Kind { mime: name::mime(name)?, cache })
}

/// The file that a (still percent-encoded) relative path names; a plain name needs no encoding, so none is accepted.
pub(super) fn resolve(root: &Path, relative: &str) -> Option<PathBuf> {
    let plain = |name: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !name.is_empty() && !name.starts_with('.') && name.bytes().all(known)
    };
    relative.split('/').all(plain).then(|| root.join(relative))
}

async fn open(root: &Path, relative: &str) -> Option<(File, u64)> {
    let path = resolve(root, relative)?;
    let root = tokio::fs::canonicalize(root).await.ok()?;
    let path = tokio::fs::canonicalize(path).await.ok()?;
    if !path.starts_with(root) || !tokio::fs::metadata(&path).await.ok()?.is_file() {
        return None;
    }
    let file = File::open(path).await.ok()?;
    let length = file.metadata().await.ok()?.len();
    Some((file, length))
}

/// A part of a file: first byte and length.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Bytes(u64, u64),
    Unsatisfiable,
}

/// A single byte range (RFC 9110, section 14.2). Anything odd is ignored, as the RFC allows.
pub(super) fn part(headers: &HeaderMap, length: u64) -> Part {
    let range = headers.get(RANGE).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("bytes="));
    // `parse` takes a sign, the grammar does not.
    let range = range.filter(|range| !range.contains('+'));
    let Some((from, to)) = range.and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let (from, to) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => (from, to.saturating_add(1).min(length)),
        (Ok(from), Err(_)) if to.is_empty() => (from, length),
        (Err(_), Ok(last)) if from.is_empty() => (length.saturating_sub(last), length),
        _ => return Part::Whole,
    };
    if from < to { Part::Bytes(from, to - from) } else { Part::Unsatisfiable }
}

/// Answers for `relative` below the directory; `None` if there is nothing to serve by that name.
pub(crate) async fn serve(
    dir: &Dir,
    relative: &str,
    query: &str,
    headers: &HeaderMap,
    body: bool,
) -> Option<Response<Body>> {
    if let Some(live) = &dir.live {
        live.appear(relative).await;
    }
    let mut response = if relative.ends_with(PLAYLIST) && (dir.sessions || dir.live.is_some()) {
        playlist(dir, relative, query, body).await?
    } else {
        file(dir, relative, headers, body).await?
    };
    let out = response.headers_mut();
    // Players of DASH go by the time of day that answers with the manifest tell.
    let exposed = match relative.ends_with(MANIFEST) {
        true => "Content-Range, Content-Length, Date",
        false => "Content-Range, Content-Length",
    };
    out.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    if dir.sessions {
        out.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
        let allowed = HeaderValue::from_static("Range, Content-Range, Content-Length");
        out.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        if name::Kind::of(relative) == Some(name::Kind::Segment) {
            out.insert(CACHE_CONTROL, HeaderValue::from_static(SEGMENT_OF_SESSIONS));
        }
    }
    Some(response)
}

/// A playlist for a low-latency player, or for a listener's session, or the way to one.
async fn playlist(dir: &Dir, relative: &str, query: &str, body: bool) -> Option<Response<Body>> {
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    let cache = if dir.sessions { "no-store, must-revalidate" } else { "no-cache" };
    out.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    let session = session::id(query).filter(|_| dir.sessions);
    if dir.sessions && session.is_none() {
        open(&dir.root, relative).await?;
        out.insert(LOCATION, HeaderValue::try_from(session::redirection(relative, query)).ok()?);
        *response.status_mut() = StatusCode::FOUND;
        return Some(response);
    }
    let live = match &dir.live {
        Some(live) => {
            // Nobody waits for what was never published.
            open(&dir.root, relative).await?;
            live.playlist(relative, query).await
        }
        None => None,
    };
    let mut text = match live {
        Some(Ok(text)) => text,
        Some(Err(refused)) => {
            *response.status_mut() = match refused {
                Refused::Bad => StatusCode::BAD_REQUEST,
                Refused::Late => StatusCode::SERVICE_UNAVAILABLE,
            };
            return Some(response);
        }
        None => {
            let (file, length) = open(&dir.root, relative).await?;
            let mut text = String::new();
            file.take(length.min(LONGEST_PLAYLIST)).read_to_string(&mut text).await.ok()?;
            text
        }
    };
    out.insert(CONTENT_TYPE, HeaderValue::from_static(kind(relative)?.mime));
    if let Some(id) = session {
        text = session::carry(&text, id).into_owned();
    }
    out.insert(CONTENT_LENGTH, text.len().into());
    if body {
        *response.body_mut() = Body::from(text);
    }
    Some(response)
}

/// A file as it is.
async fn file(dir: &Dir, relative: &str, headers: &HeaderMap, body: bool) -> Option<Response<Body>> {
    let kind = kind(relative)?;
    let (mut file, length) = open(&dir.root, relative).await?;
    let (status, from, count) = match part(headers, length) {
        Part::Whole => (StatusCode::OK, 0, length),
        Part::Bytes(from, count) => (StatusCode::PARTIAL_CONTENT, from, count),
        Part::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    file.seek(SeekFrom::Start(from)).await.ok()?;
    let mut response = Response::new(if body { contents(file.take(count)) } else { Body::empty() });
    *response.status_mut() = status;
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(kind.mime));
    out.insert(CACHE_CONTROL, HeaderValue::from_static(kind.cache));
    out.insert(CONTENT_LENGTH, count.into());
    out.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let range = match status {
        StatusCode::PARTIAL_CONTENT => Some(format!("bytes {from}-{}/{length}", from + count - 1)),
        StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{length}")),
        _ => None,
    };
    if let Some(value) = range.and_then(|text| HeaderValue::from_str(&text).ok()) {
        out.insert(CONTENT_RANGE, value);
    }
    Some(response)
}

fn contents(file: Take<File>) -> Body {
    Body::from_stream(stream::try_unfold(file, |mut file| async move {
        let want = usize::try_from(file.limit().min(BLOCK)).unwrap_or(0);
        let mut block = Vec::with_capacity(want);
        file.read_buf(&mut block).await?;
        let more = (!block.is_empty()).then(|| (Bytes::from(block), file));
        Ok::<_, std::io::Error>(more)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(value: &str, length: u64) -> Part {
        part(&HeaderMap::from_iter([(RANGE, value.parse().unwrap())]), length)
    }

    #[test]
    fn ranges() {
        assert_eq!(range("bytes=0-0", 10), Part::Bytes(0, 1));
        assert_eq!(range("bytes=4-", 10), Part::Bytes(4, 6));
        assert_eq!(range("bytes=-3", 10), Part::Bytes(7, 3));
        assert_eq!(range("bytes=-30", 10), Part::Bytes(0, 10));
        assert_eq!(range("bytes=5-99999999999999999", 10), Part::Bytes(5, 5));
        assert_eq!(range("bytes=10-", 10), Part::Unsatisfiable);
        assert_eq!(range("bytes=0-18446744073709551615", 0), Part::Unsatisfiable);
        for odd in ["bytes=5-4", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes=-", "bytes=+1-"] {
            assert_eq!(range(odd, 10), Part::Whole, "{odd}");
        }
    }

    #[test]
    fn only_plain_names() {
        let root = Path::new("/r");
        assert_eq!(resolve(root, "a/b-1_2.ts"), Some("/r/a/b-1_2.ts".into()));
        for bad in
            ["", "..", "../x.ts", "a/../x.ts", ".x.ts", "a//x.ts", "/etc/x.ts", "%2e%2e/x.ts", "a\\x.ts"]
        {
            assert_eq!(resolve(root, bad), None, "{bad}");
        }
    }
}
