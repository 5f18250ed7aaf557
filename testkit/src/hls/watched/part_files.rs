//! The files of parts: they stay as they are, each can be begun with, and a segment is nothing but its parts.

use super::parts::Place;
use super::{STAMP_US, Watched, micros};
use crate::hls::segment::container;
use crate::hls::{Notes, Origin, Segment, resolve};

impl Watched {
    /// Fetches parts that are new, and with `old` the first of those of segments of which they are told no more: for three target
    /// durations they must still be there (6.2.2).
    pub(super) fn fetch_parts(&mut self, origin: &mut dyn Origin, old: bool, notes: &mut Notes<'_>) {
        let Some(last) = &self.last else { return };
        let (target_us, now) = (last.media.target_s * 1_000_000, origin.now());
        let mut fresh = Vec::new();
        for (place, told) in self.parts.told.iter_mut().filter(|(_, told)| !told.part.gap) {
            let uri = &told.part.uri;
            let until = told.left.and_then(|(left, _)| left.checked_add(micros(3 * target_us)).ok());
            let (is_new, is_first) = (told.data.is_empty(), old && place.1 == 0);
            if !(is_new && until.is_none() || !is_new && is_first && until.is_some_and(|until| now < until)) {
                continue;
            }
            match origin.get(&resolve(&self.path, uri)) {
                Some(fetched) if is_new => {
                    let held = self.parts.held.remove(uri);
                    if held.is_some_and(|held| held != fetched.data) {
                        notes.note("6.2.1", 0, format!("{uri} has other bytes than when it was hinted"));
                    }
                    told.data = fetched.data;
                    fresh.push(*place);
                }
                Some(fetched) if fetched.data != told.data => {
                    notes.note("6.2.1", 0, format!("{uri} has other bytes than before"));
                }
                None if is_new => notes.note("6.2.1", 0, format!("{uri} is named, but not there")),
                None => {
                    // Time is what is published, and that is not even: a segment more is none.
                    let since = told.left.map_or(0, |(_, next)| next);
                    let lasts = self.kept.range(since..).map(|(_, kept)| kept.segment.duration_us);
                    let (sum_us, longest_us) = (lasts.clone().sum::<u64>(), lasts.max().unwrap_or(0));
                    if sum_us + longest_us < 3 * target_us {
                        let what = format!("{uri} is told no more, and gone after {sum_us} us");
                        notes.note("bis 6.2.2", 0, what);
                    }
                }
                Some(_) => {}
            }
        }
        for place in fresh {
            let Some(segment) = self.last.as_ref().and_then(|last| last.media.find(place.0)).cloned() else {
                continue;
            };
            if segment.map.as_ref().is_some_and(|map| !self.maps.contains_key(map)) {
                self.fetch_map(origin, &segment, notes);
            }
            self.hear_part(place, &segment, notes);
        }
    }

    /// Reads a part's bytes as a player does that begins with it.
    fn hear_part(&mut self, place: Place, segment: &Segment, notes: &mut Notes<'_>) {
        let before = place.1.checked_sub(1).and_then(|before| self.parts.told.get(&(place.0, before)));
        let due_us = before.and_then(|before| before.end_us);
        let Some(told) = self.parts.told.get_mut(&place) else { return };
        let (uri, said_us) = (&told.part.uri, told.part.duration_us);
        let Some(mut container) = container(uri) else {
            return notes.note("3", 0, format!("{uri} is of a kind that this checker does not read"));
        };
        if let Some(map) = segment.map.as_ref().and_then(|map| self.maps.get(map)) {
            // What is wrong with it is found where its segment is heard.
            let _ = container.init(map);
        }
        let heard = match container.part(&told.data) {
            Ok(heard) => heard,
            Err(what) => return notes.note("3", 0, format!("{uri} cannot be begun with: {what}")),
        };
        told.end_us = Some(heard.start_us + said_us as i64);
        let off_us = due_us.map_or(0, |due_us| heard.start_us - due_us);
        if off_us.abs() > STAMP_US {
            let what = format!("{uri} begins {off_us} us from where the part before ends, by time stamp");
            notes.note("bis 4.4.4.9", 0, what);
        }
        let true_us = heard.micros(heard.samples);
        // The last of a run may end within a packet.
        if said_us > true_us + 1 || true_us > said_us + 1 && true_us - said_us >= heard.micros(heard.packet) {
            let what = format!("DURATION of {uri} says {said_us} us, its audio lasts {true_us} us");
            notes.note("bis 4.4.4.9", 0, what);
        }
        if told.part.independent != heard.independent {
            let what = format!("INDEPENDENT of {uri} is {}, its audio is not so", told.part.independent);
            notes.note("bis 4.4.4.9", 0, what);
        }
    }

    /// A segment is its parts, one after the other.
    pub(super) fn join(&self, number: u64, notes: &mut Notes<'_>) {
        let has = |segment: &&Segment| !segment.parts.is_empty() && !segment.gap;
        let Some(segment) = self.last.as_ref().and_then(|last| last.media.find(number)).filter(has) else {
            return;
        };
        let (kept, parts) = (self.kept.get(&number), self.parts.data(number, 0));
        if let (Some(kept), Some(parts)) = (kept, parts)
            && kept.data != parts
        {
            let what = format!("{} has other bytes than its parts", segment.uri);
            notes.note("bis 4.4.4.9", segment.line, what);
        }
    }
}
