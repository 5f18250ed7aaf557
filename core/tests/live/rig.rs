//! A station in simulated time: the real engine, the live slots, and a director reduced to what they ask of it.

use std::sync::Arc;

use airchain_core::chain::Chain;
use airchain_core::control::{Command, CommandId, Control, Event, EventKind, Place, Ramp, When};
use airchain_core::curve::Curve;
use airchain_core::deck::{ItemId, Prepared};
use airchain_core::dsp::Format;
use airchain_core::engine::{Engine, EngineConfig, engine};
use airchain_core::item::Metadata;
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::playout::live::{LiveAction, LiveConfig, LiveSlots, LiveState, LiveStatus, LiveWriter};
use airchain_core::playout::report::StationEvent;
use airchain_core::program::Joins;
use airchain_core::source::MemorySource;
use airchain_core::tier::Tier;
use airchain_core::{Frames, Stereo};
use testkit::alloc::assert_no_alloc;
use testkit::measure;
use testkit::signal;
use testkit::studio::Studio;

pub(crate) const RATE: u32 = 48_000;
pub(crate) const SECOND: Frames = RATE as Frames;
pub(crate) const BLOCK: usize = 480;
/// The frequency and level of the automation.
pub(crate) const BED_HZ: f64 = 220.0;
const BED_DB: f64 = -9.0;
/// The studios' level.
pub(crate) const STUDIO_DB: f64 = -12.0;
/// The emergency's frequency.
pub(crate) const ALERT_HZ: f64 = 500.0;

struct Line {
    writer: Option<LiveWriter>,
    studio: Studio,
}

pub(crate) struct Rig {
    control: Control,
    engine: Engine,
    pub(crate) live: LiveSlots,
    lines: Vec<Line>,
    next_id: u64,
    /// Items of live sources whose loading has not been answered.
    loading: Vec<(CommandId, ItemId)>,
    pub(crate) out: Vec<Stereo>,
    pub(crate) events: Vec<Event>,
    pub(crate) reports: Vec<(Frames, StationEvent)>,
}

impl Rig {
    /// A station whose automation and live tiers go on after an interruption by `returns`, and whose tiers take over by
    /// `curve` in 100 ms (the emergency in 5 ms).
    pub(crate) fn new(returns: Return, curve: Curve) -> Self {
        let ramp = |length, curve| Ramp { length, curve };
        let mut takeover = [ramp(4_800, curve); Tier::COUNT];
        takeover[0] = ramp(240, Curve::SCurve);
        let joins = Joins { crossfade: ramp(0, Curve::EqualPower), rate: RATE };
        let ladder = LadderConfig { joins, takeover, returns: [returns; Tier::COUNT] };
        let format = Format { sample_rate_hz: RATE, max_block: BLOCK };
        let chain = Chain::build(&[], format, 0).unwrap();
        let (control, engine) = engine(&EngineConfig { max_block: BLOCK, ladder }, chain);
        let mut rig = Self {
            control,
            engine,
            live: LiveSlots::new(format),
            lines: Vec::new(),
            next_id: 0,
            loading: Vec::new(),
            out: Vec::new(),
            events: Vec::new(),
            reports: Vec::new(),
        };
        rig.load_bed();
        rig.load_bed();
        rig
    }

    fn fresh_id(&mut self) -> ItemId {
        self.next_id += 1;
        ItemId(self.next_id)
    }

    fn send(&mut self, at: Frames, command: Command) -> CommandId {
        let Ok(id) = self.control.send(When::At(at), command) else { panic!("the ring is full") };
        id
    }

    fn load_tone(&mut self, tier: Tier, audio: Vec<Stereo>, looped: bool) {
        let prepared = Box::new(Prepared {
            id: self.fresh_id(),
            source: Box::new(MemorySource::new(audio.into(), looped)),
            gain: 1.0,
            levelled_lufs: None,
            // The tone is at full level from its first frame to its last.
            fade_in: Some(480),
            fade_out: Some(480),
            curve: None,
            start_next: None,
            metadata: Arc::new(Metadata { title: Some(tier.name().into()), ..Metadata::default() }),
        });
        self.send(0, Command::Load { tier, item: prepared, place: Place::Back });
    }

    /// An endless item for the automation.
    fn load_bed(&mut self) {
        self.load_tone(Tier::Automation, signal::vector(RATE, BED_HZ, BED_DB, 0, RATE as usize), true);
    }

    /// Puts an emergency of so many frames on air.
    pub(crate) fn alert(&mut self, frames: usize) {
        self.load_tone(Tier::Emergency, signal::vector(RATE, ALERT_HZ, STUDIO_DB, 0, frames), false);
    }

    /// Connects a studio that sends a tone of `hz` in chunks of a block from now on; its number.
    pub(crate) fn connect(&mut self, name: &str, hz: f64, config: LiveConfig) -> usize {
        let writer = Some(self.live.open(name, config).unwrap());
        let studio = Studio::new(RATE, hz, STUDIO_DB, BLOCK as Frames, self.position());
        self.lines.push(Line { writer, studio });
        self.lines.len() - 1
    }

    pub(crate) fn route(&mut self, name: &str, tier: Tier) {
        let at = self.position();
        self.live.route(name, tier, None, at).unwrap();
    }

    /// Takes a tier off the air, over 100 ms.
    pub(crate) fn stop(&mut self, tier: Tier) -> bool {
        let stopped = self.live.stop(tier);
        let ramp = Ramp { length: 4_800, curve: Curve::EqualPower };
        self.send(0, Command::Stop { tier, ramp });
        stopped
    }

    pub(crate) fn studio(&mut self, line: usize) -> &mut Studio {
        &mut self.lines[line].studio
    }

