//! What is no audio, or meant to do harm.

use airchain_codecs::decode::DecodeError;
use airchain_codecs::decode::stream::{Step, StreamDecoder};

use crate::kit::{Dice, feed, listen, stream};

fn refusal(bytes: &[u8]) -> String {
    let heard = feed(bytes, || 700);
    assert!(heard.frames.is_empty());
    match heard.error {
        Some(error @ DecodeError::Stream { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_audio_is_named() {
    let page = "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>".repeat(50);
    let said = refusal(page.as_bytes());
    assert!(said.contains("found an HTML page (the server calls it audio/test)"), "{said}");
    assert!(said.contains("expected MP3, AAC in ADTS, or Ogg with Vorbis, Opus or FLAC"), "{said}");
    // Short ones too, once they are over.
    for (text, words) in [
        ("#EXTM3U\nhttp://example.org/stream\n", "an M3U playlist"),
        ("[playlist]\nNumberOfEntries=1\nFile1=http://example.org/stream\n", "a PLS playlist"),
        ("<?xml version=\"1.0\"?><playlist xmlns=\"http://xspf.org/ns/0/\"/>", "an XML document"),
        ("Too many listeners, try again later.", "text (\"Too many listeners, try again later.\")"),
    ] {
        let said = refusal(text.as_bytes());
        assert!(said.contains(words), "{said}");
    }
    for (bytes, words) in [
        (vec![0; 300_000], "found zeros"),
        ([&b"\0\0\0\x18ftypM4A \0\0\0\0"[..], &[0x11; 300_000]].concat(), "found an MP4 file"),
        ([&b"RIFF\0\0\0\0WAVEfmt "[..], &[0x11; 300_000]].concat(), "found a RIFF file"),
        ([&b"fLaC\0\0\0\x22"[..], &[0x11; 300_000]].concat(), "found FLAC in its own container"),
        (vec![0xFF; 300_000], "found bytes that begin with ff ff"),
    ] {
        let said = refusal(&bytes);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn it_gives_up_after_128_kib_and_not_before() {
    let (mut decoder, mut out) = (StreamDecoder::new(None), Vec::new());
    for taken in 0.. {
        match decoder.decode(&mut out) {
            Ok(Step::Hungry) => decoder.push(&[0x80; 512]),
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert!((256..=257).contains(&taken), "after {taken} pieces: {error}");
                break;
            }
        }
    }
    let audio = stream("mp3:128k", 1.0);
    let alone = listen(&audio);
    let late = listen(&[&[0x80; 120_000][..], &audio].concat());
    assert!(late.frames == alone.frames && late.damage.is_none());
    // Audio that ends in rubbish is played, then given up.
    let heard = feed(&[&audio[..], &[0x80; 200_000]].concat(), || 1000);
    assert!(heard.frames.len() + 4 * 1152 > alone.frames.len() && heard.error.is_some());
}

#[test]
fn it_can_be_handed_from_worker_to_worker() {
    fn sendable<T: Send>(_: &T) {}
    sendable(&StreamDecoder::new(None));
}

#[test]
fn an_empty_stream_is_over() {
    let mut decoder = StreamDecoder::new(None);
    assert!(decoder.wants());
    decoder.finish();
    assert!(!decoder.wants());
    assert_eq!(decoder.decode(&mut Vec::new()).unwrap(), Step::End);
    decoder.push(&stream("mp3:128k", 0.2));
    assert_eq!(decoder.decode(&mut Vec::new()).unwrap(), Step::End, "nothing comes after the end");
}

#[test]
fn what_it_cannot_hold_is_an_error() {
    let mut decoder = StreamDecoder::new(None);
    let piece = vec![0x80; 100_000];
    (0..11).for_each(|_| decoder.push(&piece));
    let error = decoder.decode(&mut Vec::new()).unwrap_err();
    assert!(matches!(error, DecodeError::Flooded { capacity_bytes: 1_048_576 }), "{error}");
}

/// Streams of every kind, a second each.
fn streams() -> Vec<Vec<u8>> {
    ["mp3:128k", "mp3:32k@22050/mono", "aac:96k", "he-aac-v2:32k", "vorbis:q2", "opus:64k", "flac@44100"]
        .map(|format| stream(format, 1.0))
        .to_vec()
}

#[test]
fn mutations_do_no_harm() {
    let streams = streams();
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let mut bytes = streams[dice.below(streams.len())].clone();
        for _ in 0..1 + dice.below(40) {
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = [0, 0xFF, 0x7F, b'O'][dice.below(4)],
                2 => drop(bytes.drain(at..(at + dice.below(300)).min(bytes.len()))),
                _ => {
                    let other = &streams[dice.below(streams.len())];
                    let from = dice.below(other.len());
                    let part = &other[from..(from + dice.below(4000)).min(other.len())];
                    bytes.splice(at..at, part.iter().copied());
                }
            }
        }
        if seed % 2 == 0 {
            prove(&mut bytes);
        }
        feed(&bytes, || 1 + dice.below(5000));
    }
}

/// Gives Ogg pages the checksums of what is in them, so that what is wrong reaches the decoders.
fn prove(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some([b'O', b'g', b'g', b'S', .., segments]) = bytes.get(at..at + 27) {
        let Some(table) = bytes.get(at + 27..at + 27 + usize::from(*segments)) else { return };
        let length = 27 + table.len() + table.iter().map(|lacing| usize::from(*lacing)).sum::<usize>();
        let Some(page) = bytes.get_mut(at..at + length) else { return };
        page[22..26].fill(0);
        let crc = page.iter().fold(0_u32, |crc, byte| {
            let shift = |crc: u32, _| if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 };
            (0..8).fold(crc ^ u32::from(*byte) << 24, shift)
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        at += length;
    }
}

#[test]
fn pages_that_claim_too_much_cost_no_more_than_they_are() {
    // Each of these could be the head of a long page, and none is.
    let head = [&b"OggS\0\x02"[..], &[0; 20], &[30], &[255; 30]].concat();
    let said = refusal(&head.repeat(20_000));
    assert!(said.contains("Ogg without a whole page"), "{said}");
    // Tags without end.
    let said = refusal(&[b"TAG".as_slice(), &[0; 125]].concat().repeat(40_000));
    assert!(said.contains("found tags and no audio"), "{said}");
}
