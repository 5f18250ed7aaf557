//! How an output's audio is encoded: what was asked for, and the exact [`Format`] that comes of it.

use airchain_codecs::encode::{self, EncodeError};
use airchain_codecs::{Bitrate, Codec, Format};
use serde::{Deserialize, Serialize};

/// What an output asks for; the rest is filled in by [`Encoding::resolve`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// Codec.
    pub format: AudioFormat,
    /// Bit rate in kbit/s; the format's usual one where absent.
    #[serde(default)]
    pub bitrate_kbps: Option<u32>,
    /// Constant, average or variable; the format's usual one where absent.
    #[serde(default)]
    pub mode: Option<RateMode>,
    /// Quality on the codec's own scale, with [`RateMode::Vbr`].
    #[serde(default)]
    pub quality: Option<i8>,
    /// 1 or 2.
    #[serde(default = "stereo")]
    pub channels: u8,
    /// Rate in Hz; the station's, or the nearest the format has, where absent.
    #[serde(default)]
    pub sample_rate: Option<u32>,
    /// Whether packets of items in this very format are copied; for MP3 and AAC at the station's rate.
    /// Not said where it is not so: renditions have no such field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passthrough: bool,
}

fn stereo() -> u8 {
    2
}

/// Formats by the names they have in station files and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The names say it.
pub enum AudioFormat {
    Mp3,
    Aac,
    HeAac,
    HeAacV2,
    Opus,
    Vorbis,
    Flac,
    Wav,
}

/// How the bit rate behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The names say it.
pub enum RateMode {
    Cbr,
    Abr,
    Vbr,
}

/// A wish that the format cannot meet. The caller changes the field named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value}: {problem}; give {accepted}")]
pub struct InvalidEncoding {
    /// The field of [`Encoding`].
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What is wrong.
    pub problem: String,
    /// What would be accepted.
    pub accepted: String,
}

impl AudioFormat {
    /// The codec that it names.
    pub fn codec(self) -> Codec {
        match self {
            Self::Mp3 => Codec::Mp3,
            Self::Aac => Codec::AacLc,
            Self::HeAac => Codec::HeAacV1,
            Self::HeAacV2 => Codec::HeAacV2,
            Self::Opus => Codec::Opus,
            Self::Vorbis => Codec::Vorbis,
            Self::Flac => Codec::Flac,
            Self::Wav => Codec::PcmS16,
        }
    }

    /// Its name in station files and on the command line.
    pub fn name(self) -> &'static str {
        self.codec().name()
    }
}

/// Rates to fall back on where a format does not have the station's.
const USUAL_RATES_HZ: [u32; 2] = [48_000, 44_100];
/// Bit rates to fall back on where a format's usual one is too much for its rate or channels.
const LESSER_KBPS: [u32; 7] = [112, 96, 64, 48, 32, 24, 16];

impl Encoding {
    /// `format` with everything else as usual.
    pub fn new(format: AudioFormat) -> Self {
        Self {
            format,
            bitrate_kbps: None,
            mode: None,
            quality: None,
            channels: 2,
            sample_rate: None,
            passthrough: false,
        }
    }

