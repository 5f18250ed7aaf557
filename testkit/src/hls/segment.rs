//! The bytes of a segment: when it begins, how long its audio is, what it is. A container is a reader here.

use super::frames::{self, Audio};
use crate::ts;

/// What a segment's bytes say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    /// Its first time stamp, in microseconds.
    pub(super) start_us: i64,
    /// Samples of its audio, and how many of them make a second.
    pub(super) samples: u64,
    pub(super) rate_hz: u32,
    /// Samples of a packet.
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
pub(super) trait Container {
    /// Takes the initialization section.
    fn init(&mut self, _data: &[u8]) -> Result<(), String> {
        Err("segments of this kind have no initialization section".into())
    }

    /// Checks the next segment by itself, and that it continues the one before.
    fn segment(&mut self, data: &[u8]) -> Result<Heard, String>;

    /// What comes next does so behind a gap.
    fn pause(&mut self) {}
}

/// The reader of a kind of segments, by the name of one; nothing for kinds that it does not know.
pub(super) fn container(uri: &str) -> Option<Box<dyn Container>> {
    match extension(uri) {
        "ts" => Some(Box::new(Ts::default())),
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

impl Container for Ts {
    fn segment(&mut self, data: &[u8]) -> Result<Heard, String> {
        let found = self.0.check(data)?;
        let first = found.first().ok_or("there is no audio")?;
        let (start, mut whole) = (first.pts, None::<Audio>);
        for pes in &found {
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

    fn pause(&mut self) {
        self.0.pause();
    }
}

/// Packed audio (RFC 8216, 3.4): an ID3 tag with the time stamp, then frames.
struct Packed;

const TIME_STAMP: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";

impl Container for Packed {
    fn segment(&mut self, data: &[u8]) -> Result<Heard, String> {
        let tag =
            data.get(..10).filter(|head| head.starts_with(b"ID3")).ok_or("it does not begin with ID3")?;
        let size = tag[6..].iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F)) + 10;
        let tag = data.get(..size).ok_or("its ID3 tag is cut")?;
        let at = tag.windows(TIME_STAMP.len()).position(|window| window == TIME_STAMP);
        let stamp = at.and_then(|at| tag.get(at + TIME_STAMP.len()..)?.first_chunk());
        let ticks = i64::from_be_bytes(*stamp.ok_or("its ID3 tag has no time stamp")?);
        if !(0..1 << 33).contains(&ticks) {
            return Err(format!("time stamp {ticks:#x} has more than 33 bits"));
        }
        Ok(heard(frames::read(&data[size..])?, micros(ticks)))
    }
}
