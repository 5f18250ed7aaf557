//! The director: keeps the automation fed, carries out requests, and tells what happened.

mod answers;
mod engine;
mod hold;
mod items;
mod levels;
mod line;
mod live;
mod mending;
mod programme;
mod queue;
mod requests;
mod resume;
mod scheduled;
mod supply;

use std::collections::{BTreeMap, HashMap, VecDeque};

pub use answers::{Answer, HostOrder};
pub use resume::{LineUp, Lined};

use crate::Frames;
use crate::chain::{NodeSpec, ParamValue};
use crate::control::{Command, CommandId, Control, Ramp, When};
use crate::curve::Curve;
use crate::deck::ItemId;
use crate::dsp::{Format, ParamId};
use crate::item::{Invalid, Item};
use crate::ladder::Return;
use crate::playout::clock::StationClock;
use crate::playout::live::LiveSlots;
use crate::playout::loader::{Loader, Ticket};
use crate::playout::playlist::NextTrack;
use crate::playout::report::{Report, StationEvent};
use crate::playout::request::{Moment, Request, RequestId};
use crate::tier::Tier;
use crate::units::{frames_to_seconds, seconds_to_frames};
use hold::Hold;
use items::{Known, Opening, Purpose};
use line::Line;
use mending::{Fixture, Retry};
use scheduled::Scheduled;
use supply::Supply;

/// What a director must know of its station.
#[derive(Clone, Debug)]
pub struct DirectorConfig {
    /// Rate and block size of the engine.
    pub format: Format,
    /// The engine's latency in frames; new chains are built to it.
    pub latency: usize,
    /// The chain the engine was started with.
    pub chain: Vec<NodeSpec>,
    /// What each tier does when it gets the air back, as the engine has it.
    pub returns: [Return; Tier::COUNT],
}

/// How long before its frame a request that brings an item or a chain is taken up, so that it is ready in time.
const LEAD_S: f64 = 2.0;
/// The same for other requests: long enough to be with the engine in time.
const SHORT_LEAD_S: f64 = 0.1;
/// Requests that may wait for their time, or for room in the engine.
const MOST_WAITING: usize = 100_000;

/// What hangs on the answer to a command.
#[derive(Default)]
struct Issued {
    /// The request to be answered.
    answer: Option<Answer>,
    /// The number of the chain that it brings.
    chain: Option<u64>,
    /// What it sets of the chain: node, parameter, value.
    tunes: Option<(usize, ParamId, ParamValue)>,
    /// The item that is not on air if it is not.
    item: Option<ItemId>,
    /// It brings that item at a later frame.
    scheduled: bool,
    /// A live source was routed to the tier that is stopped: there was something to stop, whatever the engine says.
    routed: bool,
    /// What it means for the automation.
    hold: Option<Hold>,
    /// It stops the automation.
    stops: bool,
    /// What the command log says of it.
    logged: Option<Box<Request>>,
}

/// The thinking half of a station.
pub struct Director {
    config: DirectorConfig,
    control: Control,
    loader: Box<dyn Loader>,
    programme: Supply,
    clock: StationClock,
    scheduled: Option<Scheduled>,
    position: Frames,
    /// Requests whose time has not come, by the frame at which to take them up and then by order of arrival.
    later: BTreeMap<(Frames, RequestId), (Frames, Request)>,
    /// Requests for a UTC time that is too far ahead to say its frame.
    by_clock: BTreeMap<(i64, RequestId), Request>,
    line: Line,
    live: LiveSlots,
    opening: HashMap<Ticket, Opening>,
    /// Items that the engine holds and that are not in the line: heard ones, and those of other tiers.
    known: BTreeMap<ItemId, Known>,
    issued: HashMap<CommandId, Issued>,
    /// Commands that found the engine's ring full.
    unsent: VecDeque<(When, Command, Issued)>,
    reports: VecDeque<Report>,
    /// What is the host's to do.
    orders: VecDeque<HostOrder>,
    /// Commands that were carried out, as a script; `None` while nobody wants them.
    log: Option<VecDeque<(Frames, Request)>>,
    next_id: u64,
    next_request: u64,
    failures: u32,
    retry_at: Frames,
    /// The programme has no more items.
    exhausted: bool,
    /// A skip waits for the programme's next item.
    skipping: bool,
    /// The automation was stopped by request.
    held: bool,
    /// Where and in which turn it was last asked to go on.
    released: Option<(Frames, u64)>,
    /// Requests carried out so far.
    turn: u64,
    /// Stops of the automation that have not been answered.
    stopping: u32,
    /// Chains on their way to the engine: the frame from which each is on air, its number, its nodes.
    chains: VecDeque<(Frames, u64, Vec<NodeSpec>)>,
    /// The chain on air with the values that were set since: how it is built anew.
    tuned: Vec<NodeSpec>,
    /// A command log is played back: it alone says what is aired.
    replaying: bool,
    last_end: Frames,
    /// What an engine that begins anew is given first.
    fixtures: Vec<Fixture>,
    /// A chain that failed, an engine, and a programme.
    chain_retry: Retry,
    engine_retry: Retry,
    programme_retry: Retry,
}

