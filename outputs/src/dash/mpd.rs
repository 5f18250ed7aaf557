//! The manifest (ISO/IEC 23009-1, 5): its text, and what that says back. Pure, no clock and no files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use airchain_codecs::container::segment::EPOCH_S;
use airchain_codecs::encode::ENCODERS;
use jiff::Timestamp;

use super::{Encoding, Line, MANIFEST, Period, Told};
use crate::segments::{BEHIND, Layout, name, nanos};

/// How a manifest of airchain's begins.
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
     <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
     profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" type=\"";

/// Whether a manifest is one that airchain wrote.
pub(crate) fn is_own(text: &str) -> bool {
    text.starts_with(HEAD)
}

/// How far players may go back, in milliseconds: as far as there always are segments.
pub(super) fn depth_ms(layout: &Layout) -> i128 {
    let window = (layout.segment_s * 1000.0 * layout.window as f64).round() as i128;
    window.max(i128::from(layout.target_s) * 3000)
}

/// The text, of tracks by their folders (with a `/`, or empty), in the order in which players choose. Those that are far
/// behind the others are not offered.
pub(crate) fn render(layout: &Layout, tracks: &[(&str, &Told)], published: Timestamp) -> String {
    // Those that are not offered count, too, for nothing of a period may change.
    let spans = spans(tracks);
    let newest = tracks.iter().map(|(_, told)| told.lines.next()).max().unwrap_or(0);
    let tracks: Vec<_> =
        tracks.iter().filter(|(_, told)| told.lines.next() + BEHIND >= newest).copied().collect();
    let lines = || tracks.iter().flat_map(|(_, told)| &told.lines.all);
    // Still counted from 1970 on, but with an end, which is a whole millisecond: nothing is cut off.
    let ended = tracks.iter().all(|(_, told)| told.ended);
    let last = tracks.iter().filter_map(|(_, told)| told.lines.all.back());
    let end = (last.map(Line::ends).max().unwrap_or(0) + 999_999).div_euclid(1_000_000) as i64;
    let mut out = String::with_capacity(4096);
    let (second, target) = (layout.segment_s, layout.target_s as f64);
    if ended {
        // What dash.js waits for, as DASH-IF has it (IOP 4.3, 4.6.4).
        let end = lasts(end);
        let _ =
            write!(out, "{HEAD}static\" publishTime=\"{published:.3}\" mediaPresentationDuration=\"{end}\"");
    } else {
        // Behind the end as players of HLS are, but never at the very beginning. A segment is known half of one before it is
        // wanted at the latest.
        let depth = depth_ms(layout) as f64 / 1000.0;
        let delay = (3.0 * target).min(depth - target);
        let update = (delay - 1.5 * second).min(second);
        let _ = write!(
            out,
            "{HEAD}dynamic\" availabilityStartTime=\"1970-01-01T00:00:00Z\" publishTime=\"{published:.3}\" \
             minimumUpdatePeriod=\"PT{update:.3}S\" timeShiftBufferDepth=\"PT{depth:.3}S\" \
             suggestedPresentationDelay=\"PT{delay:.3}S\""
        );
    }
    // Some may be of a run that had longer ones.
    let longest = lines().map(|line| line.frames as f64 / f64::from(line.encoding.rate));
    let longest = longest.fold(target + 0.5, f64::max);
    let _ = writeln!(out, " minBufferTime=\"PT{second:.3}S\" maxSegmentDuration=\"PT{longest:.3}S\">");
    for span in spans {
        let Period { run, number, date, .. } = span.period;
        let sets = sets(&tracks, &span);
        if sets.is_empty() {
            continue;
        }
        let start = millis(date);
        let _ = write!(out, " <Period id=\"{run}-{number}\" start=\"{}\"", lasts(start));
        if ended && span.until.is_none() {
            let _ = write!(out, " duration=\"{}\"", lasts(end - start));
        }
        let _ = write!(out, ">\n{sets} </Period>\n");
    }
    if !ended {
        // The time of day is that of the server that this comes from: it tells it with every answer.
        let scheme = "urn:mpeg:dash:utc:http-head:2014";
        let _ = writeln!(out, " <UTCTiming schemeIdUri=\"{scheme}\" value=\"{MANIFEST}\"/>");
    }
    out.push_str("</MPD>\n");
    out
}

