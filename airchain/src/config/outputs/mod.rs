//! The outputs of a station file, one file each: its fields for people and for programs, what they must mean together and
//! what becomes of them.

mod dash;
mod hls;
mod http;
mod icecast;
mod recording;
mod srt;
mod wav;

use airchain_codecs::Format;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::rules::Rules;
use super::schema::Kind::*;
use super::schema::{Field, Kind, Section, field, is, unset};
use crate::error::Error;
use crate::output::Target;

pub use dash::DashConfig;
pub use hls::{HlsConfig, HlsContainer, Rendition, Store};
pub use http::HttpConfig;
pub use icecast::{IcecastConfig, IcecastProtocol};
pub use recording::RecordingConfig;
pub use srt::SrtConfig;
pub use wav::{SampleFormat, WavConfig};

pub(super) const OUTPUTS: &[&Section] =
    &[&icecast::ICECAST, &hls::HLS, &recording::RECORDING, &http::HTTP, &wav::WAV, &dash::DASH, &srt::SRT];

/// A place that the programme goes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputConfig {
    /// A source connection to an Icecast server.
    Icecast(IcecastConfig),
    /// HLS segments and playlists.
    Hls(HlsConfig),
    /// Files of the programme, begun anew every so often.
    Recording(RecordingConfig),
    /// The built-in HTTP listener.
    Http(HttpConfig),
    /// One WAV file of the programme.
    Wav(WavConfig),
    /// MPEG-DASH.
    Dash(DashConfig),
    /// SRT push; in builds with the feature `srt`.
    Srt(SrtConfig),
}

/// Where an output is declared.
pub(crate) struct Place<'a> {
    /// The station's name for listeners.
    pub(crate) station: &'a str,
    /// The mount's.
    pub(crate) mount: &'a str,
    /// The station's id, the mount's and the output's own.
    pub(crate) station_id: &'a str,
    pub(crate) mount_id: &'a str,
    pub(crate) id: &'a str,
    /// The station's time zone.
    pub(crate) zone: &'a TimeZone,
    /// Rate of the station's engine, in Hz.
    pub(crate) rate_hz: u32,
}

impl Place<'_> {
    /// The exact format of an encoding there.
    fn format(&self, encoding: &Encoding) -> Result<Format, Error> {
        let named =
            |error: super::InvalidEncoding| Error::Output(format!("{}: {}", error.field, error.problem));
        encoding.resolve(self.rate_hz).map_err(named)
    }
}

/// What every kind of output answers for itself.
trait Declared {
    /// Its table.
    fn section(&self) -> &'static Section;

    /// How its audio is encoded, where that is for the file to say.
    fn encoding(&self) -> Option<&Encoding>;

    /// Whether this build has such outputs.
    fn is_built(&self) -> bool {
        true
    }

    /// Finds what is wrong with fields that are right one by one. `place` goes before their names.
    fn check(&self, place: &str, rate_hz: u32, rules: &mut Rules);

    /// What it is to the engine.
    fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error>;
}

impl OutputConfig {
    fn declared(&self) -> &dyn Declared {
        match self {
            Self::Icecast(output) => output,
            Self::Hls(output) => output,
            Self::Recording(output) => output,
            Self::Http(output) => output,
            Self::Wav(output) => output,
            Self::Dash(output) => output,
            Self::Srt(output) => output,
        }
    }

    /// Its `type`.
    pub fn kind(&self) -> &'static str {
        self.declared().section().name
    }

    /// Whether this build has such outputs; a host passes over the others, and the checker has warned of them.
    pub fn is_built(&self) -> bool {
        self.declared().is_built()
    }

    /// How its audio is encoded; `None` for [`WavConfig`], which has its own word for it.
    pub fn encoding(&self) -> Option<&Encoding> {
        self.declared().encoding()
    }

    pub(super) fn check(&self, place: &str, rate_hz: u32, rules: &mut Rules) {
        self.declared().check(place, rate_hz, rules);
    }

    /// What it is to the engine.
    pub(crate) fn target(&self, place: &Place<'_>) -> Result<(Format, Target), Error> {
        self.declared().target(place)
    }
}

// An output's encoding, with the formats that fit it.
const BITRATE: Field = field(
    "bitrate_kbps",
    Integer { min: 6, max: 1024, unit: "kbit/s" },
    unset("the format's usual: mp3, aac 128; opus 96; he-aac 64; he-aac-v2 32; vorbis has a quality instead"),
    "bit rate; lossless formats have none",
);
const MODE: Field = field(
    "mode",
    Choice(&["cbr", "abr", "vbr"]),
    unset("cbr for mp3 and aac, abr for opus, vbr for vorbis"),
    "constant, average or variable bit rate",
);
const QUALITY: Field = field(
    "quality",
    Integer { min: -1, max: 10, unit: "" },
    unset("mp3 2, aac and vorbis 4"),
    "with mode vbr: mp3 0 (best) to 9, aac 1 to 5 (best), vorbis -1 to 10 (best)",
);
const CHANNELS: Field = field("channels", Integer { min: 1, max: 2, unit: "" }, is("2"), "1 mono, 2 stereo");
const SAMPLE_RATE: Field = field(
    "sample_rate",
    Integer { min: 8000, max: 192_000, unit: "Hz" },
    unset("the station's rate, or the nearest that the format has"),
    "rate of this output",
);

const PASSTHROUGH: Field = field(
    "passthrough",
    Switch,
    is("false"),
    "mp3 and aac at the station's rate: where an item alone is on air, unchanged and in this very format, its packets are copied instead of being encoded again",
);

const STREAM_FORMATS: Kind = Choice(&["mp3", "aac", "he-aac", "he-aac-v2", "opus", "vorbis", "flac"]);
const FILE_FORMATS: Kind = Choice(&["mp3", "aac", "he-aac", "he-aac-v2", "opus", "vorbis", "flac", "wav"]);
const SEGMENT_FORMATS: Kind = Choice(&["aac", "he-aac", "he-aac-v2", "mp3", "opus", "flac"]);
