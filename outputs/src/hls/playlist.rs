//! The media playlist (RFC 8216, 4.3.3): a window to text and back.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::segments::name::{self, parse_segment};
use crate::segments::window::{Entry, Window};

/// What a playlist says of its segments as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Style {
    /// Each can be decoded without the one before.
    pub(crate) independent: bool,
    /// They come in parts, of at most so many microseconds (low latency).
    pub(crate) part_us: Option<u64>,
    /// `PART-HOLD-BACK`, in microseconds.
    pub(crate) hold_back_us: u64,
}

/// The answer of a server that holds requests until there is something new.
pub(crate) struct Answer {
    /// The run of what comes next.
    pub(crate) run: i64,
    /// The player knows what is older than [`SKIP_TARGETS`] target durations.
    pub(crate) skip: bool,
    /// How far the other tracks are.
    pub(crate) reports: Vec<Report>,
}

/// How far another track is.
pub(crate) struct Report {
    /// Its playlist, relative to this one.
    pub(crate) uri: String,
    pub(crate) number: u64,
    pub(crate) part: Option<usize>,
}

/// `CAN-SKIP-UNTIL`, in target durations: the least that there may be (RFC 8216bis, 4.4.3.8).
const SKIP_TARGETS: u64 = 6;
/// Parts are told for so many target durations from the end (4.4.4.9).
const PART_TARGETS: u64 = 3;

