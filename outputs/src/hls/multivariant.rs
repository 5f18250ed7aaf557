//! The multivariant playlist (RFC 8216, 4.3.4): which codecs and how many bits, as measured.

use std::cmp::Reverse;
use std::fmt::Write as _;

use crate::segments::name::PLAYLIST;

/// An encoding in a multivariant playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Its media playlist, relative to the multivariant one.
    pub(crate) uri: String,
    /// RFC 6381 name of its codec.
    pub(crate) codec: &'static str,
    /// `BANDWIDTH` and `AVERAGE-BANDWIDTH`.
    pub(crate) bandwidth: (u64, u64),
    /// Each segment can be decoded without the one before.
    pub(crate) independent: bool,
}

/// The text. The highest bandwidth comes first: players begin with the first.
pub(crate) fn render(mut variants: Vec<Variant>) -> String {
    variants.sort_by_key(|variant| Reverse(variant.bandwidth));
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:3\n");
    if variants.iter().all(|variant| variant.independent) {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    for Variant { uri, codec, bandwidth: (peak, average), .. } in variants {
        let _ = writeln!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codec}\"\n{uri}"
        );
    }
    out
}

/// The `BANDWIDTH` that a text which [`render`] made declares of a media playlist.
pub(crate) fn declared(text: &str, uri: &str) -> Option<u64> {
    let mut lines = text.lines().rev().skip_while(|line| *line != uri);
    let attributes = lines.nth(1)?.strip_prefix("#EXT-X-STREAM-INF:BANDWIDTH=")?;
    attributes.split(',').next()?.parse().ok()
}

/// Whether a multivariant playlist is one that airchain wrote.
pub(crate) fn is_own(text: &str) -> bool {
    let plain = |name: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !name.is_empty() && !name.starts_with('.') && name.bytes().all(known)
    };
    let own = |uri: &str| match uri.rsplit_once('/') {
        Some((folder, name)) => name == PLAYLIST && plain(folder),
        None => uri == PLAYLIST,
    };
    let mut uris = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    text.starts_with("#EXTM3U\n") && uris.peek().is_some() && uris.all(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bandwidth_comes_first_and_own_texts_are_known() {
        let variant = |uri: &str, bandwidth| Variant {
            uri: uri.into(),
            codec: "mp4a.40.2",
            bandwidth,
            independent: true,
        };
        let text = render(vec![variant("live.m3u8", (64, 60)), variant("high/live.m3u8", (128, 120))]);
        assert_eq!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=128,AVERAGE-BANDWIDTH=120,CODECS=\"mp4a.40.2\"\nhigh/live.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=64,AVERAGE-BANDWIDTH=60,CODECS=\"mp4a.40.2\"\nlive.m3u8\n"
        );
        assert_eq!(
            ["live.m3u8", "high/live.m3u8", "x"].map(|uri| declared(&text, uri)),
            [Some(64), Some(128), None]
        );
        assert!(is_own(&text));
        let foreign = ["../live.m3u8", "a/b/live.m3u8", "/live.m3u8", "high/index.m3u8", "other.m3u8", ""];
        assert!(foreign.iter().all(|uri| !is_own(&text.replace("high/live.m3u8", uri)) || uri.is_empty()));
        assert!(!is_own("#EXTM3U\n"));
    }
}
