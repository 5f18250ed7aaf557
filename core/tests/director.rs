//! The director over the real engine, with items that open as slowly as a test says: nothing it is asked for leaves the
//! programme silent, and every item of a supply is accounted for.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use airchain_core::chain::Chain;
use airchain_core::control::{Ending, Ramp};
use airchain_core::curve::Curve;
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::item::{Item, Metadata};
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::playout::schedule::{Edge, Entry, Joining, Length, Lengths, Plan, Schedule, Timetable};
use airchain_core::playout::{
    Director, DirectorConfig, LineUp, Lined, Loaded, Loader, Moment, NextItem, NextTrack, Report, Request,
    StationEvent, Ticket,
};
use airchain_core::program::Joins;
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use proptest::prelude::*;

const RATE: u32 = 48_000;
const BLOCK: usize = 480;

/// Opens the item `LEVEL:FRAMES[:TICKS]`: so many frames of a level, there after so many ticks; `hang` never is.
#[derive(Default)]
struct SlowLoader {
    ticks: u64,
    opening: BTreeMap<(u64, u64), (Ticket, Result<Loaded, String>)>,
    count: u64,
}

impl Loader for SlowLoader {
    fn open(&mut self, ticket: Ticket, item: &Item, _: Option<Ticket>, _: bool) {
        let fields: Vec<f64> = item.path.split(':').map_while(|field| field.parse().ok()).collect();
        let (due, result) = match fields[..] {
            _ if item.path == "hang" => return,
            [level, frames, ref rest @ ..] => {
                let audio: Vec<Stereo> = vec![[level as f32; 2]; frames as usize];
                let length = Some(audio.len() as Frames);
                let source = Box::new(MemorySource::new(audio.into(), false));
                (
                    rest.first().copied().unwrap_or(0.0) as u64,
                    Ok(Loaded { source, metadata: Metadata::default(), length, loudness: None }),
                )
            }
            _ => (0, Err(format!("{}: no such file", item.path))),
        };
        self.count += 1;
        self.opening.insert((self.ticks + due, self.count), (ticket, result));
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        let entry = self.opening.first_entry()?;
        (entry.key().0 <= self.ticks).then(|| entry.remove())
    }
}

/// The loader, where the test can move its time.
struct Ticking(Arc<Mutex<SlowLoader>>);

impl Loader for Ticking {
    fn open(&mut self, ticket: Ticket, item: &Item, after: Option<Ticket>, urgent: bool) {
        self.0.lock().unwrap().open(ticket, item, after, urgent);
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        self.0.lock().unwrap().poll()
    }
}

#[derive(Default)]
struct Told {
    given: usize,
    unused: usize,
    failed: usize,
}

/// A supply that gives its items in turn, and counts what it hears of them.
struct Supply {
    items: Vec<Item>,
    lead_s: Option<f64>,
    by_clock: bool,
    asked_at: Arc<Mutex<Told>>,
}

impl NextTrack for Supply {
    fn next_track(&mut self) -> NextItem {
        if self.items.is_empty() {
            return NextItem::End;
        }
        self.asked_at.lock().unwrap().given += 1;
        NextItem::Item(Box::new(self.items.remove(0)))
    }

    fn lead_s(&self) -> Option<f64> {
        self.lead_s
    }

    fn is_by_clock(&self) -> bool {
        self.by_clock
    }

    fn unused(&mut self, _: &Item) {
        self.asked_at.lock().unwrap().unused += 1;
    }

    fn failed(&mut self, _: &Item, _: &str) {
        self.asked_at.lock().unwrap().failed += 1;
    }
}

struct Station {
    director: Director,
    engine: Engine,
    loader: Arc<Mutex<SlowLoader>>,
    told: Arc<Mutex<Told>>,
    audio: Vec<f32>,
    reports: Vec<Report>,
}

impl Station {
    fn new(programme: &[&str], lead_s: Option<f64>, automation: Return) -> Self {
        Self::with(programme, lead_s, automation, false, |_| {})
    }

