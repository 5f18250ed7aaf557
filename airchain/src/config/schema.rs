//! The language in which the station file is described: one table per section, read by the checker, by
//! `--explain` and by the reference in the documentation.

use airchain_core::presets;

/// A mapping and its fields, in the order in which they are shown.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name; for one of several variants, the word in `type`.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) fields: &'static [Field],
}

/// A field of a [`Section`].
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Default,
    pub(crate) help: &'static str,
}

/// What a field is when the file does not say.
#[derive(Debug)]
pub(crate) enum Default {
    /// It must be given.
    Required,
    /// This value, as one would write it; `""` for an empty list and for a section of defaults.
    Is(&'static str),
    /// Nothing, with what that means.
    None(&'static str),
}

/// The values a field takes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any text up to so many characters, without control characters.
    Text(usize),
    /// A name that becomes part of paths, metrics and logs: letters, digits, `.`, `_`, `-`.
    Id,
    /// Text that is never shown.
    Secret,
    /// A file or folder; relative ones are relative to the station file.
    Path,
    /// A file, a folder, a playlist or a URL.
    Source,
    /// A URL with one of these schemes.
    Url(&'static [&'static str]),
    /// `host:port` to listen on.
    Address,
    /// A path on a web server, `/live.mp3`.
    MountPath,
    /// An IANA time zone.
    Timezone,
    /// A time of a schedule: once, every day or every hour.
    Time,
    /// A date and time with its offset from UTC.
    Timestamp,
    /// A whole number in a range.
    Integer { min: i64, max: i64, unit: &'static str },
    /// A number in a range.
    Number { min: f64, max: f64, unit: &'static str },
    /// `true` or `false`.
    Switch,
    /// One of these words; case, `-` and `_` do not matter.
    Choice(&'static [&'static str]),
    /// A list, of at least so many.
    List(&'static Kind, usize),
    /// A mapping.
    Section(&'static Section),
    /// One of several mappings, told apart by `type`.
    Variants(&'static [&'static Section]),
    /// The name of a preset chain.
    Preset,
    /// A DSP node: `{ type, config }`, described by the table of nodes.
    DspNode,
}

// The words of the tables.

pub(super) const fn field(name: &'static str, kind: Kind, default: Default, help: &'static str) -> Field {
    Field { name, kind, default, help }
}

pub(super) const NEEDED: Default = Default::Required;

pub(super) const fn is(value: &'static str) -> Default {
    Default::Is(value)
}

pub(super) const fn unset(meaning: &'static str) -> Default {
    Default::None(meaning)
}

impl Kind {
    /// What is accepted, in words that follow "give".
    pub(crate) fn accepted(&self) -> String {
        let number = |min: &dyn std::fmt::Display, max: &dyn std::fmt::Display, unit: &str| {
            let space = if unit.is_empty() { "" } else { " " };
            format!("{min} to {max}{space}{unit}")
        };
        match self {
            Self::Text(max) => format!("text of at most {max} characters on one line"),
            Self::Id => "letters, digits, `.`, `_` and `-` (at most 64)".into(),
            Self::Secret => "text".into(),
            Self::Path => "a path".into(),
            Self::Source => "a file, a folder, a playlist (m3u, pls) or a URL".into(),
            Self::Url(schemes) => {
                format!("a URL that begins with {}", any_of(schemes.iter().map(|s| format!("{s}://"))))
            }
            Self::Address => "address:port, such as 0.0.0.0:8000".into(),
            Self::MountPath => "a path such as /live.mp3 (letters, digits, `.`, `_`, `-`, `/`)".into(),
            Self::Timezone => "an IANA time zone, such as Europe/Paris or UTC".into(),
            Self::Time => crate::schedule::ACCEPTED.into(),
            Self::Timestamp => "a date and time with Z or an offset, such as 2026-01-01T00:00:00Z".into(),
            Self::Integer { min, max, .. } if min == max => min.to_string(),
            Self::Integer { min, max, unit } => format!("a whole number, {}", number(min, max, unit)),
            Self::Number { min, max, unit } => format!("a number, {}", number(min, max, unit)),
            Self::Switch => "true or false".into(),
            Self::Choice(words) => any_of(words.iter()),
            Self::List(of, _) => format!("a list; each entry: {}", of.accepted()),
            Self::Section(section) => Self::mapping_of(section),
            Self::Variants(all) => format!("a mapping whose type is {}", any_of(all.iter().map(|s| s.name))),
            Self::Preset => any_of(presets::NAMES.iter()),
            Self::DspNode => "a mapping of type and config".into(),
        }
    }

    /// What is accepted for a section.
    pub(crate) fn mapping_of(section: &Section) -> String {
        format!("a mapping of {}", all_of(section.fields.iter().map(|field| field.name)))
    }
}

/// `a, b or c`.
pub(crate) fn any_of(words: impl Iterator<Item = impl ToString>) -> String {
    enumerate(words, "or")
}

/// `a, b and c`.
pub(crate) fn all_of(words: impl Iterator<Item = impl ToString>) -> String {
    enumerate(words, "and")
}

fn enumerate(words: impl Iterator<Item = impl ToString>, last: &str) -> String {
    let words: Vec<String> = words.map(|word| word.to_string()).collect();
    match words.split_last() {
        Some((end, start)) if !start.is_empty() => format!("{} {last} {end}", start.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

/// The one of `known` that `word` was most likely meant to be: a third of its letters wrong at most, or one word
/// within the other.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |word: &str| word.to_lowercase().replace(['_', '-'], "");
    let word = letters(word);
    let near = |candidate: &&str| {
        let known = letters(candidate);
        let within = word.len() > 2 && (known.contains(&word) || word.contains(&known));
        let distance = distance(&word, &known);
        (within || distance <= known.len().max(3) / 3).then_some(distance)
    };
    known.filter_map(|candidate| Some((near(&candidate)?, candidate))).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Edit distance (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for ((y, above_left), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(i);
            next.push((above + 1).min(left + 1).min(above_left + usize::from(x != y)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_find_their_word() {
        let known = ["bitrate_kbps", "sample_rate", "format", "url"];
        assert_eq!(nearest("bitrate_kpbs", known.into_iter()), Some("bitrate_kbps"));
        assert_eq!(nearest("bitrate", known.into_iter()), Some("bitrate_kbps"));
        assert_eq!(nearest("samplerate", known.into_iter()), Some("sample_rate"));
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn enumerations_read_as_prose() {
        assert_eq!(any_of(["a"].iter()), "a");
        assert_eq!(any_of(["a", "b", "c"].iter()), "a, b or c");
    }
}
