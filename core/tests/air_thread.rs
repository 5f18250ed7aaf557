//! What the air thread must never do: allocate or free, whatever it is asked.

use std::sync::Arc;

use airchain_core::bus::{Tap, TapId};
use airchain_core::chain::{Chain, NodeSpec};
use airchain_core::control::{Command, Control, EventKind, Place, Ramp, When};
use airchain_core::curve::Curve;
use airchain_core::deck::{ItemId, Prepared};
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::feed::feed;
use airchain_core::item::Metadata;
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::playout::live::{LiveAction, LiveConfig, LiveSlots, LiveWriter};
use airchain_core::presets;
use airchain_core::program::Joins;
use airchain_core::source::Origin;
use airchain_core::tap::{TapReader, tap};
use airchain_core::tier::Tier;
use testkit::alloc::assert_no_alloc;
use testkit::rig;

#[global_allocator]
static ALLOCATOR: testkit::alloc::CountingAllocator = testkit::alloc::CountingAllocator;

/// A low rate makes an hour of blocks cheap; what happens in them is the same.
const RATE: u32 = 16_000;
const BLOCK: usize = 160;
/// The reserve for chains of any kind in this test.
const LATENCY: usize = 1_600;

fn chain(seed: u64) -> Chain {
    let node = |name: &str| NodeSpec { node: name.into(), ..NodeSpec::default() };
    let preset = |name: &str| presets::find(name).expect("the preset is there").nodes();
    let specs = [
        vec![node("limiter")],
        vec![node("gain"), node("limiter")],
        vec![node("ducking")],
        vec![node("limiter"), node("ducking")],
        Vec::new(),
        preset("broadcast"),
        preset("loud"),
    ];
    let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
    Chain::build(&specs[seed as usize % specs.len()], format, LATENCY).expect("the chain builds")
}

fn station() -> (Control, Engine) {
    let ramp = |length| Ramp { length, curve: Curve::EqualPower };
    let mut returns = [Return::Next; Tier::COUNT];
    returns[Tier::LiveScheduled.index()] = Return::Resume;
    let joins = Joins { crossfade: ramp(2_000), rate: RATE };
    let ladder = LadderConfig { joins, takeover: [ramp(240); Tier::COUNT], returns };
    engine(&EngineConfig { max_block: BLOCK, ladder }, chain(0))
}

fn item(id: u64, frames: usize) -> Box<Prepared> {
    let (mut writer, mut reader) = feed(frames.max(1));
    reader.set_origin(Arc::new(Origin { path: format!("{id}.mp3").into(), identity: 0, first: 0 }));
    writer.push(&vec![[0.3, 0.2]; frames]);
    // Some decoders are late for ever: the deck runs dry without an end.
    if !id.is_multiple_of(17) {
        writer.close();
    } else {
        std::mem::forget(writer);
    }
    let fade = id.is_multiple_of(3).then_some(700);
    Box::new(Prepared { fade_in: fade, fade_out: fade, ..*rig::item(id, Box::new(reader)) })
}

/// A repeatable stream of numbers (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn place(random: &mut Random, id: u64, ramp: Ramp) -> Place {
    match random.below(5) {
        0 => Place::Front,
        1 => Place::Now(Some(ramp)),
        2 => Place::Before(ItemId(id.saturating_sub(2))),
        _ => Place::Back,
    }
}

fn command(random: &mut Random, id: u64, taps: &mut Vec<TapReader>) -> Command {
    let ramp = Ramp { length: random.below(5_000), curve: Curve::ALL[random.below(5) as usize].1 };
    let tier = Tier::ALL[random.below(5) as usize];
    match random.below(16) {
        0..5 => {
            let frames = random.below(10_000) as usize;
            Command::Load { tier, item: item(id, frames), place: place(random, id, ramp) }
        }
        5 if id.is_multiple_of(2) => {
            let item = ItemId(id.saturating_sub(random.below(9)));
            Command::Level { tier, item, gain: 0.5, levelled_lufs: Some(-16.0) }
        }
        5 => Command::Unload { tier, item: ItemId(id.saturating_sub(3)) },
        6 => Command::Skip { tier: None, ramp: Some(ramp), wait: id.is_multiple_of(2) },
        7 => Command::Stop { tier, ramp },
        8 => Command::Fade { tier: id.is_multiple_of(2).then_some(tier), gain: 0.5, ramp },
        // Whole presets are among them, though seldom: they cost most of the time.
        9 => {
            let kind = if random.below(24) == 0 { 5 + random.below(2) } else { random.below(5) };
            Command::SetChain(Box::new(chain(kind)))
        }
        10 => Command::SetParam { node: 0, param: 0, value: -(random.below(12) as f32) },
        11 => {
            let (writer, reader) = tap(BLOCK * 4);
            taps.push(reader);
            taps.truncate(8);
            Command::AddTap(Tap { id: TapId(random.below(40)), writer })
        }
        14 => {
            let metadata = Arc::new(Metadata { title: Some(format!("{id}")), ..Metadata::default() });
            Command::Retitle { tier, item: ItemId(id.saturating_sub(random.below(9))), metadata }
        }
        12 => Command::RemoveTap(TapId(random.below(40))),
        13 => Command::Move { tier, item: ItemId(id.saturating_sub(2)), place: place(random, id, ramp) },
        _ => Command::SetMetadata(Arc::new(Metadata { title: Some(format!("{id}")), ..Metadata::default() })),
    }
}

/// A live source that sends for a while: the real slots and the real tape, with what a director does for them.
struct Live {
    slots: LiveSlots,
    writer: Option<LiveWriter>,
    /// Frames sent by the one on line.
    sent: u64,
    next_id: u64,
    /// Spells on air.
    heard: u64,
}

