//! A tier whose source runs short counts as dry: what is heard in its place, and when it gets the air back.

use airchain_core::chain::{NodeSpec, ParamValue};
use airchain_core::control::{Command, Ending, Ramp};
use airchain_core::curve::Curve;
use airchain_core::feed::{FeedWriter, feed};
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::rig::{self, BLOCK, DECLICK, RATE, Rig, constant, item, steepest};

/// No gain goes faster than in two fades of 5 ms at once: of the deck, and of its tier.
const SLOPE: f32 = 0.0095;
/// What a source that has run short must hold before its tier gets the air back: 100 ms.
const ENOUGH: usize = 4_800;

const LEFT: Stereo = [1.0, 0.0];
const RIGHT: Stereo = [0.0, 1.0];

/// A ladder whose fallback goes on where it was interrupted.
fn ladder() -> LadderConfig {
    let mut ladder = rig::ladder();
    ladder.returns[Tier::Fallback.index()] = Return::Resume;
    ladder
}

/// Loads an item of ones in the left channel whose decoder is in the test's hands.
fn starving(rig: &mut Rig, tier: Tier, id: u64, head: usize) -> FeedWriter {
    let (mut writer, reader) = feed(RATE as usize * 3);
    writer.push(&vec![LEFT; head]);
    rig.load(0, tier, item(id, Box::new(reader)));
    writer
}

/// Checks that a channel has a value in a stretch.
fn is(rig: &Rig, channel: usize, stretch: std::ops::Range<usize>, value: f32) {
    let heard = rig.channel(channel);
    let other = heard[stretch.clone()].iter().position(|gain| *gain != value);
    assert_eq!(other, None, "channel {channel} in {stretch:?} is not {value} all along");
}

#[test]
fn the_tier_below_is_heard_in_its_place_until_the_source_delivers_again() {
    let mut ladder = self::ladder();
    ladder.takeover[Tier::Automation.index()] = Ramp { length: 4_800, curve: Curve::EqualPower };
    let mut rig = Rig::new(ladder);
    rig.load(0, Tier::Fallback, item(7, constant(RIGHT, 200_000)));
    let mut writer = starving(&mut rig, Tier::Automation, 1, 10_000);
    rig.run(30_240, &[BLOCK]);
    // Too little: it would only run short again.
    writer.push(&[LEFT; ENOUGH - 1]);
    rig.run(35_040, &[BLOCK]);
    writer.push(&[LEFT; 30_001]);
    writer.close();
    rig.run(80_160, &[BLOCK]);

    // It falls over the last 5 ms that it has, and the fallback rises over the same.
    is(&rig, 0, 0..9_761, 1.0);
    is(&rig, 0, 10_000..35_040, 0.0);
    is(&rig, 1, 0..9_761, 0.0);
    is(&rig, 1, 10_001..35_040, 1.0);
    // And the other way round, over the fade of its tier. Nothing of the item is lost.
    is(&rig, 0, 39_840..69_840, 1.0);
    is(&rig, 1, 39_840..69_840, 0.0);
    for channel in 0..2 {
        let heard = rig.channel(channel);
        let until = if channel == 0 { 69_840 } else { 80_160 };
        assert!(steepest(&heard[1..until]) <= SLOPE, "channel {channel} clicks");
    }
    let (automation, fallback) = (Some(Tier::Automation), Some(Tier::Fallback));
    assert_eq!(rig.on_air(), [(0, automation), (9_761, fallback), (35_040, automation), (69_840, fallback)]);
    assert_eq!(rig.short(), [(10_000, (1, 25_040))]);
    assert_eq!(rig.ended(), [(69_840, (1, Ending::Finished, 44_800))]);
    assert_eq!(rig.told(), [(0, 1), (9_761, 7), (35_040, 1), (69_840, 7)]);
}

#[test]
fn an_item_that_is_short_for_a_second_is_given_up_and_the_next_one_starts_to_the_frame() {
    for blocks in [BLOCK, 333, 7] {
        let mut rig = Rig::new(ladder());
        rig.load(0, Tier::Fallback, item(7, constant(RIGHT, 200_000)));
        let _writer = starving(&mut rig, Tier::Automation, 1, 10_000);
        rig.load(0, Tier::Automation, item(2, constant(LEFT, 5_000)));
        rig.run(70_000, &[blocks]);
        assert_eq!(rig.ended()[0], (58_000, (1, Ending::Stalled, 10_000)));
        assert_eq!(rig.short(), [(10_000, (1, 48_000))]);
        assert_eq!(rig.told()[2..], [(58_000, 2), (63_000, 7)]);
        is(&rig, 1, 10_001..58_000, 1.0);
        is(&rig, 0, 58_000 + DECLICK as usize..63_000, 1.0);
    }
}

