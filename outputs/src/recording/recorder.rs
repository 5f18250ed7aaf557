//! Cuts the programme into files: on the grid of the wall clock, by size, and where audio is missing.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use airchain_codecs::container::{self, Muxer};
use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::RecordingConfig;
use super::catalog::Catalog;
use super::cue::CueSheet;
use super::file::{AHEAD_BYTES, Recording};
use super::reserve;
use super::retention::Retention;
use super::titles::Titles;
use crate::disk;
use crate::sink::{Opening, Retry, SinkError};

/// How much of the programme before a file its muxer gets to see, to warm decoders up.
const LEAD_MS: i64 = 400;
/// A file in which dates leap by more than this ends there: where something is in it tells when that was. In nanoseconds.
const LEAP: i128 = 1_000_000_000;
/// Most audio that waits for a disk to recover.
const PENDING_S: i64 = 60;

/// What is being recorded. Lives across faults; all its calls do file work and may block.
pub(super) struct Recorder {
    config: RecordingConfig,
    /// The encoder that all positions are of.
    opening: Option<Opening>,
    /// The recordings there are.
    catalog: Option<Catalog>,
    titles: Titles,
    /// Packets that are not in a file yet.
    pending: Vec<Packet>,
    file: Option<Recording>,
    /// Where the packets written so far end.
    end: Option<i64>,
    /// From this time on a new file, whatever becomes of the clock until then.
    due: Option<Timestamp>,
    /// Nanoseconds by which dates had leapt when the file under way began.
    leapt: i128,
    /// Packets before `end`, to warm up the decoders of the next file.
    lead: VecDeque<Packet>,
    /// When old recordings are looked for next.
    tidy: i64,
    /// The disk was found to be full.
    full: bool,
}

impl Recorder {
    pub(super) fn new(config: RecordingConfig) -> Self {
        Self {
            config,
            opening: None,
            catalog: None,
            titles: Titles::default(),
            pending: Vec::new(),
            file: None,
            end: None,
            due: None,
            leapt: 0,
            lead: VecDeque::new(),
            tidy: 0,
            full: false,
        }
    }

    /// Makes ready for packets. A file that a fault has left open is completed first.
    pub(super) fn open(&mut self, opening: &Opening) -> Result<(), SinkError> {
        let _ = self.finish();
        let same = |last: &Opening| last.epoch == opening.epoch && last.info == opening.info;
        if !self.opening.as_ref().is_some_and(same) {
            *self = Self::new(self.config.clone());
            self.opening = Some(opening.clone());
        }
        if let Some(metadata) = &opening.metadata {
            let next = self.pending.last().map(Packet::end).or(self.end).unwrap_or(i64::MIN);
            self.titles.note(next, metadata);
        }
        let muxer = self.muxer(opening)?;
        let path = &self.config.path;
        std::fs::create_dir_all(path).map_err(|error| fault("create the directory", path, &error))?;
        let extension = match self.config.extension.as_str() {
            "" => muxer.extension(),
            extension => extension,
        };
        let naming = self.config.naming(extension);
        let naming = naming.ok_or_else(|| unfit(format!("name: {} is not accepted", self.config.name)))?;
        let made = self.catalog.take().map(Catalog::into_made).unwrap_or_default();
        let mut catalog = Catalog::open(path, naming, made);
        if self.full {
            // What is old may go, and nothing is written just to learn that nothing can be.
            let end = self.pending.last().map_or(0, Packet::end);
            retention(&self.config).apply(&mut catalog, None, settled(opening, end));
            let waiting: u64 = self.pending.iter().map(|packet| packet.data.len() as u64).sum();
            let needed = waiting + waiting / 8 + AHEAD_BYTES;
            if reserve::room(path).is_some_and(|room| room < needed) {
                return Err(fault("write", path, &ErrorKind::StorageFull.into()));
            }
        }
        self.catalog = Some(catalog);
        Ok(())
    }

