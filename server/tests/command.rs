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
fn the_reference_is_in_step_with_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/station-file.md");
    let page = fs::read_to_string(path).unwrap();
    assert!(page == stdout(&airchain(&["check", "--reference"])), "docs/station-file.md: run `make docs`");
}
