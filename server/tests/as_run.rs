//! The as-run log of the command: whole after `kill -9` but for the item on air, written on by the next start, and no
//! concern of the programme's when its disk is full.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{airchain, fail, succeed, wait_for, write_wav};
use testkit::signal;

const RATE: u32 = 48_000;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// A station that plays half seconds of `levels`, over and over.
    fn new(levels: &[f64], log: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let items: Vec<String> = levels
            .iter()
            .map(|level| {
                let name = format!("tone{level}.wav");
                write_wav(&bench.path(&name), RATE, &signal::sine(RATE, 1000.0, *level, 24_000));
                name
            })
            .collect();
        let station = format!(
            "station: {{ id: wgmr, timezone: Asia/Tokyo }}\nautomation: {{ playlist: [{}] }}\nas_run: {{ path: {log} }}\n",
            items.join(", ")
        );
        fs::write(bench.path("wgmr.yaml"), station).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self) -> Running {
        let log = fs::File::create(self.path("airchain.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airchain"));
        command.arg("run").arg(self.path("wgmr.yaml")).stdin(Stdio::null()).stderr(log);
        Running(command.spawn().unwrap())
    }
}

/// The command on air, killed when a test fails.
struct Running(Child);

impl Running {
    /// SIGKILL: nothing is closed, nothing is flushed.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn terminate(mut self) {
        assert!(Command::new("kill").arg(self.0.id().to_string()).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// That `records` are the half seconds of `levels` by turns, without a frame between them.
fn assert_runs_through(records: &[Value], levels: &[f64]) {
    for (index, (record, level)) in records.iter().zip(levels.iter().cycle()).enumerate() {
        assert_eq!(record["start_frame"], index * 24_000);
        assert_eq!(record["end_frame"], (index + 1) * 24_000);
        assert_eq!((&record["ending"], &record["station"]), (&"finished".into(), &"wgmr".into()));
        assert!((record["integrated_lufs"].as_f64().unwrap() - level).abs() < 0.1, "{record}");
        assert!((record["true_peak_dbtp"].as_f64().unwrap() - level).abs() < 0.1, "{record}");
    }
}

#[test]
fn a_kill_costs_the_item_on_air_and_nothing_else() {
    let levels = [-20.0, -12.0, -30.0];
    let bench = Bench::new(&levels, "logs/wgmr.jsonl");
    let log = bench.path("logs/wgmr.jsonl");
    let air = bench.run();
    wait_for("the fifth record", || lines(&log).len() >= 5);
    air.kill();
    let first = lines(&log);
    assert_runs_through(&parsed(&first), &levels);

    // What a failing disk may leave.
    let torn = r#"{"station":"wgmr","tie"#;
    fs::write(&log, format!("{}\n{torn}", first.join("\n"))).unwrap();
    let air = bench.run();
    wait_for("records of the next run", || lines(&log).len() >= first.len() + 4);
    air.terminate();
    let second = lines(&log);
    assert_eq!((&second[..first.len()], second[first.len()].as_str()), (first.as_slice(), torn));
    let mut records = parsed(&second[first.len() + 1..]);
    // The last one was on air when the station was stopped.
    let last = records.pop().unwrap();
    assert_runs_through(&records, &levels);
    assert_eq!(
        (&last["ending"], &last["start_frame"]),
        (&"stopped".into(), &records.last().unwrap()["end_frame"])
    );
}

#[test]
fn a_full_disk_is_said_once_and_its_records_come_when_there_is_room() {
    let levels = [-20.0, -12.0];
    let bench = Bench::new(&levels, "as-run.jsonl");
    let log = bench.path("as-run.jsonl");
    std::os::unix::fs::symlink("/dev/full", &log).unwrap();
    let said = || fs::read_to_string(bench.path("airchain.log")).unwrap();
    let air = bench.run();
    wait_for("word of it", || said().contains("as-run log: cannot write"));
    // The programme goes on, for at least as long as a second try needs.
    wait_for("the next items", || said().matches("now playing").count() >= 6);
    fs::remove_file(&log).unwrap();
    wait_for("the records", || lines(&log).len() >= 6);
    wait_for("word of it", || said().contains("is written again"));
    air.terminate();
    let mut records = parsed(&lines(&log));
    records.pop();
    assert_runs_through(&records, &levels);
    assert_eq!(said().matches("as-run log: cannot write").count(), 1, "{}", said());
    assert!(!said().contains("dropout"), "{}", said());
}

#[test]
fn a_render_gives_the_same_records_and_a_log_a_day_has_its_name_checked() {
    let levels = [-20.0, -12.0];
    let bench = Bench::new(&levels, "wgmr-%Y-%m-%d.jsonl");
    let (file, log) = (bench.path("wgmr.yaml"), bench.path("offline.jsonl"));
    let (file, text) = (file.to_str().unwrap(), fs::read_to_string(&file).unwrap());
    let out = ["render", "--config", file, "--out", "/dev/null", "--duration", "3s"];
    succeed(&[&out[..], &["--as-run", log.to_str().unwrap()]].concat());
    let offline = parsed(&lines(&log));
    assert_eq!(offline.len(), 6);
    assert_runs_through(&offline, &levels);

    let today = || {
        let now = jiff::Timestamp::now().in_tz("Asia/Tokyo").unwrap();
        bench.path(&now.strftime("wgmr-%Y-%m-%d.jsonl").to_string())
    };
    let first_day = today();
    let air = bench.run();
    // The day may change meanwhile.
    wait_for("records", || lines(&first_day).len() + lines(&today()).len() >= 2);
    air.terminate();
    let log = if lines(&first_day).is_empty() { today() } else { first_day };
    let on_air = parsed(&lines(&log));
    for name in ["start_frame", "end_frame", "integrated_lufs", "true_peak_dbtp", "item", "tier", "part"] {
        assert_eq!(on_air[0][name], offline[0][name], "{name}");
    }

    fs::write(file, text.replace("%d", "%D")).unwrap();
    let said = fail(&["run", file]);
    assert!(said.contains("as_run.path") && said.contains("makes a name that files cannot have"), "{said}");
    fs::write(file, text.replace("%d", "%")).unwrap();
    assert_eq!(airchain(&["check", file]).status.code(), Some(1));
}
