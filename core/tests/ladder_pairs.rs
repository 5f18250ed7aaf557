//! The ladder as a state machine: every ordered pair of tiers, in every order in which their items can start and end,
//! heard against a model that knows nothing but the rules.
//!
//! Items of the first tier are ones in the left channel, those of the second in the right: the output is the gain
//! of each at every frame.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use airchain_core::Frames;
use airchain_core::control::{Command, Event, EventKind, Ramp};
use airchain_core::curve::Curve;
use airchain_core::deck::ItemId;
use airchain_core::ladder::{LadderConfig, Return};
use airchain_core::tier::Tier;
use testkit::rig::{self, BLOCK, DECLICK, Rig};

/// The fade of each tier over a lower one.
const TAKEOVER: [Frames; Tier::COUNT] = [DECLICK, 1_300, 1_100, 700, 500];
/// The fade of a stop.
const STOP: Frames = 900;
/// The fade of a skip; there is no crossfade.
const SKIP: Frames = DECLICK;
/// No gain goes faster than in an equal-power fade of 5 ms, the steepest there is.
const SLOPE: f32 = 0.0085;

const A_STARTS: Frames = 1_003;
const B_STARTS: Frames = 5_017;
const FIRST_ENDS: Frames = 11_029;
const SECOND_ENDS: Frames = 16_001;
const A_AGAIN: Frames = 22_007;
const A_AGAIN_LENGTH: Frames = 4_001;
const THE_END: Frames = 31_000;

/// The items: the first of A and its second are heard on the left, that of B on the right.
const A: u64 = 1;
const B: u64 = 2;
const AGAIN: u64 = 3;

#[derive(Clone, Copy, Debug)]
enum Act {
    Load(Tier, u64, Frames),
    Stop(Tier),
    Skip(Tier),
}

/// What is said at a frame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    OnAir(Option<Tier>),
    Playing { item: u64, started: bool },
    Ended(u64, String),
    Unused(u64),
}

/// From frame `at` on, the gain of an item goes to a value within some frames.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: Frames,
    within: Frames,
    to: f32,
}

/// The rules, frame by frame.
#[derive(Default)]
struct Model {
    rungs: [Rung; Tier::COUNT],
    on_air: Option<Tier>,
    said: BTreeSet<(Frames, Said)>,
    changes: BTreeMap<u64, Vec<Change>>,
    heard: BTreeSet<u64>,
}

#[derive(Default)]
struct Rung {
    /// Items and how long they are.
    waiting: VecDeque<(u64, Frames)>,
    /// An item and how much of it is left.
    current: Option<(u64, Frames)>,
    /// A stopped or skipped item, when it is silent, and how it ended.
    tail: Option<(u64, Frames, &'static str)>,
    /// When a tier that was interrupted is silent.
    silent: Option<Frames>,
    /// The rise of the next item, to which was skipped at this frame.
    rise: Option<Frames>,
}

impl Rung {
    fn falls(&self, at: Frames) -> bool {
        self.silent.is_some_and(|silent| silent > at)
    }
}

impl Model {
    fn change(&mut self, item: u64, at: Frames, within: Frames, to: f32) {
        self.changes.entry(item).or_default().push(Change { at, within, to });
    }

    fn begin(&mut self, item: u64, at: Frames, within: Frames) {
        let started = self.heard.insert(item);
        self.said.insert((at, Said::Playing { item, started }));
        self.change(item, at, within, 1.0);
    }

    fn end(&mut self, item: u64, at: Frames, ending: &str) {
        self.said.insert((at, Said::Ended(item, ending.into())));
        self.change(item, at, 0, 0.0);
    }

    fn act(&mut self, at: Frames, act: Act) {
        match act {
            Act::Load(tier, item, length) => self.rungs[tier.index()].waiting.push_back((item, length)),
            Act::Stop(tier) => {
                for (item, _) in std::mem::take(&mut self.rungs[tier.index()].waiting) {
                    self.said.insert((at, Said::Unused(item)));
                }
                self.take_off(tier, at, STOP, "Stopped");
            }
            Act::Skip(tier) => {
                self.take_off(tier, at, SKIP, "Skipped");
                self.rungs[tier.index()].rise = Some(SKIP);
            }
        }
    }

    /// Takes the item off its deck, with a fade if it is heard.
    fn take_off(&mut self, tier: Tier, at: Frames, fade: Frames, ending: &'static str) {
        let on_air = self.on_air == Some(tier);
        let rung = &mut self.rungs[tier.index()];
        if let Some((item, left)) = rung.current.take() {
            if on_air || rung.falls(at) {
                let fade = fade.min(left).min(rung.silent.map_or(Frames::MAX, |silent| silent - at));
                rung.tail = Some((item, at + fade, ending));
                self.change(item, at, fade, 0.0);
            } else {
                self.end(item, at, ending);
            }
        } else if rung.rise.is_some()
            && let Some((item, _)) = rung.waiting.pop_front()
        {
            // It was to start at this very frame.
            self.said.insert((at, Said::Unused(item)));
        }
    }

