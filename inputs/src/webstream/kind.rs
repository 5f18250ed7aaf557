//! What a URL leads to: audio, a playlist, or something else that a person took for one. No I/O.

use url::Url;

use crate::text;

/// So much of a body is looked at.
pub(crate) const ENOUGH: usize = 512;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio,
    /// M3U; or HLS, which only the whole of it tells.
    M3u,
    Pls,
    Xspf,
    Asx,
    WebPage,
    /// Text that is neither.
    OtherText,
}

/// Decides by what is unmistakable in the body's start, else by content type, else by the name in the URL. `None` when
/// more of the body is needed; `whole` says that there is no more.
pub(crate) fn kind(content_type: Option<&str>, url: &Url, start: &[u8], whole: bool) -> Option<Kind> {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let declared = by_type(&essence);
    if declared == Some(Kind::Audio) {
        return Some(by_look(start).unwrap_or(Kind::Audio));
    }
    if !whole && start.len() < ENOUGH && !is_binary(start) {
        return None;
    }
    // A server that knows no better calls everything text.
    if is_binary(start) {
        return Some(Kind::Audio);
    }
    Some(by_look(start).or(declared).or_else(|| by_name(url)).unwrap_or_else(|| {
        if essence == "text/html" || essence == "application/xhtml+xml" {
            Kind::WebPage
        } else {
            Kind::OtherText
        }
    }))
}

fn by_type(essence: &str) -> Option<Kind> {
    Some(match essence {
        "audio/x-mpegurl"
        | "audio/mpegurl"
        | "application/x-mpegurl"
        | "application/mpegurl"
        | "application/vnd.apple.mpegurl"
        | "audio/vnd.apple.mpegurl" => Kind::M3u,
        "audio/x-scpls" | "audio/scpls" | "application/pls+xml" | "application/pls" => Kind::Pls,
        "application/xspf+xml" => Kind::Xspf,
        "video/x-ms-asf"
        | "video/x-ms-asx"
        | "audio/x-ms-wax"
        | "video/x-ms-wvx"
        | "application/x-ms-asx" => Kind::Asx,
        "application/ogg" => Kind::Audio,
        _ if essence.starts_with("audio/") || essence.starts_with("video/") => Kind::Audio,
        _ => return None,
    })
}

fn by_name(url: &Url) -> Option<Kind> {
    let name = url.path().rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    Some(match name.rsplit_once('.')?.1 {
        "m3u" | "m3u8" => Kind::M3u,
        "pls" => Kind::Pls,
        "xspf" => Kind::Xspf,
        "asx" | "wax" | "wvx" => Kind::Asx,
        _ => return None,
    })
}

fn by_look(start: &[u8]) -> Option<Kind> {
    if is_binary(start) {
        return None;
    }
    let text = text::decode(start).trim_start().to_ascii_lowercase();
    let first = text.lines().next().unwrap_or_default().trim();
    if first.starts_with("#extm3u") || first.starts_with("http://") || first.starts_with("https://") {
        return Some(Kind::M3u);
    }
    if first == "[playlist]" {
        return Some(Kind::Pls);
    }
    if text.starts_with("<asx") {
        return Some(Kind::Asx);
    }
    if text.starts_with("<!doctype html") || text.starts_with("<html") {
        return Some(Kind::WebPage);
    }
    let is_xml = text.starts_with("<?xml") || text.starts_with("<playlist");
    (is_xml && text.contains("<playlist")).then_some(Kind::Xspf)
}

/// No text holds such bytes, and all audio soon does.
fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().any(|&byte| byte < 0x20 && !b"\t\n\r\x0c\x1b".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: &str, path: &str, start: &[u8]) -> Option<Kind> {
        let url = Url::parse("http://radio.example/").unwrap().join(path).unwrap();
        let content_type = (!content_type.is_empty()).then_some(content_type);
        kind(content_type, &url, start, true)
    }

    const MP3: &[u8] = b"\xFF\xFB\x90\x64\0\0\0\0audio";

    #[test]
    fn audio_is_audio_whatever_it_is_called() {
        for called in [
            "audio/mpeg",
            "audio/aacp",
            "application/ogg",
            "video/mp2t",
            "application/octet-stream",
            "",
            "text/html",
            "text/plain; charset=x",
        ] {
            assert_eq!(of(called, "live", MP3), Some(Kind::Audio), "{called}");
        }
        assert_eq!(of("audio/mpeg", "listen.pls", b"\xFF\xFB"), Some(Kind::Audio), "too short to tell");
        assert_eq!(of("audio/mpeg", "listen.pls", b""), Some(Kind::Audio));
    }

    #[test]
    fn playlists_by_type_by_name_or_by_look() {
        for (called, path, start, kind) in [
            ("audio/x-mpegurl", "live", "live.mp3\n", Kind::M3u),
            ("Application/Vnd.Apple.Mpegurl; charset=utf-8", "live", "x", Kind::M3u),
            ("audio/x-scpls", "live", "File1=x", Kind::Pls),
            ("application/xspf+xml", "live", "<x", Kind::Xspf),
            ("video/x-ms-asf", "live", "x", Kind::Asx),
            ("text/plain", "LIVE.M3U?x=1", "live.mp3", Kind::M3u),
            ("", "a/listen.pls", "File1=x", Kind::Pls),
            ("application/octet-stream", "a.xspf", "<", Kind::Xspf),
            ("text/html", "a.asx", "x", Kind::Asx),
            ("text/html", "live", "\u{feff}\r\n#EXTM3U\n", Kind::M3u),
            ("audio/mpeg", "live", "[Playlist]\r\nFile1=x", Kind::Pls),
            ("", "live", "<?xml version='1'?>\n<playlist version='1'>", Kind::Xspf),
            ("", "live", "  <ASX version='3'>", Kind::Asx),
            ("text/plain", "live", "http://other/live.mp3\r\n", Kind::M3u),
        ] {
            assert_eq!(of(called, path, start.as_bytes()), Some(kind), "{called} {path} {start}");
        }
    }

    #[test]
    fn pages_and_other_text_are_not_audio() {
        assert_eq!(of("text/html", "live.mp3", b"hello"), Some(Kind::WebPage));
        assert_eq!(of("", "live.mp3", b"<!DOCTYPE HTML><p>"), Some(Kind::WebPage));
        assert_eq!(of("audio/mpeg", "live.mp3", b"<html>gone"), Some(Kind::WebPage));
        assert_eq!(of("application/json", "live", b"{}"), Some(Kind::OtherText));
        assert_eq!(of("", "live", b""), Some(Kind::OtherText));
    }

    #[test]
    fn a_short_start_waits_for_more() {
        let url = Url::parse("http://h/x").unwrap();
        assert_eq!(kind(None, &url, b"#E", false), None);
        assert_eq!(kind(Some("text/html"), &url, b"", false), None);
        assert_eq!(kind(Some("audio/mpeg"), &url, b"", false), Some(Kind::Audio));
        assert_eq!(kind(None, &url, MP3, false), Some(Kind::Audio));
    }
}