/// A period, and what is told of in it.
struct Span {
    period: Period,
    /// The number of the first segment behind it.
    end: u64,
    /// When the next one begins.
    until: Option<Timestamp>,
}

impl Span {
    fn holds(&self, line: &Line) -> bool {
        line.period.run == self.period.run
            && (self.period.number..self.end).contains(&line.number)
            && self.until.is_none_or(|until| line.begins() < until.as_nanosecond())
    }
}

/// The periods, one behind the other also in time on air (5.3.2.1): what was on air before the clock was set back, and by its date
/// would come behind that, is not told any more.
fn spans(tracks: &[(&str, &Told)]) -> Vec<Span> {
    // Numbers are the same stretch in all tracks: where one begins anew, all do.
    let lines = || tracks.iter().flat_map(|(_, told)| &told.lines.all);
    let mut periods = BTreeMap::new();
    for line in lines() {
        periods.entry(line.period.number).or_insert(line.period);
    }
    let (mut spans, mut end, mut until) = (Vec::new(), u64::MAX, None);
    for (number, period) in periods.into_iter().rev() {
        let span = Span { period, end, until };
        if lines().any(|line| span.holds(line)) {
            until = Some(period.date);
            spans.push(span);
        }
        end = number;
    }
    spans.reverse();
    spans
}

/// What adaptation sets are of, in the order of their ids within a rate.
const FAMILIES: [&str; 3] = ["mp4a", "opus", "fLaC"];

/// The id of the adaptation set that has encodings of one kind and rate, between which players change freely: the same in all
/// periods, whatever else is there.
fn set_id(encoding: &Encoding) -> u32 {
    let family = FAMILIES.iter().position(|family| encoding.codecs.split('.').next() == Some(family));
    encoding.rate * 10 + family.unwrap_or(FAMILIES.len()) as u32
}

/// The adaptation sets of a period, in the order of tracks.
fn sets(tracks: &[(&str, &Told)], span: &Span) -> String {
    let mut sets = Vec::<(u32, String)>::new();
    for (folder, told) in tracks {
        let lines: Vec<&Line> = told.lines.all.iter().filter(|line| span.holds(line)).collect();
        let Some(first) = lines.first() else { continue };
        let id = set_id(&first.encoding);
        let text = representation(folder, told.bandwidth, &lines, &span.period, first);
        match sets.iter_mut().find(|(known, _)| *known == id) {
            Some((_, set)) => set.push_str(&text),
            None => sets.push((id, text)),
        }
    }
    let set = |(id, representations)| {
        format!(
            "  <AdaptationSet id=\"{id}\" contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\" \
             startWithSAP=\"1\">\n   <InbandEventStream schemeIdUri=\"https://aomedia.org/emsg/ID3\" value=\"\"/>\n\
             {representations}  </AdaptationSet>\n"
        )
    };
    sets.into_iter().map(set).collect()
}

/// What a track has of a period: these lines, of which there is a first.
fn representation(folder: &str, bandwidth: u64, lines: &[&Line], period: &Period, first: &Line) -> String {
    let Encoding { codecs, rate, channels } = first.encoding;
    let (init, media) = (name::init(period.run), name::segment(period.run, "$Number$", "m4s"));
    let mut out = String::new();
    let _ = writeln!(
        out,
        "   <Representation id=\"{folder}audio\" codecs=\"{codecs}\" bandwidth=\"{bandwidth}\" \
         audioSamplingRate=\"{rate}\">\n    \
         <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" \
         value=\"{channels}\"/>\n    <SegmentTemplate timescale=\"{rate}\" presentationTimeOffset=\"{}\" \
         startNumber=\"{}\" initialization=\"{folder}{init}\" media=\"{folder}{media}\">\n     <SegmentTimeline>",
        period.time(rate),
        first.number,
    );
    for same in lines.chunk_by(|a, b| a.frames == b.frames) {
        if let [line, more @ ..] = same {
            let (time, frames, repeats) = (line.time, line.frames, more.len());
            let _ = writeln!(out, "      <S t=\"{time}\" d=\"{frames}\" r=\"{repeats}\"/>");
        }
    }
    out.push_str("     </SegmentTimeline>\n    </SegmentTemplate>\n   </Representation>\n");
    out
}

fn millis(date: Timestamp) -> i64 {
    date.as_millisecond()
}

