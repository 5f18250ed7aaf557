//! What fuzzing reaches of web streams. Not part of the API.

use airchain_core::item::Metadata;
use url::Url;

use super::head::{self, Head};
use super::icy::{Demux, Piece};
use super::trouble::Trouble;
use super::upstream::resolve;
use super::{config, hls, http, kind};
use crate::{lists, text};

/// What comes of a server's answer.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    /// The audio, out of its framing and without its titles.
    pub audio: Vec<u8>,
    /// Titles, each with the bytes of audio before it.
    pub titles: Vec<(usize, Metadata)>,
    /// Everything that the head says and that is shown.
    pub said: Vec<String>,
    /// Why it goes no further, in words.
    pub trouble: Option<String>,
}

/// Takes an answer that comes in pieces of `step` bytes.
pub fn answer(bytes: &[u8], step: usize) -> Heard {
    let mut heard = Heard::default();
    if let Err(trouble) = take(bytes, step.max(1), &mut heard) {
        heard.trouble = Some(trouble.to_string());
    }
    heard
}

fn take(bytes: &[u8], step: usize, heard: &mut Heard) -> Result<(), Trouble> {
    let (mut here, mut searched) = (0, 0);
    let end = loop {
        here = (here + step).min(bytes.len());
        let start = bytes.get(..here).unwrap_or_default();
        if let Some(end) = head::end(start, searched) {
            break end;
        }
        if here == bytes.len() {
            return Err(Trouble::Head("it is cut off"));
        }
        searched = here;
    };
    let (head, rest) = bytes.split_at(end);
    let mut head = Head::parse(head)?;
    let station = &head.station;
    let said = [Some(&head.said), head.content_type.as_ref(), station.name.as_ref(), station.genre.as_ref()];
    heard.said.extend(said.into_iter().flatten().cloned());
    heard.said.extend([&station.description, &station.homepage].into_iter().flatten().cloned());
    let mut demux = Demux::new(head.metaint);
    for piece in rest.chunks(step) {
        let mut body = Vec::new();
        let framed = head.framing.take(piece, &mut body);
        demux.push(&body, |piece| match piece {
            Piece::Audio(audio) => heard.audio.extend_from_slice(audio),
            Piece::Title(title) => heard.titles.push((heard.audio.len(), title)),
        })?;
        framed?;
    }
    Ok(())
}

/// Whether a body of a content type can be told from its start, once there is all of it.
pub fn is_told(content_type: Option<&str>, url: &Url, body: &[u8]) -> bool {
    kind::kind(content_type, url, body, true).is_some()
}

/// What playlists of all formats name, each target with its title, and where that is as seen from `base`.
pub fn listed(bytes: &[u8], base: &Url) -> Vec<(String, Option<String>, Option<Url>)> {
    let text = text::decode(bytes);
    let entries = [lists::m3u(&text), lists::pls(&text), lists::xspf(&text), lists::asx(&text)].concat();
    let told = |entry: lists::Entry| {
        let url = resolve(base, &entry.target);
        (entry.target, entry.title, url)
    };
    entries.into_iter().map(told).collect()
}

/// What an HLS playlist names, or why it is not listened to; `None` if it is none.
pub fn hls(bytes: &[u8], base: &Url) -> Option<Result<Vec<Url>, &'static str>> {
    let text = text::decode(bytes);
    hls::playlist::is_hls(&text).then(|| {
        Ok(match hls::playlist::parse(&text, base)? {
            hls::playlist::Playlist::Variant(url) => vec![url],
            hls::playlist::Playlist::Media(media) => media.segments,
        })
    })
}

/// The audio in a transport stream that comes in pieces of `step` bytes.
pub fn transport(bytes: &[u8], step: usize) -> Vec<u8> {
    let (mut demux, mut audio) = (hls::ts::Demux::default(), Vec::new());
    bytes.chunks(step.max(1)).for_each(|piece| demux.push(piece, &mut audio));
    audio
}

/// A URL as people write it.
pub fn url(text: &str) -> Option<Url> {
    config::stream_url(text)
}

/// Where a redirect leads, or what is said instead.
pub fn redirected(from: &Url, location: &str) -> Result<Url, String> {
    http::next(from, Some(location)).map_err(|trouble| trouble.to_string())
}

/// The head of a request.
pub fn request(url: &Url) -> String {
    head::request(url, super::USER_AGENT)
}
