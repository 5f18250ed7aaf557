//! Any bytes as what servers of web streams answer, list, redirect to and cut into segments.

use airchain_inputs::webstream::fuzzing::{self, Heard};
use url::Url;

use crate::{Seed, muxers, one_line};

pub(crate) fn body(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind {
        b'A' => answer(rest),
        b'L' => list(rest),
        b'T' => assert!([188, 1_000].iter().all(|step| fuzzing::transport(rest, *step).len() <= rest.len())),
        b'R' => redirect(&String::from_utf8_lossy(rest)),
        _ => {}
    }
}

/// An answer is understood alike however it comes, and nothing that it says breaks a line.
fn answer(bytes: &[u8]) {
    let whole = fuzzing::answer(bytes, bytes.len());
    for step in [1, 7, 1_400] {
        let Heard { audio, titles, said, trouble } = fuzzing::answer(bytes, step);
        assert_eq!(titles, whole.titles, "in pieces of {step}");
        assert_eq!((said, trouble), (whole.said.clone(), whole.trouble.clone()), "in pieces of {step}");
        assert!(audio == whole.audio, "in pieces of {step}");
    }
    assert!(whole.audio.len() <= bytes.len());
    let titles = whole.titles.iter().flat_map(|(_, title)| {
        [&title.title, &title.artist, &title.album].into_iter().flatten().chain(title.extra.values())
    });
    for said in whole.said.iter().chain(&whole.trouble).chain(titles) {
        assert!(said.is_empty() || one_line(said), "not one line: {said:?}");
        assert!(said.chars().count() <= 4_200, "too long: {said}");
    }
}

/// Whatever a playlist names can be asked for, or is left alone.
fn list(bytes: &[u8]) {
    let Ok(base) = Url::parse("http://user:secret@radio.example/lists/a.m3u?x=1") else { return };
    for (target, title, url) in fuzzing::listed(bytes, &base) {
        // A byte of windows-1252 is up to three in UTF-8.
        assert!(target.len() <= bytes.len() * 3, "{target} of {} bytes", bytes.len());
        assert!(title.is_none_or(|title| !title.trim().is_empty()), "{target} has an empty title");
        if let Some(url) = url {
            asks(&url);
        }
    }
    match fuzzing::hls(bytes, &base) {
        Some(Ok(urls)) => urls.iter().for_each(asks),
        Some(Err(why)) => assert!(one_line(why)),
        None => {}
    }
    assert!(fuzzing::is_told(None, &base, bytes) && fuzzing::is_told(Some("text/plain"), &base, bytes));
}

/// A URL and where it is redirected to: the password stays with its server.
fn redirect(text: &str) {
    let (from, location) = text.split_once(' ').unwrap_or((text, ""));
    let Some(from) = fuzzing::url(from) else { return };
    asks(&from);
    match fuzzing::redirected(&from, location) {
        Ok(next) => {
            asks(&next);
            let told = location.contains('@');
            let elsewhere =
                next.host_str() != from.host_str() || from.scheme() == "https" && next.scheme() == "http";
            assert!(
                told || !elsewhere || (next.username().is_empty() && next.password().is_none()),
                "{from} to {next}"
            );
        }
        Err(said) => assert!(one_line(&said), "not one line: {said:?}"),
    }
}

/// What is asked is one request and nothing behind it.
fn asks(url: &Url) {
    let head = fuzzing::request(url);
    assert_eq!(head.find("\r\n\r\n"), Some(head.len() - 4), "an empty line within {head:?}");
    let mut lines = head.trim_end().split("\r\n");
    assert_eq!(lines.next().unwrap_or_default().split(' ').count(), 3, "{head:?}");
    assert!(lines.all(|line| one_line(line) && line.contains(": ")), "{head:?}");
}

pub(crate) fn seeds() -> Vec<Seed> {
    let seeds: &[(&str, &[u8])] = &[
        (
            "icy",
            b"AICY 200 OK\r\nicy-name:K\xe4se FM\r\nicy-br:128, 96\r\nicy-metaint:16\r\nicy-genre: x\r\n\
              content-type:audio/mpeg\r\n\r\n0123456789abcdef\x02StreamTitle='A - B\xc3\xbc';\0\0\0\0\0\0\0\0\0fedcba9876543210\0more",
        ),
        (
            "chunked",
            b"AHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: audio/aacp\r\nicy-metaint: 4\r\n\r\n\
              3;x=y\r\nabc\r\n5\r\nd\0efg\r\n00\r\nTrailer: 1\r\n\r\n",
        ),
        ("length", b"AHTTP/1.0 200 OK\nContent-Length: 5\nServer: x\n\nhello, and more"),
        ("refused", b"AHTTP/1.1 404 Not\tFound \x1b[1m\r\nLocation: /x\r\n\r\n<html>"),
        ("list", b"L#EXTM3U\n#EXTINF:-1,Title\nhttp://a/b\n../c.mp3\nicy://d:8000/;\n"),
        ("pls", b"L[playlist]\nFile1=http://a\nTitle1=T\n"),
        (
            "xspf",
            b"L<?xml version=\"1.0\"?><playlist><trackList><track><location>http://a/&amp;b</location><title>T</title></track>\
              <x:track><location><![CDATA[c d]]></location></x:track></trackList><!-- x --></playlist>",
        ),
        ("asx", b"L<ASX version=\"3.0\"><Entry><Ref HREF = 'http://a/?b=1&#38;c'/></Entry><entryref href=d.asx></ASX>"),
        (
            "segments",
            b"L#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:170\n#EXTINF:4.0,\na.ts\nhttp://cdn/b.ts?y\n#EXT-X-ENDLIST\n",
        ),
        (
            "variants",
            b"L#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.5\"\nlow.m3u8\n\
              #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a,b\",DEFAULT=YES,URI=\"/a.m3u8\"\n",
        ),
        ("redirect", b"Rhttp://u:p%40@radio.example:8000/a b?c#d //other/e"),
        ("relative", b"Ricy://u@radio.example/a/b ../c?d"),
        ("downgrade", b"Rhttps://u:p@[::1]:1/ http://[::1]:1/x\\y"),
    ];
    let mut seeds: Vec<Seed> =
        seeds.iter().map(|(name, bytes)| Seed { name: (*name).into(), bytes: bytes.to_vec() }).collect();
    let streams = muxers::seeds().into_iter().filter_map(|seed| crate::made(&seed.bytes));
    let streams = streams.filter(|(extension, bytes)| *extension == "ts" && bytes.len() < 8_000);
    seeds.extend(streams.take(2).enumerate().map(|(number, (_, bytes))| Seed {
        name: format!("transport-{number}"),
        bytes: [&b"T"[..], &bytes].concat(),
    }));
    seeds
}
