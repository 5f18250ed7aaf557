//! ID3v2.4 tags (id3.org, "ID3 tag version 2.4.0").

use airchain_core::item::Metadata;

use super::text::one_line;

/// Appends a tag; nothing if there is nothing to say.
pub(super) fn write(metadata: &Metadata, out: &mut Vec<u8>) {
    let mut frames = known(metadata);
    for (key, value) in metadata.extra.iter().take(50) {
        text_frame("TXXX", &format!("{}\0{}", one_line(key), one_line(value)), &mut frames);
    }
    if !frames.is_empty() {
        tag(&frames, out);
    }
}

/// A tag for a moment of a broadcast: title, artist and album, 3 KiB at most. It is never without a frame, as a tag must
/// not be: where nothing is known, it says so by an empty title.
pub(super) fn timed(metadata: &Metadata) -> Vec<u8> {
    let mut frames = known(metadata);
    if frames.is_empty() {
        text_frame("TIT2", "", &mut frames);
    }
    let mut out = Vec::new();
    tag(&frames, &mut out);
    out
}

/// Frames of title, artist and album, of those there are.
fn known(metadata: &Metadata) -> Vec<u8> {
    let mut frames = Vec::new();
    let known = [("TIT2", &metadata.title), ("TPE1", &metadata.artist), ("TALB", &metadata.album)];
    for (id, value) in known.into_iter().filter_map(|(id, value)| Some((id, value.as_ref()?))) {
        text_frame(id, &one_line(value), &mut frames);
    }
    frames
}

fn tag(frames: &[u8], out: &mut Vec<u8>) {
    out.extend(b"ID3\x04\0\0");
    out.extend(synchsafe(frames.len()));
    out.extend(frames);
}

fn text_frame(id: &str, value: &str, out: &mut Vec<u8>) {
    out.extend(id.as_bytes());
    out.extend(synchsafe(1 + value.len()));
    // No flags; the text is UTF-8.
    out.extend([0, 0, 3]);
    out.extend(value.as_bytes());
}

/// A length in 4 bytes of 7 bits. Lengths here are far below the limit of 2^28.
fn synchsafe(length: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| ((length >> shift) & 0x7F) as u8)
}
