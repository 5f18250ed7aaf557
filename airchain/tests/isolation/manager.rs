//! Managers that panic or never answer, and a schedule that panics where the director asks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use airchain::StationSpec;
use airchain::core::item::Item;
use airchain::core::playout::report::Part;
use airchain::core::playout::schedule::{Entry, Timetable};
use airchain::core::playout::{NextItem, NextTrack, StationEvent};
use airchain::pull::{Asked, Pull};
use airchain::spec::Fallback;

use super::rig::{Stage, playlist, tone};

/// Panics a few times, then gives its item.
struct Programme(usize, Item);

impl NextTrack for Programme {
    fn next_track(&mut self) -> NextItem {
        self.0 = self.0.saturating_sub(1);
        assert!(self.0 == 0, "a programme that was asked to panic");
        NextItem::Item(Box::new(self.1.clone()))
    }
}

#[test]
fn a_programme_that_panics_is_asked_again() {
    let stage = Stage::new();
    let item = tone(stage.folder.path(), "tone.wav", 30, &[]);
    let programme = Box::new(Programme(3, item));
    let spec =
        StationSpec { id: "faulty".into(), programme, fallback: Fallback::Tone, ..StationSpec::default() };
    let mut faulty = stage.add(spec, Vec::new());
    faulty.wait_for_fault(Part::Programme);
    faulty.wait_for_start("tone.wav");
    assert_eq!(faulty.station.faults().of(Part::Programme), 2);
    assert!(faulty.longest_silence_s() < 0.02, "the fallback is heard meanwhile");
    stage.verify();
}

#[test]
fn a_manager_that_panics_is_asked_again() {
    let stage = Stage::new();
    let item = tone(stage.folder.path(), "tone.wav", 30, &[]);
    let manager = move |asked: &Asked| {
        assert!(asked.failures > 0, "a manager that was asked to panic");
        Ok(NextItem::Item(Box::new(item.clone())))
    };
    let programme = Box::new(Pull::new("faulty", Box::new(manager)).unwrap());
    let spec =
        StationSpec { id: "faulty".into(), programme, fallback: Fallback::Tone, ..StationSpec::default() };
    let mut faulty = stage.add(spec, Vec::new());
    faulty.wait_for("the failure", |event| matches!(event, StationEvent::SourceFailed { .. }));
    faulty.wait_for_start("tone.wav");
    stage.play(2);
    stage.verify();
}

#[test]
fn a_manager_that_never_answers_has_its_station_on_the_fallback() {
    let stage = Stage::new();
    let manager = |_: &Asked| -> Result<NextItem, String> {
        loop {
            std::thread::park();
        }
    };
    let programme = Box::new(Pull::new("faulty", Box::new(manager)).unwrap());
    let spec =
        StationSpec { id: "faulty".into(), programme, fallback: Fallback::Tone, ..StationSpec::default() };
    let mut faulty = stage.add(spec, Vec::new());
    stage.play(4);
    assert!(faulty.longest_silence_s() < 0.02);
    stage.verify();
}

/// Panics the first times that the director asks it.
struct Schedule(Arc<AtomicUsize>);

impl Timetable for Schedule {
    fn between(&self, _: i64, _: i64) -> Vec<Entry> {
        assert!(self.0.fetch_add(1, Ordering::Relaxed) >= 3, "a schedule that was asked to panic");
        Vec::new()
    }
}

#[test]
fn a_director_that_panics_is_tried_again_while_its_engine_plays_on() {
    let stage = Stage::new();
    let items = ["one.wav", "two.wav"].map(|name| tone(stage.folder.path(), name, 2, &[]));
    let asked = Arc::<AtomicUsize>::default();
    let spec = StationSpec {
        id: "faulty".into(),
        programme: playlist(items.to_vec()),
        schedule: Some(Box::new(Schedule(asked.clone()))),
        ..StationSpec::default()
    };
    let mut faulty = stage.add(spec, Vec::new());
    faulty.wait_for_fault(Part::Director);
    faulty.wait_for_start("two.wav");
    assert!(asked.load(Ordering::Relaxed) > 3);
    assert_eq!(faulty.station.faults().of(Part::Director), 3);
    assert!(!faulty.station.is_off());
    assert!(faulty.longest_silence_s() < 0.02);
    stage.verify();
}
