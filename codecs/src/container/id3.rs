//! ID3v2.4 tags (id3.org, "ID3 tag version 2.4.0").

use airchain_core::item::Metadata;

use super::text::one_line;

/// Appends a tag; nothing if there is nothing to say.
pub(super) fn write(metadata: &Metadata, out: &mut Vec<u8>) {
    let mut frames = known(metadata);
    for (key, value) in metadata.extra.iter().take(50) {
        text_frame(b"TXXX", &format!("{}\0{}", one_line(key), one_line(value)), &mut frames);
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
        text_frame(b"TIT2", "", &mut frames);
    }
    let mut out = Vec::new();
    tag(&frames, &mut out);
    out
}

/// The tag that packed audio begins with (RFC 8216, 3.4): the time stamp of its first sample, in 90 kHz ticks of 33 bits, and
/// what is known of title, artist and album.
pub(super) fn stamped(ticks: u64, metadata: &Metadata) -> Vec<u8> {
    const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
    let mut frames = Vec::new();
    frame(b"PRIV", &[OWNER, &ticks.to_be_bytes()].concat(), &mut frames);
    frames.extend(known(metadata));
    let mut out = Vec::new();
    tag(&frames, &mut out);
    out
}

/// Frames of title, artist and album, of those there are.
fn known(metadata: &Metadata) -> Vec<u8> {
    let mut frames = Vec::new();
    let known = [(b"TIT2", &metadata.title), (b"TPE1", &metadata.artist), (b"TALB", &metadata.album)];
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

fn text_frame(id: &[u8; 4], value: &str, out: &mut Vec<u8>) {
    // The text is UTF-8.
    frame(id, &[&[3], value.as_bytes()].concat(), out);
}

fn frame(id: &[u8; 4], body: &[u8], out: &mut Vec<u8>) {
    out.extend(id);
    out.extend(synchsafe(body.len()));
    // No flags.
    out.extend([0, 0]);
    out.extend(body);
}

/// A length in 4 bytes of 7 bits. Lengths here are far below the limit of 2^28.
fn synchsafe(length: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| ((length >> shift) & 0x7F) as u8)
}
