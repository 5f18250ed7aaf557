//! Opus by libopus: 20 ms packets at 48 kHz.

use std::sync::Arc;

use airchain_core::Stereo;
use bytes::Bytes;
use opus::{Application, Channels};

use super::blocks::{Blocks, Grid};
use super::{EncodeError, Encoder, check_rate, unsupported};
use crate::format::{Bitrate, Format};
use crate::packet::{Packet, SharedInfo, StreamInfo};

/// 20 ms: what libopus is tuned for.
const FRAMES: u32 = 960;
/// The longest packet of one 20 ms frame (RFC 6716, 3.2.1), with room.
const MAX_BYTES: usize = 1500;

/// Whether libopus can do a format.
pub(super) fn check(format: &Format) -> Result<(), EncodeError> {
    // Whatever goes in, Opus in Ogg counts in 48 kHz.
    check_rate(format, &[48_000])?;
    match format.bitrate {
        Bitrate::Cbr(6..=510) | Bitrate::Abr(6..=510) => Ok(()),
        Bitrate::Cbr(kbps) | Bitrate::Abr(kbps) => Err(unsupported(format, "bitrate_kbps", kbps, "6 to 510")),
        Bitrate::Vbr(quality) => {
            Err(unsupported(format, "quality", quality, "a bit rate of 6 to 510 kbit/s"))
        }
        Bitrate::Lossless => Err(unsupported(format, "bitrate", "lossless", "6 to 510 kbit/s")),
    }
}

/// Makes the encoder of a format that was checked.
pub(super) fn make(format: &Format) -> Result<Box<dyn Encoder>, EncodeError> {
    let channels = if format.channels == 1 { Channels::Mono } else { Channels::Stereo };
    let mut opus = opus::Encoder::new(48_000, channels, Application::Audio).map_err(failed)?;
    let bits = format.bitrate.kbps().unwrap_or(96) * 1000;
    opus.set_bitrate(opus::Bitrate::Bits(bits as i32)).map_err(failed)?;
    opus.set_vbr(!matches!(format.bitrate, Bitrate::Cbr(_))).map_err(failed)?;
    opus.set_complexity(10).map_err(failed)?;
    let delay = opus.get_lookahead().map_err(failed)?.unsigned_abs();
    let info = StreamInfo {
        format: *format,
        delay,
        packet_frames: Some(FRAMES),
        headers: vec![opus_head(format.channels, delay as u16)],
    };
    Ok(Box::new(Opus {
        info: Arc::new(info),
        opus,
        blocks: Blocks::new(FRAMES as usize),
        grid: Grid::new(FRAMES, delay),
        samples: Vec::new(),
    }))
}

/// `OpusHead` (RFC 7845, 5.1).
fn opus_head(channels: u8, pre_skip: u16) -> Bytes {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend(pre_skip.to_le_bytes());
    head.extend(48_000_u32.to_le_bytes());
    // No gain; mono or stereo.
    head.extend([0, 0, 0]);
    head.into()
}

struct Opus {
    info: SharedInfo,
    opus: opus::Encoder,
    blocks: Blocks,
    grid: Grid,
    samples: Vec<f32>,
}

impl Encoder for Opus {
    fn info(&self) -> &SharedInfo {
        &self.info
    }

    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let Self { info, opus, blocks, grid, samples } = self;
        grid.take(frames.len());
        blocks.feed(frames, |block| {
            out.extend(packet(opus, info.format.channels, block, samples, grid)?);
            Ok(())
        })
    }

    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let mut block = self.blocks.take_rest();
        self.grid.close();
        while !self.grid.complete() {
            block.resize(FRAMES as usize, [0.0; 2]);
            out.extend(packet(
                &mut self.opus,
                self.info.format.channels,
                &block,
                &mut self.samples,
                &mut self.grid,
            )?);
            block.clear();
        }
        Ok(())
    }
}

fn packet(
    opus: &mut opus::Encoder,
    channels: u8,
    block: &[Stereo],
    samples: &mut Vec<f32>,
    grid: &mut Grid,
) -> Result<Option<Packet>, EncodeError> {
    samples.clear();
    samples.extend(block.iter().flat_map(|frame| frame.iter().take(channels.into())));
    let data = opus.encode_vec_float(samples, MAX_BYTES).map_err(failed)?;
    Ok(grid.stamp(Bytes::from(data)))
}

fn failed(error: opus::Error) -> EncodeError {
    EncodeError::Codec { codec: "opus", message: error.to_string() }
}
