//! The media playlist (RFC 8216, 4.3.3): a window to text and back.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::segments::name::{self, parse_segment};
use crate::segments::window::{Entry, Window};

/// The text. `independent`: each segment can be decoded without the one before.
pub(crate) fn render(window: &Window, independent: bool) -> String {
    let mut out = String::with_capacity(256 + window.entries.len() * 128);
    let has_init = name::has_init(&window.extension);
    let version = match (window.entries.iter().any(|entry| entry.gap), has_init) {
        (true, _) => 8,
        (false, true) => 6,
        (false, false) => 3,
    };
    let _ = write!(
        out,
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
        window.target_s,
        window.first(),
        window.discontinuities,
    );
    if independent {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    window.songs.render(&mut out);
    let mut run = None;
    for entry in &window.entries {
        if entry.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if has_init && run.replace(entry.run) != Some(entry.run) {
            let _ = writeln!(out, "#EXT-X-MAP:URI=\"{}\"", name::init(entry.run));
        }
        if entry.gap {
            out.push_str("#EXT-X-GAP\n");
        }
        let (seconds, micros) = (entry.duration_us / 1_000_000, entry.duration_us % 1_000_000);
        let _ = write!(
            out,
            "#EXT-X-PROGRAM-DATE-TIME:{:.3}\n#EXTINF:{seconds}.{micros:06},\n{}\n",
            entry.date,
            window.name(entry),
        );
    }
    if window.ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

/// Reads what [`render`] wrote. Anything else, damaged or made by others, is nothing.
/// The sizes of the entries are not in it.
pub(crate) fn parse(text: &str) -> Option<Window> {
    let mut lines = text.lines();
    let mut window = Window::new(0, "", 0);
    (lines.next()? == "#EXTM3U" && text.ends_with('\n')).then_some(())?;
    let (mut discontinuity, mut gap, mut date, mut duration_us) = (false, false, None, None);
    for line in lines {
        if window.ended {
            return None;
        } else if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
            window.target_s = value.parse().ok().filter(|target| *target > 0)?;
        } else if let Some(value) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
            window.next = value.parse().ok()?;
        } else if let Some(value) = line.strip_prefix("#EXT-X-DISCONTINUITY-SEQUENCE:") {
            window.discontinuities = value.parse().ok()?;
        } else if line == "#EXT-X-DISCONTINUITY" {
            discontinuity = true;
        } else if line == "#EXT-X-GAP" {
            gap = true;
        } else if let Some(value) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            date = value.parse::<Timestamp>().ok();
        } else if let Some(value) = line.strip_prefix("#EXTINF:") {
            let (seconds, micros) = value.strip_suffix(',')?.split_once('.')?;
            let seconds: u64 = seconds.parse().ok().filter(|s| *s < 86_400)?;
            let micros: u64 = micros.parse().ok().filter(|_| micros.len() == 6)?;
            duration_us = Some(seconds * 1_000_000 + micros);
        } else if window.songs.parse(line) {
            continue;
        } else if line == "#EXT-X-ENDLIST" {
            window.ended = true;
        } else if !line.starts_with('#') {
            let (run, number, extension) = parse_segment(line)?;
            let (date, duration_us) = (date.take()?, duration_us.take()?);
            let alike = window.entries.is_empty() || window.extension == extension;
            (number == window.next && alike).then_some(())?;
            window.extension = extension.to_owned();
            let (discontinuity, gap) = (std::mem::take(&mut discontinuity), std::mem::take(&mut gap));
            window.entries.push_back(Entry { number, run, date, duration_us, discontinuity, bytes: 0, gap });
            window.next = number.checked_add(1)?;
        }
    }
    (window.target_s > 0).then_some(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, run: i64) -> Entry {
        let date = Timestamp::from_millisecond(1_700_000_000_123 + number as i64 * 4_000).unwrap();
        let discontinuity = number == 8;
        Entry { number, run, date, duration_us: 4_010_667, discontinuity, bytes: 0, gap: number == 10 }
    }

    fn window(extension: &str) -> Window {
        let entries = (7..13).map(|number| entry(number, if number < 8 { 1_700 } else { 1_800 })).collect();
        Window { next: 13, discontinuities: 3, entries, ..Window::new(4, extension, 0) }
    }

    #[test]
    fn text_and_back() {
        let mut window = window("ts");
        let text = render(&window, true);
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:7\n") && text.contains("#EXTINF:4.010667,\n"), "{text}");
        assert!(text.contains("#EXT-X-VERSION:8\n") && text.matches("#EXT-X-GAP\n").count() == 1, "{text}");
        assert!(text.contains("#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:48.123Z\n"), "{text}");
        assert_eq!(parse(&text), Some(window.clone()));
        window.ended = true;
        assert_eq!(parse(&render(&window, false)), Some(window));
    }

    #[test]
    fn each_run_has_an_initialisation_of_its_own() {
        let mut window = window("m4s");
        window.entries.retain(|entry| !entry.gap);
        let text = render(&window, true);
        let maps: Vec<_> = text.lines().filter(|line| line.starts_with("#EXT-X-MAP")).collect();
        assert_eq!(maps, ["#EXT-X-MAP:URI=\"1700-init.mp4\"", "#EXT-X-MAP:URI=\"1800-init.mp4\""]);
        assert!(text.contains("#EXT-X-VERSION:6\n") && text.contains("\n1700-7.m4s\n"), "{text}");
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        let text = render(&window("ts"), true);
        for (from, to) in [
            ("#EXTM3U", "#EXTM3"),
            ("1700-7.ts", "../1700-7.ts"),
            ("1700-7.ts", "segment7.ts"),
            ("1700-7.ts", "1700-7.aac"),
            ("SEQUENCE:7", "SEQUENCE:8"),
            ("4.010667,", "-4.010667,"),
            ("4.010667,", "4.01,"),
            ("TARGETDURATION:4", "TARGETDURATION:x"),
            ("#EXT-X-TARGETDURATION:4\n", ""),
            ("22:13:48.123Z", "yesterday"),
        ] {
            assert!(text.contains(from));
            assert_eq!(parse(&text.replacen(from, to, 1)), None, "{from} -> {to}");
        }
        // Cut off anywhere but between two entries, it is damaged.
        for cut in 0..text.len() {
            if let Some(read) = parse(&text[..cut]) {
                assert!(text[..cut].ends_with('\n') && read.entries.len() < 7);
            }
        }
    }
}
