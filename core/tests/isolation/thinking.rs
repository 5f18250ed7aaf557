//! The director over an engine whose parts fail: what it makes anew, and when.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use airchain_core::chain::{Chain, NodeSpec, ParamValue};
use airchain_core::engine::Engine;
use airchain_core::item::{Item, Metadata};
use airchain_core::ladder::Return;
use airchain_core::playout::report::Part;
use airchain_core::playout::{
    Director, DirectorConfig, Loaded, Loader, Moment, NextItem, NextTrack, Report, Request, StationEvent,
    Ticket,
};
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};

use super::rig::*;

/// Opens `LEVEL:FRAMES`, and `panic:LEVEL:FRAMES` that panics at its end.
#[derive(Default)]
struct Inline(VecDeque<(Ticket, Loaded)>);

impl Loader for Inline {
    fn open(&mut self, ticket: Ticket, item: &Item, _: Option<Ticket>, _: bool) {
        let said = item.path.trim_start_matches("panic:");
        let (level, frames) = said.split_once(':').unwrap();
        let audio: Vec<Stereo> = vec![[level.parse().unwrap(); 2]; frames.parse().unwrap()];
        let length = Some(audio.len() as Frames);
        let mut source = memory(&audio);
        if said != item.path {
            source = Box::new(Panicking(source));
        }
        self.0.push_back((ticket, Loaded { source, metadata: Metadata::default(), length, loudness: None }));
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        self.0.pop_front().map(|(ticket, loaded)| (ticket, Ok(loaded)))
    }
}

/// Gives its items over and over, and panics at each question before `panics_until`.
struct Programme {
    items: Vec<&'static str>,
    given: usize,
    asked_at: Arc<Mutex<Vec<usize>>>,
    now: Arc<Mutex<usize>>,
    panics_until: usize,
}

impl NextTrack for Programme {
    fn next_track(&mut self) -> NextItem {
        let now = *self.now.lock().unwrap();
        self.asked_at.lock().unwrap().push(now);
        assert!(now >= self.panics_until, "a programme that was asked to panic");
        self.given += 1;
        NextItem::Item(Box::new(Item::file(self.items[(self.given - 1) % self.items.len()])))
    }
}

struct Station {
    director: Director,
    engine: Engine,
    now: Arc<Mutex<usize>>,
    asked_at: Arc<Mutex<Vec<usize>>>,
    heard: Vec<f32>,
    reports: Vec<Report>,
}

impl Station {
    fn new(items: Vec<&'static str>, nodes: Vec<NodeSpec>, panics_until: usize) -> Self {
        let latency = Chain::latency_of(&nodes, FORMAT).unwrap();
        let (control, engine) = start(&nodes, latency);
        let returns = [Return::Resume; Tier::COUNT];
        let config = DirectorConfig { format: FORMAT, latency, chain: nodes, returns };
        let (now, asked_at) = (Arc::<Mutex<usize>>::default(), Arc::<Mutex<Vec<usize>>>::default());
        let programme =
            Programme { items, given: 0, asked_at: asked_at.clone(), now: now.clone(), panics_until };
        let mut director = Director::new(config, control, Box::new(Inline::default()), Box::new(programme));
        let fallback = MemorySource::new(Arc::from(vec![[0.01_f32; 2]; 480]), true);
        let make = Box::new(move || Box::new(fallback.clone()) as Box<_>);
        director.load_fixture(Tier::Fallback, Item::file("fallback"), make);
        director.tick(0);
        Self { director, engine, now, asked_at, heard: Vec::new(), reports: Vec::new() }
    }

    /// Runs for so many blocks of 10 ms.
    fn run(&mut self, blocks: usize) {
        for _ in 0..blocks {
            *self.now.lock().unwrap() += 1;
            self.heard.extend(render(&mut self.engine, 1).iter().map(|frame| frame[0]));
            self.director.tick(self.engine.position());
            self.reports.extend(std::iter::from_fn(|| self.director.poll()));
        }
    }

    /// When a part failed, in hundredths of a second.
    fn faults(&self, wanted: Part) -> Vec<u64> {
        let fault = |report: &Report| match report.event {
            StationEvent::Fault { part, .. } => (part == wanted).then_some(report.frame / 480),
            _ => None,
        };
        self.reports.iter().filter_map(fault).collect()
    }
}

#[test]
fn a_chain_that_fails_again_and_again_is_built_anew_ever_more_rarely() {
    let mut station = Station::new(vec!["0.5:480000"], vec![quieter(), fault(0.5, "process")], 0);
    station.run(2_000);
    let faults = station.faults(Part::Chain);
    // Half a second of each, after pauses of 1, 2, 4 and 8 s, and a block or two until it is there.
    let gaps: Vec<u64> = faults.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(faults[0], 50);
    assert_eq!(gaps.len(), 4, "{gaps:?}");
    for (gap, meant) in gaps.iter().zip([150, 250, 450, 850]) {
        assert!((meant..meant + 4).contains(gap), "{gaps:?}");
    }
    assert!(station.heard[480..].iter().all(|sample| (0.24..0.52).contains(sample)), "never silent");
}

