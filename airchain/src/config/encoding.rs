//! How an output's audio is encoded: what was asked for, and the exact [`Format`] that comes of it.

use std::str::FromStr;

use airchain_codecs::{Bitrate, Codec, Format};
use serde::{Deserialize, Serialize};

use super::schema::any_of;

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

/// What a format can do.
struct Ability {
    format: AudioFormat,
    name: &'static str,
    codec: Codec,
    extension: &'static str,
    /// Rates in Hz.
    rates: &'static [u32],
    /// The first is the usual one; none for lossless formats.
    modes: &'static [RateMode],
    usual_kbps: u32,
    usual_quality: i8,
    /// Best and worst on the codec's scale, in rising order.
    quality: (i8, i8),
}

const MPEG_RATES: &[u32] = &[8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
const AAC_RATES: &[u32] =
    &[8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000];
const SBR_RATES: &[u32] = &[16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
const PCM_RATES: &[u32] = &[
    8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000, 176_400,
    192_000,
];

use RateMode::{Abr, Cbr, Vbr};

#[rustfmt::skip]
const ABILITIES: &[Ability] = &[
    Ability { format: AudioFormat::Mp3, name: "mp3", codec: Codec::Mp3, extension: "mp3", rates: MPEG_RATES, modes: &[Cbr, Abr, Vbr], usual_kbps: 128, usual_quality: 2, quality: (0, 9) },
    Ability { format: AudioFormat::Aac, name: "aac", codec: Codec::AacLc, extension: "aac", rates: AAC_RATES, modes: &[Cbr], usual_kbps: 128, usual_quality: 0, quality: (0, 0) },
    Ability { format: AudioFormat::HeAac, name: "he-aac", codec: Codec::HeAacV1, extension: "aac", rates: SBR_RATES, modes: &[Cbr], usual_kbps: 64, usual_quality: 0, quality: (0, 0) },
    Ability { format: AudioFormat::HeAacV2, name: "he-aac-v2", codec: Codec::HeAacV2, extension: "aac", rates: SBR_RATES, modes: &[Cbr], usual_kbps: 32, usual_quality: 0, quality: (0, 0) },
    Ability { format: AudioFormat::Opus, name: "opus", codec: Codec::Opus, extension: "opus", rates: &[48_000], modes: &[Abr, Cbr], usual_kbps: 96, usual_quality: 0, quality: (0, 0) },
    Ability { format: AudioFormat::Vorbis, name: "vorbis", codec: Codec::Vorbis, extension: "ogg", rates: MPEG_RATES, modes: &[Abr, Vbr], usual_kbps: 128, usual_quality: 4, quality: (-1, 10) },
    Ability { format: AudioFormat::Flac, name: "flac", codec: Codec::Flac, extension: "flac", rates: PCM_RATES, modes: &[], usual_kbps: 0, usual_quality: 0, quality: (0, 0) },
    Ability { format: AudioFormat::Wav, name: "wav", codec: Codec::PcmS24, extension: "wav", rates: PCM_RATES, modes: &[], usual_kbps: 0, usual_quality: 0, quality: (0, 0) },
];

impl AudioFormat {
    fn ability(self) -> &'static Ability {
        // The table has a row for every variant (tested); the first row stands in for the impossible.
        ABILITIES.iter().find(|a| a.format == self).unwrap_or(&ABILITIES[0])
    }

    /// Its name in station files and on the command line.
    pub fn name(self) -> &'static str {
        self.ability().name
    }

    /// Usual file extension, without the dot.
    pub fn extension(self) -> &'static str {
        self.ability().extension
    }

    /// The cargo feature that this build lacks for it, if it does.
    fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::Mp3 if !cfg!(feature = "mp3") => Some("mp3"),
            Self::Aac | Self::HeAac | Self::HeAacV2 if !cfg!(feature = "aac") => Some("aac"),
            _ => None,
        }
    }
}

impl Encoding {
    /// `format` with everything else as usual.
    pub fn new(format: AudioFormat) -> Self {
        Self { format, bitrate_kbps: None, mode: None, quality: None, channels: 2, sample_rate: None }
    }

