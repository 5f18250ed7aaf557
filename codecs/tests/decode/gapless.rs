//! A tone cut into consecutive files comes back as the unbroken tone.

use airchain_core::units::convert_frames;

use crate::kit::{FORMATS, decode, difference, encode, fit, tone, write_wav};

/// Low enough that no delay of a codec is a whole number of periods.
const HZ: f64 = 211.0;

#[test]
fn a_cut_tone_comes_back_unbroken() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for rate in [44_100, 48_000, 22_050] {
        // Pieces of lengths that no packet size divides; the second is shorter than most pre-roll.
        let cuts = [0, 31_013, 33_333, 70_001];
        let whole = tone(HZ, rate, 0..cuts[3]);
        for (format, out_rate, exact) in FORMATS {
            let out_rate = if out_rate == 0 { rate } else { out_rate };
            let mut back = Vec::new();
            for piece in cuts.windows(2) {
                // ffmpeg forgets the padding of MP3 files this short.
                if format == "mp3-ffmpeg" && piece[1] - piece[0] < 5_000 {
                    continue;
                }
                let path = dir.path().join(format!("{format}-{rate}-{}.wav", piece[0]));
                write_wav(&path, rate, &whole[piece[0]..piece[1]]);
                let decoded = decode(&encode(format, &path));
                let frames = (piece[1] - piece[0]) as u64;
                let wanted = convert_frames(frames, rate, out_rate);
                let context = format!("{format} at {rate} Hz, {frames} frames: {:?}", decoded.damage);
                assert_eq!(decoded.info.sample_rate_hz, out_rate, "{context}");
                // Opus encoders round up what they resample.
                let count = decoded.frames.len() as u64;
                let rounded_up = if out_rate == rate { 0 } else { 2 };
                assert!((wanted..=wanted + rounded_up).contains(&count), "{context}: {count}");
                assert_eq!(decoded.info.frames, Some(count), "{context}: declared");
                assert_eq!(decoded.damage, None, "{context}");
                // Where each piece lies is seen from the phase of its tone on the common timeline.
                let first = convert_frames(piece[0] as u64, rate, out_rate) as usize;
                let middle = decoded.frames.len() / 4..decoded.frames.len() * 3 / 4;
                let fit = fit(&decoded.frames[middle.clone()], first + middle.start, HZ, out_rate);
                // Opus encoders cut off 3 Hz and below, which turns the phase a little; and what they resample
                // begins at fractions of a frame, within half a frame of `first`.
                let short = if frames < 5_000 { 3.0 } else { 0.0 };
                let allowed = short + if decoded.info.codec == "opus" { 0.7 } else { 0.2 };
                assert!(fit.early.abs() < allowed, "{context}: {} frames early", fit.early);
                assert!((fit.amplitude - 0.5).abs() < 0.03, "{context}: amplitude {}", fit.amplitude);
                assert!(frames < 5_000 || fit.rest < 0.02, "{context}: residue {}", fit.rest);
                back.extend(decoded.frames);
            }
            if exact {
                assert!(difference(&back, &whole) <= 0.6 / 32_768.0, "{format} at {rate} Hz");
            }
        }
    }
}
