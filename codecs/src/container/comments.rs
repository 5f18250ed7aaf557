//! Vorbis comments, as Vorbis, Opus and FLAC carry them (xiph.org, "Ogg Vorbis I format specification: comment
//! field and header specification").

use airchain_core::item::Metadata;

use super::text::one_line;

/// Who encoded it.
const VENDOR: &str = concat!("airchain ", env!("CARGO_PKG_VERSION"));

/// The vendor and the comments of `metadata`.
pub(super) fn write(metadata: &Metadata) -> Vec<u8> {
    let known = [("TITLE", &metadata.title), ("ARTIST", &metadata.artist), ("ALBUM", &metadata.album)];
    let known = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.as_ref()?)));
    let extra = metadata.extra.iter().take(50).map(|(name, value)| (key(name), value));
    let comments: Vec<String> = known
        .chain(extra)
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| format!("{key}={}", one_line(value)))
        .collect();
    let mut out = Vec::new();
    string(VENDOR, &mut out);
    out.extend((comments.len() as u32).to_le_bytes());
    for comment in &comments {
        string(comment, &mut out);
    }
    out
}

/// A field name: printable ASCII without `=`.
fn key(name: &str) -> String {
    let legal = |c: &char| (' '..='}').contains(c) && *c != '=';
    name.chars().filter(legal).take(60).collect::<String>().to_ascii_uppercase()
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}
