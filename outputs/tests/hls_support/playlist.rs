//! A reader of playlists that shares nothing with the writer, and holds it to RFC 8216.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// A media playlist as a player sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playlist {
    pub target_s: u64,
    pub sequence: u64,
    pub discontinuity_sequence: u64,
    pub segments: Vec<Segment>,
    pub ended: bool,
    /// Attributes of `EXT-X-DATERANGE` tags.
    pub songs: Vec<String>,
}

/// A segment of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub path: PathBuf,
    pub sequence: u64,
    pub discontinuities: u64,
    pub discontinuity: bool,
    pub date: Timestamp,
    /// Exactly as written.
    pub duration_us: u64,
    /// There is no file, and the playlist says so.
    pub gap: bool,
    /// What decoders need before it (`EXT-X-MAP`).
    pub init: Option<PathBuf>,
}

/// An encoding in a multivariant playlist.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub bandwidth: u64,
    pub average: u64,
    pub codecs: String,
    pub uri: String,
}

impl Playlist {
    pub fn read(dir: &Path) -> Self {
        let text = std::fs::read_to_string(dir.join("live.m3u8")).unwrap();
        Self::parse(dir, &text)
    }

    pub fn parse(dir: &Path, text: &str) -> Self {
        let mut this = Self::default();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("#EXTM3U"));
        let (mut date, mut duration_us, mut discontinuity, mut gap) = (None, None, false, false);
        let (mut version, mut init) = ("", None);
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-VERSION" => version = value,
                "#EXT-X-INDEPENDENT-SEGMENTS" => {}
                "#EXT-X-DATERANGE" => this.songs.push(value.to_owned()),
                "#EXT-X-MAP" => {
                    let name = value.strip_prefix("URI=\"").unwrap().strip_suffix('"').unwrap();
                    init = Some(dir.join(name)).filter(|path| path.is_file());
                    assert!(init.is_some() && !name.contains('/'), "not there: {name}");
                }
                "#EXT-X-TARGETDURATION" => this.target_s = value.parse().unwrap(),
                "#EXT-X-MEDIA-SEQUENCE" => this.sequence = value.parse().unwrap(),
                "#EXT-X-DISCONTINUITY-SEQUENCE" => this.discontinuity_sequence = value.parse().unwrap(),
                "#EXT-X-DISCONTINUITY" => discontinuity = true,
                "#EXT-X-GAP" => gap = true,
                "#EXT-X-PROGRAM-DATE-TIME" => date = Some(value.parse().unwrap()),
                "#EXTINF" => {
                    let digits = value.strip_suffix(',').unwrap().replace('.', "");
                    assert_eq!(value.len() - value.find('.').unwrap(), 8, "six decimals: {line}");
                    duration_us = Some(digits.parse().unwrap());
                }
                "#EXT-X-ENDLIST" => this.ended = true,
                _ => {
                    assert!(!line.starts_with('#') && !line.contains('/'), "{line}");
                    let before =
                        this.segments.last().map_or(this.discontinuity_sequence, |s| s.discontinuities);
                    let segment = Segment {
                        path: dir.join(line),
                        sequence: this.sequence + this.segments.len() as u64,
                        discontinuities: before + u64::from(discontinuity),
                        discontinuity: std::mem::take(&mut discontinuity),
                        date: date.take().unwrap(),
                        duration_us: duration_us.take().unwrap(),
                        gap: std::mem::take(&mut gap),
                        init: init.clone(),
                    };
                    assert!(
                        (segment.duration_us + 500_000) / 1_000_000 <= this.target_s,
                        "too long: {segment:?}"
                    );
                    assert_eq!(segment.path.is_file(), !segment.gap, "there, or announced: {line}");
                    this.segments.push(segment);
                }
            }
        }
        // EXT-X-GAP needs version 8, EXT-X-MAP 6, everything else 3.
        let has = |what: fn(&Segment) -> bool| this.segments.iter().any(what);
        let needed = if has(|segment| segment.gap) { "8" } else { "6" };
        let needed = if has(|segment| segment.gap || segment.init.is_some()) { needed } else { "3" };
        assert_eq!(version, needed);
        this
    }

    /// What two renditions of a presentation must have in common: a number is the same stretch of the programme. Gives how
    /// many numbers both have.
    pub fn assert_aligned(&self, other: &Self) -> usize {
        self.assert_aligned_within(other, 0)
    }

    /// The same of renditions that share no frames: begins and ends may be so many milliseconds apart.
    pub fn assert_aligned_within(&self, other: &Self, apart_ms: u64) -> usize {
        assert_eq!(self.target_s, other.target_s);
        let pairs = self.segments.iter().flat_map(|a| other.segments.iter().map(move |b| (a, b)));
        let pairs: Vec<_> = pairs.filter(|(a, b)| a.sequence == b.sequence).collect();
        for (a, b) in &pairs {
            let off_ms = a.date.as_millisecond().abs_diff(b.date.as_millisecond());
            let lasts_us = a.duration_us.abs_diff(b.duration_us);
            assert!(
                off_ms <= apart_ms && lasts_us <= 2_000 * apart_ms,
                "number {}: {a:?}, {b:?}",
                a.sequence
            );
            assert_eq!((a.discontinuity, a.discontinuities), (b.discontinuity, b.discontinuities));
        }
        pairs.len()
    }

    /// What may and may not change from one version of a playlist to a later one.
    pub fn assert_continues(&self, earlier: &Self) {
        assert!(self.sequence >= earlier.sequence, "the media sequence went back");
        assert!(self.discontinuity_sequence >= earlier.discontinuity_sequence);
        assert_eq!(self.target_s, earlier.target_s);
        for segment in &self.segments {
            for before in &earlier.segments {
                if segment.sequence == before.sequence {
                    assert_eq!((&segment.path, segment.date), (&before.path, before.date));
                    assert_eq!(segment.duration_us, before.duration_us);
                    assert_eq!(segment.discontinuities, before.discontinuities);
                } else {
                    assert_ne!(segment.path, before.path, "a name was used twice");
                }
            }
        }
    }

    pub fn total_us(&self) -> u64 {
        self.segments.iter().map(|segment| segment.duration_us).sum()
    }

    /// All bytes, one segment after the other, behind what decoders need before them.
    pub fn join(&self) -> Vec<u8> {
        let (mut all, mut init) = (Vec::new(), None);
        for segment in self.segments.iter().filter(|segment| !segment.gap) {
            if let Some(path) = segment.init.as_ref().filter(|path| init.replace(*path) != Some(*path)) {
                all.extend(std::fs::read(path).unwrap());
            }
            all.extend(std::fs::read(&segment.path).unwrap());
        }
        all
    }
}

