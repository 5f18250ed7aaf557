//! Any text as a script of commands, and what a station makes of it.

use std::collections::VecDeque;

use airchain::core::chain::Chain;
use airchain::core::control::Ramp;
use airchain::core::curve::Curve;
use airchain::core::dsp::Format;
use airchain::core::engine::{EngineConfig, engine};
use airchain::core::item::{Item, Metadata};
use airchain::core::ladder::{LadderConfig, Return};
use airchain::core::playout::{
    Director, DirectorConfig, Loaded, Loader, Moment, Playlist, Report, Request, StationEvent, Ticket,
};
use airchain::core::program::Joins;
use airchain::core::source::MemorySource;
use airchain::core::tier::Tier;
use airchain::core::{Frames, Stereo};
use airchain::script::{self, Line};
use testkit::alloc::assert_no_alloc;

use crate::{Seed, one_line};

const RATE: u32 = 8_000;
const BLOCK: usize = 80;
/// Frames of a run: 5 s.
const END: Frames = 40_000;
const LATENCY: usize = 400;

pub(crate) fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match script::parse(&text, RATE) {
        Ok(commands) => {
            commands.iter().for_each(written_again);
            plays(&commands);
        }
        Err(error) => {
            assert!((1..=text.lines().count()).contains(&error.line), "{error}");
            assert!(one_line(&error.to_string()), "not one line: {error:?}");
        }
    }
}

/// A command log has what was asked as it was asked.
fn written_again((moment, request): &(Moment, Request)) {
    let Moment::Frame(frame) = *moment else { return };
    let line = serde_json::to_string(&Line { frame, request: request.clone() });
    let line = line.unwrap_or_else(|error| panic!("{request:?} cannot be written: {error}"));
    let again = script::parse(&line, RATE).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(again, [(*moment, request.clone())], "{line}");
}

/// Has the commands carried out in blocks of two kinds: finite, without the allocator, the same.
fn plays(commands: &[(Moment, Request)]) {
    let (reference, reports) = play(commands, &[BLOCK]);
    let (other, others) = play(commands, &[33, 7, 40]);
    let differs = reference.iter().zip(&other).position(|(one, other)| one != other);
    assert_eq!(differs, None, "audio in other blocks");
    let said = |reports: &[Report]| reports.iter().map(|report| format!("{report:?}")).collect::<Vec<_>>();
    assert_eq!(said(&reports), said(&others), "reports in other blocks");
    let odd = reference.iter().position(|frame| frame.iter().any(|sample| !sample.is_finite()));
    assert_eq!(odd, None, "not a number");
    let mut answers: Vec<_> = reports
        .iter()
        .filter_map(|report| match &report.event {
            StationEvent::CommandDone { request, .. } | StationEvent::CommandFailed { request, .. } => {
                Some(*request)
            }
            _ => None,
        })
        .collect();
    let count = answers.len();
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), count, "a request is answered twice");
}

