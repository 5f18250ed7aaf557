//! Cover art and ReplayGain tags, as other programs write them.

use super::*;
use airchain_codecs::decode::{cover, open};

/// Runs a peer to the end.
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn ffmpeg_command() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y"]);
    command
}

impl Bench {
    /// A picture of 8 by 8 points.
    fn picture(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        run(ffmpeg_command().args(["-f", "lavfi", "-i", "color=red:size=8x8", "-frames:v", "1"]).arg(&path));
        path
    }

    fn sound(&self) -> PathBuf {
        self.tones(48_000, &[(1.0, -20.0)])
    }
}

#[test]
fn covers_come_out_of_every_container_as_they_went_in() {
    let bench = Bench::new();
    let sound = bench.sound();
    for (picture, media_type, extension) in [("c.jpg", "image/jpeg", "jpg"), ("c.png", "image/png", "png")] {
        let picture = bench.picture(picture);
        let original = fs::read(&picture).unwrap();
        for (name, codec) in [("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.m4a", "aac")] {
            let path = bench.folder.path().join(name);
            let mut encode = ffmpeg_command();
            encode.arg("-i").arg(&sound).arg("-i").arg(&picture).args(["-map", "0:a", "-map", "1:v"]);
            encode.args(["-c:a", codec, "-c:v", "copy", "-disposition:v", "attached_pic"]);
            run(encode.args(["-metadata:s:v", "comment=Cover (front)"]).arg(&path));
            let found = cover(&path).unwrap().unwrap_or_else(|| panic!("{name} has no cover"));
            assert_eq!((found.media_type, found.extension), (media_type, extension), "{name}");
            assert!(found.data == original, "{name}");
        }
        let path = bench.folder.path().join("a.opus");
        let mut encode = Command::new("opusenc");
        run(encode.args(["--quiet", "--picture"]).arg(&picture).arg(&sound).arg(&path));
        let found = cover(&path).unwrap().expect("a.opus has no cover");
        assert_eq!((found.media_type, found.data == original), (media_type, true));
    }
    assert_eq!(cover(&sound).unwrap(), None);
    assert!(cover(&bench.folder.path().join("none.mp3")).is_err());
}

/// An ID3v2.3 tag with pictures: media type, kind, bytes.
fn id3(pictures: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut frames = Vec::new();
    for (media_type, kind, data) in pictures {
        let body = [&[0], media_type.as_bytes(), &[0, *kind, 0], data].concat();
        frames.extend(b"APIC");
        frames.extend((body.len() as u32).to_be_bytes());
        frames.extend([0, 0]);
        frames.extend(body);
    }
    let size = frames.len() as u32;
    let size = [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8);
    [b"ID3\x03\0\0".as_slice(), &size, &frames].concat()
}

#[test]
fn a_picture_is_what_it_is_and_not_what_the_file_says() {
    let bench = Bench::new();
    let mp3 = bench.folder.path().join("a.mp3");
    run(ffmpeg_command()
        .arg("-i")
        .arg(bench.sound())
        .args(["-map_metadata", "-1", "-id3v2_version", "0"])
        .arg(&mp3));
    let audio = fs::read(&mp3).unwrap();
    let found = |pictures: &[(&str, u8, &[u8])]| {
        fs::write(&mp3, [id3(pictures), audio.clone()].concat()).unwrap();
        cover(&mp3).unwrap().map(|cover| (cover.extension, cover.data.len()))
    };
    let (jpeg, png) = (&b"\xff\xd8\xff\xe0 and so on"[..], &b"\x89PNG\r\n\x1a\n and so on"[..]);
    // The front cover, wherever it stands; else the first that is a picture.
    assert_eq!(found(&[("image/png", 4, png), ("image/jpeg", 3, jpeg)]), Some(("jpg", jpeg.len())));
    assert_eq!(found(&[("image/png", 4, png), ("image/jpeg", 4, jpeg)]), Some(("png", png.len())));
    // What a file says of a picture goes nowhere.
    assert_eq!(found(&[("../../etc/passwd", 3, jpeg)]), Some(("jpg", jpeg.len())));
    assert_eq!(found(&[("image/jpeg", 3, png)]), Some(("png", png.len())));
    for other in
        [&b"<svg onload='alert(1)'/>"[..], b"MZ a program", b"#!/bin/sh", b"", b"http://example.com/c.jpg"]
    {
        assert_eq!(found(&[("image/jpeg", 3, other)]), None, "{other:?}");
        assert_eq!(found(&[("image/jpeg", 3, other), ("", 0, png)]), Some(("png", png.len())));
    }
}

#[test]
fn gains_and_peaks_are_read_from_tags_of_every_kind() {
    let bench = Bench::new();
    let sound = bench.sound();
    for (name, codec) in [("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.ogg", "libvorbis")] {
        let path = bench.folder.path().join(name);
        let mut encode = ffmpeg_command();
        encode.arg("-i").arg(&sound).args(["-c:a", codec]);
        for tag in ["TRACK_GAIN=-3.21 dB", "TRACK_PEAK=0.987654", "ALBUM_GAIN=1.5 dB", "ALBUM_PEAK=1.023"] {
            encode.args(["-metadata", &format!("REPLAYGAIN_{tag}")]);
        }
        run(encode.args(["-metadata", "Cue Sheet=calm"]).arg(&path));
        let found = measured(&path);
        assert_eq!((found.replaygain_db, found.replaygain_album_db), (Some(-3.21), Some(1.5)), "{name}");
        assert_eq!(
            (found.replaygain_peak, found.replaygain_album_peak),
            (Some(0.987654), Some(1.023)),
            "{name}"
        );
        assert_eq!(found.tags.get("cue_sheet").map(String::as_str), Some("calm"), "{name}: {:?}", found.tags);
    }
    let path = bench.folder.path().join("a.opus");
    let mut encode = Command::new("opusenc");
    encode.args(["--quiet", "--comment", "R128_TRACK_GAIN=-512", "--comment", "R128_ALBUM_GAIN=256"]);
    run(encode.arg(&sound).arg(&path));
    let gain = open(&path).unwrap().info().replaygain;
    assert_eq!((gain.track_db, gain.album_db), (Some(3.0), Some(6.0)));
}
