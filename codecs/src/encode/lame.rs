//! LAME, with the settings that its safe wrapper lacks and without the traps that it leaves open.
#![allow(unsafe_code)]

use airchain_core::Stereo;
use mp3lame_encoder::{Builder, Encoder, FlushGap, FlushNoGap, InterleavedPcm, Mode, MonoPcm, VbrMode};
use mp3lame_sys as ffi;

use crate::format::{Bitrate, Format};

/// LAME's own default for constant bit rates: `-q 3`.
const QUALITY: mp3lame_encoder::Quality = mp3lame_encoder::Quality::VeryNice;

/// A LAME encoder. Its input must be finite: LAME aborts the process on a NaN.
pub(super) struct Lame {
    encoder: Encoder,
    mono: bool,
    left: Vec<f32>,
}

impl Lame {
    /// An encoder for a format that was checked, with a bit `reservoir` or without. Fails in LAME's words.
    pub(super) fn new(format: &Format, reservoir: bool) -> Result<Self, String> {
        // LAME turns most constant and average bit rates down by half a dB. Level is the chain's business, not the
        // encoder's: find by how much, and make up for it.
        let mut probe = configure(format, reservoir, 1.0)?;
        // SAFETY: the pointer is live while `probe` is.
        let scale = unsafe {
            ffi::lame_init_params(probe.as_ptr());
            ffi::lame_get_scale(probe.as_ptr())
        };
        let makeup = if scale > 0.0 { 1.0 / scale } else { 1.0 };
        let encoder = configure(format, reservoir, makeup)?.build().map_err(|error| error.to_string())?;
        Ok(Self { encoder, mono: format.channels == 1, left: Vec::new() })
    }

    /// Takes frames and appends what they complete to `out`.
    pub(super) fn encode(&mut self, frames: &[Stereo], out: &mut Vec<u8>) -> Result<(), String> {
        // LAME takes a buffer of size 0 for an unlimited one.
        out.reserve(mp3lame_encoder::max_required_buffer_size(frames.len()).max(MIN_SPARE));
        let done = if self.mono {
            self.left.clear();
            self.left.extend(frames.iter().map(|frame| frame[0]));
            self.encoder.encode_to_vec(MonoPcm(&self.left), out)
        } else {
            self.encoder.encode_to_vec(InterleavedPcm(frames.as_flattened()), out)
        };
        done.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Appends the rest of the frames that it has encoded: it fills up what their bits leave room for, and goes on with an
    /// empty bit reservoir. There must be one.
    pub(super) fn hurry(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        out.reserve(MIN_SPARE);
        self.encoder.flush_to_vec::<FlushNoGap>(out).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Pads and appends what is left.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        out.reserve(MIN_SPARE);
        // `FlushNoGap` would drop the last frames of the programme.
        self.encoder.flush_to_vec::<FlushGap>(out).map(|_| ()).map_err(|error| error.to_string())
    }
}

/// The settings of a format, before LAME checks them.
fn configure(format: &Format, reservoir: bool, scale: f32) -> Result<Builder, String> {
    let mut builder = Builder::new().ok_or("out of memory")?;
    let said = |error: mp3lame_encoder::BuildError| error.to_string();
    builder.set_sample_rate(format.sample_rate_hz).map_err(said)?;
    builder.set_num_channels(format.channels).map_err(said)?;
    builder.set_mode(if format.channels == 1 { Mode::Mono } else { Mode::JointStereo }).map_err(said)?;
    builder.set_quality(QUALITY).map_err(said)?;
    // Its tag is a placeholder that only a file's writer can fill; the MP3 container writes its own.
    builder.set_to_write_vbr_tag(false).map_err(said)?;
    // SAFETY: the pointer is live while `builder` is; these calls only set fields of what it points to.
    unsafe {
        let lame = builder.as_ptr();
        // Or LAME prints to standard error.
        ffi::lame_set_errorf(lame, None);
        ffi::lame_set_msgf(lame, None);
        ffi::lame_set_debugf(lame, None);
        ffi::lame_set_scale(lame, scale);
        ffi::lame_set_disable_reservoir(lame, i32::from(!reservoir));
        // Left to itself LAME may choose a lower rate.
        ffi::lame_set_out_samplerate(lame, format.sample_rate_hz as i32);
        match format.bitrate {
            Bitrate::Cbr(kbps) => {
                ffi::lame_set_brate(lame, kbps as i32);
            }
            Bitrate::Abr(kbps) => {
                ffi::lame_set_VBR_mean_bitrate_kbps(lame, kbps as i32);
            }
            Bitrate::Vbr(quality) => {
                ffi::lame_set_VBR_q(lame, i32::from(quality));
            }
            Bitrate::Lossless => {}
        }
    }
    builder
        .set_vbr_mode(match format.bitrate {
            Bitrate::Abr(_) => VbrMode::Abr,
            Bitrate::Vbr(_) => VbrMode::Mtrh,
            Bitrate::Cbr(_) | Bitrate::Lossless => VbrMode::Off,
        })
        .map_err(said)?;
    Ok(builder)
}

/// What LAME asks for at a flush, doubled.
const MIN_SPARE: usize = 2 * 7200;
