//! `airchain analyze` as people and programs run it: folders, pictures, the cache, and an end before the end.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use support::ffmpeg;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A second of a tone of so many hertz, mono at 48 kHz.
    fn tone(&self, name: &str, hz: u32, options: &[&str]) -> String {
        let path = self.path(name);
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        let source = format!("sine=frequency={hz}:sample_rate=48000:duration=1");
        ffmpeg(&[&["-f", "lavfi", "-i", &source], options, &[&path]].concat());
        path
    }

    /// The command with the user's cache in this folder.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.env("XDG_CACHE_HOME", self.path("xdg")).arg("analyze").args(args);
        command
    }

    fn analyze(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The lines of a run, which must end with this status.
    fn json(&self, status: i32, args: &[&str]) -> Vec<Value> {
        let output = self.analyze(&[&["--json"], args].concat());
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}", said(&output));
        lines(&output)
    }

    /// Puts a mark into all that the cache keeps: what comes from it is told by that.
    fn mark(&self, cache: &str) -> usize {
        let mark =
            "UPDATE results SET answer = json_set(answer, '$.title', 'kept') WHERE question LIKE 'analysis%'";
        Connection::open(cache).unwrap().execute(mark, []).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn names(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["path"].as_str().unwrap().rsplit('/').next().unwrap()).collect()
}

#[test]
fn every_file_is_tried_in_order_and_told_of_with_all_fields() {
    let bench = Bench::new();
    let paths = [bench.tone("a.wav", 440, &[]), bench.path("text.mp3"), bench.tone("b.wav", 550, &[])];
    fs::write(&paths[1], "no music").unwrap();
    let found = bench.json(1, &[&paths[0], &paths[1], &paths[2], &bench.path("none.ogg")]);
    assert_eq!(names(&found), ["a.wav", "text.mp3", "b.wav", "none.ogg"]);
    assert_eq!((&found[0]["frames"], &found[0]["error"]), (&Value::from(48_000), &Value::Null));
    for failed in [1, 3] {
        assert!(found[failed]["error"].as_str().unwrap().contains(names(&found)[failed]));
    }
    for key in "path codec container duration_s frames sample_rate_hz channels integrated_lufs loudness_range_lu \
                true_peak_dbtp sample_peak_dbfs max_momentary_lufs max_short_term_lufs cue_in_s cue_out_s \
                start_next_s intro_end_s replaygain_db replaygain_album_db replaygain_peak replaygain_album_peak \
                title artist album tags error"
        .split_whitespace()
    {
        assert!(found[0].get(key).is_some(), "{key} is missing");
    }
    for key in ["momentary", "short_term", "waveform", "cover"] {
        assert!(found[0].get(key).is_none(), "{key} was not asked for");
    }
    let found = bench.json(0, &["--series", &paths[0]]);
    assert_eq!(found[0]["momentary"].as_array().map(Vec::len), Some(61));
    let table = bench.analyze(&[&paths[0]]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("0:01.0"), "{table:?}");
}

#[test]
fn a_folder_is_taken_with_all_below_it() {
    let bench = Bench::new();
    for (n, name) in ["m/2.wav", "m/10.wav", "m/sub/1.flac", "m/readme.txt"].iter().enumerate() {
        match name.ends_with("txt") {
            true => fs::write(bench.path(name), "no music").unwrap(),
            false => drop(bench.tone(name, 300 + 100 * n as u32, &[])),
        }
    }
    let folder = bench.path("m");
    for jobs in ["1", "3"] {
        assert_eq!(names(&bench.json(0, &["--jobs", jobs, &folder])), ["2.wav", "10.wav", "1.flac"]);
    }
    // A folder without music is an error, beside others.
    fs::create_dir(bench.path("empty")).unwrap();
    let output = bench.analyze(&["--json", &bench.path("empty"), &folder]);
    assert_eq!((output.status.code(), lines(&output).len()), (Some(1), 3));
    assert!(said(&output).contains("empty: nothing to play in it"), "{}", said(&output));
    // Progress goes to standard error, and only where somebody watches or asks.
    assert_eq!(said(&bench.analyze(&["--json", &folder])), "");
    assert!(said(&bench.analyze(&["--json", "--progress", &folder])).contains("3/3 files"));
}

