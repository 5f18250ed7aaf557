//! Emergencies on air: 200 of them at random phases of the block, each heard from the very frame at which the engine took it.
//! How long that was after the command is printed, and no reason to fail: `cargo nextest run -p airchain --test emergency
//! --no-capture`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use airchain::core::Frames;
use airchain::core::control::Ending;
use airchain::core::item::Item;
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Moment, Playlist, Request, StationEvent};
use airchain::core::tier::Tier;
use airchain::{Host, HostConfig, StationSpec};
use jiff::Timestamp;
use testkit::file::tone;

const BLOCK: Frames = 480;
const COUNT: usize = 200;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An emergency sent: when, and how far the station was then.
struct Sent {
    at: Timestamp,
    position: Frames,
}

fn figures(name: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    println!(
        "command to first sample, {name}: median {:.1}, p99 {:.1}, max {:.1}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

#[test]
fn two_hundred_emergencies_are_heard_from_the_frame_at_which_they_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let music = tone(folder.path(), 440.0, 30);
    let alarm = tone(folder.path(), 1000.0, 0.02);
    let programme = Box::new(Playlist::new(vec![music], Order::Sequential, true, 0));
    let spec = StationSpec { programme, latency_ms: 0.0, ..StationSpec::default() };
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec, Vec::new()).unwrap();
    let reports = station.reports();
    let mut sent = BTreeMap::new();
    let (mut taken, mut heard) = (BTreeMap::new(), BTreeMap::new());
    for number in 0..COUNT {
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..20_000)));
        let id = format!("alarm {number}");
        sent.insert(id.clone(), Sent { at: Timestamp::now(), position: station.position() });
        let item = Item { id: id.clone(), ..alarm.clone() };
        station.request(Moment::Now, Request::InsertEmergency { item }).unwrap();
        let deadline = Instant::now() + PATIENCE;
        // Its end, and the answer, which may come in either order.
        let mut left = 2;
        while left > 0 {
            let report = reports.recv_deadline(deadline).unwrap();
            match report.report.event {
                StationEvent::NowPlaying { tier: Tier::Emergency, item, .. } => {
                    assert_eq!(item.id, id);
                    heard.insert(item.id, (report.report.frame, report.utc));
                }
                StationEvent::CommandDone { id: Some(item), .. } => {
                    assert_eq!(item, id);
                    taken.insert(item, report.report.frame);
                    left -= 1;
                }
                StationEvent::ItemEnded { tier: Tier::Emergency, ending, .. } => {
                    assert_eq!(ending, Ending::Finished);
                    left -= 1;
                }
                StationEvent::CommandFailed { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
    }
    host.shutdown(Duration::from_secs(5));
    assert_eq!(heard.len(), COUNT);
    let (mut blocks, mut millis) = (Vec::new(), Vec::new());
    for (id, Sent { at, position }) in sent {
        let (frame, utc) = heard[&id];
        assert_eq!(frame, taken[&id], "{id} is heard at another frame than it was taken");
        assert!(frame >= position);
        blocks.push((frame - position).div_ceil(BLOCK) as f64);
        millis.push(utc.duration_since(at).as_secs_f64() * 1000.0);
    }
    figures("blocks", blocks);
    figures("ms", millis);
}
