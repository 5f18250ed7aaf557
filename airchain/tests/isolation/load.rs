//! A station that is given far too much to do.

use airchain::StationSpec;
use airchain::core::control::When;
use airchain::core::item::Item;
use airchain::core::playout::{QueueRequest, Request, StationEvent};

use super::rig::{Stage, playlist, tone};

const MANY: usize = 10_000;

#[test]
fn ten_thousand_items_and_as_many_commands_hold_up_nobody() {
    let stage = Stage::new();
    let item = tone(stage.folder.path(), "tone.wav", 2, &[]);
    let spec = StationSpec {
        id: "faulty".into(),
        programme: playlist(vec![item.clone()]),
        ..StationSpec::default()
    };
    let mut faulty = stage.add(spec, Vec::new());
    for number in 0..MANY {
        let queued = Item { id: format!("queued-{number}"), ..item.clone() };
        faulty.station.request(When::Now, Request::Queue(QueueRequest::add(queued))).unwrap();
    }
    for _ in 0..MANY {
        let retitle = Request::SetMetadata { metadata: Default::default() };
        faulty.station.request(When::Now, retitle).unwrap();
    }
    for _ in 0..2 * MANY {
        faulty.wait_for("an answer", |event| {
            matches!(event, StationEvent::CommandDone { .. } | StationEvent::CommandFailed { .. })
        });
    }
    faulty.wait_for(
        "the first of them",
        |event| matches!(event, StationEvent::NowPlaying { item, .. } if item.id.starts_with("queued-")),
    );
    stage.play(2);
    assert!(faulty.longest_silence_s() < 0.02);
    stage.verify();
}
