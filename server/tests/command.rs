//! The command as people and programs run it: exit status, what it prints, and where.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn airchain(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_airchain")).args(arguments).output().expect("the command runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("utf-8")
}

/// A second of a tone, mono, 16 bits.
fn tone(path: &Path) {
    let samples: Vec<u8> = (0..48_000)
        .map(|n| ((f64::from(n) * 0.13).sin() * 3000.0).round() as i16)
        .flat_map(i16::to_le_bytes)
        .collect();
    let mut file = b"RIFF\x24\x77\x01\x00WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0data\0\x77\x01\0".to_vec();
    file.extend(samples);
    fs::write(path, file).expect("the file can be written");
}

#[test]
fn check_says_valid_or_lists_the_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.yaml"), folder.path().join("bad.yaml"));
    fs::write(&good, "station: { id: good }\nmounts: [{ id: m, outputs: [{ type: http }] }]\n").unwrap();
    fs::write(&bad, "station: { id: bad, block_ms: 5000 }\nmounds: []\n").unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());

    let output = airchain(&["check", good]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), format!("{good}: valid\n")));

    let output = airchain(&["check", good, bad]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains(&format!("{bad}:1:31: station.block_ms: \"5000\": out of range; give")), "{text}");
    assert!(text.contains(&format!("{bad}:2:1: mounds: unknown field; give mounts")), "{text}");

    let output = airchain(&["check", "--json", good, bad]);
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["valid"], &lines[1]["valid"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(lines[1]["problems"][0]["line"], 1);
    assert_eq!(lines[1]["problems"][0]["field"], "station.block_ms");

    let output = airchain(&["check", "--explain", good]);
    assert!(stdout(&output).contains("block_ms: 10  # default"), "{}", stdout(&output));

    let output = airchain(&["check", "no-such-file.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("no-such-file.yaml: cannot be read"), "{}", stdout(&output));
}

#[test]
fn analyze_tries_every_file_and_keeps_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<String> = ["a.wav", "text.mp3", "b.wav"]
        .map(|name| folder.path().join(name).to_str().unwrap().to_owned())
        .into();
    tone(Path::new(&paths[0]));
    fs::write(&paths[1], "no music").unwrap();
    tone(Path::new(&paths[2]));
    let arguments: Vec<&str> = ["analyze", "--cache", "none", "--json"]
        .into_iter()
        .chain(paths.iter().map(String::as_str))
        .collect();
    let output = airchain(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let order: Vec<&str> = lines.iter().filter_map(|line| line["path"].as_str()).collect();
    assert_eq!(order, paths);
    assert_eq!((&lines[0]["frames"], &lines[0]["error"]), (&Value::from(48_000), &Value::Null));
    assert!(lines[1]["error"].as_str().unwrap().contains("text.mp3"));
    assert!(lines[0].get("momentary").is_none());
    let keys: Vec<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    for key in
        "path codec container duration_s frames sample_rate_hz channels integrated_lufs loudness_range_lu \
                true_peak_dbtp sample_peak_dbfs max_momentary_lufs max_short_term_lufs cue_in_s cue_out_s \
                start_next_s replaygain_db title artist album error"
            .split_whitespace()
    {
        assert!(keys.contains(&key), "{key} is missing");
    }

    let output = airchain(&["analyze", "--cache", "none", "--json", "--series", &paths[0]]);
    assert_eq!(output.status.code(), Some(0));
    let line: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(line["momentary"].as_array().map(Vec::len), Some(61));

    let output = airchain(&["analyze", "--cache", "none", &paths[0]]);
    assert!(stdout(&output).contains("0:01.0"), "{}", stdout(&output));
}

#[test]
fn the_reference_is_in_step_with_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/station-file.md");
    let page = fs::read_to_string(path).unwrap();
    assert!(page == stdout(&airchain(&["check", "--reference"])), "docs/station-file.md: run `make docs`");
}