impl Director {
    /// A director over the control side of an engine. Until [`set_clock`](Self::set_clock), frame 0 is at 1970.
    pub fn new(
        config: DirectorConfig,
        control: Control,
        loader: Box<dyn Loader>,
        programme: Box<dyn NextTrack>,
    ) -> Self {
        let (live, tuned) = (LiveSlots::new(config.format), config.chain.clone());
        let clock = StationClock { rate_hz: config.format.sample_rate_hz, epoch_ns: 0 };
        Self {
            config,
            control,
            loader,
            programme: Supply::new(programme),
            clock,
            scheduled: None,
            position: 0,
            later: BTreeMap::new(),
            by_clock: BTreeMap::new(),
            line: Line::default(),
            live,
            opening: HashMap::new(),
            known: BTreeMap::new(),
            issued: HashMap::new(),
            unsent: VecDeque::new(),
            reports: VecDeque::new(),
            orders: VecDeque::new(),
            log: None,
            next_id: 1,
            next_request: 0,
            failures: 0,
            retry_at: 0,
            exhausted: false,
            skipping: false,
            held: false,
            released: None,
            turn: 0,
            stopping: 0,
            chains: VecDeque::new(),
            tuned,
            replaying: false,
            last_end: 0,
            fixtures: Vec::new(),
            chain_retry: Retry::default(),
            engine_retry: Retry::default(),
            programme_retry: Retry::default(),
        }
    }

    /// Says at which UTC time frame 0 was, or would have been by the clock of now.
    pub fn set_clock(&mut self, epoch_ns: i64) {
        self.clock.epoch_ns = epoch_ns;
    }

    /// Begins to keep a command log, which [`poll_log`](Self::poll_log) hands out: a script that gives the same programme,
    /// frame for frame.
    pub fn keep_log(&mut self) {
        self.log = Some(VecDeque::from([(self.position, Request::Replay)]));
    }

    /// The next line of the command log.
    pub fn poll_log(&mut self) -> Option<(Frames, Request)> {
        self.log.as_mut()?.pop_front()
    }

    /// Does what is to be done by `position`, the engine's. Called at least every few blocks.
    pub fn tick(&mut self, position: Frames) {
        self.position = position;
        self.mend();
        if self.engine_retry.is_waiting() {
            return self.hear();
        }
        self.take_up();
        self.tick_live();
        loop {
            self.hear();
            if self.engine_retry.is_waiting() {
                return;
            }
            self.tick_schedule();
            while let Some((ticket, result)) = self.loader.poll() {
                self.on_opened(ticket, result);
            }
            while let Some((ticket, loudness)) = self.loader.poll_loudness() {
                self.on_loudness(ticket, loudness);
            }
            while let Some((ticket, error)) = self.loader.poll_damage() {
                self.on_damage(ticket, error);
            }
            while let Some((item, error)) = self.programme.poll_failure() {
                let event = StationEvent::SourceFailed { tier: Tier::Automation, item, error, skipped: true };
                self.report(self.position, event);
            }
            self.look_after_programme();
            self.give_up_openings();
            self.send_unsent();
            if !self.feed() {
                return;
            }
        }
    }

