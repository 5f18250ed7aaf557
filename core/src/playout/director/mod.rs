//! The director: keeps the automation fed, carries out requests, and tells what happened.

mod engine;
mod items;
mod requests;

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::Frames;
use crate::chain::NodeSpec;
use crate::control::{Command, CommandId, Control, Ramp, When};
use crate::curve::Curve;
use crate::deck::ItemId;
use crate::dsp::Format;
use crate::item::Item;
use crate::playout::loader::{Loaded, Loader, Ticket};
use crate::playout::playlist::NextTrack;
use crate::playout::report::{Report, StationEvent};
use crate::playout::request::Request;
use crate::source::Source;
use crate::tier::Tier;
use crate::units::{frames_to_seconds, seconds_to_frames};

/// What a director must know of its station.
#[derive(Clone, Debug)]
pub struct DirectorConfig {
    /// Rate and block size of the engine.
    pub format: Format,
    /// The engine's latency in frames; new chains are built to it.
    pub latency: usize,
    /// The chain the engine was started with.
    pub chain: Vec<NodeSpec>,
}

/// How long before its frame a request that brings an item or a chain is taken up, so that it is ready in time.
const LEAD_S: f64 = 2.0;
/// The same for other requests: long enough to be with the engine in time.
const SHORT_LEAD_S: f64 = 0.1;
/// Automation items are opened ahead until they last this long: items of a few frames need company.
const AHEAD_S: f64 = 2.0;
/// Failures in a row after which the programme is asked ever more slowly.
const PATIENCE: u32 = 16;
/// An item that is not open after this is left out: its disk hangs.
const OPENING_S: f64 = 10.0;
/// The longest pause between two tries then.
const LONGEST_PAUSE_S: f64 = 10.0;

/// Where an item came from; decides where it goes when it has to make way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Programme,
    Queue,
    Request(&'static str),
    Host,
}

/// An item being opened.
struct Opening {
    item: Item,
    tier: Tier,
    origin: Origin,
    when: When,
    /// Starts in place of what is on air.
    now: bool,
    /// Position at which it was begun.
    since: Frames,
}

/// An item the engine holds.
struct Known {
    item: Item,
    tier: Tier,
    origin: Origin,
    length: Option<Frames>,
    heard: bool,
    /// Was asked to make way, and is to be played later.
    returning: bool,
}

/// What hangs on the answer to a command.
#[derive(Default)]
struct Issued {
    /// The request to be answered.
    name: Option<&'static str>,
    /// The chain that stays on air if it is not carried out.
    chain: Option<Vec<NodeSpec>>,
    /// The item that is not on air if it is not.
    item: Option<ItemId>,
    /// Whether the automation is held from then on.
    hold: Option<bool>,
}

/// The thinking half of a station.
pub struct Director {
    config: DirectorConfig,
    control: Control,
    loader: Box<dyn Loader>,
    programme: Box<dyn NextTrack>,
    position: Frames,
    /// Requests whose time has not come, by the frame at which to take them up and then by order of arrival.
    later: BTreeMap<(Frames, u64), (Frames, Request)>,
    /// Items asked for by request, and programme items that made way for them.
    queue: VecDeque<Item>,
    /// With the number of each, by which they go back in their order.
    returned: VecDeque<(u64, Item)>,
    opening: HashMap<Ticket, Opening>,
    known: BTreeMap<ItemId, Known>,
    issued: HashMap<CommandId, Issued>,
    /// Commands that found the engine's ring full.
    unsent: VecDeque<(When, Command, Issued)>,
    reports: VecDeque<Report>,
    next_id: u64,
    failures: u32,
    retry_at: Frames,
    /// The programme has no more items.
    exhausted: bool,
    /// The automation was stopped by request.
    held: bool,
    last_end: Frames,
}

impl Director {
    /// A director over the control side of an engine.
    pub fn new(
        config: DirectorConfig,
        control: Control,
        loader: Box<dyn Loader>,
        programme: Box<dyn NextTrack>,
    ) -> Self {
        Self {
            config,
            control,
            loader,
            programme,
            position: 0,
            later: BTreeMap::new(),
            queue: VecDeque::new(),
            returned: VecDeque::new(),
            opening: HashMap::new(),
            known: BTreeMap::new(),
            issued: HashMap::new(),
            unsent: VecDeque::new(),
            reports: VecDeque::new(),
            next_id: 1,
            failures: 0,
            retry_at: 0,
            exhausted: false,
            held: false,
            last_end: 0,
        }
    }