    /// Does what is due at frame `at`, and lets the frame pass.
    fn pass(&mut self, at: Frames, returns: Return) {
        for tier in 0..Tier::COUNT {
            if let Some((item, _, ending)) = self.rungs[tier].tail.take_if(|(_, silent, _)| *silent <= at) {
                self.end(item, at, ending);
            }
            let rung = &mut self.rungs[tier];
            let frozen = rung.silent.is_some_and(|silent| silent < at);
            if let Some((item, _)) = rung.current.take_if(|(_, left)| *left == 0 && !frozen) {
                self.end(item, at, "Finished");
            }
            let rung = &mut self.rungs[tier];
            let dropped = rung.silent == Some(at) && returns != Return::Resume;
            if let Some((item, _)) = rung.current.take_if(|_| dropped) {
                self.end(item, at, "Preempted");
            }
        }
        let has_audio = |rung: &Rung| rung.current.is_some() || !rung.waiting.is_empty();
        let winner = Tier::ALL.into_iter().find(|tier| has_audio(&self.rungs[tier.index()]));
        if winner != self.on_air {
            self.hand_over(winner, at);
        } else if let Some(winner) = winner {
            self.play(winner, at, None);
        }
        for tier in Tier::ALL {
            let rung = &mut self.rungs[tier.index()];
            rung.rise = None;
            let runs = winner == Some(tier) || rung.falls(at);
            if let Some((_, left)) = rung.current.as_mut().filter(|_| runs) {
                *left -= 1;
            }
        }
    }

    fn hand_over(&mut self, winner: Option<Tier>, at: Frames) {
        self.said.insert((at, Said::OnAir(winner)));
        let from = std::mem::replace(&mut self.on_air, winner);
        let Some(winner) = winner else { return };
        let takeover = TAKEOVER[winner.index()];
        let mut rise = None;
        if let Some(from) = from {
            let rung = &mut self.rungs[from.index()];
            let interrupted = rung.current.map(|(item, _)| item);
            let tail = rung.tail.as_mut().map(|(item, silent, _)| {
                let left = *silent - at;
                if winner < from {
                    *silent = at + left.min(takeover);
                }
                (*item, left)
            });
            if let Some(item) = interrupted {
                rung.silent = Some(at + takeover);
                self.change(item, at, takeover, 0.0);
                rise = Some(takeover);
            } else if let Some((item, left)) = tail {
                let fade = if winner < from { left.min(takeover) } else { left };
                self.change(item, at, fade, 0.0);
                rise = Some(fade.max(DECLICK));
            }
        }
        self.rungs[winner.index()].silent = None;
        if let Some((item, _)) = self.rungs[winner.index()].current {
            self.begin(item, at, rise.unwrap_or(DECLICK));
        }
        self.play(winner, at, rise);
    }