fn play(commands: &[(Moment, Request)], blocks: &[usize]) -> (Vec<Stereo>, Vec<Report>) {
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    let ramp = |length| Ramp { length, curve: Curve::EqualPower };
    let returns = [Return::Resume; Tier::COUNT];
    let ladder = LadderConfig {
        joins: Joins { crossfade: ramp(800), rate: RATE },
        takeover: [ramp(40); Tier::COUNT],
        returns,
    };
    let chain = Chain::build(&[], format, LATENCY).unwrap_or_else(|error| panic!("no chain: {error}"));
    let (control, mut engine) = engine(&EngineConfig { max_block: BLOCK, ladder }, chain);
    let config = DirectorConfig { format, latency: LATENCY, chain: Vec::new(), returns };
    let items = ["one", "another", "a third"].map(Item::file).to_vec();
    let programme = Playlist::new(items, Default::default(), true, 0);
    let mut director = Director::new(config, control, Box::<Opener>::default(), Box::new(programme));
    director.load_source(
        Tier::Fallback,
        Item::file("fallback"),
        Box::new(MemorySource::new(vec![[0.01; 2]; 80].into(), true)),
    );
    for (moment, request) in commands {
        let _ = director.request(*moment, request.clone());
    }
    director.tick(0);
    let (mut out, mut reports) = (vec![[0.0; 2]; END as usize], Vec::new());
    for block in out.chunks_mut(BLOCK) {
        let mut rest = block;
        for size in blocks.iter().cycle() {
            let (now, later) = rest.split_at_mut((*size).min(rest.len()));
            assert_no_alloc(|| engine.render(now));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        director.tick(engine.position());
        while let Some(order) = director.poll_order() {
            director.answer(order.answer, Err("there are no outputs here".into()));
        }
        reports.extend(std::iter::from_fn(|| director.poll()));
    }
    (out, reports)
}

/// Opens every item at once, but for those whose names begin with an x. How long and loud it is follows from its name.
#[derive(Default)]
struct Opener(VecDeque<(Ticket, Result<Loaded, String>)>);

impl Loader for Opener {
    fn open(&mut self, ticket: Ticket, item: &Item, _: Option<Ticket>, _: bool) {
        let sum = item.path.bytes().fold(7_usize, |sum, byte| (31 * sum + usize::from(byte)) % 9_973);
        let (length, level) = (sum * 2, sum as f32 / 9_973.0);
        let rate = f64::from(RATE);
        let from = ((item.cue_in_s.unwrap_or(0.0) * rate) as usize).min(length);
        let to = item.cue_out_s.map_or(length, |cue| (cue * rate) as usize).clamp(from, length);
        let audio = vec![[level, -level]; to - from];
        let result = if item.path.starts_with('x') {
            Err("no such file".into())
        } else {
            let length = Some(audio.len() as Frames);
            let source = Box::new(MemorySource::new(audio.into(), false));
            Ok(Loaded { source, metadata: Metadata::default(), length, loudness: None })
        };
        self.0.push_back((ticket, result));
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        self.0.pop_front()
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let seed =
        |name: &str, lines: &[&str]| Seed { name: format!("{name}.jsonl"), bytes: lines.join("\n").into() };
    vec![
        seed(
            "items",
            &[
                r#"{"at": 0.5, "command": "play", "item": {"path": "a", "cue_in_s": 0.1, "fade_out_s": 0.2, "metadata": {"title": "ü"}}}"#,
                r#"{"at": 1, "command": "insert_emergency", "item": {"path": "b", "gain_db": -3}}"#,
                r#"{"frame": 9000, "command": "play", "tier": "live_override", "item": {"path": "xc", "start_next_s": 0.3}}"#,
                r#"{"utc": "1970-01-01T00:00:02Z", "command": "stop", "tier": "live_override", "fade_s": 0.25, "curve": "linear"}"#,
            ],
        ),
        seed(
            "queue",
            &[
                r#"{"at": 0, "command": "queue", "item": {"id": "q", "path": "d"}}"#,
                r#"{"at": 0, "command": "queue", "op": "insert", "index": 0, "item": {"path": "e"}}"#,
                r#"{"at": 0.2, "command": "queue", "op": "move", "id": "q", "index": 0}"#,
                r#"{"at": 0.3, "command": "queue", "op": "list"}"#,
                r#"{"at": 0.4, "command": "skip", "fade_s": 0.5, "wait": true}"#,
                r#"{"at": 0.6, "command": "queue", "op": "remove", "id": "q"}"#,
                r#"{"at": 0.7, "command": "queue", "op": "clear"}"#,
            ],
        ),
        seed(
            "sound",
            &[
                r#"{"at": 0.1, "command": "fade", "gain_db": -60, "duration_s": 0.3}"#,
                r#"{"at": 2.2, "command": "set_chain", "nodes": [{"type": "limiter", "config": {"threshold_db": -1}}, {"type": "gain"}]}"#,
                r#"{"at": 2.6, "command": "set_param", "node": "gain", "param": "gain_db", "value": -6}"#,
                r#"{"at": 3, "command": "set_chain", "preset": "speech"}"#,
                r#"{"at": 3.1, "command": "set_metadata", "metadata": {"title": "T", "artist": "A"}}"#,
                r#"{"at": 3.2, "command": "fade", "tier": "automation", "gain_db": 0}"#,
            ],
        ),
        seed(
            "replay",
            &[
                r#"{"frame": 0, "command": "replay"}"#,
                r#"{"frame": 0, "command": "load", "tier": "automation", "item": {"id": "1", "path": "f"}}"#,
                r#"{"frame": 800, "command": "load", "tier": "automation", "item": {"id": "2", "path": "g"}, "place": {"now": {"fade_s": 0.1}}}"#,
                r#"{"frame": 900, "command": "level", "tier": "automation", "id": "2", "gain_db": -2.5, "levelled_lufs": -16}"#,
                r#"{"frame": 1000, "command": "move", "tier": "automation", "id": "2", "place": {"before": "1"}}"#,
                r#"{"frame": 1100, "command": "unload", "tier": "automation", "id": "2"}"#,
            ],
        ),
        seed(
            "host",
            &[
                r#"{"at": 1, "command": "route_live", "source": "studio", "fade_in_s": 0.1}"#,
                r#"{"at": 1, "command": "add_output", "output": {"id": "o", "type": "wav", "path": "p"}}"#,
                r#"{"at": 1.5, "command": "change_output", "id": "o", "output": {"sample_format": "f32", "path": null}}"#,
                r#"{"at": 1.8, "command": "rename_output", "id": "o", "new_id": "p", "name": "P"}"#,
                r#"{"at": 2, "command": "remove_output", "id": "p"}"#,
            ],
        ),
    ]
}
