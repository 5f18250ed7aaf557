//! Managers that are asked for each track, on air.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc;
use std::time::Duration;

use airchain::core::playout::{NextItem, StationEvent};
use airchain::core::tier::Tier;
use airchain::pull::{Asked, Pull};
use airchain::spec::Fallback;
use airchain::{Host, HostConfig, StationSpec};
use testkit::file::tone;

/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_manager_that_blocks_for_good_holds_up_neither_the_air_nor_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let item = tone(folder.path(), 440.0, 1);
    let (blocked_in, blocked) = mpsc::channel();
    // Held until the test ends, so that it blocks for all of it.
    let (_never_in, never) = mpsc::channel::<()>();
    let manager = move |asked: &Asked| {
        if asked.number == 1 {
            return Ok(NextItem::Item(Box::new(item.clone())));
        }
        blocked_in.send(()).unwrap();
        let _ = never.recv();
        Ok(NextItem::End)
    };
    let programme = Box::new(Pull::new("wgmr", Box::new(manager)).unwrap());
    let spec = StationSpec { programme, fallback: Fallback::Tone, ..StationSpec::default() };
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec, Vec::new()).unwrap();
    let reports = station.reports();
    // The track is heard, and after it the fallback, with the manager blocked.
    let mut heard = Vec::new();
    while heard != [Tier::Automation, Tier::Fallback] {
        let report = reports.recv_timeout(PATIENCE).unwrap().report;
        if let StationEvent::NowPlaying { tier, .. } = report.event
            && (tier == Tier::Automation || !heard.is_empty())
        {
            heard.push(tier);
        }
    }
    blocked.recv_timeout(PATIENCE).unwrap();
    let (done_in, done) = mpsc::channel();
    std::thread::spawn(move || {
        host.shutdown(Duration::from_secs(1));
        done_in.send(()).unwrap();
    });
    done.recv_timeout(PATIENCE).unwrap();
}
