//! HE-AAC in both versions: full bandwidth, its delay known, cue points exact.

use std::path::Path;

use airchain_codecs::decode;
use airchain_codecs::{Bitrate, Codec, Format, container, encode};
use airchain_core::item::Metadata;

use crate::kit::{decode, difference, fit, rest, run, tone};

const HZ: f64 = 211.0;
const RATE: u32 = 44_100;
/// Two seconds, which the millisecond clock of an MP4 movie can say exactly.
const FRAMES: usize = 88_200;

/// Encodes the tone to ADTS; says by how many frames it comes out late.
fn encode(codec: Codec, path: &Path) -> u32 {
    let kbps = if codec == Codec::HeAacV2 { 40 } else { 64 };
    let format = Format { codec, bitrate: Bitrate::Cbr(kbps), sample_rate_hz: RATE, channels: 2 };
    let mut encoder = encode::open(&format, RATE).expect("there is such an encoder");
    let mut packets = Vec::new();
    // Alike on both sides: parametric stereo keeps no phase between them.
    let frames: Vec<[f32; 2]> = tone(HZ, RATE, 0..FRAMES).iter().map(|frame| [frame[0]; 2]).collect();
    encoder.encode(&frames, &mut packets).expect("it encodes");
    encoder.finish(&mut packets).expect("it encodes");
    let info = encoder.info().clone();
    let mut muxer = container::for_stream(&info);
    let mut bytes = Vec::new();
    muxer.start(&Metadata::default(), &mut bytes);
    packets.iter().for_each(|packet| muxer.packet(packet, &mut bytes));
    muxer.finish(&mut bytes);
    std::fs::write(path, bytes).expect("the file can be written");
    info.delay
}

/// Where the tone lies, in frames before its place.
fn early(frames: &[[f32; 2]], first: usize) -> f64 {
    let middle = frames.len() / 4..frames.len() * 3 / 4;
    let fit = fit(&frames[middle.clone()], first + middle.start, HZ, RATE);
    assert!((fit.amplitude - 0.5).abs() < 0.1, "amplitude {}", fit.amplitude);
    fit.early
}

#[test]
fn adts_decodes_at_its_full_rate() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (codec, name) in [(Codec::HeAacV1, "he-aac"), (Codec::HeAacV2, "he-aac-v2")] {
        let path = dir.path().join(format!("{name}.aac"));
        let delay = encode(codec, &path) as usize;
        let decoded = decode(&path);
        assert_eq!((decoded.info.codec.as_str(), decoded.info.container.as_str()), (name, "adts"));
        assert_eq!(decoded.info.sample_rate_hz, RATE);
        assert!(decoded.frames.len() >= FRAMES + delay, "{name}: {} frames", decoded.frames.len());
        assert_eq!(decoded.frames.len() % 2048, 0, "{name}");
        assert_eq!(decoded.damage, None);
        let early = early(&decoded.frames[delay..delay + FRAMES], 0);
        assert!(early.abs() < 2.0, "{name}: {early} frames early");
    }
}

/// Wraps an ADTS file in MP4 and sets its edit list.
fn wrap(adts: &Path, media_time: u32, bitexact: bool) -> std::path::PathBuf {
    let out = adts.with_extension("m4a");
    let (from, to) = (adts.to_str().expect("utf-8"), out.to_str().expect("utf-8"));
    let mut arguments = vec!["-nostdin", "-loglevel", "error", "-y", "-i", from, "-c", "copy"];
    // Without it ffmpeg signs the file.
    arguments.extend(bitexact.then_some(["-fflags", "+bitexact"]).iter().flatten());
    arguments.push(to);
    run("ffmpeg", &arguments);
    let mut bytes = std::fs::read(&out).expect("it can be read");
    let find =
        |bytes: &[u8], kind: &[u8; 4]| bytes.windows(4).position(|w| w == kind).expect("the box is there");
    let timescale = |bytes: &[u8], kind| {
        let at = find(bytes, kind) + 16;
        u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
    };
    let (movie, media) = (timescale(&bytes, b"mvhd"), timescale(&bytes, b"mdhd"));
    let edit = find(&bytes, b"elst") + 12;
    let shown = (FRAMES as u64 * u64::from(movie) / u64::from(RATE)) as u32;
    let skipped = (u64::from(media_time) * u64::from(media) / u64::from(RATE)) as u32;
    bytes[edit..edit + 4].copy_from_slice(&shown.to_be_bytes());
    bytes[edit + 4..edit + 8].copy_from_slice(&skipped.to_be_bytes());
    std::fs::write(&out, bytes).expect("the file can be written");
    out
}

#[test]
fn mp4_is_gapless_by_either_way_of_counting() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (codec, name) in [(Codec::HeAacV1, "he-aac"), (Codec::HeAacV2, "he-aac-v2")] {
        let adts = dir.path().join(format!("{name}.aac"));
        let delay = encode(codec, &adts);
        // ffmpeg counts SBR's delay in; the standard (ISO/IEC 14496-24) leaves its 962 frames to the decoder.
        for (media_time, bitexact) in [(delay, false), (delay - 962, true)] {
            let decoded = decode(&wrap(&adts, media_time, bitexact));
            let context = format!("{name}, edit at {media_time}");
            assert_eq!(
                (decoded.info.codec.as_str(), decoded.info.container.as_str()),
                (name, "mp4"),
                "{context}"
            );
            assert_eq!(decoded.info.sample_rate_hz, RATE, "{context}");
            assert_eq!(decoded.frames.len(), FRAMES, "{context}");
            assert_eq!(decoded.info.frames, Some(FRAMES as u64), "{context}");
            let early = early(&decoded.frames, 0);
            assert!(early.abs() < 2.0, "{context}: {early} frames early");
        }
    }
}

#[test]
fn cue_points_are_exact_in_both_containers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let adts = dir.path().join("tone.aac");
    let delay = encode(Codec::HeAacV1, &adts);
    for path in [adts.clone(), wrap(&adts, delay, false)] {
        let whole = decode(&path).frames;
        let mut decoder = decode::open(&path).expect("it opens");
        for frame in [70_001, 1_000, 55_555, whole.len() - 1] {
            decoder.seek(frame as u64).expect("it can be cued");
            let tail = rest(&mut *decoder);
            assert_eq!(tail.len(), whole.len() - frame, "{} from {frame}", path.display());
            let worst = difference(&tail, &whole[frame..]);
            assert!(worst < 0.01, "{} from {frame}: differs by {worst}", path.display());
        }
    }
}
