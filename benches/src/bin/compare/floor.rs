//! What the codecs of the job cost by themselves, on all cores at once: nobody who does the job with them can cost less.

use std::io::{Error, Result};
use std::path::Path;
use std::time::Duration;

use airchain::cost::thread_time;
use airchain_benches::RATE;
use airchain_codecs::decode::{self, Progress};
use airchain_codecs::encode;
use airchain_codecs::resample::Resampler;
use airchain_codecs::{Codec, Format};

/// Processor seconds of each stage per minute of audio.
#[derive(Clone, Copy)]
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

/// Measures on every core at once, as stations have them; the mean.
pub(crate) fn measure(song: &Path) -> Result<Floor> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let floors = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(|| alone(song))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|floor| floor.unwrap_or_else(|_| Err(Error::other("a panic")))).collect::<Result<Vec<_>>>()
    })?;
    let mean = |of: fn(&Floor) -> f64| floors.iter().map(of).sum::<f64>() / cores as f64;
    Ok(Floor {
        decode_s: mean(|floor| floor.decode_s),
        resample_s: mean(|floor| floor.resample_s),
        mp3_s: mean(|floor| floor.mp3_s),
        aac_s: mean(|floor| floor.aac_s),
    })
}

/// Runs each stage over a whole song, one after the other, each in pieces of 100 ms as on air.
fn alone(song: &Path) -> Result<Floor> {
    let since = |begin: Duration| (thread_time() - begin).as_secs_f64();
    let begin = thread_time();
    let mut decoder = decode::open(song).map_err(Error::other)?;
    let rate_hz = decoder.info().sample_rate_hz;
    let mut decoded = Vec::new();
    while decoder.decode(&mut decoded).map_err(Error::other)? != Progress::End {}
    let minutes = decoded.len() as f64 / f64::from(rate_hz) / 60.0;
    let decode_s = since(begin) / minutes;

    let begin = thread_time();
    let mut resampler = Resampler::new(rate_hz, RATE);
    let mut audio = Vec::new();
    decoded.chunks(rate_hz as usize / 10).for_each(|piece| resampler.process(piece, &mut audio));
    resampler.finish(&mut audio);
    let resample_s = since(begin) / minutes;

    let encode = |codec| -> Result<f64> {
        let format = Format { sample_rate_hz: RATE, ..Format::of(codec) };
        let begin = thread_time();
        let mut encoder = encode::open(&format, RATE).map_err(Error::other)?;
        let mut packets = Vec::new();
        for piece in audio.chunks(RATE as usize / 10) {
            encoder.encode(piece, &mut packets).map_err(Error::other)?;
            packets.clear();
        }
        Ok(since(begin) / minutes)
    };
    Ok(Floor { decode_s, resample_s, mp3_s: encode(Codec::Mp3)?, aac_s: encode(Codec::AacLc)? })
}