/// The text: as a file, or as the `answer` of a server that holds requests.
pub(crate) fn render(window: &Window, style: &Style, answer: Option<&Answer>) -> String {
    let mut out = String::with_capacity(512 + window.entries.len() * 128);
    let open_us = window.open.as_ref().map_or(0, |open| open.duration_us);
    let skipped = if answer.is_some_and(|answer| answer.skip) { skippable(window, open_us) } else { 0 };
    head(window, style, answer, skipped, &mut out);
    let mut rest_us = window.lasts_us() + open_us;
    let mut run = None;
    for (index, entry) in window.entries.iter().enumerate() {
        rest_us -= entry.duration_us;
        if index < skipped {
            continue;
        }
        let told = style.part_us.is_some() && rest_us < PART_TARGETS * window.target_s * 1_000_000;
        segment(window, entry, &mut run, Some(style).filter(|_| told), &mut out);
        if entry.gap {
            out.push_str("#EXT-X-GAP\n");
        }
        let _ = write!(out, "#EXTINF:{},\n{}\n", Seconds(entry.duration_us), window.name(entry));
    }
    if let Some(open) = window.open.as_ref().filter(|_| style.part_us.is_some() && !window.ended) {
        segment(window, open, &mut run, Some(style), &mut out);
    }
    if let Some(answer) = answer.filter(|_| !window.ended) {
        let (number, part) =
            window.open.as_ref().map_or((window.next, 0), |open| (open.number, open.parts.len()));
        let hint = name::part(answer.run, number, part, &window.extension);
        let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\"");
        for Report { uri, number, part } in &answer.reports {
            let _ = write!(out, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={number}");
            if let Some(part) = part {
                let _ = write!(out, ",LAST-PART={part}");
            }
            out.push('\n');
        }
    }
    if window.ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

/// Everything before the segments.
fn head(window: &Window, style: &Style, answer: Option<&Answer>, skipped: usize, out: &mut String) {
    let has_gap = window.entries.iter().any(|entry| entry.gap);
    let version = match (skipped > 0, has_gap, name::has_init(&window.extension)) {
        (true, ..) => 9,
        (_, true, _) => 8,
        (_, _, true) => 6,
        _ => 3,
    };
    let _ = write!(
        out,
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
        window.target_s,
        window.first(),
        window.discontinuities,
    );
    if style.independent {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    if let Some(part_us) = style.part_us {
        out.push_str("#EXT-X-SERVER-CONTROL:");
        if answer.is_some() {
            let _ = write!(out, "CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={}.0,", SKIP_TARGETS * window.target_s);
        }
        let _ = writeln!(out, "PART-HOLD-BACK={}", Seconds(style.hold_back_us));
        let _ = writeln!(out, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(part_us));
    }
    window.songs.render(out);
    if skipped > 0 {
        let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
    }
}

/// Everything before a segment's own lines, with its parts where they are told, in a style.
fn segment(window: &Window, entry: &Entry, run: &mut Option<i64>, told: Option<&Style>, out: &mut String) {
    if entry.discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if name::has_init(&window.extension) && run.replace(entry.run) != Some(entry.run) {
        let _ = writeln!(out, "#EXT-X-MAP:URI=\"{}\"", name::init(entry.run));
    }
    let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{:.3}", entry.date);
    let Some(style) = told else { return };
    let independent = if style.independent { ",INDEPENDENT=YES" } else { "" };
    for (index, lasts_us) in entry.parts.iter().enumerate() {
        let uri = name::part(entry.run, entry.number, index, &window.extension);
        let _ = writeln!(out, "#EXT-X-PART:DURATION={},URI=\"{uri}\"{independent}", Seconds(*lasts_us));
    }
}

/// How many of the oldest lie beyond the skip boundary.
fn skippable(window: &Window, open_us: u64) -> usize {
    let until_us = SKIP_TARGETS * window.target_s * 1_000_000;
    let mut rest_us = window.lasts_us() + open_us;
    let beyond = window.entries.iter().take_while(|entry| {
        rest_us -= entry.duration_us;
        rest_us >= until_us
    });
    beyond.count()
}

/// Microseconds as seconds with all of their decimals.
struct Seconds(u64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Reads what [`render`] wrote as a file. Anything else, damaged or made by others, is nothing. The sizes of the entries are
/// not in it. A segment of which but parts were told will never be whole: it is a gap as long as they.
pub(crate) fn parse(text: &str) -> Option<Window> {
    let mut lines = text.lines();
    let mut window = Window::new(0, "", 0);
    (lines.next()? == "#EXTM3U" && text.ends_with('\n')).then_some(())?;
    let (mut discontinuity, mut gap, mut date, mut duration_us) = (false, false, None, None);
    let mut parts = None;
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
            duration_us = Some(micros(value.strip_suffix(',')?)?);
        } else if let Some(value) = line.strip_prefix("#EXT-X-PART:DURATION=") {
            let (lasts, rest) = value.split_once(",URI=\"")?;
            let (run, number, _) = name::parse_part(rest.split_once('"')?.0)?;
            (number == window.next).then_some(())?;
            let (_, lasts_us) = parts.unwrap_or((run, 0));
            parts = Some((run, lasts_us + micros(lasts)?));
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
            window.entries.push_back(entry(number, run, date, duration_us, discontinuity, gap));
            window.next = number.checked_add(1)?;
            parts = None;
        }
    }
    if let (Some((run, lasts_us)), Some(date)) = (parts, date) {
        window.entries.push_back(entry(window.next, run, date, lasts_us, discontinuity, true));
        window.next = window.next.checked_add(1)?;
    }
    (window.target_s > 0).then_some(window)
}

fn entry(number: u64, run: i64, date: Timestamp, duration_us: u64, discontinuity: bool, gap: bool) -> Entry {
    Entry { number, run, date, duration_us, discontinuity, bytes: 0, gap, parts: Vec::new() }
}

/// What [`Seconds`] shows.
fn micros(seconds: &str) -> Option<u64> {
    let (seconds, micros) = seconds.split_once('.')?;
    let seconds: u64 = seconds.parse().ok().filter(|s| *s < 86_400)?;
    let micros: u64 = micros.parse().ok().filter(|_| micros.len() == 6)?;
    Some(seconds * 1_000_000 + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { independent: true, part_us: None, hold_back_us: 0 };
    const PARTS: Style = Style { independent: true, part_us: Some(1_500_000), hold_back_us: 4_500_000 };

    fn numbered(number: u64, run: i64) -> Entry {
        let date = Timestamp::from_millisecond(1_700_000_000_123 + number as i64 * 4_000).unwrap();
        let discontinuity = number == 8;
        entry(number, run, date, 4_010_667, discontinuity, number == 10)
    }

    fn window(extension: &str) -> Window {
        let entries =
            (7..13).map(|number| numbered(number, if number < 8 { 1_700 } else { 1_800 })).collect();
        Window { next: 13, discontinuities: 3, entries, ..Window::new(4, extension, 0) }
    }

    #[test]
    fn text_and_back() {
        let mut window = window("ts");
        let text = render(&window, &PLAIN, None);
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:7\n") && text.contains("#EXTINF:4.010667,\n"), "{text}");
        assert!(text.contains("#EXT-X-VERSION:8\n") && text.matches("#EXT-X-GAP\n").count() == 1, "{text}");
        assert!(text.contains("#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:48.123Z\n"), "{text}");
        assert_eq!(parse(&text), Some(window.clone()));
        window.ended = true;
        assert_eq!(parse(&render(&window, &Style::default(), None)), Some(window));
    }

    #[test]
    fn each_run_has_an_initialisation_of_its_own() {
        let mut window = window("m4s");
        window.entries.retain(|entry| !entry.gap);
        let text = render(&window, &PLAIN, None);
        let maps: Vec<_> = text.lines().filter(|line| line.starts_with("#EXT-X-MAP")).collect();
        assert_eq!(maps, ["#EXT-X-MAP:URI=\"1700-init.mp4\"", "#EXT-X-MAP:URI=\"1800-init.mp4\""]);
        assert!(text.contains("#EXT-X-VERSION:6\n") && text.contains("\n1700-7.m4s\n"), "{text}");
    }

    /// A window with parts of the last segment and two of the next.
    fn parted() -> Window {
        let mut window = window("ts");
        window.entries.retain(|entry| !entry.gap);
        let lasts = [1_500_000, 1_500_000, 1_010_667];
        window.entries.back_mut().unwrap().parts = lasts.to_vec();
        for index in 0..2 {
            let part = entry(13, 1_800, Timestamp::UNIX_EPOCH, 1_500_000, false, false);
            assert!(window.add_part(&part, index, numbered(13, 0).date));
        }
        assert!(!window.add_part(
            &entry(13, 1_800, Timestamp::UNIX_EPOCH, 1, false, false),
            3,
            Timestamp::MIN
        ));
        window
    }

    #[test]
    fn parts_are_told_at_the_end_and_to_players_that_wait_what_comes_next() {
        let (window, style) = (parted(), PARTS);
        let file = render(&window, &style, None);
        assert!(file.contains(
            "#EXT-X-SERVER-CONTROL:PART-HOLD-BACK=4.500000\n#EXT-X-PART-INF:PART-TARGET=1.500000\n"
        ));
        assert!(file.contains(
            "#EXT-X-PART:DURATION=1.010667,URI=\"1800-12.2.ts\",INDEPENDENT=YES\n#EXTINF:4.010667,\n1800-12.ts\n"
        ));
        assert!(
            file.ends_with("#EXT-X-PART:DURATION=1.500000,URI=\"1800-13.1.ts\",INDEPENDENT=YES\n"),
            "{file}"
        );
        // Of MP3 with a reservoir frames lean on those before them.
        let leaning = render(&window, &Style { independent: false, ..PARTS }, None);
        assert_eq!(
            leaning,
            file.replace(",INDEPENDENT=YES", "").replace("#EXT-X-INDEPENDENT-SEGMENTS\n", "")
        );
        let report = Report { uri: "../live.m3u8".into(), number: 13, part: Some(1) };
        let answer = Answer { run: 1_800, skip: false, reports: vec![report] };
        let text = render(&window, &style, Some(&answer));
        assert!(text.contains("CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.0,PART-HOLD-BACK=4.5"), "{text}");
        assert!(text.ends_with(
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"1800-13.2.ts\"\n\
             #EXT-X-RENDITION-REPORT:URI=\"../live.m3u8\",LAST-MSN=13,LAST-PART=1\n"
        ));
        assert!(!text.contains("SKIP:"));
    }

    #[test]
    fn who_knows_the_old_segments_is_told_how_many_are_left_out() {
        let mut window = parted();
        (window.target_s, window.discontinuities) = (2, 0);
        let style = PARTS;
        let answer = Answer { run: 1_800, skip: true, reports: Vec::new() };
        let (whole, delta) = (render(&window, &style, None), render(&window, &style, Some(&answer)));
        // 3 s of parts and 8 s lie behind the third of five; 12 s may not be skipped.
        assert!(
            delta.contains("#EXT-X-VERSION:9\n") && delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n"),
            "{delta}"
        );
        assert_eq!(delta.matches("#EXTINF").count() + 2, whole.matches("#EXTINF").count());
        assert!(delta.contains("#EXT-X-MEDIA-SEQUENCE:7\n"));
    }

    #[test]
    fn a_segment_of_which_but_parts_were_told_is_a_gap_to_the_next_run() {
        let mut text = render(&parted(), &PARTS, None);
        for number in 7..10 {
            assert!(!text.contains(&format!("{number}.0.ts")), "parts are told for three target durations");
        }
        let read = parse(&text.replace("MEDIA-SEQUENCE:7", "MEDIA-SEQUENCE:8")).is_none();
        assert!(read, "numbers do not fit");
        // Without the entry that was taken out above they do.
        text = text.replace("MEDIA-SEQUENCE:7", "MEDIA-SEQUENCE:11");
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.iter().position(|line| line.contains("22:14:04.123Z")).unwrap();
        let text = [&lines[..6], &lines[first..]].concat().join("\n") + "\n";
        let window = parse(&text).unwrap();
        let last = window.entries.back().unwrap();
        assert_eq!((last.number, last.gap, last.duration_us, window.next), (13, true, 3_000_000, 14));
        assert_eq!(last.date, numbered(13, 0).date);
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        let text = render(&window("ts"), &PLAIN, None);
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
