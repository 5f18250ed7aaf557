//! The manifest (ISO/IEC 23009-1, 5): its text, and what that says back. Pure, no clock and no files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use airchain_codecs::container::segment::EPOCH_S;
use jiff::Timestamp;

use super::{Line, MANIFEST, Period, Told};
use crate::segments::name;
use crate::segments::{Layout, nanos};

/// How a manifest of airchain's begins.
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
     <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
     profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\" \
     type=\"dynamic\" availabilityStartTime=\"1970-01-01T00:00:00Z\"";

/// Whether a manifest is one that airchain wrote.
pub(crate) fn is_own(text: &str) -> bool {
    text.starts_with(HEAD)
}

/// The text, of tracks by their folders (with a `/`, or empty), in the order in which players choose.
pub(crate) fn render(layout: &Layout, tracks: &[(&str, &Told)], published: Timestamp) -> String {
    let mut out = String::with_capacity(4096);
    let _ = write!(out, "{HEAD} publishTime=\"{published:.3}\"");
    let second = layout.segment_s;
    if tracks.iter().all(|(_, told)| told.ended) {
        // Still counted from 1970 on, but with an end.
        let ends = tracks.iter().filter_map(|(_, told)| {
            let (line, rate) = (told.lines.all.back()?, told.lines.format.sample_rate_hz);
            let lasts = line.time + line.frames - line.period.time(rate);
            Some(millis(line.period.date) + lasts * 1000 / i64::from(rate))
        });
        let end = ends.max().unwrap_or(0);
        let _ = write!(out, " mediaPresentationDuration=\"{}\"", lasts(end));
    } else {
        let _ = write!(out, " minimumUpdatePeriod=\"PT{second:.3}S\"");
    }
    let _ = writeln!(
        out,
        " minBufferTime=\"PT{second:.3}S\" timeShiftBufferDepth=\"PT{:.3}S\" \
         suggestedPresentationDelay=\"PT{}S\" maxSegmentDuration=\"PT{}.5S\">",
        second * layout.window as f64,
        3 * layout.target_s,
        layout.target_s,
    );
    for span in spans(tracks) {
        let Period { run, number, date, .. } = span.period;
        let _ = writeln!(out, " <Period id=\"{run}-{number}\" start=\"{}\">", lasts(millis(date)));
        sets(tracks, &span, &mut out);
        out.push_str(" </Period>\n");
    }
    // The time of day is that of the server that this comes from: it tells it with every answer.
    let _ = write!(
        out,
        " <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"{MANIFEST}\"/>\n</MPD>\n"
    );
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
    fn holds(&self, line: &Line, rate: u32) -> bool {
        let since = nanos(line.time - line.period.time(rate), rate);
        let begins = || line.period.date.as_nanosecond() + since;
        line.period.run == self.period.run
            && (self.period.number..self.end).contains(&line.number)
            && self.until.is_none_or(|until| begins() < until.as_nanosecond())
    }
}

/// The periods, one behind the other also in time on air (5.3.2.1): what was on air before the clock was set back, and by its date
/// would come behind that, is not told any more.
fn spans(tracks: &[(&str, &Told)]) -> Vec<Span> {
    // Numbers are the same stretch in all tracks: where one begins anew, all do.
    let mut periods = BTreeMap::new();
    for line in tracks.iter().flat_map(|(_, told)| &told.lines.all) {
        periods.entry(line.period.number).or_insert(line.period);
    }
    let (mut spans, mut end, mut until) = (Vec::new(), u64::MAX, None);
    for (number, period) in periods.into_iter().rev() {
        let span = Span { period, end, until };
        if tracks.iter().any(|(_, told)| told.lines.all.iter().any(|line| span.holds(line, rate(told)))) {
            until = Some(period.date);
            spans.push(span);
        }
        end = number;
    }
    spans.reverse();
    spans
}

fn rate(told: &Told) -> u32 {
    told.lines.format.sample_rate_hz
}