/// Live sources have names beyond those of other items.
const LIVE_IDS: u64 = 1 << 32;

impl Live {
    fn new() -> Self {
        let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
        Self { slots: LiveSlots::new(format), writer: None, sent: 0, next_id: LIVE_IDS, heard: 0 }
    }

    /// A block of time: the source comes, sends, stands still, is routed elsewhere, sends too much, or signs off.
    fn step(&mut self, random: &mut Random, position: u64, control: &mut Control) {
        match (&mut self.writer, random.below(2_000)) {
            (None, 0..40) => {
                let config =
                    LiveConfig { preroll_s: 0.1, buffer_s: 0.3, hold_s: 0.0, ..LiveConfig::default() };
                self.writer = self.slots.open("studio", config).ok();
                self.sent = 0;
                let tier = [Tier::LiveOverride, Tier::LiveScheduled][random.below(2) as usize];
                let _ = self.slots.route("studio", tier, None, position + random.below(10_000));
            }
            (Some(_), 0..2) => self.writer = None,
            (Some(writer), 2..4) => writer.push(&[[0.1; 2]; 40 * BLOCK]),
            (Some(_), 4..6) => {
                let _ = self.slots.route("studio", Tier::Emergency, Some(0.05), position);
            }
            (Some(_), 6..8) => drop(self.slots.stop(Tier::LiveOverride)),
            // Now and then its line is down for two seconds.
            (Some(writer), _) if self.sent % 6_000 < 5_800 => {
                writer.push(&[[0.2, -0.2]; BLOCK]);
                self.sent += 1;
            }
            (Some(_), _) => self.sent += 1,
            (None, _) => {}
        }
        let next_id = &mut self.next_id;
        self.slots.tick(position, &mut || {
            *next_id += 1;
            ItemId(*next_id)
        });
        while let Some(action) = self.slots.poll() {
            let (at, command) = match action {
                LiveAction::Load { tier, prepared, at, .. } => {
                    (at, Command::Load { tier, item: prepared, place: Place::Back })
                }
                LiveAction::Unload { tier, item } => (0, Command::Unload { tier, item }),
                LiveAction::TakeOff { tier, fade, at, .. } => {
                    let ramp = Some(Ramp { length: fade, curve: Curve::EqualPower });
                    (at, Command::Skip { tier: Some(tier), ramp, wait: false })
                }
                LiveAction::Title { tier, item, at, metadata } => {
                    (at, Command::Retitle { tier, item, metadata })
                }
                LiveAction::Report { .. } => continue,
            };
            assert!(control.send(When::At(at), command).is_ok());
        }
    }
}

/// A quarter of an hour in which a command comes every 10 ms, and live sources come and go.
fn busy_quarter(seed: u64) {
    let (mut control, mut engine) = station();
    let mut random = Random(seed);
    let mut live = Live::new();
    let mut taps = Vec::new();
    let mut block = [[0.0; 2]; BLOCK];
    let (mut done, mut failed, mut emergencies) = (0, 0, 0);
    for round in 0..90_000_u64 {
        for _ in 0..random.below(3) {
            let when = match random.below(3) {
                0 => When::At(engine.position() + random.below(20_000)),
                _ => When::Now,
            };
            let command = command(&mut random, round, &mut taps);
            assert!(control.send(when, command).is_ok());
        }
        live.step(&mut random, engine.position(), &mut control);
        assert_no_alloc(|| engine.render(&mut block));
        assert!(block.iter().flatten().all(|sample| sample.is_finite()));
        // The control side is slow at times: things pile up in the rings.
        if round % 40 == 39 {
            while let Some(event) = control.poll() {
                live.slots.on_event(&event);
                match event.kind {
                    EventKind::CommandDone(_) => done += 1,
                    EventKind::CommandFailed(..) => failed += 1,
                    EventKind::PriorityChanged { to: Some(Tier::Emergency), .. } => emergencies += 1,
                    EventKind::NowPlaying { item, started: true, .. } if item.0 > LIVE_IDS => live.heard += 1,
                    _ => {}
                }
            }
        }
    }
    let heard = live.heard;
    assert!(
        done > 15_000 && failed > 1_500 && emergencies > 500 && heard > 50,
        "{done} done, {failed} refused, {emergencies} emergencies, {heard} live: the traffic is not what it should be"
    );
}

// Together a busy hour; side by side they take a quarter of its time.

#[test]
fn the_first_quarter_of_a_busy_hour_without_the_allocator() {
    busy_quarter(0x5EED);
}

#[test]
fn the_second_quarter_of_a_busy_hour_without_the_allocator() {
    busy_quarter(0xB0B0);
}

#[test]
fn the_third_quarter_of_a_busy_hour_without_the_allocator() {
    busy_quarter(0x1234_5678);
}

#[test]
fn the_fourth_quarter_of_a_busy_hour_without_the_allocator() {
    busy_quarter(0xFACE_FEED_0001);
}

#[test]
fn ten_thousand_commands_in_one_block_are_bounded_and_free_nothing() {
    let (mut control, mut engine) = station();
    let mut refused = 0;
    for id in 1..=10_000 {
        let load = Command::Load { tier: Tier::Automation, item: item(id * 2, 100), place: Place::Back };
        refused += u32::from(control.send(When::Now, load).is_err());
    }
    assert!(refused > 0, "the ring has no bound");
    let mut block = [[0.0; 2]; BLOCK];
    for _ in 0..100 {
        assert_no_alloc(|| engine.render(&mut block));
    }
    let answers = std::iter::from_fn(|| control.poll());
    let answered =
        answers.filter(|e| matches!(e.kind, EventKind::CommandDone(_) | EventKind::CommandFailed(..)));
    assert_eq!(answered.count(), 10_000 - refused as usize);
}
