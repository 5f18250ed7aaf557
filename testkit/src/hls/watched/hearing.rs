//! The bytes of a segment, read as what follows those before.

use super::{STAMP_US, Watched};
use crate::hls::segment::{container, extension};
use crate::hls::{Notes, Segment};

impl Watched {
    /// Reads a new segment's bytes as what follows those before.
    pub(super) fn hear(&mut self, number: u64, independent: bool, notes: &mut Notes<'_>) {
        let before = number.checked_sub(1).and_then(|before| self.kept.get(&before));
        let Some(kept) = self.kept.get(&number) else { return };
        let segment = kept.segment.clone();
        let (uri, line) = (&segment.uri, segment.line);
        let unread = before.is_none_or(|before| before.heard.is_none() && !before.segment.gap);
        if segment.discontinuity || unread {
            (self.container, self.due_us, self.cut) = (None, None, None);
        }
        let kind = |segment: &Segment| (extension(&segment.uri).to_owned(), segment.map.clone());
        let changes = before.is_none_or(|before| kind(&before.segment) != kind(&segment));
        if changes || self.container.is_none() {
            self.container = container(uri);
            let map = segment.map.as_ref().and_then(|map| self.maps.get(map));
            if let (Some(container), Some(map)) = (&mut self.container, map)
                && let Err(what) = container.init(map)
            {
                notes.note("4.3.2.5", line, format!("the EXT-X-MAP of {uri}: {what}"));
            }
        }
        let Some(container) = &mut self.container else {
            return notes.note("3", line, format!("{uri} is of a kind that this checker does not read"));
        };
        // Gaps before it have no bytes of their own.
        let gaps = self.kept.range(..number).rev().take_while(|(_, kept)| kept.segment.gap);
        let gaps_us: Vec<_> = gaps.map(|(_, kept)| kept.segment.duration_us as i64).collect();
        if !gaps_us.is_empty() && !segment.discontinuity {
            container.pause();
            self.due_us = self.due_us.map(|due_us| due_us + gaps_us.iter().sum::<i64>());
        }
        let heard = match container.segment(&kept.data) {
            Ok(heard) => heard,
            Err(what) => {
                (self.container, self.due_us) = (None, None);
                return notes.note("3", line, format!("{uri}: {what}"));
            }
        };
        let off_us = self.due_us.map_or(0, |due_us| heard.start_us - due_us);
        if off_us.abs() > STAMP_US {
            let what = format!("{uri} begins {off_us} us from where the one before ends, by time stamp");
            notes.note("4.3.2.3", line, what);
        }
        self.due_us = Some(heard.start_us + segment.duration_us as i64);
        let (said_us, true_us) = (segment.duration_us, heard.micros(heard.samples));
        if self.cut.take().is_some() {
            notes.note("4.3.2.1", line, format!("the segment before {uri} ends within a packet"));
        }
        if said_us.abs_diff(true_us) > 1 {
            if said_us > true_us || true_us - said_us >= heard.micros(heard.packet) {
                let what = format!("EXTINF of {uri} says {said_us} us, its audio lasts {true_us} us");
                notes.note("4.3.2.1", line, what);
            } else {
                self.cut = Some(number);
            }
        }
        if independent && !heard.independent {
            let what = format!("{uri} needs the one before it, despite EXT-X-INDEPENDENT-SEGMENTS");
            notes.note("4.3.5.1", line, what);
        }
        if let Some(kept) = self.kept.get_mut(&number) {
            kept.heard = Some(heard);
        }
    }
}
