//! MP3 by LAME, cut into its frames.

use std::sync::Arc;

use airchain_core::Stereo;
use bytes::Bytes;

use super::blocks::{Blocks, Grid};
use super::lame::Lame;
use super::{EncodeError, Encoder, check_rate, one_of, unsupported};
use crate::container::mp3::{KBPS_MPEG1, KBPS_MPEG2, frame_bytes};
use crate::format::{Bitrate, Format};
use crate::packet::{Packet, SharedInfo, StreamInfo};

/// LAME delays by 576 frames; every decoder, by 528 and 1 more ("LAME tag", delays and padding).
const DELAY: u32 = 576 + 528 + 1;

/// Frames that LAME wants beyond whole frames of its own before it encodes the first: 1376 of 1152, 800 of 576. Given just
/// those first it encodes each at the very sample that completes it, and not some 20 ms later.
const FIRST: usize = 224;

const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// Whether LAME can do a format.
pub(super) fn check(format: &Format) -> Result<(), EncodeError> {
    check_rate(format, &RATES)?;
    let steps: &[u32] = match format.sample_rate_hz {
        32_000.. => &KBPS_MPEG1[1..],
        16_000.. => &KBPS_MPEG2[1..],
        // MPEG-2.5: the same steps, but no player is sure of those above 64.
        _ => &KBPS_MPEG2[1..=8],
    };
    let (least, most) = (steps.first().copied().unwrap_or(0), steps.last().copied().unwrap_or(0));
    match format.bitrate {
        Bitrate::Cbr(kbps) if steps.contains(&kbps) => Ok(()),
        Bitrate::Cbr(kbps) => {
            let accepted = format!("{} at {} Hz", one_of(steps), format.sample_rate_hz);
            Err(unsupported(format, "bitrate_kbps", kbps, accepted))
        }
        Bitrate::Abr(kbps) if (least..=most).contains(&kbps) => Ok(()),
        Bitrate::Abr(kbps) => {
            let accepted = format!("{least} to {most} at {} Hz", format.sample_rate_hz);
            Err(unsupported(format, "bitrate_kbps", kbps, accepted))
        }
        Bitrate::Vbr(0..=9) => Ok(()),
        Bitrate::Vbr(quality) => Err(unsupported(format, "quality", quality, "0 (best) to 9")),
        Bitrate::Lossless => Err(unsupported(format, "bitrate", "lossless", "a number of kbit/s")),
    }
}

/// Makes the encoder of a format that was checked.
pub(super) fn make(format: &Format) -> Result<Box<dyn Encoder>, EncodeError> {
    Ok(frames_of(format, Lame::new(format, true).map_err(failed)?))
}

/// The same without a bit reservoir: no frame borrows from those before it.
pub(super) fn make_apart(format: &Format) -> Result<Box<dyn Encoder>, EncodeError> {
    Ok(frames_of(format, Lame::new(format, false).map_err(failed)?))
}

fn frames_of(format: &Format, lame: Lame) -> Box<dyn Encoder> {
    let frames = if format.sample_rate_hz >= 32_000 { 1152 } else { 576 };
    let info = StreamInfo { format: *format, delay: DELAY, packet_frames: Some(frames), headers: Vec::new() };
    Box::new(Mp3 {
        info: Arc::new(info),
        lame,
        blocks: Blocks::after(FIRST, frames as usize),
        grid: Grid::new(frames, DELAY),
        bytes: Vec::new(),
        began: false,
        held: false,
    })
}

struct Mp3 {
    info: SharedInfo,
    lame: Lame,
    blocks: Blocks,
    grid: Grid,
    /// What LAME wrote and is not yet a whole frame.
    bytes: Vec<u8>,
    /// The first block, which completes no frame, is in.
    began: bool,
    /// LAME has encoded a frame since it was last hurried, and may hold some of it.
    held: bool,
}

impl Encoder for Mp3 {
    fn info(&self) -> &SharedInfo {
        &self.info
    }

    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.grid.take(frames.len());
        let Self { lame, bytes, began, held, .. } = self;
        let encode = |block: &[Stereo]| {
            *held |= std::mem::replace(began, true);
            lame.encode(block, bytes)
        };
        self.blocks.feed(frames, encode).map_err(failed)?;
        split(&mut self.bytes, &mut self.grid, out)
    }

    fn hurry(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if std::mem::take(&mut self.held) {
            self.lame.hurry(&mut self.bytes).map_err(failed)?;
        }
        split(&mut self.bytes, &mut self.grid, out)
    }

    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let rest = self.blocks.take_rest();
        if !rest.is_empty() {
            self.lame.encode(&rest, &mut self.bytes).map_err(failed)?;
        }
        self.grid.close();
        self.lame.flush(&mut self.bytes).map_err(failed)?;
        split(&mut self.bytes, &mut self.grid, out)
    }
}

/// Moves whole MP3 frames from `bytes` to packets.
fn split(bytes: &mut Vec<u8>, grid: &mut Grid, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
    let mut whole = 0;
    let mut lengths = Vec::new();
    while let Some(head) = bytes.get(whole..whole + 4) {
        let length =
            frame_bytes(head).ok_or_else(|| failed("wrote something that is no MP3 frame".into()))?;
        if bytes.len() < whole + length {
            break;
        }
        whole += length;
        lengths.push(length);
    }
    let mut frames = Bytes::copy_from_slice(bytes.get(..whole).unwrap_or_default());
    bytes.drain(..whole);
    for length in lengths {
        out.extend(grid.stamp(frames.split_to(length)));
    }
    Ok(())
}

fn failed(message: String) -> EncodeError {
    EncodeError::Codec { codec: "mp3", message }
}
