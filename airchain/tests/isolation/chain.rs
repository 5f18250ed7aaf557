//! Nodes that panic: in their own work, and where no border is but that of the engine.

use airchain::StationSpec;
use airchain::core::playout::StationEvent;
use airchain::core::playout::report::Part;

use super::rig::{Stage, nodes, playlist, tone};

#[test]
fn a_node_that_panics_is_passed_by_and_the_chain_is_built_anew() {
    let stage = Stage::new();
    let item = tone(stage.folder.path(), "tone.wav", 30, &[]);
    let spec = StationSpec {
        id: "faulty".into(),
        chain: nodes(r#"[{"type": "fault", "config": {"after_s": 0.5}}, {"type": "limiter"}]"#),
        programme: playlist(vec![item]),
        ..StationSpec::default()
    };
    let mut faulty = stage.add(spec, Vec::new());
    // The second fault is that of the chain that was built after the first.
    faulty.wait_for_fault(Part::Chain);
    faulty.wait_for_fault(Part::Chain);
    stage.play(1);
    let silence_s = faulty.longest_silence_s();
    assert!(silence_s < 0.02, "{silence_s} s of silence");
    assert!(!faulty.station.is_off());
    stage.verify();
}

#[test]
fn an_engine_that_panics_begins_anew_by_itself() {
    let stage = Stage::new();
    let items = ["one.wav", "two.wav", "three.wav"].map(|name| tone(stage.folder.path(), name, 30, &[]));
    let spec = StationSpec {
        id: "faulty".into(),
        chain: nodes(r#"[{"type": "fault", "config": {"after_s": 1, "in": "status"}}]"#),
        programme: playlist(items.to_vec()),
        ..StationSpec::default()
    };
    let mut faulty = stage.add(spec, Vec::new());
    faulty.wait_for_start("one.wav");
    faulty.wait_for_fault(Part::Engine);
    faulty.wait_for("the end of what was on air", |event| matches!(event, StationEvent::ItemEnded { .. }));
    faulty.wait_for_start("two.wav");
    // It fails once more, and rests for a moment.
    faulty.wait_for_fault(Part::Engine);
    faulty.wait_for_start("three.wav");
    stage.play(1);
    assert!(faulty.longest_silence_s() < 4.0);
    assert!(!faulty.station.is_off());
    stage.verify();
}