/// The adaptation sets of a period. Players change freely within one: it has encodings of one kind and rate.
fn sets(tracks: &[(&str, &Told)], span: &Span, out: &mut String) {
    let kind = |told: &Told| {
        let format = &told.lines.format;
        let codec = format.codec.hls_codecs_string().unwrap_or_default();
        (codec.split('.').next().unwrap_or_default(), format.sample_rate_hz)
    };
    let mut kinds: Vec<_> = tracks.iter().map(|(_, told)| kind(told)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    // In the order of tracks.
    kinds.sort_by_key(|of| tracks.iter().position(|(_, told)| kind(told) == *of));
    for (index, of) in kinds.into_iter().enumerate() {
        let there = |told: &Told| told.lines.all.iter().any(|line| span.holds(line, rate(told)));
        if !tracks.iter().any(|(_, told)| kind(told) == of && there(told)) {
            continue;
        }
        let _ = writeln!(
            out,
            "  <AdaptationSet id=\"{index}\" contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\" \
             startWithSAP=\"1\">\n   <InbandEventStream schemeIdUri=\"https://aomedia.org/emsg/ID3\" value=\"\"/>"
        );
        for (id, (folder, told)) in tracks.iter().enumerate() {
            if kind(told) == of && there(told) {
                representation(id, folder, told, span, out);
            }
        }
        out.push_str("  </AdaptationSet>\n");
    }
}

fn representation(id: usize, folder: &str, told: &Told, span: &Span, out: &mut String) {
    let period = &span.period;
    let format = &told.lines.format;
    let (rate, channels) = (format.sample_rate_hz, format.channels);
    let (codec, bandwidth) = (format.codec.hls_codecs_string().unwrap_or_default(), told.bandwidth);
    let lines: Vec<&Line> = told.lines.all.iter().filter(|line| span.holds(line, rate)).collect();
    let first = lines.first().map_or(0, |line| line.number);
    let (init, media) = (name::init(period.run), name::segment(period.run, "$Number$", "m4s"));
    let _ = writeln!(
        out,
        "   <Representation id=\"{id}\" codecs=\"{codec}\" bandwidth=\"{bandwidth}\" audioSamplingRate=\"{rate}\">\n    \
         <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" \
         value=\"{channels}\"/>\n    <SegmentTemplate timescale=\"{rate}\" presentationTimeOffset=\"{}\" \
         startNumber=\"{first}\" initialization=\"{folder}{init}\" media=\"{folder}{media}\">\n     <SegmentTimeline>",
        period.time(rate),
    );
    for same in lines.chunk_by(|a, b| a.frames == b.frames) {
        if let [line, more @ ..] = same {
            let (time, frames, repeats) = (line.time, line.frames, more.len());
            let _ = writeln!(out, "      <S t=\"{time}\" d=\"{frames}\" r=\"{repeats}\"/>");
        }
    }
    out.push_str("     </SegmentTimeline>\n    </SegmentTemplate>\n   </Representation>\n");
}

fn millis(date: Timestamp) -> i64 {
    date.as_millisecond()
}

/// A time in milliseconds as `xs:duration`.
fn lasts(millis: i64) -> String {
    format!("PT{}.{:03}S", millis.div_euclid(1000), millis.rem_euclid(1000))
}

/// What a text that [`render`] made tells of the track in a folder, whose rate is still this; nothing where it cannot be
/// read.
pub(crate) fn parse(text: &str, folder: &str, rate: u32) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    let (mut begins, mut at) = (None, None);
    for line in text.lines().map(str::trim_start) {
        let number = |name: &str| attribute(line, name)?.parse::<i64>().ok();
        if line.starts_with("<Period ") {
            let (run, number) = attribute(line, "id")?.split_once('-')?;
            let start = attribute(line, "start")?.strip_prefix("PT")?.strip_suffix('S')?.replace('.', "");
            let date = Timestamp::from_millisecond(start.parse().ok()?).ok()?;
            begins = Some((run.parse().ok()?, number.parse::<u64>().ok()?, date));
        } else if line.starts_with("<SegmentTemplate ") {
            let (run, first, date) = begins?;
            let media = attribute(line, "media")?.strip_suffix(&name::segment(run, "$Number$", "m4s"));
            let is_this = media == Some(folder) && number("timescale")? == i64::from(rate);
            let position = nanos(number("presentationTimeOffset")? - EPOCH_S * i64::from(rate), rate);
            let period = Period { run, number: first, position, date };
            at = is_this.then_some((u64::try_from(number("startNumber")?).ok()?, period));
        } else if line.starts_with("<S ") {
            let Some((next, period)) = &mut at else { continue };
            let (time, frames) = (number("t")?, number("d")?);
            for repeat in 0..=number("r")?.min(10_000) {
                lines.push(Line { number: *next, time: time + repeat * frames, frames, period: *period });
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
        let format = Format::parse(format).unwrap();
        let mut lines = Lines { format, all: Default::default() };
        for &(run, number, (start, end), zero) in segments {
            let date = zero + (start * 1000).div_euclid(i64::from(format.sample_rate_hz));
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
            lines.note(&entry, (start, end), &Window::new(4, "m4s", 0));
        }
        Told { lines, bandwidth: 128_000, ended: false }
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
            publishTime=\"2026-03-01T12:00:00.000Z\" minimumUpdatePeriod=\"PT4.000S\" minBufferTime=\"PT4.000S\" \
            timeShiftBufferDepth=\"PT24.000S\" suggestedPresentationDelay=\"PT12S\" maxSegmentDuration=\"PT4.5S\">\n \
            <Period id=\"1700-5\" start=\"PT1.957S\">\n  \
            <AdaptationSet id=\"0\" contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\">\n   \
            <InbandEventStream schemeIdUri=\"https://aomedia.org/emsg/ID3\" value=\"\"/>\n   \
            <Representation id=\"0\" codecs=\"mp4a.40.2\" bandwidth=\"128000\" audioSamplingRate=\"48000\">\n    \
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
        // The last segment ends 11.989 s behind position 0.
        assert!(
            text.contains(" mediaPresentationDuration=\"PT13.989S\"") && !text.contains("Update"),
            "{text}"
        );
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
            (8_000, 7, (100, 48_100), 60_000),
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
            "8000-7\" start=\"PT60.002S",
        ];
        assert_eq!(periods, expected.map(|period| format!(" <Period id=\"{period}\">")));
        // Encodings of different kinds are not for switching between.
        assert_eq!(text.matches("<AdaptationSet").count(), 9);
        assert!(
            text.contains("media=\"high/8000-$Number$.m4s\"")
                && text.contains("<S t=\"960200\" d=\"96000\" r=\"0\"/>")
        );
        for (folder, told) in tracks {
            let rate = told.lines.format.sample_rate_hz;
            let back = parse(&text, folder, rate).unwrap();
            let of = |lines: &[Line]| {
                lines.iter().map(|l| (l.period.run, l.number, l.time, l.frames)).collect::<Vec<_>>()
            };
            assert_eq!(of(&back), of(&told.lines.all.iter().copied().collect::<Vec<_>>()), "{folder}");
            // Told again, it is the same.
            assert!(
                back.iter().all(|line| line.period.time(rate) == period_time(&text, folder, &line.period))
            );
        }
        assert_eq!(parse(&text, "other/", 48_000).map(|lines| lines.len()), Some(0));
        assert_eq!(parse(&text, "", 44_100).map(|lines| lines.len()), Some(0));
        assert_eq!(parse(&text.replace("startNumber=\"5\"", "startNumber=\"x\""), "", 48_000), None);
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

    /// The `presentationTimeOffset` of a track in a period.
    fn period_time(text: &str, folder: &str, period: &Period) -> i64 {
        let (_, rest) = text.split_once(&format!("<Period id=\"{}-{}\"", period.run, period.number)).unwrap();
        let media = format!("media=\"{folder}{}-$Number$.m4s\"", period.run);
        let line = rest.lines().find(|line| line.contains(&media)).unwrap();
        attribute(line, "presentationTimeOffset").unwrap().parse().unwrap()
    }
}