    /// The exact format for a station that runs at `station_rate_hz`. Outputs with equal formats share an encoder.
    pub fn resolve(&self, station_rate_hz: u32) -> Result<Format, InvalidEncoding> {
        let bitrates = self.bitrates()?;
        let rates = match self.sample_rate {
            Some(rate) => vec![rate],
            None => [&[station_rate_hz], &USUAL_RATES_HZ[..]].concat(),
        };
        let codec = self.format.codec();
        let every = rates.iter().flat_map(|rate| bitrates.iter().map(move |bitrate| (*rate, *bitrate)));
        let mut first = None;
        for (sample_rate_hz, bitrate) in every {
            let format = Format { codec, bitrate, sample_rate_hz, channels: self.channels };
            match (encode::entry(codec).check)(&format) {
                Ok(()) => return Ok(format),
                // What is wrong with the first choice is what there is to say.
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(self.invalid(first))
    }

    /// The bit rates that would do, the best first; one alone where the file says which.
    fn bitrates(&self) -> Result<Vec<Bitrate>, InvalidEncoding> {
        let usual = encode::entry(self.format.codec()).bitrate;
        if usual == Bitrate::Lossless {
            let lossless = |field, value: String| InvalidEncoding {
                field,
                value,
                problem: format!("{} is lossless", self.format.name()),
                accepted: "nothing here".into(),
            };
            return match (self.bitrate_kbps, self.quality, self.mode) {
                (Some(kbps), _, _) => Err(lossless("bitrate_kbps", kbps.to_string())),
                (_, Some(quality), _) => Err(lossless("quality", quality.to_string())),
                (_, _, Some(mode)) => Err(lossless("mode", format!("{mode:?}").to_lowercase())),
                _ => Ok(vec![usual]),
            };
        }
        let quality = self.quality.unwrap_or(if self.format == AudioFormat::Mp3 { 2 } else { 4 });
        let with_kbps: fn(u32) -> Bitrate = match (self.mode, usual) {
            (Some(RateMode::Vbr), _) => return Ok(vec![Bitrate::Vbr(quality)]),
            (None, _) if self.quality.is_some() => return Ok(vec![Bitrate::Vbr(quality)]),
            (None, Bitrate::Vbr(_)) if self.bitrate_kbps.is_none() => return Ok(vec![usual]),
            (Some(RateMode::Cbr), _) | (None, Bitrate::Cbr(_)) => Bitrate::Cbr,
            (Some(RateMode::Abr), _) | (None, _) => Bitrate::Abr,
        };
        Ok(match self.bitrate_kbps {
            Some(kbps) => vec![with_kbps(kbps)],
            None => {
                let usual = usual.kbps().unwrap_or(128);
                let lesser = LESSER_KBPS.into_iter().filter(|kbps| *kbps < usual);
                std::iter::once(usual).chain(lesser).map(with_kbps).collect()
            }
        })
    }

    /// The encoder's refusal in the words of the station file.
    fn invalid(&self, error: Option<EncodeError>) -> InvalidEncoding {
        let name = self.format.name();
        match error {
            Some(EncodeError::Unsupported { field, value, accepted, .. }) => {
                let field = match field {
                    "sample_rate_hz" => "sample_rate",
                    "channels" => "channels",
                    "quality" if self.quality.is_some() => "quality",
                    "bitrate_kbps" => "bitrate_kbps",
                    _ if self.mode.is_some() => "mode",
                    _ if self.quality.is_some() => "quality",
                    _ => "bitrate_kbps",
                };
                InvalidEncoding { field, value, problem: format!("{name} cannot do that"), accepted }
            }
            other => InvalidEncoding {
                field: "format",
                value: name.to_owned(),
                problem: other.map_or_else(|| format!("{name} cannot be encoded"), |error| error.to_string()),
                accepted: "another format".into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this build encodes a format at all.
    fn is_built(format: AudioFormat) -> bool {
        (encode::entry(format.codec()).check)(&Format::of(format.codec())).is_ok()
    }

    #[test]
    fn names_are_those_of_the_encoders() {
        use AudioFormat::*;
        for format in [Mp3, Aac, HeAac, HeAacV2, Opus, Vorbis, Flac, Wav] {
            assert_eq!(serde_json::to_value(format).unwrap(), format.name());
        }
    }

    #[test]
    fn defaults_resolve_at_every_usual_station_rate() {
        use AudioFormat::*;
        for format in
            [Mp3, Aac, HeAac, HeAacV2, Opus, Flac, Wav].into_iter().filter(|format| is_built(*format))
        {
            for rate in [8_000, 22_050, 32_000, 44_100, 48_000, 96_000] {
                for channels in [1, 2] {
                    let resolved = Encoding { channels, ..Encoding::new(format) }.resolve(rate);
                    let possible = format != HeAacV2 || channels == 2;
                    assert_eq!(resolved.is_ok(), possible, "{format:?} {rate} {channels}: {resolved:?}");
                }
            }
        }
    }

    #[test]
    #[cfg(feature = "mp3")]
    fn what_cannot_be_is_named_by_the_field_that_says_so() {
        let mp3 = Encoding::new(AudioFormat::Mp3);
        let format = Format { sample_rate_hz: 44_100, ..Format::of(Codec::Mp3) };
        assert_eq!(mp3.resolve(44_100), Ok(format));
        let vbr = Encoding { quality: Some(0), ..mp3.clone() };
        assert_eq!(vbr.resolve(44_100), Ok(Format { bitrate: Bitrate::Vbr(0), ..format }));
        let field = |encoding: Encoding| encoding.resolve(48_000).map_err(|error| error.field);
        assert_eq!(field(Encoding { bitrate_kbps: Some(130), ..mp3.clone() }), Err("bitrate_kbps"));
        assert_eq!(field(Encoding { sample_rate: Some(96_000), ..mp3.clone() }), Err("sample_rate"));
        assert_eq!(field(Encoding { quality: Some(10), ..mp3 }), Err("quality"));
        let flac = Encoding { bitrate_kbps: Some(900), ..Encoding::new(AudioFormat::Flac) };
        assert_eq!(field(flac), Err("bitrate_kbps"));
    }
}
