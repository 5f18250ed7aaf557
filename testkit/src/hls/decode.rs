//! Segments joined and decoded by ffmpeg, which must find nothing wrong, nothing missing and nothing too much.

use std::process::Command;

use airchain_core::Stereo;

use super::segment::extension;
use super::watched::{Kept, Watched};

/// What decoders leave out at the beginning of Opus, as its header says, in frames at 48 kHz.
const OPUS_PRE_SKIP: usize = 312;

/// Segments that follow each other without a discontinuity or gap.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Their media playlist.
    pub playlist: String,
    /// Number of the first.
    pub first: u64,
    /// How many they are.
    pub count: usize,
    /// The first time stamp, in microseconds.
    pub start_us: i64,
    /// `EXT-X-PROGRAM-DATE-TIME` of the first, in microseconds since 1970.
    pub date_us: i64,
    /// Samples of their packets, and how many of them make a second: of the core, in HE-AAC.
    pub samples: u64,
    /// See `samples`.
    pub rate_hz: u32,
    /// Samples of a packet.
    packet: u64,
    /// What `CODECS` says of them.
    pub codecs: String,
    extension: String,
    data: Vec<u8>,
}

/// All stretches of a media playlist that were ever seen.
pub(super) fn stretches(watched: &Watched, codecs: &str) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut before = None::<&Kept>;
    for (number, kept) in &watched.kept {
        let heard = kept.heard.as_ref();
        let follows = |before: &Kept| before.segment.number + 1 == *number && before.heard.is_some();
        let goes_on = before.is_some_and(follows) && !kept.segment.discontinuity;
        before = Some(kept);
        let Some(heard) = heard else { continue };
        if !goes_on {
            let map = kept.segment.map.as_ref().and_then(|map| watched.maps.get(map));
            found.push(Stretch {
                playlist: watched.path.clone(),
                first: *number,
                count: 0,
                start_us: heard.start_us,
                date_us: kept.segment.date.map_or(0, |date| date.as_microsecond()),
                samples: 0,
                rate_hz: heard.rate_hz,
                packet: heard.packet,
                codecs: codecs.to_owned(),
                extension: extension(&kept.segment.uri).to_owned(),
                data: map.cloned().unwrap_or_default(),
            });
        }
        if let Some(stretch) = found.last_mut() {
            stretch.count += 1;
            stretch.samples += heard.samples;
            stretch.data.extend_from_slice(audio(&kept.data));
        }
    }
    found
}

/// The newest segment with several parts, without the first.
pub(super) fn from_second_part(watched: &Watched, codecs: &str) -> Option<Stretch> {
    let mut known = watched.kept.iter().rev().filter_map(|(number, kept)| {
        let (heard, audio) = (kept.heard.as_ref()?, watched.parts.data(*number, 1)?);
        (!audio.is_empty()).then_some((*number, kept, heard, audio))
    });
    let (number, kept, heard, audio) = known.next()?;
    let map = kept.segment.map.as_ref().and_then(|map| watched.maps.get(map));
    let lasts_us = watched.parts.duration_us(number, 1);
    let start_us = heard.start_us + (kept.segment.duration_us - lasts_us) as i64;
    Some(Stretch {
        playlist: watched.path.clone(),
        first: number,
        count: 1,
        start_us,
        date_us: kept.segment.date.map_or(0, |date| date.as_microsecond()),
        samples: (lasts_us * u64::from(heard.rate_hz) + 500_000) / 1_000_000,
        rate_hz: heard.rate_hz,
        packet: heard.packet,
        codecs: codecs.to_owned(),
        extension: extension(&kept.segment.uri).to_owned(),
        data: [map.cloned().unwrap_or_default(), audio].concat(),
    })
}

/// The audio of a stretch at `rate_hz`, which must be its own rate.
///
/// # Panics
/// When ffmpeg complains, hears another codec than `CODECS` says, or another number of frames than there are.
pub fn decode(stretch: &Stretch, rate_hz: u32) -> Vec<Stereo> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join(format!("joined.{}", stretch.extension));
    std::fs::write(&path, &stretch.data).expect("the joined segments");
    let what = format!("{}, from {} on", stretch.playlist, stretch.first);

    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-of", "default=nw=1:nk=1", "-show_entries", "stream=codec_name,profile"])
        .args(["-select_streams", "a:0"])
        .arg(&path)
        .output()
        .expect("ffprobe (Debian package ffmpeg) runs");
    let said = String::from_utf8_lossy(&probe.stdout);
    let said: Vec<&str> = said.lines().take(2).collect();
    let is = match stretch.codecs.as_str() {
        "mp4a.40.2" => said == ["aac", "LC"],
        "mp4a.40.5" => said == ["aac", "HE-AAC"],
        "mp4a.40.29" => said == ["aac", "HE-AACv2"],
        "mp4a.40.34" => said.first() == Some(&"mp3"),
        "opus" | "Opus" => said.first() == Some(&"opus"),
        "fLaC" | "flac" => said.first() == Some(&"flac"),
        _ => false,
    };
    assert!(is, "{what}: CODECS is {}, ffprobe finds {said:?}", stretch.codecs);

    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-xerror", "-i"])
        .arg(&path)
        .args(["-map", "0:a:0", "-f", "f32le", "-ac", "2", "-ar", &rate_hz.to_string(), "-"])
        .output()
        .expect("ffmpeg (Debian package ffmpeg) runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{what}: {complaints}");
    let sample = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let frames: Vec<Stereo> =
        output.stdout.chunks_exact(8).map(|frame| [sample(frame), sample(&frame[4..])]).collect();
    // A packet is decoded whole, also where less of it is said to be heard.
    let whole = stretch.samples.next_multiple_of(stretch.packet);
    let due =
        [stretch.samples, whole].map(|n| (n * u64::from(rate_hz) / u64::from(stretch.rate_hz)) as usize);
    let skipped = if stretch.codecs == "opus" { OPUS_PRE_SKIP } else { 0 };
    assert!(
        (due[0]..=due[1]).contains(&(frames.len() + skipped)),
        "{what}: ffmpeg decodes {} frames and leaves out {skipped}, where there are {due:?}",
        frames.len()
    );
    frames
}

/// The audio of a segment without the tag in front of it, which is between frames once segments are joined.
fn audio(data: &[u8]) -> &[u8] {
    match data {
        [b'I', b'D', b'3', _, _, _, size @ ..] if size.len() >= 4 => {
            let size = size[..4].iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F));
            data.get(10 + size..).unwrap_or_default()
        }
        _ => data,
    }
}
