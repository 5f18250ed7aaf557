//! What the codecs of the job cost by themselves: nobody who does the job with them can cost less.

use std::io::{Error, Result};
use std::path::Path;

use airchain_benches::RATE;
use airchain_codecs::decode::{self, Progress};
use airchain_codecs::encode;
use airchain_codecs::resample::Resampler;
use airchain_codecs::{Codec, Format};
use rustix::time::{ClockId, clock_gettime};

/// Processor seconds of each stage per minute of audio.
pub(crate) struct Floor {
    pub(crate) decode_s: f64,
    pub(crate) resample_s: f64,
    pub(crate) mp3_s: f64,
    pub(crate) aac_s: f64,
}

impl Floor {
    pub(crate) fn total_s(&self) -> f64 {
        self.decode_s + self.resample_s + self.mp3_s + self.aac_s
    }
}

/// This thread's processor time so far, in seconds.
fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Runs each stage over a whole song, one after the other, each in pieces of 100 ms as on air.
pub(crate) fn measure(song: &Path) -> Result<Floor> {
    let begin = cpu_s();
    let mut decoder = decode::open(song).map_err(Error::other)?;
    let rate_hz = decoder.info().sample_rate_hz;
    let mut decoded = Vec::new();
    while decoder.decode(&mut decoded).map_err(Error::other)? != Progress::End {}
    let minutes = decoded.len() as f64 / f64::from(rate_hz) / 60.0;
    let decode_s = (cpu_s() - begin) / minutes;

    let begin = cpu_s();
    let mut resampler = Resampler::new(rate_hz, RATE);
    let mut audio = Vec::new();
    decoded.chunks(rate_hz as usize / 10).for_each(|piece| resampler.process(piece, &mut audio));
    resampler.finish(&mut audio);
    let resample_s = (cpu_s() - begin) / minutes;

    let encode = |codec| -> Result<f64> {
        let format = Format { sample_rate_hz: RATE, ..Format::of(codec) };
        let begin = cpu_s();
        let mut encoder = encode::open(&format, RATE).map_err(Error::other)?;
        let mut packets = Vec::new();
        for piece in audio.chunks(RATE as usize / 10) {
            encoder.encode(piece, &mut packets).map_err(Error::other)?;
            packets.clear();
        }
        Ok((cpu_s() - begin) / minutes)
    };
    Ok(Floor { decode_s, resample_s, mp3_s: encode(Codec::Mp3)?, aac_s: encode(Codec::AacLc)? })
}
