//! On air, and off at the end: pre-roll, jitter, overflow, titles, sign-off.

use airchain_core::control::EventKind;
use airchain_core::curve::Curve;
use airchain_core::dsp::Format;
use airchain_core::item::Metadata;
use airchain_core::ladder::Return;
use airchain_core::playout::live::{LiveConfig, LiveSlots, LiveState};
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::{measure, signal};

use crate::rig::{BED_HZ, BLOCK, RATE, Rig, SECOND, STUDIO_DB};

const HZ: f64 = 330.0;
/// What is gathered before a source goes on air by default.
const PREROLL: Frames = SECOND / 2;

fn rig() -> Rig {
    Rig::new(Return::Resume, Curve::EqualPower)
}

/// The frames that a studio of `HZ` sends, from its frame `from` on.
fn sent(from: Frames, frames: Frames) -> Vec<Stereo> {
    signal::vector(RATE, HZ, STUDIO_DB, from, frames as usize)
}

#[test]
fn it_is_on_air_when_the_preroll_is_there_and_not_a_frame_is_missing() {
    let mut rig = rig();
    rig.connect("studio", HZ, LiveConfig::default());
    rig.route("studio", Tier::LiveOverride);
    rig.run(2.0);
    // Its first frames arrived with frame 480, the 24 000th with frame 24 000.
    assert_eq!(rig.changes(), [(PREROLL, Tier::LiveOverride)]);
    rig.assert_heard(1_000..PREROLL, BED_HZ);
    let (faded, end) = (PREROLL + 4_800, 2 * SECOND);
    let wanted = sent(4_800, end - faded);
    assert!(measure::max_difference(&rig.out[faded as usize..end as usize], &wanted) < 1e-6);
    rig.assert_clean();
}

#[test]
fn a_source_that_has_been_sending_is_on_air_with_the_next_block_and_only_a_preroll_late() {
    let mut rig = rig();
    rig.connect("studio", HZ, LiveConfig::default());
    rig.run(5.0);
    assert_eq!(rig.state("studio"), Some(LiveState::Idle));
    let at = 6 * SECOND + 123;
    rig.live.route("studio", Tier::LiveOverride, None, at).unwrap();
    rig.run(3.0);
    assert_eq!(rig.changes(), [(at, Tier::LiveOverride)]);
    // At the block that holds frame `at` the studio had sent everything up to the block.
    let begun = at / BLOCK as Frames * BLOCK as Frames - PREROLL;
    let wanted = sent(begun + 4_800, SECOND);
    let heard = &rig.out[(at + 4_800) as usize..(at + 4_800 + SECOND) as usize];
    assert!(measure::max_difference(heard, &wanted) < 1e-6);
    rig.assert_clean();
}

#[test]
fn at_the_sign_off_everything_that_was_pushed_is_played() {
    let mut rig = rig();
    let studio = rig.connect("studio", HZ, LiveConfig::default());
    rig.route("studio", Tier::LiveOverride);
    rig.run(2.0);
    rig.close(studio);
    let pushed = 2 * SECOND - BLOCK as Frames;
    rig.run(2.0);
    let end = PREROLL + pushed;
    assert_eq!(rig.changes(), [(PREROLL, Tier::LiveOverride), (end, Tier::Automation)]);
    let played: Vec<Frames> = rig
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::ItemEnded { tier: Tier::LiveOverride, played, .. } => Some(played),
            _ => None,
        })
        .collect();
    assert_eq!(played, [pushed]);
    // To the last frame: over the last 10 ms they fall.
    let heard = &rig.out[(end - SECOND) as usize..end as usize];
    let mut wanted = sent(pushed - SECOND, SECOND);
    assert!(measure::max_difference(&heard[..47_520], &wanted[..47_520]) < 1e-6);
    for (n, frame) in wanted.iter_mut().enumerate().skip(47_520) {
        let gain = Curve::SCurve.rise((48_000.0 - 0.5 - n as f64) / 480.0) as f32;
        *frame = frame.map(|sample| sample * gain);
    }
    assert!(measure::max_difference(heard, &wanted) < 1e-6);
    rig.assert_heard(end + 480..4 * SECOND - 480, BED_HZ);
    rig.assert_clean();
    // Its route is over, it is forgotten, and nobody was alarmed.
    assert_eq!((rig.state("studio"), rig.reports.len()), (None, 0));
}

#[test]
fn a_word_shorter_than_the_preroll_is_heard() {
    let mut rig = rig();
    let studio = rig.connect("studio", HZ, LiveConfig::default());
    rig.route("studio", Tier::LiveOverride);
    rig.run(0.21);
    rig.close(studio);
    rig.run(1.0);
    let pushed = 9_600;
    assert_eq!(rig.changes(), [(10_080, Tier::LiveOverride), (10_080 + pushed, Tier::Automation)]);
    rig.assert_clean();
}

#[test]
fn what_comes_up_to_400_ms_late_changes_nothing() {
    let mut rig = rig();
    let studio = rig.connect("studio", HZ, LiveConfig::default());
    rig.route("studio", Tier::LiveOverride);
    let mut random = signal::Random::new(7);
    for _ in 0..600 {
        let delay = (0.2 + 0.2 * random.next()) * f64::from(RATE);
        rig.studio(studio).set_delay(delay as Frames);
        rig.run(0.1);
    }
    let [(begun, Tier::LiveOverride)] = rig.changes()[..] else { panic!("{:?}", rig.changes()) };
    rig.assert_heard(begun + 4_800..60 * SECOND, HZ);
    rig.assert_clean();
    assert_eq!(rig.status("studio").unwrap().skipped_frames, 0);
}

