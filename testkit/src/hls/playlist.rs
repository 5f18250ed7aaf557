//! One text of a media playlist, held to the grammar of RFC 8216, section 4.

use jiff::Timestamp;

use super::Notes;
use super::attributes::{Attributes, integer, micros};

/// A media playlist as a player reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Media {
    /// `EXT-X-VERSION`; 1 without.
    pub version: u64,
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub target_s: u64,
    /// `EXT-X-MEDIA-SEQUENCE`: the number of the first segment.
    pub sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent: bool,
    /// Its segments, in their order.
    pub segments: Vec<Segment>,
    /// `EXT-X-DATERANGE` tags, in their order.
    pub date_ranges: Vec<DateRange>,
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
}

/// A segment of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// Line of its URI.
    pub line: usize,
    /// As written.
    pub uri: String,
    /// Its media sequence number.
    pub number: u64,
    /// `EXTINF`, in microseconds.
    pub duration_us: u64,
    /// The title in `EXTINF`.
    pub title: String,
    /// `EXT-X-PROGRAM-DATE-TIME`.
    pub date: Option<Timestamp>,
    /// It begins with `EXT-X-DISCONTINUITY`.
    pub discontinuity: bool,
    /// Its discontinuity sequence number.
    pub discontinuities: u64,
    /// `EXT-X-GAP`: there is no file.
    pub gap: bool,
    /// URI of its initialization section.
    pub map: Option<String>,
}

impl Segment {
    /// What must be the same in every text that has it: not where it stands.
    pub fn published(&self) -> Self {
        Self { line: 0, ..self.clone() }
    }
}

/// An `EXT-X-DATERANGE`.
#[derive(Clone, Debug, PartialEq)]
pub struct DateRange {
    /// Its line.
    pub line: usize,
    /// Its id.
    pub id: String,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Option<Timestamp>,
    /// Its attributes, as written.
    pub text: String,
}

impl Media {
    /// Number of the next segment.
    pub fn next(&self) -> u64 {
        self.sequence + self.segments.len() as u64
    }

    /// How long it is, in microseconds.
    pub fn duration_us(&self) -> u64 {
        self.segments.iter().map(|segment| segment.duration_us).sum()
    }

    /// Discontinuities up to its end.
    pub fn discontinuities(&self) -> u64 {
        self.segments.last().map_or(self.discontinuity_sequence, |segment| segment.discontinuities)
    }

    /// Reads a text and notes what is wrong with it.
    pub(super) fn read(text: &str, notes: &mut Notes<'_>) -> Self {
        check_text(text, notes);
        let mut reader = Reader { media: Self { version: 1, ..Self::default() }, ..Reader::default() };
        for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            reader.line(index + 1, line, notes);
        }
        reader.finish(notes)
    }
}

/// What holds for playlists of either kind (section 4, 4.1, 4.3.1.1).
pub(super) fn check_text(text: &str, notes: &mut Notes<'_>) {
    if text.lines().next() != Some("#EXTM3U") {
        notes.note("4.3.1.1", 1, "the first line is not #EXTM3U");
    }
    if !text.ends_with('\n') {
        notes.note("4.1", text.lines().count(), "the last line has no end");
    }
    for (index, line) in text.split('\n').enumerate() {
        if line.strip_suffix('\r').unwrap_or(line).chars().any(|c| c.is_control() || c == '\u{feff}') {
            notes.note("4", index + 1, "a control character or byte order mark");
        }
    }
}

/// Where the reader stands: the segment that the tags so far belong to, and which tags have been.
#[derive(Default)]
struct Reader {
    media: Media,
    next: Segment,
    has_duration: bool,
    decimals: bool,
    map: Option<String>,
    once: Vec<&'static str>,
}

/// Tags of which there is at most one (4.3.1.2, 4.3.3, 4.3.5), and which come before the first segment (4.3.3.2, 4.3.3.3).
const ONCE: [&str; 6] = [
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-ENDLIST",
];

