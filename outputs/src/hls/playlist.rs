//! The media playlist (RFC 8216): a window over what is published, to text and back.

use std::collections::VecDeque;
use std::fmt::Write as _;

use jiff::Timestamp;

/// A published segment. None of this ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    /// When its first frame was on air, to the millisecond.
    pub(crate) date: Timestamp,
    pub(crate) duration_us: u64,
    /// It does not continue the one before.
    pub(crate) discontinuity: bool,
    /// Size of its file.
    pub(crate) bytes: u64,
    /// There is no file: this stretch of the programme is missing here. Players pass over it or take another rendition.
    pub(crate) gap: bool,
}

impl Entry {
    pub(crate) fn name(&self) -> String {
        segment_name(self.date, self.sequence)
    }
}

/// Name of a segment: when it begins, in milliseconds of Unix time, and its sequence number. Never used twice.
fn segment_name(date: Timestamp, sequence: u64) -> String {
    format!("{}-{sequence}.ts", date.as_millisecond())
}

/// Date and sequence number of a name that [`segment_name`] made; nothing for any other.
pub(crate) fn parse_segment_name(name: &str) -> Option<(Timestamp, u64)> {
    let (millis, sequence) = name.strip_suffix(".ts")?.split_once('-')?;
    let (date, sequence) = (Timestamp::from_millisecond(millis.parse().ok()?).ok()?, sequence.parse().ok()?);
    (segment_name(date, sequence) == name).then_some((date, sequence))
}

/// The playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Playlist {
    pub(crate) target_s: u64,
    /// Sequence number of the next segment.
    pub(crate) next: u64,
    /// Discontinuities before the first entry.
    pub(crate) discontinuities: u64,
    pub(crate) entries: VecDeque<Entry>,
    /// Nothing more will come.
    pub(crate) ended: bool,
}

impl Playlist {
    /// An empty one.
    pub(crate) fn new(target_s: u64, next: u64) -> Self {
        Self { target_s, next, discontinuities: 0, entries: VecDeque::new(), ended: false }
    }

