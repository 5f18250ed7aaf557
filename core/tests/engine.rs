//! The engine heard from outside: boundaries to the frame, fades, the ladder, and the same bits in any partition.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use airchain_core::bus::{Tap, TapId};
use airchain_core::chain::{Chain, NodeSpec, ParamValue};
use airchain_core::control::{Command, Control, Ending, Event, EventKind, Place, Ramp, When};
use airchain_core::curve::Curve;
use airchain_core::deck::{ItemId, Prepared};
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::feed::feed;
use airchain_core::item::Metadata;
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::program::Joins;
use airchain_core::source::MemorySource;
use airchain_core::tap::{TapReader, tap};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::rig;

const RATE: u32 = 48_000;
const BLOCK: usize = 480;

fn config(crossfade: Frames) -> EngineConfig {
    let ramp = |length, curve| Ramp { length, curve };
    let mut takeover = [ramp(4800, Curve::EqualPower); Tier::COUNT];
    takeover[0] = ramp(240, Curve::SCurve);
    EngineConfig {
        max_block: BLOCK,
        ladder: LadderConfig {
            joins: Joins { crossfade: ramp(crossfade, Curve::EqualPower), rate: RATE },
            takeover,
            returns: [Return::Next; Tier::COUNT],
        },
    }
}

fn chain(specs: &[NodeSpec], latency: usize) -> Chain {
    Chain::build(specs, Format { sample_rate_hz: RATE, max_block: BLOCK }, latency).unwrap()
}

fn start(crossfade: Frames) -> (Control, Engine) {
    engine(&config(crossfade), chain(&[], 0))
}

/// An item whose every frame is `level`, all of it in the ring.
fn item(id: u64, level: f32, length: usize) -> Box<Prepared> {
    let (mut writer, reader) = feed(length);
    writer.push(&vec![[level, -level]; length]);
    writer.close();
    rig::item(id, Box::new(reader))
}

fn load(control: &mut Control, tier: Tier, item: Box<Prepared>) {
    assert!(control.send(When::Now, Command::Load { tier, item, place: Place::Back }).is_ok());
}

fn render(engine: &mut Engine, frames: usize) -> Vec<Stereo> {
    render_in(engine, frames, &[BLOCK])
}

fn render_in(engine: &mut Engine, frames: usize, blocks: &[usize]) -> Vec<Stereo> {
    let mut out = vec![[0.0; 2]; frames];
    let mut done = 0;
    for block in blocks.iter().cycle() {
        let end = (done + block).min(frames);
        engine.render(&mut out[done..end]);
        done = end;
        if done == frames {
            break;
        }
    }
    out
}

fn events(control: &mut Control) -> Vec<Event> {
    std::iter::from_fn(|| control.poll()).collect()
}

fn starts(events: &[Event]) -> Vec<(Frames, u64)> {
    let start = |event: &Event| match &event.kind {
        EventKind::NowPlaying { item, started: true, .. } => Some((event.frame, item.0)),
        _ => None,
    };
    events.iter().filter_map(start).collect()
}

fn endings(events: &[Event]) -> Vec<(Frames, u64, Ending)> {
    let ending = |event: &Event| match &event.kind {
        EventKind::ItemEnded { item, ending, .. } => Some((event.frame, item.0, *ending)),
        _ => None,
    };
    events.iter().filter_map(ending).collect()
}

#[test]
fn items_follow_each_other_without_a_frame_between() {
    let (mut control, mut engine) = start(0);
    for (id, level) in [(1, 0.1), (2, 0.2), (3, 0.3)] {
        load(&mut control, Tier::Automation, item(id, level, 1001));
    }
    let out = render(&mut engine, 4000);
    let heard: Vec<f32> = out.iter().map(|frame| frame[0]).collect();
    assert!(heard[..1001].iter().all(|s| *s == 0.1));
    assert!(heard[1001..2002].iter().all(|s| *s == 0.2));
    assert!(heard[2002..3003].iter().all(|s| *s == 0.3));
    assert!(heard[3003..].iter().all(|s| *s == 0.0));
    let events = events(&mut control);
    assert_eq!(starts(&events), [(0, 1), (1001, 2), (2002, 3)]);
    assert_eq!(endings(&events).iter().map(|e| e.0).collect::<Vec<_>>(), [1001, 2002, 3003]);
}

