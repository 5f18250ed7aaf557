//! What an encoder is asked for, and how people write it. Two outputs with an equal [`Format`] share one encoder.

use std::fmt;
use std::str::FromStr;

use crate::encode::{ENCODERS, Entry, entry};

/// A codec that airchain encodes. The order is that of [`ENCODERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// MPEG-1/2/2.5 Layer III (feature `mp3`).
    Mp3,
    /// MPEG-4 AAC Low Complexity (feature `aac`).
    AacLc,
    /// HE-AAC version 1: AAC-LC with spectral band replication (feature `aac`).
    HeAacV1,
    /// HE-AAC version 2: version 1 with parametric stereo (feature `aac`).
    HeAacV2,
    /// Opus (RFC 6716).
    Opus,
    /// Vorbis I.
    Vorbis,
    /// FLAC (RFC 9639), 16 bits, dithered.
    Flac,
    /// FLAC, 24 bits.
    Flac24,
    /// Linear PCM, 16 bits, dithered.
    PcmS16,
    /// Linear PCM, 24 bits.
    PcmS24,
    /// Linear PCM, 32-bit float.
    PcmF32,
}

impl Codec {
    /// Its name in formats, errors and logs (`mp3`, `aac`, `he-aac`, `he-aac-v2`, `opus`, `vorbis`, `flac`, ...).
    pub fn name(self) -> &'static str {
        entry(self).name()
    }

    /// Its name in the `CODECS` attribute of HLS and DASH (RFC 6381); none for those that neither can carry.
    pub fn hls_codecs_string(self) -> Option<&'static str> {
        entry(self).hls
    }

    /// Whether files and streams of it say where the programme begins. ADTS does not: silence before it does no harm.
    pub fn says_where_it_begins(self) -> bool {
        !matches!(self, Self::AacLc | Self::HeAacV1 | Self::HeAacV2)
    }

    /// MIME type of the container that it is streamed in.
    pub fn mime(self) -> &'static str {
        entry(self).mime
    }

    /// Usual extension, without the dot, of the container that it is streamed in.
    pub fn extension(self) -> &'static str {
        entry(self).extension
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many bits an encoder may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bitrate {
    /// Constant, in kbit/s.
    Cbr(u32),
    /// Average, in kbit/s.
    Abr(u32),
    /// Variable, by the codec's own quality scale (LAME 0 best to 9; FDK AAC 1 to 5 best; Vorbis -1 to 10 best).
    Vbr(i8),
    /// Whatever it takes: lossless.
    Lossless,
}

impl Bitrate {
    /// Kilobits per second, where the setting says so.
    pub fn kbps(self) -> Option<u32> {
        match self {
            Self::Cbr(kbps) | Self::Abr(kbps) => Some(kbps),
            Self::Vbr(_) | Self::Lossless => None,
        }
    }
}

/// The format of an encoded output.
///
/// Written `codec[:bitrate][@rate][/mono]`: `mp3:128k`, `mp3:v2`, `mp3:abr160k@44100`, `opus:96k/mono`, `vorbis:q4`,
/// `flac:24`, `wav:s24`. [`FromStr`] reads that and [`Display`](fmt::Display) writes it, leaving out what is the
/// codec's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// Bit rate.
    pub bitrate: Bitrate,
    /// Sample rate in Hz; the encoder's input is resampled to it.
    pub sample_rate_hz: u32,
    /// 1 (mono: mean of left and right) or 2.
    pub channels: u8,
}

/// The sample rate of a format that names none: the one at which stations run, so that nothing is resampled.
pub const DEFAULT_RATE_HZ: u32 = 48_000;

impl Format {
    /// A codec with its default bit rate, 48 kHz, stereo.
    pub fn of(codec: Codec) -> Self {
        Self { codec, bitrate: entry(codec).bitrate, sample_rate_hz: DEFAULT_RATE_HZ, channels: 2 }
    }

    /// The same at `kbps` kbit/s, in the codec's usual way of keeping to it (constant for MP3 and AAC, average for
    /// Opus and Vorbis). Lossless codecs stay as they are.
    pub fn with_kbps(mut self, kbps: u32) -> Self {
        self.bitrate = match entry(self.codec).bitrate {
            Bitrate::Cbr(_) => Bitrate::Cbr(kbps),
            Bitrate::Abr(_) | Bitrate::Vbr(_) => Bitrate::Abr(kbps),
            Bitrate::Lossless => Bitrate::Lossless,
        };
        self
    }

