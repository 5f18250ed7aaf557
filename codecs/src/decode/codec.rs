//! Packets to stereo frames: the codec that a track needs, behind one face.

use airchain_core::{Stereo, units};
use symphonia::core::codecs::audio::well_known as id;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::RegisterableAudioDecoder;
use symphonia::core::packet::PacketRef;
use symphonia_adapter_libopus::OpusDecoder;

use super::downmix::Downmix;
#[cfg(feature = "aac")]
use super::fdk::{Fdk, FdkSpec};
use super::reader::guarded;

/// AAC cores at or below this rate may carry SBR without saying so (ISO/IEC 14496-3, 1.6.6).
const MAX_IMPLICIT_SBR_HZ: u32 = 24_000;

/// A codec at work.
pub(super) struct Codec {
    engine: Engine,
    /// Name of the codec in [`TrackInfo`](super::TrackInfo).
    pub(super) name: &'static str,
    /// Frames before a cue point from which decoding must begin for the cue point to sound as it does in passing.
    pub(super) preroll: i64,
    /// Frames that the codec says are to be dropped at the start (Opus).
    pub(super) pre_skip: i64,
    /// Frames by which the decoder itself is late (SBR), known once something has been decoded.
    pub(super) delay: i64,
    /// What is not as it should be from the start.
    pub(super) caveat: Option<String>,
    gain: f32,
    samples: Vec<f32>,
    downmix: Option<Downmix>,
}

enum Engine {
    Symphonia(Box<dyn AudioDecoder>),
    #[cfg(feature = "aac")]
    Fdk(Fdk),
}

impl Codec {
    /// The codec for a track; `None` when there is none.
    pub(super) fn new(params: &AudioCodecParameters) -> Option<Self> {
        let codec = |engine, name, preroll| Self {
            engine,
            name,
            preroll,
            pre_skip: 0,
            delay: 0,
            caveat: None,
            gain: 1.0,
            samples: Vec::new(),
            downmix: None,
        };
        let symphonia = |name, preroll| Some(codec(Engine::Symphonia(native(params)?), name, preroll));
        match params.codec {
            // Frames depend on each other through the bit reservoir, V0 files through seven of them.
            id::CODEC_ID_MP3 => symphonia("mp3", 10 * 1152),
            id::CODEC_ID_MP2 => symphonia("mp2", 2 * 1152),
            id::CODEC_ID_MP1 => symphonia("mp1", 2 * 1152),
            id::CODEC_ID_VORBIS => symphonia("vorbis", 8192),
            id::CODEC_ID_FLAC => symphonia("flac", 0),
            id::CODEC_ID_ALAC => symphonia("alac", 0),
            // RFC 7845, 4.6 asks for 80 ms; three times that and the prediction has forgotten where it began.
            id::CODEC_ID_OPUS => {
                let (pre_skip, gain_db) = opus_head(params.extra_data.as_deref().unwrap_or_default());
                // The adapter would take off the pre-skip by itself, but never again after a seek.
                let mut params = params.clone();
                params.extra_data = None;
                let options = AudioDecoderOptions::default();
                let engine = guarded(|| OpusDecoder::try_registry_new(&params, &options))?;
                let opus = codec(Engine::Symphonia(engine), "opus", 3 * 3840);
                Some(Self { pre_skip, gain: units::db_to_gain(gain_db), ..opus })
            }
            id::CODEC_ID_AAC => aac(params, codec),
            _ => symphonia("pcm", 0),
        }
    }

