//! FLAC: frames of 4096, 16 bits dithered or 24.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use airchain_core::Stereo;
use bytes::Bytes;
use flac_codec::encode::{FlacStreamWriter, Options, OptionsError};

use super::blocks::{Blocks, Grid};
use super::quantise::{self, Dither};
use super::{EncodeError, Encoder, unsupported};
use crate::format::{Bitrate, Codec, Format};
use crate::packet::{Packet, SharedInfo, StreamInfo};

const FRAMES: u32 = 4096;

/// Whether FLAC can hold a format, in the subset that streams (RFC 9639, 7).
pub(super) fn check(format: &Format) -> Result<(), EncodeError> {
    let rate = format.sample_rate_hz;
    if !(8_000..=192_000).contains(&rate) || (rate > 65_535 && !rate.is_multiple_of(10)) {
        let accepted = "a rate from 8000 to 192000, above 65535 a multiple of 10";
        return Err(unsupported(format, "sample_rate_hz", rate, accepted));
    }
    match format.bitrate {
        Bitrate::Lossless => Ok(()),
        _ => Err(unsupported(format, "bitrate", "in kbit/s", "none: it is lossless")),
    }
}

/// Makes the encoder of a format that was checked.
pub(super) fn make(format: &Format) -> Result<Box<dyn Encoder>, EncodeError> {
    let info = StreamInfo {
        format: *format,
        delay: 0,
        packet_frames: Some(FRAMES),
        headers: vec![Bytes::copy_from_slice(&stream_info(format))],
    };
    let options = options().map_err(|error| failed(error.to_string()))?;
    let outlet = Outlet::default();
    let coder = Coder {
        format: *format,
        flac: FlacStreamWriter::new(outlet.clone(), options),
        outlet,
        grid: Grid::new(FRAMES, 0),
        dither: Dither::new(),
        samples: Vec::new(),
    };
    Ok(Box::new(Flac { info: Arc::new(info), blocks: Blocks::new(FRAMES as usize), coder }))
}

/// A level at which a station costs little: the quick choice of channel coding gives up under 1 % of size.
fn options() -> Result<Options, OptionsError> {
    Ok(Options::default().max_lpc_order(Some(8))?.max_partition_order(5)?.fast_channel_correlation(true))
}

fn bits(format: &Format) -> u32 {
    if format.codec == Codec::Flac24 { 24 } else { 16 }
}

/// `STREAMINFO` without what only the end of a file knows (RFC 9639, 8.2).
fn stream_info(format: &Format) -> [u8; 34] {
    let mut info = [0; 34];
    let block = (FRAMES as u16).to_be_bytes();
    info[..2].copy_from_slice(&block);
    info[2..4].copy_from_slice(&block);
    // 20 bits of rate, 3 of channels less one, 5 of bits less one, 36 of length.
    let fields = u64::from(format.sample_rate_hz) << 44
        | u64::from(format.channels - 1) << 41
        | u64::from(bits(format) - 1) << 36;
    info[10..18].copy_from_slice(&fields.to_be_bytes());
    info
}

/// The codec writes to what it owns; this is where its frames are picked up. Never contended.
#[derive(Clone, Default)]
struct Outlet(Arc<Mutex<Vec<u8>>>);

impl Outlet {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Flac {
    info: SharedInfo,
    blocks: Blocks,
    coder: Coder,
}

struct Coder {
    format: Format,
    flac: FlacStreamWriter<Outlet>,
    outlet: Outlet,
    grid: Grid,
    dither: Dither,
    samples: Vec<i32>,
}

impl Encoder for Flac {
    fn info(&self) -> &SharedInfo {
        &self.info
    }

    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.coder.grid.take(frames.len());
        self.blocks.feed(frames, |block| self.coder.packet(block, out))
    }

    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.coder.grid.close();
        match self.blocks.take_rest() {
            rest if rest.is_empty() => Ok(()),
            rest => self.coder.packet(&rest, out),
        }
    }
}

impl Coder {
    fn packet(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        let Self { format, flac, outlet, grid, dither, samples } = self;
        let silent = frames.iter().all(|frame| *frame == [0.0; 2]);
        samples.clear();
        samples.extend(frames.iter().flat_map(|frame| frame.iter().take(format.channels.into())).map(
            |&sample| {
                match format.codec {
                    Codec::Flac24 => quantise::s24(sample),
                    // Digital silence stays what it is.
                    _ if silent => 0,
                    _ => dither.s16(sample).into(),
                }
            },
        ));
        flac.write(format.sample_rate_hz, format.channels, bits(format), samples)
            .map_err(|error| failed(error.to_string()))?;
        out.extend(grid.stamp(outlet.take().into()));
        Ok(())
    }
}

fn failed(message: String) -> EncodeError {
    EncodeError::Codec { codec: "flac", message }
}
