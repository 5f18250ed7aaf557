//! The engine: the path of a block from the decks to the taps, readable top to bottom.

use crate::border::{Panic, guarded};
use crate::bus::Bus;
use crate::chain::Chain;
use crate::control::{
    Command, CommandId, Control, EventKind, Failure, Inbox, Order, Outbox, Retired, When, rings,
};
use crate::dsp::SilenceAction;
use crate::ladder::{Ladder, LadderConfig};
use crate::processor::Processor;
use crate::source::Buffered;
use crate::stems::Stems;
use crate::tap::Stretch;
use crate::units::SILENCE;
use crate::{Frames, Stereo};

/// What is fixed for an engine's life.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The most frames one [`Engine::render`] is asked for.
    pub max_block: usize,
    /// How the tiers follow one another; also holds the sample rate.
    pub ladder: LadderConfig,
}

/// Commands that may wait for their frame.
const SCHEDULED: usize = 512;
/// Events that one command brings about at most.
const EVENTS_PER_ORDER: usize = 4;
/// Commands taken from the ring in one block: what a block costs stays bounded.
const ORDERS_PER_BLOCK: usize = 256;

/// Makes an engine and its control side. `chain` is the first chain; its latency is the station's.
pub fn engine(config: &EngineConfig, chain: Chain) -> (Control, Engine) {
    let (control, inbox, outbox) =
        rings(Renewer { ladder: config.ladder, max_block: config.max_block.max(1) });
    let rate = config.ladder.joins.rate;
    let engine = Engine {
        position: 0,
        block_start: 0,
        max_block: config.max_block.max(1),
        inbox,
        outbox,
        scheduled: Vec::with_capacity(SCHEDULED + ORDERS_PER_BLOCK),
        ladder: Ladder::new(config.ladder, config.max_block.max(1)),
        bus: Bus::new(chain.latency() as Frames),
        processor: Processor::new(chain, rate, config.max_block.max(1)),
        silent: false,
        bypass_at: 0,
        resting: false,
        no_stems: Stems::new(0),
        buffered: Buffered::default(),
    };
    (control, engine)
}

/// Makes what an engine begins anew with after it has failed.
pub(crate) struct Renewer {
    ladder: LadderConfig,
    max_block: usize,
}

impl Renewer {
    pub(crate) fn renewal(&self) -> Renewal {
        Renewal(Box::new(Ladder::new(self.ladder, self.max_block)))
    }
}

/// Empty decks, for an engine that has failed. Made by [`Control::renewal`].
pub struct Renewal(Box<Ladder>);

/// A station's audio: the air thread's side.
///
/// Apart from its construction it never allocates, frees, locks, logs, panics or makes a system call.
pub struct Engine {
    position: Frames,
    /// The frame that the present block starts with.
    block_start: Frames,
    max_block: usize,
    inbox: Inbox,
    outbox: Outbox,
    /// Orders that wait for their frame, the next one last.
    scheduled: Vec<(Frames, Order)>,
    ladder: Ladder,
    processor: Processor,
    bus: Bus,
    /// What the silence detector last said.
    silent: bool,
    /// When the tier on air is passed over if the silence lasts.
    bypass_at: Frames,
    /// It has failed, and is silent until it is renewed: what is on its decks is not to be touched.
    resting: bool,
    /// The stems of an engine that rests.
    no_stems: Stems,
    buffered: Buffered,
}

impl Engine {
    /// The programme frame that the next block starts with.
    pub fn position(&self) -> Frames {
        self.position
    }

    /// What it could go on with after the last block if nothing more were decoded.
    pub fn buffered(&self) -> Buffered {
        self.buffered
    }

    /// Renders the next `out.len()` frames and hands them to the taps. What comes out is the programme
    /// [`Chain::latency`] frames ago.
    pub fn render(&mut self, out: &mut [Stereo]) {
        if let Err(panic) = guarded(|| self.take_orders()) {
            self.fail(panic, &mut []);
        }
        let max_block = self.max_block;
        for block in out.chunks_mut(max_block) {
            self.block_start = self.position;
            let begin = self.position;
            if let Err(panic) = guarded(|| self.render_block(block)) {
                let done = self.position.saturating_sub(begin) as usize;
                self.fail(panic, block.get_mut(done..).unwrap_or_default());
            }
            if let Err(panic) = guarded(|| self.bus.push(block)) {
                self.fail(panic, &mut []);
            }
        }
        self.buffered =
            match guarded(|| if self.resting { Buffered::default() } else { self.ladder.buffered() }) {
                Ok(buffered) => buffered,
                Err(panic) => {
                    self.fail(panic, &mut []);
                    Buffered::default()
                }
            };
    }

