//! The ladder where several things happen at once: what is under way when a tier takes over, stops or comes back.

use std::sync::Arc;

use airchain_core::bus::{Tap, TapId};
use airchain_core::control::{Command, Ending, EventKind, Failure, Place, Ramp};
use airchain_core::curve::Curve;
use airchain_core::deck::{ItemId, Prepared};
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::source::{Fill, Source};
use airchain_core::tap::tap;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::rig::{self, BLOCK, DECLICK, Rig, constant, item, steepest};

/// No gain goes faster than in an equal-power fade of 5 ms.
const SLOPE: f32 = 0.0085;

const LEFT: Stereo = [1.0, 0.0];
const RIGHT: Stereo = [0.0, 1.0];

fn ramp(length: Frames) -> Ramp {
    Ramp { length, curve: Curve::EqualPower }
}

fn resuming() -> LadderConfig {
    LadderConfig { returns: [Return::Resume; Tier::COUNT], ..rig::ladder() }
}

fn skip(tier: Option<Tier>, wait: bool) -> Command {
    Command::Skip { tier, ramp: Some(ramp(2_400)), wait }
}

/// Checks that a channel has a value in a stretch.
fn is(rig: &Rig, channel: usize, stretch: std::ops::Range<usize>, value: f32) {
    let heard = rig.channel(channel);
    let other = heard[stretch.clone()].iter().position(|gain| *gain != value);
    assert_eq!(other, None, "channel {channel} in {stretch:?} is not {value} all along");
}

#[test]
fn an_emergency_is_over_everything_in_5_ms_from_the_block_after_its_command() {
    for (n, tier) in Tier::ALL.into_iter().skip(1).enumerate() {
        for block in [7, 20, 33 + n] {
            let mut rig = Rig::new(rig::ladder());
            rig.load(0, tier, item(1, constant(LEFT, 100_000)));
            let at = block * BLOCK;
            rig.run(at as Frames, &[BLOCK]);
            // Of the past: at the next block.
            rig.load(0, Tier::Emergency, item(9, constant(RIGHT, 5_000)));
            rig.run(at as Frames + 4_800, &[BLOCK]);
            is(&rig, 1, 0..at, 0.0);
            assert!(rig.out[at][1] > 0.0 && rig.out[at + 239][0] > 0.0);
            is(&rig, 1, at + 240..at + 4_800, 1.0);
            is(&rig, 0, at + 240..at + 4_800, 0.0);
            assert!((0..2).all(|channel| steepest(&rig.channel(channel)[1..]) <= SLOPE));
        }
    }
}

#[test]
fn an_emergency_silences_fades_and_tails_that_are_under_way() {
    let mut ladder = rig::ladder();
    ladder.takeover[Tier::LiveOverride.index()] = ramp(48_000);
    let mut rig = Rig::new(ladder);
    rig.load(0, Tier::LiveScheduled, item(1, constant(LEFT, 200_000)));
    rig.load(0, Tier::Automation, item(2, constant(LEFT, 200_000)));
    rig.send(9_600, Command::Stop { tier: Tier::LiveScheduled, ramp: ramp(96_000) });
    rig.load(14_400, Tier::LiveOverride, item(3, constant(LEFT, 200_000)));
    rig.load(24_001, Tier::Emergency, item(9, constant(RIGHT, 20_000)));
    rig.run(40_000, &[BLOCK]);
    assert!(rig.out[24_240][0] > 0.0);
    is(&rig, 0, 24_241..40_000, 0.0);
    is(&rig, 1, 24_241..40_000, 1.0);
    let at_once = |(frame, (item, _, _)): &(Frames, (u64, Ending, Frames))| *frame == 24_241 && *item < 9;
    assert!(rig.ended().len() == 3 && rig.ended().iter().all(at_once), "{:?}", rig.ended());
}

