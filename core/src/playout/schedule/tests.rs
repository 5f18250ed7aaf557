use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::control::Ramp;
use crate::curve::Curve;

const RATE: u32 = 48_000;
const S: i64 = 1_000_000_000;
/// 2026-11-28T12:00:00Z.
const NOON: i64 = 1_795_867_200 * S;
const GAPLESS: Joining = Joining { crossfade: 0, sight: 72_000 };

struct List(Vec<Entry>);

impl Timetable for List {
    fn between(&self, from_ns: i64, to_ns: i64) -> Vec<Entry> {
        self.0.iter().filter(|entry| (from_ns..to_ns).contains(&entry.at_ns)).cloned().collect()
    }
}

/// Lengths in seconds by path; what is not there is asked for in vain, and `later` is not known yet.
#[derive(Default)]
struct Known(HashMap<&'static str, f64>);

impl Lengths for Known {
    fn length(&mut self, item: &Item) -> Length {
        match self.0.get(item.path.as_str()) {
            Some(seconds) => Length::Known(seconds_to_frames(*seconds, RATE)),
            None if item.path == "later" => Length::Later,
            None => Length::Never,
        }
    }
}

fn hard(path: &str, at_ns: i64) -> Entry {
    Entry { at_ns, row: 0, plan: Plan::CutIn { item: Item::file(path), fade: None, edge: Edge::Start } }
}

fn ends(path: &str, at_ns: i64) -> Entry {
    Entry { at_ns, row: 0, plan: Plan::CutIn { item: Item::file(path), fade: None, edge: Edge::End } }
}

fn soft(path: &str, at_ns: i64, latest_ns: Option<i64>) -> Entry {
    Entry { at_ns, row: 0, plan: Plan::Soft { item: Item::file(path), latest_ns } }
}

/// A schedule on a station whose frame 0 was at noon.
struct Rig {
    schedule: Schedule,
    clock: StationClock,
    lengths: Known,
}

impl Rig {
    fn new(entries: impl IntoIterator<Item = Entry>, lengths: &[(&'static str, f64)]) -> Self {
        let number = |(row, entry)| Entry { row, ..entry };
        let entries = entries.into_iter().enumerate().map(number).collect();
        Self {
            schedule: Schedule::new(Box::new(List(entries)), GAPLESS),
            clock: StationClock { rate_hz: RATE, epoch_ns: NOON },
            lengths: Known(lengths.iter().copied().collect()),
        }
    }

    fn tick(&mut self, at_s: f64, on_air: Option<OnAir<'_>>) -> Vec<Action> {
        self.tick_with(at_s, Automation { on_air, ..Automation::default() })
    }

    fn tick_with(&mut self, at_s: f64, automation: Automation<'_>) -> Vec<Action> {
        self.schedule.tick(&self.clock, seconds_to_frames(at_s, RATE), automation, &mut self.lengths)
    }

    /// Ticks every 10 ms while one item plays on; what was to be done, with the second at which it was said.
    fn run(&mut self, from_s: f64, to_s: f64) -> Vec<(f64, Action)> {
        self.run_with(from_s, to_s, false)
    }

    /// The same while a higher tier has the air, if it is so.
    fn run_with(&mut self, from_s: f64, to_s: f64, beneath: bool) -> Vec<(f64, Action)> {
        let item = Item::file("programme");
        let on_air = Some(OnAir { item: &item, started: 0, length: None });
        let automation = Automation { on_air, beneath, ..Automation::default() };
        let ticks = ((to_s - from_s) * 100.0).round() as u64;
        let at = |tick: u64| from_s + tick as f64 / 100.0;
        (0..ticks)
            .flat_map(|tick| self.tick_with(at(tick), automation).into_iter().map(move |a| (at(tick), a)))
            .collect()
    }
}

/// `path@seconds` of what is put on air or in line, `path!` of what is dropped, `-number` of what is taken back.
fn words<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::CutIn { item, frame, .. } => format!("{}@{}", item.path, frames_to_seconds(*frame, RATE)),
        Action::PutInLine { item, frame, .. } => format!("{}>{}", item.path, frames_to_seconds(*frame, RATE)),
        Action::Withdraw { entry, frame } => format!("-{}@{}", entry.0, frames_to_seconds(*frame, RATE)),
        Action::Drop { item, .. } => format!("{}!", item.path),
    };
    actions.into_iter().map(word).collect()
}

fn said(timed: &[(f64, Action)]) -> Vec<String> {
    words(timed.iter().map(|(_, action)| action))
}

#[test]
fn a_hard_item_is_opened_ahead_and_cut_in_at_its_frame() {
    let mut rig = Rig::new([hard("news", NOON + 60 * S)], &[]);
    let actions = rig.run(0.0, 65.0);
    assert_eq!(said(&actions), ["news@60"]);
    assert_eq!(actions[0].0, 58.0);
    let Action::CutIn { item, .. } = &actions[0].1 else { panic!("{actions:?}") };
    assert_eq!(item.fade_in_s, Some(0.0), "it is there at once");
}

#[test]
fn what_never_starts_is_taken_back() {
    let mut rig = Rig::new([hard("news", NOON + 60 * S)], &[]);
    assert_eq!(said(&rig.run(0.0, 100.0)), ["news@60", "-1@70"]);
    let mut rig = Rig::new([hard("news", NOON + 60 * S)], &[]);
    assert_eq!(said(&rig.run(0.0, 61.0)), ["news@60"]);
    rig.schedule.settled(EntryId(1));
    assert_eq!(said(&rig.run(61.0, 100.0)), [""; 0]);
}

#[test]
fn a_soft_item_waits_no_longer_than_it_may() {
    let mut rig = Rig::new([soft("ad", NOON + 10 * S, Some(NOON + 30 * S))], &[]);
    assert_eq!(said(&rig.run(0.0, 60.0)), ["ad>10", "-1@30"]);
    let mut rig = Rig::new([soft("ad", NOON + 10 * S, None)], &[]);
    assert_eq!(said(&rig.run(0.0, 60.0)), ["ad>10"]);
}

#[test]
fn a_soft_item_waits_until_its_row_comes_again_and_for_an_hour_at_most() {
    let half_hourly = [10, 1810, 5410].map(|at_s| Entry { row: 7, ..soft("ad", NOON + at_s * S, None) });
    let mut rig = Rig::new([], &[]);
    rig.schedule = Schedule::new(Box::new(List(half_hourly.into())), GAPLESS);
    let wanted = ["ad>10", "ad>1810", "-1@1810", "ad>5410", "-2@5410", "-3@9010"];
    assert_eq!(said(&rig.run(0.0, 9100.0)), wanted);
}

#[test]
fn few_items_wait_in_line_at_a_time() {
    let mut entries: Vec<Entry> = ["a", "b", "c", "d"].map(|path| soft(path, NOON + 10 * S, None)).into();
    entries.push(soft("e", NOON + 10 * S, Some(NOON + 50 * S)));
    let mut rig = Rig::new(entries, &[]);
    assert_eq!(said(&rig.run(0.0, 60.0)), ["a>10", "b>10", "c>10", "e!"]);
    rig.schedule.settled(EntryId(2));
    assert_eq!(said(&rig.run(60.0, 70.0)), ["d>10"]);
    assert_eq!(said(&rig.run(3600.0, 3615.0)), ["-1@3610", "-3@3610", "-4@3610"]);
}

#[test]
fn what_a_higher_tier_kept_off_the_air_is_joined_or_dropped_afterwards() {
    let entries = || [hard("news", NOON + 10 * S), hard("show", NOON + 60 * S), hard("flash", NOON + 90 * S)];
    let mut rig = Rig::new(entries(), &[("news", 60.0), ("show", 3600.0), ("flash", 600.0)]);
    let actions = rig.run_with(0.0, 120.0, true);
    assert_eq!(said(&actions), ["news@10", "-1@20", "show@60", "-2@70", "flash@90", "-3@100"]);
    let actions = rig.run(120.0, 125.0);
    assert_eq!(said(&actions), ["news!", "show!", "flash@122"]);
    let Action::CutIn { item, .. } = &actions[2].1 else { panic!("{actions:?}") };
    assert_eq!(item.cue_in_s, Some(32.0));
    // What would be over by then is not begun any more.
    let mut rig = Rig::new(entries(), &[("news", 60.0), ("show", 3600.0), ("flash", 30.0)]);
    rig.run_with(0.0, 125.0, true);
    assert_eq!(said(&rig.run(125.0, 140.0)), ["news!", "show!", "flash!"]);
}

#[test]
fn an_item_starts_as_long_before_its_end_as_it_lasts() {
    let at = NOON + 3600 * S;
    let mut rig = Rig::new([ends("countdown", at)], &[("countdown", 90.25)]);
    let actions = rig.run(3400.0, 3600.0);
    assert_eq!(said(&actions), ["countdown@3509.75", "-1@3519.75"]);
    let Action::CutIn { item, frame, .. } = &actions[0].1 else { panic!("{actions:?}") };
    assert_eq!(*frame + seconds_to_frames(90.25, RATE), rig.clock.frame_of(at).unwrap());
    assert_eq!(item.start_next_s, Some(90.25), "what follows starts at its end");
}

#[test]
fn an_item_whose_start_has_passed_is_joined_so_that_it_ends_in_time() {
    let mut rig = Rig::new([ends("long", NOON + 100 * S)], &[("long", 400.0)]);
    let actions = rig.tick(0.0, None);
    assert_eq!(words(&actions), ["long@0"]);
    let Action::CutIn { item, .. } = &actions[0] else { panic!("{actions:?}") };
    assert_eq!((item.cue_in_s, item.start_next_s), (Some(300.0), Some(400.0)));
}

#[test]
fn a_length_that_comes_late_or_never_is_dealt_with() {
    let mut rig = Rig::new([ends("later", NOON + 60 * S)], &[]);
    assert_eq!(said(&rig.run(0.0, 20.0)), [""; 0]);
    // It lasts 50 s, so it should have started at 10 s. At 20 s it is sent for 22 s.
    rig.lengths.0.insert("later", 50.0);
    let actions = rig.run(20.0, 25.0);
    assert_eq!(said(&actions), ["later@22"]);
    let Action::CutIn { item, .. } = &actions[0].1 else { panic!("{actions:?}") };
    assert_eq!(item.cue_in_s, Some(12.0));
    let mut rig = Rig::new([ends("lost", NOON + 60 * S)], &[]);
    assert_eq!(said(&rig.run(0.0, 70.0)), ["lost!"]);
}

#[test]
fn what_covers_the_start_of_the_station_is_joined_and_the_rest_dropped() {
    let entries = [
        hard("show", NOON - 1800 * S),
        soft("ad", NOON - 600 * S, None),
        soft("patient", NOON - 600 * S, Some(NOON + 600 * S)),
        hard("news", NOON - 3600 * S),
    ];
    let mut rig = Rig::new(entries, &[("show", 3600.0), ("news", 7200.0)]);
    let actions = rig.tick(0.0, None);
    assert_eq!(words(&actions), ["news!", "show@0", "ad!", "patient>0"]);
    let Action::CutIn { item, .. } = &actions[1] else { panic!("{actions:?}") };
    assert_eq!((item.cue_in_s, item.fade_in_s), (Some(1800.0), Some(0.005)));
    // Over by then, or of unknown length.
    let mut rig = Rig::new([hard("show", NOON - 1800 * S)], &[("show", 1800.0)]);
    assert_eq!(words(&rig.tick(0.0, None)), ["show!"]);
    let mut rig = Rig::new([hard("stream", NOON - 1800 * S)], &[]);
    assert_eq!(words(&rig.tick(0.0, None)), ["stream!"]);
}

#[test]
fn what_another_run_began_is_not_joined_over_itself() {
    let show = Item { cue_in_s: Some(1799.0), ..Item::file("show") };
    for begun in [true, false] {
        let mut rig =
            Rig::new([hard("show", NOON - 1800 * S), hard("old", NOON - 3600 * S)], &[("show", 3600.0)]);
        let on_air = begun.then_some(OnAir { item: &show, started: 0, length: None });
        let automation = Automation { on_air, next: (!begun).then_some(&show), ..Automation::default() };
        assert_eq!(words(&rig.tick_with(0.0, automation)), ["old!"]);
        assert_eq!(words(&rig.tick_with(10.0, automation)), [""; 0]);
    }
}

#[test]
fn a_row_that_comes_again_and_again_is_late_once() {
    let hourly = (1..=20).map(|hour| hard("news", NOON - hour * 3600 * S));
    let mut rig = Rig::new([], &[("news", 180.0)]);
    rig.schedule = Schedule::new(Box::new(List(hourly.collect())), GAPLESS);
    assert_eq!(words(&rig.tick(0.0, None)), ["news!"]);
}

#[test]
fn of_the_same_time_the_first_cuts_in_and_the_others_follow() {
    let at = NOON + 10 * S;
    let mut rig = Rig::new([soft("ad", at, None), hard("jingle", at), hard("news", at)], &[]);
    assert_eq!(said(&rig.run(0.0, 12.0)), ["jingle@10", "news>10", "ad>10"]);
}

#[test]
fn a_clock_that_is_set_is_followed() {
    let mut rig = Rig::new(
        [hard("news", NOON + 60 * S), hard("show", NOON + 600 * S)],
        &[("news", 60.0), ("show", 60.0)],
    );
    assert_eq!(said(&rig.run(0.0, 20.0)), [""; 0]);
    // Ten seconds on: the news is due at frame 50 s.
    rig.clock = StationClock::anchored(RATE, 20 * 48_000, NOON + 30 * S);
    assert_eq!(said(&rig.run(20.0, 52.0)), ["news@50"]);
    rig.schedule.settled(EntryId(1));
    // Ten minutes on: the show began 20 s ago and is joined.
    rig.clock = StationClock::anchored(RATE, 100 * 48_000, NOON + 620 * S);
    let actions = rig.run(100.0, 101.0);
    assert_eq!(said(&actions), ["show@102"]);
    // Set back, nothing comes a second time.
    rig.schedule.settled(EntryId(2));
    rig.clock = StationClock { rate_hz: RATE, epoch_ns: NOON - 7200 * S };
    assert_eq!(said(&rig.run(200.0, 202.0)), [""; 0]);
}

/// A station that boots with its clock `wrong_s` ahead, which is set right after 30 s.
fn set_back(wrong_s: i64, entries: impl IntoIterator<Item = Entry>, lengths: &[(&'static str, f64)]) -> Rig {
    let mut rig = Rig::new(entries, lengths);
    rig.clock = StationClock { rate_hz: RATE, epoch_ns: NOON + wrong_s * S };
    rig.run(0.0, 30.0);
    rig.clock = StationClock { rate_hz: RATE, epoch_ns: NOON };
    rig
}

#[test]
fn a_clock_that_was_ahead_leaves_nothing_out() {
    const YEAR: i64 = 365 * 86_400;
    for wrong_s in [7200, 5 * YEAR] {
        let entries =
            [hard("show", NOON - 600 * S), hard("news", NOON + 60 * S), soft("ad", NOON + 3600 * S, None)];
        let mut rig = set_back(wrong_s, entries, &[("show", 3600.0), ("news", 60.0)]);
        let actions = rig.run(30.0, 3700.0);
        let wanted = ["show@32", "-1@42", "news@60", "-2@70", "ad>3600"];
        assert_eq!(said(&actions)[..5], wanted, "{wrong_s} s ahead");
    }
}

#[test]
fn a_clock_that_was_a_little_ahead_repeats_nothing() {
    let entries =
        || [hard("news", NOON + 610 * S), soft("ad", NOON + 620 * S, None), hard("show", NOON + 900 * S)];
    let mut rig = set_back(600, entries(), &[("news", 60.0), ("show", 60.0)]);
    rig.schedule.settled(EntryId(1));
    assert_eq!(said(&rig.run(30.0, 899.0)), ["show@900"]);
    // Two hours are long enough for it to come at its right time.
    let mut rig =
        set_back(7200, entries().map(|entry| Entry { at_ns: entry.at_ns + 6600 * S, ..entry }), &[]);
    rig.schedule.settled(EntryId(1));
    rig.schedule.settled(EntryId(2));
    assert_eq!(said(&rig.run(7000.0, 7211.0)), ["news@7210"]);
}

#[test]
fn the_next_day_is_looked_up_in_time() {
    let daily = (0..4).map(|day| hard("news", NOON + (day * 86_400 + 60) * S)).collect();
    let mut rig = Rig::new([], &[]);
    rig.schedule = Schedule::new(Box::new(List(daily)), GAPLESS);
    let mut actions = Vec::new();
    for second in 0..4 * 86_400 {
        let item = Item::file("programme");
        actions.extend(rig.tick(f64::from(second), Some(OnAir { item: &item, started: 0, length: None })));
        rig.schedule.settled(EntryId(actions.len() as u64));
    }
    assert_eq!(words(&actions), ["news@60", "news@86460", "news@172860", "news@259260"]);
}

/// Plays a fill to its end: what is put in line starts when what is on air ends. Items and the seconds at which they start.
fn fill(
    rig: &mut Rig,
    first_s: f64,
    crossfade_s: f64,
    until_s: f64,
    mut skip_s: Option<f64>,
) -> Vec<(String, f64)> {
    let (mut heard, mut waiting) = (Vec::new(), None);
    let (mut item, mut started, mut length) = (Item::file("first"), 0.0, first_s);
    let mut at = 0.0;
    while at < until_s {
        let on_air = OnAir {
            item: &item,
            started: seconds_to_frames(started, RATE),
            length: Some(seconds_to_frames(length, RATE)),
        };
        for action in rig.tick(at, Some(on_air)) {
            match action {
                Action::PutInLine { entry, item, .. } => waiting = Some((entry, item)),
                Action::Withdraw { .. } => waiting = None,
                other => panic!("{other:?}"),
            }
        }
        let skipped = skip_s.take_if(|skip_s| at >= *skip_s);
        let boundary = skipped.unwrap_or(item.start_next_s.unwrap_or(length - crossfade_s) + started);
        if at >= boundary {
            let (entry, next) = waiting.take().unwrap_or((EntryId(0), Item::file("programme")));
            rig.schedule.settled(entry);
            heard.push((next.path.clone(), boundary));
            length = rig.lengths.0.get(next.path.as_str()).copied().unwrap_or(200.0);
            (item, started) = (next, boundary);
        }
        at += 0.01;
    }
    heard
}

/// The second at which the last item of the pool ends.
fn end_of_fill(rig: &Rig, heard: &[(String, f64)]) -> f64 {
    let known = |path: &str| rig.lengths.0.get(path).copied();
    heard.iter().filter_map(|(path, at)| Some(at + known(path)?)).fold(0.0, f64::max)
}

fn fill_entry(from_s: i64, until_s: i64, pool: &[(&'static str, f64)]) -> Entry {
    let pool: Arc<[Item]> = pool.iter().map(|(path, _)| Item::file(*path)).collect();
    Entry { at_ns: NOON + from_s * S, row: 0, plan: Plan::Fill { pool, until_ns: NOON + until_s * S } }
}

#[test]
fn a_fill_ends_when_it_must() {
    let pool = [("a", 100.0), ("b", 70.0), ("c", 45.0), ("d", 31.0), ("e", 12.0)];
    let mut rig = Rig::new([fill_entry(20, 200, &pool)], &pool);
    // From 50 s there are 150 s to be filled: b, c and d come to 146, b, c, d are beaten by a, d, e with 143, ...
    let heard = fill(&mut rig, 50.0, 0.0, 200.0, None);
    let end = end_of_fill(&rig, &heard);
    assert!((end - 196.0).abs() < 0.02, "{heard:?} ends at {end}");
    assert_eq!(heard.last().map(|(path, _)| path.as_str()), Some("programme"), "what is left is covered");
}

#[test]
fn with_crossfades_the_last_item_falls_under_the_hard_one() {
    let pool = [("a", 103.0), ("b", 53.0), ("c", 47.0)];
    let mut rig = Rig::new([fill_entry(20, 200, &pool)], &pool);
    rig.schedule.joining = Joining { crossfade: 3 * 48_000, sight: 4 * 48_000 };
    // 53 s on air: a boundary at 50, then 100 + 50 to 200, where the hard item's crossfade covers the last three seconds.
    let heard = fill(&mut rig, 53.0, 3.0, 200.0, None);
    let starts: Vec<f64> = heard.iter().map(|(_, at)| at.round()).collect();
    assert_eq!(starts, [50.0, 150.0], "{heard:?}");
}

#[test]
fn a_fill_makes_up_for_a_skip() {
    let pool: Vec<(&'static str, f64)> =
        vec![("a", 61.0), ("b", 47.0), ("c", 33.0), ("d", 21.0), ("e", 13.0), ("f", 8.0), ("g", 5.0)];
    for skip_s in [20.0, 33.3, 60.0] {
        let mut rig = Rig::new([fill_entry(0, 150, &pool)], &pool);
        let heard = fill(&mut rig, 50.0, 0.0, 150.0, Some(skip_s));
        let end = end_of_fill(&rig, &heard);
        assert!((147.0..=150.02).contains(&end), "skipped at {skip_s} s: {heard:?} ends at {end}");
    }
}

#[test]
fn a_fill_waits_while_the_automation_is_held() {
    let pool = [("a", 61.0), ("b", 47.0), ("c", 33.0), ("d", 21.0)];
    let mut rig = Rig::new([fill_entry(20, 200, &pool)], &pool);
    for second in 0..60 {
        let automation = Automation { held: true, ..Automation::default() };
        assert_eq!(words(&rig.tick_with(f64::from(second), automation)), [""; 0]);
    }
    // 139 s are left, and the whole pool is there to fill them.
    let heard = fill(&mut rig, 61.0, 0.0, 200.0, None);
    let end = end_of_fill(&rig, &heard);
    assert!((end - 190.0).abs() < 0.02, "{heard:?} ends at {end}");
}

#[test]
fn the_fall_of_what_runs_can_be_given() {
    let fade = Some(Ramp { length: 480, curve: Curve::Linear });
    let plan = Plan::CutIn { item: Item::file("news"), fade, edge: Edge::Start };
    let mut rig = Rig::new([Entry { at_ns: NOON + 2 * S, row: 0, plan }], &[]);
    let actions = rig.tick(0.0, None);
    assert!(
        matches!(actions[..], [Action::CutIn { fade: Some(Ramp { length: 480, .. }), .. }]),
        "{actions:?}"
    );
}
