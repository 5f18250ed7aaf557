//! libvorbis (aoTuV) behind a safe, exclusive handle.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr;

use airchain_core::Stereo;
use aotuv_lancer_vorbis_sys as ffi;
use bytes::Bytes;
use ogg_next_sys::ogg_packet;

use crate::format::{Bitrate, Format};

/// An encoder instance.
pub(super) struct Libvorbis {
    /// Boxed: the parts point at each other.
    parts: Box<Parts>,
    channels: usize,
}

struct Parts {
    info: ffi::vorbis_info,
    dsp: ffi::vorbis_dsp_state,
    block: ffi::vorbis_block,
}

// SAFETY: the instance owns all that it points to, the library has no thread-local or shared mutable state, and it is
// reached through `&mut self` alone.
unsafe impl Send for Libvorbis {}

/// The identification and the set-up header.
pub(super) type Headers = [Bytes; 2];

impl Libvorbis {
    /// An encoder for a format that was checked; `None` if libvorbis will not have it.
    pub(super) fn new(format: &Format) -> Option<(Self, Headers)> {
        let info = setup(format)?;
        // SAFETY: plain C structures, for which all zero is a value; libvorbis initialises them below.
        let (dsp, block) =
            unsafe { (MaybeUninit::zeroed().assume_init(), MaybeUninit::zeroed().assume_init()) };
        let mut vorbis =
            Self { parts: Box::new(Parts { info, dsp, block }), channels: format.channels.into() };
        let parts = &mut *vorbis.parts;
        // SAFETY: the parts lie in a box that they never leave, so the pointers that libvorbis keeps stay true.
        let ready = unsafe {
            ffi::vorbis_analysis_init(&mut parts.dsp, &mut parts.info) == 0
                && ffi::vorbis_block_init(&mut parts.dsp, &mut parts.block) == 0
        };
        if !ready {
            return None;
        }
        let headers = headers(&mut parts.dsp)?;
        Some((vorbis, headers))
    }

    /// Takes frames; none is the end of the programme. Hands each packet that they complete to `each`, with the
    /// position after its last frame.
    pub(super) fn push(
        &mut self,
        frames: &[Stereo],
        mut each: impl FnMut(Bytes, i64),
    ) -> Result<(), &'static str> {
        let parts = &mut *self.parts;
        let count = i32::try_from(frames.len()).map_err(|_| "too many frames at once")?;
        if count > 0 {
            // SAFETY: the state is live; libvorbis answers a pointer per channel to room for `count` samples, which
            // is filled before the next call.
            unsafe {
                let planes = ffi::vorbis_analysis_buffer(&mut parts.dsp, count);
                if planes.is_null() {
                    return Err("gave no room");
                }
                for channel in 0..self.channels {
                    let plane = std::slice::from_raw_parts_mut(*planes.add(channel), frames.len());
                    for (to, frame) in plane.iter_mut().zip(frames) {
                        *to = frame[channel];
                    }
                }
            }
        }
        // SAFETY: the state is live and `count` frames were written.
        if unsafe { ffi::vorbis_analysis_wrote(&mut parts.dsp, count) } != 0 {
            return Err("refused its input");
        }
        // SAFETY: state and block are live; a packet's bytes are copied before the next call overwrites them.
        unsafe {
            while ffi::vorbis_analysis_blockout(&mut parts.dsp, &mut parts.block) == 1 {
                if ffi::vorbis_analysis(&mut parts.block, ptr::null_mut()) != 0
                    || ffi::vorbis_bitrate_addblock(&mut parts.block) != 0
                {
                    return Err("could not encode a block");
                }
                let mut packet: ogg_packet = MaybeUninit::zeroed().assume_init();
                while ffi::vorbis_bitrate_flushpacket(&mut parts.dsp, &mut packet) == 1 {
                    each(copy(&packet), packet.granulepos);
                }
            }
        }
        Ok(())
    }
}

impl Drop for Libvorbis {
    fn drop(&mut self) {
        let parts = &mut *self.parts;
        // SAFETY: the parts are live, or all zero where setting up failed, which these accept; not used again.
        unsafe {
            ffi::vorbis_block_clear(&mut parts.block);
            ffi::vorbis_dsp_clear(&mut parts.dsp);
            ffi::vorbis_info_clear(&mut parts.info);
        }
    }
}

/// The settings of a format.
fn setup(format: &Format) -> Option<ffi::vorbis_info> {
    let (channels, rate) = (i64::from(format.channels), i64::from(format.sample_rate_hz));
    // SAFETY: plain C structure, initialised by the next call.
    let mut info: ffi::vorbis_info = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `info` is a valid place; on failure it is cleared here and not used.
    unsafe {
        ffi::vorbis_info_init(&mut info);
        let code = match format.bitrate {
            Bitrate::Cbr(kbps) => {
                let bits = i64::from(kbps) * 1000;
                ffi::vorbis_encode_init(&mut info, channels, rate, bits, bits, bits)
            }
            Bitrate::Abr(kbps) => {
                ffi::vorbis_encode_init(&mut info, channels, rate, -1, i64::from(kbps) * 1000, -1)
            }
            Bitrate::Vbr(quality) => {
                ffi::vorbis_encode_init_vbr(&mut info, channels, rate, f32::from(quality) / 10.0)
            }
            Bitrate::Lossless => -1,
        };
        if code != 0 {
            ffi::vorbis_info_clear(&mut info);
            return None;
        }
    }
    Some(info)
}

/// Whether libvorbis has a mode for a format.
pub(super) fn possible(format: &Format) -> bool {
    let Some(mut info) = setup(format) else { return false };
    // SAFETY: `info` is live and not used again.
    unsafe { ffi::vorbis_info_clear(&mut info) };
    true
}

fn headers(dsp: &mut ffi::vorbis_dsp_state) -> Option<Headers> {
    // SAFETY: plain C structures as above; the packets point into `dsp` and are copied while it lives.
    unsafe {
        let mut comment: ffi::vorbis_comment = MaybeUninit::zeroed().assume_init();
        ffi::vorbis_comment_init(&mut comment);
        let [mut id, mut comments, mut setup]: [ogg_packet; 3] = MaybeUninit::zeroed().assume_init();
        let code = ffi::vorbis_analysis_headerout(dsp, &mut comment, &mut id, &mut comments, &mut setup);
        let headers = (code == 0).then(|| [copy(&id), copy(&setup)]);
        ffi::vorbis_comment_clear(&mut comment);
        headers
    }
}

/// The bytes of a packet.
///
/// # Safety
/// The packet was filled by libvorbis and its memory has not been reused.
unsafe fn copy(packet: &ogg_packet) -> Bytes {
    let length = usize::try_from(packet.bytes).unwrap_or(0);
    if packet.packet.is_null() || length == 0 {
        return Bytes::new();
    }
    // SAFETY: by the contract above.
    Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(packet.packet, length) })
}
