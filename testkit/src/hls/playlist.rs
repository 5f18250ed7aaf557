//! One text of a media playlist, held to the grammar of RFC 8216, section 4.

use jiff::Timestamp;

use super::low_latency::{Control, Part, Report};
use super::reader::Reader;
use super::{Notes, low_latency};

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
    /// `EXT-X-SERVER-CONTROL`.
    pub control: Option<Control>,
    /// `PART-TARGET` of `EXT-X-PART-INF`, in microseconds.
    pub part_target_us: Option<u64>,
    /// The segment under way, as long as the parts that there are of it: without a URI.
    pub open: Option<Segment>,
    /// `EXT-X-PRELOAD-HINT`: URI of the next part.
    pub hint: Option<String>,
    /// `EXT-X-RENDITION-REPORT` tags, in their order.
    pub reports: Vec<Report>,
    /// `EXT-X-SKIP`: segments that a delta update leaves out, before its first.
    pub skipped: Option<u64>,
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
    /// Its `EXT-X-PART` tags.
    pub parts: Vec<Part>,
}

impl Segment {
    /// What must be the same in every text that has it: not where it stands, nor whether its parts are told.
    pub fn published(&self) -> Self {
        Self { line: 0, parts: Vec::new(), ..self.clone() }
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
        self.sequence + self.skipped.unwrap_or(0) + self.segments.len() as u64
    }

    /// Number of the segment that the next part is of, and which of its parts that is.
    pub fn next_part(&self) -> (u64, usize) {
        self.open.as_ref().map_or((self.next(), 0), |open| (open.number, open.parts.len()))
    }

    /// Number of the segment that the last part is of, and which of its parts that is; the segment as a whole where no parts of it
    /// are told.
    pub fn last_part(&self) -> Option<(u64, usize)> {
        let last = self.all().next_back()?;
        Some((last.number, last.parts.len().checked_sub(1).unwrap_or(usize::MAX)))
    }

    /// Its segments and what there is of the next.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().chain(&self.open)
    }

    /// The segment of a number.
    pub fn find(&self, number: u64) -> Option<&Segment> {
        self.all().find(|segment| segment.number == number)
    }

    /// How long it is, in microseconds.
    pub fn duration_us(&self) -> u64 {
        self.segments.iter().map(|segment| segment.duration_us).sum()
    }

    /// Discontinuities up to its end.
    pub fn discontinuities(&self) -> u64 {
        self.segments.last().map_or(self.discontinuity_sequence, |segment| segment.discontinuities)
    }

    /// Reads a text that breaks no rule, as it is at the moment.
    ///
    /// # Panics
    /// Where it breaks one.
    pub fn of(text: &str) -> Self {
        let mut found = Vec::new();
        let media = Self::read(text, &mut Notes { playlist: "playlist", found: &mut found });
        assert!(found.is_empty(), "{found:#?}\n{text}");
        media
    }

    /// Reads a text and notes what is wrong with it.
    pub(super) fn read(text: &str, notes: &mut Notes<'_>) -> Self {
        check_text(text, notes);
        let mut reader = Reader::default();
        for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            reader.line(index + 1, line, notes);
        }
        let media = reader.finish(notes);
        low_latency::check(&media, notes);
        media
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