    /// Carries out the requests whose time has come.
    fn take_up(&mut self) {
        let horizon_ns = self.clock.utc_of(self.position + self.frames(LEAD_S + SHORT_LEAD_S));
        while let Some(entry) = self.by_clock.first_entry().filter(|entry| entry.key().0 <= horizon_ns) {
            let ((utc_ns, id), request) = entry.remove_entry();
            self.schedule(self.clock.frame_of(utc_ns).unwrap_or(0), id, request);
        }
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= self.position) {
            let ((_, id), (frame, request)) = entry.remove_entry();
            self.carry_out(When::At(frame), id, request);
        }
    }

    /// What happened since last asked, in order.
    pub fn poll(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// What the host is to do next; it says how that went by [`answer`](Self::answer).
    pub fn poll_order(&mut self) -> Option<HostOrder> {
        self.orders.pop_front()
    }

    /// Asks for something. A request that cannot be meant is refused at once; it and every other is answered by a report
    /// that bears its number.
    pub fn request(&mut self, when: impl Into<Moment>, request: Request) -> Result<RequestId, Invalid> {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        let waiting = self.later.len() + self.by_clock.len() + self.unsent.len();
        let room = if waiting < MOST_WAITING {
            Ok(())
        } else {
            Err(Invalid::new("command", "one more", "fewer: 100000 commands are waiting for their time"))
        };
        if let Err(invalid) = room.and_then(|()| request.validate()) {
            self.answer(Answer::to(id, &request), Err(invalid.to_string()));
            return Err(invalid);
        }
        match when.into() {
            Moment::Now => self.carry_out(When::Now, id, request),
            Moment::Frame(frame) => self.schedule(frame, id, request),
            Moment::Utc(utc_ns) => drop(self.by_clock.insert((utc_ns, id), request)),
        }
        Ok(id)
    }

    /// Sees to it that a request is carried out at `frame`.
    fn schedule(&mut self, frame: Frames, id: RequestId, request: Request) {
        let lead_s = match request {
            // The line-up is the director's own, and an output that goes is heard to its end.
            Request::Queue(_) | Request::RemoveOutput { .. } | Request::RenameOutput { .. } => 0.0,
            Request::Play { .. }
            | Request::InsertEmergency { .. }
            | Request::SetChain { .. }
            | Request::Load { .. } => LEAD_S,
            _ => SHORT_LEAD_S,
        };
        let due = frame.saturating_sub(self.frames(lead_s));
        if due > self.position {
            self.later.insert((due, id), (frame, request));
        } else {
            self.carry_out(When::At(frame), id, request);
        }
    }

    /// Sends the engine a command that is none of the director's business (taps).
    pub fn send(&mut self, when: When, command: Command) {
        self.issue(when, command, Issued::default());
    }

    /// Whether the programme and everything asked for is over.
    pub fn is_finished(&self) -> bool {
        let playing = self.known.values().any(|known| known.tier != Tier::Fallback);
        let coming = !self.held && self.has_more();
        let asked = !(self.later.is_empty() && self.by_clock.is_empty() && self.unsent.is_empty());
        !coming && !playing && !asked && self.opening.is_empty() && !self.live.is_routed()
    }

    /// Whether the automation has items that have not been heard.
    fn has_more(&self) -> bool {
        !self.exhausted || !self.line.is_empty()
    }

    /// The frame at which the last item that ended did so.
    pub fn last_end(&self) -> Frames {
        self.last_end
    }

    /// Items that could not be opened since the last that could.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures
    }

    /// Whether the next block can begin with the programme, or waiting for it would be of no use.
    pub fn is_ready(&self) -> bool {
        // What is to be heard over the automation from the start must not come a moment after it.
        let over = self.opening.values().any(|opening| opening.tier < Tier::Automation);
        let loaded = self.line.iter().any(|entry| matches!(entry.state, line::State::Loaded(_)));
        !over && loaded || (self.line.is_empty() && self.opening.is_empty())
    }

    /// The items known to be on their way to the automation, first the one on air.
    pub fn upcoming(&self) -> impl Iterator<Item = &Item> {
        let heard = self.known.values().filter(|known| known.tier == Tier::Automation);
        heard.map(|known| &known.item).chain(self.line.iter().map(|entry| &entry.item))
    }

    /// Items that wait to be heard, by [`Tier::index`].
    pub fn waiting(&self) -> [usize; Tier::COUNT] {
        let mut waiting = [0; Tier::COUNT];
        // Those of the line-up are counted there, and the fallback waits for ever.
        let listed = |opening: &&Opening| matches!(opening.purpose, Purpose::Line | Purpose::Host);
        let elsewhere = self.opening.values().filter(|opening| !listed(opening));
        let unheard = self.known.values().filter(|known| !known.heard && known.tier != Tier::Fallback);
        for tier in elsewhere.map(|opening| opening.tier).chain(unheard.map(|known| known.tier)) {
            waiting[tier.index()] += 1;
        }
        waiting[Tier::Automation.index()] += self.line.len();
        waiting
    }

    /// Requests that wait for their time.
    pub fn requests_waiting(&self) -> usize {
        self.later.len() + self.by_clock.len()
    }

    fn report(&mut self, frame: Frames, event: StationEvent) {
        self.reports.push_back(Report { frame, at: self.seconds(frame), event });
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn ramp(&self, seconds: f64, curve: Curve) -> Ramp {
        Ramp { length: self.frames(seconds), curve }
    }

    fn frames(&self, seconds: f64) -> Frames {
        seconds_to_frames(seconds, self.config.format.sample_rate_hz)
    }

    fn seconds(&self, frames: Frames) -> f64 {
        frames_to_seconds(frames, self.config.format.sample_rate_hz)
    }
}
