//! The director: keeps the automation fed, carries out requests, and tells what happened.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::Frames;
use crate::chain::{Chain, NodeSpec};
use crate::control::{Command, CommandId, Control, Event, EventKind, Failure, Ramp, When};
use crate::curve::Curve;
use crate::deck::{ItemId, Prepared};
use crate::dsp::Format;
use crate::item::Item;
use crate::playout::loader::{Loaded, Loader, Ticket};
use crate::playout::playlist::{NextItem, NextTrack};
use crate::playout::report::{Report, StationEvent};
use crate::playout::request::Request;
use crate::program::WAITING;
use crate::source::Source;
use crate::tier::Tier;
use crate::units::{db_to_gain, frames_to_seconds, seconds_to_frames};

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

    // ---- Requests ----

    fn carry_out(&mut self, when: When, request: Request) {
        let name = request.name();
        match request {
            Request::Play { tier, item } => {
                let now = tier == Tier::Automation;
                self.open(Opening {
                    item,
                    tier,
                    origin: Origin::Request(name),
                    when,
                    now,
                    since: self.position,
                });
            }
            Request::InsertEmergency { item } => {
                let (tier, origin) = (Tier::Emergency, Origin::Request(name));
                self.open(Opening { item, tier, origin, when, now: false, since: self.position });
            }
            Request::Queue { item } => {
                self.held = false;
                self.queue.push_back(item);
                self.make_way();
                self.done(name);
            }
            Request::Skip { tier, fade_s, curve } => {
                let ramp = fade_s.map(|fade_s| self.ramp(fade_s, curve));
                let wait = !self.held && self.has_more();
                self.issue_named(when, Command::Skip { tier, ramp, wait }, name);
            }
            Request::Stop { tier, fade_s, curve } => {
                let ramp = self.ramp(fade_s, curve);
                let hold = (tier == Tier::Automation).then_some(true);
                let issued = Issued { name: Some(name), hold, ..Issued::default() };
                self.issue(when, Command::Stop { tier, ramp }, issued);
            }
            Request::Fade { tier, gain_db, duration_s, curve } => {
                let gain = if gain_db <= -120.0 { 0.0 } else { db_to_gain(gain_db as f32) };
                let ramp = self.ramp(duration_s, curve);
                self.issue_named(when, Command::Fade { tier, gain, ramp }, name);
            }
            Request::SetMetadata { metadata } => {
                self.issue_named(when, Command::SetMetadata(Arc::new(metadata)), name);
            }
            Request::SetChain { nodes } => {
                match Chain::build(&nodes, self.config.format, self.config.latency) {
                    Ok(chain) => {
                        // Known from now on: parameters set after this one are meant for it.
                        let before = std::mem::replace(&mut self.config.chain, nodes);
                        let issued = Issued { name: Some(name), chain: Some(before), ..Issued::default() };
                        self.issue(when, Command::SetChain(Box::new(chain)), issued);
                    }
                    Err(error) => self.fail(name, error.to_string()),
                }
            }
            Request::SetParam { node, param, value } => match self.find_param(&node, &param, &value) {
                Ok((node, param, value)) => {
                    self.issue_named(when, Command::SetParam { node, param, value }, name);
                }
                Err(error) => self.fail(name, error),
            },
        }
    }

    fn find_param(
        &self,
        node: &str,
        param: &str,
        value: &crate::chain::ParamValue,
    ) -> Result<(usize, usize, f32), String> {
        let chain = &self.config.chain;
        let index = match node.parse::<usize>() {
            Ok(index) => Some(index).filter(|index| *index < chain.len()),
            Err(_) => chain.iter().position(|spec| spec.node == node),
        };
        let spec = index.and_then(|index| Some((index, chain.get(index)?)));
        let (index, spec) = spec.ok_or_else(|| format!("node: the chain on air has no node {node}"))?;
        let info = crate::dsp::find(&spec.node).map(|entry| entry.info);
        let found = info.and_then(|info| info.param(param).and_then(|id| Some((id, info.params.get(id)?))));
        let (id, info) = found.ok_or_else(|| format!("param: {} has no parameter {param}", spec.node))?;
        let resolved = value.resolve(info);
        let value = resolved.ok_or_else(|| format!("value: {value} is not accepted, give {}", info.kind))?;
        Ok((index, id, value))
    }

    /// Takes back programme items that wait, so that a queued one comes before them.
    fn make_way(&mut self) {
        let waiting: Vec<ItemId> = self
            .known
            .iter_mut()
            .filter(|(_, known)| known.origin == Origin::Programme && !known.heard && !known.returning)
            .map(|(id, known)| {
                known.returning = true;
                *id
            })
            .collect();
        for item in waiting {
            self.issue(When::Now, Command::Unload { tier: Tier::Automation, item }, Issued::default());
        }
    }

    // ---- Items ----

    /// Opens the next automation item if one is wanted. `true` when there may be more to do at once.
    fn feed(&mut self) -> bool {
        if self.held || self.position < self.retry_at {
            return false;
        }
        let unheard = || self.known.values().filter(|k| k.tier == Tier::Automation && !k.heard);
        let opening = self.opening.values().filter(|opening| opening.tier == Tier::Automation).count();
        let waiting = unheard().count();
        let ahead = unheard().try_fold(0, |sum, known| Some(known.length? + sum));
        let enough = ahead.is_none_or(|ahead| ahead >= self.frames(AHEAD_S)) || waiting + 2 >= WAITING;
        if opening > 0 || (waiting > 0 && enough) {
            return false;
        }
        let (item, origin) = match self.queue.pop_front() {
            Some(item) => (item, Origin::Queue),
            None => match self.next_of_programme() {
                Some(item) => (item, Origin::Programme),
                None => return false,
            },
        };
        self.open(Opening {
            item,
            tier: Tier::Automation,
            origin,
            when: When::Now,
            now: false,
            since: self.position,
        });
        true
    }

    fn next_of_programme(&mut self) -> Option<Item> {
        if let Some((_, item)) = self.returned.pop_front() {
            return Some(item);
        }
        if self.exhausted {
            return None;
        }
        match self.programme.next_track() {
            NextItem::Item(item) => Some(*item),
            NextItem::Later => None,
            NextItem::End => {
                self.exhausted = true;
                None
            }
        }
    }

    /// Puts an item that was not heard back to where it came from.
    fn take_back(&mut self, id: ItemId, known: Known) {
        match known.origin {
            Origin::Programme => self.take_back_later(id.0, known.item),
            Origin::Queue => self.queue.push_front(known.item),
            Origin::Request(_) | Origin::Host => {}
        }
    }

    fn take_back_later(&mut self, number: u64, item: Item) {
        let at = self.returned.partition_point(|(other, _)| *other < number);
        self.returned.insert(at, (number, item));
    }

    /// Gives up openings that take too long, so that the next item has its turn.
    fn give_up_openings(&mut self) {
        let overdue = |opening: &Opening| self.position > opening.since + self.frames(OPENING_S);
        let tickets: Vec<Ticket> =
            self.opening.iter().filter(|(_, opening)| overdue(opening)).map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            if let Some(opening) = self.opening.remove(&ticket) {
                let error = format!("{}: opening it took longer than {OPENING_S} s", opening.item.path);
                self.not_opened(opening, error);
            }
        }
    }

    fn open(&mut self, opening: Opening) {
        let ticket = Ticket(self.fresh_id());
        let mut opening = opening;
        if opening.item.id.is_empty() {
            opening.item.id = format!("item-{}", ticket.0);
        }
        match opening.item.validate() {
            Ok(()) => {
                let after =
                    if opening.tier == Tier::Automation && !opening.now { self.last_in_line() } else { None };
                self.loader.open(ticket, &opening.item, after);
                self.opening.insert(ticket, opening);
            }
            Err(invalid) => self.not_opened(opening, invalid.to_string()),
        }
    }

    /// The item that the next one fed to the automation follows: the last that was fed, or else one that was put in
    /// front by request, or else the one on air.
    fn last_in_line(&self) -> Option<Ticket> {
        let fed = |known: &Known| !known.heard && !matches!(known.origin, Origin::Request(_));
        let in_line = |known: &Known| known.tier == Tier::Automation && (known.heard || !known.returning);
        let line = self.known.iter().filter(|(_, known)| in_line(known));
        line.max_by_key(|(id, known)| (!known.heard, fed(known), **id)).map(|(id, _)| Ticket(id.0))
    }

    fn on_opened(&mut self, ticket: Ticket, result: Result<Loaded, String>) {
        let Some(opening) = self.opening.remove(&ticket) else { return };
        match result {
            // Something was queued while this was being opened, and comes first; or the automation was stopped.
            Ok(_) if opening.origin == Origin::Programme && (self.held || !self.queue.is_empty()) => {
                self.take_back_later(ticket.0, opening.item);
            }
            Ok(loaded) if loaded.source.remaining() == Some(0) => {
                let error = format!("{}: holds no audio between its cue points", opening.item.path);
                self.not_opened(opening, error);
            }
            Ok(loaded) => {
                self.failures = 0;
                self.load(ItemId(ticket.0), opening, loaded);
            }
            Err(error) => self.not_opened(opening, error),
        }
    }

    fn not_opened(&mut self, opening: Opening, error: String) {
        // What was asked for by hand says nothing about the programme.
        if matches!(opening.origin, Origin::Programme | Origin::Queue) {
            self.failures = self.failures.saturating_add(1);
        }
        if self.failures > PATIENCE {
            let pause = 0.1 * 2.0_f64.powi((self.failures - PATIENCE).min(16) as i32);
            self.retry_at = self.position + self.frames(pause.min(LONGEST_PAUSE_S));
        }
        let Opening { item, tier, origin, .. } = opening;
        if let Origin::Request(name) = origin {
            self.fail(name, error.clone());
        }
        self.report(self.position, StationEvent::SourceFailed { tier, item, error, skipped: true });
    }

    fn load(&mut self, id: ItemId, opening: Opening, loaded: Loaded) {
        let Opening { mut item, tier, origin, when, now, .. } = opening;
        item.metadata = std::mem::take(&mut item.metadata).or(&loaded.metadata);
        let frames = |seconds: Option<f64>| seconds.map(|seconds| self.frames(seconds));
        let cue_in = item.cue_in_s.unwrap_or(0.0);
        let prepared = Prepared {
            id,
            gain: item.gain_db.map_or(1.0, |db| db_to_gain(db as f32)),
            fade_in: frames(item.fade_in_s),
            fade_out: frames(item.fade_out_s),
            curve: item.curve,
            start_next: frames(item.start_next_s.map(|position| position - cue_in)),
            metadata: Arc::new(item.metadata.clone()),
            source: loaded.source,
        };
        let length = prepared.source.remaining().or(loaded.length);
        let known = Known { item, tier, origin, length, heard: false, returning: false };
        self.known.insert(id, known);
        let name = if let Origin::Request(name) = origin { Some(name) } else { None };
        let issued = Issued { name, item: Some(id), hold: now.then_some(false), ..Issued::default() };
        self.issue(when, Command::Load { tier, item: Box::new(prepared), first: now }, issued);
        if now {
            // Refused when nothing is on air there, in which case the item has started by itself.
            self.issue(when, Command::Skip { tier: Some(tier), ramp: None, wait: true }, Issued::default());
        }
    }

    // ---- The engine ----

    fn issue_named(&mut self, when: When, command: Command, name: &'static str) {
        self.issue(when, command, Issued { name: Some(name), ..Issued::default() });
    }

    fn issue(&mut self, when: When, command: Command, issued: Issued) {
        self.unsent.push_back((when, command, issued));
        self.send_unsent();
    }

    fn send_unsent(&mut self) {
        while let Some((when, command, issued)) = self.unsent.pop_front() {
            match self.control.send(when, command) {
                Ok(id) => {
                    self.issued.insert(id, issued);
                }
                Err(command) => {
                    self.unsent.push_front((when, *command, issued));
                    return;
                }
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        let frame = event.frame;
        match event.kind {
            EventKind::NowPlaying { tier, item, metadata, .. } => {
                let Some(known) = self.known.get_mut(&item) else { return };
                known.heard = true;
                known.item.metadata = (*metadata).clone();
                let (item, length) = (known.item.clone(), known.length);
                let duration_s = length.map(|length| self.seconds(length));
                self.report(frame, StationEvent::NowPlaying { tier, item, duration_s });
            }
            EventKind::ItemEnded { tier, item, ending, played } => {
                self.last_end = frame;
                let Some(known) = self.known.remove(&item) else { return };
                let played_s = self.seconds(played);
                self.report(frame, StationEvent::ItemEnded { tier, item: known.item, ending, played_s });
            }
            EventKind::ItemUnused { tier, item } => {
                let Some(known) = self.known.remove(&item) else { return };
                if known.returning {
                    self.take_back(item, known);
                } else {
                    self.report(frame, StationEvent::ItemUnused { tier, item: known.item });
                }
            }
            EventKind::PriorityChanged { from, to } => {
                self.report(frame, StationEvent::PriorityChanged { from, to });
            }
            EventKind::Underrun { tier, frames, .. } => {
                self.report(frame, StationEvent::Dropout { tier, frames });
            }
            EventKind::SilenceDetected => self.report(frame, StationEvent::SilenceDetected),
            EventKind::SilenceEnded => self.report(frame, StationEvent::SilenceEnded),
            EventKind::ChainReset => {}
            EventKind::CommandDone(id) => {
                let Some(issued) = self.issued.remove(&id) else { return };
                if let Some(hold) = issued.hold {
                    self.held = hold;
                }
                if let Some(command) = issued.name {
                    self.report(frame, StationEvent::CommandDone { command });
                }
            }
            EventKind::CommandFailed(id, failure) => self.on_failure(id, frame, failure),
        }
    }

    fn on_failure(&mut self, id: CommandId, frame: Frames, failure: Failure) {
        let Some(issued) = self.issued.remove(&id) else { return };
        if let Some(known) = issued.item.and_then(|item| self.known.remove(&item))
            && let Some(item) = issued.item
        {
            self.take_back(item, known);
        }
        if let Some(before) = issued.chain {
            self.config.chain = before;
        }
        if let Some(command) = issued.name {
            self.report(frame, StationEvent::CommandFailed { command, error: failure.to_string() });
        }
    }

    // ---- Small things ----

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
