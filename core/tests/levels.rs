//! Items of known loudness are at the target from their first frame, and the rest comes to it.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use airchain_core::chain::{Chain, NodeSpec, ParamValue};
use airchain_core::control::{Command, Ramp};
use airchain_core::curve::Curve;
use airchain_core::deck::{ItemId, Prepared};
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::item::Item;
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::level::Loudness;
use airchain_core::playout::playlist::Order;
use airchain_core::playout::{
    Director, DirectorConfig, Loaded, Loader, Moment, Playlist, Request, StationEvent, Ticket,
};
use airchain_core::program::Joins;
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::rig::{BLOCK, RATE, Rig, item, ladder};
use testkit::{measure, signal};

const SECOND: usize = RATE as usize;

fn normalizer(config: &[(&str, f64)]) -> NodeSpec {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), ParamValue::Number(*value)));
    NodeSpec { node: "loudness_normalize".into(), config: config.collect() }
}

/// A tone of 1 kHz, which in both channels is as loud as its level (EBU Tech 3341, case 1).
fn tone(level_db: f64, seconds: usize) -> Vec<Stereo> {
    signal::sine(RATE, 1_000.0, level_db, seconds * SECOND)
}

/// Level of the tone in a stretch that begins at second `at`.
fn level_db(audio: &[Stereo], at: f64, seconds: f64) -> f64 {
    let from = (at * f64::from(RATE)) as usize;
    let stretch = &audio[from..from + (seconds * f64::from(RATE)) as usize];
    measure::tone(&measure::channel(stretch, 0), RATE, 1_000.0).level_db()
}

fn assert_level(audio: &[Stereo], at: f64, seconds: f64, expected: f64, within: f64) {
    let level = level_db(audio, at, seconds);
    assert!((level - expected).abs() < within, "{level:.2} dB at {at} s, not {expected}");
}

/// The latency of the chain, for rigs that build it to none.
fn latency(chain: &[NodeSpec]) -> usize {
    Chain::latency_of(chain, Format { sample_rate_hz: RATE, max_block: BLOCK }).unwrap()
}

fn levelled(id: u64, audio: Vec<Stereo>, gain: f32, lufs: Option<f32>) -> Box<Prepared> {
    let source = Box::new(MemorySource::new(audio.into(), false));
    Box::new(Prepared { gain, levelled_lufs: lufs, ..*item(id, source) })
}

/// Renders items that follow one another on the automation, in blocks as given.
fn render(items: &[(Vec<Stereo>, f32, Option<f32>)], crossfade: Frames, blocks: &[usize]) -> Vec<Stereo> {
    render_through(&[normalizer(&[])], items, crossfade, blocks)
}

fn render_through(
    chain: &[NodeSpec],
    items: &[(Vec<Stereo>, f32, Option<f32>)],
    crossfade: Frames,
    blocks: &[usize],
) -> Vec<Stereo> {
    let joins = Joins { crossfade: Ramp { length: crossfade, curve: Curve::EqualPower }, rate: RATE };
    let mut rig = Rig::late(LadderConfig { joins, ..ladder() }, chain);
    for (id, (audio, gain, lufs)) in (1..).zip(items) {
        rig.load(0, Tier::Automation, levelled(id, audio.clone(), *gain, *lufs));
    }
    let frames: usize = items.iter().map(|(audio, ..)| audio.len()).sum();
    rig.run((frames + SECOND) as Frames, blocks);
    rig.out.split_off(latency(chain))
}

#[test]
fn an_item_of_known_loudness_is_left_alone_from_its_first_frame() {
    // Unknown and quiet, then known: 10 s of it 20 dB below the rest.
    let quiet = tone(-30.0, 20);
    let mut known = tone(-46.0, 10);
    known.extend(tone(-26.0, 10));
    let out = render(&[(quiet, 1.0, None), (known, 10.0_f32.powf(0.5), Some(-16.0))], 0, &[BLOCK]);
    assert_level(&out, 18.0, 1.5, -18.0, 0.2);
    // 50 ms into it the gain for the one before is gone.
    assert_level(&out, 20.06, 0.34, -36.0, 0.05);
    assert_level(&out, 28.0, 1.9, -36.0, 0.01);
    assert_level(&out, 30.1, 9.8, -16.0, 0.01);
}

