//! The bytes of a segment: when it begins, how long its audio is, what it is. A container is a reader here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::frames::{self, Audio};
use crate::{cmaf, packed, ts};

/// What a segment's bytes say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    /// Its first time stamp, in microseconds.
    pub(super) start_us: i64,
    /// Samples of its audio, and how many of them make a second.
    pub(super) samples: u64,
    pub(super) rate_hz: u32,
    /// Samples of a packet, of which decoders give all of the last one of a run, too.
    pub(super) packet: u64,
    /// It can be decoded without the one before.
    pub(super) independent: bool,
    /// What `CODECS` may say of it; which of them is true, decoding tells ([`Stretch`](super::Stretch)).
    pub(super) codecs: &'static [&'static str],
}

impl Heard {
    /// How long `samples` of it are, in microseconds.
    pub(super) fn micros(&self, samples: u64) -> u64 {
        (samples * 1_000_000 + u64::from(self.rate_hz) / 2) / u64::from(self.rate_hz)
    }
}

/// Follows the segments of a stretch without discontinuities.
pub(super) trait Container: Send {
    /// Takes the initialization section.
    fn init(&mut self, _data: &[u8]) -> Result<(), String> {
        Err("segments of this kind have no initialization section".into())
    }

    /// Checks the next segment by itself, and that it continues the one before.
    fn segment(&mut self, data: &[u8]) -> Result<Heard, String>;

    /// Checks a part of a segment, with which a player begins.
    fn part(&mut self, data: &[u8]) -> Result<Heard, String> {
        self.segment(data)
    }

    /// What comes next does so behind a gap.
    fn pause(&mut self) {}
}

/// The reader of a kind of segments, by the name of one; nothing for kinds that it does not know.
pub(super) fn container(uri: &str) -> Option<Box<dyn Container>> {
    match extension(uri) {
        "ts" => Some(Box::new(Ts::default())),
        "m4s" => Some(Box::new(Fmp4(None))),
        "aac" | "mp3" => Some(Box::new(Packed)),
        _ => None,
    }
}

/// What a name ends with, without the dot and what a session adds.
pub(super) fn extension(uri: &str) -> &str {
    let name = uri.split('?').next().unwrap_or_default();
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn heard(audio: Audio, start_us: i64) -> Heard {
    let codecs: &[&str] =
        if audio.is_mp3 { &["mp4a.40.34"] } else { &["mp4a.40.2", "mp4a.40.5", "mp4a.40.29"] };
    let packet = match (audio.is_mp3, audio.rate_hz) {
        (false, _) => 1_024,
        (true, 32_000..) => 1_152,
        (true, _) => 576,
    };
    let Audio { samples, rate_hz, independent, .. } = audio;
    Heard { start_us, samples, rate_hz, packet, independent, codecs }
}

/// Ticks of 90 kHz in microseconds.
fn micros(ticks: i64) -> i64 {
    ticks * 100 / 9
}

/// MPEG transport stream (RFC 8216, 3.2).
#[derive(Default)]
struct Ts(ts::Checker);

impl Ts {
    /// The audio of PES packets.
    fn heard(&self, found: &[ts::Pes]) -> Result<Heard, String> {
        let first = found.first().ok_or("there is no audio")?;
        let (start, mut whole) = (first.pts, None::<Audio>);
        for pes in found {
            let audio = frames::read(&pes.data)?;
            if (self.0.stream_type == 0x0F) == audio.is_mp3 {
                return Err(format!("the PMT says stream type {:#x} of other audio", self.0.stream_type));
            }
            let before = whole.map_or(0, |whole| whole.samples);
            let due = start + (before * 90_000 / u64::from(audio.rate_hz)) as i64;
            if (pes.pts - due).abs() > 1 {
                return Err(format!("time stamp {} where the audio so far ends at {due}", pes.pts));
            }
            whole = Some(Audio { samples: before + audio.samples, ..whole.unwrap_or(audio) });
        }
        Ok(heard(whole.ok_or("there is no audio")?, micros(start)))
    }
}

impl Container for Ts {
    fn segment(&mut self, data: &[u8]) -> Result<Heard, String> {
        let found = self.0.check(data)?;
        self.heard(&found)
    }

    fn part(&mut self, data: &[u8]) -> Result<Heard, String> {
        let found = self.0.check_part(data)?;
        self.heard(&found)
    }

    fn pause(&mut self) {
        self.0.pause();
    }
}

/// Fragmented MP4 (RFC 8216, 3.3), once its initialization section is known.
struct Fmp4(Option<cmaf::Checker>);

impl Container for Fmp4 {
    fn init(&mut self, data: &[u8]) -> Result<(), String> {
        self.0 = Some(told(|| cmaf::Checker::new(data))?);
        Ok(())
    }

    fn segment(&mut self, data: &[u8]) -> Result<Heard, String> {
        self.heard(|checker| checker.segment(data))
    }

    fn part(&mut self, data: &[u8]) -> Result<Heard, String> {
        self.heard(|checker| checker.part(data))
    }

    fn pause(&mut self) {
        if let Some(checker) = &mut self.0 {
            checker.leap();
        }
    }
}

impl Fmp4 {
    /// The audio of what is read.
    fn heard(&mut self, read: impl FnOnce(&mut cmaf::Checker) -> cmaf::Segment) -> Result<Heard, String> {
        let checker = self.0.as_mut().ok_or("there is no EXT-X-MAP for it")?;
        let samples = told(|| read(checker))?.samples;
        let rate_hz = checker.track.timescale;
        let codecs: &[&str] = match checker.track.kind.as_str() {
            "mp4a" => &["mp4a.40.2", "mp4a.40.5", "mp4a.40.29"],
            "Opus" => &["opus"],
            "fLaC" => &["fLaC"],
            _ => &[],
        };
        let start_us = samples.first().map_or(0, |first| first.time * 1_000_000 / u64::from(rate_hz)) as i64;
        let packet = samples.iter().map(|sample| u64::from(sample.duration)).max().unwrap_or(0);
        let samples = samples.iter().map(|sample| u64::from(sample.duration)).sum();
        Ok(Heard { start_us, samples, rate_hz, packet, independent: true, codecs })
    }
}

/// Packed audio (RFC 8216, 3.4): an ID3 tag with the time stamp, then frames; and so again for each part.
struct Packed;

impl Container for Packed {
    fn segment(&mut self, data: &[u8]) -> Result<Heard, String> {
        let (first, _, audio) = told(|| packed::read(data))?;
        let (mut whole, mut rest) = frames::read_to_tag(audio)?;
        while !rest.is_empty() {
            let (ticks, _, audio) = told(|| packed::read(rest))?;
            let due = first + whole.samples * 90_000 / u64::from(whole.rate_hz);
            if ticks.abs_diff(due) > 1 {
                return Err(format!("time stamp {ticks} where the audio so far ends at {due}"));
            }
            let (audio, behind) = frames::read_to_tag(audio)?;
            (whole.samples, rest) = (whole.samples + audio.samples, behind);
        }
        Ok(heard(whole, micros(first as i64)))
    }
}

/// What a reader panics about, told.
fn told<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref().copied()).unwrap_or("it cannot be read").to_owned()
    })
}
