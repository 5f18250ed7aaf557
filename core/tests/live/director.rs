//! The director's part: requests and their answers, and what is told of a live source.

use airchain_core::chain::Chain;
use airchain_core::control::{Ending, Ramp};
use airchain_core::curve::Curve;
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::item::{Item, Metadata};
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::playout::live::{LiveConfig, LiveWriter};
use airchain_core::playout::{
    Director, DirectorConfig, Loaded, Loader, Moment, Playlist, Report, Request, StationEvent, Ticket,
};
use airchain_core::program::Joins;
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::signal;
use testkit::studio::Studio;

use crate::rig::{BED_HZ, BLOCK, RATE, SECOND, STUDIO_DB};

/// Nothing is opened here.
struct NoLoader;

impl Loader for NoLoader {
    fn open(&mut self, _: Ticket, _: &Item, _: Option<Ticket>, _: bool) {}

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        None
    }
}

struct Station {
    director: Director,
    engine: Engine,
    studio: Studio,
    writer: Option<LiveWriter>,
    reports: Vec<Report>,
}

impl Station {
    /// With a studio called `studio`, whose time-out is 2 s.
    fn new() -> Self {
        let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
        let ramp = |length| Ramp { length, curve: Curve::EqualPower };
        // A live source cannot be restarted, whatever the policy.
        let mut returns = [Return::Restart; Tier::COUNT];
        returns[Tier::Fallback.index()] = Return::Resume;
        let joins = Joins { crossfade: ramp(0), rate: RATE };
        let ladder = LadderConfig { joins, takeover: [ramp(4_800); Tier::COUNT], returns };
        let chain = Chain::build(&[], format, 0).unwrap();
        let (control, engine) = engine(&EngineConfig { max_block: BLOCK, ladder }, chain);
        let config = DirectorConfig { format, latency: 0, chain: Vec::new(), returns };
        let programme = Playlist::new(Vec::new(), Default::default(), false, 0);
        let mut director = Director::new(config, control, Box::new(NoLoader), Box::new(programme));
        let bed = |hz| -> Vec<Stereo> { signal::vector(RATE, hz, STUDIO_DB, 0, RATE as usize) };
        let source = Box::new(MemorySource::new(bed(BED_HZ).into(), true));
        director.load_source(Tier::Fallback, Item::file("bed"), source);
        let config = LiveConfig { live_timeout_s: 2.0, ..LiveConfig::default() };
        let writer = Some(director.live_source("studio", config).unwrap());
        let studio = Studio::new(RATE, 330.0, STUDIO_DB, BLOCK as Frames, 0);
        Self { director, engine, studio, writer, reports: Vec::new() }
    }

    fn run(&mut self, seconds: f64) {
        let mut block = [[0.0; 2]; BLOCK];
        for _ in 0..(seconds * 100.0).round() as usize {
            let position = self.engine.position();
            let arrived = self.studio.due(position);
            if let Some(writer) = &mut self.writer {
                writer.push(&arrived);
            }
            self.director.tick(position);
            self.reports.extend(std::iter::from_fn(|| self.director.poll()));
            self.engine.render(&mut block);
        }
    }

    /// Asks for something, and says how that went: the error, if any.
    fn ask(&mut self, moment: Moment, command: &str) -> Option<String> {
        let request: Request = serde_json::from_str(command).unwrap();
        let name = request.name();
        let before = self.reports.len();
        let _ = self.director.request(moment, request);
        self.run(0.05);
        let answer = |report: &Report| match &report.event {
            StationEvent::CommandDone { command, .. } if *command == name => Some(None),
            StationEvent::CommandFailed { command, error, .. } if *command == name => {
                Some(Some(error.clone()))
            }
            _ => None,
        };
        self.reports[before..].iter().find_map(answer).unwrap()
    }

    fn changes(&self) -> Vec<(Frames, Tier)> {
        let change = |report: &Report| match report.event {
            StationEvent::PriorityChanged { from: Some(_), to: Some(to), .. } => Some((report.frame, to)),
            _ => None,
        };
        self.reports.iter().filter_map(change).collect()
    }
}