    /// A station whose director has been through `before` when it begins.
    fn with(
        programme: &[&str],
        lead_s: Option<f64>,
        automation: Return,
        by_clock: bool,
        before: impl FnOnce(&mut Director),
    ) -> Self {
        let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
        let short = Ramp { length: 240, curve: Curve::SCurve };
        let mut returns = [Return::Resume; Tier::COUNT];
        returns[Tier::Automation.index()] = automation;
        let joins = Joins { crossfade: Ramp { length: 0, curve: Curve::EqualPower }, rate: RATE };
        let ladder = LadderConfig { joins, takeover: [short; Tier::COUNT], returns };
        let chain = Chain::build(&[], format, 0).unwrap();
        let (control, engine) = engine(&EngineConfig { max_block: BLOCK, ladder }, chain);
        let loader = Arc::<Mutex<SlowLoader>>::default();
        let told = Arc::<Mutex<Told>>::default();
        let items = programme.iter().map(|path| Item::file(*path)).collect();
        let supply = Supply { items, lead_s, by_clock, asked_at: told.clone() };
        let config = DirectorConfig { format, latency: 0, chain: Vec::new(), returns };
        let ticking = Box::new(Ticking(loader.clone()));
        let mut director = Director::new(config, control, ticking, Box::new(supply));
        before(&mut director);
        director.tick(0);
        Self { director, engine, loader, told, audio: Vec::new(), reports: Vec::new() }
    }

    /// Runs for so many blocks.
    fn run(&mut self, blocks: usize) {
        let mut block = [[0.0; 2]; BLOCK];
        for _ in 0..blocks {
            self.engine.render(&mut block);
            self.audio.extend(block.iter().map(|frame| frame[0]));
            self.loader.lock().unwrap().ticks += 1;
            self.director.tick(self.engine.position());
            self.reports.extend(std::iter::from_fn(|| self.director.poll()));
        }
    }

    fn ask(&mut self, command: &str) {
        self.ask_at(Moment::Now, command);
    }

    fn ask_at(&mut self, moment: Moment, command: &str) {
        let request: Request = serde_json::from_str(command).unwrap();
        let _ = self.director.request(moment, request);
    }

    /// What became audible, and when.
    fn started(&self) -> Vec<(Frames, String)> {
        let start = |report: &Report| match &report.event {
            StationEvent::NowPlaying { item, .. } => Some((report.frame, item.path.clone())),
            _ => None,
        };
        self.reports.iter().filter_map(start).collect()
    }

    fn heard(&self) -> Vec<String> {
        self.started().into_iter().map(|start| start.1).collect()
    }

    fn failures(&self) -> Vec<String> {
        let failure = |report: &Report| match &report.event {
            StationEvent::CommandFailed { error, .. } => Some(error.clone()),
            _ => None,
        };
        self.reports.iter().filter_map(failure).collect()
    }

    /// The first silent frame between these.
    fn silence(&self, frames: std::ops::Range<usize>) -> Option<usize> {
        frames.clone().find(|frame| self.audio[*frame] == 0.0)
    }
}

