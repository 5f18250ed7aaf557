//! One text of a multivariant playlist (RFC 8216, 4.3.4), and what it says of bit rates.

use super::Notes;
use super::attributes::{Attributes, integer};
use super::playlist::check_text;

/// A multivariant playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Multivariant {
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent: bool,
    /// Its variants, in their order.
    pub variants: Vec<Variant>,
}

/// A variant stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// Line of `EXT-X-STREAM-INF`.
    pub line: usize,
    /// `BANDWIDTH`, in bits per second.
    pub bandwidth: u64,
    /// `AVERAGE-BANDWIDTH`, in bits per second.
    pub average: u64,
    /// `CODECS`.
    pub codecs: String,
    /// Its media playlist, as written.
    pub uri: String,
}

impl Multivariant {
    /// Reads a text that breaks no rule.
    ///
    /// # Panics
    /// Where it breaks one.
    pub fn of(text: &str) -> Self {
        let mut found = Vec::new();
        let this = Self::read(text, &mut Notes { playlist: "playlist", found: &mut found });
        assert!(found.is_empty(), "{found:#?}\n{text}");
        this
    }

    /// Reads a text and notes what is wrong with it.
    pub(super) fn read(text: &str, notes: &mut Notes<'_>) -> Self {
        check_text(text, notes);
        let (mut this, mut pending) = (Self::default(), None::<Variant>);
        for (index, text) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            let line = index + 1;
            let (tag, value) = text.split_once(':').unwrap_or((text, ""));
            match tag {
                "#EXT-X-VERSION" if integer(value).is_none() => {
                    notes.note("4.3.1.2", line, format!("{value:?} is no number"));
                }
                "#EXT-X-VERSION" => {}
                "#EXT-X-INDEPENDENT-SEGMENTS" => this.independent = true,
                "#EXT-X-STREAM-INF" => pending = Some(stream(line, value, notes)),
                _ if tag.starts_with("#EXT") => {
                    let what = format!("{tag} is no tag of a multivariant playlist that this checker knows");
                    notes.note("4.1", line, what);
                }
                _ if tag.starts_with('#') => {}
                _ => match pending.take() {
                    Some(variant) => this.variants.push(Variant { uri: text.to_owned(), ..variant }),
                    None => notes.note("4.3.4.2", line, format!("{text} has no EXT-X-STREAM-INF")),
                },
            }
        }
        if let Some(variant) = pending {
            notes.note("4.3.4.2", variant.line, "EXT-X-STREAM-INF has no URI behind it");
        }
        if this.variants.is_empty() {
            notes.note("4.3.4.2", 0, "it names no variant");
        }
        for (index, variant) in this.variants.iter().enumerate() {
            if this.variants.iter().take(index).any(|other| other.uri == variant.uri) {
                notes.note("4.3.4.2", variant.line, format!("{} is named twice", variant.uri));
            }
        }
        this
    }
}

fn stream(line: usize, value: &str, notes: &mut Notes<'_>) -> Variant {
    let list = Attributes::read(value).unwrap_or_else(|what| {
        notes.note("4.2", line, what);
        Attributes::default()
    });
    let mut number = |name: &str| {
        list.integer(name).unwrap_or_else(|| {
            notes.note("4.3.4.2", line, format!("no {name} in bits per second"));
            0
        })
    };
    let (bandwidth, average) = (number("BANDWIDTH"), number("AVERAGE-BANDWIDTH"));
    if average > bandwidth {
        notes.note("4.3.4.2", line, "AVERAGE-BANDWIDTH is above BANDWIDTH");
    }
    let codecs = list.string("CODECS").unwrap_or_default().to_owned();
    if codecs.is_empty() {
        notes.note("4.3.4.2", line, "no CODECS");
    }
    Variant { line, bandwidth, average, codecs, uri: String::new() }
}
