//! The FDK AAC encoder behind a safe, exclusive handle.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use fdk_aac_sys as ffi;

/// What FDK says of itself once it is set up.
pub(super) struct Setup {
    /// Frames per access unit.
    pub(super) frames: u32,
    /// Frames by which decoded audio is late, the decoder's part included.
    pub(super) delay: u32,
    /// `AudioSpecificConfig` (ISO 14496-3, 1.6.2.1).
    pub(super) config: Vec<u8>,
    /// Bytes of the longest access unit.
    pub(super) max_bytes: usize,
}

/// An encoder instance. All its state is its own, so it may move between threads; every call needs `&mut`.
pub(super) struct Fdk {
    handle: NonNull<ffi::AACENCODER>,
}

// SAFETY: the instance owns its memory, the library has no thread-local or shared mutable state, and it is reached
// through `&mut self` alone.
unsafe impl Send for Fdk {}

/// Parts of the encoder that it has memory for (aacenc_lib.h, `aacEncOpen`). That for metadata is always there: it fills up
/// the delay to whole access units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modules {
    /// AAC.
    Aac = 0x11,
    /// And spectral band replication.
    Sbr = 0x13,
    /// And parametric stereo.
    Ps = 0x17,
}

/// A parameter and its value.
pub(super) type Param = (ffi::AACENC_PARAM, u32);

impl Fdk {
    /// Opens an encoder of up to `channels` channels with `modules`, and sets it up. Fails naming what FDK refused.
    pub(super) fn new(channels: u8, modules: Modules, params: &[Param]) -> Result<(Self, Setup), String> {
        let mut handle = ptr::null_mut();
        // SAFETY: `handle` is a valid place for the result.
        said("aacEncOpen", unsafe { ffi::aacEncOpen(&mut handle, modules as u32, u32::from(channels)) })?;
        let fdk = Self { handle: NonNull::new(handle).ok_or("aacEncOpen gave no encoder")? };
        for &(param, value) in params {
            // SAFETY: the handle is live.
            let code = unsafe { ffi::aacEncoder_SetParam(fdk.handle.as_ptr(), param, value) };
            said(&format!("parameter {param:#x} = {value}"), code)?;
        }
        // SAFETY: the handle is live; a call without buffers applies the parameters (aacenc_lib.h, "Encoder
        // Reconfiguration").
        let code = unsafe {
            ffi::aacEncEncode(fdk.handle.as_ptr(), ptr::null(), ptr::null(), ptr::null(), ptr::null_mut())
        };
        said("setting up", code)?;
        // SAFETY: plain integers and an array of them: all zero is a value.
        let mut info: ffi::AACENC_InfoStruct = unsafe { std::mem::zeroed() };
        // SAFETY: the handle is live and `info` a valid place for the result.
        said("aacEncInfo", unsafe { ffi::aacEncInfo(fdk.handle.as_ptr(), &mut info) })?;
        let config =
            info.confBuf.get(..info.confSize as usize).ok_or("its configuration is too long")?.to_vec();
        let setup = Setup {
            frames: info.frameLength,
            delay: info.nDelay,
            config,
            max_bytes: info.maxOutBufBytes as usize,
        };
        Ok((fdk, setup))
    }

    /// Takes interleaved samples and writes at most one access unit to `out`, which must hold the longest.
    /// Answers how many samples it took and bytes it wrote.
    pub(super) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<(usize, usize), String> {
        let count = i32::try_from(samples.len()).map_err(|_| "too many samples at once")?;
        let done = self.call(samples.as_ptr(), count, out)?;
        Ok(done.unwrap_or((0, 0)))
    }

    /// Pads with silence and writes the next access unit of what was held back; `None` after the last.
    pub(super) fn flush(&mut self, out: &mut [u8]) -> Result<Option<usize>, String> {
        // A count of -1 is the end of the input.
        let silence = [0_i16; 2];
        Ok(self.call(silence.as_ptr(), -1, out)?.map(|(_, bytes)| bytes))
    }

    /// `None` at the end of the stream.
    fn call(
        &mut self,
        samples: *const i16,
        count: i32,
        out: &mut [u8],
    ) -> Result<Option<(usize, usize)>, String> {
        let out_len = i32::try_from(out.len()).map_err(|_| "too large a buffer")?;
        let mut in_ptr = samples.cast_mut().cast::<c_void>();
        let (mut in_id, mut in_size, mut in_element) =
            (ffi::AACENC_BufferIdentifier_IN_AUDIO_DATA as i32, count.max(0) * 2, 2);
        let mut out_ptr = out.as_mut_ptr().cast::<c_void>();
        let (mut out_id, mut out_size, mut out_element) =
            (ffi::AACENC_BufferIdentifier_OUT_BITSTREAM_DATA as i32, out_len, 1);
        let input = ffi::AACENC_BufDesc {
            numBufs: 1,
            bufs: &mut in_ptr,
            bufferIdentifiers: &mut in_id,
            bufSizes: &mut in_size,
            bufElSizes: &mut in_element,
        };
        let output = ffi::AACENC_BufDesc {
            numBufs: 1,
            bufs: &mut out_ptr,
            bufferIdentifiers: &mut out_id,
            bufSizes: &mut out_size,
            bufElSizes: &mut out_element,
        };
        let args = ffi::AACENC_InArgs { numInSamples: count, numAncBytes: 0 };
        // SAFETY: plain integers: all zero is a value.
        let mut done: ffi::AACENC_OutArgs = unsafe { std::mem::zeroed() };
        // SAFETY: the handle is live; both descriptors point at locals and at slices that outlive the call, with
        // their true sizes; FDK only reads the input.
        let code = unsafe { ffi::aacEncEncode(self.handle.as_ptr(), &input, &output, &args, &mut done) };
        if code == ffi::AACENC_ERROR_AACENC_ENCODE_EOF {
            return Ok(None);
        }
        said("aacEncEncode", code)?;
        Ok(Some((done.numInSamples.max(0) as usize, done.numOutBytes.max(0) as usize)))
    }
}

impl Drop for Fdk {
    fn drop(&mut self) {
        let mut handle = self.handle.as_ptr();
        // SAFETY: the handle is live and is not used again.
        unsafe { ffi::aacEncClose(&mut handle) };
    }
}

fn said(what: &str, code: ffi::AACENC_ERROR) -> Result<(), String> {
    let reason = match code {
        ffi::AACENC_ERROR_AACENC_OK => return Ok(()),
        ffi::AACENC_ERROR_AACENC_MEMORY_ERROR => "out of memory",
        ffi::AACENC_ERROR_AACENC_UNSUPPORTED_PARAMETER => "unsupported parameter",
        ffi::AACENC_ERROR_AACENC_INVALID_CONFIG => "invalid configuration",
        ffi::AACENC_ERROR_AACENC_INIT_AAC_ERROR => "the core coder refuses this combination",
        ffi::AACENC_ERROR_AACENC_INIT_SBR_ERROR => "band replication refuses this combination",
        _ => return Err(format!("{what}: FDK error {code:#x}")),
    };
    Err(format!("{what}: {reason}"))
}
