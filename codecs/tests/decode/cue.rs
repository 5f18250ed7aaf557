//! A seek makes exactly that frame the next one, and it sounds as it does in passing.

use airchain_codecs::decode::{self, Progress};

use crate::kit::{FORMATS, decode, difference, encode, fit, rest, tone, write_wav};

const HZ: f64 = 331.0;

#[test]
fn every_format_cues_to_the_frame() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let wav = dir.path().join("tone.wav");
    write_wav(&wav, 44_100, &tone(HZ, 44_100, 0..150_007));
    for (format, _, exact) in FORMATS.into_iter().chain([("aac", 0, false)]) {
        let path = encode(format, &wav);
        let whole = decode(&path).frames;
        let mut decoder = decode::open(&path).expect("it opens");
        let end = whole.len();
        for frame in [1, 1_000, 44_100, 43_999, end / 2, 12_345, end - 1, end - 5_000, 0, end] {
            decoder.seek(frame as u64).expect("it can be cued");
            let tail = rest(&mut *decoder);
            assert_eq!(tail.len(), end - frame, "{format}: from {frame}");
            let worst = difference(&tail, &whole[frame..]);
            // What a lossy codec predicts from before the pre-roll may differ, inaudibly.
            let allowed = if exact { 0.0 } else { 1e-3 };
            assert!(worst <= allowed, "{format}: from {frame}: differs by {worst}");
        }
        assert_eq!(decoder.take_damage(), None, "{format}");
        decoder.seek(end as u64 + 100_000).expect("beyond the end there is nothing, but no error");
        assert!(rest(&mut *decoder).is_empty(), "{format}");
    }
}

#[test]
fn a_cue_point_in_lossy_audio_lies_at_its_phase() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let wav = dir.path().join("tone.wav");
    write_wav(&wav, 48_000, &tone(HZ, 48_000, 0..200_000));
    for (format, ..) in FORMATS {
        let mut decoder = decode::open(&encode(format, &wav)).expect("it opens");
        for frame in [6_000, 77_777, 150_000] {
            decoder.seek(frame).expect("it can be cued");
            let mut frames = Vec::new();
            while frames.len() < 4_800 && decoder.decode(&mut frames).expect("it decodes") == Progress::More {
            }
            let fit = fit(&frames[..4_800], frame as usize, HZ, 48_000);
            assert!(fit.early.abs() < 0.3, "{format} from {frame}: {} frames early", fit.early);
        }
    }
}
