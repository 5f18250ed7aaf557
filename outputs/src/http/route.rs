//! Requests to answers.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, RETRY_AFTER, SERVER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use bytes::Bytes;
use futures_util::stream;
use hyper::body::Incoming;
use tokio::sync::Notify;

use super::access::{self, Asked};
use super::files::{self, below};
use super::icy::truncate;
use super::listener::{Refusal, Shared, network};
use super::mount::{Mount, OnAir};
use super::ring::Guest;
use super::session::argument;
use super::{metrics, status};

const PAGE: &str = include_str!("assets/page.html");

/// The page needs itself and this server, and nothing can make it load or send anything else.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     connect-src 'self'; media-src 'self' blob:; img-src data:; base-uri 'none'; form-action 'none'";

const METRICS: &str = "/metrics";
const METHODS: &str = "GET, HEAD, OPTIONS";
const PREFLIGHT_HEADERS: &str = "icy-metadata, range, content-range, content-length, cache-control";
const FRESH: &str = "no-cache, no-store";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// Longest value of an `icy-` header in bytes; players keep little room.
const MAX_HEADER: usize = 200;

/// Answers one request. `disconnect` closes the connection if its listener falls behind.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    peer: IpAddr,
    disconnect: Arc<Notify>,
    refusal: Option<Refusal>,
) -> Result<Response<Body>, Infallible> {
    let (parts, _body) = request.into_parts();
    let logs = shared.logs();
    let asked = (!logs.is_empty()).then(|| Asked::new(peer, &parts));
    // Everything else is for web pages of whatever origin.
    let is_metrics = parts.uri.path() == METRICS;
    let mut response = match (refusal, &parts.method) {
        (Some(refusal), _) => refuse(refusal),
        (None, &Method::OPTIONS) if !is_metrics => preflight(),
        (None, method @ (&Method::GET | &Method::HEAD)) => {
            get(&shared, &parts.uri, &parts.headers, method == Method::GET, peer, disconnect).await
        }
        (None, _) => with(text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD here\n"), ALLOW, METHODS),
    };
    let headers = response.headers_mut();
    let fixed =
        [(SERVER, concat!("airchain/", env!("CARGO_PKG_VERSION"))), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !is_metrics {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    Ok(match asked {
        Some(asked) => access::logged(response, asked, logs),
        None => response,
    })
}

async fn get(
    shared: &Arc<Shared>,
    uri: &Uri,
    headers: &HeaderMap,
    body: bool,
    peer: IpAddr,
    disconnect: Arc<Notify>,
) -> Response<Body> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    match path {
        "/" => {
            let page = reply("text/html; charset=utf-8", "no-cache", PAGE);
            with(with(page, CONTENT_SECURITY_POLICY, PAGE_POLICY), REFERRER_POLICY, "no-referrer")
        }
        "/status.json" => reply(JSON, FRESH, status::snapshot(shared).to_string()),
        "/status-json.xsl" => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            let scheme = if shared.proxies.is_secure(peer, headers) { "https" } else { "http" };
            let mount = argument(query, "mount");
            reply(JSON, FRESH, status::icecast(shared, scheme, host, mount).to_string())
        }
        "/events" => events(shared, body),
        METRICS => match shared.metrics.for_peer(peer, headers) {
            // It looks at every station of the process: not here, where audio is sent.
            Some(make) => match tokio::task::spawn_blocking(move || make()).await {
                Ok(text) => reply(metrics::MIME, FRESH, text),
                Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "a fault in airchain; please report it\n"),
            },
            None => not_found(shared),
        },
        _ => {
            if let Some(mount) = shared.mounts().into_iter().find(|mount| mount.path == path) {
                let network = network(shared.proxies.client(peer, headers));
                return listen(&mount, headers, body, Guest { network, disconnect });
            }
            for dir in shared.dirs() {
                if let Some(relative) = below(path, &dir.prefix)
                    && let Some(response) = files::serve(&dir, relative, query, headers, body).await
                {
                    return response;
                }
            }
            not_found(shared)
        }
    }
}

