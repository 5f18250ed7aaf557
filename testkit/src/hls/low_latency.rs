//! The tags of Low-Latency HLS (8216bis): what each says, and what a text that has them must hold to by itself.

use super::attributes::Attributes;
use super::{Media, Notes, Segment};

/// `EXT-X-SERVER-CONTROL` (4.4.3.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// `CAN-BLOCK-RELOAD`.
    pub can_block: bool,
    /// `CAN-SKIP-UNTIL`, in microseconds.
    pub skip_until_us: Option<u64>,
    /// `CAN-SKIP-DATERANGES`.
    pub skip_date_ranges: bool,
    /// `HOLD-BACK`, in microseconds.
    pub hold_back_us: Option<u64>,
    /// `PART-HOLD-BACK`, in microseconds.
    pub part_hold_back_us: Option<u64>,
}

/// `EXT-X-PART` (4.4.4.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its line.
    pub line: usize,
    /// As written.
    pub uri: String,
    /// `DURATION`, in microseconds.
    pub duration_us: u64,
    /// `INDEPENDENT`.
    pub independent: bool,
    /// `GAP`: there is no file.
    pub gap: bool,
}

/// `EXT-X-RENDITION-REPORT` (4.4.5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its line.
    pub line: usize,
    /// The media playlist, as written.
    pub uri: String,
    /// `LAST-MSN`.
    pub number: u64,
    /// `LAST-PART`.
    pub part: Option<usize>,
}

impl Control {
    pub(super) fn read(line: usize, list: &Attributes, notes: &mut Notes<'_>) -> Self {
        let mut seconds = |name: &str| {
            if list.has(name) && list.micros(name).is_none() {
                notes.note("bis 4.4.3.8", line, format!("{name} is no number of seconds"));
            }
            list.micros(name)
        };
        Self {
            skip_until_us: seconds("CAN-SKIP-UNTIL"),
            hold_back_us: seconds("HOLD-BACK"),
            part_hold_back_us: seconds("PART-HOLD-BACK"),
            can_block: yes(line, list, "CAN-BLOCK-RELOAD", "bis 4.4.3.8", notes),
            skip_date_ranges: yes(line, list, "CAN-SKIP-DATERANGES", "bis 4.4.3.8", notes),
        }
    }
}

impl Part {
    pub(super) fn read(line: usize, list: &Attributes, notes: &mut Notes<'_>) -> Self {
        let (uri, duration_us) = (list.string("URI"), list.micros("DURATION"));
        if uri.is_none() || duration_us.is_none() {
            notes.note("bis 4.4.4.9", line, "EXT-X-PART without URI or DURATION");
        }
        let rule = "bis 4.4.4.9";
        Self {
            line,
            uri: uri.unwrap_or_default().to_owned(),
            duration_us: duration_us.unwrap_or(0),
            independent: yes(line, list, "INDEPENDENT", rule, notes),
            gap: yes(line, list, "GAP", rule, notes),
        }
    }

    /// What must be the same in every text that has it: not where it stands.
    pub(super) fn published(&self) -> Self {
        Self { line: 0, ..self.clone() }
    }
}

impl Report {
    /// Nothing where it says nothing.
    pub(super) fn read(line: usize, list: &Attributes, notes: &mut Notes<'_>) -> Option<Self> {
        let (uri, number) = (list.string("URI"), list.integer("LAST-MSN"));
        let part = list.integer("LAST-PART").and_then(|part| usize::try_from(part).ok());
        let (Some(uri), Some(number)) = (uri, number) else {
            notes.note("bis 4.4.5.4", line, "EXT-X-RENDITION-REPORT without URI or LAST-MSN");
            return None;
        };
        Some(Self { line, uri: uri.to_owned(), number, part })
    }

    /// As [`Media::last_part`].
    pub(super) fn last_part(&self) -> (u64, usize) {
        (self.number, self.part.unwrap_or(usize::MAX))
    }
}

/// The part that an `EXT-X-PRELOAD-HINT` names (4.4.5.3).
pub(super) fn hint(line: usize, list: &Attributes, notes: &mut Notes<'_>) -> Option<String> {
    let known = list.word("TYPE").filter(|kind| ["PART", "MAP"].contains(kind));
    let (Some(kind), Some(uri)) = (known, list.string("URI")) else {
        notes.note("bis 4.4.5.3", line, "EXT-X-PRELOAD-HINT without TYPE or URI");
        return None;
    };
    (kind == "PART").then(|| uri.to_owned())
}

