//! Any bytes as a file to play.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use airchain::codecs::decode::{self, Decoder, Progress};
use airchain::core::Stereo;
use rustix::fs::MemfdFlags;

use crate::{Seed, material};

/// Seconds of a file that are decoded at most.
const MOST_S: u32 = 30;
/// Seconds of silence that one lost packet is replaced by at most.
const GAP_S: u32 = 10;
/// Frames of a packet at most, with what had been held back as padding.
const PACKET: usize = 1 << 18;

pub(crate) fn body(data: &[u8]) {
    plays(data);
}

/// Files of every kind that can be decoded.
pub(crate) fn seeds() -> Vec<Seed> {
    let mut files = material::files();
    files.extend(material::foreign(&files));
    files
}

/// A file that is nowhere on a disk.
pub(crate) struct InMemory(File);

impl InMemory {
    pub(crate) fn new(bytes: &[u8]) -> std::io::Result<Self> {
        let mut file = File::from(rustix::fs::memfd_create("airchain-fuzz", MemfdFlags::CLOEXEC)?);
        file.write_all(bytes)?;
        Ok(Self(file))
    }

    /// Its path; as with any file, whoever opens it begins at its start.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// Plays a file from its start and from wherever; whatever is in it, what comes out is audio, and bounded.
pub(crate) fn plays(bytes: &[u8]) {
    let file = InMemory::new(bytes).unwrap_or_else(|error| panic!("no memory for a file: {error}"));
    let path = file.path();
    let cover = decode::cover(&path);
    let Ok(mut decoder) = decode::open(&path) else { return };
    // What can be decoded can be read.
    assert!(cover.is_ok_and(|cover| cover.is_none_or(|cover| cover.data.len() <= bytes.len())));
    let info = decoder.info().clone();
    assert!((4_000..=384_000).contains(&info.sample_rate_hz), "{} Hz", info.sample_rate_hz);
    let texts = [&info.metadata.title, &info.metadata.artist, &info.metadata.album];
    let texts = texts.into_iter().flatten().chain(info.metadata.extra.values());
    assert!(texts.into_iter().all(|text| !text.is_empty() && text.len() <= 1024), "{:?}", info.metadata);

    let rate = info.sample_rate_hz;
    let most = u64::from(MOST_S * rate);
    listen(&mut *decoder, rate, most);
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    let anywhere = hasher.finish();
    let frames = info.frames.unwrap_or(u64::from(rate)).max(1);
    for frame in [anywhere % frames, anywhere] {
        if decoder.seek(frame).is_err() {
            break;
        }
        listen(&mut *decoder, rate, u64::from(rate / 10));
    }
    let damage = decoder.take_damage();
    assert!(damage.is_none_or(|words| !words.is_empty() && words.len() < 4096));
}

/// Decodes up to `most` frames.
fn listen(decoder: &mut dyn Decoder, rate: u32, most: u64) {
    let (mut block, mut heard): (Vec<Stereo>, u64) = (Vec::new(), 0);
    while heard < most {
        block.clear();
        let progress = decoder.decode(&mut block);
        assert!(block.len() <= 2 * (GAP_S * rate) as usize + PACKET, "{} frames at once", block.len());
        assert!(block.iter().flatten().all(|sample| sample.is_finite()), "not a number at frame {heard}");
        heard += block.len() as u64;
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::End) => {
                let again = decoder.decode(&mut block);
                let over = matches!(again, Ok(Progress::End)) && block.len() as u64 <= heard;
                assert!(over, "after the end it goes on");
                return;
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use airchain::codecs::decode::DECODERS;

    use super::*;

    #[test]
    fn every_kind_of_file_that_is_decoded_is_among_the_seeds() {
        let kinds: Vec<(String, String)> = seeds()
            .iter()
            .map(|seed| {
                let file = InMemory::new(&seed.bytes).unwrap();
                let decoder =
                    decode::open(&file.path()).unwrap_or_else(|error| panic!("{}: {error}", seed.name));
                (decoder.info().codec.clone(), decoder.info().container.clone())
            })
            .collect();
        for kind in DECODERS {
            let found =
                kinds.iter().any(|(codec, container)| codec == kind.codec && container == kind.container);
            assert!(found, "{} in {}: {kinds:?}", kind.codec, kind.container);
        }
    }
}