#[test]
fn an_emergency_that_runs_short_gives_way_too() {
    let mut rig = Rig::new(ladder());
    rig.load(0, Tier::Automation, item(1, constant(RIGHT, 100_000)));
    rig.load(0, Tier::Automation, item(2, constant(RIGHT, 100_000)));
    rig.run(4_800, &[BLOCK]);
    let mut writer = starving(&mut rig, Tier::Emergency, 9, 5_000);
    rig.run(24_000, &[BLOCK]);
    writer.push(&[LEFT; ENOUGH]);
    writer.close();
    rig.run(48_000, &[BLOCK]);
    // The item that it interrupted is over, so the automation goes on with its next.
    let ended = [(5_040, (1, Ending::Preempted, 5_040)), (28_800, (9, Ending::Finished, 9_800))];
    assert_eq!(rig.ended()[..], [ended[0], (24_240, (2, Ending::Preempted, 14_679)), ended[1]]);
    is(&rig, 1, 9_801..24_000, 1.0);
    is(&rig, 0, 24_240..28_800, 1.0);
    is(&rig, 1, 24_240..28_800, 0.0);
    assert!(steepest(&rig.channel(0)[..28_800]) <= SLOPE);
}

#[test]
fn what_delivers_nothing_interrupts_nobody() {
    let mut rig = Rig::new(ladder());
    rig.load(0, Tier::Automation, item(1, constant(RIGHT, 200_000)));
    rig.run(4_800, &[BLOCK]);
    let mut writer = starving(&mut rig, Tier::Emergency, 9, 200);
    rig.run(24_000, &[BLOCK]);
    is(&rig, 1, 0..24_000, 1.0);
    writer.push(&[LEFT; ENOUGH]);
    rig.run(24_480, &[BLOCK]);
    assert_eq!(rig.told(), [(0, 1), (24_000, 9)]);
    is(&rig, 0, 24_240..24_480, 1.0);
    // One that never delivers anything is given up after a second, unheard.
    let _silent = starving(&mut rig, Tier::LiveOverride, 8, 0);
    rig.run(96_000, &[BLOCK]);
    assert!(rig.ended().iter().any(|(_, ended)| *ended == (8, Ending::Stalled, 0)), "{:?}", rig.ended());
    assert!(rig.told().iter().all(|(_, item)| *item != 8));
}

#[test]
fn with_nothing_to_be_heard_in_its_place_it_plays_what_it_has_at_once() {
    let mut rig = Rig::new(ladder());
    let _above = starving(&mut rig, Tier::LiveOverride, 1, 1_000);
    let mut below = starving(&mut rig, Tier::Automation, 2, 0);
    rig.run(4_800, &[BLOCK]);
    below.push(&[LEFT; 480]);
    rig.run(9_600, &[BLOCK]);
    below.push(&[LEFT; 700]);
    rig.run(14_400, &[BLOCK]);
    for (from, frames) in [(0, 1_000), (4_800, 480), (9_600, 700)] {
        let heard = &rig.channel(0)[from..from + frames];
        assert!(heard.iter().all(|gain| *gain > 0.0), "what came at {from} is not heard");
    }
    assert!(steepest(&rig.channel(0)[1..]) <= SLOPE);
    // The first of the two that is short keeps its place, but not the air that it cannot fill.
    let (above, below) = (Some(Tier::LiveOverride), Some(Tier::Automation));
    assert_eq!(rig.on_air(), [(0, above), (4_800, below)]);
    assert_eq!(rig.short(), [(761, (2, 4_039)), (5_280, (2, 4_320))]);
}

#[test]
fn the_last_frames_of_an_item_are_heard_when_its_end_comes_after_all() {
    let mut rig = Rig::new(ladder());
    rig.load(0, Tier::Fallback, item(7, constant(RIGHT, 200_000)));
    let mut writer = starving(&mut rig, Tier::Automation, 1, 2_000);
    rig.run(4_800, &[BLOCK]);
    writer.push(&[LEFT; 300]);
    drop(writer);
    rig.run(9_600, &[BLOCK]);
    assert_eq!(rig.ended(), [(5_100, (1, Ending::Finished, 2_300))]);
    is(&rig, 0, 5_040..5_100, 1.0);
}

