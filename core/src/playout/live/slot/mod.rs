//! One live source as the director sees it: routed, on air, lost, and back.

mod titles;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::Frames;
use crate::control::{Ending, Event, EventKind};
use crate::deck::{ItemId, Prepared};
use crate::dsp::Format;
use crate::item::{Invalid, Item, Metadata};
use crate::playout::live::action::{LiveAction, LiveState, LiveStatus};
use crate::playout::live::config::{Depths, LiveConfig, LiveReturn};
use crate::playout::live::damping::Damping;
use crate::playout::live::pulse::Pulse;
use crate::playout::live::reader::{Follow, LiveReader, Take};
use crate::playout::live::spell::{Route, Spell};
use crate::playout::live::tape::Tape;
use crate::playout::live::writer::LiveWriter;
use crate::playout::report::StationEvent;
use crate::tier::Tier;
use crate::units::{frames_to_seconds, seconds_to_frames};

/// How long before its frame something is handed to the director, so that it is with the engine in time.
const LEAD_S: f64 = 0.05;
/// Speech pauses for less than this.
const PAUSE_S: f64 = 2.0;

/// One live source.
pub(crate) struct LiveSlot {
    pub(crate) name: String,
    config: LiveConfig,
    format: Format,
    depths: Depths,
    tape: Arc<Tape>,
    pulse: Pulse,
    damping: Damping,
    position: Frames,
    state: LiveState,
    route: Option<Route>,
    /// A route whose time has not come.
    next: Option<Route>,
    spell: Option<Spell>,
    /// Spells that are over for the source, and not yet for the engine.
    outgoing: Vec<Spell>,
    lost_at: Frames,
    /// The title of what is heard next.
    metadata: Arc<Metadata>,
    skipped: Frames,
    failures: u32,
}

impl Drop for LiveSlot {
    fn drop(&mut self) {
        self.tape.abandon();
    }
}

impl LiveSlot {
    pub(crate) fn new(name: &str, config: LiveConfig, format: Format) -> Result<(LiveWriter, Self), Invalid> {
        config.validate()?;
        let frames = |seconds| seconds_to_frames(seconds, format.sample_rate_hz);
        let depths = config.depths(format);
        // A second more than is ever needed: what a sender may push between two blocks without overtaking a reader.
        let tape = Arc::new(Tape::new(depths.buffer + depths.preroll + frames(1.0)));
        let silence = (config.silence_s > 0.0).then(|| frames(config.silence_s));
        let writer = LiveWriter::new(Arc::clone(&tape), depths, &config, format);
        let slot = Self {
            name: name.to_owned(),
            config,
            format,
            depths,
            tape,
            pulse: Pulse::new(depths.preroll, frames(PAUSE_S), silence),
            damping: Damping::new(frames(config.hold_s), frames(config.hold_max_s), frames(config.forgive_s)),
            position: 0,
            state: LiveState::Idle,
            route: None,
            next: None,
            spell: None,
            outgoing: Vec::new(),
            lost_at: 0,
            metadata: Arc::default(),
            skipped: 0,
            failures: 0,
        };
        Ok((writer, slot))
    }

    fn frames(&self, seconds: f64) -> Frames {
        seconds_to_frames(seconds, self.format.sample_rate_hz)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.tape.is_closed()
    }

    /// Whether it has signed off and nothing of it is left to be played.
    pub(crate) fn is_over(&self) -> bool {
        self.is_closed() && self.state == LiveState::Idle && self.next.is_none() && self.outgoing.is_empty()
    }

    /// Whether it is on a tier, or is to be.
    pub(crate) fn is_routed(&self) -> bool {
        self.route.is_some() || self.next.is_some()
    }

    pub(crate) fn status(&self) -> LiveStatus {
        let rate = self.format.sample_rate_hz;
        let written = self.tape.written();
        let buffered = match self.spell.as_ref().and_then(|spell| spell.take.next()) {
            Some(next) => written.saturating_sub(next),
            None => self.held().min(self.depths.preroll),
        };
        let skipped = self.spell.iter().map(|spell| spell.take.skipped()).sum::<Frames>();
        LiveStatus {
            source: self.name.clone(),
            tier: self.route.as_ref().map(|route| route.tier),
            state: self.state,
            buffered_s: frames_to_seconds(buffered, rate),
            skipped_frames: self.skipped + skipped,
            failures: self.failures,
            hold_s: frames_to_seconds(self.damping.hold(), rate),
        }
    }

    /// Frames that could go on air.
    fn held(&self) -> Frames {
        self.tape.written().saturating_sub(self.tape.origin())
    }

    /// Lets it be heard on a tier, from a frame on.
    pub(crate) fn route(&mut self, route: Route) {
        self.next = Some(route);
    }

