//! How loud programmes of unlike items leave a station, by a meter of the test's own.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use airchain::codecs::{Codec, Format};
use airchain::core::chain::{NodeSpec, ParamValue};
use airchain::core::control::When;
use airchain::core::item::{Item, Metadata};
use airchain::core::playout::playlist::Order;
use airchain::core::playout::{Playlist, Request, StationEvent};
use airchain::core::presets;
use airchain::core::{Frames, Stereo};
use airchain::file::FileWriter;
use airchain::offline::Render;
use airchain::{Host, HostConfig, ItemLoudness, StationSpec};
use ebur128::{EbuR128, Mode};
use testkit::{measure, signal};

const RATE: u32 = 48_000;
const TARGET_LUFS: f64 = -16.0;
const PATIENCE: Duration = Duration::from_secs(60);

fn wav(folder: &Path, name: &str, channels: u8, audio: &[Stereo]) -> Item {
    let path = folder.join(format!("{name}.wav"));
    let format = Format { channels, ..Format::of(Codec::PcmF32) };
    let mut writer = FileWriter::create(&path, &format, RATE, &Metadata::default()).unwrap();
    writer.write(audio).unwrap();
    writer.finish().unwrap();
    Item { id: name.into(), ..Item::file(path.display().to_string()) }
}

fn seconds(seconds: f64) -> usize {
    (seconds * f64::from(RATE)) as usize
}

fn scaled(audio: Vec<Stereo>, by: impl Fn(usize) -> f32) -> Vec<Stereo> {
    audio.into_iter().enumerate().map(|(n, frame)| frame.map(|sample| sample * by(n))).collect()
}

/// Something like music: noise that swells and ebbs every few seconds, with a quiet beginning.
fn music(seed: u64, level_db: f64, length_s: f64) -> Vec<Stereo> {
    let time = |n: usize| n as f32 / RATE as f32;
    let beginning = seconds(length_s / 5.0);
    scaled(signal::noise(seed, level_db, seconds(length_s)), |n| {
        let swell = 0.75 + 0.25 * (time(n) * 1.3).sin() * (time(n) * 7.0).cos();
        if n < beginning { 0.15 * swell } else { swell }
    })
}

/// A programme of items that have nothing in common.
fn mixed(folder: &Path) -> Vec<Item> {
    let speech = |level_db, seed, length_s| signal::speech(RATE, level_db, seed, seconds(length_s));
    let clipped = scaled(speech(12.0, 3, 20.0), |_| 1.0);
    let clipped: Vec<Stereo> =
        clipped.iter().map(|frame| frame.map(|sample| sample.clamp(-1.0, 1.0))).collect();
    vec![
        wav(folder, "quiet-speech", 2, &speech(-11.0, 1, 20.0)),
        wav(folder, "loud-music", 2, &music(2, -1.0, 30.0)),
        wav(folder, "clipped", 2, &clipped),
        wav(folder, "quiet-music", 2, &music(4, -24.0, 25.0)),
        wav(folder, "tone", 2, &signal::sine(RATE, 440.0, -26.0, seconds(8.0))),
        wav(folder, "mono-speech", 1, &speech(-8.0, 5, 15.0)),
        wav(folder, "loud-tone", 2, &signal::sine(RATE, 997.0, -1.0, seconds(5.0))),
        wav(folder, "short", 2, &music(6, -6.0, 1.5)),
    ]
}

fn node(node: &str, config: &[(&str, f64)]) -> NodeSpec {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), ParamValue::Number(*value)));
    NodeSpec { node: node.into(), config: config.collect() }
}

fn spec(items: Vec<Item>, chain: Vec<NodeSpec>, item_loudness: ItemLoudness) -> StationSpec {
    let programme = Box::new(Playlist::new(items, Order::Sequential, false, 0));
    StationSpec { programme, chain, item_loudness, ..StationSpec::default() }
}

/// An item as it aired.
struct Aired {
    item: Item,
    audio: Vec<Stereo>,
}

