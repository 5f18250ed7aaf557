//! The files that a media playlist names.

use std::collections::BTreeMap;

use super::{Kept, Watched, micros};
use crate::hls::{Notes, Origin, Segment, micros_between, resolve};

impl Watched {
    /// Fetches what is named, and what has left and must still be there, and sees that it is as it was.
    pub(super) fn fetch(&mut self, origin: &mut dyn Origin, notes: &mut Notes<'_>) {
        let Some(last) = &self.last else { return };
        let (first, next, target_us) =
            (last.media.sequence, last.media.next(), last.media.target_s * 1_000_000);
        // What was there before is looked at once for each segment that comes.
        let is_new = |kept: &Kept| kept.data.is_empty() && !kept.segment.gap;
        let has_new = self.kept.range(first..next).any(|(_, kept)| is_new(kept));
        let independent = last.media.independent;
        self.fetch_parts(origin, has_new, notes);
        if !has_new {
            return;
        }
        let durations: BTreeMap<u64, u64> =
            self.kept.iter().map(|(number, kept)| (*number, kept.segment.duration_us)).collect();
        let mut fresh = Vec::new();
        for (number, kept) in self.kept.range_mut(..next).filter(|(_, kept)| !kept.segment.gap) {
            let (uri, line) = (&kept.segment.uri, kept.segment.line);
            let lasts_us = kept.segment.duration_us + kept.longest_us;
            let until = kept.left.and_then(|(left, _)| left.checked_add(micros(lasts_us)).ok());
            if until.is_some_and(|until| until < origin.now()) {
                continue;
            }
            let fetched = origin.get(&resolve(&self.path, uri)).map(|fetched| fetched.data);
            let is_new = kept.data.is_empty();
            match (fetched, until) {
                (Some(data), _) if is_new => {
                    kept.data = data;
                    fresh.push(*number);
                }
                (Some(data), _) if data != kept.data => {
                    notes.note("6.2.1", line, format!("{uri} has other bytes than before"));
                }
                (None, None) if *number >= first => {
                    notes.note("6.2.1", line, format!("{uri} is named, but not there"));
                }
                (None, Some(until)) => {
                    // Publishing is not even: a target duration early is none, nor is what was published for as long.
                    let early_us = micros_between(origin.now(), until);
                    let since = durations.range(kept.left.map_or(0, |(_, next)| next)..);
                    let published_us: u64 = since.map(|(_, duration_us)| duration_us).sum();
                    if early_us > target_us as i64 && published_us + target_us < lasts_us {
                        let what =
                            format!("{uri} has left the playlist and is gone too early, by {early_us} us");
                        notes.note("6.2.2", line, what);
                    }
                }
                _ => {}
            }
        }
        for number in fresh {
            let Some(segment) = self.kept.get(&number).map(|kept| kept.segment.clone()) else { continue };
            self.fetch_map(origin, &segment, notes);
            self.join(number, notes);
            self.hear(number, independent, notes);
        }
    }

    /// Fetches what decoders need before a segment.
    pub(super) fn fetch_map(&mut self, origin: &mut dyn Origin, segment: &Segment, notes: &mut Notes<'_>) {
        let Some(uri) = &segment.map else { return };
        match (origin.get(&resolve(&self.path, uri)), self.maps.get(uri)) {
            (Some(fetched), Some(known)) if fetched.data != *known => {
                notes.note("6.2.1", segment.line, format!("{uri} has other bytes than before"));
            }
            (Some(fetched), _) => {
                self.maps.insert(uri.clone(), fetched.data);
            }
            (None, _) => {
                notes.note("4.3.2.5", segment.line, format!("EXT-X-MAP {uri} is not there"));
            }
        }
    }
}