impl Reader {
    fn line(&mut self, line: usize, text: &str, notes: &mut Notes<'_>) {
        if !text.starts_with('#') {
            return self.segment(line, text, notes);
        }
        let (tag, value) = text.split_once(':').unwrap_or((text, ""));
        if let Some(known) = ONCE.into_iter().find(|known| *known == tag) {
            if self.once.contains(&known) {
                notes.note("4.3.3", line, format!("{tag} comes twice"));
            }
            self.once.push(known);
        }
        let number = |notes: &mut Notes<'_>, rule: &'static str| {
            integer(value).unwrap_or_else(|| {
                notes.note(rule, line, format!("{value:?} is no number"));
                0
            })
        };
        let begun = !self.media.segments.is_empty();
        match tag {
            "#EXT-X-VERSION" => self.media.version = number(notes, "4.3.1.2"),
            "#EXT-X-INDEPENDENT-SEGMENTS" => self.media.independent = true,
            "#EXT-X-TARGETDURATION" => self.media.target_s = number(notes, "4.3.3.1"),
            "#EXT-X-MEDIA-SEQUENCE" => {
                self.media.sequence = number(notes, "4.3.3.2");
                if begun {
                    notes.note("4.3.3.2", line, "EXT-X-MEDIA-SEQUENCE comes after a segment");
                }
            }
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.media.discontinuity_sequence = number(notes, "4.3.3.3");
                if begun || self.next.discontinuity {
                    let what = "EXT-X-DISCONTINUITY-SEQUENCE comes after a segment or a discontinuity";
                    notes.note("4.3.3.3", line, what);
                }
            }
            "#EXT-X-ENDLIST" => self.media.ended = true,
            "#EXT-X-DISCONTINUITY" => self.next.discontinuity = true,
            "#EXT-X-GAP" => self.next.gap = true,
            "#EXT-X-MAP" => self.map(line, value, notes),
            "#EXT-X-PROGRAM-DATE-TIME" => match value.parse() {
                Ok(date) => self.next.date = Some(date),
                Err(_) => notes.note("4.3.2.6", line, format!("{value:?} is no date with its zone")),
            },
            "#EXTINF" => self.duration(line, value, notes),
            "#EXT-X-DATERANGE" => self.date_range(line, value, notes),
            "#EXT-X-STREAM-INF" | "#EXT-X-MEDIA" | "#EXT-X-I-FRAME-STREAM-INF" => {
                notes.note("4.1", line, format!("{tag} belongs in a multivariant playlist"));
            }
            _ if tag.starts_with("#EXT") => {
                notes.note(
                    "4.1",
                    line,
                    format!("{tag} is no tag of a media playlist that this checker knows"),
                );
            }
            _ => {}
        }
    }

    fn duration(&mut self, line: usize, value: &str, notes: &mut Notes<'_>) {
        let (seconds, title) = value.split_once(',').unwrap_or_else(|| {
            notes.note("4.3.2.1", line, "EXTINF has no comma behind its duration");
            (value, "")
        });
        self.decimals |= seconds.contains('.');
        self.has_duration = true;
        self.next.title = title.to_owned();
        self.next.duration_us = micros(seconds).unwrap_or_else(|| {
            notes.note("4.3.2.1", line, format!("{seconds:?} is no duration of at most six decimals"));
            0
        });
    }

    fn map(&mut self, line: usize, value: &str, notes: &mut Notes<'_>) {
        match Attributes::read(value) {
            Ok(list) if list.string("URI").is_some() => self.map = list.string("URI").map(str::to_owned),
            Ok(_) => notes.note("4.3.2.5", line, "EXT-X-MAP has no URI"),
            Err(what) => notes.note("4.2", line, what),
        }
    }

    fn date_range(&mut self, line: usize, value: &str, notes: &mut Notes<'_>) {
        let list = match Attributes::read(value) {
            Ok(list) => list,
            Err(what) => return notes.note("4.2", line, what),
        };
        let date = |name: &str| list.string(name).and_then(|date| date.parse::<Timestamp>().ok());
        let (Some(id), Some(start)) = (list.string("ID"), date("START-DATE")) else {
            return notes.note("4.3.2.7", line, "EXT-X-DATERANGE without ID or START-DATE");
        };
        let end = date("END-DATE");
        if list.has("END-DATE") && end.is_none_or(|end| end < start) {
            notes.note("4.3.2.7", line, format!("{id:?} ends before it begins"));
        }
        if let (Some(end), true) = (end, list.has("DURATION")) {
            let us = end.as_microsecond() - start.as_microsecond();
            if list.micros("DURATION").is_none_or(|said| said.abs_diff(us.max(0) as u64) > 1_000) {
                notes.note(
                    "4.3.2.7",
                    line,
                    format!("the DURATION of {id:?} is not END-DATE less START-DATE"),
                );
            }
        }
        let known = ["ID", "CLASS", "START-DATE", "END-DATE", "DURATION", "PLANNED-DURATION", "END-ON-NEXT"];
        if let Some(name) = list.names().find(|n| !known.contains(n) && !n.starts_with("X-")) {
            notes.note("4.3.2.7", line, format!("{name} is no attribute of EXT-X-DATERANGE"));
        }
        if self.media.date_ranges.iter().any(|range| range.id == id) {
            notes.note("4.3.2.7", line, format!("{id:?} comes twice"));
        }
        self.media.date_ranges.push(DateRange {
            line,
            id: id.to_owned(),
            start,
            end,
            text: value.to_owned(),
        });
    }

    fn segment(&mut self, line: usize, uri: &str, notes: &mut Notes<'_>) {
        let media = &mut self.media;
        if !std::mem::take(&mut self.has_duration) {
            notes.note("4.3.2.1", line, format!("{uri} has no EXTINF"));
        }
        let outside = uri.contains("..") || uri.contains("://") || uri.starts_with('/');
        if outside || uri.contains(char::is_whitespace) {
            notes.note("4.1", line, format!("{uri:?} is no relative URI below the playlist"));
        }
        let mut segment = std::mem::take(&mut self.next);
        if segment.date.is_none() {
            notes.note("4.3.2.6", line, format!("{uri} has no EXT-X-PROGRAM-DATE-TIME"));
        }
        segment.discontinuities = media.discontinuities() + u64::from(segment.discontinuity);
        (segment.line, segment.uri) = (line, uri.to_owned());
        (segment.number, segment.map) = (media.next(), self.map.clone());
        media.segments.push(segment);
    }

    fn finish(self, notes: &mut Notes<'_>) -> Media {
        let Self { media, next, has_duration, decimals, map, once } = self;
        if !once.contains(&"#EXT-X-TARGETDURATION") {
            notes.note("4.3.3.1", 0, "there is no EXT-X-TARGETDURATION");
        }
        if has_duration || next != Segment::default() {
            notes.note("4.3.2", 0, "tags of a segment that does not come");
        }
        for segment in &media.segments {
            if (segment.duration_us + 500_000) / 1_000_000 > media.target_s {
                let what = format!("{} is longer than the target duration", segment.uri);
                notes.note("4.3.3.1", segment.line, what);
            }
        }
        let gaps = media.segments.iter().any(|segment| segment.gap);
        let needs = [(decimals, 3, "7"), (map.is_some(), 6, "7"), (gaps, 8, "bis 8")];
        for (uses, version, rule) in needs {
            if uses && media.version < version {
                let what = format!("what it uses needs EXT-X-VERSION {version}, it says {}", media.version);
                notes.note(rule, 0, what);
            }
        }
        media
    }
}
