//! A presentation from poll to poll: the multivariant playlist, and the media playlists that it names.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::decode::{Stretch, from_second_part, stretches};
use super::reports::{Reports, places};
use super::watched::{Kept, Watched};
use super::{Finding, Media, Multivariant, Notes, Origin, micros_between};

/// Dates of the same moment in two renditions may differ by a packet, and what time stamps say of them by rounding.
const RENDITION_US: i64 = 50_000;
const ROUNDING_US: i64 = 2_000;

/// Follows a presentation.
pub struct Checker {
    index: String,
    late: Duration,
    named: Option<Multivariant>,
    watched: BTreeMap<String, Watched>,
    /// The lowest `BANDWIDTH` that was ever said of a variant: what those know who have read it then.
    lowest: BTreeMap<String, u64>,
    averages: BTreeMap<String, u64>,
    reports: Reports,
    findings: Vec<Finding>,
}

impl Checker {
    /// Follows the presentation whose multivariant playlist is called `index`. What comes late by up to `late` more than it
    /// may is no finding: a busy machine is not the writer's fault.
    pub fn new(index: &str, late: Duration) -> Self {
        Self {
            index: index.to_owned(),
            late,
            named: None,
            watched: BTreeMap::new(),
            lowest: BTreeMap::new(),
            averages: BTreeMap::new(),
            reports: Reports::default(),
            findings: Vec::new(),
        }
    }

    /// Looks once. Several times per segment is often enough. Where a server holds requests, this takes as long as it does so.
    pub fn poll(&mut self, origin: &mut dyn Origin) {
        self.read_index(origin);
        self.check_peaks();
        let before = (origin.now(), &places(&self.watched));
        for watched in self.watched.values_mut() {
            watched.poll(origin, self.late.as_secs_f64(), &mut self.findings);
        }
        self.reports.check(&self.watched, before, &mut self.findings);
        self.check_variants();
        self.check_alike();
    }

    /// The server was away, and is there again: an end may be taken back now, and nothing is late.
    pub fn restarted(&mut self) {
        self.watched.values_mut().for_each(Watched::restarted);
        self.reports.forget();
    }