const ROUTE: &str = r#"{"command": "route_live", "source": "studio"}"#;
const STOP: &str = r#"{"command": "stop", "tier": "live_override"}"#;

#[test]
fn a_source_is_routed_told_of_and_stopped_by_request() {
    let mut station = Station::new();
    station.run(1.0);
    let title = Metadata { title: Some("Late night".into()), ..Metadata::default() };
    station.writer.as_mut().unwrap().set_metadata(title.clone());
    station.run(1.0);
    let at = 3 * SECOND + 77;
    let scheduled = serde_json::from_str(ROUTE).unwrap();
    station.director.request(Moment::Frame(at), scheduled).unwrap();
    station.run(3.0);
    assert_eq!(station.changes(), [(at, Tier::LiveOverride)]);
    let told = station.reports.iter().find_map(|report| match &report.event {
        StationEvent::NowPlaying { tier: Tier::LiveOverride, item, started: true, .. } => {
            Some((report.frame, item.path.clone(), item.metadata.clone()))
        }
        _ => None,
    });
    assert_eq!(told, Some((at, "live:studio".to_owned(), title)));
    assert_eq!(station.ask(Moment::Now, STOP), None);
    station.run(5.0);
    assert_eq!(station.changes().len(), 2);
    let ended = station.reports.iter().find_map(|report| match &report.event {
        StationEvent::ItemEnded { tier: Tier::LiveOverride, ending, .. } => Some(*ending),
        _ => None,
    });
    assert_eq!(ended, Some(Ending::Stopped));
}

#[test]
fn what_cannot_be_routed_is_answered_by_the_field() {
    let mut station = Station::new();
    for (command, field) in [
        (r#"{"command": "route_live", "source": "attic"}"#, "source: "),
        (r#"{"command": "route_live", "source": "studio", "tier": "automation"}"#, "tier: "),
        (r#"{"command": "route_live", "source": "studio", "fade_in_s": -1}"#, "fade_in_s: "),
    ] {
        let error = station.ask(Moment::Now, command).unwrap();
        assert!(error.starts_with(field), "{error}");
    }
    let error = station.ask(Moment::Now, STOP).unwrap();
    assert_eq!(error, "nothing is playing there");
}

#[test]
fn a_source_that_is_away_can_be_stopped_and_one_that_stays_away_is_given_up() {
    let mut station = Station::new();
    assert_eq!(station.ask(Moment::Now, ROUTE), None);
    station.run(2.0);
    station.studio.set_online(false);
    station.run(1.0);
    assert_eq!(station.changes().len(), 2);
    assert!(!station.director.is_finished());
    // Nothing plays there, but a source is routed there.
    assert_eq!(station.ask(Moment::Now, STOP), None);
    station.studio.set_online(true);
    station.run(3.0);
    assert_eq!(station.changes().len(), 2);
    assert_eq!(station.ask(Moment::Now, ROUTE), None);
    station.run(1.0);
    station.studio.set_online(false);
    station.run(4.0);
    let failures: Vec<bool> = station
        .reports
        .iter()
        .filter_map(|report| match &report.event {
            StationEvent::SourceFailed { skipped, .. } => Some(*skipped),
            _ => None,
        })
        .collect();
    assert_eq!(failures, [false, false, true]);
    assert!(station.director.is_finished());
}

#[test]
fn it_comes_back_by_itself_after_an_emergency_whatever_the_policy() {
    let mut station = Station::new();
    assert_eq!(station.ask(Moment::Now, ROUTE), None);
    station.run(2.0);
    let alert = signal::vector(RATE, 500.0, STUDIO_DB, 0, RATE as usize);
    let source = Box::new(MemorySource::new(alert.into(), false));
    station.director.load_source(Tier::Emergency, Item::file("alert"), source);
    station.run(3.0);
    let [.., (begun, Tier::Emergency), (end, Tier::LiveOverride)] = station.changes()[..] else {
        panic!("{:?}", station.changes())
    };
    assert_eq!(end, begun + SECOND);
}
