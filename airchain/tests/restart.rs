//! A station goes on where another run of it was, by the journal that a kill would leave.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use airchain::core::item::Item;
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{
    Moment, NextItem, NextTrack, Playlist, QueueOp, QueueRequest, Request, StationEvent,
};
use airchain::core::tier::Tier;
use airchain::pull::{Asked, Manager, Pull};
use airchain::station::TimedReport;
use airchain::{Host, HostConfig, Station, StationSpec};
use serde_json::{Value, json};
use testkit::{file, signal};

const RATE: u32 = 48_000;
/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

fn tone(folder: &Path, name: &str, seconds: f64) -> Item {
    let audio = signal::sine(RATE, 440.0, -12.0, (f64::from(RATE) * seconds) as usize);
    file::wav(&folder.join(name), RATE, &audio)
}

/// What a run has in its hands.
struct Run {
    host: Host,
    station: Station,
    reports: crossbeam_channel::Receiver<TimedReport>,
    aired: Vec<String>,
}

impl Run {
    fn start(journal: &Path, programme: Box<dyn NextTrack>) -> Self {
        let spec = StationSpec { journal: Some(journal.to_owned()), programme, ..StationSpec::default() };
        let host = Host::new(HostConfig::default()).unwrap();
        let station = host.add_station(spec, Vec::new()).unwrap();
        let reports = station.reports();
        Self { host, station, reports, aired: Vec::new() }
    }

    /// Waits for a report, and takes down what airs until then.
    fn wait_for(&mut self, wanted: impl Fn(&StationEvent) -> bool) -> StationEvent {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let event = self.reports.recv_deadline(deadline).unwrap().report.event;
            if let StationEvent::NowPlaying { tier, item, .. } = &event {
                let name = item.path.rsplit('/').next().unwrap_or_default();
                self.aired.push(if *tier == Tier::Automation {
                    name.into()
                } else {
                    format!("{tier} {name}")
                });
            }
            if wanted(&event) {
                return event;
            }
        }
    }

    fn wait_for_item(&mut self, name: &str) -> Item {
        let wanted = |event: &StationEvent| matches!(event, StationEvent::NowPlaying { item, .. } if item.path.ends_with(name));
        let StationEvent::NowPlaying { item, .. } = self.wait_for(wanted) else { panic!() };
        item
    }

    fn request(&self, request: Request) {
        self.station.request(Moment::Now, request).unwrap();
    }
}

/// The journal's first line, once it is as wanted.
fn wait_for_journal(path: &Path, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let record =
            text.lines().next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null);
        if wanted(&record) {
            return record;
        }
        assert!(Instant::now() < deadline, "the journal stays {text}");
        std::thread::yield_now();
    }
}

/// What a kill would leave now.
fn killed(journal: &Path) -> PathBuf {
    let copy = journal.with_extension("copy");
    std::fs::copy(journal, &copy).unwrap();
    copy
}

#[test]
fn item_queue_shuffle_and_outputs_go_on_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c", "d", "e"].map(|name| format!("{name}.wav"));
    let items: Vec<Item> = names.iter().map(|name| tone(folder.path(), name, 0.7)).collect();
    let [q1, q2] = ["q1.wav", "q2.wav"].map(|name| tone(folder.path(), name, 0.7));
    let programme = |seed| Box::new(Playlist::new(items.clone(), Order::Shuffle, false, seed));
    let journal = folder.path().join("journal");

    let mut first = Run::start(&journal, programme(5));
    first.wait_for(|event| matches!(event, StationEvent::NowPlaying { .. }));
    let recording = folder.path().join("rec").display().to_string();
    let output = json!({ "id": "late", "type": "recording", "path": recording, "format": "wav" });
    first.request(Request::AddOutput { output: output.as_object().unwrap().clone() });
    first.request(Request::Queue(QueueRequest::add(q1)));
    // Among the programme's own, where only the line-up knows of it.
    let insert =
        QueueRequest { op: QueueOp::Insert, item: Some(Box::new(q2)), index: Some(2), ..Default::default() };
    first.request(Request::Queue(insert));
    let mut done = 0;
    while done < 3 {
        let event = first.wait_for(|event| {
            matches!(event, StationEvent::CommandDone { .. } | StationEvent::CommandFailed { .. })
        });
        assert!(matches!(event, StationEvent::CommandDone { .. }), "{event:?}");
        done += 1;
    }
    first.wait_for(|event| matches!(event, StationEvent::NowPlaying { .. }));
    let on_air = first.aired.last().unwrap().clone();
    let record = wait_for_journal(&journal, |record| {
        let path = record["on_air"][0]["item"]["path"].as_str().unwrap_or_default();
        path.ends_with(&on_air) && record["outputs"]["added"][0]["id"] == "late"
    });
    let copy = killed(&journal);
    first.wait_for(|event| matches!(event, StationEvent::PriorityChanged { to: None, .. }));
    assert_eq!(first.aired.len(), 7);
    let from = first.aired.iter().position(|name| *name == on_air).unwrap();
    first.host.shutdown(Duration::from_secs(5));
    // All had been played: the next run begins again.
    let mut again = Run::start(&journal, programme(5));
    again.wait_for_item(&first.aired[0]);
    again.host.shutdown(Duration::from_secs(1));

    // Another seed, so that the order can only come from the journal.
    let mut second = Run::start(&copy, programme(6));
    let first_id = record["on_air"][0]["item"]["id"].as_str().unwrap();
    assert_eq!(second.wait_for_item(&on_air).id, first_id);
    assert!(second.station.outputs().iter().any(|output| output.id == "late"));
    second.wait_for(|event| matches!(event, StationEvent::PriorityChanged { to: None, .. }));
    assert_eq!(second.aired, first.aired[from..]);
    second.host.shutdown(Duration::from_secs(5));
}