    /// Reads a format as people write it and checks that its codec can do it. Fails naming what is accepted.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let fail = |accepted: String| FormatError { text: shorten(text), accepted };
        let lower = text.trim().to_ascii_lowercase();
        let (rest, channels) = match lower.rsplit_once('/') {
            None => (lower.as_str(), 2),
            Some((rest, "mono")) => (rest, 1),
            Some((rest, "stereo")) => (rest, 2),
            Some(_) => return Err(fail("/mono or /stereo at the end".into())),
        };
        let (rest, rate) = match rest.rsplit_once('@') {
            None => (rest, DEFAULT_RATE_HZ),
            Some((rest, rate)) => (
                rest,
                rate.parse().map_err(|_| fail("a sample rate in Hz after @, as in mp3:128k@44100".into()))?,
            ),
        };
        // `flac:24` and `wav:s24` are names of codecs, so the whole is looked up before its part.
        let (entry, bitrate) = match find(rest) {
            Some(entry) => (entry, entry.bitrate),
            None => {
                let (name, bits) = rest.split_once(':').unwrap_or((rest, ""));
                let entry = find(name).ok_or_else(|| fail(names()))?;
                (entry, bitrate(entry, bits).ok_or_else(|| fail(spellings(entry)))?)
            }
        };
        let format = Self { codec: entry.codec, bitrate, sample_rate_hz: rate, channels };
        (entry.check)(&format).or_else(|error| match error {
            // Whether this build has the codec is for whoever opens it to learn.
            crate::encode::EncodeError::NotBuilt { .. } => Ok(()),
            other => Err(fail(other.to_string())),
        })?;
        Ok(format)
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::parse(text)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = entry(self.codec).bitrate;
        f.write_str(self.codec.name())?;
        match (self.bitrate, usual) {
            (Bitrate::Lossless, _) => {}
            (Bitrate::Cbr(kbps), Bitrate::Cbr(_)) | (Bitrate::Abr(kbps), Bitrate::Abr(_)) => {
                write!(f, ":{kbps}k")?
            }
            (Bitrate::Cbr(kbps), _) => write!(f, ":cbr{kbps}k")?,
            (Bitrate::Abr(kbps), _) => write!(f, ":abr{kbps}k")?,
            (Bitrate::Vbr(quality), _) => write!(f, ":{}{quality}", scale(self.codec))?,
        }
        if self.sample_rate_hz != DEFAULT_RATE_HZ {
            write!(f, "@{}", self.sample_rate_hz)?;
        }
        if self.channels == 1 {
            f.write_str("/mono")?;
        }
        Ok(())
    }
}

/// A format that cannot be read or done. The caller writes another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("format `{text}` is not possible: give {accepted}")]
pub struct FormatError {
    /// What was written.
    pub text: String,
    /// What would do.
    pub accepted: String,
}

fn find(name: &str) -> Option<&'static Entry> {
    ENCODERS.iter().find(|entry| entry.names.contains(&name))
}

/// Letter of the codec's quality scale.
fn scale(codec: Codec) -> char {
    if codec == Codec::Vorbis { 'q' } else { 'v' }
}

/// Reads `128k`, `128`, `cbr128k`, `abr128k`, `v2`, `q4`; nothing is the default.
fn bitrate(entry: &Entry, text: &str) -> Option<Bitrate> {
    if text.is_empty() {
        return Some(entry.bitrate);
    }
    if entry.bitrate == Bitrate::Lossless {
        return None;
    }
    let kbps = |text: &str| text.strip_suffix('k').unwrap_or(text).parse::<u32>().ok().filter(|k| *k > 0);
    if let Some(text) = text.strip_prefix("cbr") {
        return kbps(text).map(Bitrate::Cbr);
    }
    if let Some(text) = text.strip_prefix("abr") {
        return kbps(text).map(Bitrate::Abr);
    }
    if let Some(text) = text.strip_prefix(scale(entry.codec)) {
        return text.parse().ok().map(Bitrate::Vbr);
    }
    kbps(text).map(|kbps| Format::of(entry.codec).with_kbps(kbps).bitrate)
}

fn names() -> String {
    let names: Vec<_> = ENCODERS.iter().map(Entry::name).collect();
    format!("one of {}", names.join(", "))
}

fn spellings(entry: &Entry) -> String {
    let name = entry.name();
    match entry.bitrate {
        Bitrate::Lossless => format!("{name} without a bit rate"),
        _ => format!("kbit/s as in {name}:128k, or a quality as in {name}:{}4", scale(entry.codec)),
    }
}

/// What was written, short enough for a message.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_round_trip() {
        let texts = [
            "mp3:128k",
            "mp3:v2",
            "mp3:abr160k",
            "mp3:320k@44100",
            "mp3:64k@22050/mono",
            "aac:96k",
            "aac:v4",
            "he-aac:48k",
            "he-aac-v2:32k",
            "opus:96k",
            "opus:cbr64k/mono",
            "vorbis:q4",
            "vorbis:q-1",
            "vorbis:abr128k",
            "flac",
            "flac:24",
            "flac@96000",
            "wav",
            "wav:s24",
            "wav:f32@44100/mono",
        ];
        for text in texts {
            let format = Format::parse(text).expect(text);
            assert_eq!(format.to_string(), text);
            assert_eq!(Format::parse(&format.to_string()), Ok(format));
        }
    }

    #[test]
    fn defaults_and_aliases() {
        let mp3 =
            Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(128), sample_rate_hz: 48_000, channels: 2 };
        for text in ["mp3", "MP3:128", " mp3:cbr128k ", "mp3:128k@48000/stereo"] {
            assert_eq!(Format::parse(text), Ok(mp3), "{text}");
        }
        assert_eq!(Format::parse("flac:16"), Ok(Format::of(Codec::Flac)));
        assert_eq!(Format::parse("vorbis:128k"), Format::parse("vorbis:abr128k"));
        assert_eq!(Format::parse("aac+:48k"), Format::parse("he-aac:48k"));
    }

    #[test]
    fn nonsense_names_what_would_do() {
        let cases = [
            ("", "one of mp3, aac"),
            ("wma:128k", "one of mp3, aac"),
            ("mp3:loud", "mp3:128k"),
            ("mp3:129k", "128, 160"),
            ("mp3:v11", "0 (best) to 9"),
            ("mp3@fast", "sample rate"),
            ("mp3@47999", "44100, 48000"),
            ("mp3/5.1", "/mono or /stereo"),
            ("flac:128k", "without a bit rate"),
            ("opus:5000k", "6 to 510"),
            ("mp3:99999999999999k", "mp3:128k"),
        ];
        for (text, accepted) in cases {
            let error = Format::parse(text).expect_err(text).to_string();
            assert!(error.contains(accepted), "{text}: {error}");
        }
    }
}
