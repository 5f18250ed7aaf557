//! Ducking: how far and how fast the programme goes down under a speaker, and what a tier that is heard over the others
//! does to them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use airchain_core::chain::{Chain, NodeSpec, ParamValue};
use airchain_core::control::{Command, Ending, Event, EventKind, Failure, Ramp};
use airchain_core::curve::Curve;
use airchain_core::deck::ItemId;
use airchain_core::dsp::{Format, Node, find};
use airchain_core::item::Metadata;
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::rig::{self, BLOCK, RATE, Rig, constant, item, steepest};
use testkit::{measure, signal};

const LEFT: Stereo = [1.0, 0.0];
const RIGHT: Stereo = [0.0, 1.0];
const SECOND: usize = RATE as usize;

fn node(kind: &str, config: &[(&str, ParamValue)]) -> NodeSpec {
    let config: BTreeMap<_, _> =
        config.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    NodeSpec { node: kind.into(), config }
}

fn ducking(reduction_db: f64, attack_ms: f64, hold_ms: f64, release_ms: f64) -> NodeSpec {
    let number = ParamValue::Number;
    node(
        "ducking",
        &[
            ("reduction_db", number(reduction_db)),
            ("attack_ms", number(attack_ms)),
            ("hold_ms", number(hold_ms)),
            ("release_ms", number(release_ms)),
        ],
    )
}

/// Gain in dB that the node has at each frame while the side chain plays `key`.
fn gains_db(settings: &[(&str, f32)], key: &[Stereo]) -> Vec<f64> {
    let entry = find("ducking").unwrap();
    let mut node: Box<dyn Node> = (entry.make)();
    for (name, value) in settings {
        node.set(entry.info.param(name).unwrap(), *value);
    }
    node.prepare(Format { sample_rate_hz: RATE, max_block: BLOCK });
    let mut block = [[0.5, -0.5]; BLOCK];
    let mut gains = Vec::new();
    for key in key.chunks(BLOCK) {
        let block = &mut block[..key.len()];
        block.fill([0.5, -0.5]);
        node.process(block, Some(key));
        assert!(block.iter().all(|frame| frame[0] == -frame[1]));
        gains.extend(block.iter().map(|frame| measure::db(f64::from(frame[0]) / 0.5)));
    }
    gains
}

#[test]
fn the_depth_is_reached_and_left_in_the_set_times() {
    let (speech, from) = (2 * SECOND, SECOND / 2);
    for (reduction, attack, hold, release) in
        [(-12.0, 50.0, 300.0, 600.0), (-24.0, 10.0, 0.0, 200.0), (-6.0, 200.0, 1_000.0, 2_000.0)]
    {
        let settings =
            [("reduction_db", reduction), ("attack_ms", attack), ("hold_ms", hold), ("release_ms", release)];
        let voice = signal::sine(RATE, 300.0, -20.0, speech);
        let key = [signal::silence(from), voice, signal::silence(12 * SECOND)].concat();
        let gains = gains_db(&settings, &key);
        let ms = |frames: usize| frames as f64 * 1e3 / f64::from(RATE);
        let share = |part: f64| f64::from(reduction) * part;
        assert!(gains[..from].iter().all(|gain| *gain == 0.0));
        let depth = gains[from + speech - 1];
        assert!((depth - f64::from(reduction)).abs() < 0.5, "{depth:.2} dB, not {reduction}");
        let down = ms(gains[from..].iter().position(|gain| *gain <= share(0.632_12)).unwrap());
        assert!((down / f64::from(attack) - 1.0).abs() < 0.1, "attack of {attack} ms took {down:.1} ms");
        let end = from + speech;
        let held = gains[end..].iter().position(|gain| *gain > share(0.999)).unwrap();
        assert!(ms(held) >= f64::from(hold), "held for {:.1} ms, not {hold}", ms(held));
        let up = ms(gains[end..].iter().position(|gain| *gain >= share(1.0 - 0.632_12)).unwrap());
        let expected = f64::from(hold + release);
        assert!(
            (up - expected).abs() < 0.1 * f64::from(release) + 5.0,
            "back after {up:.1} ms, not {expected}"
        );
        assert!(*gains.last().unwrap() > -0.5);
        // The way is one way: no step back, and no corner that would be heard.
        let steps: Vec<f64> = gains.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps[..end].iter().all(|step| *step <= 0.0) && steps[end..].iter().all(|step| *step >= 0.0));
    }
}

