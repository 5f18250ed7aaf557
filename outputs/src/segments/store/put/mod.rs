//! A server that takes files by HTTP `PUT`: a WebDAV folder, or the ingest of a CDN (RFC 9110, 9.3.4; RFC 4918).
//!
//! What is more than `PUT` is used where it is there: `GET` of the playlist, to go on after a restart; `DELETE`; and of WebDAV
//! `PROPFIND` and `MKCOL`.

mod config;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use airchain_net::{Dialler, Network, mask_url};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use hyper::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response};
use url::Url;

pub use self::config::PutConfig;
use self::config::Target;
use super::client::{Client, Failure, readable};
use super::{Folder, Found, InvalidStore, MAX_TEXT_BYTES};
use crate::segments::name::{self, Kind};
use crate::sink::{Retry, SinkError};

/// Files asked for at a time where a server has no lists.
const ASKED: usize = 8;
/// What a list of a WebDAV folder is to hold (RFC 4918, 9.1).
const SIZES: &str =
    r#"<?xml version="1.0"?><propfind xmlns="DAV:"><prop><getcontentlength/></prop></propfind>"#;
/// The folder of a track on the server.
pub(crate) struct PutFolder {
    target: Result<Target, InvalidStore>,
    client: Client,
    /// Whether it has been said that this server cannot do more.
    keeps_all: AtomicBool,
    tells_nothing: AtomicBool,
}

impl PutFolder {
    pub(super) fn new(config: &PutConfig, below: Option<&str>) -> Self {
        Self::over(Arc::new(Network::new(config.ca_file.clone())), config, below)
    }

    /// Over another network.
    fn over(dialler: Arc<dyn Dialler>, config: &PutConfig, below: Option<&str>) -> Self {
        let mut target = config.target();
        if let (Ok(Target { url, .. }), Some(below)) = (&mut target, below) {
            let path = format!("{}{below}/", url.path());
            url.set_path(&path);
        }
        let client = Client::new(dialler);
        Self { target, client, keeps_all: AtomicBool::new(false), tells_nothing: AtomicBool::new(false) }
    }

    fn target(&self) -> Result<&Target, SinkError> {
        self.target
            .as_ref()
            .map_err(|invalid| SinkError { message: invalid.to_string(), retry: Retry::Seldom })
    }

