//! Among the tiers: emergencies, other sources, moves from one tier to another.

use airchain_core::control::EventKind;
use airchain_core::curve::Curve;
use airchain_core::item::Metadata;
use airchain_core::ladder::Return;
use airchain_core::playout::live::{LiveConfig, LiveState};
use airchain_core::tier::Tier;
use testkit::{measure, signal};

use crate::rig::{ALERT_HZ, BED_HZ, BLOCK, Rig, SECOND, STUDIO_DB};

const HZ: f64 = 330.0;
const UPPER: Tier = Tier::LiveOverride;
const LOWER: Tier = Tier::LiveScheduled;

fn on_air(returns: Return, tier: Tier) -> (Rig, usize) {
    let mut rig = Rig::new(returns, Curve::SCurve);
    let studio = rig.connect("studio", HZ, LiveConfig::default());
    rig.route("studio", tier);
    rig.run(2.0);
    assert_eq!(rig.state("studio"), Some(LiveState::OnAir));
    (rig, studio)
}

#[test]
fn after_an_emergency_it_has_the_air_at_the_very_frame_and_is_no_later_than_before() {
    for returns in [Return::Resume, Return::Next] {
        let (mut rig, _) = on_air(returns, UPPER);
        rig.alert(10 * SECOND as usize);
        rig.run(20.0);
        let (begun, end) = (2 * SECOND, 12 * SECOND);
        let changes = [(SECOND / 2, UPPER), (begun, Tier::Emergency), (end, UPPER)];
        assert_eq!(rig.changes(), changes, "{returns:?}");
        rig.assert_heard(begun + 480..end, ALERT_HZ);
        rig.assert_heard(end + 4_800..22 * SECOND, HZ);
        rig.assert_clean();
        let status = rig.status("studio").unwrap();
        assert!(status.buffered_s <= 0.5 && status.failures == 0, "{status:?}");
        // Frame 22 s less the delay: what the studio sent a pre-roll before.
        let wanted = signal::vector(48_000, HZ, STUDIO_DB, 22 * SECOND - SECOND / 2 - SECOND, BLOCK);
        let at = 21 * SECOND as usize;
        assert!(measure::max_difference(&rig.out[at..at + BLOCK], &wanted) < 1e-4, "{returns:?}");
    }
}

#[test]
fn what_failed_or_signed_off_behind_an_emergency_is_not_heard_after_it() {
    for returns in [Return::Resume, Return::Next] {
        for close in [true, false] {
            let (mut rig, studio) = on_air(returns, UPPER);
            rig.alert(10 * SECOND as usize);
            rig.run(5.0);
            if close {
                rig.close(studio);
            } else {
                rig.studio(studio).set_online(false);
            }
            rig.run(10.0);
            let end = 12 * SECOND;
            assert!(rig.changes().contains(&(end, Tier::Automation)), "{:?}", rig.changes());
            rig.assert_heard(end + 480..15 * SECOND, BED_HZ);
            rig.assert_clean();
            assert_eq!(rig.failures().len(), usize::from(!close), "{:?}", rig.reports);
        }
    }
}

#[test]
fn it_moves_to_another_tier_without_a_gap() {
    for returns in [Return::Resume, Return::Next] {
        let (mut rig, _) = on_air(returns, LOWER);
        rig.route("studio", UPPER);
        rig.run(3.0);
        rig.route("studio", LOWER);
        rig.run(3.0);
        let (up, down) = (2 * SECOND, 5 * SECOND);
        assert_eq!(rig.changes(), [(SECOND / 2, LOWER), (up, UPPER), (down, LOWER)], "{returns:?}");
        let level = signal::amplitude(STUDIO_DB);
        // Up, the two takes cross in equal amplitude and make up the same tone, frame for frame, but for the new one's
        // own rise at the foot of the fade.
        let begun = SECOND / 2 + 4_800;
        let wanted = signal::vector(48_000, HZ, STUDIO_DB, 4_800, (down - begun) as usize);
        let heard = &rig.out[begun as usize..down as usize];
        assert!(measure::max_difference(heard, &wanted) < 0.005 * level, "{returns:?}");
        // Down, in equal power: 20 ms of the same tone a little louder.
        rig.assert_heard(down..8 * SECOND, HZ);
        let levels = measure::envelope(&rig.out[down as usize..]);
        assert!(levels.iter().all(|l| *l > 0.999 * level && *l < 1.42 * level));
        assert!(levels[960..].iter().all(|l| (l / level - 1.0).abs() < 1e-4));
    }
}