#[test]
fn what_is_below_the_threshold_turns_nothing_down() {
    let breath = signal::noise(3, -52.0, 3 * SECOND);
    assert!(gains_db(&[("threshold_db", -40.0)], &breath).iter().all(|gain| *gain == 0.0));
    let gains = gains_db(&[("threshold_db", -60.0)], &breath);
    assert!((gains.last().unwrap() + 12.0).abs() < 0.5);
}

/// Pauses between words are shorter than the hold.
#[test]
fn the_music_does_not_come_up_between_words() {
    let word = signal::sine(RATE, 250.0, -18.0, SECOND / 3);
    let key = [word, signal::silence(SECOND / 3)].concat().repeat(9);
    let gains = gains_db(&[], &key);
    assert!(gains[SECOND..].iter().all(|gain| (*gain + 12.0).abs() < 0.5));
}

/// A rig with a bed in the left channel and a microphone, in the right, that speaks over it.
fn speaking(chain: &[NodeSpec]) -> Rig {
    let ladder = LadderConfig { returns: [Return::Resume; Tier::COUNT], ..rig::ladder() };
    let mut rig = Rig::with_chain(ladder, chain);
    rig.load(0, Tier::Automation, item(1, constant(LEFT, 300_000)));
    rig.load(48_000, Tier::LiveOverride, item(2, constant(RIGHT, 96_000)));
    rig
}

#[test]
fn a_speaker_is_heard_over_the_programme_that_goes_on_under_it() {
    for blocks in [&[BLOCK][..], &[1, 479, 37], &[480, 480, 111]] {
        let mut rig = speaking(&[ducking(-20.0, 10.0, 0.0, 50.0)]);
        rig.run(240_000, blocks);
        let (music, voice) = (rig.channel(0), rig.channel(1));
        assert!(music[..48_000].iter().all(|gain| *gain == 1.0));
        assert!(voice[..48_000].iter().chain(&voice[144_000..]).all(|gain| *gain == 0.0));
        assert!(voice[48_000..144_000].iter().all(|gain| *gain == 1.0));
        assert!(music[60_000..144_000].iter().all(|gain| (gain - 0.1).abs() < 1e-4));
        assert!(music[200_000..].iter().all(|gain| *gain > 0.999));
        assert!(steepest(&music[1..]) < 0.005);
        // The air never changed hands, and listeners were told of one item.
        assert_eq!(rig.on_air(), [(0, Some(Tier::Automation))]);
        assert_eq!(rig.told(), [(0, 1), (48_000, 2)]);
        assert_eq!(rig.ended(), [(144_000, (2, Ending::Finished, 96_000))]);
    }
}

#[test]
fn titles_stay_with_the_programme() {
    use airchain_core::bus::{Tap, TapId};
    use airchain_core::tap::tap;
    let mut rig = speaking(&[ducking(-20.0, 10.0, 0.0, 50.0)]);
    let (writer, mut reader) = tap(96_000);
    rig.send(0, Command::AddTap(Tap { id: TapId(1), writer }));
    rig.run(72_000, &[BLOCK]);
    let titles: Vec<_> =
        std::iter::from_fn(|| reader.next_mark()).map(|mark| mark.metadata.title.clone()).collect();
    assert_eq!(titles, [Some("item 1".into())]);
}

#[test]
fn an_emergency_silences_speaker_and_programme() {
    let mut rig = speaking(&[ducking(-20.0, 10.0, 0.0, 50.0)]);
    rig.load(72_000, Tier::Emergency, item(9, constant([0.25; 2], 24_000)));
    rig.run(144_000, &[BLOCK]);
    assert!(rig.out[72_240..96_000].iter().all(|frame| *frame == [0.25; 2]));
    let on_air =
        [(0, Some(Tier::Automation)), (72_000, Some(Tier::Emergency)), (96_000, Some(Tier::Automation))];
    assert_eq!(rig.on_air(), on_air);
}

#[test]
fn with_nothing_under_it_a_speaker_has_the_air() {
    let mut rig = Rig::with_chain(rig::ladder(), &[ducking(-20.0, 10.0, 0.0, 50.0)]);
    rig.load(0, Tier::LiveOverride, item(2, constant(RIGHT, 96_000)));
    rig.load(24_000, Tier::Automation, item(1, constant(LEFT, 48_000)));
    rig.run(144_000, &[BLOCK]);
    let over = [
        (0, Some(Tier::LiveOverride)),
        (24_000, Some(Tier::Automation)),
        (72_000, Some(Tier::LiveOverride)),
        (96_000, None),
    ];
    assert_eq!(rig.on_air(), over);
    assert!(rig.channel(1)[..96_000].iter().all(|gain| *gain == 1.0));
    assert_eq!(
        rig.ended(),
        [(72_000, (1, Ending::Finished, 48_000)), (96_000, (2, Ending::Finished, 96_000)),]
    );
}