/// The encodings that a multivariant playlist names, in its order.
pub fn variants(dir: &Path) -> Vec<Variant> {
    let text = std::fs::read_to_string(dir.join("index.m3u8")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"));
    assert_eq!(lines.next(), Some("#EXT-X-VERSION:3"));
    let mut variants = Vec::new();
    let is_independent = lines.clone().next() == Some("#EXT-X-INDEPENDENT-SEGMENTS");
    if is_independent {
        lines.next();
    }
    while let Some(line) = lines.next() {
        let attributes = line.strip_prefix("#EXT-X-STREAM-INF:").unwrap();
        let value = |name: &str| {
            let value = attributes.split(',').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            value.unwrap_or_else(|| panic!("no {name} in {text}")).trim_matches('"')
        };
        let uri = lines.next().unwrap().to_owned();
        assert!(dir.join(&uri).is_file(), "named, but not there: {uri}");
        let (bandwidth, average) = (value("BANDWIDTH"), value("AVERAGE-BANDWIDTH"));
        let (bandwidth, average) = (bandwidth.parse().unwrap(), average.parse().unwrap());
        variants.push(Variant { bandwidth, average, codecs: value("CODECS").to_owned(), uri });
    }
    // MP3 frames need bits of those before them.
    let has_mp3 = variants.iter().any(|variant| variant.codecs == "mp4a.40.34");
    assert_eq!(is_independent, !has_mp3);
    variants
}

/// The only encoding that a multivariant playlist names.
pub fn variant(dir: &Path) -> Variant {
    let mut variants = variants(dir);
    assert_eq!(variants.len(), 1);
    let variant = variants.remove(0);
    assert_eq!(variant.uri, "live.m3u8");
    variant
}