/// A time in milliseconds as `xs:duration`.
fn lasts(millis: i64) -> String {
    format!("PT{}.{:03}S", millis.div_euclid(1000), millis.rem_euclid(1000))
}

/// What a text that [`render`] made tells of the track in a folder; nothing where it cannot be read.
pub(crate) fn parse(text: &str, folder: &str) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    let (mut begins, mut codecs, mut channels, mut at) = (None, None, None, None);
    for line in text.lines().map(str::trim_start) {
        let number = |name: &str| attribute(line, name)?.parse::<i64>().ok();
        if line.starts_with("<Period ") {
            let (run, number) = attribute(line, "id")?.split_once('-')?;
            let start = attribute(line, "start")?.strip_prefix("PT")?.strip_suffix('S')?.replace('.', "");
            let date = Timestamp::from_millisecond(start.parse().ok()?).ok()?;
            begins = Some((run.parse().ok()?, number.parse::<u64>().ok()?, date));
        } else if line.starts_with("<Representation ") {
            let told = attribute(line, "codecs")?;
            codecs = ENCODERS.iter().filter_map(|encoder| encoder.hls).find(|known| *known == told);
        } else if line.starts_with("<AudioChannelConfiguration ") {
            channels = attribute(line, "value")?.parse().ok();
        } else if line.starts_with("<SegmentTemplate ") {
            let (run, first, date) = begins?;
            let encoding = Encoding {
                codecs: codecs?,
                rate: number("timescale")?.try_into().ok().filter(|rate| *rate > 0)?,
                channels: channels?,
            };
            let media = attribute(line, "media")?.strip_suffix(&name::segment(run, "$Number$", "m4s"));
            let offset = number("presentationTimeOffset")?;
            let position = nanos(offset - EPOCH_S * i64::from(encoding.rate), encoding.rate);
            let period = Period { run, number: first, position, date };
            let next = u64::try_from(number("startNumber")?).ok()?;
            at = (media == Some(folder)).then_some((next, period, encoding));
        } else if line.starts_with("<S ") {
            let Some((next, period, encoding)) = &mut at else { continue };
            let (time, frames) = (number("t")?, number("d")?);
            for repeat in 0..=number("r")?.min(10_000) {
                let (number, time) = (*next, time + repeat * frames);
                lines.push(Line { number, time, frames, period: *period, encoding: *encoding });
                *next += 1;
            }
        }
    }
    Some(lines)
}

