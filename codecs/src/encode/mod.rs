//! Encoders: frames at the station's rate in, packets out. A codec is one file here and one line in [`ENCODERS`].

use airchain_core::Stereo;

use crate::format::{Bitrate, Codec, Format};
use crate::packet::{Packet, SharedInfo};

mod blocks;
mod flac;
mod libvorbis;
mod opus;
mod pcm;
mod pipeline;
mod quantise;
mod vorbis;

#[cfg(feature = "aac")]
mod aac;
#[cfg(feature = "aac")]
mod fdk;
#[cfg(feature = "mp3")]
mod lame;
#[cfg(feature = "mp3")]
mod mp3;

#[cfg(not(all(feature = "aac", feature = "mp3")))]
mod absent;
#[cfg(not(feature = "aac"))]
use absent as aac;
#[cfg(not(feature = "mp3"))]
use absent as mp3;

/// An encoder that runs for as long as its station is on air.
pub trait Encoder: Send {
    /// What it produces.
    fn info(&self) -> &SharedInfo;

    /// Takes the next frames and appends the packets that they complete to `out`. The packets do not depend on
    /// how the frames are divided among the calls.
    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError>;

    /// Appends at once the packets of all that has been encoded, where the encoder holds some back for the sake of quality:
    /// MP3's bit reservoir, up to two frames. Called after each [`encode`](Self::encode) it spares that delay and costs the
    /// reservoir, which fills up again when it is not called any more.
    fn hurry(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let _ = out;
        Ok(())
    }

    /// Pads and flushes, so that every frame that went in comes out of a decoder. The last packet's
    /// [`end`](Packet::end) is the end of the programme. The last call.
    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError>;

    /// Samples so far that were not finite and were encoded as silence.
    fn repaired(&self) -> u64 {
        0
    }
}

/// Opens the encoder of a format for frames at `input_rate_hz`. Frames are made safe for the codec (non-finite
/// samples become silence), resampled to the format's rate and mixed to mono if it asks for that.
///
/// Fails if the codec is not in this build or cannot do what the format asks.
pub fn open(format: &Format, input_rate_hz: u32) -> Result<Box<dyn Encoder>, EncodeError> {
    let codec = (checked(format, input_rate_hz)?.make)(format)?;
    Ok(Box::new(pipeline::Pipeline::new(codec, input_rate_hz)))
}

/// The same, of packets that can be taken out of their row: none needs what another holds, only its overlap. That is so
/// of all codecs but MP3, whose bit reservoir it does without.
pub fn open_apart(format: &Format, input_rate_hz: u32) -> Result<Box<dyn Encoder>, EncodeError> {
    let make = checked(format, input_rate_hz)?.make;
    let codec = if format.codec == Codec::Mp3 { mp3::make_apart(format) } else { make(format) }?;
    Ok(Box::new(pipeline::Pipeline::new(codec, input_rate_hz)))
}

/// The line of the codec, once it is known to be able to do that.
fn checked(format: &Format, input_rate_hz: u32) -> Result<&'static Entry, EncodeError> {
    let entry = entry(format.codec);
    if !INPUT_RATES.contains(&input_rate_hz) {
        return Err(unsupported(format, "input_rate_hz", input_rate_hz, "a rate from 1000 to 768000"));
    }
    check_channels(format)?;
    (entry.check)(format)?;
    Ok(entry)
}

const INPUT_RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// What there is to know of a codec.
pub struct Entry {
    /// The codec.
    pub codec: Codec,
    /// Names in formats; the first is the one that is shown.
    pub names: &'static [&'static str],
    /// Cargo feature that brings it; none if it is always there.
    pub feature: Option<&'static str>,
    /// Bit rate unless said otherwise; its kind is what a plain number of kbit/s means.
    pub bitrate: Bitrate,
    /// MIME type when streamed.
    pub mime: &'static str,
    /// File extension when streamed.
    pub extension: &'static str,
    /// Name in the `CODECS` attribute of HLS (RFC 6381).
    pub hls: Option<&'static str>,
    /// Whether the codec can do a format.
    pub check: fn(&Format) -> Result<(), EncodeError>,
    make: fn(&Format) -> Result<Box<dyn Encoder>, EncodeError>,
}