fn render(spec: StationSpec) -> (Vec<Stereo>, Vec<Aired>) {
    let mut render = Render::new(spec, [], None).unwrap();
    let mut audio = Vec::new();
    while let Some(block) = render.next_block().unwrap() {
        audio.extend_from_slice(block);
    }
    let mut began: Vec<(Frames, Item)> = Vec::new();
    while let Some(report) = render.poll() {
        if let StationEvent::NowPlaying { item, .. } = report.event {
            began.push((report.frame, item));
        }
    }
    let ends =
        began.iter().skip(1).map(|(frame, _)| *frame).chain([audio.len() as Frames]).collect::<Vec<_>>();
    let aired = began
        .into_iter()
        .zip(ends)
        .map(|((start, item), end)| Aired { item, audio: audio[start as usize..end as usize].to_vec() });
    let aired = aired.collect();
    (audio, aired)
}

fn lufs(audio: &[Stereo]) -> f64 {
    let mut meter = EbuR128::new(2, RATE, Mode::I).unwrap();
    meter.add_frames_f32(audio.as_flattened()).unwrap();
    meter.loudness_global().unwrap()
}

#[test]
fn each_item_of_a_mixed_programme_is_at_the_target_and_begins_as_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let items = mixed(folder.path());
    let chain = vec![node("loudness_normalize", &[]), node("limiter", &[])];
    let (whole, aired) = render(spec(items.clone(), chain, ItemLoudness::Analysis));
    assert_eq!(aired.len(), items.len());
    for Aired { item, audio } in &aired {
        let (loudness, gain_db) = (lufs(audio), TARGET_LUFS - item.loudness_lufs.unwrap());
        assert!((loudness - TARGET_LUFS).abs() < 0.5, "{}: {loudness:.2} LUFS", item.id);
        // Its first 400 ms have the gain that is right for the whole of it, from 50 ms on.
        let first = seconds(0.06)..seconds(0.4);
        let mut source = render(spec(vec![Item::file(&*item.path)], Vec::new(), ItemLoudness::Off)).0;
        source.truncate(first.end);
        let change_db = measure::db(measure::rms(&audio[first.clone()]) / measure::rms(&source[first]));
        let upmix_db = if item.id.starts_with("mono") { -3.01 } else { 0.0 };
        assert!((change_db - gain_db - upmix_db).abs() < 0.3, "{}: {change_db:.2}, {gain_db:.2}", item.id);
    }
    assert!((lufs(&whole) - TARGET_LUFS).abs() < 0.5, "{:.2}", lufs(&whole));
    assert!(measure::true_peak_db(&whole) < -1.0 + 0.1, "{:.2} dBTP", measure::true_peak_db(&whole));
}

#[test]
fn a_chain_with_dynamics_leaves_the_programme_at_the_target_too() {
    let folder = tempfile::tempdir().unwrap();
    let items = mixed(folder.path());
    let example = vec![
        node("loudness_normalize", &[]),
        node("agc", &[("attack_ms", 10.0), ("release_ms", 100.0)]),
        node("compressor", &[("makeup_gain_db", 2.0)]),
        node("limiter", &[("release_ms", 10.0)]),
    ];
    for chain in [example, presets::find("broadcast").unwrap().nodes()] {
        let (whole, aired) = render(spec([&items[..]; 2].concat(), chain, ItemLoudness::Analysis));
        // The first round shows the chain what it does to such items; what is short is off by what it is unlike them.
        for Aired { item, audio } in &aired[items.len()..] {
            let within = if audio.len() < seconds(10.0) { 3.0 } else { 1.0 };
            assert!((lufs(audio) - TARGET_LUFS).abs() < within, "{}: {:.2} LUFS", item.id, lufs(audio));
        }
        let second: Vec<Stereo> = aired[items.len()..].iter().flat_map(|aired| aired.audio.clone()).collect();
        assert!((lufs(&second) - TARGET_LUFS).abs() < 0.5, "{:.2} LUFS", lufs(&second));
        assert!((lufs(&whole) - TARGET_LUFS).abs() < 0.8, "{:.2} LUFS", lufs(&whole));
        assert!(measure::true_peak_db(&whole) < -1.0 + 0.1);
    }
}

