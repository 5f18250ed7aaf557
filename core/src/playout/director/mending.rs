//! Mending: what failed in the engine is made anew, after pauses that double for what fails again and again.

use super::items::{Opening, Purpose};
use super::line::State;
use super::{Director, Issued};
use crate::Frames;
use crate::chain::{Chain, NodeSpec, ParamValue};
use crate::control::{Command, Ending, Event, EventKind, When};
use crate::deck::ItemId;
use crate::dsp::{self, ParamId};
use crate::item::Item;
use crate::playout::loader::Loaded;
use crate::playout::report::{Part, StationEvent};
use crate::playout::request::Position;
use crate::source::Source;
use crate::tier::Tier;

/// The pause before a chain that failed is built anew.
const CHAIN_S: f64 = 1.0;
/// The pause before an engine that failed a second time is renewed; the first time there is none.
const ENGINE_S: f64 = 0.5;
/// The pause before a programme that panicked is asked again.
const PROGRAMME_S: f64 = 0.5;
/// The longest pause.
const LONGEST_S: f64 = 60.0;
/// What has held for so long beyond its last pause is trusted anew.
const GOOD_S: f64 = 60.0;

/// When something that failed is tried again.
#[derive(Default)]
pub(super) struct Retry {
    failures: u32,
    failed_at: Frames,
    pause: Frames,
    due: Option<Frames>,
}

impl Retry {
    /// It has failed at frame `now`: it waits for `first` frames, and for twice as long as last time if that was lately.
    fn failed(&mut self, now: Frames, first: Frames, at_once: bool, rate: u32) {
        let seconds = |seconds: f64| (seconds * f64::from(rate)) as Frames;
        if now.saturating_sub(self.failed_at) > self.pause + seconds(GOOD_S) {
            self.failures = 0;
        }
        let doubled = first.saturating_mul(1 << self.failures.min(16)).min(seconds(LONGEST_S));
        self.pause = if at_once && self.failures == 0 { 0 } else { doubled };
        (self.failures, self.failed_at) = (self.failures + 1, now);
        self.due = Some(now + self.pause);
    }

    /// Whether it waits to be tried again.
    pub(super) fn is_waiting(&self) -> bool {
        self.due.is_some()
    }

    /// Whether it is to be tried now.
    fn is_due(&mut self, now: Frames) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}

/// What was put on a tier for good, and is put there again in an engine that begins anew.
pub(super) struct Fixture {
    tier: Tier,
    item: Item,
    make: Box<dyn Fn() -> Box<dyn Source> + Send>,
}

impl Director {
    /// Puts a source on a tier for good, such as the fallback that must always be there. `make` makes it, and once more
    /// for each engine that has to begin anew.
    pub fn load_fixture(&mut self, tier: Tier, item: Item, make: Box<dyn Fn() -> Box<dyn Source> + Send>) {
        self.load_source(tier, item.clone(), make());
        self.fixtures.push(Fixture { tier, item, make });
    }

    /// Puts a source on a tier, as [`load_fixture`](Self::load_fixture) does, but once.
    pub fn load_source(&mut self, tier: Tier, item: Item, source: Box<dyn Source>) {
        let (purpose, when, place, since) = (Purpose::Host, When::Now, Position::Back, self.position);
        let opening = Opening { item, tier, purpose, when, place, after: None, since };
        let loaded = Loaded { source, metadata: Default::default(), length: None, loudness: None };
        let id = ItemId(self.fresh_id());
        self.load(id, opening, loaded);
    }

    pub(super) fn on_chain_failed(&mut self, frame: Frames, node: &str, bypassed: bool) {
        let rate = self.config.format.sample_rate_hz;
        self.chain_retry.failed(self.position.max(frame), self.frames(CHAIN_S), false, rate);
        let error = match bypassed {
            true => {
                format!("{node} panicked; the programme is heard unprocessed until the chain is built anew")
            }
            false => format!("{node} panicked in a chain that was to take over; it is built anew"),
        };
        self.report(frame, StationEvent::Fault { part: Part::Chain, error });
    }

    pub(super) fn on_source_failed(&mut self, frame: Frames, tier: Tier, id: ItemId) {
        let known = self.known.get(&id).map(|known| &known.item);
        let Some(item) = known.or_else(|| self.line.get(id).map(|entry| &entry.item)).cloned() else {
            return;
        };
        let error = "its source panicked; the rest of the item is left out".to_owned();
        let words = format!("{}: {error}", item.path);
        self.report(frame, StationEvent::SourceFailed { tier, item, error, skipped: false });
        self.report(frame, StationEvent::Fault { part: Part::Source, error: words });
    }