    /// Takes titles, in the order of their frames.
    pub(super) fn note(&mut self, titles: &[(i64, Arc<Metadata>)]) {
        titles.iter().for_each(|(at, metadata)| self.titles.note(*at, metadata));
    }

    /// Takes packets. Those that a fault let be delivered twice are known by their position.
    pub(super) fn take(&mut self, packets: Vec<Packet>, rate: u32) {
        for packet in packets {
            let end = self.pending.last().map(Packet::end).or(self.end);
            if end.is_some_and(|end| packet.pts < end) {
                continue;
            }
            // What a fault has left over is worth a file only if it goes on.
            if !self.pending.is_empty() && end != Some(packet.pts) {
                self.pending.clear();
            }
            self.pending.push(packet);
        }
        let newest = self.pending.last().map_or(0, Packet::end);
        let oldest = newest - PENDING_S * i64::from(rate);
        self.pending.retain(|packet| packet.pts >= oldest);
    }

    /// Writes what is pending. After an error the file is complete as far as it goes, and what it does not hold is
    /// still pending.
    pub(super) fn write(&mut self, opening: &Opening) -> Result<(), SinkError> {
        while let Some(first) = self.pending.first() {
            let (start, gap) = (first.pts, self.end != Some(first.pts));
            let full = self.config.rotate_max_bytes;
            let is_full = full > 0 && self.file.as_ref().is_some_and(|file| file.bytes() >= full);
            if self.file.is_none() || gap || is_full || self.is_over(opening, start) {
                self.rotate(opening, start, gap)?;
            }
            // As far as the programme runs on without a break and belongs to this file.
            let mut end = start;
            let run = self.pending.iter().take_while(|packet| {
                let belongs = packet.pts == end && !self.is_over(opening, packet.pts);
                end = packet.end();
                belongs
            });
            let run: Vec<Packet> = run.cloned().collect();
            let Some(file) = &mut self.file else { break };
            if let Err(error) = file.append(&run) {
                let path = file.path().to_owned();
                let _ = self.finish();
                return Err(self.failed("write", &path, &error));
            }
            self.pending.drain(..run.len());
            self.full = false;
            let written = run.last().map_or(start, Packet::end);
            self.titles.between(start, written).for_each(|(at, metadata)| file.note(*at, metadata));
            self.titles.forget_before(written);
            file.write_cue();
            self.end = Some(written);
            self.lead.extend(run);
            let rate = i64::from(opening.info.format.sample_rate_hz);
            let warm = written - rate * LEAD_MS / 1000;
            let cold = self.lead.iter().take_while(|packet| packet.end() <= warm).count();
            self.lead.drain(..cold);
            if written >= self.tidy {
                self.tidy = written + 60 * rate;
                self.retain(opening, written);
            }
        }
        Ok(())
    }

