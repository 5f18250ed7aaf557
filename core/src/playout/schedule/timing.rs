//! When items follow each other, worked out from their lengths by the rules of the mixer
//! ([`Program`](crate::program)), and where a programme stands that began at some time.

use crate::Frames;

/// How a station's items are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joining {
    /// Frames of the crossfade.
    pub crossfade: Frames,
    /// Frames decoded ahead: of a longer item the mixer does not see the end when it begins.
    pub sight: Frames,
}

impl Joining {
    /// How far an item of `length` frames reaches over the end of the one before it.
    pub fn overlap(&self, length: Frames) -> Frames {
        if length > self.sight { self.crossfade } else { self.crossfade.min(length / 2) }
    }
}

/// An item as far as time is concerned, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// From cue in to cue out.
    pub length: Frames,
    /// Where in it the next one starts, if it says so.
    pub start_next: Option<Frames>,
    /// The fade at its start, if it has its own.
    pub fade_in: Option<Frames>,
}

impl Part {
    /// Frames from its start to the start of `next`.
    pub fn until_next(&self, next: &Self, joining: &Joining) -> Frames {
        if let Some(start_next) = self.start_next {
            return start_next.min(self.length);
        }
        // It must have risen before it falls.
        let risen = self.fade_in.unwrap_or(joining.overlap(self.length)).min(self.length / 2);
        self.length.saturating_sub(joining.overlap(next.length)).max(risen)
    }
}

/// A place in a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The item that plays.
    pub index: usize,
    /// Frames of it that are over.
    pub offset: Frames,
    /// Times that the playlist has come to its end.
    pub round: u64,
}

/// Where a playlist stands `elapsed` frames after it began; `None` when it is over or has no length. Where two items
/// overlap, it is the one that comes.
pub fn join(parts: &[Part], elapsed: Frames, looped: bool, joining: &Joining) -> Option<Joined> {
    let mut starts = Vec::with_capacity(parts.len());
    let mut start: Frames = 0;
    for (index, part) in parts.iter().enumerate() {
        starts.push(start);
        let next = parts.get(index + 1).or(parts.first().filter(|_| looped));
        start = start.saturating_add(next.map_or(part.length, |next| part.until_next(next, joining)));
    }
    let (round, position) = match (looped, start) {
        (_, 0) => return None,
        (true, total) => (elapsed / total, elapsed % total),
        (false, total) if elapsed >= total => return None,
        (false, _) => (0, elapsed),
    };
    let index = starts.partition_point(|start| *start <= position).checked_sub(1)?;
    Some(Joined { index, offset: position - starts.get(index)?, round })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(length: Frames) -> Part {
        Part { length, ..Part::default() }
    }

    const GAPLESS: Joining = Joining { crossfade: 0, sight: 72_000 };

    #[test]
    fn a_looped_playlist_stands_where_the_clock_says() {
        let parts = [part(100), part(50), part(25)];
        let at = |elapsed| join(&parts, elapsed, true, &GAPLESS).map(|j| (j.index, j.offset, j.round));
        assert_eq!(at(0), Some((0, 0, 0)));
        assert_eq!(at(99), Some((0, 99, 0)));
        assert_eq!(at(100), Some((1, 0, 0)));
        assert_eq!(at(174), Some((2, 24, 0)));
        assert_eq!(at(175), Some((0, 0, 1)));
        assert_eq!(at(175 * 1_000_000 + 120), Some((1, 20, 1_000_000)));
    }

    #[test]
    fn a_playlist_that_is_over_has_no_place() {
        let parts = [part(100), part(50)];
        assert_eq!(join(&parts, 149, false, &GAPLESS).map(|j| (j.index, j.offset)), Some((1, 49)));
        assert_eq!(join(&parts, 150, false, &GAPLESS), None);
        assert_eq!(join(&[], 0, true, &GAPLESS), None);
        assert_eq!(join(&[part(0)], 0, true, &GAPLESS), None);
    }

    #[test]
    fn crossfades_shorten_a_round_at_each_seam() {
        let joining = Joining { crossfade: 30, sight: 1000 };
        let parts = [part(100), part(200), part(40)];
        // 100 - 30, then 200 - 20 (half of the short one), then 40 - 30 but no sooner than it has risen.
        let at = |elapsed| join(&parts, elapsed, true, &joining).map(|j| (j.index, j.offset));
        assert_eq!(at(69), Some((0, 69)));
        assert_eq!(at(70), Some((1, 0)));
        assert_eq!(at(249), Some((1, 179)));
        assert_eq!(at(250), Some((2, 0)));
        assert_eq!(at(269), Some((2, 19)));
        assert_eq!(at(270), Some((0, 0)));
    }

    #[test]
    fn what_an_item_says_of_its_next_counts() {
        let joining = Joining { crossfade: 30, sight: 1000 };
        let parts = [Part { start_next: Some(80), ..part(100) }, part(100)];
        assert_eq!(join(&parts, 80, true, &joining).map(|j| (j.index, j.offset)), Some((1, 0)));
        let beyond = Part { start_next: Some(800), ..part(100) };
        assert_eq!(beyond.until_next(&part(100), &joining), 100);
    }

    #[test]
    fn an_end_out_of_sight_is_overlapped_in_full() {
        let joining = Joining { crossfade: 100, sight: 150 };
        assert_eq!(part(500).until_next(&part(140), &joining), 430);
        assert_eq!(part(500).until_next(&part(160), &joining), 400);
    }
}
