//! Listener sessions of HLS: every player that opens a playlist is given an id of its own, by which its requests are
//! counted as one listener.
//!
//! A playlist that is asked for without `?s=` is answered with a redirection to itself with a fresh id. The playlists that
//! a multivariant playlist names are named with that id, as relative URIs do not take the query along. Segments stay
//! without: they are the same for all, and caches may keep them.

use std::borrow::Cow;

/// Longest id that is taken from a client.
const LONGEST: usize = 64;

/// The value of a query's first argument of a name, as it stands; capitals and small letters are the same.
pub(crate) fn argument<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

/// The session id that a query brings, unless it is none that this could have given.
pub(crate) fn id(query: &str) -> Option<&str> {
    let plain = |id: &&str| {
        (1..=LONGEST).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    argument(query, "s").filter(plain)
}

/// Where a player that brings no id is sent: to the same playlist with a fresh one. It is relative to what was asked for,
/// so it is right behind any proxy.
pub(crate) fn redirection(path: &str, query: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let others = query.split('&').filter(|pair| !pair.is_empty());
    let others = others.filter(|pair| !pair.split('=').next().unwrap_or(pair).eq_ignore_ascii_case("s"));
    let mut to = format!("{name}?");
    others.for_each(|pair| to.extend([pair, "&"]));
    // As long as those that nginx makes.
    to + &format!("s={:032x}", fastrand::u128(..))
}

/// A playlist with the id carried on to the playlists that it names, by lines or by attributes (`EXT-X-RENDITION-REPORT`).
pub(crate) fn carry<'a>(playlist: &'a str, id: &str) -> Cow<'a, str> {
    const BY_ATTRIBUTE: &str = ".m3u8\"";
    let by_line = |line: &str| !line.starts_with('#') && line.ends_with(".m3u8");
    let by_attribute =
        |line: &str| line.starts_with("#EXT-X-RENDITION-REPORT:") && line.contains(BY_ATTRIBUTE);
    if !playlist.lines().any(|line| by_line(line) || by_attribute(line)) {
        return Cow::Borrowed(playlist);
    }
    let mut out = String::with_capacity(playlist.len() + 256);
    for line in playlist.lines() {
        if by_attribute(line) {
            out.push_str(&line.replacen(BY_ATTRIBUTE, &format!(".m3u8?s={id}\""), 1));
        } else {
            out.push_str(line);
        }
        if by_line(line) {
            out.extend(["?s=", id]);
        }
        out.push('\n');
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_were_given() {
        assert_eq!(id("s=0af3-B_"), Some("0af3-B_"));
        assert_eq!(id("token=1&S=abc&s=def"), Some("abc"));
        let long = format!("s={}", "x".repeat(65));
        for none in ["", "s", "s=", "t=s", "ss=1", "s=a%22b", "s=\"", "s=a/b", "s=a b", &long] {
            assert_eq!(id(none), None, "{none}");
        }
    }

    #[test]
    fn a_redirection_keeps_everything_else() {
        let id_of = |to: &str| to.rsplit_once("s=").unwrap().1.to_owned();
        let to = redirection("/hls/wgmr/index.m3u8", "token=1&s=&x");
        let fresh = id_of(&to);
        assert_eq!(to, format!("index.m3u8?token=1&x&s={fresh}"));
        assert_eq!((fresh.len(), id(&format!("s={fresh}"))), (32, Some(fresh.as_str())));
        assert_ne!(fresh, id_of(&redirection("/hls/wgmr/index.m3u8", "")));
    }

    #[test]
    fn the_id_goes_to_playlists_only() {
        let index = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhigh/live.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nlive.m3u8\n";
        let carried = index.replace(".m3u8", ".m3u8?s=7f");
        assert_eq!(carry(index, "7f"), carried);
        let media = "#EXTM3U\n#EXTINF:6.0,\n1-2.ts\n";
        assert_eq!(carry(media, "7f"), media);
    }
}
