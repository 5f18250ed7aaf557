//! What seeds are made of: every format that airchain encodes, in every container that it writes, and by ffmpeg what it only
//! reads.

use std::path::Path;
use std::process::Command;

use airchain::codecs::container::{self, Muxer};
use airchain::codecs::encode::{self, ENCODERS};
use airchain::codecs::packet::{Packet, SharedInfo};
use airchain::codecs::{Bitrate, Format};
use airchain::core::Stereo;
use airchain::core::item::Metadata;
use testkit::signal;

use crate::Seed;

/// A programme of each codec that airchain encodes.
pub(crate) fn programmes() -> Vec<(SharedInfo, Vec<Packet>)> {
    ENCODERS.iter().map(|entry| encoded(&Format::of(entry.codec))).collect()
}

/// An eighth of a second of a falling sweep; less where the codec does not make it small.
fn encoded(format: &Format) -> (SharedInfo, Vec<Packet>) {
    let rate = format.sample_rate_hz;
    let frames = if format.bitrate == Bitrate::Lossless { rate / 25 } else { rate / 8 };
    let audio: Vec<Stereo> = signal::sweep(rate, 5_000.0, 100.0, -6.0, frames as usize);
    let mut encoder = encode::open(format, rate).unwrap_or_else(|error| panic!("{format}: {error}"));
    let mut packets = Vec::new();
    let done = encoder.encode(&audio, &mut packets).and_then(|()| encoder.finish(&mut packets));
    done.unwrap_or_else(|error| panic!("{format}: {error}"));
    (encoder.info().clone(), packets)
}

/// Packets in a container, complete.
pub(crate) fn muxed(mut muxer: Box<dyn Muxer>, metadata: &Metadata, packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    muxer.start(metadata, &mut out);
    packets.iter().for_each(|packet| muxer.packet(packet, &mut out));
    for patch in muxer.finish(&mut out) {
        let at = patch.offset as usize;
        out[at..at + patch.data.len()].copy_from_slice(&patch.data);
    }
    out
}

/// Tags with something of each kind.
pub(crate) fn metadata() -> Metadata {
    Metadata {
        title: Some("Größe — \"x\"".into()),
        artist: Some("A".into()),
        album: Some("B".into()),
        extra: [("replaygain_track_gain".into(), "-7.03 dB".into())].into(),
    }
}

/// A small file of every kind that airchain writes.
pub(crate) fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    for (info, packets) in programmes() {
        let name = format!("{:?}", info.format.codec).to_lowercase();
        for extension in container::extensions(info.format.codec) {
            let muxer = container::for_file(&info, extension).unwrap_or_else(|error| panic!("{error}"));
            let bytes = muxed(muxer, &metadata(), &packets);
            files.push(Seed { name: format!("{name}.{extension}"), bytes });
        }
        let bytes = muxed(container::for_stream(&info), &metadata(), &packets);
        files.push(Seed { name: format!("{name}-stream.{}", info.format.codec.extension()), bytes });
    }
    files
}

/// What airchain reads and does not write, made by ffmpeg from files of [`files`]: from which, to which, and how.
const FOREIGN: &[(&str, &str, &[&str])] = &[
    ("pcms16.wav", "layer-2.mp2", &["-c:a", "mp2"]),
    ("pcms16.wav", "alac.m4a", &["-c:a", "alac"]),
    ("pcms16.wav", "pcm.aiff", &["-c:a", "pcm_s16be", "-write_id3v2", "1"]),
    ("pcms16.wav", "pcm.caf", &["-c:a", "pcm_s16le"]),
    ("pcms16.wav", "adpcm.wav", &["-c:a", "adpcm_ms"]),
    ("pcms16.wav", "flac.mka", &["-c:a", "flac"]),
    ("aaclc.aac", "aac.m4a", &["-c", "copy", "-bsf:a", "aac_adtstoasc", "-movflags", "+faststart"]),
    ("pcms16.wav", "pieces.m4a", &["-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov+delay_moov"]),
    ("heaacv1.aac", "he-aac.m4a", &["-c", "copy", "-bsf:a", "aac_adtstoasc"]),
    ("heaacv2.aac", "he-aac-v2.m4a", &["-c", "copy", "-bsf:a", "aac_adtstoasc"]),
    ("flac.flac", "flac.mp4", &["-c", "copy", "-strict", "-2"]),
    ("opus.opus", "opus.webm", &["-c", "copy"]),
    ("vorbis.ogg", "vorbis.webm", &["-c", "copy"]),
];

/// The same of what airchain reads but does not write; nothing where there is no ffmpeg.
pub(crate) fn foreign(ours: &[Seed]) -> Vec<Seed> {
    let Ok(folder) = tempfile::tempdir() else { return Vec::new() };
    let make = |(from, to, how): &(&str, &str, &[&str])| {
        let seed = ours.iter().find(|seed| seed.name == *from)?;
        let (from, to) = (folder.path().join(from), folder.path().join(format!("ffmpeg-{to}")));
        std::fs::write(&from, &seed.bytes).ok()?;
        let bytes = ffmpeg(&from, &to, how)?;
        Some(Seed { name: to.file_name()?.to_str()?.to_owned(), bytes })
    };
    FOREIGN.iter().filter_map(make).collect()
}

fn ffmpeg(from: &Path, to: &Path, how: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(from).args(how).arg(to);
    command.status().ok().filter(|status| status.success())?;
    std::fs::read(to).ok()
}

/// Bytes for targets that read them as choices: fuzzing finds out which do what.
pub(crate) fn random(count: u64, bytes: usize) -> Vec<Seed> {
    let seed = |number: u64| {
        // Marsaglia's xorshift.
        let mut state = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        Seed { name: format!("random-{number}"), bytes: (0..bytes).map(|_| next()).collect() }
    };
    (0..count).map(seed).collect()
}
