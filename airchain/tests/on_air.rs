//! Stations on air in a host: what they hold on to, and what becomes of them when something goes wrong.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::core::control::When;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, Request, StationEvent};
use airchain::file::FileWriter;
use airchain::station::TimedReport;
use airchain::{Host, HostConfig, StationSpec};
use testkit::signal;

const RATE: u32 = 48_000;
/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

fn tone(folder: &Path, hz: f64, seconds: u32) -> Item {
    let path = folder.join(format!("{hz}.wav"));
    let mut writer =
        FileWriter::create(&path, &Format::of(Codec::PcmS16), RATE, &Metadata::default()).unwrap();
    writer.write(&signal::sine(RATE, hz, -12.0, (RATE * seconds) as usize)).unwrap();
    writer.finish().unwrap();
    Item::file(path.display().to_string())
}

fn spec(items: Vec<Item>, looped: bool) -> StationSpec {
    let programme = Box::new(Playlist::new(items, Order::Sequential, looped, 0));
    StationSpec { programme, ..StationSpec::default() }
}

fn wait_for(
    reports: &crossbeam_channel::Receiver<TimedReport>,
    wanted: impl Fn(&StationEvent) -> bool,
) -> TimedReport {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = reports.recv_deadline(deadline).unwrap();
        if wanted(&report.report.event) {
            return report;
        }
    }
}

/// Files of `folder` that are open in this process.
fn open_files(folder: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links
        .filter_map(|link| std::fs::read_link(link.ok()?.path()).ok())
        .filter(|to| to.starts_with(folder))
        .count()
}

#[test]
fn skipped_items_are_let_go_of() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec![tone(folder.path(), 440.0, 60), tone(folder.path(), 880.0, 60)];
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(spec(items, true), Vec::new()).unwrap();
    let reports = station.reports();
    for _ in 0..20 {
        wait_for(&reports, |event| matches!(event, StationEvent::NowPlaying { .. }));
        let skip = Request::Skip { tier: None, fade_s: None, curve: Default::default() };
        station.request(When::Now, skip).unwrap();
    }
    wait_for(&reports, |event| matches!(event, StationEvent::NowPlaying { .. }));
    // The one on air, the next, and one that a worker is about to close.
    let deadline = Instant::now() + PATIENCE;
    while open_files(folder.path()) > 3 {
        assert!(Instant::now() < deadline, "{} files are still open", open_files(folder.path()));
        std::thread::yield_now();
    }
    host.shutdown(Duration::from_secs(1));
}
