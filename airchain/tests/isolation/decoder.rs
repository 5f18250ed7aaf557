//! Decoders that panic, files that hang, a disk that takes 5 s for each read.

use airchain::StationSpec;
use airchain::codecs::fault;
use airchain::core::playout::StationEvent;
use airchain::core::playout::report::Part;
use airchain::spec::Fallback;

use super::rig::{Stage, playlist, tone};

fn spec(items: Vec<airchain::core::item::Item>) -> StationSpec {
    StationSpec { id: "faulty".into(), programme: playlist(items), ..StationSpec::default() }
}

#[test]
fn a_decoder_that_panics_ends_its_item() {
    let stage = Stage::new();
    let folder = stage.folder.path();
    let bad = tone(folder, "bad.wav", 30, &[(2.0, fault::DECODER_PANICS)]);
    let good = tone(folder, "good.wav", 30, &[]);
    let mut faulty = stage.add(spec(vec![bad, good]), Vec::new());
    faulty.wait_for_start("bad.wav");
    faulty.wait_for_fault(Part::Decoder);
    faulty.wait_for_start("good.wav");
    stage.play(1);
    assert!(faulty.longest_silence_s() < 0.02, "what was decoded plays, then the next item");
    stage.verify();
}

#[test]
fn files_that_hang_hold_up_nobody_and_the_next_that_opens_plays() {
    let stage = Stage::new();
    let folder = stage.folder.path();
    let mut items: Vec<_> =
        (0..3).map(|n| tone(folder, &format!("hangs-{n}.wav"), 3, &[(0.0, fault::DECODER_HANGS)])).collect();
    items.push(tone(folder, "good.wav", 30, &[]));
    let mut faulty = stage.add(spec(items), Vec::new());
    // Both decode workers hang at once; stand-ins take over, also for the others of this station.
    faulty.wait_for_start("good.wav");
    faulty.wait_for_fault(Part::Disk);
    faulty.wait_for("what cannot be opened", |event| {
        matches!(event, StationEvent::SourceFailed { item, skipped: true, .. } if item.path.contains("hangs"))
    });
    stage.verify();
}

#[test]
fn a_file_that_hangs_in_the_middle_is_over_after_a_second_and_the_next_plays() {
    let stage = Stage::new();
    let folder = stage.folder.path();
    let bad = |name| tone(folder, name, 30, &[(3.0, fault::DECODER_HANGS)]);
    let good = tone(folder, "good.wav", 30, &[]);
    let mut faulty = stage.add(spec(vec![bad("hangs.wav"), good]), Vec::new());
    let other = StationSpec { id: "other".into(), ..spec(vec![bad("hangs-too.wav")]) };
    let _other = stage.add(other, Vec::new());
    faulty.wait_for_start("hangs.wav");
    faulty.wait_for("damage", |event| {
        matches!(event, StationEvent::SourceFailed { item, skipped: false, .. } if item.path.contains("hangs"))
    });
    faulty.wait_for_start("good.wav");
    stage.play(1);
    let silence_s = faulty.longest_silence_s();
    assert!(silence_s < 1.5, "{silence_s} s of silence");
    stage.verify();
}

#[test]
fn a_disk_that_takes_5_s_for_each_read_is_the_trouble_of_its_station() {
    let stage = Stage::new();
    let reads: Vec<_> = (0..20).map(|n| (f64::from(n) * 0.5, fault::DECODER_IS_SLOW)).collect();
    for id in ["one", "two", "three"] {
        let slow = tone(stage.folder.path(), &format!("{id}.wav"), 20, &reads);
        let mut faulty = stage.add(StationSpec { id: id.into(), ..spec(vec![slow]) }, Vec::new());
        if id == "three" {
            faulty.wait_for_fault(Part::Disk);
        }
    }
    stage.play(12);
    stage.verify();
}

#[test]
fn a_fallback_that_hangs_keeps_no_other_station_off_the_air() {
    let stage = Stage::new();
    let folder = stage.folder.path();
    let hangs = tone(folder, "fallback.wav", 1, &[(0.5, fault::DECODER_HANGS)]);
    let good = tone(folder, "good.wav", 30, &[]);
    let hung = StationSpec { fallback: Fallback::File(hangs.path.into()), ..spec(vec![good.clone()]) };
    std::thread::scope(|scope| {
        let (begins, begun) = crossbeam_channel::bounded(0);
        let host = &stage.host;
        let adding = scope.spawn(move || {
            begins.send(()).unwrap();
            host.add_station(hung, Vec::new()).map(|station| station.is_off())
        });
        begun.recv().unwrap();
        for id in ["one", "two", "three"] {
            let other = StationSpec { id: id.into(), ..spec(vec![good.clone()]) };
            stage.add(other, Vec::new()).wait_for_start("good.wav");
        }
        assert!(!adding.is_finished());
        fault::release();
        assert_eq!(adding.join().unwrap().ok(), Some(false), "on air");
    });
    stage.verify();
}
