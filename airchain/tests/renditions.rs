//! An HLS output with several renditions, on air: one output, one id, cut alike whenever its encoders were started.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use airchain::codecs::container::segment::{Container, EPOCH_S};
use airchain::codecs::{Bitrate, Codec, Format};
use airchain::output::{OutputSpec, Target};
use airchain::outputs::hls::{HlsConfig, RenditionConfig};
use airchain::outputs::recording::RecordingConfig;
use airchain::outputs::sink::Health;
use airchain::spec::Fallback;
use airchain::{Host, HostConfig, Station, StationSpec};
use testkit::hls::{Segment, Snapshot, variants};
use testkit::{cmaf, ts};

/// Far longer than anything here takes: what has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

fn format(codec: Codec, kbps: u32) -> Format {
    Format { codec, bitrate: Bitrate::Cbr(kbps), sample_rate_hz: 48_000, channels: 2 }
}

fn hls(path: &Path) -> OutputSpec {
    let rendition = |name: &str, format| RenditionConfig { name: name.into(), format };
    let config = HlsConfig {
        segment_duration_s: 0.5,
        playlist_size: 1000,
        renditions: vec![
            rendition("high", format(Codec::AacLc, 128)),
            rendition("least", format(Codec::HeAacV2, 32)),
        ],
        ..HlsConfig::new(path)
    };
    OutputSpec {
        id: "hls".into(),
        format: format(Codec::HeAacV1, 64),
        target: Target::Hls(config),
        passthrough: false,
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn read(path: &Path) -> [Snapshot; 3] {
    ["", "high", "least"].map(|name| Snapshot::read(&path.join(name)))
}

fn published(path: &Path, segments: usize) -> bool {
    let there = |name: &&str| path.join(name).join("live.m3u8").is_file();
    ["", "high", "least"].iter().all(there) && read(path).iter().all(|p| p.segments.len() >= segments)
}

/// Numbers, dates and the time stamps in the segments are the same in all. What one has already and another has not
/// yet is left out.
fn assert_alike(playlists: &[Snapshot; 3]) {
    let starts = |playlist: &Snapshot| {
        let start = |segment: &Segment| ts::Checker::default().segment(&playlist.data(segment))[0].pts;
        let starts = playlist.segments.iter().map(|segment| (segment.number, start(segment)));
        starts.collect::<BTreeMap<_, _>>()
    };
    let first = starts(&playlists[0]);
    for playlist in &playlists[1..] {
        assert!(playlist.assert_aligned(&playlists[0]) > 2);
        let starts = starts(playlist);
        assert!(starts.iter().all(|(n, at)| first.get(n).is_none_or(|first| first == at)), "{starts:?}");
    }
}

fn output(station: &Station, id: &str) -> airchain::station::OutputStatus {
    station.outputs().into_iter().find(|output| output.id == id).unwrap()
}

#[test]
fn renditions_are_one_output_and_are_cut_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (recordings, path) = (folder.path().join("rec"), folder.path().join("hls"));
    // The encoder of the recording has been at work for a while, at a frame of its own, when HLS comes to share it.
    let recording = OutputSpec {
        id: "recording".into(),
        format: format(Codec::AacLc, 128),
        target: Target::Recording(RecordingConfig::new(&recordings)),
        passthrough: false,
    };
    let host = Host::new(HostConfig::default()).unwrap();
    let spec = StationSpec { fallback: Fallback::Tone, ..StationSpec::default() };
    let station = host.add_station(spec, Vec::new()).unwrap();
    until("the station runs", || station.position() > 5_000);
    station.add_output(recording).unwrap();
    until("the recording runs", || output(&station, "recording").stats.is_some_and(|s| s.packets > 5));
    station.add_output(hls(&path)).unwrap();
    assert!(station.add_output(hls(&path)).is_err(), "one id, one output");
    until("three segments", || published(&path, 3));

    let status = output(&station, "hls");
    let stats = status.stats.unwrap();
    assert_eq!((status.kind, status.target), ("hls", format!("hls {}", path.display())));
    assert_eq!((stats.health, stats.dropped_frames), (Health::Up, 0));
    assert_eq!(station.outputs().len(), 2);
    let before = read(&path);
    assert_alike(&before);
    let named: Vec<_> = variants(&path).into_iter().map(|variant| variant.uri).collect();
    assert_eq!(named, ["high/live.m3u8", "live.m3u8", "least/live.m3u8"]);

    station.remove_output("hls").unwrap();
    assert_eq!(station.outputs().len(), 1);
    until("the ends", || read(&path).iter().all(|playlist| playlist.ended));
    let before = read(&path);
    station.add_output(hls(&path)).unwrap();
    until("three more", || published(&path, before[0].segments.len() + 4));
    station.stop(Duration::from_secs(5));
    let after = read(&path);
    for (after, before) in after.iter().zip(&before) {
        after.assert_continues(before);
        assert!(after.ended && after.discontinuity_sequence == 0);
        assert_eq!(after.segments.iter().filter(|segment| segment.discontinuity).count(), 1);
    }
    // All have ended at the same frame.
    let last = after.each_ref().map(|playlist| playlist.segments.last().map(|s| (s.number, s.duration_us)));
    assert_eq!((last[0], last[0]), (last[1], last[2]));
    host.shutdown(Duration::from_secs(1));
}

#[test]
fn a_format_that_cannot_be_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig::default()).unwrap();
    let station = host.add_station(StationSpec::default(), Vec::new()).unwrap();
    let mut bad = hls(folder.path());
    let Target::Hls(config) = &mut bad.target else { unreachable!() };
    config.renditions[1].format.sample_rate_hz = 8;
    assert!(station.add_output(bad).unwrap_err().to_string().contains("sample_rate_hz"));
    assert!(station.outputs().is_empty());
    station.add_output(hls(folder.path())).unwrap();
    until("a segment", || published(folder.path(), 1));
    host.shutdown(Duration::from_secs(1));
}

