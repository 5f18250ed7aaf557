//! Any bytes as a programme from the network, in pieces of any size.

use airchain::codecs::decode::stream::{Step, StreamDecoder};
use airchain::core::Stereo;
use airchain::core::item::Metadata;

use crate::{Seed, containers, material};

pub(crate) fn body(data: &[u8]) {
    let whole = listen(data, data.len().max(1));
    let pieces = listen(data, 1 + data.len() % 997);
    assert_eq!(whole.titles, pieces.titles, "titles go by how the bytes come");
    let differs = whole.frames.iter().zip(&pieces.frames).position(|(one, other)| one != other);
    assert_eq!(differs, None, "what is heard goes by how the bytes come");
    assert_eq!(whole.frames.len(), pieces.frames.len(), "how much is heard goes by how the bytes come");
    assert_eq!(whole.refusal, pieces.refusal);
    if data.windows(4).any(|bytes| bytes == b"OggS") {
        // Corrupt pages are passed over; with their check sums mended they get as far as the decoders.
        let mut mended = data.to_vec();
        containers::mend_ogg(&mut mended);
        listen(&mended, 1_000);
    }
}

#[derive(Default)]
struct Heard {
    frames: Vec<Stereo>,
    titles: Vec<(usize, Metadata)>,
    refusal: Option<String>,
}

/// What comes of bytes that come in pieces: finite, bounded, and over when they are.
fn listen(data: &[u8], step: usize) -> Heard {
    let mut decoder = StreamDecoder::new(Some("audio/test"));
    let mut heard = Heard::default();
    let mut pieces = data.chunks(step);
    let mut ended = false;
    // Each step but one gives something, or takes bytes.
    for steps in 0_usize.. {
        assert!(steps < 1_000 + 64 * data.len(), "it goes on for ever");
        let frames = heard.frames.len();
        let wanted = decoder.wants();
        match decoder.decode(&mut heard.frames) {
            Ok(Step::Hungry) => {
                assert!(!ended, "it is hungry after the end");
                match pieces.next() {
                    Some(piece) => decoder.push(piece),
                    None => {
                        decoder.finish();
                        ended = true;
                    }
                }
            }
            Ok(Step::Audio { rate_hz }) => {
                assert!(!wanted, "it wanted more and had enough");
                let fresh = &heard.frames[frames..];
                assert!((1..=8_192).contains(&fresh.len()), "{} frames at once", fresh.len());
                assert!(
                    fresh.iter().flatten().all(|sample| sample.is_finite()),
                    "not a number at frame {frames}"
                );
                assert!((4_000..=384_000).contains(&rate_hz), "{rate_hz} Hz");
                let format = decoder.info().copied();
                assert!(format.is_some_and(|format| format.channels > 0), "{format:?}");
            }
            Ok(Step::Title(title)) => {
                assert!(title.title.as_ref().is_none_or(|title| title.len() <= 1024), "{title:?}");
                heard.titles.push((frames, title));
            }
            Ok(Step::End) => {
                assert!(ended, "it ends before the bytes do");
                break;
            }
            Err(error) => {
                heard.refusal = Some(error.to_string());
                let again = decoder.decode(&mut Vec::new()).err().map(|error| error.to_string());
                assert_eq!(again, heard.refusal, "the error does not stay");
                break;
            }
        }
        assert!(heard.frames.len() >= frames, "frames were taken back");
    }
    assert!(decoder.take_damage().is_none_or(|words| !words.is_empty() && words.len() < 1_000));
    heard
}

/// Everything that can be streamed: what muxers make for streams, from its start and from its middle.
pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let streams = material::files().into_iter().filter(|file| {
        file.name.contains("-stream.") && !file.name.ends_with(".wav") || file.name.ends_with(".mp3")
    });
    for file in streams {
        let middle = file.bytes[file.bytes.len() / 3..].to_vec();
        seeds.push(Seed { name: format!("late-{}", file.name), bytes: middle });
        seeds.push(Seed {
            name: format!("twice-{}", file.name),
            bytes: [file.bytes.clone(), file.bytes.clone()].concat(),
        });
        seeds.push(file);
    }
    seeds
}
