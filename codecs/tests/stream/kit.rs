//! Streams, how they are fed, and what is heard of them.
#![allow(dead_code)]

use airchain_codecs::container::{self, Muxer};
use airchain_codecs::decode::stream::{Step, StreamDecoder, StreamFormat};
use airchain_codecs::decode::{self, DecodeError, Progress};
use airchain_codecs::format::Format;
use airchain_codecs::packet::{Packet, SharedInfo};
use airchain_core::Stereo;
use airchain_core::item::Metadata;

use crate::encode_support::{encode, mux, sweep};

/// Frames over which the start, and what follows a hole, is faded.
pub(crate) const SEAM: usize = 256;

/// What came out of a stream.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) frames: Vec<Stereo>,
    /// Where each sample rate begins.
    pub(crate) rates: Vec<(usize, u32)>,
    /// Where each title begins.
    pub(crate) titles: Vec<(usize, Metadata)>,
    pub(crate) info: Option<StreamFormat>,
    pub(crate) damage: Option<String>,
    pub(crate) error: Option<DecodeError>,
}

/// Numbers that look random and are the same each time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }
}

/// Feeds `bytes` in pieces of the sizes that `cut` says and collects what comes out.
pub(crate) fn feed(bytes: &[u8], mut cut: impl FnMut() -> usize) -> Heard {
    let (mut decoder, mut heard) = (StreamDecoder::new(Some("audio/test")), Heard::default());
    let mut rest = bytes;
    loop {
        let before = heard.frames.len();
        let wants = decoder.wants();
        let step = decoder.decode(&mut heard.frames);
        let fresh = heard.frames.len() - before;
        assert!(fresh <= 8192, "{fresh} frames at once");
        match step {
            Ok(Step::Hungry) if rest.is_empty() => decoder.finish(),
            Ok(Step::Hungry) => {
                let (piece, later) = rest.split_at(cut().clamp(1, rest.len()));
                decoder.push(piece);
                rest = later;
            }
            Ok(Step::Audio { rate_hz }) => {
                assert!(!wants && fresh > 0, "it wanted bytes and gave {fresh} frames");
                if heard.rates.last().is_none_or(|(_, rate)| *rate != rate_hz) {
                    heard.rates.push((before, rate_hz));
                }
            }
            Ok(Step::Title(metadata)) => {
                assert!(!wants);
                heard.titles.push((before, metadata));
            }
            Ok(Step::End) => break,
            Err(error) => {
                assert!(decoder.decode(&mut heard.frames).is_err(), "an error stays");
                heard.error = Some(error);
                break;
            }
        }
    }
    assert!(heard.frames.iter().flatten().all(|sample| sample.is_finite()));
    (heard.info, heard.damage) = (decoder.info().copied(), decoder.take_damage());
    assert_eq!(decoder.take_damage(), None);
    heard
}

/// In pieces as they come from a socket.
pub(crate) fn listen(bytes: &[u8]) -> Heard {
    let mut dice = Dice::new(bytes.len() as u64);
    let heard = feed(bytes, || 1 + dice.below(3000));
    if let Some(error) = &heard.error {
        panic!("{error}");
    }
    heard
}

/// A sweep in the given format: the encoder's facts and packets.
pub(crate) fn packets(format: &str, seconds: f64) -> (SharedInfo, Vec<Packet>) {
    let format = Format::parse(format).unwrap();
    let rate = format.sample_rate_hz;
    encode(&format, rate, &sweep(rate, (f64::from(rate) * seconds) as usize), 480)
}

/// The same as a stream.
pub(crate) fn stream(format: &str, seconds: f64) -> Vec<u8> {
    let (info, packets) = packets(format, seconds);
    mux(container::for_stream(&info), &titled("Sweep"), &packets)
}

/// Muxes `packets`, with a new title before each whose index is in `changes`.
pub(crate) fn chained(mut muxer: Box<dyn Muxer>, packets: &[Packet], changes: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    muxer.start(&titled("Title 0"), &mut out);
    for (index, packet) in packets.iter().enumerate() {
        if let Some(change) = changes.iter().position(|at| *at == index) {
            assert!(muxer.retitle(&titled(&format!("Title {}", change + 1)), &mut out));
        }
        muxer.packet(packet, &mut out);
    }
    muxer.finish(&mut out);
    out
}

pub(crate) fn titled(title: &str) -> Metadata {
    Metadata { title: Some(title.into()), artist: Some("An artist".into()), ..Metadata::default() }
}

/// What the file decoder makes of the same bytes.
pub(crate) fn as_file(bytes: &[u8], extension: &str) -> Vec<Stereo> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("stream.{extension}"));
    std::fs::write(&path, bytes).unwrap();
    let mut decoder = decode::open(&path).unwrap();
    let mut frames = Vec::new();
    while decoder.decode(&mut frames).unwrap() == Progress::More {}
    frames
}

/// Largest difference between two runs of frames of the same length.
pub(crate) fn difference(a: &[Stereo], b: &[Stereo]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().flatten().zip(b.iter().flatten()).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

/// Largest jump from a frame to the next on either side.
pub(crate) fn steepest(frames: &[Stereo]) -> f32 {
    let jump = |pair: &[Stereo]| (pair[1][0] - pair[0][0]).abs().max((pair[1][1] - pair[0][1]).abs());
    frames.windows(2).map(jump).fold(0.0, f32::max)
}