/// An emergency that comes at the very frame at which a tier is stopped with a long fade does not rise over that.
#[test]
fn the_fade_of_a_stop_does_not_hold_up_an_emergency() {
    let mut rig = Rig::new(rig::ladder());
    rig.load(0, Tier::Automation, item(1, constant(LEFT, 200_000)));
    rig.send(9_600, Command::Stop { tier: Tier::Automation, ramp: ramp(96_000) });
    rig.load(9_600, Tier::Emergency, item(9, constant(RIGHT, 20_000)));
    rig.run(20_000, &[BLOCK]);
    is(&rig, 0, 9_840..20_000, 0.0);
    is(&rig, 1, 9_840..20_000, 1.0);
}

#[test]
fn a_stopped_tier_hands_over_in_the_time_of_the_stop() {
    let mut rig = Rig::new(rig::ladder());
    rig.load(0, Tier::Fallback, item(7, constant(RIGHT, 200_000)));
    rig.load(0, Tier::Automation, item(1, constant(LEFT, 200_000)));
    rig.send(10_001, Command::Stop { tier: Tier::Automation, ramp: ramp(4_800) });
    rig.run(20_000, &[BLOCK]);
    is(&rig, 0, 0..10_001, 1.0);
    is(&rig, 0, 14_801..20_000, 0.0);
    is(&rig, 1, 14_801..20_000, 1.0);
    let power = rig.out[10_001..14_801].iter().map(|[left, right]| left * left + right * right);
    assert!(power.into_iter().all(|power| (power - 1.0).abs() < 1e-4), "the power is not kept");
}

/// What the tier below rises by is what is left to be heard, not the fade of a stop long past.
#[test]
fn the_tier_below_does_not_rise_slower_than_the_one_above_falls() {
    let mut rig = Rig::new(resuming());
    rig.load(0, Tier::Fallback, item(7, constant(RIGHT, 200_000)));
    rig.load(0, Tier::Automation, item(1, constant(LEFT, 12_000)));
    // It has no more than 2000 frames left to fall over.
    rig.send(10_000, Command::Stop { tier: Tier::Automation, ramp: ramp(96_000) });
    rig.run(20_000, &[BLOCK]);
    is(&rig, 1, 12_000..20_000, 1.0);
    assert!(steepest(&rig.channel(0)[1..]) <= SLOPE);
}

#[test]
fn a_skip_with_nothing_to_skip_to_waits_and_silences_nobody() {
    let mut rig = Rig::new(rig::ladder());
    rig.load(0, Tier::Automation, item(1, constant(LEFT, 200_000)));
    rig.send(10_000, skip(None, true));
    rig.load(15_000, Tier::Automation, item(2, constant(RIGHT, 200_000)));
    rig.run(20_000, &[BLOCK]);
    is(&rig, 0, 0..15_000, 1.0);
    is(&rig, 1, 17_400..20_000, 1.0);
    assert_eq!(rig.told(), [(0, 1), (15_000, 2)]);
    assert_eq!(rig.ended(), [(17_400, (1, Ending::Skipped, 17_400))]);
}

#[test]
fn a_skip_whose_item_is_taken_away_does_not_befall_the_next() {
    let mut rig = Rig::new(rig::ladder());
    rig.load(0, Tier::Automation, item(1, constant(LEFT, 200_000)));
    let now = Place::Now(None);
    rig.send(
        9_000,
        Command::Load { tier: Tier::Automation, item: item(2, constant(RIGHT, 9_000)), place: now },
    );
    rig.send(9_000, Command::Unload { tier: Tier::Automation, item: ItemId(2) });
    rig.load(12_000, Tier::Automation, item(3, constant(RIGHT, 9_000)));
    rig.run(20_000, &[BLOCK]);
    is(&rig, 0, 0..20_000, 1.0);
}

#[test]
fn two_skips_at_one_frame_skip_two_items() {
    let mut rig = Rig::new(rig::ladder());
    for (id, level) in [(1, LEFT), (2, LEFT), (3, RIGHT)] {
        rig.load(0, Tier::Automation, item(id, constant(level, 100_000)));
    }
    rig.send(10_001, skip(None, true));
    rig.send(10_001, skip(None, true));
    rig.run(20_000, &[BLOCK]);
    assert_eq!(rig.told(), [(0, 1), (10_001, 3)]);
    assert_eq!(rig.ended(), [(12_401, (1, Ending::Skipped, 12_401))]);
    assert_eq!(rig.unused(), [(10_001, 2)]);
    is(&rig, 1, 12_401..20_000, 1.0);
}

