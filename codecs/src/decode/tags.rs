//! Tags of every kind to [`Metadata`] and a [`ReplayGain`].

use airchain_core::item::Metadata;
use symphonia::core::meta::{MetadataRevision, RawValue, StandardTag, Tag};

use super::replaygain::ReplayGain;

/// Longest value kept, in bytes: a title is one line, not a book.
const MAX_VALUE: usize = 1024;
/// Most values kept beside title, artist and album.
const MAX_EXTRA: usize = 64;

/// What a file's tags say.
#[derive(Default)]
pub(super) struct Tags {
    pub(super) metadata: Metadata,
    pub(super) replaygain: ReplayGain,
    /// iTunes' gapless note, unparsed.
    pub(super) smpb: Option<String>,
    /// Whether ffmpeg wrote the file.
    pub(super) by_ffmpeg: bool,
}

impl Tags {
    /// Takes in a set of tags. What an earlier set says stands.
    pub(super) fn add(&mut self, revision: &MetadataRevision) {
        let mut fresh = Metadata::default();
        let tracks = revision.per_track.iter().flat_map(|track| &track.metadata.tags);
        for tag in revision.media.tags.iter().chain(tracks) {
            self.add_tag(tag, &mut fresh);
        }
        self.metadata = std::mem::take(&mut self.metadata).or(&fresh);
    }

    /// Takes in the texts of a WAVE file, each by the name of its chunk.
    pub(super) fn add_info(&mut self, info: Vec<([u8; 4], String)>) {
        let mut fresh = Metadata::default();
        for (name, value) in info {
            let Some(value) = text(&RawValue::from(value)) else { continue };
            match &name {
                b"INAM" => append(&mut fresh.title, value),
                b"IART" => append(&mut fresh.artist, value),
                b"IPRD" => append(&mut fresh.album, value),
                b"IGNR" => extra(&mut fresh, "genre".into(), value),
                b"ICRD" => extra(&mut fresh, "recording_date".into(), value),
                b"ICMT" => extra(&mut fresh, "comment".into(), value),
                b"IPRT" | b"ITRK" => extra(&mut fresh, "track_number".into(), value),
                _ => {}
            }
        }
        self.metadata = std::mem::take(&mut self.metadata).or(&fresh);
    }

    fn add_tag(&mut self, tag: &Tag, fresh: &mut Metadata) {
        let name = name(tag);
        let Some(value) = text(&tag.raw.value) else { return };
        if name.eq_ignore_ascii_case("itunsmpb") {
            self.smpb.get_or_insert(value);
            return;
        }
        if self.replaygain.add(name, &value) {
            return;
        }
        match &tag.std {
            Some(StandardTag::TrackTitle(_)) => append(&mut fresh.title, value),
            Some(StandardTag::Artist(_)) => append(&mut fresh.artist, value),
            Some(StandardTag::Album(_)) => append(&mut fresh.album, value),
            Some(std) => {
                self.by_ffmpeg |= matches!(std, StandardTag::Encoder(_)) && value.starts_with("Lavf");
                let (name, value) = named(std, value);
                extra(fresh, name, value);
            }
            None => extra(fresh, snake_case(name), value),
        }
    }
}

/// The name of a tag in its container. ID3 and MP4 have free names too: in a field of its own, and behind a prefix
/// (`----:com.apple.iTunes:`).
fn name(tag: &Tag) -> &str {
    let fields = tag.raw.sub_fields.iter().flatten();
    let described = fields.filter(|field| field.field == "DESCRIPTION" && tag.raw.key == "TXXX");
    let mut free = described.filter_map(|field| match &field.value {
        RawValue::String(name) => Some(name.as_str()),
        _ => None,
    });
    free.next().or(tag.raw.key.rsplit(':').next()).unwrap_or_default()
}

fn extra(fresh: &mut Metadata, name: String, value: String) {
    if name.is_empty() || (fresh.extra.len() >= MAX_EXTRA && !fresh.extra.contains_key(&name)) {
        return;
    }
    let mut slot = fresh.extra.remove(&name);
    append(&mut slot, value);
    fresh.extra.extend(slot.map(|value| (name, value)));
}

/// Several values of one name (two artists, say) become one line.
fn append(slot: &mut Option<String>, value: String) {
    match slot {
        None => *slot = Some(value),
        Some(present) if *present == value || present.len() + value.len() > MAX_VALUE => {}
        Some(present) => {
            present.push_str("; ");
            present.push_str(&value);
        }
    }
}

fn text(value: &RawValue) -> Option<String> {
    let text = match value {
        RawValue::Binary(_) | RawValue::Flag => return None,
        RawValue::StringList(list) => list.join("; "),
        other => other.to_string(),
    };
    let text = utf8_read_as_latin1(&text).unwrap_or(text);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let mut end = text.len().min(MAX_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (end > 0).then(|| text[..end].to_owned())
}

/// What was meant by UTF-8 in a field that is Latin-1 by its container's rules, as ffmpeg writes it to AIFF and many taggers to
/// ID3: Latin-1 that happens to be UTF-8 is next to unknown.
fn utf8_read_as_latin1(text: &str) -> Option<String> {
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<_>>()?;
    String::from_utf8(bytes).ok().filter(|meant| meant != text)
}

/// Name and value of a known tag: the variant's name, and for numbers the number without the "of how many".
fn named(tag: &StandardTag, raw: String) -> (String, String) {
    let shown = format!("{tag:?}");
    let (name, inner) = shown.split_once('(').unwrap_or((&shown, ""));
    let inner = inner.trim_end_matches(')');
    let value = if inner.parse::<u64>().is_ok() { inner.to_owned() } else { raw };
    (snake_case(name), value)
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    let mut previous_lower = false;
    for c in name.chars().take(64) {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && previous_lower {
                out.push('_');
            }
            previous_lower = c.is_ascii_lowercase();
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
            previous_lower = false;
        }
    }
    out.truncate(out.trim_end_matches('_').len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_read() {
        assert_eq!(snake_case("AlbumArtist"), "album_artist");
        assert_eq!(snake_case("REPLAYGAIN_ALBUM_PEAK"), "replaygain_album_peak");
        assert_eq!(snake_case("catalog #"), "catalog");
        for (read, meant) in
            [("BlÃ¥bÃ¤r", Some("Blåbär")), ("Blåbär", None), ("plain", None), ("å — å", None)]
        {
            assert_eq!(utf8_read_as_latin1(read).as_deref(), meant);
        }
        let (name, value) = named(&StandardTag::TrackNumber(3), "3/12".into());
        assert_eq!((name.as_str(), value.as_str()), ("track_number", "3"));
    }
}