#[test]
fn an_emergency_goes_on_and_the_automation_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let items = || vec![tone(folder.path(), "a.wav", 30.0), tone(folder.path(), "b.wav", 30.0)];
    let programme = || Box::new(Playlist::new(items(), Order::Sequential, false, 0));
    let mut first = Run::start(&journal, programme());
    first.wait_for_item("a.wav");
    first.request(Request::InsertEmergency { item: tone(folder.path(), "eas.wav", 2.5) });
    first.wait_for_item("eas.wav");
    // Something of it has been heard.
    wait_for_journal(&journal, |record| record["on_air"][0]["tier"] == "emergency");
    let position = |text: &str| {
        let last: Value = serde_json::from_str(text.lines().next_back()?).ok()?;
        last["positions_s"][0].as_f64()
    };
    let deadline = Instant::now() + PATIENCE;
    while position(&std::fs::read_to_string(&journal).unwrap()).is_none_or(|position_s| position_s < 0.4) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let copy = killed(&journal);
    first.host.shutdown(Duration::from_secs(1));

    let mut second = Run::start(&copy, programme());
    let item = second.wait_for_item("eas.wav");
    assert!((0.4..2.5).contains(&item.cue_in_s.unwrap()), "{item:?}");
    // What it interrupted is over, by the station's policy.
    second.wait_for_item("b.wav");
    second.host.shutdown(Duration::from_secs(1));
}

#[test]
fn a_journal_that_cannot_be_written_costs_nothing_but_itself() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec![tone(folder.path(), "a.wav", 0.5), tone(folder.path(), "b.wav", 0.5)];
    let programme = || Box::new(Playlist::new(items.clone(), Order::Sequential, true, 0));
    // Writing there waits for a reader that never comes, as on a disk that hangs; or a folder is in its place.
    let hangs = folder.path().join("hangs");
    let fifo = std::process::Command::new("mkfifo").arg(folder.path().join("hangs.tmp")).status();
    assert!(fifo.unwrap().success());
    let refuses = folder.path().join("refuses");
    std::fs::create_dir(&refuses).unwrap();
    for journal in [hangs, refuses] {
        let mut run = Run::start(&journal, programme());
        for name in ["a.wav", "b.wav", "a.wav", "b.wav"] {
            run.wait_for_item(name);
        }
        run.request(Request::Queue(QueueRequest::add(items[0].clone())));
        run.wait_for(|event| matches!(event, StationEvent::CommandDone { .. }));
        run.host.shutdown(Duration::from_secs(1));
    }
}

/// Gives one track after the other, and takes down what it hears.
struct Numbered {
    folder: PathBuf,
    next: usize,
    told: Arc<Mutex<Vec<String>>>,
}

impl Manager for Numbered {
    fn next_track(&mut self, _asked: &Asked) -> Result<NextItem, String> {
        let name = format!("t{}.wav", self.next);
        self.next += 1;
        self.told.lock().unwrap().push(format!("gave {name}"));
        Ok(NextItem::Item(Box::new(tone(&self.folder, &name, 1.0))))
    }

    fn unused(&mut self, item: &Item) {
        let name = item.path.rsplit('/').next().unwrap_or_default();
        self.told.lock().unwrap().push(format!("unused {name}"));
    }
}

#[test]
fn a_track_that_was_fetched_is_aired_by_the_next_run_or_told_to_be_unused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let told = Arc::<Mutex<Vec<String>>>::default();
    let pull = |next| {
        let manager = Numbered { folder: folder.path().to_owned(), next, told: Arc::clone(&told) };
        Box::new(Pull::new("wgmr", Box::new(manager)).unwrap())
    };
    let mut first = Run::start(&journal, pull(1));
    first.wait_for_item("t1.wav");
    wait_for_journal(&journal, |record| {
        let next = record["line_up"]["entries"][0]["item"]["path"].as_str().unwrap_or_default();
        next.ends_with("t2.wav") && !record["on_air"][0].is_null()
    });
    // Stopped cleanly: with a journal, nothing that was given is lost.
    first.host.shutdown(Duration::from_secs(1));
    let given = told.lock().unwrap().clone();
    assert!(given.iter().all(|word| word.starts_with("gave")), "{given:?}");
    let mut second = Run::start(&journal, pull(given.len() + 1));
    second.wait_for_item("t3.wav");
    assert_eq!(second.aired, ["t1.wav", "t2.wav", "t3.wav"]);
    second.host.shutdown(Duration::from_secs(1));

    // Without one, the manager hears what will not air before the host is gone.
    told.lock().unwrap().clear();
    let host = Host::new(HostConfig::default()).unwrap();
    let spec = StationSpec { programme: pull(1), ..StationSpec::default() };
    let station = host.add_station(spec, Vec::new()).unwrap();
    let reports = station.reports();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let event = reports.recv_deadline(deadline).unwrap().report.event;
        if matches!(event, StationEvent::NowPlaying { item, .. } if item.path.ends_with("t2.wav")) {
            break;
        }
    }
    while !told.lock().unwrap().iter().any(|word| word == "gave t3.wav") {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    host.shutdown(Duration::from_secs(1));
    let words = told.lock().unwrap().clone();
    let given = words.iter().filter(|word| word.starts_with("gave")).count();
    let unused: Vec<&String> = words.iter().filter(|word| word.starts_with("unused")).collect();
    assert_eq!(unused.len(), given - 2, "{words:?}");
}
