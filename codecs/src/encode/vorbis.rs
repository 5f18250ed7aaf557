//! Vorbis by libvorbis (aoTuV). Packets decode to 128 to 2048 frames, the first one to none.

use std::sync::Arc;

use airchain_core::Stereo;
use bytes::Bytes;

use super::blocks::Blocks;
use super::libvorbis::{self, Libvorbis};
use super::{EncodeError, Encoder, unsupported};
use crate::format::{Bitrate, Format};
use crate::packet::{Packet, SharedInfo, StreamInfo};

/// Frames handed over at once: libvorbis chooses block sizes by what it has been given, so that it must always be
/// given the same.
const BLOCK: usize = 1024;

/// Whether libvorbis can do a format.
pub(super) fn check(format: &Format) -> Result<(), EncodeError> {
    match format.bitrate {
        Bitrate::Vbr(-1..=10) | Bitrate::Cbr(1..=500) | Bitrate::Abr(1..=500) => {}
        Bitrate::Vbr(quality) => return Err(unsupported(format, "quality", quality, "-1 to 10 (best)")),
        Bitrate::Cbr(kbps) | Bitrate::Abr(kbps) => {
            return Err(unsupported(format, "bitrate_kbps", kbps, "1 to 500"));
        }
        Bitrate::Lossless => {
            return Err(unsupported(format, "bitrate", "lossless", "a quality from -1 to 10 or kbit/s"));
        }
    }
    if !(8_000..=192_000).contains(&format.sample_rate_hz) {
        return Err(unsupported(
            format,
            "sample_rate_hz",
            format.sample_rate_hz,
            "a rate from 8000 to 192000",
        ));
    }
    if !libvorbis::possible(format) {
        let value =
            format!("{:?} at {} Hz, {} channels", format.bitrate, format.sample_rate_hz, format.channels);
        return Err(unsupported(format, "bitrate", value, "a quality such as vorbis:q4"));
    }
    Ok(())
}

/// Makes the encoder of a format that was checked.
pub(super) fn make(format: &Format) -> Result<Box<dyn Encoder>, EncodeError> {
    let (vorbis, headers) = Libvorbis::new(format).ok_or_else(|| failed("libvorbis refused the format"))?;
    let info = StreamInfo { format: *format, delay: 0, packet_frames: None, headers: headers.to_vec() };
    Ok(Box::new(Vorbis { info: Arc::new(info), vorbis, blocks: Blocks::new(BLOCK), end: 0, taken: false }))
}

struct Vorbis {
    info: SharedInfo,
    vorbis: Libvorbis,
    blocks: Blocks,
    /// Position after the last packet.
    end: i64,
    taken: bool,
}

impl Encoder for Vorbis {
    fn info(&self) -> &SharedInfo {
        &self.info
    }

    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let Self { vorbis, blocks, end, taken, .. } = self;
        *taken |= !frames.is_empty();
        blocks.feed(frames, |block| vorbis.push(block, |data, at| put(data, at, end, out))).map_err(failed)
    }

    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let Self { vorbis, blocks, end, taken, .. } = self;
        let rest = blocks.take_rest();
        if !rest.is_empty() {
            vorbis.push(&rest, |data, at| put(data, at, end, out)).map_err(failed)?;
        }
        if *taken {
            vorbis.push(&[], |data, at| put(data, at, end, out)).map_err(failed)?;
        }
        Ok(())
    }
}

fn put(data: Bytes, at: i64, end: &mut i64, out: &mut Vec<Packet>) {
    let duration = u32::try_from(at - *end).unwrap_or(0);
    out.push(Packet { data, pts: *end, duration });
    *end += i64::from(duration);
}

fn failed(message: &str) -> EncodeError {
    EncodeError::Codec { codec: "vorbis", message: message.into() }
}