    /// Does what is to be done by `position`, the engine's. Called at least every few blocks.
    pub fn tick(&mut self, position: Frames) {
        self.position = position;
        while self.later.first_key_value().is_some_and(|((due, _), _)| *due <= position) {
            if let Some((_, (frame, request))) = self.later.pop_first() {
                self.carry_out(When::At(frame), request);
            }
        }
        loop {
            while let Some(event) = self.control.poll() {
                self.on_event(event);
            }
            while let Some((ticket, result)) = self.loader.poll() {
                self.on_opened(ticket, result);
            }
            while let Some((Ticket(id), error)) = self.loader.poll_damage() {
                if let Some(known) = self.known.get(&ItemId(id)) {
                    let (tier, item) = (known.tier, known.item.clone());
                    self.report(
                        self.position,
                        StationEvent::SourceFailed { tier, item, error, skipped: false },
                    );
                }
            }
            self.give_up_openings();
            self.send_unsent();
            if !self.feed() {
                return;
            }
        }
    }

    /// What happened since last asked, in order.
    pub fn poll(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Asks for something. A request that cannot be meant is answered at once; every other answer comes as a
    /// report.
    pub fn request(&mut self, when: When, request: Request) -> Result<(), String> {
        if let Err(invalid) = request.validate() {
            let error = invalid.to_string();
            self.fail(request.name(), error.clone());
            return Err(error);
        }
        let lead = self.frames(match request {
            // The queue is the director's own and needs no preparation.
            Request::Queue { .. } => 0.0,
            Request::Play { .. } | Request::InsertEmergency { .. } | Request::SetChain { .. } => LEAD_S,
            _ => SHORT_LEAD_S,
        });
        match when {
            When::At(frame) if frame.saturating_sub(lead) > self.position => {
                let id = self.fresh_id();
                self.later.insert((frame.saturating_sub(lead), id), (frame, request));
            }
            when => self.carry_out(when, request),
        }
        Ok(())
    }

    /// Puts a source on a tier for good, such as the fallback that must always be there.
    pub fn load_source(&mut self, tier: Tier, item: Item, source: Box<dyn Source>) {
        let opening =
            Opening { item, tier, origin: Origin::Host, when: When::Now, now: false, since: self.position };
        let loaded = Loaded { source, metadata: Default::default(), length: None };
        let id = self.fresh_id();
        self.load(ItemId(id), opening, loaded);
    }

    /// Sends the engine a command that is none of the director's business (taps).
    pub fn send(&mut self, command: Command) {
        self.issue(When::Now, command, Issued::default());
    }

    /// Whether the programme and everything asked for is over.
    pub fn is_finished(&self) -> bool {
        let playing = self.known.values().any(|known| known.tier != Tier::Fallback);
        let coming = !self.held && self.has_more();
        !coming && !playing && self.opening.is_empty() && self.later.is_empty() && self.unsent.is_empty()
    }

    /// Whether the automation has items that are not yet with the engine.
    fn has_more(&self) -> bool {
        let opening = self.opening.values().any(|opening| opening.tier == Tier::Automation);
        !self.exhausted || opening || !(self.queue.is_empty() && self.returned.is_empty())
    }

    /// The frame at which the last item that ended did so.
    pub fn last_end(&self) -> Frames {
        self.last_end
    }

    /// Items that could not be opened since the last that could.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures
    }

    /// The items known to be on their way to the automation, first the one on air.
    pub fn upcoming(&self) -> impl Iterator<Item = &Item> {
        let known =
            self.known.values().filter(|known| known.tier == Tier::Automation).map(|known| &known.item);
        known.chain(&self.queue).chain(self.returned.iter().map(|(_, item)| item))
    }

    fn done(&mut self, command: &'static str) {
        self.report(self.position, StationEvent::CommandDone { command });
    }

    fn fail(&mut self, command: &'static str, error: String) {
        self.report(self.position, StationEvent::CommandFailed { command, error });
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