    /// Decodes a packet, untrimmed, to the end of `out`; says its rate in Hz, or nothing when it is lost.
    pub(super) fn decode(&mut self, packet: &PacketRef<'_>, out: &mut Vec<Stereo>) -> Option<u32> {
        let first = out.len();
        let rate = match &mut self.engine {
            Engine::Symphonia(decoder) => {
                // Trimming is by position (in `track`), so that a seek trims like a start: no trims from here on.
                let packet = PacketRef::new(packet.track_id, packet.pts, packet.block_dur(), packet.data);
                let samples = &mut self.samples;
                let downmix = &mut self.downmix;
                guarded(|| {
                    let decoded = decoder.decode_ref(&packet)?;
                    let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels());
                    if !downmix.as_ref().is_some_and(|downmix| downmix.is_for(channels)) {
                        *downmix = Some(Downmix::new(channels));
                    }
                    decoded.copy_to_vec_interleaved(samples);
                    Ok(rate)
                })?
            }
            #[cfg(feature = "aac")]
            Engine::Fdk(fdk) => {
                let spec = fdk.decode(packet.data, &mut self.samples)?;
                if spec.rate_hz != spec.core_rate_hz {
                    self.heard_sbr(&spec);
                }
                let channels = super::downmix::wave_layout(spec.channels);
                if !self.downmix.as_ref().is_some_and(|downmix| downmix.is_for(&channels)) {
                    self.downmix = Some(Downmix::new(&channels));
                }
                spec.rate_hz
            }
        };
        self.downmix.as_ref()?.append(&self.samples, out);
        if self.gain != 1.0 {
            out[first..].iter_mut().flatten().for_each(|sample| *sample *= self.gain);
        }
        Some(rate)
    }

    /// Channels of the last packet, before they were made two.
    pub(super) fn channels(&self) -> u16 {
        self.downmix.as_ref().map_or(0, Downmix::channels)
    }

    /// Forgets what came before: the next packet follows a jump.
    pub(super) fn reset(&mut self) {
        match &mut self.engine {
            Engine::Symphonia(decoder) => drop(guarded(|| {
                decoder.reset();
                Ok(())
            })),
            #[cfg(feature = "aac")]
            Engine::Fdk(fdk) => fdk.reset(),
        }
    }

    #[cfg(feature = "aac")]
    fn heard_sbr(&mut self, spec: &FdkSpec) {
        self.name = if spec.core_channels < spec.channels { "he-aac-v2" } else { "he-aac" };
        // SBR is silent until its next header, which comes about every half second.
        self.preroll = i64::from(spec.rate_hz);
        self.delay = i64::from(spec.delay);
    }
}

fn native(params: &AudioCodecParameters) -> Option<Box<dyn AudioDecoder>> {
    let options = AudioDecoderOptions::default().gapless(false);
    guarded(|| symphonia::default::get_codecs().make_audio_decoder(params, &options))
}

/// Pre-skip in frames at 48 kHz and output gain in dB of an `OpusHead` (RFC 7845, 5.1).
fn opus_head(head: &[u8]) -> (i64, f32) {
    let field = |at: usize| head.get(at..at + 2).map(|bytes| [bytes[0], bytes[1]]);
    let pre_skip = field(10).map_or(0, u16::from_le_bytes);
    let gain = field(16).map_or(0, i16::from_le_bytes);
    (i64::from(pre_skip), f32::from(gain) / 256.0)
}

/// Sample rates by their index (ISO/IEC 14496-3, table 1.18).
pub(super) const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// AAC: symphonia for Low Complexity; FDK for everything that symphonia leaves out.
fn aac(
    params: &AudioCodecParameters,
    codec: impl FnOnce(Engine, &'static str, i64) -> Codec,
) -> Option<Codec> {
    const PREROLL: i64 = 4 * 1024;
    let config = params.extra_data.as_deref().filter(|config| config.len() >= 2);
    let object_type = config.map_or(2, |config| config[0] >> 3);
    // The container may give the rate with SBR; the configuration gives that of the core.
    let configured =
        config.and_then(|config| AAC_RATES.get(usize::from((config[0] & 7) << 1 | config[1] >> 7)));
    let core_rate = configured.copied().or(params.sample_rate).unwrap_or(0);
    let sbr_signalled = matches!(object_type, 5 | 29);
    let sbr_possible = sbr_signalled || core_rate <= MAX_IMPLICIT_SBR_HZ;
    #[cfg(feature = "aac")]
    {
        let lc = if sbr_possible { None } else { native(params) };
        let engine = match lc {
            Some(decoder) => Engine::Symphonia(decoder),
            None => {
                let plain = low_complexity_config(params);
                Engine::Fdk(Fdk::new(config.or(plain.as_ref().map(|config| &config[..]))?)?)
            }
        };
        Some(codec(engine, "aac", PREROLL))
    }
    #[cfg(not(feature = "aac"))]
    {
        let mut core = params.clone();
        if sbr_signalled {
            core.extra_data = None;
        }
        let mut codec = codec(Engine::Symphonia(native(&core)?), "aac", PREROLL);
        codec.caveat = sbr_possible.then(|| {
            format!("if this is HE-AAC, only its {core_rate} Hz core is heard (this build lacks the cargo feature `aac`)")
        });
        Some(codec)
    }
}

/// The `AudioSpecificConfig` that an ADTS header stands for.
#[cfg(feature = "aac")]
fn low_complexity_config(params: &AudioCodecParameters) -> Option<[u8; 2]> {
    let index = u8::try_from(AAC_RATES.iter().position(|rate| Some(*rate) == params.sample_rate)?).ok()?;
    let layout = match params.channels.as_ref().map_or(0, |channels| channels.count()) {
        count @ 0..=6 => count as u8,
        8 => 7,
        _ => return None,
    };
    Some([2 << 3 | index >> 1, index << 7 | layout << 3])
}