    fn render_block(&mut self, block: &mut [Stereo]) {
        let mut done = 0;
        while let Some(rest) = block.get_mut(done..).filter(|rest| !rest.is_empty()) {
            self.obey();
            let run = self.until_change().min(rest.len() as Frames) as usize;
            let (segment, _) = rest.split_at_mut(run);
            self.render_segment(segment);
            done += run;
        }
    }

    /// Something panicked that is neither a chain nor an item's source. Position, bus and taps are kept, so that nobody
    /// behind them notices more than a silence; decks and chain are left alone until the director has renewed them.
    fn fail(&mut self, panic: Panic, rest: &mut [Stereo]) {
        self.outbox.retire(Retired::Panic(panic));
        self.outbox.event(self.position, EventKind::EngineFailed);
        self.resting = true;
        self.tell_stretches();
        self.stretch(Stretch { at: self.position, of: None });
        self.processor.clear(&mut self.outbox);
        self.rest(rest);
    }

    /// Silence, after what is still on its way through the chain.
    fn rest(&mut self, segment: &mut [Stereo]) {
        segment.fill(SILENCE);
        self.processor.process(self.position, segment, &self.no_stems, &mut self.outbox);
        self.position += segment.len() as Frames;
    }

    /// Decks, ladder, chain: a stretch in which no command falls due.
    fn render_segment(&mut self, segment: &mut [Stereo]) {
        let at = self.position;
        if self.resting {
            return self.rest(segment);
        }
        let (wanted, clear) = (self.processor.wanted(), self.processor.is_clear());
        self.ladder.render(at, segment, wanted, clear, &mut self.outbox);
        let (mut done, mut finite) = (0, true);
        while let Some((frame, programme)) = self.ladder.take_change() {
            let upto = frame.saturating_sub(at) as usize;
            finite &= self.process(at, done, segment.get_mut(done..upto));
            self.processor.programme(programme);
            done = upto.max(done);
        }
        finite &= self.process(at, done, segment.get_mut(done..));
        while let Some(mark) = self.outbox.take_mark() {
            if let Some(old) = self.bus.mark(mark) {
                self.outbox.retire(Retired::Metadata(old.metadata));
            }
        }
        self.tell_stretches();
        self.position += segment.len() as Frames;
        if !finite {
            self.outbox.event(self.position, EventKind::ChainReset);
        }
        self.heed_silence();
    }

    fn tell_stretches(&mut self) {
        while let Some(stretch) = self.outbox.take_stretch() {
            self.stretch(stretch);
        }
    }

    fn stretch(&mut self, stretch: Stretch) {
        if let Some(part) = self.bus.stretch(stretch).of {
            self.outbox.retire(Retired::Origin(part.origin));
        }
    }

    /// The chain, for the part of a segment of one item that begins with frame `at + done`; says whether all was finite.
    fn process(&mut self, at: Frames, done: usize, part: Option<&mut [Stereo]>) -> bool {
        let at = at + done as Frames;
        let Some(part) = part.filter(|part| !part.is_empty()) else { return true };
        self.processor.process(at, part, self.ladder.stems(done), &mut self.outbox)
    }

    /// Reports a silence and its end, and puts the fallback on air if the detector is set to.
    fn heed_silence(&mut self) {
        let Some((silent, quiet, action)) = self.processor.silence() else { return };
        if silent != self.silent {
            self.silent = silent;
            let kind = if silent { EventKind::SilenceDetected } else { EventKind::SilenceEnded };
            self.outbox.event(self.position, kind);
            self.bypass_at = self.position;
        }
        if silent && action == SilenceAction::FailoverToFallback && self.position >= self.bypass_at {
            // The tier below has the detector's own time to be heard; if it is silent too, it is passed over next.
            self.bypass_at = self.position + quiet.max(1);
            self.ladder.bypass_silent_tier();
        }
    }

    /// Frames until a command falls due or a chain has taken over; at least one.
    fn until_change(&self) -> Frames {
        let command =
            self.scheduled.last().map_or(Frames::MAX, |(frame, _)| frame.saturating_sub(self.position));
        command.min(self.processor.until_change(self.position)).max(1)
    }

    /// Takes what was sent since the last block.
    fn take_orders(&mut self) {
        for _ in 0..ORDERS_PER_BLOCK {
            // There is room for what each of those that wait may bring about when they fall due together.
            let Some(order) = self.inbox.take(&self.outbox, EVENTS_PER_ORDER * self.scheduled.len()) else {
                return;
            };
            let frame = match order.when {
                When::Now => self.position,
                When::At(frame) => frame.max(self.position),
            };
            // What is to be done at once always has its place.
            if frame > self.position && self.scheduled.len() >= SCHEDULED {
                self.answer(order.id, Err(Failure::TooManyScheduled));
                retire(order.command, &mut self.outbox);
                continue;
            }
            // The next one last; of two with the same frame, the one sent first comes first.
            let index = self.scheduled.partition_point(|(other, _)| *other > frame);
            self.scheduled.insert(index, (frame, order));
        }
    }