    /// The clock by which dates are given was set, that of the [`Origin`] was not: what begins from now on has its dates by it,
    /// behind a discontinuity, and what had begun by then has not.
    pub fn clock_set(&mut self, by: SignedDuration) {
        self.watched.values_mut().for_each(|watched| watched.clock_set(by));
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Fails with all that was found.
    ///
    /// # Panics
    /// When that is anything.
    pub fn assert_clean(&self) {
        let found: Vec<_> = self.findings.iter().map(|finding| format!("\n  {finding}")).collect();
        assert!(found.is_empty(), "{} findings:{}", found.len(), found.concat());
    }

    /// Paths of the media playlists that were ever named.
    pub fn playlists(&self) -> Vec<String> {
        self.watched.keys().cloned().collect()
    }

    /// A media playlist as it was last.
    pub fn media(&self, path: &str) -> Option<&Media> {
        self.watched.get(path)?.last.as_ref().map(|last| &last.media)
    }

    /// Where the last segment of a media playlist ends by its time stamp and `EXTINF`, in microseconds.
    pub fn end_us(&self, path: &str) -> Option<i64> {
        let (_, last) = self.watched.get(path)?.kept.last_key_value()?;
        Some(last.heard.as_ref()?.start_us + last.segment.duration_us as i64)
    }

    /// What can be decoded as a whole, of all segments of all media playlists.
    pub fn stretches(&self) -> Vec<Stretch> {
        self.watched.values().flat_map(|watched| stretches(watched, self.codecs(watched))).collect()
    }

    /// Of each media playlist with parts a segment without its first part, as a player hears it that begins with the second.
    pub fn second_parts(&self) -> Vec<Stretch> {
        let all = self.watched.values();
        all.filter_map(|watched| from_second_part(watched, self.codecs(watched))).collect()
    }

    /// `CODECS` of a media playlist.
    fn codecs(&self, watched: &Watched) -> &str {
        let mut variants = self.named.iter().flat_map(|named| &named.variants);
        variants.find(|variant| variant.uri == watched.path).map_or("", |variant| &variant.codecs)
    }

    fn read_index(&mut self, origin: &mut dyn Origin) {
        let (index, known) = (self.index.clone(), self.named.is_some());
        let mut notes = Notes { playlist: &index, found: &mut self.findings };
        let Some(fetched) = origin.get(&index) else {
            if known {
                notes.note("6.2.1", 0, "it is no longer there");
            }
            return;
        };
        let Ok(text) = String::from_utf8(fetched.data) else {
            return notes.note("4", 0, "it is not UTF-8");
        };
        let named = Multivariant::read(&text, &mut notes);
        for variant in &named.variants {
            let path = variant.uri.clone();
            self.watched.entry(path.clone()).or_insert_with(|| Watched::new(path));
            let lowest = self.lowest.entry(variant.uri.clone()).or_insert(variant.bandwidth);
            *lowest = variant.bandwidth.min(*lowest);
        }
        self.named = Some(named);
    }

    /// No run of segments has a higher rate than `BANDWIDTH` (4.3.4.2), nor what comes later.
    fn check_peaks(&mut self) {
        for (uri, watched) in &self.watched {
            let Some(last) = &watched.last else { continue };
            let peak = peak(watched, last.media.target_s * 1_000_000);
            let lowest = self.lowest.get(uri).copied().unwrap_or(0);
            if peak > lowest {
                let what = format!("BANDWIDTH of {uri} was said to be {lowest}, segments have {peak}");
                Notes { playlist: &self.index, found: &mut self.findings }.note("4.3.4.2", 0, what);
            }
        }
    }

    /// What the multivariant playlist says of each media playlist.
    fn check_variants(&mut self) {
        let Some(named) = &self.named else { return };
        let mut notes = Notes { playlist: &self.index, found: &mut self.findings };
        for variant in &named.variants {
            let Some(watched) = self.watched.get(&variant.uri) else { continue };
            let Some(last) = &watched.last else { continue };
            let in_window = watched.kept.range(last.media.sequence..).map(|(_, kept)| kept);
            // The one or the other: the text may be older than this window by a moment.
            let now = average(in_window);
            let before = self.averages.insert(variant.uri.clone(), now).unwrap_or(now);
            let near = |average: u64| average.abs_diff(variant.average) * 10 <= average;
            if now > 0 && !near(now) && !near(before) {
                let said = variant.average;
                let what = format!("AVERAGE-BANDWIDTH of {} is {said}, its segments have {now}", variant.uri);
                notes.note("4.3.4.2", variant.line, what);
            }
            if named.independent && !last.media.independent {
                let what = format!("EXT-X-INDEPENDENT-SEGMENTS, but {} does not say so", variant.uri);
                notes.note("4.3.5.1", 0, what);
            }
            let mut known = watched.kept.values().filter_map(|kept| kept.heard.as_ref());
            if let Some(heard) = known.next_back().filter(|heard| !heard.codecs.contains(&&*variant.codecs)) {
                let (said, may) = (&variant.codecs, heard.codecs);
                let what = format!("CODECS of {} is {said}, its audio is of {may:?}", variant.uri);
                notes.note("4.3.4.2", variant.line, what);
            }
        }
    }

    /// What renditions have in common (6.2.4).
    fn check_alike(&mut self) {
        let mut all =
            self.watched.values().filter_map(|watched| Some((watched, &watched.last.as_ref()?.media)));
        let Some((first, first_media)) = all.next() else { return };
        for (other, media) in all {
            let mut notes = Notes { playlist: &other.path, found: &mut self.findings };
            if media.target_s != first_media.target_s {
                notes.note("6.2.4", 0, format!("another target duration than {}", first.path));
            }
            if media.control != first_media.control && !media.ended && !first_media.ended {
                let what = format!("another EXT-X-SERVER-CONTROL than {}", first.path);
                notes.note("bis 6.2.4", 0, what);
            }
            let hold_back_us = media.control.as_ref().and_then(|control| control.part_hold_back_us);
            if hold_back_us.zip(first_media.part_target_us).is_some_and(|(back, part)| back < 3 * part) {
                let what = format!("PART-HOLD-BACK is less than three part targets of {}", first.path);
                notes.note("bis 4.4.3.8", 0, what);
            }
            for segment in &media.segments {
                let (Some(a), Some(b)) = (first.kept.get(&segment.number), other.kept.get(&segment.number))
                else {
                    continue;
                };
                if a.segment.discontinuities != b.segment.discontinuities {
                    let what = format!("{} has other discontinuities before it", segment.uri);
                    notes.note("6.2.4", segment.line, what);
                }
                let dates = a.segment.date.zip(b.segment.date);
                let off_us = dates.map_or(0, |(a, b)| micros_between(a, b));
                let stamps = a.heard.as_ref().zip(b.heard.as_ref());
                let stamps_us = stamps.map_or(off_us, |(a, b)| b.start_us - a.start_us);
                if off_us.abs() > RENDITION_US || (stamps_us - off_us).abs() > ROUNDING_US {
                    let what = format!(
                        "{} is {off_us} us from {} by date, {stamps_us} by time stamp",
                        segment.uri, first.path
                    );
                    notes.note("6.2.4", segment.line, what);
                }
            }
        }
    }
}

/// The highest bit rate of any run of segments between 0.5 and 1.5 target durations long.
fn peak(watched: &Watched, target_us: u64) -> u64 {
    let there: Vec<&Kept> = watched.kept.values().collect();
    let mut peak = 0;
    for first in 0..there.len() {
        let (mut bytes, mut time_us) = (0, 0);
        for kept in there[first..].iter().take_while(|kept| !kept.data.is_empty()) {
            (bytes, time_us) = (bytes + kept.data.len() as u64, time_us + kept.segment.duration_us);
            if time_us * 2 > target_us * 3 {
                break;
            }
            if time_us * 2 >= target_us {
                peak = peak.max(bits_per_second(bytes, time_us));
            }
        }
    }
    peak
}

fn average<'a>(segments: impl Iterator<Item = &'a Kept>) -> u64 {
    let there = segments.filter(|kept| !kept.data.is_empty());
    let sum = there.fold((0, 0), |(bytes, time_us), kept| {
        (bytes + kept.data.len() as u64, time_us + kept.segment.duration_us)
    });
    bits_per_second(sum.0, sum.1)
}

fn bits_per_second(bytes: u64, time_us: u64) -> u64 {
    (u128::from(bytes) * 8_000_000 / u128::from(time_us.max(1))) as u64
}