/// How many segments an `EXT-X-SKIP` leaves out (4.4.5.2), and the version that it needs (8).
pub(super) fn skip(line: usize, list: &Attributes, notes: &mut Notes<'_>) -> (Option<u64>, u64) {
    let skipped = list.integer("SKIPPED-SEGMENTS");
    if skipped.is_none() {
        notes.note("bis 4.4.5.2", line, "EXT-X-SKIP without SKIPPED-SEGMENTS");
    }
    (skipped, if list.has("RECENTLY-REMOVED-DATERANGES") { 10 } else { 9 })
}

/// An attribute that has no other value than `YES`.
fn yes(line: usize, list: &Attributes, name: &str, rule: &'static str, notes: &mut Notes<'_>) -> bool {
    let is = list.word(name) == Some("YES");
    if list.has(name) && !is {
        notes.note(rule, line, format!("{name} can be YES alone"));
    }
    is
}

/// What a text must hold to by itself.
pub(super) fn check(media: &Media, notes: &mut Notes<'_>) {
    let (target_us, part_us) = (media.target_s * 1_000_000, media.part_target_us.unwrap_or(0));
    let control = media.control.clone().unwrap_or_default();
    // Of PART-HOLD-BACK two part targets are a must, and three what is recommended.
    let least = [
        ("HOLD-BACK", control.hold_back_us, 3 * target_us, "three target durations"),
        ("CAN-SKIP-UNTIL", control.skip_until_us, 6 * target_us, "six target durations"),
        ("PART-HOLD-BACK", control.part_hold_back_us, 3 * part_us, "three part targets"),
    ];
    for (name, said, least, what) in least {
        if let Some(said) = said.filter(|said| *said < least) {
            notes.note("bis 4.4.3.8", 0, format!("{name} of {said} us is less than {what}"));
        }
    }
    if control.skip_date_ranges && control.skip_until_us.is_none() {
        notes.note("bis 4.4.3.8", 0, "CAN-SKIP-DATERANGES without CAN-SKIP-UNTIL");
    }
    if media.part_target_us.is_some() && control.part_hold_back_us.is_none() {
        notes.note("bis 4.4.3.8", 0, "EXT-X-PART-INF without PART-HOLD-BACK");
    }
    if media.part_target_us.is_none() && media.all().any(|segment| !segment.parts.is_empty()) {
        notes.note("bis 4.4.3.7", 0, "parts without EXT-X-PART-INF");
    }
    if media.skipped.is_some() && (control.skip_until_us.is_none() || media.ended) {
        notes.note("bis 6.2.5.1", 0, "EXT-X-SKIP without CAN-SKIP-UNTIL, or with EXT-X-ENDLIST");
    }
    if media.ended && (media.hint.is_some() || media.open.is_some()) {
        let what = "EXT-X-ENDLIST, and a hint or parts of what does not come any more";
        notes.note("bis 4.4.5.3", 0, what);
    }
    let mut rest_us = 0;
    for segment in media.all().rev() {
        check_parts(segment, part_us, notes);
        if rest_us > 3 * target_us && !segment.parts.is_empty() {
            let what = format!("parts of {}, which ended {rest_us} us before the end", segment.number);
            notes.note("bis 6.2.2", segment.line, what);
        }
        rest_us += segment.duration_us;
    }
}

/// The lengths of a segment's parts.
fn check_parts(segment: &Segment, target_us: u64, notes: &mut Notes<'_>) {
    for (index, part) in segment.parts.iter().enumerate() {
        let (uri, lasts_us) = (&part.uri, part.duration_us);
        if lasts_us > target_us {
            notes.note("bis 4.4.4.9", part.line, format!("{uri} is longer than the part target"));
        }
        // The standard lets parts that players can begin with be shorter, too; those of audio would have no limit then.
        let followed = segment.parts.get(index + 1).filter(|next| !next.gap && !part.gap);
        if followed.is_some() && lasts_us * 100 < target_us * 85 {
            let what = format!("{uri} is shorter than 85 % of the part target, and not the last");
            notes.note("bis 4.4.4.9", part.line, what);
        }
    }
    // Each length is rounded to a microsecond by itself.
    let (sum_us, count) =
        (segment.parts.iter().map(|part| part.duration_us).sum::<u64>(), segment.parts.len());
    if count > 0 && !segment.gap && sum_us.abs_diff(segment.duration_us) > count as u64 {
        let what = format!("parts of {sum_us} us are {}, of {} us", segment.uri, segment.duration_us);
        notes.note("bis 4.4.4.9", segment.line, what);
    }
}