fn queue(path: &str) -> String {
    format!(r#"{{"command": "queue", "item": {{"path": "{path}", "id": "{path}"}}}}"#)
}

#[test]
fn an_item_queued_at_the_last_moment_leaves_no_gap_however_slowly_it_opens() {
    for ticks in [0, 1, 3, 50] {
        for before in [0, 1, 2, 3, 5, 20] {
            let mut station = Station::new(&["0.1:48000", "0.2:48000", "0.3:48000"], None, Return::Next);
            station.run(100 - before);
            station.ask(&queue(&format!("0.5:24000:{ticks}")));
            station.run(200);
            assert_eq!(station.silence(0..134_000), None, "{ticks} ticks, {before} blocks before the end");
            let queued = station.heard().iter().any(|path| path.starts_with("0.5"));
            assert!(queued, "{ticks} ticks, {before} blocks before the end");
        }
    }
}

#[test]
fn the_line_up_is_changed_in_place() {
    let mut station = Station::new(&["0.1:48000", "0.2:4800", "0.3:4800"], None, Return::Next);
    station.run(10);
    for id in ["0.5:4800", "0.6:4800", "0.7:4800", "0.8:4800"] {
        station.ask(&queue(id));
    }
    station.run(5);
    station.ask(r#"{"command": "queue", "op": "move", "id": "0.8:4800", "index": 0}"#);
    station.ask(r#"{"command": "queue", "op": "remove", "id": "0.6:4800"}"#);
    station.ask(
        r#"{"command": "queue", "op": "insert", "index": 2, "item": {"path": "0.9:4800", "id": "nine"}}"#,
    );
    station.ask(r#"{"command": "queue", "op": "list"}"#);
    station.run(200);
    assert!(station.failures().is_empty(), "{:?}", station.failures());
    let wanted = ["0.1:48000", "0.8:4800", "0.5:4800", "0.9:4800", "0.7:4800", "0.2:4800", "0.3:4800"];
    assert_eq!(station.heard(), wanted);
    assert_eq!(station.silence(0..48_000 + 6 * 4_800), None);
    let listed = station.reports.iter().find_map(|report| match &report.event {
        StationEvent::CommandDone { queue: Some(queue), length, .. } => Some((queue.clone(), *length)),
        _ => None,
    });
    let (listed, length) = listed.unwrap();
    assert_eq!(listed[2].id, "nine");
    assert_eq!(length, Some(listed.len()));
    let unused: Vec<_> = station
        .reports
        .iter()
        .filter(|report| matches!(&report.event, StationEvent::ItemUnused { .. }))
        .collect();
    assert!(unused.len() <= 1, "only the one that was removed: {unused:?}");
}

#[test]
fn clearing_takes_out_what_was_queued_and_leaves_the_programme() {
    let mut station = Station::new(&["0.1:48000", "0.2:4800"], None, Return::Next);
    station.run(10);
    for id in ["0.5:4800", "0.6:4800"] {
        station.ask(&queue(id));
    }
    station.run(10);
    station.ask(r#"{"command": "queue", "op": "clear"}"#);
    station.run(150);
    assert_eq!(station.heard(), ["0.1:48000", "0.2:4800"]);
    assert_eq!(station.silence(0..52_800), None);
}

#[test]
fn a_file_that_hangs_holds_up_nothing_behind_it() {
    let mut station = Station::new(&["0.1:144000", "hang", "0.2:48000", "0.3:48000"], None, Return::Next);
    station.run(600);
    assert_eq!(station.silence(0..240_000), None);
    assert_eq!(station.heard(), ["0.1:144000", "0.2:48000", "0.3:48000"]);
}

#[test]
fn a_supply_with_a_lead_is_asked_that_long_before_need() {
    let mut station = Station::new(&["0.1:480000", "0.2:480000"], Some(3.0), Return::Next);
    assert_eq!(station.told.lock().unwrap().given, 1);
    // 10 s of the first: asked when 3 s of it are left.
    station.run(699);
    assert_eq!(station.told.lock().unwrap().given, 1);
    station.run(2);
    assert_eq!(station.told.lock().unwrap().given, 2);
    station.run(400);
    assert_eq!(station.silence(0..500_000), None);
}

#[test]
fn restart_begins_the_interrupted_item_again() {
    let mut station = Station::new(&["0.1:96000", "0.2:48000"], None, Return::Restart);
    station.run(50);
    station.ask(r#"{"command": "insert_emergency", "item": {"path": "0.9:9600"}}"#);
    station.run(400);
    let started = station.started();
    assert_eq!(station.heard(), ["0.1:96000", "0.9:9600", "0.1:96000", "0.2:48000"]);
    // From its beginning: the next one comes a whole length after it.
    assert_eq!(started[3].0 - started[2].0, 96_000);
    assert_eq!(started[2].0 - started[1].0, 9_600);
    let preempted =
        |report: &Report| matches!(report.event, StationEvent::ItemEnded { ending: Ending::Preempted, .. });
    assert_eq!(station.reports.iter().filter(|report| preempted(report)).count(), 1);
}

#[test]
fn a_programme_by_the_clock_takes_up_what_was_queued_and_nothing_else() {
    for (by_clock, wanted) in [
        (false, ["0.5:4800", "0.6:4800", "0.7:4800", "0.1:9600"].as_slice()),
        (true, ["0.6:4800", "0.1:9600"].as_slice()),
    ] {
        let left = |director: &mut Director| {
            let entries = [("0.6:4800", true), ("0.7:4800", false)]
                .map(|(path, queued)| Lined { item: Item::file(path), queued });
            let line_up = LineUp { entries: entries.into(), bookmark: None };
            director.resume(vec![(Tier::Automation, Item::file("0.5:4800"))], line_up);
        };
        let mut station = Station::with(&["0.1:9600"], None, Return::Next, by_clock, left);
        station.run(80);
        assert_eq!(station.heard(), wanted);
    }
}

const JOINING: Joining = Joining { crossfade: 0, sight: 72_000 };

/// A schedule of one entry.
struct Once(Entry);

impl Timetable for Once {
    fn between(&self, from_ns: i64, to_ns: i64) -> Vec<Entry> {
        Some(self.0.clone()).filter(|entry| (from_ns..to_ns).contains(&entry.at_ns)).into_iter().collect()
    }
}

/// Knows the length of an item after it was asked a few times.
struct Measured(u32);

impl Lengths for Measured {
    fn length(&mut self, item: &Item) -> Length {
        self.0 = self.0.saturating_sub(1);
        let frames = item.path.split(':').nth(1).and_then(|frames| frames.parse().ok());
        frames.filter(|_| self.0 == 0).map_or(Length::Later, Length::Known)
    }
}

#[test]
fn a_scheduled_item_goes_on_after_a_restart_and_is_not_joined_over_itself() {
    // It began a second before, and another run has heard all but ten seconds of it.
    for asked in [1, 30] {
        let show = Item { id: "item-7".into(), ..Item::file("0.5:480000") };
        let mut station = Station::with(&["0.1:9600"], None, Return::Next, false, |director| {
            let plan = Plan::CutIn { item: Item::file("0.5:480000"), fade: None, edge: Edge::Start };
            let entry = Entry { at_ns: -1_000_000_000, row: 0, plan };
            let schedule = Schedule::new(Box::new(Once(entry)), JOINING);
            director.set_schedule(schedule, Box::new(Measured(asked)));
            director.resume(vec![(Tier::Automation, show)], LineUp::default());
        });
        station.run(1100);
        let wanted = [(0, "0.5:480000"), (480_000, "0.1:9600")].map(|(at, path)| (at, path.to_owned()));
        assert_eq!(station.started(), wanted);
    }
}

#[test]
fn a_stopped_automation_costs_a_fill_nothing() {
    let pool = ["0.5:9600", "0.6:14400", "0.7:19200"];
    let items: Vec<Item> = pool.iter().map(|path| Item::file(*path)).collect();
    let mut station = Station::with(&["0.1:96000"], None, Return::Next, false, |director| {
        let plan = Plan::Fill { pool: items.into(), until_ns: 15_000_000_000 };
        let schedule = Schedule::new(Box::new(Once(Entry { at_ns: 5_000_000_000, row: 0, plan })), JOINING);
        director.set_schedule(schedule, Box::new(Measured(1)));
    });
    station.run(10);
    station.ask(r#"{ "command": "stop", "tier": "automation" }"#);
    station.run(700);
    let dropped = |report: &&Report| matches!(report.event, StationEvent::ScheduleDropped { .. });
    assert_eq!(station.reports.iter().filter(dropped).count(), 0);
    assert_eq!(station.heard(), ["0.1:96000"]);
    station.ask(r#"{ "command": "play", "item": { "path": "0.9:4800" } }"#);
    station.run(400);
    let mut heard = station.heard();
    heard.retain(|path| pool.contains(&path.as_str()));
    heard.sort_unstable();
    assert_eq!(heard, pool, "the whole pool is still there: {:?}", station.heard());
}

#[test]
fn a_scheduled_item_that_a_live_show_covered_is_joined_after_it() {
    // Due at 3 s, and 25 s long; the live show lasts from 1 s to 20 s.
    let mut station = Station::with(&["0.1:4800000"], None, Return::Resume, false, |director| {
        let plan = Plan::CutIn { item: Item::file("0.5:1200000"), fade: None, edge: Edge::Start };
        let entry = Entry { at_ns: 3_000_000_000, row: 0, plan };
        director.set_schedule(Schedule::new(Box::new(Once(entry)), JOINING), Box::new(Measured(1)));
    });
    let show = r#"{ "command": "play", "tier": "live_override", "item": { "path": "0.9:912000" } }"#;
    station.ask_at(Moment::Frame(48_000), show);
    station.run(2500);
    let joined = station.reports.iter().filter_map(|report| match &report.event {
        StationEvent::NowPlaying { item, .. } if item.path == "0.5:1200000" => {
            Some((report.frame, item.cue_in_s))
        }
        _ => None,
    });
    let joined: Vec<_> = joined.collect();
    let [(frame, Some(cue_in_s))] = joined[..] else { panic!("{joined:?}") };
    assert!((960_000..=1_056_480).contains(&frame), "within two seconds of the end of the show: {frame}");
    assert_eq!((cue_in_s * 48_000.0).round() as Frames, frame - 144_000, "as far into it as it would be");
}

#[test]
fn what_cannot_be_meant_is_answered_by_the_name_of_the_field() {
    let mut station = Station::new(&["0.1:480000"], None, Return::Next);
    station.run(5);
    for (command, field) in [
        (r#"{"command": "queue", "item": {"path": ""}}"#, "item.path"),
        (r#"{"command": "queue", "item": {"path": "a", "cue_in_s": 5, "cue_out_s": 4}}"#, "cue_out_s"),
        (r#"{"command": "queue", "item": {"path": "a", "gain_db": 1e9}}"#, "gain_db"),
        (r#"{"command": "queue"}"#, "item"),
        (r#"{"command": "queue", "op": "remove"}"#, "id"),
        (r#"{"command": "queue", "op": "remove", "id": "nobody"}"#, "id"),
        (r#"{"command": "queue", "op": "move", "id": "nobody", "index": 0}"#, "id"),
        (r#"{"command": "queue", "op": "insert", "index": 99, "item": {"path": "a"}}"#, "index"),
        (r#"{"command": "queue", "op": "list", "index": 1}"#, "index"),
        (r#"{"command": "stop", "tier": "automation", "fade_s": -1}"#, "fade_s"),
        (r#"{"command": "skip", "fade_s": 1e300}"#, "fade_s"),
        (r#"{"command": "fade", "gain_db": 41}"#, "gain_db"),
        (r#"{"command": "set_param", "node": "gain", "param": "gain_db", "value": 1}"#, "node"),
        (r#"{"command": "unload", "tier": "automation", "id": "nobody"}"#, "no such item"),
        (r#"{"command": "stop", "tier": "live_override"}"#, "nothing is playing"),
    ] {
        let before = station.failures().len();
        station.ask(command);
        station.run(2);
        let failures = station.failures();
        assert_eq!(failures.len(), before + 1, "{command}: {failures:?}");
        assert!(failures[before].contains(field), "{command}: {}", failures[before]);
    }
    assert_eq!(station.silence(0..station.audio.len()), None);
    assert_eq!(station.started().len(), 1);
    // NaN cannot be written in JSON, but a program can ask for it.
    let fade = Request::Fade { tier: None, gain_db: f64::NAN, duration_s: 0.0, curve: Curve::Linear };
    assert_eq!(station.director.request(Moment::Now, fade).unwrap_err().field, "gain_db");
}

#[test]
fn a_flood_of_commands_and_a_huge_queue_are_carried_out_or_refused() {
    let mut station = Station::new(&["0.1:4800000"], None, Return::Next);
    station.run(5);
    for _ in 0..10_000 {
        station.ask(r#"{"command": "set_metadata", "metadata": {"title": "flood"}}"#);
    }
    station.run(100);
    let done = |station: &Station| {
        let done = |report: &&Report| matches!(report.event, StationEvent::CommandDone { .. });
        station.reports.iter().filter(done).count()
    };
    assert_eq!(done(&station), 10_000);
    for n in 0..100_010 {
        station.ask(&format!(r#"{{"command": "queue", "item": {{"path": "0.5:480", "id": "{n}"}}}}"#));
    }
    station.run(2);
    let refused = station.failures();
    assert_eq!(done(&station), 10_000 + 100_010 - refused.len());
    assert!(!refused.is_empty() && refused.iter().all(|error| error.contains("queue: the line-up is full")));
    station.ask(r#"{"command": "queue", "op": "clear"}"#);
    // What has passed is done at once, also what lies before the station began.
    station.ask_at(Moment::Frame(1), r#"{"command": "fade", "gain_db": -6}"#);
    station.ask_at(Moment::Utc(-5), r#"{"command": "fade", "gain_db": 0}"#);
    station.run(5);
    assert_eq!(station.failures().len(), refused.len());
    assert_eq!(station.silence(0..station.audio.len()), None);
}

#[test]
fn utc_is_a_frame_by_the_stations_clock() {
    let mut station = Station::new(&["0.1:480000", "0.2:480000"], None, Return::Next);
    let noon = 1_795_867_200_000_000_000;
    station.director.set_clock(noon);
    station.ask_at(Moment::Utc(noon + 4_000_000_000), r#"{"command": "skip", "fade_s": 0}"#);
    station.ask_at(Moment::Utc(noon + 7_000_000_000), r#"{"command": "play", "item": {"path": "0.5:4800"}}"#);
    station.run(300);
    // The clock is set back by a second: what is still far away moves with it.
    station.director.set_clock(noon + 1_000_000_000);
    station.run(500);
    let starts: Vec<Frames> = station.started().iter().map(|start| start.0).collect();
    assert_eq!(starts[..3], [0, 4 * 48_000, 6 * 48_000]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is asked of the line-up, there is no silence as long as items open in less than a tenth of a second, and each
    /// of the programme's was heard, was told of as unused, or is still to come.
    #[test]
    fn every_item_is_accounted_for(
        commands in prop::collection::vec((0_usize..12, 0_u8..6, 0_usize..8, 0_u64..10), 0..40),
    ) {
        let names: Vec<String> = (1..200).map(|n| format!("0.{n:03}:{}:1", 14_400 + 977 * (n % 7))).collect();
        let programme: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut station = Station::new(&programme, None, Return::Next);
        station.run(3);
        for (n, (wait, kind, index, ticks)) in commands.into_iter().enumerate() {
            station.run(wait);
            match kind {
                0 => station.ask(&queue(&format!("0.9{n}:4800:{ticks}"))),
                1 => station.ask(&format!(
                    r#"{{"command": "queue", "op": "insert", "index": {index}, "item": {{"path": "0.9{n}:3000:{ticks}", "id": "i{n}"}}}}"#
                )),
                2 | 3 => {
                    let ids: Vec<String> = station.director.upcoming().map(|item| item.id.clone()).collect();
                    let id = ids.get(index).cloned().unwrap_or_default();
                    let op = if kind == 2 { r#""op": "remove""#.to_owned() } else { format!(r#""op": "move", "index": {}"#, index / 2) };
                    station.ask(&format!(r#"{{"command": "queue", "id": "{id}", {op}}}"#));
                }
                4 => station.ask(r#"{"command": "skip", "fade_s": 0.01}"#),
                _ => station.ask(&format!(r#"{{"command": "insert_emergency", "item": {{"path": "0.99:{}", "id": "e{n}"}}}}"#, 480 * (index + 1))),
            }
        }
        station.run(60);
        prop_assert_eq!(station.silence(960..station.audio.len()), None);
        let of_programme = |path: &String| path.ends_with(":1") && !path.starts_with("0.9");
        let heard: BTreeSet<String> = station.heard().into_iter().filter(of_programme).collect();
        station.director.abandon();
        let told = station.told.lock().unwrap();
        prop_assert_eq!(told.given, heard.len() + told.unused + told.failed);
    }
}

#[test]
fn the_fallback_can_be_neither_skipped_nor_stopped() {
    let mut station = Station::new(&["0.1:4800"], None, Return::Next);
    let tone: Vec<Stereo> = vec![[0.9; 2]; 480];
    let fallback = Box::new(MemorySource::new(tone.into(), true));
    station.director.load_source(Tier::Fallback, Item::file("fallback"), fallback);
    station.run(20);
    for command in [
        r#"{"command": "skip"}"#,
        r#"{"command": "skip", "tier": "fallback"}"#,
        r#"{"command": "stop", "tier": "fallback"}"#,
        r#"{"command": "play", "tier": "fallback", "item": {"path": "0.5:480"}}"#,
    ] {
        station.ask(command);
        station.run(10);
    }
    assert_eq!(station.failures().len(), 4, "{:?}", station.failures());
    assert_eq!(station.silence(0..station.audio.len()), None);
}

#[test]
fn a_stop_and_what_is_queued_after_it_are_carried_out_in_their_order() {
    let stop = r#"{"command": "stop", "tier": "automation"}"#;
    let at_once = |commands: [&str; 2]| {
        let mut station = Station::new(&["0.1:48000", "0.2:48000"], None, Return::Next);
        station.run(20);
        commands.into_iter().for_each(|command| station.ask(command));
        station.run(200);
        station.heard()
    };
    // Queued after the stop it plays, and what was in line goes on behind it; queued before, it stays where it is.
    assert_eq!(at_once([stop, &queue("0.5:4800")]), ["0.1:48000", "0.5:4800", "0.2:48000"]);
    assert_eq!(at_once([&queue("0.5:4800"), stop]), ["0.1:48000"]);
    // One that opens while the stop is on its way does not start.
    assert_eq!(at_once([&queue("0.5:4800:1"), stop]), ["0.1:48000"]);

    let mut station = Station::new(&["0.1:96000", "0.2:48000"], None, Return::Next);
    station.ask_at(Moment::Frame(24_000), stop);
    station.ask_at(Moment::Frame(24_000), &queue("0.5:4800"));
    station.ask_at(Moment::Frame(60_000), stop);
    station.run(20);
    // Asked for later, but to happen earlier.
    station.ask_at(Moment::Frame(59_520), &queue("0.6:4800"));
    station.run(300);
    let heard = station.heard();
    assert_eq!(heard[..3], ["0.1:96000", "0.5:4800", "0.2:48000"]);
    assert!(!heard.contains(&"0.6:4800".to_owned()), "{heard:?}");
}

#[test]
fn a_stop_with_nothing_on_air_holds_what_comes() {
    let mut station = Station::new(&["0.1:48000:30"], None, Return::Next);
    station.ask(r#"{"command": "stop", "tier": "automation"}"#);
    station.run(100);
    assert!(station.failures().is_empty() && station.heard().is_empty(), "{:?}", station.heard());
    station.ask(&queue("0.5:4800"));
    station.run(100);
    assert_eq!(station.heard(), ["0.5:4800", "0.1:48000:30"]);
}

#[test]
fn a_parameter_goes_to_the_chain_that_is_on_air_at_its_time() {
    let mut station = Station::new(&["0.1:480000"], None, Return::Next);
    station.ask(r#"{"command": "set_chain", "nodes": [{"type": "gain"}]}"#);
    station.run(20);
    let limited = r#"{"command": "set_chain", "nodes": [{"type": "dc_blocker"}, {"type": "gain"}]}"#;
    station.ask_at(Moment::Frame(96_000), limited);
    station.ask_at(
        Moment::Frame(48_000),
        r#"{"command": "set_param", "node": "gain", "param": "gain_db", "value": -6}"#,
    );
    station.ask_at(
        Moment::Frame(48_000),
        r#"{"command": "set_param", "node": "dc_blocker", "param": "enabled", "value": true}"#,
    );
    station.run(180);
    assert!((station.audio[80_000] - 0.1 * 0.501).abs() < 1e-3, "{}", station.audio[80_000]);
    let failures = station.failures();
    assert!(failures.len() == 1 && failures[0].contains("no node dc_blocker"), "{failures:?}");
}

#[test]
fn what_must_be_done_at_once_is_not_locked_out_by_what_waits() {
    let mut station = Station::new(&["0.1:480000"], None, Return::Next);
    station.run(5);
    for _ in 0..2_000 {
        station.ask_at(Moment::Frame(6_000), r#"{"command": "fade", "gain_db": 0}"#);
    }
    station.run(2);
    station.ask(r#"{"command": "insert_emergency", "item": {"path": "0.9:480"}}"#);
    // A block takes in 256 commands, in the order in which they were sent.
    station.run(8);
    assert!(station.heard().contains(&"0.9:480".to_owned()), "{:?}", station.heard());
    station.run(20);
    let answers = station.reports.iter().filter(|report| {
        matches!(report.event, StationEvent::CommandDone { .. } | StationEvent::CommandFailed { .. })
    });
    assert_eq!(answers.count(), 2_001);
}

#[test]
fn a_replay_begins_with_the_station_or_not_at_all() {
    let mut station = Station::new(&["0.1:48000", "0.2:48000"], None, Return::Next);
    station.run(5);
    station.ask(r#"{"command": "replay"}"#);
    station.run(150);
    assert!(station.failures()[0].contains("replay"));
    assert_eq!(station.heard(), ["0.1:48000", "0.2:48000"]);
}
