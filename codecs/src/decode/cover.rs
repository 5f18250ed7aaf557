//! Cover art out of a file: ID3v2 `APIC`, FLAC `PICTURE`, Ogg `METADATA_BLOCK_PICTURE`, MP4 `covr`.

use std::path::Path;

use symphonia::core::meta::{MetadataRevision, StandardVisualKey};

use super::DecodeError;
use super::reader::Reader;

/// Bytes of a picture at most.
const MAX_BYTES: usize = 32 << 20;

/// Kinds of picture: the bytes they begin with at an offset, media type, and file extension.
const KINDS: &[(usize, &[u8], &str, &str)] = &[
    (0, b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (0, b"GIF8", "image/gif", "gif"),
    (8, b"WEBP", "image/webp", "webp"),
    (4, b"ftypavif", "image/avif", "avif"),
    (0, b"BM", "image/bmp", "bmp"),
];

/// A picture that is embedded in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Media type, such as `image/jpeg`: told from the picture itself, whatever the file says.
    pub media_type: &'static str,
    /// File extension, likewise.
    pub extension: &'static str,
    /// The picture.
    pub data: Vec<u8>,
}

/// The cover of the file at `path`: the picture that is marked as its front cover, or else the first. Pictures of unknown
/// kinds and of more than 32 MB count as none.
pub fn cover(path: &Path) -> Result<Option<Cover>, DecodeError> {
    Ok(of(&Reader::open(path)?.revisions()))
}

fn of(revisions: &[MetadataRevision]) -> Option<Cover> {
    let visuals = || {
        revisions.iter().flat_map(|revision| {
            let tracks = revision.per_track.iter().flat_map(|track| &track.metadata.visuals);
            revision.media.visuals.iter().chain(tracks)
        })
    };
    let known = |data: &[u8]| {
        let kind =
            KINDS.iter().find(|(at, magic, ..)| data.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
        kind.filter(|_| data.len() <= MAX_BYTES).map(|(_, _, media_type, extension)| Cover {
            media_type,
            extension,
            data: data.to_vec(),
        })
    };
    let front = visuals().filter(|visual| visual.usage == Some(StandardVisualKey::FrontCover));
    front.chain(visuals()).find_map(|visual| known(&visual.data))
}
