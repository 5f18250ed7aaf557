//! Parts from poll to poll (8216bis): none changes, and what was hinted comes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::hls::{Control, Media, Notes, Part, Segment};

/// Number of a segment, and which of its parts.
pub(super) type Place = (u64, usize);

/// The parts of a media playlist.
#[derive(Default)]
pub(in crate::hls) struct Parts {
    /// All that were ever told.
    pub(super) told: BTreeMap<Place, Told>,
    names: BTreeMap<String, Place>,
    /// What a part was hinted to be called, until it has come or is given up.
    hinted: BTreeMap<Place, String>,
    /// Bytes that came when a hint was asked for.
    pub(super) held: BTreeMap<String, Vec<u8>>,
    /// The segment under way, as it was last.
    open: Option<Segment>,
    /// What servers do, and how long parts are.
    promised: Option<(Option<Control>, Option<u64>)>,
}

/// A part that was told.
pub(super) struct Told {
    pub(super) part: Part,
    pub(super) data: Vec<u8>,
    /// Where it ends by its time stamp and length, in microseconds.
    pub(super) end_us: Option<i64>,
    /// When it was told last, and the number that was to come next then.
    pub(super) left: Option<(Timestamp, u64)>,
}

impl Parts {
    /// The bytes of a segment's parts from one on; nothing where one is not known.
    pub(in crate::hls) fn data(&self, number: u64, from: usize) -> Option<Vec<u8>> {
        let parts = self.told.range((number, from)..(number + 1, 0)).map(|(_, told)| &told.data);
        parts.clone().all(|data| !data.is_empty()).then(|| parts.flatten().copied().collect())
    }

    /// How long they are, in microseconds, from one on.
    pub(in crate::hls) fn duration_us(&self, number: u64, from: usize) -> u64 {
        self.told.range((number, from)..(number + 1, 0)).map(|(_, told)| told.part.duration_us).sum()
    }

    /// Whether a part of that name was told.
    pub(super) fn has(&self, uri: &str) -> bool {
        self.names.contains_key(uri)
    }

    /// Takes in a text, after the one before, which was asked for then.
    pub(super) fn follow(
        &mut self,
        last: Option<(&Media, Timestamp)>,
        now: &Media,
        reopens: bool,
        notes: &mut Notes<'_>,
    ) {
        if !now.ended {
            let says = (now.control.clone(), now.part_target_us);
            let before = self.promised.replace(says.clone());
            if before.as_ref().is_some_and(|before| *before != says) {
                let what = format!("EXT-X-SERVER-CONTROL or PART-TARGET was {before:?}, is {says:?}");
                notes.note("bis 6.2.1", 0, what);
            }
        }
        now.all().for_each(|segment| self.enter(segment, notes));
        if let Some((before, asked)) = last {
            self.leave(before, asked, now, notes);
        }
        self.end(now, notes);
        if reopens {
            self.hinted.clear();
        }
        self.decide(now, notes);
        if let Some(hint) = &now.hint {
            let before = self.hinted.insert(now.next_part(), hint.clone());
            if let Some(before) = before.filter(|before| before != hint) {
                notes.note("bis 4.4.5.3", 0, format!("the hint was {before}, is {hint}"));
            }
        }
    }

    /// What is new, and what was there before and must be as it was.
    fn enter(&mut self, segment: &Segment, notes: &mut Notes<'_>) {
        let number = segment.number;
        for (index, part) in segment.parts.iter().enumerate() {
            let place = (number, index);
            if let Some(known) = self.told.get(&place) {
                let (was, is) = (&known.part, part.published());
                if *was != is {
                    notes.note("6.2.1", part.line, format!("part {place:?} was {was:?}, is {is:?}"));
                }
                continue;
            }
            if let Some(other) = self.names.insert(part.uri.clone(), place) {
                notes.note("6.2.1", part.line, format!("{} was the name of part {other:?}", part.uri));
            }
            let told = Told { part: part.published(), data: Vec::new(), end_us: None, left: None };
            self.told.insert(place, told);
        }
        let known = self.told.range((number, 0)..(number + 1, 0)).count();
        if !segment.parts.is_empty() && known > segment.parts.len() {
            let what = format!("{number} had {known} parts, has {}", segment.parts.len());
            notes.note("6.2.1", segment.line, what);
        }
    }

    /// Parts leave in their order (6.2.2). A segment that was under way may lose them when it is complete or given up.
    fn leave(&mut self, before: &Media, asked: Timestamp, now: &Media, notes: &mut Notes<'_>) {
        let has = |segment: &&Segment| !segment.parts.is_empty();
        let first = now.all().find(has).map_or(u64::MAX, |segment| segment.number);
        for segment in before.segments.iter().filter(has) {
            let number = segment.number;
            let has_lost = now.find(number).is_some_and(|segment| segment.parts.is_empty());
            if has_lost && first < number {
                let what = format!("parts of {number} are gone before those of {first}");
                notes.note("bis 6.2.2", segment.line, what);
            }
        }
        let there = (asked, before.next());
        for (place, told) in self.told.iter_mut().filter(|(_, told)| told.left.is_none()) {
            if now.find(place.0).is_none_or(|segment| segment.parts.is_empty()) {
                told.left = Some(there);
            }
        }
    }

    /// A segment of which parts were told ends as what it began as.
    fn end(&mut self, now: &Media, notes: &mut Notes<'_>) {
        let before = std::mem::replace(&mut self.open, now.open.clone());
        let Some(before) = before.filter(|before| before.number >= now.sequence) else { return };
        let number = before.number;
        let Some(segment) = now.find(number) else {
            return notes.note("6.2.1", 0, format!("parts of {number} were told, and it does not come"));
        };
        let began = |segment: &Segment| (segment.date, segment.discontinuity, segment.map.clone());
        if began(&before) != began(segment) {
            let what = format!("{number} began as {:?}, is {:?}", began(&before), began(segment));
            notes.note("6.2.1", segment.line, what);
        }
    }

    /// What was hinted comes next, under that name, or is given up (4.4.5.3, 6.2.6).
    fn decide(&mut self, now: &Media, notes: &mut Notes<'_>) {
        self.hinted.retain(|place, hint| match fate(*place, now) {
            Fate::Open => true,
            Fate::GivenUp => false,
            Fate::Came(part) => {
                if part.uri != *hint {
                    let what = format!("{} comes where {hint} was hinted", part.uri);
                    notes.note("bis 4.4.5.3", part.line, what);
                }
                false
            }
        });
    }
}

/// What has become of a hint.
enum Fate<'a> {
    Open,
    GivenUp,
    Came(&'a Part),
}

fn fate((number, index): Place, now: &Media) -> Fate<'_> {
    let first = |segment: &'_ Segment| segment.parts.is_empty() || segment.gap || segment.discontinuity;
    match (now.find(number), now.find(number + 1)) {
        _ if now.ended => Fate::GivenUp,
        _ if (number, index) >= now.next_part() => Fate::Open,
        (Some(segment), _) if !segment.gap && index < segment.parts.len() => {
            Fate::Came(&segment.parts[index])
        }
        (Some(segment), _) if segment.gap || segment.parts.is_empty() => Fate::GivenUp,
        // The segment has ended with the part before: it is the first of the next.
        (Some(_), None) => Fate::Open,
        (Some(_), Some(next)) if !first(next) => Fate::Came(&next.parts[0]),
        _ => Fate::GivenUp,
    }
}