#[test]
fn levels_are_set_by_flags() {
    let bench = Bench::new();
    let path = bench.path("a.wav");
    // Two seconds, and two that are 20 dB softer.
    let source = "sine=frequency=1000:sample_rate=48000:duration=4";
    ffmpeg(&["-f", "lavfi", "-i", source, "-af", "volume='if(lt(t,2),1,0.1)':eval=frame", &path]);
    let number =
        |args: &[&str], key: &str| bench.json(0, &[args, &[&path]].concat())[0][key].as_f64().unwrap();
    let near = |value: f64, expected: f64| assert!((value - expected).abs() < 0.1, "{value}, not {expected}");
    near(number(&[], "cue_out_s"), 4.0);
    near(number(&["--cue-level", "-15"], "cue_out_s"), 2.0);
    near(number(&[], "start_next_s"), 4.0);
    near(number(&["--tail-level", "-14"], "start_next_s"), 2.0);
    for (args, words) in [
        (&["--cue-level", "5"][..], "from -100 to 0 LU"),
        (&["--start-next-level", "loud"], "from -100 to 0 LU"),
        (&["--samples-per-pixel", "8", "--waveform", "w.json"], "from 16 to 1048576"),
        (&["--samples-per-pixel", "256"], "--waveform"),
        (&["--jobs", "0"], "1..=256"),
    ] {
        let output = bench.analyze(&[args, &[&path]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
}

#[test]
fn waveforms_are_written_for_players_and_for_eyes() {
    let bench = Bench::new();
    bench.tone("m/a.wav", 440, &[]);
    bench.tone("m/sub/a.wav", 550, &["-ac", "2"]);
    fs::write(bench.path("m/b.mp3"), "no music").unwrap();
    let found = bench.json(1, &["--waveform", &bench.path("w"), &bench.path("m")]);
    let written: Vec<&Value> = found.iter().map(|line| &line["waveform"]).collect();
    let (first, second) = (bench.path("w/a.json"), bench.path("w/a-2.json"));
    assert_eq!(written, [&Value::from(first.as_str()), &Value::Null, &Value::from(second.as_str())]);
    for (path, channels) in [(&first, 1), (&second, 2)] {
        let waveform: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let per_pixel = waveform["samples_per_pixel"].as_u64().unwrap();
        assert_eq!((&waveform["version"], &waveform["bits"]), (&2.into(), &8.into()));
        assert_eq!((&waveform["channels"], &waveform["sample_rate"]), (&channels.into(), &48_000.into()));
        assert_eq!(waveform["length"], 48_000_u64.div_ceil(per_pixel));
        let data = waveform["data"].as_array().unwrap();
        assert_eq!(data.len() as u64, 2 * channels * waveform["length"].as_u64().unwrap());
        // ffmpeg's tone is an eighth of full scale, and 3 dB less in stereo.
        assert!(data[40..44].iter().any(|value| value.as_i64().unwrap().abs() >= 10), "{:?}", &data[40..44]);
    }
    // From the cache, and as a picture.
    let template = bench.path("{name}/wave.svg");
    bench.json(0, &["--samples-per-pixel", "480", "--waveform", &template, &bench.path("m/sub/a.wav")]);
    let svg = fs::read_to_string(bench.path("a/wave.svg")).unwrap();
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"256\""),
        "{svg}"
    );
    assert_eq!((svg.matches("<path").count(), svg.matches('Z').count()), (4, 4));
    // ffmpeg's own reader of SVG is no part of every build; a picture without scripts or links needs no more.
    for tag in svg.split('<').skip(1).map(|tag| tag.split([' ', '>']).next().unwrap()) {
        assert!(["svg", "title", "g", "path", "/title", "/g", "/svg"].contains(&tag), "{tag}");
    }
    let output = bench.analyze(&["--waveform", "w.png", &bench.path("m/a.wav")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("ends in .svg or .json"), "{}", said(&output));
    let output = bench.analyze(&["--waveform", &bench.path("one.svg"), &bench.path("m")]);
    assert!(said(&output).contains("{name}"), "{}", said(&output));
    // A place that cannot be written to is told of, and the numbers come all the same.
    let output = bench.analyze(&["--json", "--waveform", "/proc/none/w.json", &bench.path("m/a.wav")]);
    assert_eq!((output.status.code(), lines(&output)[0]["frames"].as_u64()), (Some(1), Some(48_000)));
    assert!(said(&output).contains("/proc/none/w.json"), "{}", said(&output));
}

#[test]
fn covers_are_written_as_what_they_are() {
    let bench = Bench::new();
    let picture = bench.path("c.png");
    ffmpeg(&["-f", "lavfi", "-i", "color=blue:size=8x8", "-frames:v", "1", &picture]);
    let sound = bench.tone("plain.wav", 440, &[]);
    let covered = |name: &str, codec: &str| {
        let path = bench.path(name);
        let picture =
            ["-i", &picture, "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic"];
        let tags = ["-c:a", codec, "-metadata", "title=../../evil", "-metadata:s:v", "mimetype=text/html"];
        ffmpeg(&[&["-i", &sound], &picture[..], &tags, &[&path]].concat());
        path
    };
    let (mp3, flac) = (covered("a.mp3", "libmp3lame"), covered("b.flac", "flac"));
    let found = bench.json(0, &["--cover", &bench.path("art"), &mp3, &flac, &sound]);
    let written: Vec<&Value> = found.iter().map(|line| &line["cover"]).collect();
    let [a, b] = ["art/a.png", "art/b.png"].map(|name| bench.path(name));
    assert_eq!(written, [&Value::from(a.as_str()), &Value::from(b.as_str()), &Value::Null]);
    for path in [&a, &b] {
        assert!(fs::read(path).unwrap() == fs::read(&picture).unwrap(), "{path}");
    }
    // The extension is the picture's, whatever is asked for.
    let found = bench.json(0, &["--cover", &bench.path("front.jpg"), &mp3]);
    assert_eq!(found[0]["cover"], bench.path("front.png"));
    assert_eq!(fs::read_dir(bench.path("art")).unwrap().count(), 2);
}

#[test]
fn what_was_measured_is_not_measured_again() {
    let bench = Bench::new();
    let path = bench.tone("a.wav", 440, &[]);
    let cache = bench.path("xdg/airchain/analysis.sqlite");
    let title = |args: &[&str]| bench.json(0, args)[0]["title"].clone();
    assert_eq!(title(&["--cache", "none", &path]), Value::Null);
    assert!(!Path::new(&cache).exists());
    assert_eq!(title(&[&path]), Value::Null);
    assert_eq!(bench.mark(&cache), 1);
    assert_eq!(title(&[&path]), "kept");
    // By its content, too; with other levels it is another question.
    let copy = bench.path("copy.wav");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(title(&[&copy]), "kept");
    assert_eq!(title(&["--cue-level", "-30", &path]), Value::Null);
    assert_eq!(title(&["--series", &path]), Value::Null);
    assert_eq!(title(&["--cache", &bench.path("other/cache.db"), &path]), Value::Null);
    // What is no cache is told of, left alone, and done without.
    let before = fs::read(&path).unwrap();
    for wrong in [&path, &bench.path("a.wav/cache"), "/dev/null", &bench.path("")] {
        let output = bench.analyze(&["--json", "--cache", wrong, &path]);
        assert_eq!(
            (output.status.code(), lines(&output)[0]["error"].clone()),
            (Some(0), Value::Null),
            "{wrong}"
        );
        assert!(said(&output).contains("on without an analysis cache"), "{wrong}: {}", said(&output));
    }
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    let bench = Bench::new();
    // Each takes a while, and no two are alike.
    let long = bench.path("long.flac");
    ffmpeg(&["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000:duration=240", &long]);
    let files: Vec<String> = (0..10).map(|n| bench.path(&format!("m/{n}.flac"))).collect();
    fs::create_dir(bench.path("m")).unwrap();
    for (n, file) in files.iter().enumerate() {
        ffmpeg(&["-i", &long, "-c", "copy", "-metadata", &format!("comment={n}"), file]);
    }
    let mut command = bench.command(&["--json", "--jobs", "2", &bench.path("m")]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(run.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    let done = 1 + stdout.lines().count();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains(&format!("interrupted: {done} of 10 files")), "{}", said(&output));
    // Killed without a word, too: what was done is kept.
    let kept = bench.mark(&bench.path("xdg/airchain/analysis.sqlite"));
    assert!(kept >= done && done < 10, "{kept} kept, {done} shown");
    let found = bench.json(0, &["--jobs", "2", &bench.path("m")]);
    assert_eq!(found.len(), 10);
    assert_eq!(found.iter().filter(|line| line["title"] == "kept").count(), kept);
    let paths: Vec<PathBuf> =
        found.iter().map(|line| PathBuf::from(line["path"].as_str().unwrap())).collect();
    assert_eq!(paths, files.iter().map(PathBuf::from).collect::<Vec<_>>());
}
