//! Station start: from the declaration to the first block on the bus, with an MP3 of which half a second is decoded ahead.

use std::time::{Duration, Instant};

use airchain::core::item::Item;
use airchain::core::playout::Playlist;
use airchain::core::playout::playlist::Order;
use airchain::core::presets;
use airchain::{Host, HostConfig, StationSpec};
use airchain_benches::music;
use criterion::{Criterion, criterion_group, criterion_main};

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let song = folder.path().join("song.mp3");
    music::write(&song, 60).expect("a song");
    let host = Host::new(HostConfig::default()).expect("a host");
    let mut group = criterion.benchmark_group("station start");
    group.sample_size(20);
    group.bench_function("to the first block on the bus", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let item = Item::file(song.display().to_string());
                let programme = Box::new(Playlist::new(vec![item], Order::Sequential, true, 0));
                let chain = presets::find("safe").map(presets::Preset::nodes).unwrap_or_default();
                let start = Instant::now();
                let spec = StationSpec { chain, programme, ..StationSpec::default() };
                let station = host.add_station(spec, Vec::new()).expect("a station");
                while station.position() == 0 {
                    std::thread::yield_now();
                }
                spent += start.elapsed();
                station.stop(Duration::from_secs(1));
            }
            spent
        });
    });
    group.finish();
    host.shutdown(Duration::from_secs(2));
}

criterion_group!(benches, bench);
criterion_main!(benches);