#[test]
fn an_interrupted_item_that_is_stopped_or_skipped_is_over_at_once() {
    for stop in [true, false] {
        let mut rig = Rig::new(resuming());
        rig.load(0, Tier::Automation, item(1, constant(LEFT, 100_000)));
        rig.load(5_000, Tier::Emergency, item(9, constant(RIGHT, 10_000)));
        let tier = Tier::Automation;
        let command = if stop { Command::Stop { tier, ramp: ramp(9_600) } } else { skip(Some(tier), false) };
        rig.send(8_000, command);
        rig.run(30_000, &[BLOCK]);
        let ending = if stop { Ending::Stopped } else { Ending::Skipped };
        assert_eq!(rig.ended()[0], (8_000, (1, ending, 5_240)));
        is(&rig, 0, 5_240..30_000, 0.0);
    }
}

#[test]
fn a_resumed_item_goes_on_in_its_fade_out() {
    let mut rig = Rig::new(resuming());
    let mut fading = item(1, constant(LEFT, 20_000));
    fading.fade_out = Some(9_600);
    rig.load(0, Tier::Automation, fading);
    rig.load(15_000, Tier::Emergency, item(9, constant(RIGHT, 50_000)));
    rig.run(80_000, &[BLOCK]);
    // It was heard for 240 frames more while it fell, and is so much further in its fade.
    let (before, after) = (rig.out[14_999][0], rig.out[65_240][0]);
    assert!(before > after && after > 0.6 * before, "from {before} to {after}");
    assert_eq!(rig.ended()[1], (69_760, (1, Ending::Finished, 20_000)));
    assert!(steepest(&rig.channel(0)[1..]) <= SLOPE);
}

#[test]
fn stops_in_quick_succession_leave_no_click() {
    let mut rig = Rig::new(rig::ladder());
    for n in 0..12 {
        let mut rising = item(n, constant(LEFT, 200_000));
        rising.fade_in = Some(480);
        rig.load(n * 700, Tier::Automation, rising);
        rig.send(n * 700 + 600, Command::Stop { tier: Tier::Automation, ramp: ramp(48_000) });
    }
    rig.run(70_000, &[BLOCK]);
    // Up to seven fades at once, of which one is short.
    assert!(steepest(&rig.channel(0)) <= SLOPE + 0.005, "a step of {}", steepest(&rig.channel(0)));
    assert_eq!(rig.ended().len(), 12);
}

#[test]
fn an_item_played_on_under_a_shorter_one_keeps_the_air() {
    let mut rig = Rig::new(resuming());
    let mut bed = item(1, constant(LEFT, 40_000));
    bed.start_next = Some(5_000);
    rig.load(0, Tier::Fallback, item(7, constant(RIGHT, 200_000)));
    rig.load(0, Tier::Automation, bed);
    rig.load(0, Tier::Automation, item(2, constant([0.5, 0.0], 1_000)));
    rig.run(30_000, &[BLOCK]);
    is(&rig, 0, 0..5_000, 1.0);
    is(&rig, 0, 5_000..6_000, 1.5);
    is(&rig, 0, 6_000..30_000, 1.0);
    is(&rig, 1, 0..30_000, 0.0);
    assert_eq!(rig.told(), [(0, 1), (5_000, 2), (6_000, 1)]);
    // And a stop takes it off, too.
    rig.send(0, Command::Stop { tier: Tier::Automation, ramp: ramp(2_400) });
    rig.run(40_000, &[BLOCK]);
    is(&rig, 0, 32_400..40_000, 0.0);
    assert_eq!(rig.ended()[1], (32_400, (1, Ending::Stopped, 32_400)));
}