#[test]
fn segments_of_any_codec_lie_on_its_grid_and_recordings_keep_their_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let (recordings, path) = (folder.path().join("rec"), folder.path().join("hls"));
    let flac = Format::of(Codec::Flac);
    let rendition = |name: &str, codec| RenditionConfig { name: name.into(), format: Format::of(codec) };
    let config = HlsConfig {
        container: Container::Fmp4,
        segment_duration_s: 0.5,
        playlist_size: 1000,
        renditions: vec![rendition("opus", Codec::Opus), rendition("deep", Codec::Flac24)],
        ..HlsConfig::new(&path)
    };
    let target = [Target::Recording(RecordingConfig::new(&recordings)), Target::Hls(config)];
    let [recording, segments] = target.map(|target| OutputSpec {
        id: target.kind().into(),
        format: flac,
        target,
        passthrough: false,
    });
    let host = Host::new(HostConfig::default()).unwrap();
    let spec = StationSpec { fallback: Fallback::Tone, ..StationSpec::default() };
    let station = host.add_station(spec, Vec::new()).unwrap();
    until("the station runs", || station.position() > 5_000);
    station.add_output(recording).unwrap();
    until("the recording runs", || output(&station, "recording").stats.is_some_and(|s| s.packets > 5));
    station.add_output(segments).unwrap();
    let tracks = ["", "opus", "deep"].map(|name| path.join(name));
    let published =
        |track: &PathBuf| track.join("live.m3u8").is_file() && Snapshot::read(track).segments.len() > 3;
    until("segments", || tracks.iter().all(published));
    station.stop(Duration::from_secs(5));

    let playlists = tracks.map(|track| Snapshot::read(&track));
    for (playlist, packet) in playlists.iter().zip([4096, 960, 4096]) {
        let init = playlist.init(&playlist.segments[0]).unwrap();
        let mut checker = cmaf::Checker::new(&init);
        for segment in &playlist.segments {
            let start = checker.segment(&playlist.data(segment)).samples[0].time as i64;
            assert_eq!((start - EPOCH_S * 48_000) % packet, 0, "{}", segment.uri);
        }
    }
    assert!(playlists[0].assert_aligned(&playlists[2]) > 3);
    // The encoder of the recording was not led in: there is no silence before what it was started for.
    let file = std::fs::read_dir(&recordings).unwrap().next().unwrap().unwrap().path();
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&file)
        .args(["-f", "s16le", "-"])
        .output()
        .expect("ffmpeg is installed");
    let silent = decoded.stdout.chunks(4).take_while(|frame| **frame == [0; 4]).count();
    assert!(silent < 10 && decoded.stdout.len() > 100_000, "{silent} silent frames");
    host.shutdown(Duration::from_secs(1));
}