    /// Carries out what is due at this frame.
    fn obey(&mut self) {
        while self.scheduled.last().is_some_and(|(frame, _)| *frame <= self.position) {
            if let Some((_, order)) = self.scheduled.pop() {
                let result = if self.resting && !spares_decks(&order.command) {
                    retire(order.command, &mut self.outbox);
                    Err(Failure::Resting)
                } else {
                    self.carry_out(order.command)
                };
                self.answer(order.id, result);
            }
        }
    }

    fn answer(&mut self, id: CommandId, result: Result<(), Failure>) {
        let kind = match result {
            Ok(()) => EventKind::CommandDone(id),
            Err(failure) => EventKind::CommandFailed(id, failure),
        };
        self.outbox.event(self.position, kind);
    }

    fn carry_out(&mut self, command: Command) -> Result<(), Failure> {
        let (at, outbox) = (self.position, &mut self.outbox);
        match command {
            Command::Load { tier, item, place } => {
                self.ladder.load(tier, item, place).map_err(|(failure, item)| {
                    outbox.retire(Retired::Item(item));
                    failure
                })
            }
            Command::Unload { tier, item } => self.ladder.unload(tier, item, at, outbox),
            Command::Level { tier, item, gain, levelled_lufs } => {
                self.ladder.level(tier, item, gain, levelled_lufs)
            }
            Command::Move { tier, item, place } => self.ladder.shift(tier, item, place),
            Command::Skip { tier, ramp, wait } => self.ladder.skip(tier, ramp, wait, at, outbox),
            Command::Stop { tier, ramp } => self.ladder.stop(tier, ramp, at, outbox),
            Command::Fade { tier, gain, ramp } => {
                self.ladder.fade(tier, gain, ramp, at);
                Ok(())
            }
            Command::SetMetadata(metadata) => {
                self.ladder.set_metadata(metadata, at, outbox).map_err(|metadata| {
                    outbox.retire(Retired::Metadata(metadata));
                    Failure::Idle
                })
            }
            Command::Retitle { tier, item, metadata } => {
                self.ladder.retitle(tier, item, metadata, at, outbox).map_err(|metadata| {
                    outbox.retire(Retired::Metadata(metadata));
                    Failure::NotPlaying
                })
            }
            Command::Renew(Renewal(mut ladder)) => {
                std::mem::swap(&mut self.ladder, &mut *ladder);
                outbox.retire(Retired::Ladder(ladder));
                self.resting = false;
                Ok(())
            }
            Command::SetParam { node, param, value } => self.processor.set(node, param, value),
            Command::SetChain(chain) => match self.processor.swap(chain, at) {
                Ok(superseded) => {
                    if let Some(chain) = superseded {
                        outbox.retire(Retired::Chain(chain));
                    }
                    Ok(())
                }
                Err(chain) => {
                    outbox.retire(Retired::Chain(chain));
                    Err(Failure::ChainTooLate)
                }
            },
            Command::AddTap(tap) => match self.bus.add(tap, at, at - self.block_start) {
                Some(tap) => {
                    outbox.retire(Retired::Tap(tap));
                    Err(Failure::TooManyTaps)
                }
                None => Ok(()),
            },
            Command::RemoveTap(id) => {
                let tap = self.bus.remove(id).ok_or(Failure::NoSuchTap)?;
                outbox.retire(Retired::Tap(tap));
                Ok(())
            }
        }
    }
}

/// Whether a command can be carried out while what is on the decks is not to be touched.
fn spares_decks(command: &Command) -> bool {
    matches!(command, Command::SetChain(_) | Command::AddTap(_) | Command::RemoveTap(_) | Command::Renew(_))
}

/// Hands over what a refused command holds.
fn retire(command: Command, outbox: &mut Outbox) {
    match command {
        Command::Load { item, .. } => outbox.retire(Retired::Item(item)),
        Command::SetChain(chain) => outbox.retire(Retired::Chain(chain)),
        Command::AddTap(tap) => outbox.retire(Retired::Tap(tap)),
        Command::SetMetadata(metadata) | Command::Retitle { metadata, .. } => {
            outbox.retire(Retired::Metadata(metadata));
        }
        Command::Renew(Renewal(ladder)) => outbox.retire(Retired::Ladder(ladder)),
        Command::Unload { .. }
        | Command::Level { .. }
        | Command::Move { .. }
        | Command::Skip { .. }
        | Command::Stop { .. }
        | Command::Fade { .. }
        | Command::SetParam { .. }
        | Command::RemoveTap(_) => {}
    }
}
