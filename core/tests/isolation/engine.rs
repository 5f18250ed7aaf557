//! Sources that panic, and an engine that does where nobody else is at fault.

use airchain_core::bus::{Tap, TapId};
use airchain_core::control::{Command, Control, Ending, Event, EventKind, Failure};
use airchain_core::deck::ItemId;
use airchain_core::source::{Buffered, Fill, Source};
use airchain_core::tap::tap;
use airchain_core::{Frames, Stereo};
use testkit::alloc::assert_no_alloc;
use testkit::signal;

use super::rig::*;

#[test]
fn a_source_that_panics_is_over_and_the_next_item_plays() {
    let (mut control, mut engine) = start(&[], 0);
    let first = signal::sine(RATE, 440.0, -12.0, 4_800);
    let second = signal::sine(RATE, 880.0, -12.0, 9_600);
    load(&mut control, item(1, Box::new(Panicking(memory(&first)))));
    load(&mut control, item(2, memory(&second)));
    let heard = render(&mut engine, 40);
    assert!(heard[..4_800] == first, "all that came before it");
    // The block in which it panics is silent, then the next item begins.
    let start = heard.iter().skip(4_800).position(|frame| *frame == second[100]).unwrap() + 4_800 - 100;
    assert!(start <= 4_800 + BLOCK, "the next item begins at {start}");
    assert!(heard[start + 240..start + 9_600] == second[240..]);
    let events = events(&mut control);
    let failed = |event: &Event| matches!(event.kind, EventKind::SourceFailed { item: ItemId(1), .. });
    let ended = |event: &Event| {
        matches!(
            event.kind,
            EventKind::ItemEnded { item: ItemId(1), ending: Ending::Finished, played: 4_800, .. }
        )
    };
    let (failed, ended) = (events.iter().position(failed), events.iter().position(ended));
    assert!(failed.is_some() && failed < ended, "{failed:?}, {ended:?}");
}

#[test]
fn an_engine_that_panics_keeps_its_bus_and_begins_anew() {
    let (mut control, mut engine) = start(&[quieter(), fault(0.5, "status")], 300);
    let (writer, mut reader) = tap(4 * RATE as usize);
    send(&mut control, Command::AddTap(Tap { id: TapId(1), writer }));
    let audio = signal::dc(0.5, 4 * RATE as usize);
    load(&mut control, item(1, memory(&audio)));
    let mut heard = render(&mut engine, 60);
    assert_eq!(engine.position(), 60 * BLOCK as u64);
    let failed: Vec<_> = events(&mut control)
        .into_iter()
        .filter(|event| matches!(event.kind, EventKind::EngineFailed))
        .collect();
    assert_eq!(failed.len(), 1, "it says so once and rests");
    // What is in the look-ahead is still heard; then there is silence, without a jump.
    assert!(heard[50 * BLOCK + 600..].iter().all(|frame| *frame == [0.0; 2]));
    let step = heard.windows(2).skip(600).map(|pair| (pair[1][0] - pair[0][0]).abs()).fold(0.0, f32::max);
    assert!(step < 0.26, "{step}");
    // Its decks are not to be touched.
    load(&mut control, item(2, memory(&audio)));
    heard.extend(render(&mut engine, 1));
    let refused = |event: &Event| matches!(event.kind, EventKind::CommandFailed(_, Failure::Resting));
    assert!(events(&mut control).iter().any(refused));
    let renewal = Command::Renew(control.renewal());
    send(&mut control, renewal);
    send(&mut control, Command::SetChain(Box::new(chain(&[quieter()], 300))));
    load(&mut control, item(3, memory(&audio)));
    heard.extend(render(&mut engine, 39));
    let gain = 10.0_f32.powf(-6.0 / 20.0);
    assert!(heard[heard.len() - BLOCK..].iter().all(|frame| (frame[0] - 0.5 * gain).abs() < 1e-4));
    // The tap has all of it, frame for frame.
    let mut tapped = vec![[0.0; 2]; heard.len() + 1];
    let mut done = 0;
    loop {
        while reader.next_mark().is_some() {}
        let (_, frames) = reader.read(&mut tapped[done..]);
        done += frames;
        if frames == 0 {
            break;
        }
    }
    assert!(tapped[..done] == heard[..]);
}

#[test]
fn what_follows_a_panic_is_done_without_the_allocator() {
    let (mut control, mut engine) = start(&[quieter(), fault(0.5, "status")], 300);
    let audio = signal::dc(0.5, 4 * RATE as usize);
    load(&mut control, item(1, memory(&audio)));
    load(&mut control, item(2, memory(&audio)));
    // The panic itself allocates its words.
    render(&mut engine, 60);
    let renewal = Command::Renew(control.renewal());
    send(&mut control, renewal);
    send(&mut control, Command::SetChain(Box::new(chain(&[fault(0.2, "process")], 300))));
    load(&mut control, item(3, Box::new(Panicking(memory(&audio[..4_800])))));
    load(&mut control, item(4, memory(&audio)));
    let mut block = [[0.0; 2]; BLOCK];
    // Item 3 panics in its eleventh block, the chain in its twenty-first.
    for number in 1..=40 {
        match number {
            11 | 21 => engine.render(&mut block),
            _ => assert_no_alloc(|| engine.render(&mut block)),
        }
    }
    let kinds: Vec<_> = events(&mut control).into_iter().map(|event| event.kind).collect();
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::EngineFailed)));
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::SourceFailed { .. })));
    assert!(kinds.iter().any(|kind| matches!(kind, EventKind::ChainFailed { .. })));
}

/// Delivers until it has failed, and then panics whatever it is asked: at its next frame, or when it is asked what it holds.
struct Broken {
    fills: u32,
    at_fill: bool,
}

impl Source for Broken {
    fn fill(&mut self, out: &mut [Stereo]) -> Fill {
        self.fills += 1;
        assert!(!self.at_fill || self.fills <= 10, "a source that was asked to panic");
        out.fill([0.5; 2]);
        Fill::Full
    }

    fn remaining(&self) -> Option<Frames> {
        None
    }

    fn available(&self) -> Frames {
        assert!(self.fills <= 10, "a source that was asked to panic where it is only looked at");
        48_000
    }
}

#[test]
fn what_an_engine_holds_is_not_asked_of_a_source_that_panicked_and_of_no_source_while_it_rests() {
    let failed = |control: &mut Control| {
        events(control).iter().filter(|event| matches!(event.kind, EventKind::EngineFailed)).count()
    };
    let (mut control, mut engine) = start(&[], 0);
    load(&mut control, item(1, Box::new(Broken { fills: 0, at_fill: true })));
    render(&mut engine, 10);
    assert_eq!(engine.buffered(), Buffered { frames: 48_000, end_in_sight: false });
    for _ in 0..10 {
        render(&mut engine, 1);
        assert!(engine.buffered().frames == 0);
    }
    assert_eq!(failed(&mut control), 0, "the item alone is over");
    let (mut control, mut engine) = start(&[], 0);
    load(&mut control, item(1, Box::new(Broken { fills: 0, at_fill: false })));
    render(&mut engine, 20);
    assert_eq!((failed(&mut control), engine.buffered()), (1, Buffered::default()));
}