#[test]
fn in_a_crossfade_the_gain_goes_with_the_items() {
    let out = render(
        &[(tone(-30.0, 20), 1.0, None), (signal::silence(SECOND * 4), 1.0, Some(-16.0))],
        2 * RATE as Frames,
        &[BLOCK],
    );
    // The first falls from 18 s on, and its gain of 12 dB with it, without a step.
    let envelope: Vec<f64> = (1750..2000).map(|n| level_db(&out, f64::from(n) / 100.0, 0.02)).collect();
    assert!((envelope[0] + 18.0).abs() < 0.2, "{}", envelope[0]);
    let steps = envelope.windows(2).take(220).map(|pair| (pair[1] - pair[0]).abs());
    assert!(steps.fold(0.0, f64::max) < 1.0);
    assert!(envelope.windows(2).skip(55).take(150).all(|pair| pair[1] < pair[0]));
}

#[test]
fn an_unknown_item_after_another_is_measured_afresh() {
    // A quiet one is turned up by 12 dB. A loud one after it starts with no more than 3, and is down within a second.
    let out = render(&[(tone(-30.0, 30), 1.0, None), (tone(-8.0, 20), 1.0, None)], 0, &[BLOCK]);
    assert_level(&out, 28.0, 1.9, -18.0, 0.1);
    let first = level_db(&out, 30.06, 0.3);
    assert!(first < -4.0, "{first:.1} dB");
    assert_level(&out, 31.5, 0.5, -16.0, 1.0);
    assert_level(&out, 48.0, 1.9, -16.0, 0.15);
}

#[test]
fn any_blocks_give_the_same_bits() {
    let items = [
        (signal::speech(RATE, -6.0, 1, 3 * SECOND + 17), 1.0, None),
        (signal::speech(RATE, -20.0, 2, 2 * SECOND + 211), 2.0, Some(-16.0)),
        (signal::noise(3, -6.0, SECOND + 5), 0.5, None),
    ];
    let squash = NodeSpec { node: "compressor".into(), ..normalizer(&[("threshold_db", -30.0)]) };
    for chain in [vec![normalizer(&[])], vec![normalizer(&[]), squash.clone()], vec![squash, normalizer(&[])]]
    {
        let whole = render_through(&chain, &items, 4_801, &[BLOCK]);
        for blocks in [&[1, 479, 37][..], &[113][..], &[BLOCK, 3][..]] {
            assert!(render_through(&chain, &items, 4_801, blocks) == whole, "blocks of {blocks:?}");
        }
    }
}

#[test]
fn a_live_voice_is_levelled_by_ear_and_the_item_after_it_by_its_gain() {
    let mut ladder = ladder();
    ladder.returns[Tier::Automation.index()] = Return::Resume;
    let chain = [normalizer(&[])];
    let mut rig = Rig::late(ladder, &chain);
    rig.load(0, Tier::Automation, levelled(1, tone(-10.0, 60), 0.5, Some(-16.0)));
    rig.load(10 * RATE as Frames, Tier::LiveOverride, levelled(2, tone(-24.0, 15), 1.0, None));
    rig.run(40 * RATE as Frames, &[BLOCK]);
    let out = rig.out.split_off(latency(&chain));
    assert_level(&out, 9.0, 0.9, -16.02, 0.01);
    assert_level(&out, 18.0, 0.5, -16.0, 0.5);
    assert_level(&out, 24.0, 0.9, -16.0, 0.2);
    assert_level(&out, 25.1, 0.3, -16.02, 0.05);
    assert_level(&out, 38.0, 0.9, -16.02, 0.01);
}

/// How loud a noise and speech leave `chain`, which come in at -16 LUFS and are not the first to do so.
fn held(chain: &[NodeSpec], levelled_lufs: Option<f32>) -> [f64; 2] {
    let items = [signal::noise(1, -16.0, 20 * SECOND), signal::speech(RATE, -6.0, 2, 20 * SECOND)];
    let items = [items.clone(), items].concat();
    let mut rig = Rig::late(ladder(), chain);
    for (id, audio) in (1..).zip(items.clone()) {
        let gain = 10.0_f64.powf((-16.0 - lufs(&audio)) / 20.0) as f32;
        rig.load(0, Tier::Automation, levelled(id, audio, gain, levelled_lufs));
    }
    rig.run(80 * RATE as Frames, &[BLOCK]);
    [(40, 60), (60, 80)].map(|(from, to)| lufs(&rig.out[from * SECOND..to * SECOND]))
}