#[test]
fn an_interrupted_item_is_not_given_up_for_what_it_is_short_of_meanwhile() {
    let mut ladder = rig::ladder();
    ladder.returns = [Return::Resume; Tier::COUNT];
    let mut rig = Rig::new(ladder);
    let mut writer = starving(&mut rig, Tier::Automation, 1, 2_000);
    rig.run(960, &[BLOCK]);
    rig.load(0, Tier::Emergency, item(9, constant(RIGHT, 96_000)));
    rig.run(90_240, &[BLOCK]);
    writer.push(&[LEFT; 20_000]);
    rig.run(110_400, &[BLOCK]);
    assert_eq!(rig.ended(), [(96_960, (9, Ending::Finished, 96_000))]);
    // It was heard for 5 ms more while it fell, and goes on there.
    is(&rig, 0, 97_200..110_400, 1.0);
}

#[test]
fn a_silent_tier_stands_in_for_one_that_is_short_only_until_that_delivers() {
    let detector = NodeSpec {
        node: "silence_detector".into(),
        config: [
            ("threshold_db".to_owned(), ParamValue::Number(-40.0)),
            ("duration_sec".to_owned(), ParamValue::Number(0.5)),
            ("action".to_owned(), ParamValue::Word("failover_to_fallback".into())),
        ]
        .into(),
    };
    let mut rig = Rig::with_chain(ladder(), &[detector]);
    rig.load(0, Tier::Automation, item(1, constant([0.0; 2], 400_000)));
    let mut writer = starving(&mut rig, Tier::Fallback, 7, 48_000);
    rig.run(96_000, &[BLOCK]);
    writer.push(&[LEFT; 48_000]);
    rig.run(120_000, &[BLOCK]);
    let (automation, fallback) = (Some(Tier::Automation), Some(Tier::Fallback));
    let changes = rig.on_air();
    let tiers: Vec<_> = changes.iter().map(|(_, tier)| *tier).collect();
    assert_eq!(tiers, [automation, fallback, automation, fallback]);
    // At once, and not when the silence has lasted for its time again.
    assert_eq!(changes[3].0, 96_000);
    is(&rig, 0, 96_240..120_000, 1.0);
}

/// The frames of an item come out in their order, none twice and none left out, however its source stumbles.
#[test]
fn nothing_of_an_item_is_lost_or_heard_twice() {
    let mut rig = Rig::new(ladder());
    rig.load(0, Tier::Fallback, item(7, constant(RIGHT, 400_000)));
    let (mut writer, reader) = feed(RATE as usize * 3);
    rig.load(0, Tier::Automation, item(1, Box::new(reader)));
    // Each frame is one step above the one before.
    let step = f32::EPSILON;
    let count = |range: std::ops::Range<usize>| -> Vec<Stereo> {
        range.map(|n| [1.0 + n as f32 * step, 0.0]).collect()
    };
    let mut written = 0;
    for (block, frames) in [(0, 9_000), (30, 100), (40, 4_700), (50, 300), (60, 7_000), (90, 5_000)] {
        rig.run(block * BLOCK as Frames, &[BLOCK]);
        written += writer.push(&count(written..written + frames));
    }
    drop(writer);
    rig.run(60_000, &[BLOCK]);
    let steady = |pair: &&[f32]| pair[0] >= 1.0 && pair[1] - pair[0] == step;
    let heard: Vec<f32> = rig.channel(0).windows(2).filter(steady).map(|pair| pair[0]).collect();
    assert!(heard.windows(2).all(|pair| pair[1] > pair[0]), "the frames are out of order");
    // All but those within fades are heard as they are.
    assert!(heard.len() > written - 8 * DECLICK as usize, "{} of {written} frames are heard", heard.len());
    assert_eq!(rig.ended().last().map(|(_, ended)| *ended), Some((1, Ending::Finished, written as Frames)));
}

#[test]
fn a_starved_tier_is_stopped_and_skipped_without_delay() {
    for skip in [false, true] {
        let mut rig = Rig::new(ladder());
        let _writer = starving(&mut rig, Tier::Automation, 1, 2_000);
        rig.run(4_800, &[BLOCK]);
        let ramp = Ramp { length: 9_600, curve: Curve::Linear };
        let (command, ending) = if skip {
            (Command::Skip { tier: None, ramp: Some(ramp), wait: true }, Ending::Skipped)
        } else {
            (Command::Stop { tier: Tier::Automation, ramp }, Ending::Stopped)
        };
        rig.send(0, command);
        rig.load(0, Tier::Automation, item(2, constant(LEFT, 48_000)));
        rig.run(9_600, &[BLOCK]);
        assert_eq!(rig.ended(), [(4_800, (1, ending, 2_000))]);
        // There is nothing to crossfade from, so the next item starts at once.
        is(&rig, 0, 4_800..9_600, 1.0);
    }
}