    /// Ends its route if it is to this tier; the engine stops what is on it. Whether it was.
    pub(crate) fn stop(&mut self, tier: Tier) -> bool {
        let coming = self.next.take_if(|route| route.tier == tier).is_some();
        let there = self.route.as_ref().is_some_and(|route| route.tier == tier);
        if there {
            if let Some(spell) = self.spell.as_ref().filter(|_| self.state == LiveState::Cued) {
                // It may start before it is stopped.
                spell.take.be_over();
            }
            self.leave();
            self.end_route();
        }
        coming || there
    }

    pub(crate) fn tick(
        &mut self,
        position: Frames,
        fresh_id: &mut dyn FnMut() -> ItemId,
        out: &mut VecDeque<LiveAction>,
    ) {
        self.position = position;
        self.pulse.look(&self.tape, position);
        let unheard = 4 * self.format.max_block as Frames;
        for spell in &mut self.outgoing {
            // It must not come back when the air does.
            if spell.is_unheard(position, unheard) {
                spell.take.be_over();
            }
        }
        let lead = self.frames(LEAD_S);
        if let Some(route) = self.next.take_if(|route| position + lead >= route.at) {
            self.take_up(route, fresh_id, out);
        }
        match self.state {
            LiveState::Idle => {}
            LiveState::Buffering | LiveState::Lost | LiveState::Silent => self.wait(fresh_id, out),
            LiveState::Cued => self.watch_cued(unheard, out),
            LiveState::OnAir | LiveState::Draining => self.watch_on_air(unheard, out),
        }
        self.tell_titles(out);
        if self.spell.is_none() {
            self.tape.set_heard(None);
            if self.pulse.is_stalled() && !self.is_closed() {
                // What comes after a hole does not follow what was before.
                self.tape.set_origin(self.tape.written());
            }
        }
    }

    /// Takes up a route: the first, or another.
    fn take_up(
        &mut self,
        route: Route,
        fresh_id: &mut dyn FnMut() -> ItemId,
        out: &mut VecDeque<LiveAction>,
    ) {
        self.damping.forget();
        let moves = self.route.as_ref().is_none_or(|old| old.tier != route.tier);
        match self.state {
            LiveState::OnAir | LiveState::Draining | LiveState::Cued if !moves => return,
            LiveState::OnAir | LiveState::Draining => {
                let (to, at) = (route.tier, route.at);
                self.route = Some(Route { aired: true, ..route });
                let Some(old) = self.spell.take() else { return };
                self.skipped += old.take.skipped();
                let follow = Follow { take: Arc::clone(&old.take), is_higher: to > old.tier };
                self.load(Some(follow), fresh_id, out);
                if to > old.tier {
                    let fade = 2 * self.depths.seam;
                    out.push_back(LiveAction::TakeOff { tier: old.tier, item: old.id, fade, at });
                }
                self.outgoing.push(old);
                return;
            }
            LiveState::Cued => self.unload(out),
            LiveState::Idle | LiveState::Buffering | LiveState::Lost | LiveState::Silent => {}
        }
        self.route = Some(route);
        self.state = LiveState::Buffering;
    }

    /// The engine has something to say. Whether it is of one of its items.
    pub(crate) fn on_event(&mut self, event: &Event, out: &mut VecDeque<LiveAction>) -> bool {
        let (EventKind::NowPlaying { item, .. }
        | EventKind::ItemEnded { item, .. }
        | EventKind::ItemUnused { item, .. }) = event.kind
        else {
            return false;
        };
        if self.spell.as_ref().is_some_and(|spell| spell.id == item) {
            self.on_spell(event, out);
            return true;
        }
        let ours = self.outgoing.iter().any(|spell| spell.id == item);
        if !matches!(event.kind, EventKind::NowPlaying { .. }) {
            self.outgoing.retain(|spell| spell.id != item);
        }
        ours
    }

    fn on_spell(&mut self, event: &Event, out: &mut VecDeque<LiveAction>) {
        match event.kind {
            EventKind::NowPlaying { started: true, .. } => {
                if let Some(spell) = &mut self.spell {
                    spell.from = Some(event.frame);
                }
                self.begun();
            }
            EventKind::ItemEnded { ending, .. } => {
                if self.spell.as_ref().is_some_and(|spell| spell.take.ran_dry()) {
                    self.strike(event.frame);
                }
                self.end_spell();
                match ending {
                    _ if self.is_closed() => self.end_route(),
                    Ending::Preempted => self.state = LiveState::Buffering,
                    Ending::Finished | Ending::Stalled => self.lose(event.frame, out),
                    Ending::Skipped | Ending::Stopped => self.end_route(),
                }
            }
            EventKind::ItemUnused { .. } => {
                self.end_spell();
                self.end_route();
            }
            _ => {}
        }
    }

