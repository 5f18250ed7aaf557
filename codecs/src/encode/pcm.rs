//! Linear PCM, little-endian: 16 bits dithered, 24 bits, 32-bit float.

use std::sync::Arc;

use airchain_core::Stereo;
use bytes::Bytes;

use super::blocks::{Blocks, Grid};
use super::quantise::{self, Dither};
use super::{EncodeError, Encoder, unsupported};
use crate::format::{Bitrate, Codec, Format};
use crate::packet::{Packet, SharedInfo, StreamInfo};

/// Whether a format makes sense.
pub(super) fn check(format: &Format) -> Result<(), EncodeError> {
    if !(8_000..=384_000).contains(&format.sample_rate_hz) {
        return Err(unsupported(
            format,
            "sample_rate_hz",
            format.sample_rate_hz,
            "a rate from 8000 to 384000",
        ));
    }
    match format.bitrate {
        Bitrate::Lossless => Ok(()),
        _ => Err(unsupported(format, "bitrate", "in kbit/s", "none: it is lossless")),
    }
}

/// Makes the encoder of a format that was checked.
pub(super) fn make(format: &Format) -> Result<Box<dyn Encoder>, EncodeError> {
    // 20 ms, the order of what codecs do.
    let frames = format.sample_rate_hz / 50;
    let info = StreamInfo { format: *format, delay: 0, packet_frames: Some(frames), headers: Vec::new() };
    Ok(Box::new(Pcm {
        info: Arc::new(info),
        blocks: Blocks::new(frames as usize),
        grid: Grid::new(frames, 0),
        dither: Dither::new(),
    }))
}

struct Pcm {
    info: SharedInfo,
    blocks: Blocks,
    grid: Grid,
    dither: Dither,
}

impl Encoder for Pcm {
    fn info(&self) -> &SharedInfo {
        &self.info
    }

    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let Self { info, blocks, grid, dither } = self;
        grid.take(frames.len());
        blocks.feed(frames, |block| {
            out.extend(grid.stamp(bytes(&info.format, block, dither)));
            Ok(())
        })
    }

    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.grid.close();
        let rest = self.blocks.take_rest();
        if !rest.is_empty() {
            out.extend(self.grid.stamp(bytes(&self.info.format, &rest, &mut self.dither)));
        }
        Ok(())
    }
}

fn bytes(format: &Format, frames: &[Stereo], dither: &mut Dither) -> Bytes {
    let mut out = Vec::with_capacity(frames.len() * usize::from(format.channels) * 4);
    // Digital silence stays what it is.
    let silent = frames.iter().all(|frame| *frame == [0.0; 2]);
    for &sample in frames.iter().flat_map(|frame| frame.iter().take(format.channels.into())) {
        match format.codec {
            Codec::PcmF32 => out.extend_from_slice(&sample.to_le_bytes()),
            Codec::PcmS24 => {
                out.extend_from_slice(quantise::s24(sample).to_le_bytes().get(..3).unwrap_or_default())
            }
            _ if silent => out.extend([0; 2]),
            _ => out.extend_from_slice(&dither.s16(sample).to_le_bytes()),
        }
    }
    out.into()
}
