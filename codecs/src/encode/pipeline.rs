//! What lies before every codec: frames made safe, resampled and, for mono, mixed down.

use airchain_core::Stereo;

use super::{EncodeError, Encoder};
use crate::packet::{Packet, SharedInfo};
use crate::resample::Resampler;

/// Beyond this a sample is a mistake, not programme: +24 dBFS. Codecs compute energies of what they are given.
const LIMIT: f32 = 16.0;

/// An encoder that takes anything.
pub(super) struct Pipeline {
    codec: Box<dyn Encoder>,
    resampler: Option<Resampler>,
    repaired: u64,
    clean: Vec<Stereo>,
    resampled: Vec<Stereo>,
}

impl Pipeline {
    /// Feeds `codec` from frames at `input_rate_hz`.
    pub(super) fn new(codec: Box<dyn Encoder>, input_rate_hz: u32) -> Self {
        let rate = codec.info().format.sample_rate_hz;
        let resampler = (input_rate_hz != rate).then(|| Resampler::new(input_rate_hz, rate));
        Self { codec, resampler, repaired: 0, clean: Vec::new(), resampled: Vec::new() }
    }
}

impl Encoder for Pipeline {
    fn info(&self) -> &SharedInfo {
        self.codec.info()
    }

    fn encode(&mut self, frames: &[Stereo], out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        #[cfg(feature = "fault-injection")]
        crate::fault::encoding(frames);
        let mono = self.codec.info().format.channels == 1;
        let repaired = &mut self.repaired;
        self.clean.clear();
        self.clean.extend(frames.iter().map(|frame| {
            let [left, right] = frame.map(|sample| safe(sample, repaired));
            let mean = 0.5 * (left + right);
            if mono { [mean, mean] } else { [left, right] }
        }));
        let Some(resampler) = &mut self.resampler else {
            return self.codec.encode(&self.clean, out);
        };
        self.resampled.clear();
        resampler.process(&self.clean, &mut self.resampled);
        self.codec.encode(&self.resampled, out)
    }

    fn hurry(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        self.codec.hurry(out)
    }

    fn finish(&mut self, out: &mut Vec<Packet>) -> Result<(), EncodeError> {
        if let Some(resampler) = &mut self.resampler {
            self.resampled.clear();
            resampler.finish(&mut self.resampled);
            self.codec.encode(&self.resampled, out)?;
        }
        self.codec.finish(out)
    }

    fn repaired(&self) -> u64 {
        self.repaired
    }
}

/// The sample, if a codec can stand it.
fn safe(sample: f32, repaired: &mut u64) -> f32 {
    if sample.is_finite() {
        return sample.clamp(-LIMIT, LIMIT);
    }
    *repaired += 1;
    0.0
}