#[test]
fn on_one_tier_the_first_in_time_wins_and_the_other_follows_at_the_very_frame() {
    let (mut rig, first) = on_air(Return::Resume, UPPER);
    rig.connect("second", 440.0, LiveConfig::default());
    rig.route("second", UPPER);
    rig.run(3.0);
    assert_eq!(rig.state("second"), Some(LiveState::Cued));
    rig.studio(first).set_online(false);
    rig.run(3.0);
    // The end is seen 20 ms ahead, and the second crosses over it: never the automation.
    assert_eq!(rig.changes().len(), 1);
    rig.assert_heard(6 * SECOND..8 * SECOND, 440.0);
    rig.assert_clean();
    // The first one is back, and waits behind the second.
    rig.studio(first).set_online(true);
    rig.run(3.0);
    assert_eq!(rig.state("studio"), Some(LiveState::Cued));
    rig.assert_heard(8 * SECOND..11 * SECOND, 440.0);
}

#[test]
fn sources_on_two_tiers_follow_the_ladder() {
    let (mut rig, upper) = on_air(Return::Resume, UPPER);
    rig.connect("second", 440.0, LiveConfig::default());
    rig.route("second", LOWER);
    rig.run(3.0);
    rig.close(upper);
    rig.run(3.0);
    let end = SECOND / 2 + 5 * SECOND - BLOCK as u64;
    assert_eq!(rig.changes(), [(SECOND / 2, UPPER), (end, LOWER)]);
    rig.assert_heard(end + 480..8 * SECOND, 440.0);
    rig.assert_clean();
}

#[test]
fn stopping_the_tier_takes_it_off_and_it_stays_off() {
    let (mut rig, _) = on_air(Return::Resume, UPPER);
    assert!(rig.stop(UPPER));
    rig.run(5.0);
    assert_eq!(rig.changes(), [(SECOND / 2, UPPER), (2 * SECOND, Tier::Automation)]);
    assert_eq!(rig.state("studio"), Some(LiveState::Idle));
    rig.assert_heard(2 * SECOND + 4_800..7 * SECOND, BED_HZ);
    rig.assert_clean();
    assert!(!rig.stop(UPPER));
    // Also one that is away, or waits for its time.
    rig.live.route("studio", UPPER, None, 20 * SECOND).unwrap();
    assert!(rig.stop(UPPER));
    rig.run(15.0);
    assert_eq!(rig.changes().len(), 2);
}

#[test]
fn a_tier_that_is_full_refuses_a_source_and_says_so() {
    let (mut rig, _) = on_air(Return::Resume, UPPER);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    for name in names {
        rig.connect(name, 440.0, LiveConfig::default());
        rig.route(name, UPPER);
    }
    rig.run(2.0);
    let [(_, error, true)] = rig.failures()[..] else { panic!("{:?}", rig.reports) };
    assert!(error.starts_with("live source i the tier has no room"), "{error}");
    assert_eq!(rig.state("i"), Some(LiveState::Idle));
}

#[test]
fn it_is_moved_in_the_middle_of_a_move() {
    for after in 1..12 {
        let (mut rig, _) = on_air(Return::Resume, UPPER);
        for tier in [LOWER, UPPER, LOWER, LOWER, UPPER] {
            rig.route("studio", tier);
            (0..after).for_each(|_| rig.step());
        }
        rig.run(1.0);
        rig.assert_clean();
        assert_eq!(rig.changes().last().map(|change| change.1), Some(UPPER));
    }
}

#[test]
fn titles_are_told_at_the_frame_of_their_audio_also_after_an_emergency() {
    for frames in [5_000, 10 * SECOND as usize] {
        let (mut rig, studio) = on_air(Return::Resume, UPPER);
        rig.alert(frames);
        rig.run(12.0);
        let title = Metadata { title: Some("later".into()), ..Metadata::default() };
        rig.writer(studio).set_metadata(title.clone());
        let ahead = (rig.status("studio").unwrap().buffered_s * 48_000.0).round() as u64;
        let at = rig.position() + ahead;
        rig.run(2.0);
        let told = rig.events.iter().find_map(|event| match &event.kind {
            EventKind::NowPlaying { metadata, .. } if **metadata == title => Some(event.frame),
            _ => None,
        });
        assert_eq!(told, Some(at), "after an emergency of {frames} frames");
    }
}
