//! Real music (Debian package frozen-bubble-data) in every format, as airchain hears it and as ffmpeg does.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Stereo, airchain, decode, events, ffmpeg, file_name, starts, succeed};
use testkit::icecast::Port;
use testkit::{measure, signal};

/// Where the package puts it.
const MUSIC: &str = "/usr/share/games/frozen-bubble/snd";

/// A stretch of music as 16-bit WAV at 44.1 kHz.
fn excerpt(folder: &Path, name: &str, from_s: f64, length_s: f64) -> String {
    let (source, path) = (format!("{MUSIC}/introzik.ogg"), folder.join(name).display().to_string());
    assert!(Path::new(&source).exists(), "{source} (Debian package frozen-bubble-data) is missing");
    // In samples: ffmpeg's own times are those of packets.
    let [from, length] = [from_s, length_s].map(|seconds| (seconds * 44_100.0) as u32);
    let cut = format!("atrim=start_sample={from}:end_sample={},asetpts=N/SR/TB", from + length);
    ffmpeg(&["-i", &source, "-af", &cut, "-c:a", "pcm_s16le", "-bitexact", &path]);
    path
}

/// The same audio in another format.
fn transcode(source: &str, name: &str, options: &[&str]) -> String {
    let path = Path::new(source).with_file_name(name).display().to_string();
    let tags = ["-metadata", "title=Frozen — Bubble", "-metadata", "artist=Matthias Le Bidan"];
    ffmpeg(&[&["-i", source], options, &tags, &[&path]].concat());
    path
}

/// Decodes with Vorbis' own decoder, to 16 bits: ffmpeg's loses the first 128 frames of short files.
fn oggdec(path: &str, channels: usize) -> Vec<Stereo> {
    let decoded = Command::new("oggdec").args(["-Q", "-R", "-b", "16", "-o", "-", path]).output();
    let bytes = decoded.expect("oggdec (Debian package vorbis-tools) runs").stdout;
    let sample = |b: &[u8]| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0;
    let samples: Vec<f32> = bytes.chunks_exact(2).map(sample).collect();
    samples.chunks_exact(channels).map(|frame| [frame[0], frame[channels - 1]]).collect()
}

fn render(path: &str, rate: u32) -> Vec<Stereo> {
    let (out, rate) = (format!("{path}.out.wav"), rate.to_string());
    let plain = ["--chain", "none", "--crossfade", "0", "--wav-format", "f32", "--sample-rate", &rate];
    succeed(&[&["render", path, "--out", &out], &plain[..]].concat());
    decode(Path::new(&out))
}