    /// The engine has not taken an item. Whether it was one of its own.
    pub(crate) fn on_refused(&mut self, item: ItemId, error: &str, out: &mut VecDeque<LiveAction>) -> bool {
        if self.spell.take_if(|spell| spell.id == item).is_none() {
            return false;
        }
        self.fail(self.position, error, true, out);
        self.end_route();
        true
    }

    /// Hands the engine an item to put on air.
    fn load(
        &mut self,
        follows: Option<Follow>,
        fresh_id: &mut dyn FnMut() -> ItemId,
        out: &mut VecDeque<LiveAction>,
    ) {
        let Some(route) = &self.route else { return };
        let (tier, fade_in, at) = (route.tier, route.fade_in, route.at.max(self.position));
        self.forward_titles();
        let (id, take) = (fresh_id(), Arc::new(Take::new()));
        // What goes on on another tier has risen long ago.
        let fade_in = if follows.is_some() { None } else { fade_in };
        let reader = LiveReader::new(Arc::clone(&self.tape), Arc::clone(&take), self.depths, follows);
        let prepared = Box::new(Prepared {
            id,
            source: Box::new(reader),
            gain: 1.0,
            levelled_lufs: None,
            fade_in,
            fade_out: None,
            curve: None,
            start_next: None,
            metadata: Arc::clone(&self.metadata),
        });
        self.spell = Some(Spell::new(id, tier, take, Arc::clone(&self.metadata), at));
        self.state = LiveState::Cued;
        out.push_back(LiveAction::Load { tier, item: self.item(Some(id)), prepared, at });
    }

    fn unload(&mut self, out: &mut VecDeque<LiveAction>) {
        if let Some(spell) = self.spell.take() {
            // It may start before it is unloaded.
            spell.take.be_over();
            out.push_back(LiveAction::Unload { tier: spell.tier, item: spell.id });
            self.outgoing.push(spell);
        }
    }

    fn begun(&mut self) {
        if self.state == LiveState::Cued {
            self.state = LiveState::OnAir;
        }
        if let Some(route) = &mut self.route {
            route.aired = true;
        }
    }

    /// Its spell is over for the source; the engine still has the item.
    fn leave(&mut self) {
        let spell = self.end_spell();
        self.outgoing.extend(spell);
    }

    fn end_spell(&mut self) -> Option<Spell> {
        let spell = self.spell.take()?;
        self.skipped += spell.take.skipped();
        // Nothing is heard twice.
        self.tape.set_origin(spell.take.next().unwrap_or(0).max(self.tape.origin()));
        self.pulse.start_over(&self.tape);
        Some(spell)
    }

    fn strike(&mut self, at: Frames) {
        self.failures = self.failures.saturating_add(1);
        let from = self.spell.as_ref().and_then(|spell| spell.from).unwrap_or(at);
        self.damping.strike(at.saturating_sub(from));
    }

    /// It sends too little.
    fn lose(&mut self, at: Frames, out: &mut VecDeque<LiveAction>) {
        self.state = LiveState::Lost;
        self.lost_at = at;
        let patience = frames_to_seconds(self.depths.preroll, self.format.sample_rate_hz);
        let next = match self.config.return_policy {
            LiveReturn::Auto if self.config.live_timeout_s.is_infinite() => "it is waited for".to_owned(),
            LiveReturn::Auto => format!("it is waited for {} s", self.config.live_timeout_s),
            LiveReturn::Manual => "route it again to bring it back".to_owned(),
        };
        let error = format!("has sent too little for {patience} s; {next}");
        self.fail(at, &error, self.config.return_policy == LiveReturn::Manual, out);
        self.heed_policy();
    }

    fn give_up(&mut self, out: &mut VecDeque<LiveAction>) {
        let error = format!(
            "did not come back within {} s and is given up; route it again to bring it back",
            self.config.live_timeout_s
        );
        self.fail(self.position, &error, true, out);
        self.end_route();
    }

    fn fail(&self, frame: Frames, error: &str, skipped: bool, out: &mut VecDeque<LiveAction>) {
        let Some(route) = &self.route else { return };
        let (tier, item, error) = (route.tier, self.item(None), format!("live source {} {error}", self.name));
        let event = StationEvent::SourceFailed { tier, item, error, skipped };
        out.push_back(LiveAction::Report { frame, event });
    }

    fn heed_policy(&mut self) {
        if self.config.return_policy == LiveReturn::Manual {
            self.end_route();
        }
    }

    fn end_route(&mut self) {
        self.route = None;
        self.state = LiveState::Idle;
    }

    /// What it is called in reports.
    fn item(&self, id: Option<ItemId>) -> Item {
        let id = id.map_or_else(|| self.name.clone(), |id| format!("live-{}", id.0));
        Item { id, metadata: (*self.metadata).clone(), ..Item::file(format!("live:{}", self.name)) }
    }
}