impl Entry {
    /// The name that is shown.
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

/// The codecs. The order is that of [`Codec`].
#[rustfmt::skip]
pub const ENCODERS: &[Entry] = &[
    Entry { codec: Codec::Mp3,     names: &["mp3"],                                  feature: Some("mp3"), bitrate: Bitrate::Cbr(128), mime: "audio/mpeg", extension: "mp3",  hls: Some("mp4a.40.34"), check: mp3::check,    make: mp3::make },
    Entry { codec: Codec::AacLc,   names: &["aac", "aac-lc"],                        feature: Some("aac"), bitrate: Bitrate::Cbr(128), mime: "audio/aac",  extension: "aac",  hls: Some("mp4a.40.2"),  check: aac::check,    make: aac::make },
    Entry { codec: Codec::HeAacV1, names: &["he-aac", "he-aac-v1", "aac+", "aacp"],  feature: Some("aac"), bitrate: Bitrate::Cbr(64),  mime: "audio/aac",  extension: "aac",  hls: Some("mp4a.40.5"),  check: aac::check,    make: aac::make },
    Entry { codec: Codec::HeAacV2, names: &["he-aac-v2", "aac+v2", "eaac+"],         feature: Some("aac"), bitrate: Bitrate::Cbr(32),  mime: "audio/aac",  extension: "aac",  hls: Some("mp4a.40.29"), check: aac::check,    make: aac::make },
    Entry { codec: Codec::Opus,    names: &["opus"],                                 feature: None,        bitrate: Bitrate::Abr(96),  mime: "audio/ogg",  extension: "opus", hls: Some("opus"),       check: opus::check,   make: opus::make },
    Entry { codec: Codec::Vorbis,  names: &["vorbis", "ogg"],                        feature: None,        bitrate: Bitrate::Vbr(4),   mime: "audio/ogg",  extension: "ogg",  hls: None,               check: vorbis::check, make: vorbis::make },
    Entry { codec: Codec::Flac,    names: &["flac", "flac:16", "flac:s16"],          feature: None,        bitrate: Bitrate::Lossless, mime: "audio/ogg",  extension: "oga",  hls: Some("fLaC"),       check: flac::check,   make: flac::make },
    Entry { codec: Codec::Flac24,  names: &["flac:24", "flac:s24"],                  feature: None,        bitrate: Bitrate::Lossless, mime: "audio/ogg",  extension: "oga",  hls: Some("fLaC"),       check: flac::check,   make: flac::make },
    Entry { codec: Codec::PcmS16,  names: &["wav", "wav:s16", "wav:16", "pcm"],      feature: None,        bitrate: Bitrate::Lossless, mime: "audio/wav",  extension: "wav",  hls: None,               check: pcm::check,    make: pcm::make },
    Entry { codec: Codec::PcmS24,  names: &["wav:s24", "wav:24"],                    feature: None,        bitrate: Bitrate::Lossless, mime: "audio/wav",  extension: "wav",  hls: None,               check: pcm::check,    make: pcm::make },
    Entry { codec: Codec::PcmF32,  names: &["wav:f32", "wav:32"],                    feature: None,        bitrate: Bitrate::Lossless, mime: "audio/wav",  extension: "wav",  hls: None,               check: pcm::check,    make: pcm::make },
];

// Every codec has its line, in the order of the enum: `entry` cannot miss.
const _: () = {
    let mut i = 0;
    while i < ENCODERS.len() {
        assert!(ENCODERS[i].codec as usize == i);
        i += 1;
    }
    assert!(ENCODERS.len() == Codec::PcmF32 as usize + 1);
};

/// The line of a codec.
pub fn entry(codec: Codec) -> &'static Entry {
    &ENCODERS[codec as usize]
}

fn check_channels(format: &Format) -> Result<(), EncodeError> {
    match format.channels {
        1 | 2 => Ok(()),
        other => Err(unsupported(format, "channels", other, "1 or 2")),
    }
}

/// The error of a check.
fn unsupported(
    format: &Format,
    field: &'static str,
    value: impl ToString,
    accepted: impl Into<String>,
) -> EncodeError {
    let (codec, value, accepted) = (format.codec.name(), value.to_string(), accepted.into());
    EncodeError::Unsupported { codec, field, value, accepted }
}

/// Refuses a sample rate that is not among `rates`.
fn check_rate(format: &Format, rates: &[u32]) -> Result<(), EncodeError> {
    if rates.contains(&format.sample_rate_hz) {
        return Ok(());
    }
    Err(unsupported(format, "sample_rate_hz", format.sample_rate_hz, one_of(rates)))
}

/// `8000, 11025, 12000` and so on.
fn one_of(values: &[u32]) -> String {
    let values: Vec<_> = values.iter().map(u32::to_string).collect();
    format!("one of {}", values.join(", "))
}

/// Why an encoder could not be made or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The codec cannot do what the format asks; the caller picks another value.
    #[error("{codec}: {field} {value} is not possible, give {accepted}")]
    Unsupported {
        /// Codec.
        codec: &'static str,
        /// Field of the format.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        accepted: String,
    },
    /// The codec is not in this build; the caller enables the cargo feature.
    #[error("this build has no {codec} encoder (cargo feature `{feature}`)")]
    NotBuilt {
        /// Codec.
        codec: &'static str,
        /// Cargo feature.
        feature: &'static str,
    },
    /// The codec library failed; the caller starts a new encoder.
    #[error("{codec}: {message}")]
    Codec {
        /// Codec.
        codec: &'static str,
        /// The library's words.
        message: String,
    },
}