#[test]
fn an_unknown_programme_comes_to_the_target_too() {
    let folder = tempfile::tempdir().unwrap();
    let chain = vec![node("loudness_normalize", &[]), node("limiter", &[])];
    let items = mixed(folder.path());
    let (whole, aired) = render(spec([&items[..]; 5].concat(), chain, ItemLoudness::Off));
    assert!(aired.iter().all(|aired| aired.item.loudness_lufs.is_none()));
    for Aired { item, audio } in &aired {
        // What it is at when it has been heard for ten seconds.
        if let Some(settled) = audio.get(seconds(10.0)..) {
            assert!((lufs(settled) - TARGET_LUFS).abs() < 3.0, "{}: {:.2} LUFS", item.id, lufs(settled));
        }
    }
    assert!((lufs(&whole) - TARGET_LUFS).abs() < 0.5, "{:.2} LUFS", lufs(&whole));
    assert!(measure::true_peak_db(&whole) < -1.0 + 0.1);
}

#[test]
fn peaks_bound_what_an_item_is_turned_up() {
    let folder = tempfile::tempdir().unwrap();
    // 30 dB between its peaks and its loudness.
    let mut audio = signal::sine(RATE, 997.0, -31.0, seconds(5.0));
    (1..50).for_each(|n| audio[n * seconds(0.1)] = [0.9; 2]);
    let items = vec![wav(folder.path(), "clicks", 2, &audio)];
    for (max_limiting_db, gain_db) in [(6.0, 5.9), (0.0, 0.0)] {
        let chain = vec![node("loudness_normalize", &[("max_limiting_db", max_limiting_db)])];
        let (whole, _) = render(spec(items.clone(), chain, ItemLoudness::Analysis));
        let change_db = measure::db(measure::rms(&whole[480..4_000]) / measure::rms(&audio[480..4_000]));
        assert!((change_db - gain_db).abs() < 0.3, "{change_db:.2} dB");
        assert!(measure::true_peak_db(&whole) < -1.0 + 0.1);
    }
}

#[test]
fn on_air_what_waits_is_measured_and_starts_at_its_level() {
    let folder = tempfile::tempdir().unwrap();
    let first = wav(folder.path(), "first", 2, &signal::sine(RATE, 997.0, -20.0, seconds(600.0)));
    let next = wav(folder.path(), "next", 2, &music(1, -24.0, 10.0));
    let loudness = lufs(&render(spec(vec![next.clone()], Vec::new(), ItemLoudness::Off)).0);
    let cache = folder.path().join("analysis.sqlite");
    let chain = vec![node("loudness_normalize", &[])];
    let station = |items| {
        let spec = spec(items, chain.clone(), ItemLoudness::Analysis);
        StationSpec { analysis_cache: Some(cache.clone()), ..spec }
    };
    let host = Host::new(HostConfig::default()).unwrap();
    let on_air = host.add_station(station(vec![first, next.clone()]), Vec::new()).unwrap();
    let reports = on_air.reports();
    // It is known once an analysis of it is in the cache, and the engine has been told.
    let deadline = Instant::now() + PATIENCE;
    let analyser = || {
        let cache = airchain::analysis::Cache::open(&cache).unwrap();
        airchain::analysis::Analyser::new(Default::default()).with_cache(cache)
    };
    while analyser().lookup(Path::new(&next.path)).is_none() {
        assert!(Instant::now() < deadline, "nobody measured it");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(200));
    let skip = Request::Skip { tier: None, fade_s: Some(0.0), curve: Default::default(), wait: None };
    on_air.request(When::Now, skip).unwrap();
    let said = loop {
        let report = reports.recv_deadline(deadline).unwrap();
        if let StationEvent::NowPlaying { item, .. } = report.report.event
            && item.id == "next"
        {
            break item.loudness_lufs.unwrap();
        }
    };
    assert!((said - loudness).abs() < 0.01, "{said} is not {loudness}");
    host.shutdown(Duration::from_secs(5));

    // The next run knows it from the cache, and has it at its level at once.
    let (audio, aired) = render(station(vec![next]));
    assert_eq!(aired[0].item.loudness_lufs, Some(said));
    assert!((lufs(&audio) - TARGET_LUFS).abs() < 0.1);
}