/// A mount's answer: headers as Icecast sends them, then audio for as long as both sides last.
fn listen(mount: &Arc<Mount>, headers: &HeaderMap, body: bool, guest: Guest) -> Response<Body> {
    let Some(on_air) = mount.on_air() else {
        let response = text(StatusCode::SERVICE_UNAVAILABLE, "nothing on air here yet, try again shortly\n");
        return with(response, RETRY_AFTER, "2");
    };
    let icy = headers.get("icy-metadata").is_some_and(|v| v.as_bytes().trim_ascii() == b"1");
    let audio = if body {
        let reader = match mount.join(&on_air, icy, guest) {
            Ok(reader) => reader,
            Err(refusal) => return refuse(refusal),
        };
        Body::from_stream(stream::unfold(reader, |mut reader| async move {
            reader.next().await.map(|bytes| (bytes, reader))
        }))
    } else {
        Body::empty()
    };
    let mut response = with(reply(on_air.mime, FRESH, audio), ACCEPT_RANGES, "none");
    // Never chunked, whatever the client speaks: many a hardware player takes chunk sizes for audio.
    *response.version_mut() = Version::HTTP_10;
    let out = response.headers_mut();
    // The body ends with the connection.
    out.insert(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in about(mount, &on_air) {
        if let Some(value) = header_value(&value) {
            out.insert(name, value);
        }
    }
    if let Some(metaint) = on_air.metaint().filter(|_| icy) {
        out.insert(HeaderName::from_static("icy-metaint"), metaint.into());
    }
    out.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("icy-metaint, icy-name, icy-description, icy-genre, icy-url, icy-br"),
    );
    response
}

/// The `icy-` and `ice-` headers of a mount.
fn about(mount: &Mount, on_air: &OnAir) -> Vec<(HeaderName, String)> {
    let format = &on_air.info.format;
    let bitrate = format.bitrate.kbps().map(|kbps| kbps.to_string());
    let mut audio = format!("channels={};samplerate={}", format.channels, format.sample_rate_hz);
    if let Some(bitrate) = &bitrate {
        audio.push_str(";bitrate=");
        audio.push_str(bitrate);
    }
    let meta = &mount.meta();
    let given = [
        (HeaderName::from_static("icy-name"), Some(meta.name.clone())),
        (HeaderName::from_static("icy-description"), meta.description.clone()),
        (HeaderName::from_static("icy-genre"), meta.genre.clone()),
        (HeaderName::from_static("icy-url"), meta.url.clone()),
        (HeaderName::from_static("icy-br"), bitrate),
        (HeaderName::from_static("icy-pub"), Some("0".to_owned())),
        (HeaderName::from_static("ice-audio-info"), Some(audio)),
    ];
    given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(|(_, v)| !v.is_empty())
        .collect()
}

/// UTF-8 as it is, which is what players expect of `icy-` headers, without what could end a header.
fn header_value(text: &str) -> Option<HeaderValue> {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    HeaderValue::from_bytes(truncate(clean.trim(), MAX_HEADER).as_bytes()).ok()
}

fn events(shared: &Arc<Shared>, body: bool) -> Response<Body> {
    let body = if body {
        let client = (shared.state.subscribe(), Arc::clone(shared));
        Body::from_stream(stream::unfold(client, |(mut client, shared)| async move {
            let bytes = tokio::select! {
                bytes = client.next(|| status::snapshot(&shared)) => bytes?,
                () = shared.stopped() => return None,
            };
            Some((Ok::<Bytes, Infallible>(bytes), (client, shared)))
        }))
    } else {
        Body::empty()
    };
    // The last one keeps nginx from holding events back.
    with(reply("text/event-stream", FRESH, body), HeaderName::from_static("x-accel-buffering"), "no")
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let response = with(response, ALLOW, METHODS);
    let response = with(response, ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    let response = with(response, ACCESS_CONTROL_ALLOW_HEADERS, PREFLIGHT_HEADERS);
    with(response, ACCESS_CONTROL_MAX_AGE, "86400")
}

fn refuse(refusal: Refusal) -> Response<Body> {
    let response = match refusal {
        Refusal::Full => {
            text(StatusCode::SERVICE_UNAVAILABLE, "no room for another listener, try again later\n")
        }
        Refusal::TooManyFromThere => {
            text(StatusCode::TOO_MANY_REQUESTS, "too many connections from your address, close some\n")
        }
    };
    with(response, RETRY_AFTER, "30")
}

fn not_found(shared: &Shared) -> Response<Body> {
    let mut help = String::from("nothing here; there is\n/\n");
    for mount in shared.mounts() {
        help.push_str(&mount.path);
        help.push('\n');
    }
    for dir in shared.dirs() {
        help.push_str(&format!("{}/{}\n", dir.prefix, dir.playlist.as_deref().unwrap_or_default()));
    }
    text(StatusCode::NOT_FOUND, help)
}

fn text(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = reply(TEXT, FRESH, body);
    *response.status_mut() = status;
    response
}

fn reply(mime: &'static str, cache: &'static str, body: impl Into<Body>) -> Response<Body> {
    with(with(Response::new(body.into()), CONTENT_TYPE, mime), CACHE_CONTROL, cache)
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
