//! Chains that panic, on air and while they take over.

use airchain_core::Stereo;
use airchain_core::control::{Command, Control, EventKind};
use testkit::{measure, signal};

use super::rig::*;

const LATENCY: usize = 300;
/// A second of it.
const SECOND: usize = 100;
/// What the bypass takes to be as it should.
const SMOOTH: usize = 240;

fn failures(control: &mut Control) -> Vec<(u64, &'static str, bool)> {
    let failure = |event: airchain_core::control::Event| match event.kind {
        EventKind::ChainFailed { node, bypassed } => Some((event.frame, node, bypassed)),
        _ => None,
    };
    events(control).into_iter().filter_map(failure).collect()
}

/// Whether frames `range` of `heard` are those of `programme`, so much quieter.
fn is_heard(heard: &[Stereo], programme: &[Stereo], gain: f32, range: std::ops::Range<usize>) -> bool {
    range.into_iter().all(|frame| {
        let meant = programme[frame - LATENCY];
        (0..2).all(|ch| (heard[frame][ch] - meant[ch] * gain).abs() < 1e-4)
    })
}

#[test]
fn a_chain_that_panics_gives_way_to_its_bypass_at_the_frame_and_another_takes_over_in_place() {
    let programme = signal::sine(RATE, 1_000.0, -12.0, 4 * RATE as usize);
    let (mut control, mut engine) = start(&[quieter(), fault(1.0, "process")], LATENCY);
    load(&mut control, item(1, memory(&programme)));
    let mut heard = render(&mut engine, 2 * SECOND);
    assert_eq!(failures(&mut control), [(48_000, "fault", true)]);
    send(&mut control, Command::SetChain(Box::new(chain(&[quieter()], LATENCY))));
    heard.extend(render(&mut engine, SECOND));
    let gain = 10.0_f32.powf(-6.0 / 20.0);
    assert!(is_heard(&heard, &programme, gain, LATENCY..48_000), "processed until it fails");
    assert!(
        is_heard(&heard, &programme, 1.0, 48_000 + SMOOTH..96_000),
        "as it is from then on, and no later"
    );
    // The crossfade to the new one begins once its look-ahead is full, and takes 50 ms.
    assert!(is_heard(&heard, &programme, gain, 96_000 + LATENCY + 2_400..144_000), "processed again");
    // Nothing jumps: no step is greater than the greatest of the sine itself, but for what smoothing adds.
    let step = measure::max_step(&measure::channel(&heard[LATENCY..], 0));
    let sine = measure::max_step(&measure::channel(&programme, 0));
    assert!(step < 1.2 * sine, "{step} where the sine has {sine}");
}

#[test]
fn a_chain_that_panics_while_it_takes_over_is_not_heard_of() {
    let programme = signal::sine(RATE, 1_000.0, -12.0, 2 * RATE as usize);
    let run = |incoming: bool| {
        let (mut control, mut engine) = start(&[quieter()], LATENCY);
        load(&mut control, item(1, memory(&programme)));
        let mut heard = render(&mut engine, SECOND / 2);
        if incoming {
            let failing = chain(&[fault(0.0, "process")], LATENCY);
            send(&mut control, Command::SetChain(Box::new(failing)));
        }
        heard.extend(render(&mut engine, SECOND / 2));
        (heard, failures(&mut control))
    };
    let (heard, failures) = run(true);
    assert_eq!(failures, [(24_000, "fault", false)]);
    assert!(heard == run(false).0);
}
