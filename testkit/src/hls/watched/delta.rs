//! Delta updates (8216bis, 6.2.5.1): with what was had before, they are the playlist.

use super::{Seen, Watched};
use crate::hls::{Media, Notes, Origin, Segment};

impl Watched {
    /// Asks for a delta update and applies it to the text that was seen last, or to the next where there is a newer one.
    pub(super) fn ask_delta(&mut self, origin: &mut dyn Origin, late_s: f64, notes: &mut Notes<'_>) {
        let Some(text) = self.text(origin, "?_HLS_skip=YES", notes) else { return };
        let Some(before) = self.last.as_ref().map(|last| last.media.clone()) else { return };
        let delta = Media::read(&text, notes);
        let next = delta.next_part();
        if before.next_part() != next && !self.look(origin, "", late_s, notes) {
            return;
        }
        let Some(Seen { media, .. }) = &self.last else { return };
        if media.next_part() != next {
            let is_between = before.next_part() < next && next < media.next_part();
            if !is_between && !media.ended {
                let what =
                    format!("a delta update is of a playlist that goes to {next:?}, which there is not");
                notes.note("bis 6.2.5.1", 0, what);
            }
            return;
        }
        match apply(&before, &delta) {
            Ok(applied) => differ(&applied, media, notes),
            Err(what) => notes.note("bis 6.2.5.1", 0, what),
        }
        check_boundary(media, &delta, notes);
    }
}

/// A delta update applied to what was had before.
fn apply(before: &Media, delta: &Media) -> Result<Media, String> {
    let mut applied = Media { skipped: None, segments: Vec::new(), ..delta.clone() };
    for number in delta.sequence..delta.sequence + delta.skipped.unwrap_or(0) {
        let known = before.segments.iter().find(|segment| segment.number == number);
        applied
            .segments
            .push(known.ok_or_else(|| format!("a delta update skips {number}, which nobody knows"))?.clone());
    }
    applied.segments.extend(delta.segments.iter().cloned());
    let mut discontinuities = applied.discontinuity_sequence;
    for segment in applied.segments.iter_mut().chain(&mut applied.open) {
        discontinuities += u64::from(segment.discontinuity);
        segment.discontinuities = discontinuities;
    }
    Ok(applied)
}

/// What makes a playlist what it is to players: not where lines are, the version that a text needs, nor how far others are by now.
fn essence(media: &Media) -> Media {
    let mut media = Media { version: 0, reports: Vec::new(), ..media.clone() };
    let parts = |segment: &mut Segment| segment.parts.iter_mut().for_each(|part| part.line = 0);
    for segment in media.segments.iter_mut().chain(&mut media.open) {
        segment.line = 0;
        parts(segment);
    }
    media.date_ranges.iter_mut().for_each(|range| range.line = 0);
    media
}

fn differ(applied: &Media, media: &Media, notes: &mut Notes<'_>) {
    let (applied, media) = (essence(applied), essence(media));
    if applied == media {
        return;
    }
    let other = applied.all().zip(media.all()).find(|(applied, media)| applied != media);
    let what = match other {
        Some((applied, media)) => format!("a delta update makes {applied:?} of {media:?}"),
        None => "a delta update makes another playlist of what was had before".into(),
    };
    notes.note("bis 6.2.5.1", 0, what);
}

/// What is skipped lies beyond the skip boundary, and all that does is skipped.
fn check_boundary(media: &Media, delta: &Media, notes: &mut Notes<'_>) {
    let until_us = media.control.as_ref().and_then(|control| control.skip_until_us).unwrap_or(0);
    let mut rest_us: u64 = media.all().map(|segment| segment.duration_us).sum();
    let beyond = media.segments.iter().take_while(|segment| {
        rest_us -= segment.duration_us;
        rest_us >= until_us
    });
    let (may, does) = (beyond.count() as u64, delta.skipped.unwrap_or(0));
    if may != does {
        let what = format!("{may} segments are beyond the skip boundary, a delta update skips {does}");
        notes.note("bis 6.2.5.1", 0, what);
    }
}