    /// The exact format for a station that runs at `station_rate_hz`. Outputs with equal formats share an encoder.
    pub fn resolve(&self, station_rate_hz: u32) -> Result<Format, InvalidEncoding> {
        let ability = self.format.ability();
        let invalid = |field, value: String, problem: String, accepted: String| {
            Err(InvalidEncoding { field, value, problem, accepted })
        };
        let name = ability.name;
        if let Some(feature) = self.format.missing_feature() {
            let problem = format!("this build has no {name} encoder (cargo feature `{feature}`)");
            return invalid("format", name.into(), problem, "another format".into());
        }
        let sample_rate_hz = self.sample_rate.unwrap_or_else(|| nearest_rate(ability.rates, station_rate_hz));
        if !ability.rates.contains(&sample_rate_hz) {
            let problem = format!("{name} has no such rate");
            let accepted = format!("{} Hz", any_of(ability.rates.iter()));
            return invalid("sample_rate", sample_rate_hz.to_string(), problem, accepted);
        }
        if self.format == AudioFormat::HeAacV2 && self.channels != 2 {
            return invalid("channels", self.channels.to_string(), "he-aac-v2 is stereo".into(), "2".into());
        }
        let bitrate = self.bitrate(ability, sample_rate_hz)?;
        Ok(Format { codec: ability.codec, bitrate, sample_rate_hz, channels: self.channels })
    }

    fn bitrate(&self, ability: &Ability, rate_hz: u32) -> Result<Bitrate, InvalidEncoding> {
        let name = ability.name;
        let invalid = |field, value: String, problem: String, accepted: String| {
            Err(InvalidEncoding { field, value, problem, accepted })
        };
        let Some(usual) = ability.modes.first() else {
            let nothing = || "nothing here".to_owned();
            return match (self.bitrate_kbps, self.quality) {
                (Some(kbps), _) => {
                    invalid("bitrate_kbps", kbps.to_string(), format!("{name} is lossless"), nothing())
                }
                (_, Some(quality)) => {
                    invalid("quality", quality.to_string(), format!("{name} is lossless"), nothing())
                }
                _ => Ok(Bitrate::Lossless),
            };
        };
        let mode = self.mode.unwrap_or(if self.quality.is_some() { Vbr } else { *usual });
        if !ability.modes.contains(&mode) {
            let field = if self.mode.is_some() { "mode" } else { "quality" };
            let accepted =
                format!("mode {}", any_of(ability.modes.iter().map(|m| format!("{m:?}").to_lowercase())));
            return invalid(
                field,
                format!("{mode:?}").to_lowercase(),
                format!("{name} has no such mode"),
                accepted,
            );
        }
        if mode == Vbr {
            let quality = self.quality.unwrap_or(ability.usual_quality);
            let (low, high) = ability.quality;
            if !(low..=high).contains(&quality) {
                let accepted = format!("a whole number, {low} to {high}");
                return invalid("quality", quality.to_string(), format!("outside {name}'s scale"), accepted);
            }
            return Ok(Bitrate::Vbr(quality));
        }
        let allowed = Allowed::of(self.format, mode, rate_hz, self.channels);
        let kbps = self.bitrate_kbps.unwrap_or_else(|| allowed.nearest(ability.usual_kbps));
        if !allowed.contains(kbps) {
            let problem =
                format!("{name} at {rate_hz} Hz with {} has no such bit rate", channels(self.channels));
            return invalid("bitrate_kbps", kbps.to_string(), problem, allowed.words());
        }
        Ok(if mode == Abr { Bitrate::Abr(kbps) } else { Bitrate::Cbr(kbps) })
    }
}

/// `format[:bitrate]`, as on the command line: `mp3:128k`, `he-aac:48k`, `mp3:v2`, `flac`.
impl FromStr for Encoding {
    type Err = InvalidEncoding;

    fn from_str(text: &str) -> Result<Self, InvalidEncoding> {
        let (name, rate) = match text.split_once(':') {
            Some((name, rate)) => (name, Some(rate)),
            None => (text, None),
        };
        let bad = |field, value: &str, problem: &str, accepted: String| InvalidEncoding {
            field,
            value: value.to_owned(),
            problem: problem.to_owned(),
            accepted,
        };
        let wanted = name.to_lowercase().replace('_', "-");
        let ability = ABILITIES.iter().find(|a| a.name == wanted).ok_or_else(|| {
            bad("format", name, "not a known format", any_of(ABILITIES.iter().map(|a| a.name)))
        })?;
        let mut encoding = Self::new(ability.format);
        if let Some(rate) = rate {
            let quality = rate.strip_prefix(['v', 'V', 'q', 'Q']).map(str::parse);
            let kbps = rate.strip_suffix(['k', 'K']).unwrap_or(rate).parse();
            match (quality, kbps) {
                (Some(Ok(quality)), _) => (encoding.mode, encoding.quality) = (Some(Vbr), Some(quality)),
                (None, Ok(kbps)) => encoding.bitrate_kbps = Some(kbps),
                _ => {
                    return Err(bad(
                        "bitrate",
                        rate,
                        "not a bit rate",
                        "kbit/s such as 128k, or v2 for mp3".into(),
                    ));
                }
            }
        }
        Ok(encoding)
    }
}

fn channels(count: u8) -> &'static str {
    if count == 1 { "1 channel" } else { "2 channels" }
}