#[test]
fn an_item_without_a_frame_interrupts_nobody() {
    let mut rig = Rig::new(rig::ladder());
    rig.load(0, Tier::Automation, item(1, constant(LEFT, 200_000)));
    rig.load(5_000, Tier::Emergency, item(9, constant(RIGHT, 0)));
    rig.run(10_000, &[BLOCK]);
    is(&rig, 0, 0..10_000, 1.0);
    assert_eq!(rig.on_air(), [(0, Some(Tier::Automation))]);
    assert_eq!(rig.unused(), [(5_000, 9)]);
}

/// Silence that counts who still holds it.
struct Counted(#[expect(dead_code, reason = "counted")] Arc<()>);

impl Source for Counted {
    fn fill(&mut self, _out: &mut [Stereo]) -> Fill {
        Fill::Full
    }

    fn remaining(&self) -> Option<Frames> {
        None
    }

    fn available(&self) -> Frames {
        Frames::MAX
    }
}

#[test]
fn a_full_tier_refuses_an_item_and_gives_it_back() {
    let held = Arc::new(());
    let counted = |id| -> Box<Prepared> { item(id, Box::new(Counted(Arc::clone(&held)))) };
    let mut rig = Rig::new(rig::ladder());
    rig.load(0, Tier::Automation, counted(0));
    rig.run(480, &[BLOCK]);
    let loads: Vec<_> = (1..=10).map(|id| rig.load(0, Tier::Automation, counted(id))).collect();
    rig.run(960, &[BLOCK]);
    let refused: Vec<_> = rig
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::CommandFailed(id, failure) => Some((id, failure)),
            _ => None,
        })
        .collect();
    assert_eq!(refused, loads[8..].iter().map(|id| (*id, Failure::TierFull)).collect::<Vec<_>>());
    // One on the deck, eight waiting, and the test's own.
    assert_eq!(Arc::strong_count(&held), 10);
    rig.send(0, Command::Stop { tier: Tier::Automation, ramp: ramp(0) });
    rig.run(1_920, &[BLOCK]);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn titles_of_items_that_share_a_block_keep_their_order() {
    let mut rig = Rig::new(rig::ladder());
    let (writer, mut reader) = tap(4_800);
    rig.send(0, Command::AddTap(Tap { id: TapId(1), writer }));
    for id in 1..=8 {
        rig.load(0, Tier::Automation, item(id, constant(LEFT, 50)));
    }
    rig.run(480, &[BLOCK]);
    let (mut titles, mut block) = (Vec::new(), [[0.0; 2]; BLOCK]);
    loop {
        titles.extend(
            std::iter::from_fn(|| reader.next_mark()).map(|mark| (mark.at, mark.metadata.title.clone())),
        );
        if reader.read(&mut block).1 == 0 {
            break;
        }
    }
    let wanted: Vec<_> = (0..8).map(|n| (n * 50, Some(format!("item {}", n + 1)))).collect();
    assert_eq!(titles, wanted);
}

/// A stop ends what it stopped, also where the tier comes back before its fade is over.
#[test]
fn a_tier_that_comes_back_within_its_own_fade_does_not_click() {
    let mut ladder = rig::ladder();
    ladder.takeover[Tier::LiveOverride.index()] = ramp(9_600);
    let mut rig = Rig::new(ladder);
    rig.load(0, Tier::Automation, item(1, constant(LEFT, 200_000)));
    rig.load(10_000, Tier::LiveOverride, item(2, constant(RIGHT, 4_000)));
    rig.send(12_000, Command::Stop { tier: Tier::Automation, ramp: ramp(9_600) });
    let mut rising = item(3, constant(LEFT, 100_000));
    rising.fade_in = Some(DECLICK);
    rig.load(13_000, Tier::Automation, rising);
    rig.run(40_000, &[BLOCK]);
    assert!(steepest(&rig.channel(0)[1..]) <= 2.0 * SLOPE, "a step of {}", steepest(&rig.channel(0)[1..]));
    is(&rig, 0, 21_600..40_000, 1.0);
}
