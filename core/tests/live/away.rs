//! Away and back: loss, silence, flapping, giving up.

use airchain_core::Frames;
use airchain_core::curve::Curve;
use airchain_core::ladder::Return;
use airchain_core::playout::live::{LiveConfig, LiveReturn, LiveState};
use airchain_core::playout::report::StationEvent;
use airchain_core::tier::Tier;

use crate::rig::{BED_HZ, BLOCK, Rig, SECOND};

const HZ: f64 = 330.0;
const LIVE: Tier = Tier::LiveOverride;
const BELOW: Tier = Tier::Automation;

fn on_air(returns: Return, config: LiveConfig) -> (Rig, usize) {
    let mut rig = Rig::new(returns, Curve::EqualPower);
    let studio = rig.connect("studio", HZ, config);
    rig.route("studio", LIVE);
    rig.run(2.0);
    assert_eq!(rig.state("studio"), Some(LiveState::OnAir));
    (rig, studio)
}

#[test]
fn when_it_is_lost_the_tier_below_has_the_air_at_the_very_frame() {
    for (returns, buffer_s, preroll_s) in
        [(Return::Resume, 1.0, 0.5), (Return::Next, 0.1, 0.05), (Return::Resume, 2.5, 1.25)]
    {
        let config = LiveConfig { buffer_s, preroll_s, ..LiveConfig::default() };
        let (mut rig, studio) = on_air(returns, config);
        rig.studio(studio).set_online(false);
        rig.run(4.0);
        let (begun, last) = (rig.changes()[0].0, 2 * SECOND - BLOCK as Frames);
        // Every frame that arrived is heard, and then, at once, the automation.
        let end = begun + last;
        assert_eq!(rig.changes(), [(begun, LIVE), (end, BELOW)]);
        assert!(end - last < 3 * SECOND);
        rig.assert_heard(begun + 4_800..end, HZ);
        rig.assert_heard(end + 1..6 * SECOND, BED_HZ);
        rig.assert_clean();
        let [(frame, error, false)] = rig.failures()[..] else { panic!("{:?}", rig.reports) };
        assert_eq!(frame, end);
        assert!(error.starts_with("live source studio has sent too little for "), "{error}");
        assert_eq!(rig.state("studio"), Some(LiveState::Lost));
    }
}

#[test]
fn with_its_buffer_full_a_lost_source_is_off_the_air_in_less_than_3_s() {
    let config = LiveConfig { buffer_s: 2.5, preroll_s: 1.25, ..LiveConfig::default() };
    let (mut rig, studio) = on_air(Return::Resume, config);
    rig.studio(studio).set_speed(1.5);
    while rig.status("studio").unwrap().buffered_s < 2.48 {
        rig.step();
    }
    rig.studio(studio).set_online(false);
    let last = rig.position();
    rig.run(4.0);
    let (off, to) = rig.changes()[1];
    assert!(to == BELOW && off > last + 2 * SECOND && off < last + 3 * SECOND, "{off} after {last}");
    rig.assert_clean();
}

#[test]
fn a_lost_source_comes_back_when_it_has_been_good_for_the_hold_time() {
    let (mut rig, studio) = on_air(Return::Resume, LiveConfig { hold_s: 3.0, ..LiveConfig::default() });
    rig.studio(studio).set_online(false);
    rig.run(8.0);
    rig.studio(studio).set_online(true);
    rig.run(6.0);
    let [.., (off, BELOW), (back, LIVE)] = rig.changes()[..] else { panic!("{:?}", rig.changes()) };
    assert!(off < 3 * SECOND);
    // Good since the stall was over: since the last look before frame 480 000.
    assert_eq!(back, 10 * SECOND + 3 * SECOND - BLOCK as Frames);
    rig.assert_heard(back + 4_800..16 * SECOND, HZ);
    rig.assert_clean();
}

#[test]
fn a_silent_source_makes_way_until_it_has_been_heard_for_the_hold_time() {
    let config = LiveConfig { silence_s: 3.0, ..LiveConfig::default() };
    let (mut rig, studio) = on_air(Return::Resume, config);
    rig.studio(studio).set_muted(true);
    rig.run(8.0);
    // A cough is not enough.
    rig.studio(studio).set_muted(false);
    rig.run(0.2);
    rig.studio(studio).set_muted(true);
    rig.run(4.8);
    assert_eq!(rig.state("studio"), Some(LiveState::Silent));
    rig.studio(studio).set_muted(false);
    rig.run(4.0);
    let [_, (off, BELOW), (back, LIVE)] = rig.changes()[..] else { panic!("{:?}", rig.changes()) };
    assert!((5 * SECOND..5 * SECOND + SECOND / 10).contains(&off), "off at {off}");
    assert!((16 * SECOND - BLOCK as Frames..16 * SECOND + SECOND / 10).contains(&back), "back at {back}");
    rig.assert_heard(off + 480..back, BED_HZ);
    rig.assert_heard(back + 4_800..19 * SECOND, HZ);
    let events: Vec<&StationEvent> = rig.reports.iter().map(|(_, event)| event).collect();
    let [StationEvent::SilenceDetected { source }, StationEvent::SilenceEnded { .. }] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(source.as_deref(), Some("studio"));
}