fn lufs(audio: &[Stereo]) -> f64 {
    let mut meter = ebur128::EbuR128::new(2, RATE, ebur128::Mode::I).unwrap();
    meter.add_frames_f32(audio.as_flattened()).unwrap();
    meter.loudness_global().unwrap()
}

#[test]
fn what_a_chain_does_to_the_loudness_is_made_up_for() {
    let number = |node: &str, config: &[(&str, f64)]| NodeSpec { node: node.into(), ..normalizer(config) };
    let squash = || number("compressor", &[("threshold_db", -30.0), ("ratio", 4.0)]);
    let bass = || number("equalizer", &[("low_gain_db", 9.0), ("high_gain_db", 6.0)]);
    let (normalize, limiter) = (|| normalizer(&[]), || number("limiter", &[]));
    let chains = [
        vec![normalize(), squash(), bass(), limiter()],
        vec![squash(), bass(), normalize(), limiter()],
        vec![squash(), bass(), normalize()],
    ];
    for (chain, levelled) in chains.iter().flat_map(|chain| [(chain, Some(-16.0)), (chain, None)]) {
        let within = if levelled.is_some() { 0.4 } else { 1.5 };
        for loudness in held(chain, levelled) {
            assert!(
                (loudness + 16.0).abs() < within,
                "{loudness:.2} LUFS, {levelled:?}, {:?}",
                chain[0].node
            );
        }
    }
    // A gain is meant, and a chain of nothing but that has nothing to make up for.
    for chain in [
        vec![normalize(), squash(), number("gain", &[("gain_db", -6.0)]), limiter()],
        vec![normalize(), number("gain", &[("gain_db", -6.0)]), limiter()],
    ] {
        let [noise, _] = held(&chain, Some(-16.0));
        assert!((noise + 22.0).abs() < 0.3, "{noise:.2} LUFS");
    }
}

/// Opens `LEVEL:SECONDS:KNOWN`: a tone whose loudness is known when it is opened (`yes`), later (`late`) or never.
#[derive(Default)]
struct Tones {
    opened: VecDeque<(Ticket, Result<Loaded, String>)>,
    found: VecDeque<(Ticket, Loudness)>,
}

impl Loader for Tones {
    fn open(&mut self, ticket: Ticket, item: &Item, _: Option<Ticket>, _: bool) {
        let [level, seconds, known] = item.path.split(':').collect::<Vec<_>>()[..] else { panic!() };
        let level: f64 = level.parse().unwrap();
        let audio = tone(level, seconds.parse().unwrap());
        let loudness = Loudness { integrated_lufs: level, true_peak_dbtp: Some(level), mono: false };
        if known == "late" {
            self.found.push_back((ticket, loudness));
        }
        let length = Some(audio.len() as Frames);
        let source = Box::new(MemorySource::new(audio.into(), false));
        let loudness = item.loudness(false).or((known == "yes").then_some(loudness));
        self.opened
            .push_back((ticket, Ok(Loaded { source, metadata: Default::default(), length, loudness })));
    }

    fn poll(&mut self) -> Option<(Ticket, Result<Loaded, String>)> {
        self.opened.pop_front()
    }

    fn poll_loudness(&mut self) -> Option<(Ticket, Loudness)> {
        self.found.pop_front()
    }
}

struct Station {
    director: Director,
    engine: Engine,
    /// The item of every `now_playing`.
    told: Vec<Item>,
    log: Vec<(Frames, Request)>,
}

impl Station {
    fn new(items: Vec<Item>, chain: Vec<NodeSpec>) -> Self {
        let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
        let latency = Chain::latency_of(&chain, format).unwrap().max(480);
        let built = Chain::build(&chain, format, latency).unwrap();
        let (control, engine) = engine(&EngineConfig { max_block: BLOCK, ladder: ladder() }, built);
        let config = DirectorConfig { format, latency, chain, returns: ladder().returns };
        let playlist = Playlist::new(items, Order::Sequential, false, 0);
        let director = Director::new(config, control, Box::new(Tones::default()), Box::new(playlist));
        Self { director, engine, told: Vec::new(), log: Vec::new() }
    }