fn analyze(path: &str) -> Value {
    let output = airchain(&["analyze", "--json", "--cache", "none", path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Integrated loudness and true peak by ffmpeg's `ebur128`.
fn ebur128(path: &str) -> (f64, f64) {
    let filter = ["-nostdin", "-hide_banner", "-i", path, "-af", "ebur128=peak=true", "-f", "null", "-"];
    let output = Command::new("ffmpeg").args(filter).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = text.rsplit_once("Summary:").unwrap().1;
    let number = |key: &str| {
        let rest = summary.split_once(key).unwrap().1;
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("I:"), number("Peak:"))
}

/// How alike two programmes are: 1 for the same shape.
fn correlation(a: &[Stereo], b: &[Stereo]) -> f64 {
    let pairs = || a.as_flattened().iter().zip(b.as_flattened()).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs() {
        xy += x * y;
        xx += x * x;
        yy += y * y;
    }
    xy / (xx * yy).sqrt()
}

/// Name, options of ffmpeg, codec, container, sample rate, greatest difference of samples from ffmpeg's own decoder.
type Case = (&'static str, &'static [&'static str], &'static str, &'static str, u32, f64);

#[test]
fn every_format_is_heard_as_ffmpeg_hears_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = excerpt(folder.path(), "source.wav", 20.0, 8.0);
    let cases: [Case; 10] = [
        ("a.wav", &[], "pcm", "wav", 44_100, 0.0),
        ("b.wav", &["-c:a", "pcm_s24le"], "pcm", "wav", 44_100, 0.0),
        ("a.aiff", &[], "pcm", "aiff", 44_100, 0.0),
        ("a.flac", &[], "flac", "flac", 44_100, 0.0),
        ("alac.m4a", &["-c:a", "alac"], "alac", "mp4", 44_100, 0.0),
        ("a.ogg", &["-c:a", "libvorbis", "-q:a", "5"], "vorbis", "ogg", 44_100, 1e-4),
        ("cbr.mp3", &["-b:a", "192k"], "mp3", "mp3", 44_100, 1e-4),
        ("vbr.mp3", &["-q:a", "2"], "mp3", "mp3", 44_100, 1e-4),
        // Without noise substitution, which every decoder makes up for itself.
        ("a.m4a", &["-c:a", "aac", "-b:a", "160k", "-aac_pns", "0"], "aac", "mp4", 44_100, 1e-4),
        ("a.opus", &["-b:a", "128k"], "opus", "ogg", 48_000, 2e-3),
    ];
    for (name, options, codec, container, rate, tolerance) in cases {
        let path = transcode(&source, name, options);
        let mut theirs = decode(Path::new(&path));
        let ours = render(&path, rate);
        if name == "a.m4a" {
            // ffmpeg heeds the start that an edit list gives, and not the end.
            theirs.truncate(8 * rate as usize);
        }
        assert_eq!(theirs.len(), 8 * rate as usize, "{name}: ffmpeg hears another length");
        assert_eq!(ours.len(), theirs.len(), "{name}: the lengths differ");
        let difference = measure::max_difference(&ours, &theirs);
        assert!(difference <= tolerance, "{name}: differs by {difference}");
        assert!(correlation(&ours, &theirs) > 0.99999, "{name}");
        let level = measure::db(measure::rms(&ours) / measure::rms(&theirs));
        assert!(level.abs() < 0.01, "{name}: {level} dB");

        let found = analyze(&path);
        assert_eq!(found["error"], Value::Null, "{name}");
        assert_eq!((&found["codec"], &found["container"]), (&codec.into(), &container.into()), "{name}");
        assert_eq!(found["sample_rate_hz"], rate, "{name}");
        assert_eq!((&found["channels"], &found["frames"]), (&2.into(), &ours.len().into()), "{name}");
        let number = |key: &str| found[key].as_f64().unwrap_or(f64::NAN);
        assert!((number("duration_s") - 8.0).abs() < 1e-6, "{name}");
        let (loudness, peak) = ebur128(&path);
        assert!((number("integrated_lufs") - loudness).abs() <= 0.1, "{name}: {loudness} LUFS, {found}");
        assert!((number("true_peak_dbtp") - peak).abs() <= 0.2, "{name}: {peak} dBTP, {found}");
        let (cue_in, cue_out, next) = (number("cue_in_s"), number("cue_out_s"), number("start_next_s"));
        assert!(0.0 <= cue_in && cue_in < next && next <= cue_out && cue_out <= 8.0, "{name}: {found}");
        if !name.ends_with(".wav") {
            assert_eq!(found["title"], "Frozen — Bubble", "{name}");
        }
        if !name.ends_with(".wav") && !name.ends_with(".aiff") {
            assert_eq!(found["artist"], "Matthias Le Bidan", "{name}");
        }
    }
}

#[test]
fn files_as_they_come_are_heard_whole() {
    // A whole track, and effects in mono.
    let folder = tempfile::tempdir().unwrap();
    for (name, channels) in [("introzik.ogg", 2), ("hurry.ogg", 1), ("applause.ogg", 2), ("noh.ogg", 2)] {
        let path = folder.path().join(name).display().to_string();
        std::fs::copy(format!("{MUSIC}/{name}"), &path).unwrap();
        let theirs = oggdec(&path, channels);
        let ours: Vec<Stereo> = render(&path, 44_100)
            .into_iter()
            .map(|frame| frame.map(|sample| sample.clamp(-1.0, 1.0)))
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let difference = measure::max_difference(&ours, &theirs);
        assert!(difference <= 1.01 / 32_768.0, "{name}: differs by {difference}");
        let found = analyze(&path);
        assert_eq!(
            (&found["frames"], &found["channels"]),
            (&theirs.len().into(), &channels.into()),
            "{name}"
        );
    }
}

#[test]
fn another_sample_rate_keeps_length_level_and_shape() {
    let folder = tempfile::tempdir().unwrap();
    let source = excerpt(folder.path(), "source.wav", 40.0, 5.0);
    let ours = render(&source, 48_000);
    // ffmpeg's best resampler beside ours; no delay between the two.
    let theirs =
        support::decode_with(Path::new(&source), &["-af", "aresample=48000:filter_size=128:cutoff=0.97"]);
    assert_eq!(ours.len(), 5 * 48_000);
    let shorter = ours.len().min(theirs.len());
    let (ours, theirs) = (&ours[1_000..shorter - 1_000], &theirs[1_000..shorter - 1_000]);
    assert!(correlation(ours, theirs) > 0.9999, "{}", correlation(ours, theirs));
    let level = measure::db(measure::rms(ours) / measure::rms(theirs));
    assert!(level.abs() < 0.02, "{level} dB");
}

/// A playlist of good files with others between them; name and audio of the good ones, as ffmpeg hears them.
fn rough_playlist(folder: &Path) -> (String, Vec<(String, Vec<Stereo>)>) {
    let make = |n: usize, name: &str| {
        let source = excerpt(folder, &format!("source-{n}.wav"), 20.0 + 3.0 * n as f64, 1.0);
        let quiet: &[&str] = if name.ends_with(".m4a") { &["-aac_pns", "0"] } else { &[] };
        transcode(&source, name, quiet)
    };
    let good: Vec<(String, Vec<Stereo>)> = ["1.wav", "2.flac", "3.ogg", "4.mp3", "5.m4a", "6.aiff"]
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let path = make(n, name);
            let mut audio = if name.ends_with(".ogg") { oggdec(&path, 2) } else { decode(Path::new(&path)) };
            // At the end of an m4a ffmpeg plays padding.
            audio.truncate(44_100);
            (name.to_string(), audio)
        })
        .collect();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("empty.ogg", b"");
    write("text.mp3", b"This is not audio, whatever its name says.\n");
    let random: Vec<u8> =
        signal::noise(9, 0.0, 20_000).iter().flat_map(|frame| frame[0].to_le_bytes()).collect();
    write("random.m4a", &random);
    for (n, name) in ["truncated.mp3", "truncated.wav"].iter().enumerate() {
        let whole = std::fs::read(make(8 + n, name)).unwrap();
        write(name, &whole[..whole.len() / 2]);
    }
    let mut corrupt = std::fs::read(make(10, "corrupt.flac")).unwrap();
    let (from, to) = (corrupt.len() / 3, corrupt.len() / 2);
    corrupt[from..to].iter_mut().step_by(701).for_each(|byte| *byte ^= 0x5a);
    write("corrupt.flac", &corrupt);
    let list = "#EXTM3U\n1.wav\nmissing.mp3\n#EXTINF:1,Told - By the list\n2.flac\nempty.ogg\ntext.mp3\n3.ogg\n\
        truncated.mp3\n4.mp3\ncorrupt.flac\nrandom.m4a\n5.m4a\ntruncated.wav\n6.aiff\n";
    write("list.m3u", list.as_bytes());
    (folder.join("list.m3u").display().to_string(), good)
}

/// What airs of the playlist, in order: the damaged files up to where they are damaged, or over it.
const AIRS: [&str; 9] = [
    "1.wav",
    "2.flac",
    "3.ogg",
    "truncated.mp3",
    "4.mp3",
    "corrupt.flac",
    "5.m4a",
    "truncated.wav",
    "6.aiff",
];

/// Names of the items that failed, and whether they were left out.
fn failures(events: &[Value]) -> Vec<(String, bool)> {
    let failed = events.iter().filter(|event| event["event"] == "source_failed");
    failed
        .map(|event| {
            assert!(!event["error"].as_str().unwrap().is_empty());
            (file_name(event["item"]["path"].as_str().unwrap()), event["skipped"].as_bool().unwrap())
        })
        .collect()
}

fn assert_failures(events: &[Value]) {
    let mut failed = failures(events);
    failed.sort();
    let left_out = ["empty.ogg", "missing.mp3", "random.m4a", "text.mp3"];
    let out: Vec<&String> = failed.iter().filter(|failure| failure.1).map(|failure| &failure.0).collect();
    assert_eq!(out, left_out);
    let mut damaged: Vec<&String> =
        failed.iter().filter(|failure| !failure.1).map(|failure| &failure.0).collect();
    damaged.dedup();
    assert_eq!(damaged, ["corrupt.flac", "truncated.mp3", "truncated.wav"]);
}

const PLAIN: [&str; 6] = ["--chain", "none", "--crossfade", "0", "--sample-rate", "44100"];

#[test]
fn every_good_item_of_a_rough_playlist_airs_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (list, good) = rough_playlist(folder.path());

    // Offline.
    let [out, log, recordings] =
        ["out.wav", "offline.jsonl", "recordings"].map(|name| folder.path().join(name));
    let (out_text, log_text) = (out.display().to_string(), log.display().to_string());
    succeed(
        &[&["render", &list, "--out", &out_text, "--events", &log_text, "--wav-format", "f32"], &PLAIN[..]]
            .concat(),
    );
    let (rendered, told) = (decode(&out), events(&log));
    let aired = starts(&told);
    assert_eq!(aired.iter().map(|start| start.1.as_str()).collect::<Vec<_>>(), AIRS);
    assert_failures(&told);
    for (name, audio) in &good {
        let start = aired.iter().find(|start| start.1 == *name).unwrap().0 as usize;
        let heard = &rendered[start..start + audio.len()];
        let difference = measure::max_difference(heard, audio);
        let tolerance = if name.ends_with(".ogg") { 1.01 / 32_768.0 } else { 1e-4 };
        assert!(difference <= tolerance, "{name} is not heard as it is: {difference}");
    }
    for pair in aired.windows(2) {
        let ((start, name), end) = (&pair[0], pair[1].0);
        let length = good.iter().find(|(of, _)| of == name).map(|(_, audio)| audio.len() as u64);
        assert!(length.is_none_or(|length| start + length == end), "there is something after {name}");
        assert!(end - start <= 44_100 + 1, "{name} is longer than it ever was");
        assert!(end - start > 20_000, "of {name} only {} frames are heard", end - start);
    }
    let mut silent = 0;
    for (n, frame) in rendered.iter().enumerate() {
        silent = if frame.iter().all(|sample| sample.abs() < 1e-5) { silent + 1 } else { 0 };
        let inside = aired.iter().any(|(start, name)| {
            name == "corrupt.flac" && (*start as usize..*start as usize + 44_100).contains(&n)
        });
        assert!(silent < 500 || inside, "silence at frame {n}");
    }
    let said = events(&log);
    let by_list = said.iter().find(|event| event["item"]["metadata"]["title"] == "By the list").unwrap();
    assert_eq!(by_list["item"]["metadata"]["artist"], "Told");

    // On air: the recording holds the very same frames.
    let port = Port::free();
    let (address, log) = (format!("127.0.0.1:{}", port.number), folder.path().join("air.jsonl"));
    let (recordings_text, log_text) = (recordings.display().to_string(), log.display().to_string());
    let on_air =
        ["play", &list, "--listen", &address, "--record", &recordings_text, "--format", "flac:24@44100"];
    succeed(&[&on_air[..], &["--events", &log_text], &PLAIN[..]].concat());
    let told = events(&log);
    let heard: Vec<String> = starts(&told).into_iter().map(|start| start.1).collect();
    // The first item may be on air before anybody listens to what is told.
    assert!(heard == AIRS || heard == AIRS[1..], "{heard:?}");
    assert_failures(&told);
    assert!(told.iter().all(|event| event["utc"].is_string() && event["event"] != "dropout"));
    let files: Vec<PathBuf> =
        std::fs::read_dir(&recordings).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let recorded = decode(file);
    let begin = recorded.iter().position(|frame| *frame != [0.0; 2]).unwrap();
    let wanted = rendered.iter().position(|frame| *frame != [0.0; 2]).unwrap();
    assert!(begin < 44_100, "{begin} frames before the first item");
    let recorded = &recorded[begin..];
    let rendered = &rendered[wanted..];
    // A fixed-point format cannot hold what a lossy one decodes beyond full scale; and 24 bits of 32-bit floats.
    let close = |a: f32, b: f32| (a.clamp(-1.0, 1.0) - b.clamp(-1.0, 1.0)).abs() <= 1.01 / 8_388_608.0;
    let same = |(ours, theirs): (&Stereo, &Stereo)| close(ours[0], theirs[0]) && close(ours[1], theirs[1]);
    let differs = recorded.iter().zip(rendered).position(|pair| !same(pair));
    assert_eq!(
        differs,
        None,
        "on air it is not what was rendered: {:?} {:?} {aired:?}",
        starts(&told),
        (recorded.len(), rendered.len())
    );
    let after = &recorded[rendered.len()..];
    assert!(after.iter().all(|frame| frame[0].abs() < 1e-6), "something follows the programme");
}

#[test]
fn endings_of_real_music_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let source = excerpt(folder.path(), "source.wav", 20.0, 40.0);
    let ending = |name: &str, filter: &str| {
        let path = folder.path().join(name).display().to_string();
        ffmpeg(&["-i", &source, "-filter_complex", filter, "-c:a", "pcm_s16le", &path]);
        let found = analyze(&path);
        let number = |key: &str| found[key].as_f64().unwrap();
        (number("start_next_s"), number("cue_out_s"))
    };
    // Cut off in the middle of things.
    let (next, out) = ending("cut.wav", "[0]atrim=0:40");
    assert!(next > 39.5 && out > 39.9, "{next} {out}");
    // Faded out over 20 s, in a straight line of decibels: 12 LU down after 4 s, 24 after 8.
    let (next, out) = ending("fade.wav", "[0]afade=t=out:st=20:d=20:curve=exp");
    assert!(next < 32.0 && out > next + 4.0, "{next} {out}");
    // Run into the run-out groove.
    let groove = "anoisesrc=r=44100:a=0.004:d=40,aformat=channel_layouts=stereo[n];[0]afade=t=out:st=39:d=1[m];\
                  [m][n]concat=n=2:v=0:a=1";
    let (next, out) = ending("groove.wav", groove);
    assert!((38.0..40.5).contains(&next) && out > 79.0, "{next} {out}");
    // Turned down to a murmur that goes on: that is still music.
    let (next, out) = ending("soft.wav", "[0]volume='if(lt(t,15),1,0.12)':eval=frame");
    assert!(next > 38.5 && out > 39.0, "{next} {out}");
}