    /// The engine is silent. What was heard is over, what waited is listed again.
    pub(super) fn on_engine_failed(&mut self, frame: Frames) {
        let rate = self.config.format.sample_rate_hz;
        self.engine_retry.failed(self.position.max(frame), self.frames(ENGINE_S), true, rate);
        let error = "the engine panicked; it begins anew with the next item".to_owned();
        self.report(frame, StationEvent::Fault { part: Part::Engine, error });
        let known =
            self.known.iter().map(|(id, known)| (*id, known.tier, known.heard.then_some(known.started)));
        let held =
            self.line.iter().filter(|entry| matches!(entry.state, State::Loaded(_) | State::Returning));
        let held = held.map(|entry| (entry.id, Tier::Automation, None));
        // What is to be loaded at a later frame will be, or is refused if the engine still rests.
        let commands = self.issued.values().chain(self.unsent.iter().map(|(_, _, issued)| issued));
        let coming: Vec<_> =
            commands.filter(|issued| issued.scheduled).filter_map(|issued| issued.item).collect();
        let lost: Vec<_> = known.chain(held).filter(|(id, _, _)| !coming.contains(id)).collect();
        // As if every tier had been stopped; but live sources come back by themselves.
        self.stopping += 1;
        for (item, tier, started) in lost {
            let played = started.map_or(0, |started| frame.saturating_sub(started));
            let ending = if tier.takes_live() { Ending::Preempted } else { Ending::Stopped };
            let kind = match started {
                None if !tier.takes_live() => EventKind::ItemUnused { tier, item },
                _ => EventKind::ItemEnded { tier, item, ending, played },
            };
            self.on_event(Event { frame, kind });
        }
        self.stopping -= 1;
    }

    /// Hears whether the programme has panicked.
    pub(super) fn look_after_programme(&mut self) {
        let Some(words) = self.programme.take_panic() else { return };
        let rate = self.config.format.sample_rate_hz;
        self.programme_retry.failed(self.position, self.frames(PROGRAMME_S), false, rate);
        let error = format!("the programme panicked, and is asked again after a pause: {words}");
        self.report(self.position, StationEvent::Fault { part: Part::Programme, error });
    }

    /// Whether the programme is to be left alone for a while.
    pub(super) fn is_programme_resting(&mut self) -> bool {
        self.programme_retry.is_waiting() && !self.programme_retry.is_due(self.position)
    }

    /// Makes anew what is due.
    pub(super) fn mend(&mut self) {
        if self.engine_retry.is_due(self.position) {
            let renewal = Command::Renew(self.control.renewal());
            self.issue(When::Now, renewal, Issued::default());
            self.set_chain_again();
            for Fixture { tier, item, make } in std::mem::take(&mut self.fixtures) {
                self.load_fixture(tier, item, make);
            }
        }
        if self.chain_retry.is_due(self.position) {
            self.set_chain_again();
        }
    }

    /// A parameter of the chain on air was set, and is so again when that is built anew.
    pub(super) fn tune(&mut self, node: usize, param: ParamId, value: ParamValue) {
        let Some(spec) = self.tuned.get_mut(node) else { return };
        let Some(info) = dsp::find(&spec.node).map(|entry| entry.info) else { return };
        let Some(name) = info.params.get(param).map(|param| param.name) else { return };
        // The station file may have called it by another of its names.
        spec.config.retain(|key, _| info.param(key) != Some(param));
        spec.config.insert(name.to_owned(), value);
    }

    fn set_chain_again(&mut self) {
        let build = |nodes: &[NodeSpec]| Chain::build(nodes, self.config.format, self.config.latency);
        // A look-ahead that was set makes itself felt only now, and may be too long for the station.
        match build(&self.tuned).or_else(|_| build(&self.config.chain)) {
            Ok(chain) => self.issue(When::Now, Command::SetChain(Box::new(chain)), Issued::default()),
            // It was built before.
            Err(error) => self.report(
                self.position,
                StationEvent::Fault { part: Part::Chain, error: format!("it cannot be built anew: {error}") },
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_what_held_is_trusted_anew() {
        let (mut retry, rate) = (Retry::default(), 10);
        let mut now = 0;
        for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
            retry.failed(now, 10, false, rate);
            assert!(!retry.is_due(now + pause_s * 10 - 1), "{pause_s}");
            now += pause_s * 10;
            assert!(retry.is_due(now), "{pause_s}");
            assert!(!retry.is_waiting());
        }
        now += 601;
        retry.failed(now, 10, true, rate);
        assert!(retry.is_due(now));
        retry.failed(now, 10, true, rate);
        assert!(!retry.is_due(now + 19) && retry.is_due(now + 20));
    }
}