/// The value of an attribute in a line.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use airchain_codecs::Format;
    use airchain_codecs::container::segment::Container;

    use super::super::Lines;
    use super::*;
    use crate::segments::window::{Entry, Window};

    fn layout() -> Layout {
        Layout {
            container: Container::Fmp4,
            segment_s: 4.0,
            target_s: 4,
            window: 6,
            retain: 7,
            end_on_close: true,
            parts: false,
            dash: true,
        }
    }

    /// Segments of a run, each given by its number and its positions; on air at a time in milliseconds from position 0.
    fn told(format: &str, segments: &[(i64, u64, (i64, i64), i64)]) -> Told {
        let mut lines = Lines::new(&Format::parse(format).unwrap());
        tell(&mut lines, segments);
        Told { lines, bandwidth: 128_000, ended: false }
    }

    fn tell(lines: &mut Lines, segments: &[(i64, u64, (i64, i64), i64)]) {
        for &(run, number, (start, end), zero) in segments {
            let date = zero + (start * 1000).div_euclid(i64::from(lines.encoding.rate));
            let date = Timestamp::from_millisecond(date).unwrap();
            let entry = Entry {
                number,
                run,
                date,
                duration_us: 0,
                discontinuity: false,
                bytes: 1,
                gap: false,
                parts: Vec::new(),
            };
            lines.note(&entry, (start, end), &Window::new(4, "m4s", 0), &layout());
        }
    }

    #[test]
    fn a_manifest_to_the_letter() {
        let segments = [
            (1_700, 5, (-2048, 190_464), 2_000),
            (1_700, 6, (190_464, 382_976), 2_000),
            (1_700, 7, (382_976, 575_488), 2_000),
        ];
        let told = told("aac:128k", &segments);
        let text = render(&layout(), &[("", &told)], "2026-03-01T12:00:00Z".parse().unwrap());
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,\
            urn:mpeg:dash:profile:cmaf:2019\" type=\"dynamic\" availabilityStartTime=\"1970-01-01T00:00:00Z\" \
            publishTime=\"2026-03-01T12:00:00.000Z\" minimumUpdatePeriod=\"PT4.000S\" \
            timeShiftBufferDepth=\"PT24.000S\" suggestedPresentationDelay=\"PT12.000S\" minBufferTime=\"PT4.000S\" \
            maxSegmentDuration=\"PT4.500S\">\n \
            <Period id=\"1700-5\" start=\"PT1.957S\">\n  \
            <AdaptationSet id=\"480000\" contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\">\n   \
            <InbandEventStream schemeIdUri=\"https://aomedia.org/emsg/ID3\" value=\"\"/>\n   \
            <Representation id=\"audio\" codecs=\"mp4a.40.2\" bandwidth=\"128000\" audioSamplingRate=\"48000\">\n    \
            <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"2\"/>\n    \
            <SegmentTemplate timescale=\"48000\" presentationTimeOffset=\"477952\" startNumber=\"5\" \
            initialization=\"1700-init.mp4\" media=\"1700-$Number$.m4s\">\n     <SegmentTimeline>\n      \
            <S t=\"477952\" d=\"192512\" r=\"2\"/>\n     </SegmentTimeline>\n    </SegmentTemplate>\n   \
            </Representation>\n  </AdaptationSet>\n </Period>\n \
            <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"manifest.mpd\"/>\n</MPD>\n";
        assert_eq!(text, expected);
        assert!(is_own(&text));
        let ended = Told { ended: true, ..told };
        let text = render(&layout(), &[("", &ended)], Timestamp::UNIX_EPOCH);
        // The last segment ends 11.989 s behind position 0. Nothing of a live one is left.
        let root = "publishTime=\"1970-01-01T00:00:00.000Z\" mediaPresentationDuration=\"PT13.989S\" minBufferTime=\"PT4.000S\" \
            maxSegmentDuration=\"PT4.500S\">\n <Period id=\"1700-5\" start=\"PT1.957S\" duration=\"PT12.032S\">\n";
        assert!(is_own(&text) && text.contains(&format!(" type=\"static\" {root}")), "{text}");
        assert!(text.ends_with(" </Period>\n</MPD>\n"), "{text}");
        assert_eq!(parse(&text, "").unwrap(), ended.lines.all.iter().copied().collect::<Vec<_>>());
    }

    #[test]
    fn periods_begin_at_runs_gaps_and_leaps_and_are_read_back() {
        let segments = [
            (1, 1, (0, 48_000), 2_000),
            (1, 2, (48_000, 96_000), 2_000),
            // 3 is missing; the clock leaps before 5.
            (1, 4, (144_000, 192_000), 2_000),
            (1, 5, (192_000, 240_000), 5_000),
            (1, 6, (240_000, 287_999), 5_000),
            (8_000, 7, (100, 48_100), 12_000),
        ];
        let (low, high) = (told("he-aac:48k", &segments), told("flac@96000", &[]));
        let double: Vec<_> = segments
            .iter()
            .map(|(run, number, (a, b), zero)| (*run, *number, (2 * a, 2 * b), *zero))
            .collect();
        let high = Told { lines: told("flac@96000", &double[1..]).lines, ..high };
        let tracks = [("", &low), ("high/", &high)];
        let text = render(&layout(), &tracks, Timestamp::UNIX_EPOCH);
        let periods: Vec<_> = text.lines().filter(|line| line.contains("<Period")).collect();
        // The second track begins with number 2, so a period does.
        let expected = [
            "1-1\" start=\"PT2.000S",
            "1-2\" start=\"PT3.000S",
            "1-4\" start=\"PT5.000S",
            "1-5\" start=\"PT9.000S",
            "8000-7\" start=\"PT12.002S",
        ];
        assert_eq!(periods, expected.map(|period| format!(" <Period id=\"{period}\">")));
        // Encodings of different kinds are not for switching between.
        assert_eq!(text.matches("<AdaptationSet").count(), 9);
        assert!(
            text.contains("media=\"high/8000-$Number$.m4s\"")
                && text.contains("<S t=\"960200\" d=\"96000\" r=\"0\"/>")
        );
        for (folder, told) in tracks {
            let rate = told.lines.encoding.rate;
            let back = parse(&text, folder).unwrap();
            let of = |line: &Line| (line.period.run, line.number, line.time, line.frames, line.encoding);
            assert!(back.iter().map(of).eq(told.lines.all.iter().map(of)), "{folder}: {back:?}");
            // Told again, it is the same.
            assert!(
                back.iter().all(|line| line.period.time(rate) == period_time(&text, folder, &line.period))
            );
        }
        assert_eq!(parse(&text, "other/").map(|lines| lines.len()), Some(0));
        assert_eq!(parse(&text.replace("startNumber=\"5\"", "startNumber=\"x\""), ""), None);
    }

    /// The values of an attribute, in the order of lines.
    fn values<'a>(text: &'a str, element: &str, name: &str) -> Vec<&'a str> {
        text.lines().filter(|line| line.contains(element)).filter_map(|line| attribute(line, name)).collect()
    }

    /// Of a run, one second each at 48 kHz, on air from 2 s on.
    fn seconds(run: i64, numbers: std::ops::Range<u64>) -> Vec<(i64, u64, (i64, i64), i64)> {
        numbers.map(|n| (run, n, (48_000 * n as i64, 48_000 * (n as i64 + 1)), 2_000)).collect()
    }

    #[test]
    fn ids_are_the_same_whoever_is_behind() {
        let (late, high, best) = (
            told("opus", &seconds(1, 1..3)),
            told("aac", &seconds(1, 1..9)),
            told("flac", &seconds(1, 1..9)),
        );
        let ids = |tracks: &[(&str, &Told)]| {
            let text = render(&layout(), tracks, Timestamp::UNIX_EPOCH);
            let ids =
                |element| values(&text, element, "id").into_iter().map(str::to_owned).collect::<Vec<_>>();
            (ids("<AdaptationSet "), ids("<Representation "))
        };
        let (sets, representations) = ids(&[("", &high), ("best/", &best)]);
        assert_eq!(representations, ["audio", "best/audio"]);
        assert_eq!(ids(&[("", &high), ("low/", &late), ("best/", &best)]), (sets.clone(), representations));
        // What it alone still has is nobody's.
        let text = render(
            &layout(),
            &[("", &late), ("high/", &told("aac", &seconds(2, 5..9)))],
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(values(&text, "<Period ", "id"), ["2-5"]);
        let (with_all, _) = ids(&[("", &high), ("low/", &told("opus", &seconds(1, 1..8))), ("best/", &best)]);
        assert_eq!(with_all.iter().filter(|id| sets.contains(id)).collect::<Vec<_>>(), [&sets[0], &sets[1]]);
    }

    #[test]
    fn a_period_keeps_its_encoding_when_the_next_run_has_another() {
        let mut first = told("aac", &seconds(1, 1..4));
        let text = render(&layout(), &[("", &first)], Timestamp::UNIX_EPOCH);
        first.lines = Lines {
            all: parse(&text, "").unwrap().into(),
            ..Lines::new(&Format::parse("opus/mono").unwrap())
        };
        tell(&mut first.lines, &seconds(9, 5..7));
        let text = render(&layout(), &[("", &first)], Timestamp::UNIX_EPOCH);
        assert_eq!(values(&text, "<Representation ", "codecs"), ["mp4a.40.2", "opus"]);
        assert_eq!(values(&text, "<AudioChannelConfiguration ", "value"), ["2", "1"]);
        assert_eq!(values(&text, "<AdaptationSet ", "id"), ["480000", "480001"]);
    }

    #[test]
    fn a_clock_that_is_set_begins_a_period_and_they_never_go_back() {
        let second = |second: i64| (second * 48_000, (second + 1) * 48_000);
        let line = |n: i64, zero: i64| (1, n as u64, second(n), zero);
        let starts = |segments: &[(i64, u64, (i64, i64), i64)]| {
            let told = told("aac:128k", segments);
            let text = render(&layout(), &[("", &told)], Timestamp::UNIX_EPOCH);
            let of = |line: &str| {
                let number = attribute(line, "start").or(attribute(line, "startNumber"));
                number.or(attribute(line, "r")).unwrap_or_default().to_owned()
            };
            let is_told = |line: &&str| ["<Period ", "<SegmentT", "<S "].iter().any(|tag| line.contains(tag));
            let told = text.lines().filter(is_told).filter(|line| !line.contains("Timeline>"));
            told.map(of).collect::<Vec<_>>().join(" ")
        };
        let day: i64 = 86_400_000;
        // Forward, by an hour and by a second.
        let hour = 3_600_000;
        let forward = [line(1, day), line(2, day), line(3, day + hour), line(4, day + hour + 1_000)];
        assert_eq!(starts(&forward), "PT86401.000S 1 1 PT90003.000S 3 0 PT90005.000S 4 0");
        // Back by an hour: what was told before would come an hour later.
        let back = [line(1, day), line(2, day), line(3, day - hour), line(4, day - hour)];
        assert_eq!(starts(&back), "PT82803.000S 3 1");
        // Back by a second and a half: the last would.
        let little = [line(1, day), line(2, day), line(3, day), line(4, day - 1_500), line(5, day - 1_500)];
        assert_eq!(starts(&little), "PT86401.000S 1 1 PT86402.500S 4 1");
        // And on again, to where it was.
        let twice = [line(1, day), line(2, day - hour), line(3, day), line(4, day)];
        assert_eq!(starts(&twice), "PT82802.000S 2 0 PT86403.000S 3 1");
        // What has long been told of since has no segment left before that.
        let mut long: Vec<_> = (1..4_000).map(|n| line(n, day)).collect();
        long.extend([line(4_000, day - 60_000), line(4_001, day - 60_000)]);
        let mut told = told("aac:128k", &long);
        told.lines.all.retain(|line| line.number > 3_990);
        let text = render(&layout(), &[("", &told)], Timestamp::UNIX_EPOCH);
        assert_eq!(text.matches("<Period ").count(), 1, "{text}");
        assert!(text.contains("<Period id=\"1-4000\""), "{text}");
    }

    #[test]
    fn what_lies_further_back_than_players_may_go_is_not_told() {
        // 24 s.
        let mut told = told("aac", &seconds(1, 1..4));
        tell(&mut told.lines, &[(2, 4, (0, 48_000), 28_500)]);
        assert_eq!(told.lines.all.iter().map(|line| line.number).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn players_are_told_to_begin_where_there_is_something_on_both_sides() {
        let told = told("aac", &seconds(1, 1..9));
        let names = [
            "timeShiftBufferDepth",
            "suggestedPresentationDelay",
            "minimumUpdatePeriod",
            "maxSegmentDuration",
        ];
        // Segments, target duration and window; what is told. There are never less than three target durations; the beginning
        // and what has just come to an end, is told of and fetched, are kept away from.
        for (segment_s, target_s, window, expected) in [
            (6.0, 6, 6, ["36.000", "18.000", "6.000", "6.500"]),
            (6.0, 6, 3, ["18.000", "12.000", "3.000", "6.500"]),
            (2.5, 3, 3, ["9.000", "6.000", "2.250", "3.500"]),
            (0.5, 1, 3, ["3.000", "2.000", "0.500", "1.500"]),
            (1.24, 1, 3, ["3.720", "2.720", "0.860", "1.500"]),
            (60.0, 60, 4, ["240.000", "180.000", "60.000", "60.500"]),
        ] {
            let layout = Layout { segment_s, target_s, window, ..layout() };
            let text = render(&layout, &[("", &told)], Timestamp::UNIX_EPOCH);
            let found = names.map(|name| values(&text, "<MPD ", name)[0].to_owned());
            assert_eq!(found, expected.map(|seconds| format!("PT{seconds}S")), "{segment_s} s, {window}");
        }
        // Some may be of a run that had longer ones.
        let longer = self::told("aac", &[(1, 1, (0, 480_000), 0)]);
        let text = render(&layout(), &[("", &longer)], Timestamp::UNIX_EPOCH);
        assert_eq!(values(&text, "<MPD ", "maxSegmentDuration"), ["PT10.000S"]);
    }

    /// The `presentationTimeOffset` of a track in a period.
    fn period_time(text: &str, folder: &str, period: &Period) -> i64 {
        let (_, rest) = text.split_once(&format!("<Period id=\"{}-{}\"", period.run, period.number)).unwrap();
        let media = format!("media=\"{folder}{}-$Number$.m4s\"", period.run);
        let line = rest.lines().find(|line| line.contains(&media)).unwrap();
        attribute(line, "presentationTimeOffset").unwrap().parse().unwrap()
    }
}