    /// Starts the next item of the tier on air, if it has none under way.
    fn play(&mut self, tier: Tier, at: Frames, rise: Option<Frames>) {
        let rung = &mut self.rungs[tier.index()];
        let rise = rung.rise.take().or(rise);
        if rung.current.is_none()
            && let Some((item, length)) = rung.waiting.pop_front()
        {
            rung.current = Some((item, length));
            self.begin(item, at, rise.unwrap_or(0));
        }
    }
}

fn ladder(returns: Return) -> LadderConfig {
    let curves = [Curve::SCurve, Curve::EqualPower, Curve::Linear, Curve::Exponential, Curve::Logarithmic];
    let mut takeover = rig::ladder().takeover;
    for (ramp, (length, curve)) in takeover.iter_mut().zip(TAKEOVER.into_iter().zip(curves)) {
        // The shapes with corners are for fades that are long enough for them.
        let curve = if length < 1_000 { Curve::SCurve } else { curve };
        *ramp = Ramp { length, curve };
    }
    LadderConfig { takeover, returns: [returns; Tier::COUNT], ..rig::ladder() }
}

fn command(act: Act) -> Command {
    match act {
        Act::Load(tier, item, length) => {
            let level = if item == B { [0.0, 1.0] } else { [1.0, 0.0] };
            let item = rig::item(item, rig::constant(level, length as usize));
            Command::Load { tier, item, place: airchain_core::control::Place::Back }
        }
        Act::Stop(tier) => Command::Stop { tier, ramp: Ramp { length: STOP, curve: Curve::Linear } },
        Act::Skip(tier) => Command::Skip { tier: Some(tier), ramp: None, wait: false },
    }
}

fn said(events: &[Event]) -> Vec<(Frames, Said)> {
    let said = |event: &Event| {
        let said = match &event.kind {
            EventKind::PriorityChanged { to, .. } => Said::OnAir(*to),
            EventKind::NowPlaying { item: ItemId(item), started, .. } => {
                Said::Playing { item: *item, started: *started }
            }
            EventKind::ItemEnded { item: ItemId(item), ending, .. } => {
                Said::Ended(*item, format!("{ending:?}"))
            }
            EventKind::ItemUnused { item: ItemId(item), .. } => Said::Unused(*item),
            _ => return None,
        };
        Some((event.frame, said))
    };
    let mut said: Vec<_> = events.iter().filter_map(said).collect();
    said.sort();
    said
}

/// Compares one channel with what the gains of its items must be.
fn check_gain(what: &str, gain: &[f32], items: &[u64], model: &Model) {
    let none = Vec::new();
    let changes = |item: &u64| model.changes.get(item).unwrap_or(&none);
    // The value that the channel must have at each frame; `None` while a gain is on its way.
    let mut value = vec![Some(0.0); gain.len()];
    let mut steps = BTreeSet::new();
    for item in items {
        for (n, change) in changes(item).iter().enumerate() {
            let (from, to) = (change.at as usize, (change.at + change.within) as usize);
            let next = changes(item).get(n + 1).map_or(gain.len(), |next| next.at as usize);
            if change.within == 0 {
                steps.insert(from);
            }
            for (frame, value) in value.iter_mut().enumerate().take(next).skip(from) {
                *value = if frame < to { None } else { value.map(|sum: f32| sum + change.to) };
            }
            // It is heard in the first and the last frame of its fade, and not a frame longer.
            let edge = if change.to > 0.0 { from } else { to.saturating_sub(1) };
            if change.within > 0 && to <= next {
                assert!(gain[edge] > 0.0, "{what}: item {item} is not heard at {edge}");
            }
        }
    }
    for (frame, (gain, value)) in gain.iter().zip(&value).enumerate() {
        if let Some(value) = value {
            assert_eq!(gain, value, "{what}: gain at {frame}");
        }
    }
    for (frame, pair) in (1..).zip(gain.windows(2)) {
        let step = (pair[1] - pair[0]).abs();
        assert!(step <= SLOPE || steps.contains(&frame), "{what}: a step of {step} at {frame}");
    }
}

fn run(tiers: [Tier; 2], together: bool, last: Option<u64>, how: &str, returns: Return) {
    let what = format!("{tiers:?}, together {together}, last {last:?}, {how}, {returns:?}");
    let [a, b] = tiers;
    let b_starts = if together { A_STARTS } else { B_STARTS };
    let [a_ends, b_ends] = [A, B].map(|item| if last == Some(item) { SECOND_ENDS } else { FIRST_ENDS });
    let mut acts = Vec::new();
    if how == "natural" {
        acts.push((A_STARTS, Act::Load(a, A, a_ends - A_STARTS)));
        acts.push((b_starts, Act::Load(b, B, b_ends - b_starts)));
    } else {
        let act = if how == "stop" { Act::Stop } else { Act::Skip };
        acts.push((A_STARTS, Act::Load(a, A, THE_END)));
        acts.push((b_starts, Act::Load(b, B, THE_END)));
        acts.push((a_ends, act(a)));
        acts.push((b_ends, act(b)));
    }
    acts.push((A_AGAIN, Act::Load(a, AGAIN, A_AGAIN_LENGTH)));

    let (mut rig, mut model) = (Rig::new(ladder(returns)), Model::default());
    for (at, act) in &acts {
        rig.send(*at, command(*act));
    }
    rig.run(THE_END, &[BLOCK]);
    for frame in 0..THE_END {
        for (_, act) in acts.iter().filter(|(at, _)| *at == frame) {
            model.act(frame, *act);
        }
        model.pass(frame, returns);
    }

    assert_eq!(said(&rig.events), model.said.iter().cloned().collect::<Vec<_>>(), "{what}");
    for (channel, items) in [&[A, AGAIN][..], &[B]].into_iter().enumerate() {
        let gain: Vec<f32> = rig.out.iter().map(|frame| frame[channel]).collect();
        check_gain(&what, &gain, items, &model);
    }
}

fn every_pair(returns: Return) {
    for a in Tier::ALL {
        for b in Tier::ALL {
            for together in [false, true] {
                for last in [Some(A), Some(B), None] {
                    for how in ["natural", "stop", "skip"] {
                        run([a, b], together, last, how, returns);
                    }
                }
            }
        }
    }
}

#[test]
fn every_pair_of_tiers_that_go_on_with_their_next_item() {
    every_pair(Return::Next);
}

#[test]
fn every_pair_of_tiers_that_resume() {
    every_pair(Return::Resume);
}

#[test]
fn every_pair_of_tiers_that_restart() {
    every_pair(Return::Restart);
}