    /// Takes the oldest entry out of the window.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.discontinuities += u64::from(entry.discontinuity);
        Some(entry)
    }

    /// Discontinuities up to the last entry.
    pub(crate) fn discontinuities_so_far(&self) -> u64 {
        self.discontinuities + self.entries.iter().filter(|entry| entry.discontinuity).count() as u64
    }

    /// Whether the oldest entry is beyond a window of `size`, and may go: what stays must be three target durations
    /// long (RFC 8216, 6.2.2).
    pub(crate) fn overfull(&self, size: usize) -> bool {
        let rest: u64 = self.entries.iter().skip(1).map(|entry| entry.duration_us).sum();
        self.entries.len() > size && rest >= self.target_s * 3_000_000
    }

    /// The text.
    pub(crate) fn render(&self) -> String {
        let mut out = String::with_capacity(256 + self.entries.len() * 128);
        let first = self.entries.front().map_or(self.next, |entry| entry.sequence);
        let version = if self.entries.iter().any(|entry| entry.gap) { 8 } else { 3 };
        let _ = write!(
            out,
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            self.target_s, self.discontinuities,
        );
        for entry in &self.entries {
            if entry.discontinuity {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if entry.gap {
                out.push_str("#EXT-X-GAP\n");
            }
            let (seconds, micros) = (entry.duration_us / 1_000_000, entry.duration_us % 1_000_000);
            let _ = write!(
                out,
                "#EXT-X-PROGRAM-DATE-TIME:{:.3}\n#EXTINF:{seconds}.{micros:06},\n{}\n",
                entry.date,
                entry.name(),
            );
        }
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }

    /// Reads what [`Self::render`] wrote. Anything else, damaged or made by others, is nothing.
    /// The sizes of the entries are not in it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut playlist = Self::new(0, 0);
        (lines.next()? == "#EXTM3U" && text.ends_with('\n')).then_some(())?;
        let (mut discontinuity, mut gap, mut date, mut duration_us) = (false, false, None, None);
        for line in lines {
            if playlist.ended {
                return None;
            } else if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
                playlist.target_s = value.parse().ok().filter(|target| *target > 0)?;
            } else if let Some(value) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                playlist.next = value.parse().ok()?;
            } else if let Some(value) = line.strip_prefix("#EXT-X-DISCONTINUITY-SEQUENCE:") {
                playlist.discontinuities = value.parse().ok()?;
            } else if line == "#EXT-X-DISCONTINUITY" {
                discontinuity = true;
            } else if line == "#EXT-X-GAP" {
                gap = true;
            } else if let Some(value) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                date = value.parse().ok();
            } else if let Some(value) = line.strip_prefix("#EXTINF:") {
                let (seconds, micros) = value.strip_suffix(',')?.split_once('.')?;
                let seconds: u64 = seconds.parse().ok().filter(|s| *s < 86_400)?;
                let micros: u64 = micros.parse().ok().filter(|_| micros.len() == 6)?;
                duration_us = Some(seconds * 1_000_000 + micros);
            } else if line == "#EXT-X-ENDLIST" {
                playlist.ended = true;
            } else if !line.starts_with('#') {
                let sequence = playlist.next;
                let (date, duration_us) = (date.take()?, duration_us.take()?);
                (parse_segment_name(line)? == (date, sequence)).then_some(())?;
                let (discontinuity, gap) = (std::mem::take(&mut discontinuity), std::mem::take(&mut gap));
                let entry = Entry { sequence, date, duration_us, discontinuity, bytes: 0, gap };
                playlist.entries.push_back(entry);
                playlist.next = sequence.checked_add(1)?;
            }
        }
        (playlist.target_s > 0).then_some(playlist)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64, discontinuity: bool) -> Entry {
        let date = Timestamp::from_millisecond(1_700_000_000_123 + sequence as i64 * 4_000).unwrap();
        Entry { sequence, date, duration_us: 4_010_667, discontinuity, bytes: 0, gap: sequence == 10 }
    }

    fn playlist() -> Playlist {
        let entries = (7..13).map(|sequence| entry(sequence, sequence == 8)).collect();
        Playlist { next: 13, discontinuities: 3, entries, ..Playlist::new(4, 0) }
    }

    #[test]
    fn text_and_back() {
        let mut playlist = playlist();
        let text = playlist.render();
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:7\n") && text.contains("#EXTINF:4.010667,\n"), "{text}");
        assert!(text.contains("#EXT-X-VERSION:8\n") && text.matches("#EXT-X-GAP\n").count() == 1, "{text}");
        assert!(text.contains("#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:48.123Z\n"), "{text}");
        assert_eq!(Playlist::parse(&text), Some(playlist.clone()));
        playlist.ended = true;
        assert_eq!(Playlist::parse(&playlist.render()), Some(playlist));
    }

    #[test]
    fn the_window_moves_and_counts_discontinuities() {
        let mut playlist = playlist();
        assert!(!playlist.overfull(6) && playlist.overfull(5));
        // Three target durations must stay.
        assert_eq!(playlist.pop().map(|e| e.sequence), Some(7));
        assert_eq!(playlist.discontinuities, 3);
        playlist.pop();
        assert_eq!(playlist.discontinuities, 4);
        playlist.pop();
        assert!(!playlist.overfull(1));
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        let text = playlist().render();
        for (from, to) in [
            ("#EXTM3U", "#EXTM3"),
            ("1700000028123-7.ts", "../1700000028123-7.ts"),
            ("1700000028123-7.ts", "segment7.ts"),
            ("SEQUENCE:7", "SEQUENCE:8"),
            ("4.010667,", "-4.010667,"),
            ("4.010667,", "4.01,"),
            ("TARGETDURATION:4", "TARGETDURATION:x"),
            ("#EXT-X-TARGETDURATION:4\n", ""),
            ("22:13:48.123Z", "22:13:48.124Z"),
        ] {
            assert!(text.contains(from));
            assert_eq!(Playlist::parse(&text.replacen(from, to, 1)), None, "{from} -> {to}");
        }
        // Cut off anywhere but between two entries, it is damaged.
        for cut in 0..text.len() {
            if let Some(read) = Playlist::parse(&text[..cut]) {
                assert!(text[..cut].ends_with('\n') && read.entries.len() < 7);
            }
        }
    }

    #[test]
    fn only_own_names_are_own() {
        assert!(parse_segment_name("1700000000123-42.ts").is_some());
        for name in [
            "",
            ".ts",
            "-.ts",
            "1-.ts",
            "01-2.ts",
            "1-02.ts",
            "+1-2.ts",
            "1-2.ts.tmp",
            "live1-2.ts",
            "1-2.mp3",
        ] {
            assert_eq!(parse_segment_name(name), None, "{name}");
        }
    }
}