#[test]
fn a_fast_sender_loses_its_oldest_audio_in_clean_cuts_and_it_is_counted() {
    let mut rig = rig();
    let studio = rig.connect("studio", HZ, LiveConfig::default());
    rig.studio(studio).set_speed(1.02);
    rig.route("studio", Tier::LiveOverride);
    rig.run(120.0);
    let changes = rig.changes();
    let [(begun, Tier::LiveOverride)] = changes[..] else { panic!("{changes:?}") };
    rig.assert_clean();
    let status = rig.status("studio").unwrap();
    // 2 % of two minutes, in cuts from the whole buffer to the pre-roll.
    assert!((4..=5).contains(&(status.skipped_frames / (SECOND / 2))), "{status:?}");
    let heard = 120 * SECOND - begun;
    let buffered = (status.buffered_s * f64::from(RATE)).round() as Frames;
    // Off by the block that was rendered after the last push.
    assert_eq!(heard + status.skipped_frames + buffered, rig.studio(studio).sent());
    // Apart from the cuts every frame is the studio's.
    let turns = measure::turn_hz(&rig.out[(begun + 4_800) as usize..], RATE);
    let cut = turns.iter().filter(|hz| (**hz - HZ).abs() > 1.0).count();
    assert!(cut <= 5 * 480, "{cut} frames are not the studio's");
}

#[test]
fn a_burst_of_a_minute_neither_clicks_nor_delays() {
    let mut rig = rig();
    let studio = rig.connect("studio", HZ, LiveConfig::default());
    rig.route("studio", Tier::LiveOverride);
    rig.run(2.0);
    rig.writer(studio).push(&signal::vector(RATE, HZ, STUDIO_DB, 0, 60 * RATE as usize));
    rig.run(0.01);
    let status = rig.status("studio").unwrap();
    assert!(status.buffered_s <= 0.5 && status.skipped_frames > 59 * SECOND, "{status:?}");
    assert_eq!(rig.changes().len(), 1);
    let samples = measure::channel(&rig.out, 0);
    assert!(measure::max_step(&samples) < 0.03, "{}", measure::max_step(&samples));
}

#[test]
fn titles_are_told_at_the_frame_of_their_audio() {
    let mut rig = rig();
    let studio = rig.connect("studio", HZ, LiveConfig::default());
    let title = |title: &str| Metadata { title: Some(title.into()), ..Metadata::default() };
    rig.writer(studio).set_metadata(title("before"));
    rig.route("studio", Tier::LiveOverride);
    rig.run(0.3);
    // 0.3 s of it are there: still pre-roll.
    rig.writer(studio).set_metadata(title("first"));
    rig.run(1.7);
    rig.writer(studio).set_metadata(title("second"));
    rig.run(1.0);
    let told: Vec<(Frames, String)> = rig
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::NowPlaying { tier: Tier::LiveOverride, metadata, .. } => {
                Some((event.frame, metadata.one_line()))
            }
            _ => None,
        })
        .collect();
    let at = |sent: Frames| PREROLL + sent - BLOCK as Frames;
    let wanted = [
        (PREROLL, "before".to_owned()),
        (at(3 * SECOND / 10), "first".to_owned()),
        (at(2 * SECOND), "second".to_owned()),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn the_writer_says_how_much_there_is_room_for() {
    let mut live = LiveSlots::new(Format { sample_rate_hz: RATE, max_block: BLOCK });
    let mut writer = live.open("studio", LiveConfig::default()).unwrap();
    assert_eq!((writer.buffered(), writer.room(), writer.target()), (0, 24_000, 24_000));
    writer.push(&sent(0, 20_000));
    assert_eq!((writer.buffered(), writer.room()), (20_000, 4_000));
    writer.push(&[[f32::NAN, f32::INFINITY]; 9_000]);
    assert_eq!((writer.buffered(), writer.room()), (24_000, 0));
    assert!(!writer.is_abandoned());
    drop(live);
    assert!(writer.is_abandoned());
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let mut live = LiveSlots::new(Format { sample_rate_hz: RATE, max_block: BLOCK });
    let default = LiveConfig::default();
    for (field, config) in [
        ("buffer_s", LiveConfig { buffer_s: 2.6, ..default }),
        ("preroll_s", LiveConfig { preroll_s: 0.51, ..default }),
        ("hold_s", LiveConfig { hold_s: f64::NAN, ..default }),
        ("hold_max_s", LiveConfig { hold_max_s: 0.5, ..default }),
        ("forgive_s", LiveConfig { forgive_s: 0.0, ..default }),
        ("live_timeout_s", LiveConfig { live_timeout_s: -1.0, ..default }),
        ("silence_threshold_db", LiveConfig { silence_threshold_db: 1.0, ..default }),
        ("silence_s", LiveConfig { silence_s: f64::INFINITY, ..default }),
    ] {
        let error = live.open("studio", config).err().unwrap().to_string();
        assert!(error.starts_with(&format!("{field}: ")) && error.contains("give "), "{error}");
    }
    let _writer = live.open("studio", default).unwrap();
    let refused = [
        live.open("studio", default).err().unwrap(),
        live.route("stduio", Tier::LiveOverride, None, 0).unwrap_err(),
        live.route("studio", Tier::Automation, None, 0).unwrap_err(),
        live.route("studio", Tier::LiveOverride, Some(-1.0), 0).unwrap_err(),
    ];
    let messages: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "source: \"studio\" is not accepted, give a name that no open source has",
            "source: there is no live source called \"stduio\", give one of [\"studio\"]",
            "tier: automation is not accepted, give emergency, live_override or live_scheduled",
            "fade_in_s: -1 is not accepted, give seconds from 0 to 3600",
        ]
    );
}