    /// Completes the file under way.
    pub(super) fn finish(&mut self) -> Result<(), SinkError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let path = file.path().to_owned();
        file.finish().map_err(|error| self.failed("complete", &path, &error))
    }

    /// Completes the file under way and opens the one that begins at `start`.
    fn rotate(&mut self, opening: &Opening, start: i64, gap: bool) -> Result<(), SinkError> {
        self.finish()?;
        if gap {
            self.lead.clear();
        }
        let begin = heard(start);
        let takes_over = (start > 0).then_some(start);
        let began = opening.time_of(begin);
        self.retain(opening, begin);
        let muxer = self.muxer(opening)?;
        let title = self.titles.at(start).cloned().unwrap_or_default();
        let catalog = self.catalog.as_ref().ok_or_else(|| unfit("the recording is not open".into()))?;
        let name = |n| catalog.naming().name(began, &title, n);
        let mut file = match Recording::create(&self.config.path, name, muxer) {
            Ok(file) => file,
            Err((path, error)) => return Err(self.failed("create", &path, &error)),
        };
        let tags = tags(&self.config.station, began);
        let listed = self.catalog.as_mut().map_or(Ok(()), |catalog| catalog.note(file.path(), began));
        let started = listed.and_then(|()| file.start(takes_over, &tags, self.lead.make_contiguous()));
        if let Err(error) = started {
            let path = file.path().to_owned();
            let _ = file.finish();
            return Err(self.failed("write", &path, &error));
        }
        if self.config.cue {
            let rate_hz = opening.info.format.sample_rate_hz;
            file.keep_cue(CueSheet::new(file.path(), &tags, rate_hz, begin, &title));
        }
        self.file = Some(file);
        self.leapt = opening.leapt_ns(begin);
        let period_s = i64::try_from(self.config.rotate_every_s).ok().filter(|period| *period > 0);
        self.due = period_s
            .and_then(|period_s| Timestamp::from_second(next_point(began, period_s, &self.config.zone)).ok());
        Ok(())
    }

    /// Whether the file under way ends before a frame: at the next point of the wall clock's grid, or where dates leap.
    fn is_over(&self, opening: &Opening, frame: i64) -> bool {
        let frame = heard(frame);
        let leaps = (opening.leapt_ns(frame) - self.leapt).abs() > LEAP;
        leaps || self.due.is_some_and(|due| opening.time_of(frame) >= due)
    }

    fn retain(&mut self, opening: &Opening, at: i64) {
        let current = self.file.as_ref().map(Recording::path);
        if let Some(catalog) = &mut self.catalog {
            retention(&self.config).apply(catalog, current, settled(opening, at));
        }
    }

    fn muxer(&self, opening: &Opening) -> Result<Box<dyn Muxer>, SinkError> {
        container::for_file(&opening.info, &self.config.extension)
            .map_err(|error| unfit(format!("recording to {}: {error}", self.config.path.display())))
    }

    fn failed(&mut self, doing: &str, path: &Path, error: &io::Error) -> SinkError {
        self.full = error.kind() == ErrorKind::StorageFull;
        fault(doing, path, error)
    }
}

/// The first frame from one on that is programme: what a decoder gives before frame 0 is its delay. Containers know that by
/// themselves.
fn heard(frame: i64) -> i64 {
    frame.max(0)
}

/// The time that says which recordings are old, at a frame. A clock that is set forward says so only when it has stood for a day:
/// what it takes for old is gone for good, and until then somebody may see that it is wrong.
fn settled(opening: &Opening, at: i64) -> Timestamp {
    let day = 86_400 * i64::from(opening.info.format.sample_rate_hz);
    let (now, yesterday) = (opening.time_of(at), opening.time_of(at - day));
    yesterday.checked_add(SignedDuration::from_hours(24)).map_or(now, |by_old| by_old.min(now))
}

fn retention(config: &RecordingConfig) -> Retention {
    Retention { days: config.retention_days, max_bytes: config.max_total_bytes }
}

/// The next point, in Unix seconds, at which clocks in a zone show a multiple of a period since midnight of 1970-01-01.
fn next_point(now: Timestamp, period_s: i64, zone: &TimeZone) -> i64 {
    let offset = |at: i64| {
        let at = Timestamp::from_second(at).unwrap_or(now);
        i64::from(zone.to_offset(at).seconds())
    };
    let now_s = now.as_nanosecond().div_euclid(1_000_000_000) as i64;
    let here = offset(now_s);
    let next = ((now_s + here).div_euclid(period_s) + 1) * period_s - here;
    // Where the clocks are changed in between they show something else then.
    let there = offset(next);
    let moved = next + here - there;
    let is_on_grid = (next + there).rem_euclid(period_s) == 0;
    if is_on_grid || moved <= now_s || offset(moved) != there { next } else { moved }
}

