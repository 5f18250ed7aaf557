//! Encoders: frames at the station's rate in, packets out.

use airchain_core::Stereo;

use crate::packet::{Packet, SharedInfo};

/// An encoder that runs for as long as its station is on air.
pub trait Encoder: Send {
    /// What it produces.
    fn info(&self) -> &SharedInfo;

    /// Takes the next frames and appends the packets that they complete to `out`.
    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError>;

    /// Pads and flushes, so that every frame that went in comes out of a decoder.
    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError>;
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