/// The smallest rate that loses nothing of the station's, else the greatest there is.
fn nearest_rate(rates: &[u32], station_rate_hz: u32) -> u32 {
    rates.iter().copied().find(|rate| *rate >= station_rate_hz).or(rates.last().copied()).unwrap_or(48_000)
}

/// Bit rates that a format has.
enum Allowed {
    Range(u32, u32),
    List(&'static [u32]),
}

impl Allowed {
    fn of(format: AudioFormat, mode: RateMode, rate_hz: u32, channels: u8) -> Self {
        let channels = u32::from(channels);
        match format {
            // ISO/IEC 11172-3 and 13818-3, layer III; MPEG-2.5 is the latter at half the rates.
            AudioFormat::Mp3 => {
                let list: &[u32] = match rate_hz {
                    32_000.. => &[32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
                    16_000.. => &[8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
                    _ => &[8, 16, 24, 32, 40, 48, 56, 64],
                };
                match (mode, list) {
                    (Abr, [low, .., high]) => Self::Range(*low, *high),
                    _ => Self::List(list),
                }
            }
            // 6144 bits per channel and frame of 1024 (ISO/IEC 14496-3, 4.5.3).
            AudioFormat::Aac => Self::Range(8 * channels, 6 * channels * rate_hz / 1000),
            AudioFormat::HeAac => Self::Range(8 * channels, 64 * channels),
            AudioFormat::HeAacV2 => Self::Range(12, 64),
            AudioFormat::Opus => Self::Range(6, 255 * channels),
            AudioFormat::Vorbis => {
                let high = if rate_hz >= 32_000 { 240 } else { 80 };
                Self::Range(if rate_hz >= 32_000 { 24 } else { 8 } * channels, high * channels)
            }
            AudioFormat::Flac | AudioFormat::Wav => Self::Range(0, 0),
        }
    }

    fn contains(&self, kbps: u32) -> bool {
        match self {
            Self::Range(low, high) => (*low..=*high).contains(&kbps),
            Self::List(list) => list.contains(&kbps),
        }
    }

    /// The allowed bit rate next to `kbps`, so that the usual one fits low rates and mono too.
    fn nearest(&self, kbps: u32) -> u32 {
        match self {
            Self::Range(low, high) => kbps.clamp(*low, *high),
            Self::List(list) => list.iter().copied().min_by_key(|rate| rate.abs_diff(kbps)).unwrap_or(kbps),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Range(low, high) => format!("{low} to {high} kbit/s"),
            Self::List(list) => format!("{} kbit/s", any_of(list.iter())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_its_row_and_name() {
        use AudioFormat::*;
        for format in [Mp3, Aac, HeAac, HeAacV2, Opus, Vorbis, Flac, Wav] {
            assert_eq!(format.ability().format, format);
            assert_eq!(serde_json::to_value(format).unwrap(), format.name());
        }
    }

    #[test]
    fn defaults_resolve_at_every_station_rate() {
        for ability in ABILITIES {
            for rate in PCM_RATES {
                for channels in [1, 2] {
                    let encoding = Encoding { channels, ..Encoding::new(ability.format) };
                    let resolved = encoding.resolve(*rate);
                    let built = ability.format.missing_feature().is_none();
                    let possible = ability.format != AudioFormat::HeAacV2 || channels == 2;
                    assert_eq!(
                        resolved.is_ok(),
                        built && possible,
                        "{} {rate} {channels}: {resolved:?}",
                        ability.name
                    );
                }
            }
        }
    }

    #[test]
    #[cfg(feature = "mp3")]
    fn short_forms_and_refusals() {
        let format = |text: &str| text.parse::<Encoding>().and_then(|e| e.resolve(48_000));
        let mp3 =
            Format { codec: Codec::Mp3, bitrate: Bitrate::Cbr(128), sample_rate_hz: 48_000, channels: 2 };
        assert_eq!(format("mp3:128k"), Ok(mp3));
        assert_eq!(format("MP3:v2"), Ok(Format { bitrate: Bitrate::Vbr(2), ..mp3 }));
        assert_eq!(format("mp3:130k").map_err(|e| e.field), Err("bitrate_kbps"));
        assert_eq!(format("mp3:loud").map_err(|e| e.field), Err("bitrate"));
        assert_eq!(format("mp4").map_err(|e| e.field), Err("format"));
        assert_eq!(format("flac:900k").map_err(|e| e.field), Err("bitrate_kbps"));
        assert_eq!(format("opus:v4").map_err(|e| e.field), Err("mode"));
        let opus = Encoding { sample_rate: Some(44_100), ..Encoding::new(AudioFormat::Opus) };
        assert_eq!(opus.resolve(44_100).map_err(|e| e.accepted), Err("48000 Hz".into()));
    }
}