    pub(crate) fn writer(&mut self, line: usize) -> &mut LiveWriter {
        self.lines[line].writer.as_mut().unwrap()
    }

    /// Signs off.
    pub(crate) fn close(&mut self, line: usize) {
        if let Some(writer) = self.lines[line].writer.take() {
            writer.close();
        }
    }

    pub(crate) fn is_open(&self, line: usize) -> bool {
        self.lines[line].writer.is_some()
    }

    pub(crate) fn position(&self) -> Frames {
        self.engine.position()
    }

    pub(crate) fn status(&self, name: &str) -> Option<LiveStatus> {
        self.live.status().find(|status| status.source == name)
    }

    pub(crate) fn state(&self, name: &str) -> Option<LiveState> {
        self.status(name).map(|status| status.state)
    }

    pub(crate) fn run(&mut self, seconds: f64) {
        let end = self.position() + (seconds * f64::from(RATE)).round() as Frames;
        while self.position() < end {
            self.step();
        }
    }

    /// One block: what has arrived is pushed, the director ticks, the engine renders.
    pub(crate) fn step(&mut self) {
        let position = self.position();
        for line in &mut self.lines {
            let arrived = line.studio.due(position);
            if let Some(writer) = &mut line.writer {
                writer.push(&arrived);
            }
        }
        while let Some(event) = self.control.poll() {
            self.on_event(event);
        }
        let next_id = &mut self.next_id;
        self.live.tick(position, &mut || {
            *next_id += 1;
            ItemId(*next_id)
        });
        while let Some(action) = self.live.poll() {
            self.carry_out(action);
        }
        let mut block = [[0.0; 2]; BLOCK];
        assert_no_alloc(|| self.engine.render(&mut block));
        self.out.extend(block);
    }

    fn on_event(&mut self, event: Event) {
        self.live.on_event(&event);
        match &event.kind {
            EventKind::ItemEnded { tier: Tier::Automation, .. } => self.load_bed(),
            EventKind::CommandFailed(id, failure) => {
                if let Some((_, item)) = self.loading.iter().find(|(loading, _)| loading == id) {
                    assert!(self.live.on_refused(*item, &failure.to_string()));
                }
            }
            _ => {}
        }
        self.events.push(event);
    }

    fn carry_out(&mut self, action: LiveAction) {
        match action {
            LiveAction::Load { tier, prepared, at, .. } => {
                let item = prepared.id;
                let id = self.send(at, Command::Load { tier, item: prepared, place: Place::Back });
                self.loading.push((id, item));
            }
            LiveAction::Unload { tier, item } => {
                self.send(0, Command::Unload { tier, item });
            }
            LiveAction::TakeOff { tier, fade, at, .. } => {
                let ramp = Some(Ramp { length: fade, curve: Curve::EqualPower });
                self.send(at, Command::Skip { tier: Some(tier), ramp, wait: false });
            }
            LiveAction::Title { tier, item, at, metadata } => {
                self.send(at, Command::Retitle { tier, item, metadata });
            }
            LiveAction::Report { frame, event } => self.reports.push((frame, event)),
        }
    }

    /// Every change of the tier on air, after the start.
    pub(crate) fn changes(&self) -> Vec<(Frames, Tier)> {
        let change = |event: &Event| match event.kind {
            EventKind::PriorityChanged { from: Some(_), to, .. } => Some((event.frame, to.unwrap())),
            _ => None,
        };
        self.events.iter().filter_map(change).collect()
    }

    /// The sources that failed: when, why, and whether for good.
    pub(crate) fn failures(&self) -> Vec<(Frames, &str, bool)> {
        let mut failures = Vec::new();
        for (frame, event) in &self.reports {
            if let StationEvent::SourceFailed { error, skipped, .. } = event {
                failures.push((*frame, error.as_str(), *skipped));
            }
        }
        failures
    }

    /// Whether nothing but a tone of `hz` is heard in a stretch.
    #[track_caller]
    pub(crate) fn assert_heard(&self, range: std::ops::Range<Frames>, hz: f64) {
        let frames = &self.out[range.start as usize..range.end as usize];
        let turns = measure::turn_hz(frames, RATE);
        let wrong = turns.iter().position(|turn| (turn - hz).abs() > 1.0);
        assert_eq!(
            wrong.map(|at| (range.start + at as Frames, turns[at])),
            None,
            "{hz} Hz is not what is heard"
        );
    }

    /// That all of it was finite, never silent for longer than a seam dips, and without a click.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        self.assert_clean_at(1.0);
    }

    /// The same where a studio was turned down to a gain.
    #[track_caller]
    pub(crate) fn assert_clean_at(&self, gain: f64) {
        assert!(self.out.iter().flatten().all(|sample| sample.is_finite()));
        // A seam falls to nothing and rises from nothing: less than 1 ms of it is 60 dB down, and no frame of it is
        // digital silence. The first frames are the automation's own fade in.
        let (mut dip, faint) = (0, 1e-3 * gain * signal::amplitude(STUDIO_DB));
        for (frame, level) in measure::envelope(&self.out).iter().enumerate().skip(480) {
            assert!(*level > 0.0, "frame {frame} is silent");
            dip = if *level < faint { dip + 1 } else { 0 };
            assert!(dip < 48, "a gap before frame {frame}");
        }
        for channel in [0, 1] {
            let samples = measure::channel(&self.out, channel);
            // The steepest there is: an emergency over a studio over the bed, all of them near full level.
            let bound = 0.06;
            let at = samples.windows(2).position(|pair| (pair[1] - pair[0]).abs() > bound);
            assert_eq!(at.map(|at| (at, samples[at], samples[at + 1])), None, "a click");
        }
    }
}
