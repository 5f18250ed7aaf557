//! Any bytes as what peers and listeners send, and as what they are told.

use std::path::Path;

use airchain::codecs::{Codec, Format};
use airchain_outputs::http::fuzzing as listener;
use airchain_outputs::icecast::{IcecastConfig, Protocol, fuzzing as icecast};

use crate::{Seed, one_line};

pub(crate) fn body(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match kind {
        b'A' => answer(rest),
        b'U' => requests(&text),
        b'P' => path(&text),
        b'R' => range(rest),
        b'T' => icy(&text),
        _ => {}
    }
}

/// What an Icecast server answers ends up in one short line of a log.
fn answer(bytes: &[u8]) {
    for said in icecast::answer(bytes).into_iter().flatten() {
        assert!(said.is_empty() || one_line(&said), "not one line: {said:?}");
        assert!(said.chars().count() < 400, "too long: {said}");
    }
}

/// A URL on the first line, a name and a title on the next two: whatever they are, there is one head and nothing behind it.
fn requests(text: &str) {
    let mut lines = text.split('\u{1}').map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    let (url, name, title) = (next(), next(), next());
    for protocol in [Protocol::Put, Protocol::Source, Protocol::Shoutcast] {
        let config = IcecastConfig {
            url: url.clone(),
            name: Some(name.clone()),
            genre: Some(title.clone()),
            protocol,
            ..IcecastConfig::default()
        };
        let Some(heads) = icecast::requests(&config, &Format::of(Codec::Mp3), &title) else { continue };
        for head in heads {
            assert_eq!(head.find("\r\n\r\n"), Some(head.len() - 4), "an empty line within {head:?}");
            let mut lines = head.trim_end().split("\r\n");
            let request = lines.next().unwrap_or_default();
            assert_eq!(request.split(' ').count(), 3, "{request:?}");
            assert!(lines.all(|line| one_line(line) && line.contains(": ")), "{head:?}");
            assert!(request.len() < 4096, "{} bytes", request.len());
        }
    }
}

/// A name below a folder stays below it.
fn path(text: &str) {
    let root = Path::new("/srv/hls");
    if let Some(path) = listener::file(root, text) {
        let below = path.strip_prefix(root);
        let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
        assert!(below.is_ok_and(|below| below.components().all(plain)), "{text:?} is {path:?}");
    }
}

/// Of a file of any length only what it has is promised.
fn range(bytes: &[u8]) {
    for length in [0, 1, 10, 1 << 40, u64::MAX] {
        if let Some((from, count)) = listener::range(bytes, length) {
            assert!(from.checked_add(count).is_some_and(|end| end <= length), "{from}+{count} of {length}");
        }
    }
}

/// A block of titles has the length that it says, and is read by players as one title.
fn icy(text: &str) {
    let block = listener::icy_block(text);
    assert_eq!(block.len(), 1 + 16 * usize::from(block[0]));
    let shown = std::str::from_utf8(&block[1..]).unwrap_or_else(|error| panic!("half a character: {error}"));
    let shown = shown.trim_end_matches('\0');
    let title = shown.strip_prefix("StreamTitle='").and_then(|rest| rest.split_once("';"));
    let (title, rest) = title.unwrap_or_else(|| panic!("no title in {shown:?}"));
    assert!(rest.is_empty(), "{rest:?} behind the title");
    assert!(title.is_empty() || one_line(title));
    let wanted = text.chars().filter(|c| !c.is_control()).count();
    assert!(title.chars().count() >= wanted.min(900), "{title:?} of {text:?}");
}

pub(crate) fn seeds() -> Vec<Seed> {
    let seeds: &[(&str, &[u8])] = &[
        ("continue", b"AHTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n"),
        ("refused", b"AHTTP/1.0 403 Forbidden\r\n\r\n<b>Mountpoint in use</b>\n"),
        ("icy", b"AICY 200 OK\n\n"),
        ("busy", b"AICE/1.0 503 too many sources \x1b[31m\r\n\r\n"),
        ("url", b"Uicecast://source:hackme@host:8000/live.mp3\x01S FM\x01A - T'; x"),
        ("tls", b"Uicecasts://u%3A:p%2F@[::1]/m%C3%BC\x01\r\nX: y\x01\xc3\xa9"),
        ("path", b"Plow/segment-00001.ts"),
        ("parent", b"Pa/../../x.ts"),
        ("range", b"Rbytes=0-1023"),
        ("suffix", b"Rbytes=-500"),
        ("title", b"TGr\xc3\xb6\xc3\x9fe'; StreamUrl='x"),
    ];
    seeds.iter().map(|(name, bytes)| Seed { name: (*name).into(), bytes: bytes.to_vec() }).collect()
}
