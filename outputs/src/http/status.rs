//! `/status.json`, and `/status-json.xsl` in the shape that readers of Icecast 2.4 expect.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::listener::Shared;
use super::mount::{Mount, OnAir, label};

const SERVER: &str = concat!("airchain ", env!("CARGO_PKG_VERSION"));

/// The owner's snapshot with what the listener knows; see [`super::state`].
pub(crate) fn snapshot(shared: &Shared) -> Value {
    let mut root = shared.state.snapshot().as_object().cloned().unwrap_or_default();
    let mounts: Vec<_> = shared.mounts().iter().map(|mount| describe(mount)).collect();
    let hls = shared.dirs().into_iter().filter_map(|dir| {
        let playlist = dir.playlist.as_deref()?;
        Some(json!({ "path": format!("{}/{playlist}", dir.prefix) }))
    });
    root.insert("hls".into(), hls.collect());
    root.insert("mounts".into(), mounts.into());
    root.insert("now_utc".into(), Timestamp::now().to_string().into());
    root.insert("server".into(), SERVER.into());
    root.into()
}

fn describe(mount: &Mount) -> Value {
    let on_air = mount.on_air();
    let counts = on_air.as_ref().map(OnAir::counts).unwrap_or_default();
    json!({
        "path": mount.path,
        "mime": on_air.as_ref().map(|on_air| on_air.mime),
        "format": on_air.as_ref().map(|on_air| label(&on_air.info)),
        "listeners": counts.listeners,
        "listener_peak": counts.most,
        "up": on_air.is_some(),
    })
}

/// Icecast's public statistics: `source` is absent without a mount, an object with one, an array with more. `only` is the
/// path of the one mount that is asked for, percent-encoded.
pub(crate) fn icecast(shared: &Shared, scheme: &str, host: Option<&str>, only: Option<&str>) -> Value {
    let own = shared.address.to_string();
    // The host is the client's word: anything but a name and a port is not repeated.
    let plain = |host: &&str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
    };
    let host = host.filter(plain).unwrap_or(&own);
    let base = format!("{scheme}://{host}");
    let only = only.map(|path| percent_decode_str(path).decode_utf8_lossy());
    let mounts = shared.mounts();
    let mounts = mounts.iter().filter(|mount| only.as_ref().is_none_or(|path| mount.path == *path));
    let mut sources: Vec<_> =
        mounts.filter_map(|mount| Some(source(mount, &mount.on_air()?, &base))).collect();
    let mut stats = Map::new();
    stats.insert("admin".into(), "".into());
    stats.insert("host".into(), host_name(host).into());
    stats.insert("location".into(), "".into());
    stats.insert("server_id".into(), SERVER.into());
    stats.insert("server_start".into(), rfc1123(shared.started).into());
    stats.insert("server_start_iso8601".into(), iso8601(shared.started).into());
    match sources.len() {
        0 => {}
        1 => drop(stats.insert("source".into(), sources.remove(0))),
        _ => drop(stats.insert("source".into(), sources.into())),
    }
    stats.insert("dummy".into(), Value::Null);
    json!({ "icestats": stats })
}

fn source(mount: &Mount, on_air: &OnAir, base: &str) -> Value {
    let (counts, format) = (on_air.counts(), &on_air.info.format);
    let meta = &mount.meta();
    let or = |text: &str, default: &str| {
        if text.is_empty() { default.to_owned() } else { text.to_owned() }
    };
    let mut source = Map::new();
    if let Some(kbps) = format.bitrate.kbps() {
        source.insert("bitrate".into(), kbps.into());
    }
    source.insert("channels".into(), format.channels.into());
    source.insert("genre".into(), or(meta.genre.as_deref().unwrap_or_default(), "various").into());
    source.insert("listener_peak".into(), counts.most.into());
    source.insert("listeners".into(), counts.listeners.into());
    source.insert("listenurl".into(), format!("{base}{}", mount.path).into());
    source.insert("samplerate".into(), format.sample_rate_hz.into());
    let description = meta.description.as_deref().unwrap_or_default();
    source.insert("server_description".into(), or(description, "Unspecified description").into());
    source.insert("server_name".into(), or(&meta.name, "Unspecified name").into());
    source.insert("server_type".into(), on_air.mime.into());
    if let Some(url) = &meta.url {
        source.insert("server_url".into(), url.as_str().into());
    }
    source.insert("stream_start".into(), rfc1123(on_air.since).into());
    source.insert("stream_start_iso8601".into(), iso8601(on_air.since).into());
    let title = &on_air.title;
    if on_air.metaint().is_none() {
        for (key, value) in [("artist", &title.artist), ("title", &title.title)] {
            if let Some(value) = value {
                source.insert(key.into(), value.as_str().into());
            }
        }
    } else if !title.line.is_empty() {
        source.insert("title".into(), title.line.as_str().into());
    }
    source.insert("dummy".into(), Value::Null);
    source.into()
}

fn host_name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn rfc1123(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

fn iso8601(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}
