//! Reads one text of a media playlist, tag by tag, and notes what breaks the grammar.

use jiff::Timestamp;

use super::attributes::{Attributes, integer, micros};
use super::low_latency::{Control, Part, Report, hint, skip};
use super::{DateRange, Media, Notes, Segment};

/// Where the reader stands: the segment that the tags so far belong to, and which tags have been.
#[derive(Default)]
pub(super) struct Reader {
    media: Media,
    next: Segment,
    has_duration: bool,
    decimals: bool,
    map: Option<String>,
    once: Vec<&'static str>,
    /// The version that `EXT-X-SKIP` needs.
    skip_version: u64,
}

/// Tags of which there is at most one (4.3.1.2, 4.3.3, 4.3.5; 8216bis, 4.4.3, 4.4.5).
const ONCE: [&str; 9] = [
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-ENDLIST",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-PART-INF",
    "#EXT-X-SKIP",
];

impl Reader {
    /// Takes a line that is not empty, counted from 1 on.
    pub(super) fn line(&mut self, line: usize, text: &str, notes: &mut Notes<'_>) {
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
        let of_segment = ["#EXT-X-DISCONTINUITY", "#EXT-X-MAP", "#EXT-X-PROGRAM-DATE-TIME"];
        if of_segment.contains(&tag) && !self.next.parts.is_empty() {
            notes.note("bis 4.4.4.9", line, format!("{tag} comes after a part of its segment"));
        }
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
            "#EXT-X-SERVER-CONTROL"
            | "#EXT-X-PART-INF"
            | "#EXT-X-PART"
            | "#EXT-X-PRELOAD-HINT"
            | "#EXT-X-RENDITION-REPORT"
            | "#EXT-X-SKIP" => match Attributes::read(value) {
                Ok(list) => self.low_latency(line, tag, &list, notes),
                Err(what) => notes.note("4.2", line, what),
            },
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

    /// A tag of Low-Latency HLS.
    fn low_latency(&mut self, line: usize, tag: &str, list: &Attributes, notes: &mut Notes<'_>) {
        let media = &mut self.media;
        match tag {
            "#EXT-X-SERVER-CONTROL" => media.control = Some(Control::read(line, list, notes)),
            "#EXT-X-PART-INF" => {
                media.part_target_us = list.micros("PART-TARGET");
                if media.part_target_us.is_none() {
                    notes.note("bis 4.4.3.7", line, "no PART-TARGET in seconds");
                }
            }
            "#EXT-X-PART" => {
                let part = Part::read(line, list, notes);
                check_uri(&part.uri, line, notes);
                // As in the EXTINF that is to come.
                self.decimals = true;
                if !self.has_duration {
                    self.next.duration_us += part.duration_us;
                }
                self.next.parts.push(part);
            }
            "#EXT-X-PRELOAD-HINT" => {
                if let Some(uri) = hint(line, list, notes) {
                    check_uri(&uri, line, notes);
                    if media.hint.replace(uri).is_some() {
                        notes.note("bis 6.2.6", line, "a second EXT-X-PRELOAD-HINT of a part");
                    }
                }
            }
            "#EXT-X-RENDITION-REPORT" => media.reports.extend(Report::read(line, list, notes)),
            _ => {
                if !media.segments.is_empty() {
                    notes.note("bis 4.4.5.2", line, "EXT-X-SKIP comes after a segment");
                }
                (media.skipped, self.skip_version) = skip(line, list, notes);
            }
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
        if !std::mem::take(&mut self.has_duration) {
            notes.note("4.3.2.1", line, format!("{uri} has no EXTINF"));
        }
        check_uri(uri, line, notes);
        let segment = self.ended_at(line, uri, notes);
        self.media.segments.push(segment);
    }

    /// The segment that the tags so far belong to.
    fn ended_at(&mut self, line: usize, uri: &str, notes: &mut Notes<'_>) -> Segment {
        let mut segment = std::mem::take(&mut self.next);
        if segment.date.is_none() {
            let what = if uri.is_empty() { "the segment under way" } else { uri };
            notes.note("4.3.2.6", line, format!("{what} has no EXT-X-PROGRAM-DATE-TIME"));
        }
        segment.discontinuities = self.media.discontinuities() + u64::from(segment.discontinuity);
        (segment.line, segment.uri) = (line, uri.to_owned());
        (segment.number, segment.map) = (self.media.next(), self.map.clone());
        segment
    }

    /// What was read.
    pub(super) fn finish(mut self, notes: &mut Notes<'_>) -> Media {
        let last = self.next.parts.last().filter(|_| !self.has_duration && !self.next.gap);
        let open = last.map(|part| part.line).map(|line| self.ended_at(line, "", notes));
        let Self { mut media, next, has_duration, decimals, map, once, skip_version } = self;
        media.open = open;
        if !once.contains(&"#EXT-X-VERSION") {
            media.version = 1;
        }
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
        let skips = media.skipped.is_some();
        let needs =
            [(decimals, 3, "7"), (map.is_some(), 6, "7"), (gaps, 8, "bis 8"), (skips, skip_version, "bis 8")];
        for (uses, version, rule) in needs {
            if uses && media.version < version {
                let what = format!("what it uses needs EXT-X-VERSION {version}, it says {}", media.version);
                notes.note(rule, 0, what);
            }
        }
        let used = needs.iter().filter(|(uses, ..)| *uses).map(|(_, version, _)| *version).max();
        if media.version > used.unwrap_or(1) {
            let what = format!("EXT-X-VERSION {} is more than what it uses needs", media.version);
            notes.note("bis 6.2.1", 0, what);
        }
        media
    }
}

/// A segment or part lies where its playlist does, or below.
fn check_uri(uri: &str, line: usize, notes: &mut Notes<'_>) {
    let outside = uri.contains("..") || uri.contains("://") || uri.starts_with('/');
    if outside || uri.contains(char::is_whitespace) {
        notes.note("4.1", line, format!("{uri:?} is no relative URI below the playlist"));
    }
}