#[test]
fn a_silent_source_is_not_put_on_air_and_with_silence_0_it_is() {
    for (silence_s, changes) in [(3.0, 0), (0.0, 1)] {
        let mut rig = Rig::new(Return::Resume, Curve::EqualPower);
        let studio = rig.connect("studio", HZ, LiveConfig { silence_s, ..LiveConfig::default() });
        rig.studio(studio).set_muted(true);
        rig.run(5.0);
        rig.route("studio", LIVE);
        rig.run(20.0);
        assert_eq!(rig.changes().len(), changes, "with {silence_s} s");
    }
}

/// A line that is on and off every 0.7 s for a minute: on air once, and never trusted again.
#[test]
fn a_flapping_line_changes_the_tier_twice_in_a_minute() {
    let mut rig = Rig::new(Return::Resume, Curve::EqualPower);
    let studio = rig.connect("studio", HZ, LiveConfig::default());
    rig.route("studio", LIVE);
    for n in 0..86 {
        rig.studio(studio).set_online(n % 2 == 0);
        rig.run(0.7);
    }
    assert_eq!(rig.changes().len(), 2, "{:?}", rig.changes());
    rig.assert_clean();
}

/// The worst there can be: a line that is good until it is on air, and cut as soon as it is. With holds of 1, 2, 4 ... 60 s
/// no more than 5 returns fit into a minute, and no more than 6 + 9 into ten.
#[test]
fn the_most_malicious_line_changes_the_tier_a_bounded_number_of_times() {
    let (mut rig, studio) = on_air(Return::Resume, LiveConfig::default());
    let mut after_a_minute = 0;
    while rig.position() < 600 * SECOND {
        let on_air = rig.state("studio") == Some(LiveState::OnAir);
        rig.studio(studio).set_online(!on_air);
        rig.step();
        if rig.position() == 60 * SECOND {
            after_a_minute = rig.changes().len();
        }
    }
    let spells = rig.changes().len() / 2;
    assert!((8..=12).contains(&after_a_minute), "{after_a_minute} changes in a minute");
    assert!((10..=16).contains(&spells), "{spells} spells in ten minutes");
    assert_eq!(rig.status("studio").unwrap().hold_s, 60.0);
    rig.assert_clean();
}

#[test]
fn good_time_on_air_is_credited() {
    let config = LiveConfig { forgive_s: 20.0, ..LiveConfig::default() };
    let (mut rig, studio) = on_air(Return::Resume, config);
    for (good_s, hold_s) in [(5.0, 1.0), (5.0, 2.0), (5.0, 4.0), (25.0, 4.0), (65.0, 1.0)] {
        rig.studio(studio).set_online(true);
        rig.run(good_s + rig.status("studio").unwrap().hold_s);
        rig.studio(studio).set_online(false);
        rig.run(2.0);
        assert_eq!(rig.status("studio").unwrap().hold_s, hold_s, "after {good_s} s");
    }
}

#[test]
fn a_source_that_does_not_come_back_is_given_up_and_stays_off() {
    let config = LiveConfig { live_timeout_s: 5.0, ..LiveConfig::default() };
    let (mut rig, studio) = on_air(Return::Resume, config);
    rig.studio(studio).set_online(false);
    rig.run(10.0);
    let [(lost, _, false), (given_up, error, true)] = rig.failures()[..] else { panic!("{:?}", rig.reports) };
    assert_eq!(given_up, lost + 5 * SECOND);
    assert!(error.contains("did not come back within 5 s and is given up"), "{error}");
    assert_eq!(rig.state("studio"), Some(LiveState::Idle));
    rig.studio(studio).set_online(true);
    rig.run(10.0);
    assert_eq!(rig.changes().len(), 2);
    rig.route("studio", LIVE);
    rig.run(1.0);
    assert_eq!(rig.changes().len(), 3);
}

#[test]
fn by_the_manual_policy_it_stays_off_until_it_is_routed_again() {
    let config = LiveConfig { return_policy: LiveReturn::Manual, ..LiveConfig::default() };
    let (mut rig, studio) = on_air(Return::Resume, config);
    rig.studio(studio).set_online(false);
    rig.run(2.0);
    rig.studio(studio).set_online(true);
    rig.run(10.0);
    assert_eq!((rig.state("studio"), rig.changes().len()), (Some(LiveState::Idle), 2));
    rig.route("studio", LIVE);
    rig.run(1.0);
    assert_eq!((rig.state("studio"), rig.changes().len()), (Some(LiveState::OnAir), 3));
    rig.assert_clean();
}

#[test]
fn a_source_that_dies_while_it_is_faded_out_does_not_click() {
    for cut in 0..40 {
        let (mut rig, studio) =
            on_air(Return::Resume, LiveConfig { preroll_s: 0.1, ..LiveConfig::default() });
        rig.studio(studio).set_online(false);
        for _ in 0..cut / 2 {
            rig.step();
        }
        rig.stop(LIVE);
        rig.run(0.5);
        rig.assert_clean();
    }
}
