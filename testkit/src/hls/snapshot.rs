//! A presentation as it lies in a folder, for tests that stop and look.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use super::{Media, Multivariant, Segment, Variant, micros_between};

/// A media playlist with its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    folder: PathBuf,
    media: Media,
}

impl Deref for Snapshot {
    type Target = Media;

    fn deref(&self) -> &Media {
        &self.media
    }
}

impl Snapshot {
    /// `live.m3u8` of a folder.
    ///
    /// # Panics
    /// Where it breaks a rule, or names what is not there.
    pub fn read(folder: &Path) -> Self {
        let media = Media::of(&fs::read_to_string(folder.join("live.m3u8")).expect("a media playlist"));
        for segment in &media.segments {
            let path = folder.join(&segment.uri);
            assert_eq!(path.is_file(), !segment.gap, "there, or a gap: {}", path.display());
        }
        let parts = media.all().flat_map(|segment| &segment.parts).map(|part| &part.uri);
        for uri in media.all().filter_map(|segment| segment.map.as_ref()).chain(parts) {
            assert!(folder.join(uri).is_file(), "named, but not there: {uri} in {}", folder.display());
        }
        Self { folder: folder.to_owned(), media }
    }

    /// Where a segment lies.
    pub fn path(&self, segment: &Segment) -> PathBuf {
        self.folder.join(&segment.uri)
    }

    /// The bytes of a segment.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn data(&self, segment: &Segment) -> Vec<u8> {
        fs::read(self.path(segment)).expect("a segment")
    }

    /// What decoders need before a segment, where its container keeps that apart.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn init(&self, segment: &Segment) -> Option<Vec<u8>> {
        segment.map.as_ref().map(|map| fs::read(self.folder.join(map)).expect("an initialization section"))
    }

    /// The bytes of all segments, one after the other, behind what decoders need before them.
    pub fn join(&self) -> Vec<u8> {
        self.joined(&self.segments)
    }

    /// The same of some.
    pub fn joined<'a>(&self, segments: impl IntoIterator<Item = &'a Segment>) -> Vec<u8> {
        let (mut all, mut map) = (Vec::new(), None);
        for segment in segments.into_iter().filter(|segment| !segment.gap) {
            if map.replace(&segment.map) != Some(&segment.map) {
                all.extend(self.init(segment).unwrap_or_default());
            }
            all.extend(self.data(segment));
        }
        all
    }

    /// What two renditions of a presentation must have in common: a number is the same stretch of the programme. Gives how many
    /// numbers both have.
    ///
    /// # Panics
    /// Where they have not.
    pub fn assert_aligned(&self, other: &Self) -> usize {
        self.assert_aligned_within(other, 0)
    }

    /// The same of renditions that share no frames: begins and ends may be so many milliseconds apart.
    ///
    /// # Panics
    /// Where they are further.
    pub fn assert_aligned_within(&self, other: &Self, apart_ms: i64) -> usize {
        assert_eq!(self.target_s, other.target_s);
        let pairs: Vec<_> = self.segments.iter().filter_map(|a| Some((a, other.find(a.number)?))).collect();
        for (a, b) in &pairs {
            let off_us = a.date.zip(b.date).map_or(0, |(a, b)| micros_between(a, b).abs());
            let lasts_us = a.duration_us.abs_diff(b.duration_us);
            let alike = off_us <= 1_000 * apart_ms && lasts_us <= 2_000 * apart_ms as u64;
            assert!(alike, "number {}: {a:?}, {b:?}", a.number);
            assert_eq!((a.discontinuity, a.discontinuities), (b.discontinuity, b.discontinuities));
        }
        pairs.len()
    }

    /// What may and may not change from one text to a later one.
    ///
    /// # Panics
    /// Where something has.
    pub fn assert_continues(&self, earlier: &Self) {
        assert!(self.sequence >= earlier.sequence, "the media sequence went back");
        assert!(self.discontinuity_sequence >= earlier.discontinuity_sequence);
        assert_eq!(self.target_s, earlier.target_s);
        for before in &earlier.segments {
            for segment in &self.segments {
                match segment.number == before.number {
                    true => assert_eq!(segment.published(), before.published()),
                    false => assert_ne!(segment.uri, before.uri, "a name was used twice"),
                }
            }
        }
    }
}

/// The encodings that the `index.m3u8` of a folder names, in its order.
///
/// # Panics
/// Where it breaks a rule, or names what is not there.
pub fn variants(folder: &Path) -> Vec<Variant> {
    let text = fs::read_to_string(folder.join("index.m3u8")).expect("a multivariant playlist");
    let Multivariant { independent, variants } = Multivariant::of(&text);
    for variant in &variants {
        assert!(folder.join(&variant.uri).is_file(), "named, but not there: {}", variant.uri);
    }
    // MP3 frames need bits of those before them.
    let has_mp3 = variants.iter().any(|variant| variant.codecs == "mp4a.40.34");
    assert_eq!(independent, !has_mp3, "{text}");
    variants
}

/// The only one, which is `live.m3u8`.
///
/// # Panics
/// As [`variants`], and where there are others.
pub fn variant(folder: &Path) -> Variant {
    let mut variants = variants(folder);
    assert_eq!(variants.len(), 1);
    let variant = variants.remove(0);
    assert_eq!(variant.uri, "live.m3u8");
    variant
}