#[test]
fn a_dozen_items_of_a_few_frames_fit_into_a_block() {
    let (mut control, mut engine) = start(0);
    for id in 1..=8 {
        load(&mut control, Tier::Automation, item(id, id as f32 / 10.0, if id == 4 { 0 } else { 3 }));
    }
    let out = render(&mut engine, 30);
    let heard: Vec<f32> = out.iter().map(|frame| (frame[0] * 10.0).round()).collect();
    let wanted: Vec<f32> = [1, 2, 3, 5, 6, 7, 8].iter().flat_map(|id| [*id as f32; 3]).collect();
    assert_eq!(heard[..21], wanted);
    assert!(events(&mut control).iter().all(|e| !matches!(e.kind, EventKind::Underrun { .. })));
}

#[test]
fn a_crossfade_keeps_the_power_and_starts_to_the_frame() {
    let (mut control, mut engine) = start(9600);
    load(&mut control, Tier::Automation, item(1, 0.5, 48_000));
    load(&mut control, Tier::Automation, item(2, 0.25, 48_000));
    let out = render(&mut engine, 48_000);
    let events = events(&mut control);
    assert_eq!(starts(&events), [(0, 1), (38_400, 2)]);
    assert_eq!(out[38_399][0], 0.5);
    // Half way both are at -3 dB.
    let half = 0.5_f32.sqrt();
    assert!((out[43_200][0] - (0.5 * half + 0.25 * half)).abs() < 1e-3);
    let steepest = out.windows(2).map(|w| (w[1][0] - w[0][0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 2e-4, "a step of {steepest}");
}

#[test]
fn an_item_shorter_than_the_crossfade_is_heard() {
    let (mut control, mut engine) = start(9600);
    load(&mut control, Tier::Automation, item(1, 0.5, 20_000));
    load(&mut control, Tier::Automation, item(2, 0.25, 4000));
    load(&mut control, Tier::Automation, item(3, 0.5, 20_000));
    let out = render(&mut engine, 48_000);
    let events = events(&mut control);
    assert_eq!(starts(&events), [(0, 1), (18_000, 2), (20_000, 3)]);
    let steepest = out[..39_999].windows(2).map(|w| (w[1][0] - w[0][0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 1e-3, "a step of {steepest}");
}

/// Random commands over random items give the same bits whatever the size of the blocks.
#[test]
fn any_partition_gives_the_same_bits() {
    let run = |blocks: &[usize]| {
        let (mut control, mut engine) = start(3000);
        for id in 0..6 {
            load(&mut control, Tier::Automation, item(id, 0.1 + id as f32 / 10.0, 9_001 + 777 * id as usize));
        }
        let ramp = Ramp { length: 1000, curve: Curve::Linear };
        let at = |frame| When::At(frame);
        let emergency = item(50, 0.9, 5_000);
        let live = item(51, 0.8, 20_000);
        let commands = [
            (at(5_003), Command::Skip { tier: None, ramp: None, wait: true }),
            (at(11_111), Command::Load { tier: Tier::Emergency, item: emergency, place: Place::Back }),
            (at(20_001), Command::Fade { tier: None, gain: 0.5, ramp }),
            (at(25_555), Command::Load { tier: Tier::LiveOverride, item: live, place: Place::Back }),
            (at(33_333), Command::Stop { tier: Tier::LiveOverride, ramp }),
            (at(40_000), Command::SetChain(Box::new(chain(&[], 0)))),
        ];
        for (when, command) in commands {
            assert!(control.send(when, command).is_ok());
        }
        let out = render_in(&mut engine, 60_000, blocks);
        let events: Vec<String> = events(&mut control).iter().map(|event| format!("{event:?}")).collect();
        (out, events)
    };
    let (reference, reference_events) = run(&[480]);
    for blocks in [&[1_usize][..], &[7, 480, 33], &[479], &[240, 1]] {
        let (out, events) = run(blocks);
        assert!(out == reference, "blocks of {blocks:?} give other audio");
        assert_eq!(events, reference_events, "blocks of {blocks:?} give other events");
    }
}

#[test]
fn an_emergency_cuts_in_without_a_click_and_automation_goes_on_with_its_next_item() {
    let (mut control, mut engine) = start(0);
    load(&mut control, Tier::Automation, item(1, 0.5, 96_000));
    load(&mut control, Tier::Automation, item(2, 0.25, 96_000));
    let emergency = Command::Load { tier: Tier::Emergency, item: item(9, 0.9, 10_000), place: Place::Back };
    assert!(control.send(When::At(5_000), emergency).is_ok());
    let out = render(&mut engine, 20_000);
    assert_eq!(out[4_999][0], 0.5);
    assert_eq!(out[5_240][0], 0.9);
    assert_eq!(out[14_999][0], 0.9);
    assert_eq!(out[15_000][0], 0.25);
    let steepest = out[..14_999].windows(2).map(|w| (w[1][0] - w[0][0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 0.01, "a step of {steepest}");
    let events = events(&mut control);
    assert_eq!(starts(&events), [(0, 1), (5_000, 9), (15_000, 2)]);
    assert!(endings(&events).contains(&(5_240, 1, Ending::Preempted)));
}

#[test]
fn resume_goes_on_where_it_was_interrupted_and_says_so() {
    let mut config = config(0);
    config.ladder.returns[Tier::Automation.index()] = Return::Resume;
    let (mut control, mut engine) = engine(&config, chain(&[], 0));
    let (mut writer, reader) = feed(48_000);
    let ramp: Vec<Stereo> = (0..48_000).map(|i| [i as f32 / 48_000.0; 2]).collect();
    writer.push(&ramp);
    writer.close();
    let mut counting = item(1, 0.0, 1);
    counting.source = Box::new(reader);
    load(&mut control, Tier::Automation, counting);
    let emergency = Command::Load { tier: Tier::Emergency, item: item(9, 0.0, 4_800), place: Place::Back };
    assert!(control.send(When::At(10_000), emergency).is_ok());
    let out = render(&mut engine, 20_000);
    // It was heard for 240 more frames while it faded, and takes 240 to come back.
    assert!((out[15_100][0] - ramp[10_240 + 300][0]).abs() < 1e-6);
    let again: Vec<Frames> = events(&mut control)
        .iter()
        .filter(|event| matches!(event.kind, EventKind::NowPlaying { started: false, .. }))
        .map(|event| event.frame)
        .collect();
    assert_eq!(again, [14_800]);
}

#[test]
fn a_dry_tier_hands_over_at_the_very_frame() {
    let (mut control, mut engine) = start(0);
    load(&mut control, Tier::Fallback, item(7, 0.1, 48_000));
    load(&mut control, Tier::Automation, item(1, 0.5, 1_234));
    let out = render(&mut engine, 4_800);
    assert_eq!((out[1_233][0], out[1_234][0]), (0.5, 0.1));
    load(&mut control, Tier::Automation, item(2, 0.5, 48_000));
    let out = render(&mut engine, 9_600);
    assert_eq!(out[9_000][0], 0.5);
    let changes: Vec<_> = events(&mut control)
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::PriorityChanged { to, .. } => Some((event.frame, to)),
            _ => None,
        })
        .collect();
    assert_eq!(
        changes,
        [(0, Some(Tier::Automation)), (1_234, Some(Tier::Fallback)), (4_800, Some(Tier::Automation))]
    );
}

#[test]
fn a_tier_that_loses_the_air_says_whether_it_keeps_an_item() {
    let (mut control, mut engine) = start(0);
    load(&mut control, Tier::Fallback, item(0, 0.1, 96_000));
    load(&mut control, Tier::Automation, item(1, 0.5, 96_000));
    load(&mut control, Tier::Automation, item(2, 0.5, 96_000));
    let emergency = Command::Load { tier: Tier::Emergency, item: item(9, 0.9, 4_800), place: Place::Back };
    let ramp = Ramp { length: 9_600, curve: Curve::Linear };
    let stop = Command::Stop { tier: Tier::Automation, ramp };
    for (frame, command) in [(5_001, emergency), (20_000, stop)] {
        assert!(control.send(When::At(frame), command).is_ok());
    }
    render(&mut engine, 40_000);
    let events = events(&mut control);
    let kept: Vec<_> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::PriorityChanged { from, held, .. } => Some((event.frame, from, held)),
            _ => None,
        })
        .collect();
    let wanted = [
        (0, None, None),
        (5_001, Some(Tier::Automation), Some(240)),
        (9_801, Some(Tier::Emergency), None),
        // What was stopped is over, however long it takes to fade.
        (20_000, Some(Tier::Automation), None),
    ];
    assert_eq!(kept, wanted);
    assert!(endings(&events).contains(&(29_600, 2, Ending::Stopped)));
}

#[test]
fn twenty_skips_in_one_block_do_not_click_or_lose_items() {
    let (mut control, mut engine) = start(0);
    for id in 0..8 {
        load(&mut control, Tier::Automation, item(id, 0.5, 48_000));
    }
    for frame in 0..20 {
        let skip = Command::Skip {
            tier: None,
            ramp: Some(Ramp { length: 2_400, curve: Curve::EqualPower }),
            wait: false,
        };
        assert!(control.send(When::At(1_000 + frame), skip).is_ok());
    }
    let out = render(&mut engine, 24_000);
    let steepest = out.windows(2).map(|w| (w[1][0] - w[0][0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 0.01, "a step of {steepest}");
}

#[test]
fn what_cannot_be_done_is_answered_and_changes_nothing() {
    let (mut control, mut engine) = start(0);
    let ramp = Ramp { length: 0, curve: Curve::Linear };
    for command in [
        Command::Skip { tier: Some(Tier::LiveOverride), ramp: None, wait: false },
        Command::Stop { tier: Tier::Emergency, ramp },
        Command::Unload { tier: Tier::Automation, item: ItemId(4) },
        Command::SetParam { node: 0, param: 0, value: 1.0 },
        Command::SetChain(Box::new(chain(&[], 100))),
        Command::SetMetadata(Arc::default()),
    ] {
        assert!(control.send(When::Now, command).is_ok());
    }
    let out = render(&mut engine, 480);
    assert!(out.iter().all(|frame| *frame == [0.0; 2]));
    let failures = events(&mut control);
    assert_eq!(failures.len(), 6);
    assert!(failures.iter().all(|event| matches!(event.kind, EventKind::CommandFailed(..))), "{failures:?}");
}

fn put_tap(control: &mut Control, when: When) -> TapReader {
    let (writer, reader) = tap(48_000);
    assert!(control.send(when, Command::AddTap(Tap { id: TapId(0), writer })).is_ok());
    reader
}

fn set_title(control: &mut Control, when: When, title: &str) {
    let metadata = Metadata { title: Some(title.into()), ..Metadata::default() };
    assert!(control.send(when, Command::SetMetadata(Arc::new(metadata))).is_ok());
}

/// The titles of a tap and where each begins, as an encoder reads them.
fn titles(reader: &mut TapReader) -> Vec<(Frames, String)> {
    let (mut titles, mut block) = (Vec::new(), [[0.0; 2]; 100]);
    loop {
        while let Some(mark) = reader.next_mark() {
            titles.push((mark.at, mark.metadata.title.clone().unwrap_or_default()));
        }
        if reader.read(&mut block).1 == 0 {
            return titles;
        }
    }
}

#[test]
fn titles_of_one_block_reach_a_tap_in_their_order() {
    let latency = 123;
    let (mut control, mut engine) = engine(&config(0), chain(&[], latency as usize));
    let mut reader = put_tap(&mut control, When::Now);
    // Items of a few frames, and a title that is set shortly before the item ends.
    for (id, length) in [(1, 50), (2, 60), (3, 1_000), (4, 1_000)] {
        load(&mut control, Tier::Automation, item(id, 0.1, length));
    }
    set_title(&mut control, When::At(1_100), "never heard");
    set_title(&mut control, When::At(1_100), "set");
    render(&mut engine, 2_400);
    let expected = [(0, "item 1"), (50, "item 2"), (110, "item 3"), (1_100, "set"), (1_110, "item 4")];
    let expected: Vec<_> = expected.map(|(at, title)| (at + latency, title.to_owned())).into();
    assert_eq!(titles(&mut reader), expected);
}

#[test]
fn a_new_tap_is_told_the_title_and_a_flood_of_titles_ends_with_the_last() {
    let (mut control, mut engine) = start(0);
    load(&mut control, Tier::Automation, item(1, 0.1, 48_000));
    render(&mut engine, 960);
    let mut reader = put_tap(&mut control, When::At(1_200));
    render(&mut engine, 480);
    assert_eq!(titles(&mut reader), [(0, "item 1".to_owned())]);
    // More than a tap holds, each at a frame of its own.
    for n in 0..200 {
        set_title(&mut control, When::At(1_440 + n), &n.to_string());
    }
    render(&mut engine, 480);
    let told = titles(&mut reader);
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{told:?}");
    render(&mut engine, 480);
    assert_eq!(titles(&mut reader), [(1_639 - 1_200, "199".to_owned())]);
    // And at one frame.
    for n in 0..200 {
        set_title(&mut control, When::At(3_000), &n.to_string());
    }
    render(&mut engine, 1_440);
    assert_eq!(titles(&mut reader), [(1_800, "199".to_owned())]);
}

#[test]
fn a_starved_deck_is_reported_with_what_was_missing() {
    let (mut control, mut engine) = start(0);
    let (mut writer, reader) = feed(48_000);
    writer.push(&[[0.5; 2]; 700]);
    let mut starved = item(1, 0.0, 1);
    starved.source = Box::new(reader);
    load(&mut control, Tier::Automation, starved);
    render(&mut engine, 960);
    writer.push(&[[0.5; 2]; 960]);
    render(&mut engine, 480);
    // And now it hangs: it is given up after a second, and the next item starts.
    load(&mut control, Tier::Automation, item(2, 0.25, 48_000));
    let out = render(&mut engine, 60_000);
    assert_eq!(out.last().map(|frame| frame[0]), Some(0.25));
    let events = events(&mut control);
    assert!(endings(&events).iter().any(|(_, id, ending)| *id == 1 && *ending == Ending::Stalled));
    let missing: Vec<_> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Underrun { frames, .. } => Some((event.frame, frames)),
            _ => None,
        })
        .collect();
    assert_eq!(missing, [(700, 260), (1_920, 48_000)]);
}

#[test]
fn a_silent_programme_gives_way_to_the_fallback_and_comes_back_when_it_is_heard() {
    let detector = NodeSpec {
        node: "silence_detector".into(),
        config: [
            ("threshold_db".to_owned(), ParamValue::Number(-40.0)),
            ("duration_sec".to_owned(), ParamValue::Number(0.5)),
            ("action".to_owned(), ParamValue::Word("failover_to_fallback".into())),
        ]
        .into(),
    };
    let (mut control, mut engine) = engine(&config(0), chain(&[detector], 0));
    let tone = |hz: f64, frames: usize| testkit::signal::sine(RATE, hz, -6.0, frames);
    let programme = [tone(440.0, 48_000), testkit::signal::silence(96_000), tone(440.0, 96_000)].concat();
    let play = |id, audio: Vec<Stereo>| {
        let mut prepared = item(id, 0.0, 1);
        prepared.source = Box::new(MemorySource::new(audio.into(), false));
        prepared
    };
    load(&mut control, Tier::Fallback, play(7, tone(1000.0, 480_000)));
    load(&mut control, Tier::Automation, play(1, programme));
    let out = testkit::measure::channel(&render(&mut engine, 240_000), 0);
    let heard = |range: std::ops::Range<usize>, hz| {
        testkit::measure::tone(&out[range], RATE, hz).residual_db() < -60.0
    };
    assert!(heard(1_000..47_000, 440.0), "the programme is not on air");
    assert!(heard(85_000..143_000, 1000.0), "the fallback is not on air during the silence");
    assert!(heard(160_000..239_000, 440.0), "the programme did not come back");
    let events = events(&mut control);
    let has = |wanted: fn(&EventKind) -> bool| events.iter().any(|event| wanted(&event.kind));
    assert!(
        has(|kind| matches!(kind, EventKind::SilenceDetected))
            && has(|kind| matches!(kind, EventKind::SilenceEnded))
    );
    // The silence did not cost the item its place: it was not preempted.
    assert!(endings(&events).iter().all(|(_, id, _)| *id != 1));
}
