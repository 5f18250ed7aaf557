//! What an encoder is asked for. Two outputs with an equal [`Format`] share one encoder.

/// A codec that airchain encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// MPEG-1/2 Layer III (feature `mp3`).
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
    /// FLAC (RFC 9639), 16 or 24 bits.
    Flac,
    /// Linear PCM, 16 bits, dithered.
    PcmS16,
    /// Linear PCM, 24 bits.
    PcmS24,
    /// Linear PCM, 32-bit float.
    PcmF32,
}

/// How many bits an encoder may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bitrate {
    /// Constant, in kbit/s.
    Cbr(u32),
    /// Average, in kbit/s.
    Abr(u32),
    /// Variable, by the codec's own quality scale (LAME 0 best to 9; Vorbis -1 to 10, 10 best).
    Vbr(i8),
    /// Whatever it takes: lossless.
    Lossless,
}

/// The format of an encoded output.
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