    fn run(&mut self, seconds: usize) -> Vec<Stereo> {
        let mut out = vec![[0.0; 2]; seconds * SECOND];
        for block in out.chunks_mut(BLOCK) {
            self.director.tick(self.engine.position());
            self.engine.render(block);
        }
        self.director.tick(self.engine.position());
        while let Some(report) = self.director.poll() {
            if let StationEvent::NowPlaying { item, .. } = report.event {
                self.told.push(item);
            }
        }
        self.log.extend(std::iter::from_fn(|| self.director.poll_log()));
        out
    }
}

#[test]
fn the_director_sets_the_gain_by_what_is_known_and_says_so() {
    let said = Item { loudness_lufs: Some(-20.0), true_peak_dbtp: Some(-20.0), ..Item::file("-20:5:no") };
    let quieter = Item { gain_db: Some(-6.0), ..Item::file("-8:5:late") };
    let items = vec![Item::file("-28:5:yes"), said, quieter];
    let mut station = Station::new(items.clone(), vec![normalizer(&[])]);
    station.director.keep_log();
    let out = station.run(15);
    for (at, level) in [(0.1, -16.0), (3.0, -16.0), (5.1, -16.0), (9.0, -16.0), (10.1, -22.0), (13.0, -22.0)]
    {
        assert_level(&out, at, 0.4, level, 0.05);
    }
    let known: Vec<Option<f64>> = station.told.iter().map(|item| item.loudness_lufs).collect();
    assert_eq!(known, [Some(-28.0), Some(-20.0), Some(-8.0)]);

    // The log gives the same bits, though now nobody finds out how loud anything is.
    let log = std::mem::take(&mut station.log);
    assert!(log.iter().any(|(_, request)| matches!(request, Request::Level { .. })), "{log:?}");
    let mut replayed = Station::new(Vec::new(), vec![normalizer(&[])]);
    for (frame, request) in log {
        replayed.director.request(Moment::Frame(frame), request).unwrap();
    }
    assert!(replayed.run(15) == out);
}

#[test]
fn without_a_normaliser_nothing_is_levelled() {
    let mut station = Station::new(vec![Item::file("-28:5:yes")], Vec::new());
    assert_level(&station.run(5), 1.0, 1.0, -28.0, 0.01);
}

#[test]
fn another_target_holds_for_what_is_on_air_and_for_what_waits() {
    let items = vec![Item::file("-20:20:yes"), Item::file("-24:20:yes")];
    let mut station = Station::new(items, vec![normalizer(&[])]);
    let ask = |station: &mut Station, second: u64, request| {
        station.director.request(Moment::Frame(second * RATE as Frames), request).unwrap();
    };
    let (node, param) = ("loudness_normalize".to_owned(), "target_lufs".to_owned());
    ask(&mut station, 5, Request::SetParam { node, param, value: ParamValue::Number(-18.0) });
    ask(&mut station, 10, Request::SetChain { nodes: vec![normalizer(&[("target", -23.0)])] });
    let out = station.run(40);
    for (at, level) in [(1.0, -16.0), (6.0, -18.0), (9.5, -18.0), (10.2, -23.0), (19.5, -23.0), (20.1, -23.0)]
    {
        assert_level(&out, at, 0.4, level, 0.05);
    }
    assert_level(&out, 30.0, 5.0, -23.0, 0.01);
}

#[test]
fn a_waiting_item_takes_another_gain_and_one_on_air_does_not() {
    let mut rig = Rig::new(ladder());
    for id in [1, 2] {
        rig.load(0, Tier::Automation, levelled(id, tone(-20.0, 2), 1.0, None));
    }
    rig.run(480, &[BLOCK]);
    for item in [1, 2].map(ItemId) {
        rig.send(960, Command::Level { tier: Tier::Automation, item, gain: 0.5, levelled_lufs: Some(-16.0) });
    }
    rig.run(4 * RATE as Frames, &[BLOCK]);
    assert_level(&rig.out, 1.0, 0.5, -20.0, 0.01);
    assert_level(&rig.out, 2.1, 0.5, -26.02, 0.01);
}