    /// Sends a request for a file; `""` is the folder itself. Any answer will do.
    async fn send(
        &self,
        method: &Method,
        file: &str,
        headers: &[(HeaderName, &'static str)],
        body: Bytes,
    ) -> Result<Response<Bytes>, SinkError> {
        let mut url = self.target()?.url.clone();
        url.set_path(&format!("{}{file}", url.path()));
        self.send_to(method, url, headers, body).await
    }

    async fn send_to(
        &self,
        method: &Method,
        mut url: Url,
        headers: &[(HeaderName, &'static str)],
        body: Bytes,
    ) -> Result<Response<Bytes>, SinkError> {
        let target = self.target()?;
        let shown = url.to_string();
        url.set_query(target.query.as_deref());
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.headers_mut() = target.headers.clone();
        for (name, value) in headers {
            request.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
        let sent = match url.as_str().parse() {
            Ok(uri) => {
                *request.uri_mut() = uri;
                self.client.send(request).await
            }
            Err(_) => Err(Failure::Address),
        };
        sent.map_err(|failure| SinkError {
            message: format!("{method} {shown}: {failure}"),
            retry: failure.retry(),
        })
    }

    /// What a refusal means and what to do.
    fn refusal(&self, method: &Method, file: &str, bytes: usize, answer: &Response<Bytes>) -> SinkError {
        use Retry::{Seldom, Soon};
        let secrets = self.target.as_ref().map(|target| target.secrets.as_slice()).unwrap_or_default();
        let header = |name| answer.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let code = answer.status().as_u16();
        let said = readable(&String::from_utf8_lossy(answer.body()), secrets);
        let said = if said.is_empty() { code.to_string() } else { format!("{code}: {said}") };
        let (why, retry) = match code {
            300..=399 => {
                let to = header(LOCATION).map(|to| format!(" to {}", readable(&mask_url(to), secrets)));
                let to = to.unwrap_or_default();
                (format!("the server points elsewhere ({code}{to}), which is not followed; correct url"), Seldom)
            }
            401 if header(WWW_AUTHENTICATE).is_some_and(|wants| !wants.to_ascii_lowercase().contains("basic")) => {
                ("the server wants another kind of password than Basic (401); set it up for Basic over https".into(), Seldom)
            }
            401 => ("wrong user or password (401); correct user and password".into(), Seldom),
            403 => (format!("the server does not allow it ({said}); give this user the right to write there"), Seldom),
            404 | 410 => (format!("there is no such folder ({code}); create it, or correct url"), Seldom),
            409 => ("the folder is missing and cannot be made (409); create it, or correct url".into(), Seldom),
            405 | 501 => (format!("the server does not take files there ({code}); correct url, or allow PUT"), Seldom),
            413 => (
                format!("{bytes} bytes are more than the server takes (413); raise its limit, or make segments shorter"),
                Seldom,
            ),
            507 => ("the server is full (507); make room there".into(), Seldom),
            408 | 423 | 425 | 429 => (format!("the server asks to wait ({said})"), Soon),
            500..=599 => (format!("the server has trouble ({said}); see its log"), Soon),
            _ => (format!("unexpected answer ({said}); check that url is meant"), Seldom),
        };
        let place = self.target.as_ref().map_or_else(|_| String::new(), |target| target.url.to_string());
        SinkError { message: format!("{method} {place}{file}: {why}"), retry }
    }

    /// Creates the folder and those above that are missing. Tells whether it is there now.
    async fn make(&self) -> Result<bool, SinkError> {
        let method = Method::from_bytes(b"MKCOL").unwrap_or_default();
        let mut missing = vec![self.target()?.url.clone()];
        let mut climbs = true;
        while let Some(url) = missing.last().cloned() {
            let answer = self.send_to(&method, url.clone(), &[], Bytes::new()).await?;
            match (answer.status().as_u16(), url.join("..")) {
                // It is there: made just now, by us or by another (RFC 4918, 9.3.1).
                (200 | 201 | 405, _) => (climbs, _) = (false, missing.pop()),
                // Something above it is missing.
                (404 | 409, Ok(above)) if above != url && climbs => missing.push(above),
                _ => break,
            }
        }
        Ok(missing.is_empty())
    }

    /// The files of a WebDAV folder; `None` where the server has no lists.
    async fn find(&self) -> Result<Option<Vec<Found>>, SinkError> {
        let method = Method::from_bytes(b"PROPFIND").unwrap_or_default();
        let headers = [(HeaderName::from_static("depth"), "1"), (CONTENT_TYPE, "application/xml")];
        let answer = self.send(&method, "", &headers, Bytes::from_static(SIZES.as_bytes())).await?;
        match answer.status().as_u16() {
            207 => Ok(Some(listed(&String::from_utf8_lossy(answer.body())))),
            404 | 410 => Ok(Some(Vec::new())),
            401 | 408 | 429 | 500 | 502..=599 => Err(self.refusal(&method, "", 0, &answer)),
            _ => Ok(None),
        }
    }

    /// A file that may be there.
    async fn ask(&self, name: String) -> Result<Option<Found>, SinkError> {
        let answer = self.send(&Method::HEAD, &name, &[], Bytes::new()).await?;
        match answer.status().as_u16() {
            200 => {
                let length = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
                Ok(Some(Found { name, bytes: length.and_then(|length| length.parse().ok()).unwrap_or(0) }))
            }
            401 | 408 | 429 | 500 | 502..=599 => Err(self.refusal(&Method::HEAD, &name, 0, &answer)),
            _ => Ok(None),
        }
    }

    /// Says once what a server cannot do, and what comes of it.
    fn note(&self, said: &AtomicBool, answer: &Response<Bytes>, what: &str) {
        if !said.swap(true, Ordering::Relaxed) {
            tracing::warn!(store = self.describe(), status = answer.status().as_u16(), "{what}");
        }
    }
}

#[async_trait]
impl Folder for PutFolder {
    fn describe(&self) -> String {
        self.target.as_ref().map_or_else(ToString::to_string, |target| target.url.to_string())
    }

    async fn claim(&self) -> Result<(), SinkError> {
        self.target().map(|_| ())
    }

    async fn list(&self) -> Result<Vec<Found>, SinkError> {
        if let Some(found) = self.find().await? {
            return Ok(found);
        }
        // What the playlist names is all that can be known.
        let playlist = self.text(name::PLAYLIST).await?.unwrap_or_default();
        let uri = |line: &str| match line.strip_prefix('#') {
            Some(tag) => Some(tag.split_once("URI=\"")?.1.split('"').next()?.to_owned()),
            None => Some(line.to_owned()),
        };
        let named = playlist.lines().filter_map(uri);
        let named: Vec<String> =
            named.filter(|name| !name.contains('/') && Kind::of(name).is_some()).collect();
        let asked = stream::iter(named).map(|name| self.ask(name)).buffered(ASKED);
        asked.try_filter_map(|found| async { Ok(found) }).try_collect().await
    }

    async fn text(&self, name: &str) -> Result<Option<String>, SinkError> {
        let answer = self.send(&Method::GET, name, &[], Bytes::new()).await?;
        match answer.status().as_u16() {
            200 if answer.body().len() > MAX_TEXT_BYTES => Ok(Some(String::new())),
            200 => Ok(Some(String::from_utf8(answer.body().to_vec()).unwrap_or_default())),
            404 | 410 => Ok(None),
            403 | 405 | 501 => {
                let what = "the server shows no files here: after a restart playlists begin anew";
                self.note(&self.tells_nothing, &answer, what);
                Ok(None)
            }
            _ => Err(self.refusal(&Method::GET, name, 0, &answer)),
        }
    }

    async fn put(&self, name: &str, data: Bytes) -> Result<(), SinkError> {
        let kind = name::mime(name).unwrap_or("application/octet-stream");
        let cache = Kind::of(name).map_or("no-cache", Kind::cache);
        let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, cache)];
        let bytes = data.len();
        let mut answer = self.send(&Method::PUT, name, &headers, data.clone()).await?;
        // A folder that is missing is a conflict (RFC 4918, 9.7.1), to nginx an error of its own.
        if matches!(answer.status().as_u16(), 404 | 409 | 500) && self.make().await? {
            answer = self.send(&Method::PUT, name, &headers, data).await?;
        }
        match answer.status().as_u16() {
            200 | 201 | 204 => Ok(()),
            _ => Err(self.refusal(&Method::PUT, name, bytes, &answer)),
        }
    }

    async fn remove(&self, name: &str) -> Result<(), SinkError> {
        if self.keeps_all.load(Ordering::Relaxed) {
            return Ok(());
        }
        let answer = self.send(&Method::DELETE, name, &[], Bytes::new()).await?;
        match answer.status().as_u16() {
            200 | 202 | 204 | 404 | 410 => Ok(()),
            405 | 501 => {
                let what = "the server removes no files: see that it forgets old segments by itself";
                self.note(&self.keeps_all, &answer, what);
                Ok(())
            }
            _ => Err(self.refusal(&Method::DELETE, name, 0, &answer)),
        }
    }

    async fn set_aside(&self, name: &str) -> Result<(), SinkError> {
        let answer = self.send(&Method::GET, name, &[], Bytes::new()).await?;
        if answer.status().as_u16() != 200 {
            return Ok(());
        }
        let mut to = format!("{name}.old");
        for n in 2..100 {
            if self.ask(to.clone()).await?.is_none() {
                break;
            }
            to = format!("{name}.old{n}");
        }
        tracing::warn!(store = self.describe(), from = name, to, "not a playlist of airchain's, set aside");
        self.put(&to, answer.into_body()).await?;
        self.remove(name).await
    }
}

/// Names and sizes in an answer to `PROPFIND` (RFC 4918, 14.24). Namespaces have any prefix; names of ours need no decoding.
fn listed(xml: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let (mut name, mut bytes) = (None, 0);
    for piece in xml.split('<') {
        let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
        let tag = tag.split_whitespace().next().unwrap_or_default();
        let ends = tag.starts_with('/');
        match tag.rsplit([':', '/']).next().unwrap_or_default() {
            "href" if !ends => name = text.trim().rsplit('/').next().filter(|name| Kind::of(name).is_some()),
            "getcontentlength" if !ends => bytes = text.trim().parse().unwrap_or(0),
            "response" if ends => {
                found.extend(name.take().map(|name| Found { name: name.to_owned(), bytes }));
                bytes = 0;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
