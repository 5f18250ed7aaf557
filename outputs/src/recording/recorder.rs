//! Cuts the programme into files: on the grid of the wall clock, by size, and where audio is missing.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::Path;

use airchain_codecs::container::{self, Muxer};
use airchain_codecs::packet::Packet;
use airchain_core::item::Metadata;

use super::RecordingConfig;
use super::file::Recording;
use super::name::Naming;
use super::retention::Retention;
use crate::disk;
use crate::sink::{Opening, Retry, SinkError};

/// How much of the programme before a file its muxer gets to see, to warm decoders up.
const LEAD_MS: i64 = 400;
/// A file that leaves out more time than this ends there: where something is in it tells when that was. In nanoseconds.
const LEAP: i128 = 1_000_000_000;
/// Most audio that waits for a disk to recover.
const PENDING_S: i64 = 60;

/// What is being recorded. Lives across faults; all its calls do file work and may block.
pub(super) struct Recorder {
    config: RecordingConfig,
    /// The encoder that all positions are of.
    opening: Option<Opening>,
    /// Packets that are not in a file yet.
    pending: Vec<Packet>,
    file: Option<Recording>,
    /// Where the packets written so far end.
    end: Option<i64>,
    /// From this frame on a new file.
    cut: i64,
    /// Nanoseconds that the programme had left out when the file under way began.
    left_out: i128,
    /// Packets before `end`, to warm up the decoders of the next file.
    lead: VecDeque<Packet>,
    /// When old recordings are looked for next.
    tidy: i64,
}

impl Recorder {
    pub(super) fn new(config: RecordingConfig) -> Self {
        let (pending, lead) = (Vec::new(), VecDeque::new());
        Self { config, opening: None, pending, file: None, end: None, cut: 0, left_out: 0, lead, tidy: 0 }
    }

    /// Makes ready for packets. A file that a fault has left open is completed first.
    pub(super) fn open(&mut self, opening: &Opening) -> Result<(), SinkError> {
        let _ = self.finish();
        let same = |last: &Opening| last.epoch == opening.epoch && last.info == opening.info;
        if !self.opening.as_ref().is_some_and(same) {
            *self = Self::new(self.config.clone());
            self.opening = Some(opening.clone());
        }
        self.naming(opening)?;
        let path = &self.config.path;
        std::fs::create_dir_all(path).map_err(|error| fault("create the directory", path, &error))
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
            let leapt = opening.left_out_ns(start) - self.left_out > LEAP;
            if self.file.is_none() || gap || leapt || start >= self.cut || is_full {
                self.rotate(opening, start, gap)?;
            }
            // As far as the programme runs on without a break and belongs to this file.
            let mut end = start;
            let run = self.pending.iter().take_while(|packet| {
                let leapt = opening.left_out_ns(packet.pts) - self.left_out > LEAP;
                let belongs = packet.pts == end && packet.pts < self.cut && !leapt;
                end = packet.end();
                belongs
            });
            let run: Vec<Packet> = run.cloned().collect();
            let Some(file) = &mut self.file else { break };
            if let Err(error) = file.append(&run) {
                let path = file.path().to_owned();
                let _ = self.finish();
                return Err(fault("write", &path, &error));
            }
            self.pending.drain(..run.len());
            let written = run.last().map_or(start, Packet::end);
            self.end = Some(written);
            self.lead.extend(run);
            let rate = i64::from(opening.info.format.sample_rate_hz);
            let warm = written - rate * LEAD_MS / 1000;
            let cold = self.lead.iter().take_while(|packet| packet.end() <= warm).count();
            self.lead.drain(..cold);
            if written >= self.tidy {
                self.tidy = written + 60 * rate;
                self.retain(opening, written)?;
            }
        }
        Ok(())
    }

    /// Completes the file under way.
    pub(super) fn finish(&mut self) -> Result<(), SinkError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let path = file.path().to_owned();
        file.finish().map_err(|error| fault("complete", &path, &error))
    }

    /// Completes the file under way and opens the one that begins at `start`.
    fn rotate(&mut self, opening: &Opening, start: i64, gap: bool) -> Result<(), SinkError> {
        self.finish()?;
        if gap {
            self.lead.clear();
        }
        // What a decoder gives before frame 0 is its delay, not programme; containers know that by themselves.
        let begin = start.max(0);
        let takes_over = (start > 0).then_some(start);
        let began = opening.time_of(begin);
        self.retain(opening, begin)?;
        let (naming, muxer) = self.naming(opening)?;
        let mut file = Recording::create(&self.config.path, &naming, began, muxer)
            .map_err(|(path, error)| fault("create", &path, &error))?;
        let metadata = self.tags(began);
        if let Err(error) = file.start(takes_over, &metadata, self.lead.make_contiguous()) {
            let path = file.path().to_owned();
            let _ = file.finish();
            return Err(fault("write", &path, &error));
        }
        self.file = Some(file);
        self.left_out = opening.left_out_ns(begin);
        self.cut = self.next_cut(opening, begin);
        Ok(())
    }

    /// The first frame at or after the next point of the wall clock's grid.
    fn next_cut(&self, opening: &Opening, begin: i64) -> i64 {
        let period = i128::from(self.config.rotate_every_s) * 1_000_000_000;
        if period == 0 {
            return i64::MAX;
        }
        let now = opening.time_of(begin).as_nanosecond();
        let left_out = opening.left_out_ns(begin);
        let next = (now.div_euclid(period) + 1) * period - opening.epoch.as_nanosecond() - left_out;
        let frames = next * i128::from(opening.info.format.sample_rate_hz);
        // Rounded up; a cut is never at or before the beginning, whatever the rounding of time.
        i64::try_from(-(-frames).div_euclid(1_000_000_000)).unwrap_or(i64::MAX).max(begin + 1)
    }

    fn retain(&self, opening: &Opening, at: i64) -> Result<(), SinkError> {
        let retention =
            Retention { days: self.config.retention_days, max_bytes: self.config.max_total_bytes };
        let (naming, _) = self.naming(opening)?;
        let current = self.file.as_ref().map(Recording::path);
        retention.apply(&self.config.path, &naming, current, opening.time_of(at));
        Ok(())
    }

    fn naming(&self, opening: &Opening) -> Result<(Naming, Box<dyn Muxer>), SinkError> {
        let unfit = |message: String| SinkError { message, retry: Retry::Seldom };
        let muxer = container::for_file(&opening.info, &self.config.extension)
            .map_err(|error| unfit(format!("recording to {}: {error}", self.config.path.display())))?;
        let extension = match self.config.extension.as_str() {
            "" => muxer.extension(),
            extension => extension,
        };
        let naming = Naming::new(&self.config.name, extension)
            .ok_or_else(|| unfit(format!("name: {} is not accepted", self.config.name)))?;
        Ok((naming, muxer))
    }

    /// What the tags of a file say.
    fn tags(&self, began: jiff::Timestamp) -> Metadata {
        let station = self.config.station.trim();
        let time = began.strftime("%Y-%m-%d %H:%M:%S UTC");
        let artist = (!station.is_empty()).then(|| station.to_owned());
        Metadata { title: Some(format!("{station} {time}").trim().to_owned()), artist, ..Metadata::default() }
    }
}

/// A fault of the disk: a person must help where room or permission is missing, others pass.
fn fault(doing: &str, path: &Path, error: &io::Error) -> SinkError {
    use ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let retry = match error.kind() {
        StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied => Retry::Seldom,
        _ => Retry::Soon,
    };
    disk::fault(doing, path, error, retry)
}