#[test]
fn a_chain_that_is_built_anew_has_the_values_that_were_set_since() {
    let nodes = vec![quieter(), fault(1.0, "process"), node("limiter", &[])];
    let mut station = Station::new(vec!["0.5:480000"], nodes, 0);
    let set = |node: &str, param: &str, value| {
        let value = ParamValue::Number(value);
        Request::SetParam { node: node.into(), param: param.into(), value }
    };
    station.director.request(Moment::Frame(4_800), set("gain", "gain_db", -12.0)).unwrap();
    station.run(90);
    let quieter = 0.5 * 10.0_f32.powf(-12.0 / 20.0);
    let is_heard = |station: &Station, seconds: std::ops::Range<f32>| {
        let frames = (seconds.start * 48_000.0) as usize..(seconds.end * 48_000.0) as usize;
        station.heard[frames].iter().all(|sample| (sample - quieter).abs() < 1e-4)
    };
    assert!(is_heard(&station, 0.5..0.9));
    // It fails after a second, is there again after another, and fails after a third.
    station.run(200);
    assert_eq!(station.faults(Part::Chain), [100]);
    assert!(is_heard(&station, 2.2..2.9), "the value was set while the chain before was on air");
    // One that it cannot be built with does not keep it off the air.
    station.director.request(Moment::Now, set("limiter", "lookahead_ms", 20.0)).unwrap();
    station.run(250);
    assert_eq!(station.faults(Part::Chain).len(), 2);
    let declared = 0.5 * 10.0_f32.powf(-6.0 / 20.0);
    let last = *station.heard.last().unwrap();
    assert!((last - declared).abs() < 1e-3, "{last}");
}

#[test]
fn an_engine_that_fails_goes_on_with_the_next_item_within_a_few_blocks() {
    let mut station = Station::new(vec!["0.5:480000", "0.3:480000"], vec![fault(1.0, "status")], 0);
    station.run(150);
    assert_eq!(station.faults(Part::Engine), [100]);
    assert!(station.heard[95 * 480..100 * 480].iter().all(|sample| *sample == 0.5));
    assert!(station.heard[105 * 480..].iter().all(|sample| *sample == 0.3), "the next item");
    let ended = |report: &&Report| matches!(report.event, StationEvent::ItemEnded { .. });
    assert_eq!(station.reports.iter().filter(ended).count(), 1, "the item that was on air is over");
    // It fails again a second after each renewal: at once the first time, then after 1 s, then after 2.
    station.run(850);
    let faults = station.faults(Part::Engine);
    let gaps: Vec<u64> = faults.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, meant) in gaps.iter().zip([100, 200, 300]) {
        assert!((meant..meant + 8).contains(gap), "{gaps:?}");
    }
    assert!(gaps.len() >= 3, "{gaps:?}");
}

#[test]
fn the_fallback_is_there_again_after_an_engine_failed() {
    // There is no programme until long after the engine has failed.
    let mut station = Station::new(vec!["0.5:9600"], vec![fault(1.0, "status")], 300);
    station.run(200);
    assert_eq!(station.faults(Part::Engine), [100]);
    assert!((station.heard[90 * 480] - 0.01).abs() < 1e-6, "the fallback");
    assert!((station.heard[110 * 480] - 0.01).abs() < 1e-6, "and again");
}

#[test]
fn a_programme_that_panics_is_asked_again_after_pauses_that_double() {
    let mut station = Station::new(vec!["0.5:480000"], Vec::new(), 400);
    station.run(800);
    // At 0, then 0.5, 1, 2 and 4 s later: the last of these is answered.
    let asked: Vec<usize> = station.asked_at.lock().unwrap().clone();
    assert_eq!(asked[..4], [0, 50, 150, 350]);
    assert!(asked[4] >= 750 && asked[4] <= 751, "{asked:?}");
    assert_eq!(station.faults(Part::Programme).len(), 4);
    assert_eq!(*station.heard.last().unwrap(), 0.5);
}

#[test]
fn an_item_whose_source_panics_is_told_of_and_the_next_plays() {
    let mut station = Station::new(vec!["panic:0.5:4800", "0.3:480000"], Vec::new(), 0);
    station.run(50);
    assert_eq!(station.faults(Part::Source), [11]);
    let told = |report: &Report| match &report.event {
        StationEvent::SourceFailed { item, skipped, .. } => Some((item.path.clone(), *skipped)),
        _ => None,
    };
    let told: Vec<_> = station.reports.iter().filter_map(told).collect();
    assert_eq!(told, [("panic:0.5:4800".to_owned(), false)]);
    assert!(station.heard[20 * 480..].iter().all(|sample| *sample == 0.3));
}

#[test]
fn what_was_to_be_loaded_later_is_told_of_when_it_is_heard_after_an_engine_failed() {
    let mut station = Station::new(vec!["0.5:4800000"], vec![fault(1.0, "status")], 0);
    let item = Item { id: "alarm".into(), ..Item::file("0.2:48000") };
    let request = Request::InsertEmergency { item };
    station.director.request(Moment::Frame(72_000), request).unwrap();
    station.run(160);
    assert_eq!(station.faults(Part::Engine), [100]);
    assert_eq!(station.heard[150 * 480 + 240], 0.2);
    let told = |report: &&Report| matches!(&report.event, StationEvent::NowPlaying { item, .. } if item.id == "alarm");
    let told: Vec<_> = station.reports.iter().filter(told).map(|report| report.frame).collect();
    assert_eq!(told, [72_000]);
}
