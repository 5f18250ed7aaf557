//! A file as one unbroken run of frames: packets placed on the gapless timeline.
//!
//! Every packet has a position: the frame, after gapless trimming, at which its first sample belongs. Frames before
//! zero (encoder delay) and after the end (padding) are left out by position, silence fills the places of packets
//! that were lost, and a seek merely decodes from somewhere before the target and leaves out what precedes it. So
//! cueing and playing from the start give the same frames.

use std::path::{Path, PathBuf};

use airchain_core::units::SILENCE;
use airchain_core::{Frames, Stereo};
use symphonia::core::packet::Packet;

use super::codec::Codec;
use super::mp4::Smpb;
use super::reader::{Fault, Reader, scale};
use super::tags::Tags;
use super::{DecodeError, Decoder, Progress, TrackInfo};

/// Longest run of silence put in the place of lost packets, in seconds. A longer jump is a lie of the file's.
const MAX_GAP_S: i64 = 10;
/// Packets in a row that may fail before the file is given up.
const MAX_FAILURES: u32 = 512;
/// Frames of MP3 padding beyond which the declared length was wrong: no encoder pads more than four packets.
const MAX_PADDING: usize = 4 * 1152;
/// Rates that are played, in Hz.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// A file being decoded.
pub(super) struct Track {
    path: PathBuf,
    reader: Reader,
    codec: Codec,
    info: TrackInfo,
    /// Rate of the first packet, and so of all.
    rate: Option<u32>,
    /// Position of the packets' time zero.
    offset: i64,
    /// The same, as it was on opening.
    origin: i64,
    /// Position after the last frame, where an edit list or tag says so.
    end: Option<i64>,
    /// Whether the packets' own end trims are to be believed.
    trims: bool,
    /// The first frame to hand out; what lies before it is pre-roll or encoder delay.
    start: i64,
    /// Position after the last packet; none after a jump.
    next: Option<i64>,
    /// Whether a seek went right will be seen from the next packet.
    unproven: bool,
    chained: bool,
    finished: bool,
    failures: u32,
    /// A decoded packet.
    block: Vec<Stereo>,
    /// Frames ready to be handed out.
    ready: Vec<Stereo>,
    /// Frames trimmed off as padding, in case they are not.
    padding: Vec<Stereo>,
    damage: Damage,
}

/// What was wrong so far.
#[derive(Default)]
struct Damage {
    lost: u64,
    filled: u64,
    notes: Vec<String>,
}

