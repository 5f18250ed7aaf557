//! Names of the files of a presentation, and what servers say of them.
//!
//! Segments are `<run>-<number>.<extension>`: the Unix time in milliseconds at which their run of the output began, and their
//! media sequence number. No name is used twice, so caches may keep what they have for ever.

use std::fmt::Display;

/// Name of the media playlist of a track.
pub const PLAYLIST: &str = "live.m3u8";
/// Name of the multivariant playlist, which players open.
pub const INDEX: &str = "index.m3u8";

/// Name of a segment; what stands for its number may be a template's.
pub(crate) fn segment(run: i64, number: impl Display, extension: &str) -> String {
    format!("{run}-{number}.{extension}")
}

/// Name of a part of a segment.
pub(crate) fn part(run: i64, number: u64, index: usize, extension: &str) -> String {
    format!("{run}-{number}.{index}.{extension}")
}

/// Run, number and index of a name that [`part`] made.
pub(crate) fn parse_part(name: &str) -> Option<(i64, u64, usize)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (segment, index) = stem.rsplit_once('.')?;
    let (run, number) = segment.split_once('-')?;
    let (run, number, index) = (run.parse().ok()?, number.parse().ok()?, index.parse().ok()?);
    (part(run, number, index, extension) == name).then_some((run, number, index))
}

/// Name of what decoders need before the segments of a run.
pub(crate) fn init(run: i64) -> String {
    format!("{run}-init.mp4")
}

/// Whether segments of an extension need it.
pub(crate) fn has_init(extension: &str) -> bool {
    extension == "m4s"
}

/// The run that a name which [`init`] made is of.
pub(crate) fn parse_init(name: &str) -> Option<i64> {
    let run = name.strip_suffix("-init.mp4")?.parse().ok()?;
    (init(run) == name).then_some(run)
}

/// Run, number and extension of a name that [`segment`] made; nothing for any other.
pub(crate) fn parse_segment(name: &str) -> Option<(i64, u64, &str)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (run, number) = stem.split_once('-')?;
    let (run, number) = (run.parse().ok()?, number.parse().ok()?);
    let known = matches!(Kind::of(name), Some(Kind::Segment));
    (known && segment(run, number, extension) == name).then_some((run, number, extension))
}

/// What a file of a presentation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A playlist or manifest: it changes all the time.
    Manifest,
    /// Audio, or what decoders need before it: it never changes.
    Segment,
}

/// For what never changes under its name: a year, which is for ever (RFC 9111, 5.2; RFC 8246).
const FIXED: &str = "public, max-age=31536000, immutable";
/// For what changes: caches may answer a crowd with it for a moment, and hide nothing that is new.
const CHANGES: &str = "public, max-age=1";

impl Kind {
    /// By its name; nothing for a file that is none of a presentation's.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(if [HLS_MIME, DASH_MIME].contains(&mime(name)?) { Self::Manifest } else { Self::Segment })
    }

    /// `Cache-Control` in stores that caches lie before.
    pub(crate) fn cache(self) -> &'static str {
        match self {
            Self::Manifest => CHANGES,
            Self::Segment => FIXED,
        }
    }
}

const HLS_MIME: &str = "application/vnd.apple.mpegurl";
const DASH_MIME: &str = "application/dash+xml";

/// `Content-Type` of a file by its name.
pub(crate) fn mime(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "m3u8" => HLS_MIME,
        "mpd" => DASH_MIME,
        "ts" => "video/mp2t",
        "m4s" | "mp4" => "audio/mp4",
        "aac" => "audio/aac",
        "mp3" => "audio/mpeg",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_are_own() {
        assert_eq!(parse_segment("1700000000123-42.ts"), Some((1_700_000_000_123, 42, "ts")));
        for name in [
            "",
            ".ts",
            "-.ts",
            "1-.ts",
            "01-2.ts",
            "1-02.ts",
            "+1-2.ts",
            "1-2.ts.tmp",
            "live1-2.ts",
            "1-2.wav",
            "1-2.m3u8",
            "1-2.mpd",
            "../1-2.ts",
        ] {
            assert_eq!(parse_segment(name), None, "{name}");
        }
    }
}