/// The fallback stands in for silence: under a speaker there is none.
#[test]
fn a_speaker_needs_no_fallback_under_it() {
    let ladder = LadderConfig { returns: [Return::Resume; Tier::COUNT], ..rig::ladder() };
    let mut rig = Rig::with_chain(ladder, &[ducking(-20.0, 10.0, 0.0, 50.0)]);
    let looped = MemorySource::new(vec![LEFT; 4_800].into(), true);
    rig.load(0, Tier::Fallback, item(5, Box::new(looped)));
    rig.load(24_000, Tier::LiveOverride, item(2, constant(RIGHT, 96_000)));
    rig.load(48_000, Tier::Automation, item(1, constant(LEFT, 24_000)));
    rig.run(144_000, &[BLOCK]);
    let expected = [
        (0, Some(Tier::Fallback)),
        (24_000, Some(Tier::LiveOverride)),
        (48_000, Some(Tier::Automation)),
        (72_000, Some(Tier::LiveOverride)),
        (120_000, Some(Tier::Fallback)),
    ];
    assert_eq!(rig.on_air(), expected);
    assert!(rig.channel(0)[76_800..120_000].iter().all(|gain| *gain == 0.0), "the fallback is heard");
}

/// A speaker's titles are told as such, and are not the programme's.
#[test]
fn what_is_said_of_a_speaker_is_said_of_it_alone() {
    let mut rig = speaking(&[ducking(-20.0, 10.0, 0.0, 50.0)]);
    let metadata = Arc::new(Metadata { title: Some("weather".into()), ..Metadata::default() });
    rig.send(72_000, Command::Retitle { tier: Tier::LiveOverride, item: ItemId(2), metadata });
    rig.run(96_000, &[BLOCK]);
    let told: Vec<(Frames, bool)> = rig
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::NowPlaying { over, .. } => Some((event.frame, over)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(0, false), (48_000, true), (72_000, true)]);
}

/// Only another chain moves a voice to another place.
#[test]
fn a_node_keeps_the_tier_that_it_adds() {
    let mut rig = speaking(&[ducking(-20.0, 10.0, 0.0, 50.0)]);
    let id = rig.send(72_000, Command::SetParam { node: 0, param: 0, value: 1.0 });
    rig.run(96_000, &[BLOCK]);
    let refused = |event: &Event| matches!(event.kind, EventKind::CommandFailed(failed, Failure::SideChainFixed) if failed == id);
    assert!(rig.events.iter().any(refused));
}

/// The voice is added behind nodes that look ahead, exactly where the programme of its frames is.
#[test]
fn the_voice_is_as_late_as_the_programme() {
    let chain = [node("limiter", &[]), ducking(0.0, 10.0, 0.0, 50.0)];
    let latency = Chain::latency_of(&chain, Format { sample_rate_hz: RATE, max_block: BLOCK }).unwrap();
    assert!(latency > 0);
    let mut rig = Rig::with_chain_late(rig::ladder(), &chain, latency);
    rig.load(0, Tier::Automation, item(1, constant([0.5, 0.0], 300_000)));
    rig.load(48_000, Tier::LiveOverride, item(2, constant(RIGHT, 9_600)));
    rig.run(96_000, &[480, 7]);
    let voice = rig.channel(1);
    let heard = voice.iter().position(|gain| *gain > 0.5).unwrap();
    assert_eq!(heard, 48_000 + latency);
    assert_eq!(voice.iter().filter(|gain| **gain == 1.0).count(), 9_600);
}