impl Damage {
    fn note(&mut self, note: String) {
        if self.notes.len() < 8 && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl Track {
    pub(super) fn open(path: &Path) -> Result<Self, DecodeError> {
        let mut reader = Reader::open(path)?;
        let mut tags = reader.tags();
        tags.add_info(reader.wave_info(path));
        let codec = Codec::new(&reader.params).ok_or_else(|| DecodeError::Unknown {
            path: path.display().to_string(),
            message: "there is no decoder for its audio codec".into(),
        })?;
        let channels = reader.params.channels.as_ref().map_or(0, |channels| channels.count());
        let container = reader.container();
        let mut track = Self {
            path: path.to_owned(),
            info: TrackInfo {
                codec: codec.name.into(),
                container: container.into(),
                sample_rate_hz: reader.params.sample_rate.unwrap_or(0),
                channels: u16::try_from(channels).unwrap_or(u16::MAX),
                frames: None,
                estimated: false,
                metadata: tags.metadata.clone(),
                replaygain: tags.replaygain,
            },
            rate: None,
            offset: 0,
            origin: 0,
            end: None,
            // An MP3 length without a LAME tag is a count of packets, or a guess from the bit rate.
            trims: container != "mp3" || reader.delay.is_some(),
            start: 0,
            next: None,
            unproven: false,
            chained: false,
            finished: false,
            failures: 0,
            block: Vec::new(),
            ready: Vec::new(),
            padding: Vec::new(),
            damage: Damage { notes: codec.caveat.clone().into_iter().collect(), ..Damage::default() },
            reader,
            codec,
        };
        track.settle(&tags)?;
        Ok(track)
    }

    /// Decodes the first packet, whose true rate and delay no header tells, and lays out the timeline from it.
    fn settle(&mut self, tags: &Tags) -> Result<(), DecodeError> {
        let first = loop {
            match self.read() {
                Ok(Some((packet, rate))) => break Some((packet, rate)),
                Ok(None) => {}
                Err(End) => break None,
            }
        };
        let fail = |message: String| {
            let path = self.path.display().to_string();
            Err(DecodeError::Damaged { path, message })
        };
        let rate = first.as_ref().map_or(self.info.sample_rate_hz, |(_, rate)| *rate);
        if !RATES.contains(&rate) {
            return fail(format!("its sample rate is {rate} Hz, which cannot be played"));
        }
        if first.is_none() && self.damage.lost > 0 {
            return fail("none of its audio can be decoded".into());
        }
        self.info.codec = self.codec.name.into();
        self.info.sample_rate_hz = rate;
        let declared = self.reader.declared.map(|declared| match self.info.container.as_str() {
            "mp4" | "adts" => self.reader.to_frames(i64::try_from(declared).unwrap_or(i64::MAX), rate),
            _ => i64::try_from(declared).unwrap_or(i64::MAX),
        });
        match self.info.container.as_str() {
            "mp4" => self.lay_out_mp4(tags, declared),
            "ogg" => self.offset = -self.codec.pre_skip,
            _ => {}
        }
        let length = self.end.or(declared.map(|frames| match self.info.container.as_str() {
            "mp4" | "ogg" => frames.saturating_add(self.offset),
            _ => frames,
        }));
        self.info.frames = length.and_then(|frames| u64::try_from(frames).ok());
        self.info.estimated = self.info.container == "adts" || !self.trims;
        if let Some((packet, _)) = first {
            // A recording cut from a longer one may begin late; its first packet is its start.
            let position = self.reader.to_frames(packet.pts.get(), rate).saturating_add(self.offset);
            self.offset -= position.max(0);
            self.origin = self.offset;
            self.place(&packet, rate);
        }
        Ok(())
    }

    fn lay_out_mp4(&mut self, tags: &Tags, declared: Option<i64>) {
        let rate = self.info.sample_rate_hz;
        if let Some(smpb) = tags.smpb.as_deref().and_then(Smpb::parse) {
            // iTunes counts the encoder's delay alone; SBR's own comes on top.
            self.offset = -(smpb.delay as i64) - self.codec.delay;
            self.end = Some(smpb.frames as i64);
            return;
        }
        let Some(edit) = self.reader.edit(&self.path) else {
            self.offset = -self.codec.pre_skip;
            return;
        };
        let media_time = i64::try_from(edit.media_time).unwrap_or(i64::MAX);
        let skipped = scale(media_time, u64::from(rate), u64::from(edit.timescale));
        // ISO/IEC 14496-24 counts media time before SBR's delay; ffmpeg, from what the encoder reports, after it.
        self.offset = -skipped - if tags.by_ffmpeg || skipped == 0 { 0 } else { self.codec.delay };
        if edit.duration > 0 {
            let duration = i64::try_from(edit.duration).unwrap_or(i64::MAX);
            let shown = scale(duration, u64::from(rate), u64::from(edit.movie_timescale));
            // The movie's clock often ticks in milliseconds. The sample table is exact, where the two agree.
            let tick = i64::from(rate / edit.movie_timescale.max(1)) + 1;
            let exact =
                declared.map(|declared| declared - skipped).filter(|exact| (exact - shown).abs() <= tick);
            self.end = Some(exact.unwrap_or(shown));
        }
    }

    /// Reads and decodes a packet into `block`. `None` when it was lost.
    fn read(&mut self) -> Result<Option<(Packet, u32)>, End> {
        self.block.clear();
        let failed = match self.reader.next() {
            Ok(packet) => match self.codec.decode(&packet.as_packet_ref(), &mut self.block) {
                Some(rate) if !self.block.is_empty() && rate == *self.rate.get_or_insert(rate) => {
                    self.failures = 0;
                    return Ok(Some((packet, rate)));
                }
                // Among corrupt bytes a decoder may find packets that never were; another rate gives them away.
                Some(_) if !self.block.is_empty() => true,
                // The first packet of a Vorbis stream, and little else, decodes to nothing.
                Some(_) => false,
                None => true,
            },
            Err(Fault::Lost) => true,
            Err(Fault::Chained) => return self.follow_chain().map(|()| None),
            Err(Fault::End) => return Err(End),
            Err(Fault::Cut) => {
                self.damage.note("the file is cut short".into());
                return Err(End);
            }
            Err(Fault::Fatal(words)) => {
                self.damage.note(format!("it cannot be read to its end ({words})"));
                return Err(End);
            }
        };
        self.failures += 1;
        // Pre-roll begins in the middle of things, so its first packets may well fail.
        self.damage.lost += u64::from(failed && !self.unproven);
        if self.failures >= MAX_FAILURES {
            self.damage.note("nothing more of it can be decoded".into());
            return Err(End);
        }
        Ok(None)
    }

    /// The next link of a chained stream continues the timeline where the last one ended.
    fn follow_chain(&mut self) -> Result<(), End> {
        self.failures += 1;
        let codec = if self.failures < MAX_FAILURES && self.reader.next_link() {
            Codec::new(&self.reader.params)
        } else {
            None
        };
        let Some(codec) = codec else {
            self.damage.note("a part of it cannot be decoded".into());
            return Err(End);
        };
        self.codec = codec;
        self.chained = true;
        // What its decoder gives before its beginning is left out, as with the first.
        let begin = self.next.take().unwrap_or(0);
        self.offset = begin - self.codec.pre_skip;
        self.start = self.start.max(begin);
        Ok(())
    }

    /// Puts the decoded packet in its place: trims it, fills the gap before it, and appends it to `ready`.
    fn place(&mut self, packet: &Packet, rate: u32) {
        let units = packet.pts.get();
        let mut position = self.reader.to_frames(units, rate).saturating_add(self.offset);
        let length = self.block.len() as i64;
        if let Some(next) = self.next {
            // Where packet times are coarser than frames, only a jump of more than a unit is a jump.
            let (numer, denom) = self.reader.units;
            let unit = u64::from(rate) * u64::from(numer) / u64::from(denom.max(1));
            let tolerance = if unit <= 1 { 0 } else { 2 * unit as i64 };
            let gap = position.saturating_sub(next);
            if gap > tolerance && gap <= MAX_GAP_S * i64::from(rate) {
                let heard = position - next.max(self.start);
                self.ready.resize(self.ready.len() + heard.max(0) as usize, SILENCE);
                self.damage.filled += heard.max(0) as u64;
            } else {
                if gap > tolerance {
                    self.damage.note("its time stamps jump".into());
                }
                self.offset = self.offset.saturating_sub(gap);
                position = next;
            }
        }
        self.next = Some(position.saturating_add(length));
        let from = self.start.saturating_sub(position).clamp(0, length) as usize;
        let trimmed = if self.trims { self.reader.to_frames(packet.trim_end.get() as i64, rate) } else { 0 };
        let to = (length - trimmed).min(self.end.unwrap_or(i64::MAX).saturating_sub(position));
        let to = to.clamp(from as i64, length) as usize;
        if self.info.container == "mp3" && trimmed > 0 {
            self.padding.extend_from_slice(&self.block[to..]);
            if self.padding.len() > MAX_PADDING {
                // There is more than was declared: all of it was audio.
                self.damage.note("it is longer than it declares".into());
                self.ready.append(&mut self.padding);
                self.trims = false;
                return;
            }
        }
        self.ready.extend_from_slice(&self.block[from..to]);
    }

    /// Decodes until frames are ready or the file ends. One call reads one packet, or a few when some fail.
    fn advance(&mut self) -> Result<(), DecodeError> {
        match self.read() {
            Ok(Some((packet, rate))) => {
                let position = self.reader.to_frames(packet.pts.get(), rate).saturating_add(self.offset);
                if std::mem::take(&mut self.unproven) && position > self.start {
                    // The container's idea of where it went was wrong. From the start there is no doubt.
                    return self.rewind();
                }
                self.place(&packet, rate);
                self.finished |= self.end.is_some_and(|end| self.next.is_some_and(|next| next >= end));
            }
            Ok(None) => {}
            Err(End) if std::mem::take(&mut self.unproven) => return self.rewind(),
            Err(End) => {
                self.finished = true;
                self.note_early_end();
            }
        }
        Ok(())
    }

    fn note_early_end(&mut self) {
        // Lengths that are guesses or counts of packets prove nothing.
        let guessed = self.info.estimated || self.chained;
        let (Some(declared), Some(next)) = (self.info.frames, self.next) else {
            return;
        };
        let missing = (declared as i64).saturating_sub(next.max(self.start));
        if !guessed && missing > 1 {
            let seconds = missing as f64 / f64::from(self.info.sample_rate_hz);
            self.damage.note(format!("it ends {seconds:.3} s before its declared length"));
        }
    }

    /// Position of the packets' time zero.
    pub(super) fn origin(&self) -> i64 {
        self.origin
    }

    /// Back to the first packet.
    fn rewind(&mut self) -> Result<(), DecodeError> {
        let (delay, name) = (self.codec.delay, self.codec.name);
        let (preroll, start) = (self.codec.preroll, self.start);
        self.reader = Reader::open(&self.path)?;
        self.codec = Codec::new(&self.reader.params).ok_or_else(|| DecodeError::Damaged {
            path: self.path.display().to_string(),
            message: "it changed while it was playing".into(),
        })?;
        (self.codec.delay, self.codec.name, self.codec.preroll) = (delay, name, preroll);
        self.jump_to(start);
        self.chained = false;
        Ok(())
    }

    /// Forgets where decoding stood; `start` is the next frame to hand out.
    fn jump_to(&mut self, start: i64) {
        self.start = start;
        self.offset = self.origin;
        self.next = None;
        self.unproven = false;
        self.finished = false;
        self.failures = 0;
        self.ready.clear();
        self.padding.clear();
    }
}

/// There are no more packets.
struct End;

impl Decoder for Track {
    fn info(&self) -> &TrackInfo {
        &self.info
    }

    fn decode(&mut self, out: &mut Vec<Stereo>) -> Result<Progress, DecodeError> {
        // One packet is kept ready, so that the last frames and the word that they are the last come together.
        if self.ready.is_empty() && !self.finished {
            self.advance()?;
        }
        #[cfg(feature = "fault-injection")]
        crate::fault::decoded(&self.ready);
        out.append(&mut self.ready);
        if !self.finished {
            self.advance()?;
        }
        Ok(if self.finished && self.ready.is_empty() { Progress::End } else { Progress::More })
    }

    fn seek(&mut self, frame: Frames) -> Result<(), DecodeError> {
        let start = i64::try_from(frame).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        let from = start - self.codec.preroll;
        let chained = self.chained;
        self.jump_to(start);
        let rate = self.info.sample_rate_hz;
        let units = self.reader.to_units(from.saturating_sub(self.origin), rate);
        if !chained && from > 0 && self.reader.seek(units).is_some() {
            self.codec.reset();
            self.unproven = true;
            return Ok(());
        }
        self.rewind()
    }

    fn take_damage(&mut self) -> Option<String> {
        let damage = std::mem::take(&mut self.damage);
        let mut words = damage.notes;
        match damage.lost {
            0 => {}
            1 => words.push("a packet could not be decoded".into()),
            lost => words.push(format!("{lost} packets could not be decoded")),
        }
        if damage.filled > 0 {
            let seconds = damage.filled as f64 / f64::from(self.info.sample_rate_hz.max(1));
            words.push(format!("{seconds:.3} s of lost audio replaced by silence"));
        }
        (!words.is_empty()).then(|| words.join("; "))
    }
}
