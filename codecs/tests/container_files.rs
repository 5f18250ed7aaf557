//! Files: decoders find the programme in them and nothing else.
#![allow(clippy::unwrap_used)]

mod encode_support;

use airchain_codecs::container;
use airchain_codecs::format::Format;
use airchain_core::item::Metadata;
use encode_support::{encode, ffmpeg, fit, mux, sweep};

fn titled(title: &str) -> Metadata {
    Metadata { title: Some(title.into()), artist: Some("Ärtist".into()), ..Metadata::default() }
}

#[test]
fn mp3_files_are_gapless() {
    for text in
        ["mp3:128k", "mp3:v2@44100", "mp3:abr96k", "mp3:48k@48000/mono", "mp3:32k@22050", "mp3:16k@8000/mono"]
    {
        let format = Format::parse(text).unwrap();
        let rate = format.sample_rate_hz;
        for frames in [5000, rate as usize + 777] {
            let signal: Vec<_> = sweep(rate, frames).iter().map(|frame| [frame[0]; 2]).collect();
            let (info, packets) = encode(&format, rate, &signal, 480);
            let file = mux(container::for_file(&info, "mp3").unwrap(), &titled("Ti\0tle\n – ♫"), &packets);
            let decoded = ffmpeg(&file, "mp3");
            assert_eq!(decoded.len(), frames, "{text}");
            if frames > 5000 {
                let fit = fit(&signal, &decoded, 0);
                assert!(fit.lag == 0 && fit.correlation > 0.9, "{text}: {fit:?}");
            }
        }
    }
}