/// A chain that ducks comes and goes while somebody speaks: the tier takes the air as tiers do, and gives it back.
#[test]
fn a_chain_that_ducks_is_put_on_and_taken_off_under_a_speaker() {
    let mut rig = speaking(&[]);
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    let set = |specs: &[NodeSpec]| Command::SetChain(Box::new(Chain::build(specs, format, 0).unwrap()));
    rig.send(72_000, set(&[ducking(-20.0, 10.0, 0.0, 50.0)]));
    rig.send(96_000, set(&[]));
    rig.run(192_000, &[BLOCK]);
    let (music, voice) = (rig.channel(0), rig.channel(1));
    let tiers: Vec<_> = rig.on_air();
    let expected = [
        (0, Some(Tier::Automation)),
        (48_000, Some(Tier::LiveOverride)),
        (72_000, Some(Tier::Automation)),
        (96_000, Some(Tier::LiveOverride)),
        (144_000, Some(Tier::Automation)),
    ];
    assert_eq!(tiers, expected);
    assert!(voice[48_240..144_000].iter().all(|gain| (*gain - 1.0).abs() < 1e-6), "the voice is interrupted");
    assert!(steepest(&voice[48_001..143_999]) < 0.01 && steepest(&music[1..]) < 0.01);
}

/// Each would add the tier.
#[test]
fn two_nodes_that_add_one_tier_are_refused() {
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    let both = |second: &str| {
        let word = ParamValue::Word(second.into());
        let chain = [node("ducking", &[]), node("ducking", &[("sidechain", word)])];
        Chain::build(&chain, format, 0).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(both("live_scheduled"), Ok(()));
    assert_eq!(
        both("live_override"),
        Err(concat!(
            r#"nodes[1].config.sidechain: "live_override": another node listens to it already; "#,
            "give another tier, or leave one out"
        )
        .into())
    );
}

/// Also the compressor and the gate may listen to a tier, which then takes the air as ever.
#[test]
fn a_compressor_listens_to_the_tier_it_is_told() {
    let listening = |tier: &str| {
        let config =
            [("sidechain", ParamValue::Word(tier.into())), ("threshold_db", ParamValue::Number(-20.0))];
        let mut rig = Rig::with_chain(rig::ladder(), &[node("compressor", &config)]);
        rig.load(0, Tier::Automation, item(1, Box::new(tone(-6.0, 5 * SECOND))));
        rig.run(96_000, &[BLOCK]);
        rig.channel(0).iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
    };
    let (alone, other) = (listening("automation"), listening("fallback"));
    assert!((measure::db(f64::from(other)) + 6.0).abs() < 0.01);
    let tail = listening("none");
    assert_eq!(alone, tail);
}

fn tone(level_db: f64, frames: usize) -> MemorySource {
    MemorySource::new(signal::sine(RATE, 997.0, level_db, frames).into(), false)
}

#[test]
fn a_side_chain_that_names_no_tier_is_refused() {
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    for name in ["ducking", "compressor", "gate"] {
        let spec = node(name, &[("sidechain", ParamValue::Word("studio 1".into()))]);
        let error = Chain::build(&[spec], format, 0).err().unwrap().to_string();
        assert!(
            error.starts_with(r#"nodes[0].config.sidechain: "studio 1""#) && error.contains("live_override"),
            "{error}"
        );
    }
}

/// Of several skips at one frame each finds another item, as on the tier that has the air.
#[test]
fn two_skips_of_a_speaker_pass_over_an_item() {
    let mut rig = speaking(&[ducking(-6.0, 10.0, 0.0, 50.0)]);
    for id in [3, 4] {
        rig.load(48_000, Tier::LiveOverride, item(id, constant(RIGHT, 48_000)));
    }
    for _ in 0..2 {
        rig.send(72_000, Command::Skip { tier: Some(Tier::LiveOverride), ramp: None, wait: false });
    }
    rig.run(96_000, &[BLOCK]);
    assert_eq!(rig.told().last(), Some(&(72_000, 4)));
}

/// A stop of the speaker fades it out over the programme, and a skip of what is on air skips the programme.
#[test]
fn skip_and_stop_keep_them_apart() {
    let mut rig = speaking(&[ducking(0.0, 10.0, 0.0, 50.0)]);
    rig.load(0, Tier::Automation, item(3, constant([0.5, 0.0], 300_000)));
    let ramp = Ramp { length: 2_400, curve: Curve::EqualPower };
    rig.send(72_000, Command::Skip { tier: None, ramp: Some(ramp), wait: false });
    rig.send(96_000, Command::Stop { tier: Tier::LiveOverride, ramp });
    rig.run(120_000, &[BLOCK]);
    assert_eq!(rig.told(), [(0, 1), (48_000, 2), (72_000, 3)]);
    let ended: Vec<(Frames, (u64, Ending, Frames))> = rig.ended();
    assert_eq!(ended[0], (74_400, (1, Ending::Skipped, 74_400)));
    assert_eq!(ended[1], (98_400, (2, Ending::Stopped, 50_400)));
}
