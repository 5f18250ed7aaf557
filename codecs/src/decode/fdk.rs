//! Safe hands on the FDK AAC decoder, which knows what symphonia's does not: SBR, parametric stereo and more than
//! two channels. One access unit in, interleaved samples out.
#![allow(unsafe_code)]

use fdk_aac_sys as sys;

/// Interleaved samples of the largest frame: 8 channels of 4096.
const MAX_SAMPLES: usize = 8 * 4096;

/// What the last access unit decoded to.
#[derive(Clone, Copy, Debug)]
pub(super) struct FdkSpec {
    pub(super) rate_hz: u32,
    pub(super) channels: usize,
    /// Rate of the AAC core; half of `rate_hz` where there is SBR.
    pub(super) core_rate_hz: u32,
    pub(super) core_channels: usize,
    /// Frames by which SBR makes the output late.
    pub(super) delay: u32,
}

/// A decoder of raw access units.
pub(super) struct Fdk {
    handle: sys::HANDLE_AACDECODER,
    pcm: Vec<i16>,
    fresh: bool,
}

// SAFETY: the handle is owned by this value alone and the library keeps no thread-local state.
unsafe impl Send for Fdk {}

impl Fdk {
    /// A decoder for an `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1); `None` when the library refuses it.
    pub(super) fn new(config: &[u8]) -> Option<Self> {
        let length = sys::UINT::try_from(config.len()).ok()?;
        let mut config = config.to_vec();
        // SAFETY: a plain constructor; null is checked below.
        let handle = unsafe { sys::aacDecoder_Open(sys::TRANSPORT_TYPE_TT_MP4_RAW, 1) };
        if handle.is_null() {
            return None;
        }
        let decoder = Self { handle, pcm: vec![0; MAX_SAMPLES], fresh: true };
        // No limiter (it delays), no level normalisation (the chain does that), concealment without delay.
        for (parameter, value) in [
            (sys::AACDEC_PARAM_AAC_PCM_LIMITER_ENABLE, 0),
            (sys::AACDEC_PARAM_AAC_CONCEAL_METHOD, 0),
            (sys::AACDEC_PARAM_AAC_DRC_REFERENCE_LEVEL, -1),
            (sys::AACDEC_PARAM_AAC_UNIDRC_SET_EFFECT, -1),
        ] {
            // SAFETY: the handle is live.
            unsafe { sys::aacDecoder_SetParam(decoder.handle, parameter, value) };
        }
        let mut pointer = config.as_mut_ptr();
        // SAFETY: one layer, whose pointer and length describe `config`, which outlives the call.
        let error = unsafe { sys::aacDecoder_ConfigRaw(decoder.handle, &mut pointer, &length) };
        (error == sys::AAC_DECODER_ERROR_AAC_DEC_OK).then_some(decoder)
    }

    /// Decodes one access unit and puts its samples into `out`.
    pub(super) fn decode(&mut self, unit: &[u8], out: &mut Vec<f32>) -> Option<FdkSpec> {
        out.clear();
        let length = sys::UINT::try_from(unit.len()).ok().filter(|length| *length > 0)?;
        let (mut pointer, mut unread) = (unit.as_ptr().cast_mut(), length);
        // SAFETY: the library copies from the buffer and does not write to it, in spite of its signature.
        let filled = unsafe { sys::aacDecoder_Fill(self.handle, &mut pointer, &length, &mut unread) };
        if filled != sys::AAC_DECODER_ERROR_AAC_DEC_OK || unread > 0 {
            self.fresh = true;
            return None;
        }
        let flags = if self.fresh { sys::AACDEC_INTR | sys::AACDEC_CLRHIST } else { 0 };
        let size = sys::INT::try_from(self.pcm.len()).ok()?;
        // SAFETY: `pcm` has room for `size` samples.
        let decoded = unsafe { sys::aacDecoder_DecodeFrame(self.handle, self.pcm.as_mut_ptr(), size, flags) };
        if decoded != sys::AAC_DECODER_ERROR_AAC_DEC_OK {
            return None;
        }
        self.fresh = false;
        // SAFETY: the pointer stays good while the decoder lives; it is read at once.
        let info = unsafe { sys::aacDecoder_GetStreamInfo(self.handle).as_ref() }?;
        let spec = FdkSpec {
            rate_hz: u32::try_from(info.sampleRate).ok()?,
            channels: usize::try_from(info.numChannels).ok()?,
            core_rate_hz: u32::try_from(info.aacSampleRate).ok()?,
            core_channels: usize::try_from(info.aacNumChannels).ok()?,
            delay: info.outputDelay,
        };
        let samples = usize::try_from(info.frameSize).ok()?.checked_mul(spec.channels)?;
        out.extend(self.pcm.get(..samples)?.iter().map(|&s| f32::from(s) / 32_768.0));
        Some(spec)
    }

    /// Forgets what came before: the next access unit follows a jump.
    pub(super) fn reset(&mut self) {
        self.fresh = true;
    }
}

impl Drop for Fdk {
    fn drop(&mut self) {
        // SAFETY: the handle is live and not used again.
        unsafe { sys::aacDecoder_Close(self.handle) };
    }
}