/// What the tags of a file say.
fn tags(station: &str, began: Timestamp) -> Metadata {
    let station = station.trim();
    let time = began.strftime("%Y-%m-%d %H:%M:%S UTC");
    let artist = (!station.is_empty()).then(|| station.to_owned());
    Metadata { title: Some(format!("{station} {time}").trim().to_owned()), artist, ..Metadata::default() }
}

fn unfit(message: String) -> SinkError {
    SinkError { message, retry: Retry::Seldom }
}

/// A fault of the disk. Where room or permission is missing a person must help, and it is seen at once when one has.
fn fault(doing: &str, path: &Path, error: &io::Error) -> SinkError {
    use ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let retry = match error.kind() {
        StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied => Retry::Steadily,
        _ => Retry::Soon,
    };
    disk::fault(doing, path, error, retry)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use airchain_codecs::packet::StreamInfo;
    use airchain_codecs::{Bitrate, Codec, Format};

    use super::*;

    #[test]
    fn a_clock_that_was_set_forward_says_what_is_old_when_it_has_stood_for_a_day() {
        let format =
            Format { codec: Codec::Flac, bitrate: Bitrate::Lossless, sample_rate_hz: 48_000, channels: 2 };
        let info = Arc::new(StreamInfo { format, delay: 0, packet_frames: None, headers: Vec::new() });
        let (epoch, leaps) = ("2026-03-01T12:00:00Z".parse().unwrap(), Default::default());
        let opening = Opening { info, epoch, position: 0, leaps, metadata: None };
        let frame = |hour: i64| hour * 3_600 * 48_000;
        let year_ns = 365 * 86_400 * 1_000_000_000;
        let set = |by_ns, hour: i64| opening.leaps.follow(by_ns, 48_000, || frame(hour) as u64);
        let at = |hour: i64| settled(&opening, frame(hour)).to_string();
        set(year_ns, 1);
        assert_eq!(
            [at(0), at(2), at(24)],
            ["2026-03-01T12:00:00Z", "2026-03-01T14:00:00Z", "2026-03-02T12:00:00Z"]
        );
        assert_eq!([at(25), at(26)], ["2027-03-02T13:00:00Z", "2027-03-02T14:00:00Z"]);
        // Back is at once.
        set(0, 30);
        assert_eq!(
            [at(29), at(30), at(31)],
            ["2027-03-02T17:00:00Z", "2026-03-02T18:00:00Z", "2026-03-02T19:00:00Z"]
        );
    }

    #[test]
    fn cuts_are_where_the_clocks_of_the_zone_show_it() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let (hour, day) = (3600, 86_400);
        for (now, period_s, next) in [
            ("2026-03-07T05:00:00Z", day, "2026-03-08T05:00:00Z"),
            // The days on which the clocks are changed have 23 and 25 hours.
            ("2026-03-08T05:00:00Z", day, "2026-03-09T04:00:00Z"),
            ("2026-11-01T04:00:00.5Z", day, "2026-11-02T05:00:00Z"),
            ("2026-03-08T06:59:59Z", hour, "2026-03-08T07:00:00Z"),
            ("2026-11-01T05:00:00Z", hour, "2026-11-01T06:00:00Z"),
            ("2026-11-01T06:00:00Z", hour, "2026-11-01T07:00:00Z"),
            // There is no two o'clock that night.
            ("2026-03-08T05:00:00Z", 2 * hour, "2026-03-08T07:00:00Z"),
            ("2026-03-08T07:00:00Z", 2 * hour, "2026-03-08T08:00:00Z"),
        ] {
            let found = next_point(now.parse().unwrap(), period_s, &zone);
            assert_eq!(Timestamp::from_second(found).unwrap().to_string(), next, "{now} {period_s}");
        }
        // Half an hour beside the others.
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        let found = next_point("2026-03-01T05:59:57.5Z".parse().unwrap(), hour, &zone);
        assert_eq!(Timestamp::from_second(found).unwrap().to_string(), "2026-03-01T06:30:00Z");
    }
}
